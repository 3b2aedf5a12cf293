//! Sources without a store: the environment and files of the process, and secrets given in code.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::{LARGEST, Secret, SecretRef, SecretSource};
use crate::{Error, Result};

/// The environment variables and files of this process. It has no store: `secret:NAME` is refused.
///
/// Refused, with an error that names the reference: a variable that is not set, a file that cannot be read or is larger
/// than 64 KiB, a value that is empty or not UTF-8.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemSecrets;

#[async_trait]
impl SecretSource for SystemSecrets {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret> {
        let text = match reference {
            SecretRef::Env(name) => match std::env::var(name) {
                Ok(text) => text,
                Err(std::env::VarError::NotPresent) => {
                    return Err(reference.error("the environment variable is not set"));
                }
                Err(std::env::VarError::NotUnicode(_)) => {
                    return Err(reference.error("the environment variable is not UTF-8"));
                }
            },
            SecretRef::File(_) => {
                // A file may be on a network mount or a pipe: it must not hold up the runtime.
                let reference = reference.clone();
                let reading = tokio::task::spawn_blocking(move || read_file(&reference));
                reading.await.map_err(|error| Error::unexpected("reading a secret failed").with_source(error))??
            }
            SecretRef::Stored(_) => {
                return Err(reference.error(
                    "there is no secret store here; name one in the table [secrets] or in OPSORCH_SECRET_PROVIDER, or \
                     give one to the builder",
                ));
            }
            SecretRef::Literal(secret) => return Ok(secret.clone()),
        };
        not_empty(reference, Secret::new(text))
    }
}

/// Secrets given by the embedding program: for tests, and where they come from elsewhere.
///
/// `env:NAME`, `secret:NAME` and `file:PATH` are looked up as `NAME` and `PATH`; a literal is itself.
#[derive(Clone, Debug, Default)]
pub struct StaticSecrets(BTreeMap<String, Secret>);

impl StaticSecrets {
    /// These secrets by name.
    pub fn new<N: Into<String>, S: Into<String>>(secrets: impl IntoIterator<Item = (N, S)>) -> Self {
        Self(secrets.into_iter().map(|(name, secret)| (name.into(), Secret::new(secret))).collect())
    }

    fn find(&self, reference: &SecretRef, name: &str) -> Result<Secret> {
        self.0.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
            reference.error(format!("there is no such secret; known are: {}", known.join(", ")))
        })
    }
}

#[async_trait]
impl SecretSource for StaticSecrets {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret> {
        let secret = match reference {
            SecretRef::Env(name) | SecretRef::Stored(name) => self.find(reference, name)?,
            SecretRef::File(path) => self.find(reference, &path.to_string_lossy())?,
            SecretRef::Literal(secret) => secret.clone(),
        };
        not_empty(reference, secret)
    }
}

pub(super) fn not_empty(reference: &SecretRef, secret: Secret) -> Result<Secret> {
    match secret.expose() {
        "" => Err(reference.error("the secret is empty")),
        _ => Ok(secret),
    }
}

fn read_file(reference: &SecretRef) -> Result<String> {
    let SecretRef::File(path) = reference else {
        return Err(reference.error("expected a reference to a file"));
    };
    let bytes = read_limited(path).map_err(|error| reference.error("the file cannot be read").with_source(error))?;
    if bytes.len() > LARGEST {
        return Err(reference.error("the file is larger than 64 KiB; is it the right one?"));
    }
    // The error of a failed conversion holds the bytes, so it is dropped.
    let text = std::str::from_utf8(&bytes).map_err(|_| reference.error("the file is not UTF-8"))?;
    let line = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text));
    Ok(line.unwrap_or(text).to_owned())
}

