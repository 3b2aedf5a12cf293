//! Secrets in files of a directory.

use std::fs;
use std::io::ErrorKind as Io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::file::{self, Locked, blocking, invalid, unavailable};
use super::store::{absent, check, check_name};
use super::{LARGEST, Secret, SecretStore};
use crate::{Error, Result};

/// The most files that are listed.
const MOST_FILES: usize = 10_000;

/// The deepest folder that is looked into; a link that leads back ends here.
const DEEPEST: usize = 16;

/// Secrets in a directory, in clear: one file for each, whose path below it is the name.
///
/// * One newline at the end of a file is not part of the secret.
/// * On unix a file that others than its owner can read or write is refused, unless
///   [`readable_by_others`](Self::readable_by_others) allows it.
/// * Files and folders whose names begin with a dot are not secrets; they are the locks of this store, and the links of
///   Kubernetes. Links are followed.
#[derive(Clone, Debug)]
pub struct DirectorySecrets {
    directory: Arc<Path>,
    readable_by_others: bool,
}

impl DirectorySecrets {
    /// The files of this directory, which must be there when a secret is put.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into().into(), readable_by_others: false }
    }

    /// Accepts files that others can read too, as in the volumes of Kubernetes.
    pub fn readable_by_others(mut self) -> Self {
        self.readable_by_others = true;
        self
    }

    fn path(&self, name: &str) -> Result<PathBuf> {
        check_name(name)?;
        if name.split('/').any(|part| part.starts_with('.') || part.contains('\\')) {
            let message =
                format!("in a directory no part of a name begins with a dot or holds a backslash, got `{name}`");
            return Err(Error::invalid("secret", message));
        }
        Ok(self.directory.join(name))
    }
}

#[async_trait]
impl SecretStore for DirectorySecrets {
    async fn get(&self, name: &str) -> Result<Secret> {
        let (path, is_shared) = (self.path(name)?, self.readable_by_others);
        let bytes = blocking(move || match is_shared {
            // A folder is the beginning of other names.
            _ if path.is_dir() => Ok(None),
            true => file::read(&path, LARGEST + 2, |_| Ok(())),
            false => file::read(&path, LARGEST + 2, file::private(&path)),
        });
        let bytes = bytes.await?.ok_or_else(|| absent(name))?;
        let refuse = |message: &'static str| Err(Error::invalid("secret", message).with_context("name", name));
        // The error of a failed conversion is dropped: it holds the bytes.
        let Ok(text) = std::str::from_utf8(&bytes) else { return refuse("the file is not UTF-8") };
        let line = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text));
        match line.unwrap_or(text) {
            "" => refuse("the file is empty"),
            text if text.len() > LARGEST => refuse("the file is larger than 64 KiB; is it the right one?"),
            text => Ok(Secret::new(text)),
        }
    }

    async fn put(&self, name: &str, secret: &Secret) -> Result<()> {
        check(name, secret)?;
        let (path, directory, secret) = (self.path(name)?, Arc::clone(&self.directory), secret.clone());
        blocking(move || {
            make_folders(&directory, &path)?;
            let text = zeroize::Zeroizing::new([secret.expose(), "\n"].concat());
            Locked::wait(&path)?.replace(text.as_bytes())
        })
        .await
    }

    async fn names(&self) -> Result<Vec<String>> {
        let directory = Arc::clone(&self.directory);
        blocking(move || {
            let mut names = Vec::new();
            list(&directory, "", DEEPEST, &mut names)?;
            names.sort();
            Ok(names)
        })
        .await
    }

    async fn delete(&self, name: &str) -> Result<()> {
        let (path, absent) = (self.path(name)?, absent(name));
        blocking(move || match path.is_file() && Locked::wait(&path)?.remove()? {
            true => Ok(()),
            false => Err(absent),
        })
        .await
    }
}

/// Makes the folders of a file below the directory, but not the directory: its place is the operator's to choose.
fn make_folders(directory: &Path, path: &Path) -> Result<()> {
    if !directory.is_dir() {
        return Err(invalid(directory, "expected a directory for secrets that is there"));
    }
    let Some(folder) = path.parent() else { return Ok(()) };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| unavailable(folder, "the folder of a secret cannot be made", error))
}

fn list(folder: &Path, prefix: &str, depth: usize, names: &mut Vec<String>) -> Result<()> {
    let unreadable = |error| unavailable(folder, "a directory of secrets cannot be read", error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == Io::NotFound && prefix.is_empty() => return Ok(()),
        Err(error) => return Err(unreadable(error)),
    };
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let file = entry.file_name();
        let Some(file) = file.to_str().filter(|file| !file.starts_with('.')) else { continue };
        // Of what a link leads to; a link to nothing is nothing.
        let Ok(metadata) = fs::metadata(entry.path()) else { continue };
        let name = format!("{prefix}{file}");
        if metadata.is_dir() && depth > 0 {
            list(&entry.path(), &format!("{name}/"), depth - 1, names)?;
        } else if metadata.is_file() && check_name(&name).is_ok() {
            if names.len() == MOST_FILES {
                return Err(invalid(folder, format!("expected at most {MOST_FILES} secrets")));
            }
            names.push(name);
        }
    }
    Ok(())
}
