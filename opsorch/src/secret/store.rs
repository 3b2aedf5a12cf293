//! The contract of stores, and how a store is a source.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use opsorch_schema::visible;

use super::source::not_empty;
use super::{LARGEST, Secret, SecretRef, SecretSource, SystemSecrets};
use crate::config::named;
use crate::{Error, ErrorKind, Result};

/// The longest name, in bytes.
const LONGEST_NAME: usize = 512;

/// Keeps secrets by name. The contract for implementations:
///
/// * A **name** is a path such as `providers/ticket/default`: up to 512 bytes, parts between slashes, none of them empty,
///   `.` or `..`, no control and no invisible characters. `put` refuses another one with `Invalid`. Names are not secret.
/// * A **secret** is text of 1 byte to 64 KiB; `put` refuses another one with `Invalid`.
/// * A name that is not there is `NotFound`, for `get` and for `delete`. Nothing else is: who cannot say whether it is there
///   says so with another error.
/// * `put` replaces what is there. A change is whole or not made; when it returned it lasts.
/// * A store that others change refuses with `Unsupported` what it cannot do.
/// * No error and no `Debug` holds a secret.
///
/// Every store is a [`SecretSource`] too: it resolves `secret:NAME` by itself, and `env:NAME`, `file:PATH` and literals as
/// [`SystemSecrets`] does.
#[async_trait]
pub trait SecretStore: fmt::Debug + Send + Sync + 'static {
    /// The secret of this name.
    async fn get(&self, name: &str) -> Result<Secret>;

    /// Keeps a secret under this name, in place of the one that is there.
    async fn put(&self, name: &str, secret: &Secret) -> Result<()>;

    /// All names, sorted.
    async fn names(&self) -> Result<Vec<String>>;

    /// Removes a secret.
    async fn delete(&self, name: &str) -> Result<()>;
}

#[async_trait]
impl<S: SecretStore + ?Sized> SecretStore for Arc<S> {
    async fn get(&self, name: &str) -> Result<Secret> {
        (**self).get(name).await
    }

    async fn put(&self, name: &str, secret: &Secret) -> Result<()> {
        (**self).put(name, secret).await
    }

    async fn names(&self) -> Result<Vec<String>> {
        (**self).names().await
    }

    async fn delete(&self, name: &str) -> Result<()> {
        (**self).delete(name).await
    }
}

#[async_trait]
impl<S: SecretStore> SecretSource for S {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret> {
        let SecretRef::Stored(name) = reference else { return SystemSecrets.resolve(reference).await };
        match self.get(name).await {
            Ok(secret) => not_empty(reference, secret),
            Err(error) if *error.kind() == ErrorKind::NotFound => {
                Err(reference.error("there is no such secret in the store").with_source(error))
            }
            Err(error) => Err(about(reference, error)),
        }
    }
}

/// Says which reference an error is about. The field of one that is `Invalid` would be taken for one of whoever holds the
/// reference.
fn about(reference: &SecretRef, error: Error) -> Error {
    if !matches!(error.kind(), ErrorKind::Invalid { .. }) {
        return error.with_context("secret", reference);
    }
    let named = reference.error(error.message().to_owned());
    error.context().fold(named, |named, (name, value)| named.with_context(name, value)).with_source(error.clone())
}

/// Refuses what no store can take under a name.
pub(crate) fn check(name: &str, secret: &Secret) -> Result<()> {
    check_name(name)?;
    match secret.expose().len() {
        0 => Err(Error::invalid("secret", "the secret is empty").with_context("name", name)),
        length if length > LARGEST => {
            let message = format!("expected at most 64 KiB, got a secret of {length} bytes");
            Err(Error::invalid("secret", message).with_context("name", name))
        }
        _ => Ok(()),
    }
}

/// Refuses what is no name.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let is_path = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if is_path && name.len() <= LONGEST_NAME && visible(name) == name && !name.contains(char::is_control) {
        return Ok(());
    }
    let message = format!(
        "expected a name such as `jira/token`: at most {LONGEST_NAME} printable bytes, no part of it empty, `.` or `..`; \
         got `{}`",
        named(name)
    );
    Err(Error::invalid("secret", message))
}

/// The error for a name that is not there.
pub(crate) fn absent(name: &str) -> Error {
    Error::not_found(format!("there is no secret `{}` in the store", named(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_path_that_leads_nowhere_else() {
        for name in ["a", "providers/ticket/default", "a b", "ä/ö", "...", ".a", &"x".repeat(512)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a\nb", "a\u{202e}b", "a\0", &"x".repeat(513)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
