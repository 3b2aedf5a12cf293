//! Secrets in environment variables.

use async_trait::async_trait;

use super::store::{absent, check_name};
use super::{Secret, SecretStore};
use crate::{Error, Result};

/// The environment variables of this process whose names begin with a prefix. A secret is named by what follows it.
///
/// A variable that is empty is not there. Nothing can be put and nothing deleted.
#[derive(Clone, Debug)]
pub struct EnvironmentSecrets {
    prefix: String,
}

impl EnvironmentSecrets {
    /// The variables that begin with this prefix, such as `MYAPP_SECRET_`; all of them for an empty one.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }
}

#[async_trait]
impl SecretStore for EnvironmentSecrets {
    async fn get(&self, name: &str) -> Result<Secret> {
        check_name(name)?;
        let variable = format!("{}{name}", self.prefix);
        // No variable is called so, and some systems panic when they are asked for one.
        let value = if variable.contains('=') { None } else { std::env::var_os(&variable) };
        match value.filter(|value| !value.is_empty()).map(std::ffi::OsString::into_string) {
            Some(Ok(text)) => Ok(Secret::new(text)),
            Some(Err(_)) => Err(Error::invalid(format!("env:{variable}"), "the environment variable is not UTF-8")),
            None => Err(absent(name)),
        }
    }

    async fn put(&self, _: &str, _: &Secret) -> Result<()> {
        Err(read_only())
    }

    async fn names(&self) -> Result<Vec<String>> {
        let variables = std::env::vars_os().filter(|(_, value)| !value.is_empty());
        let names = variables.filter_map(|(name, _)| name.to_str()?.strip_prefix(&self.prefix).map(str::to_owned));
        let mut names: Vec<String> = names.filter(|name| check_name(name).is_ok()).collect();
        names.sort();
        Ok(names)
    }

    async fn delete(&self, _: &str) -> Result<()> {
        Err(read_only())
    }
}

fn read_only() -> Error {
    Error::unsupported(
        "the environment of a process is only read; keep secrets that change in an encrypted file or in Vault",
    )
}