/// At most one byte more than the limit. The buffer never grows, because growing would leave copies behind.
fn read_limited(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let most = LARGEST + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
    File::open(path)?.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "canary-5f1d";

    /// Everything an error can print, its sources included.
    fn printed(error: &Error) -> String {
        let mut text = format!("{error} {error:?} {error:#?}");
        let mut source = std::error::Error::source(error);
        while let Some(error) = source {
            text += &format!(" {error} {error:?}");
            source = error.source();
        }
        text
    }

    async fn resolve_file(content: &[u8]) -> Result<Secret> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, content).unwrap();
        SystemSecrets.resolve(&SecretRef::file(path)).await
    }

    #[tokio::test]
    async fn the_environment_is_read_and_a_missing_variable_named() {
        let found = SystemSecrets.resolve(&SecretRef::env("CARGO_MANIFEST_DIR")).await.unwrap();
        assert!(found.matches(env!("CARGO_MANIFEST_DIR")));

        let error = SystemSecrets.resolve(&SecretRef::env("OPSORCH_NO_SUCH_VARIABLE")).await.unwrap_err();
        assert_eq!(error.to_string(), "invalid env:OPSORCH_NO_SUCH_VARIABLE: the environment variable is not set");
    }

    #[tokio::test]
    async fn one_newline_at_the_end_of_a_file_is_cut() {
        for (content, expected) in [
            ("s3cr3t", "s3cr3t"),
            ("s3cr3t\n", "s3cr3t"),
            ("s3cr3t\r\n", "s3cr3t"),
            ("a\nb\n\n", "a\nb\n"),
            (" a ", " a "),
        ] {
            assert_eq!(resolve_file(content.as_bytes()).await.unwrap().expose(), expected);
        }
    }

    #[tokio::test]
    async fn a_file_of_64_kib_is_read_and_a_larger_one_refused() {
        assert_eq!(resolve_file(&vec![b'x'; 64 * 1024]).await.unwrap().expose().len(), 64 * 1024);
        let error = resolve_file(&vec![b'x'; 64 * 1024 + 1]).await.unwrap_err();
        assert!(error.message().contains("larger than 64 KiB"), "{error}");
    }

    #[tokio::test]
    async fn a_bad_file_is_named_and_its_content_is_not_shown() {
        let not_utf8 = [CANARY.as_bytes(), b"\xff"].concat();
        for content in [b"".as_slice(), b"\n", b"\r\n", &not_utf8] {
            let error = resolve_file(content).await.unwrap_err();
            let printed = printed(&error);
            assert!(printed.contains("file:") && printed.contains("token"), "{printed}");
            assert!(!printed.contains("canary") && !printed.contains("99, 97, 110"), "{printed}");
        }
        let missing = SystemSecrets.resolve(&SecretRef::file("/nonexistent/token")).await.unwrap_err();
        assert!(
            missing.to_string().starts_with("invalid file:/nonexistent/token: the file cannot be read"),
            "{missing}"
        );
    }

    #[tokio::test]
    async fn given_secrets_are_found_by_name_and_an_unknown_one_lists_the_known() {
        let source = StaticSecrets::new([("A", CANARY), ("/run/b", "other"), ("EMPTY", "")]);
        assert!(source.resolve(&SecretRef::env("A")).await.unwrap().matches(CANARY));
        assert!(source.resolve(&SecretRef::stored("A")).await.unwrap().matches(CANARY));
        assert!(source.resolve(&SecretRef::file("/run/b")).await.unwrap().matches("other"));
        assert!(source.resolve(&SecretRef::literal("x")).await.unwrap().matches("x"));
        assert!(source.resolve(&SecretRef::env("EMPTY")).await.is_err());

        let error = source.resolve(&SecretRef::env("C")).await.unwrap_err();
        assert_eq!(error.to_string(), "invalid env:C: there is no such secret; known are: /run/b, A, EMPTY");
        assert!(!printed(&error).contains("canary"));
    }

    #[tokio::test]
    async fn without_a_store_a_name_in_it_is_refused() {
        let error = SystemSecrets.resolve(&SecretRef::stored("jira")).await.unwrap_err();
        assert!(error.to_string().starts_with("invalid secret:jira: there is no secret store here"), "{error}");
    }
}
