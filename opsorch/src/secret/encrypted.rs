//! Secrets in one encrypted file.

mod cipher;
mod format;
mod key;
mod unlock;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use self::cipher::Cipher;
use self::format::{LARGEST_FILE, Sealed, Stored};
pub use self::key::EncryptionKey;
use self::unlock::Unlocked;
use super::file::{self, Locked, blocking, invalid};
use super::store::{absent, check};
use super::{Secret, SecretStore};
use crate::{Error, Result};

/// How often a change is begun anew because another process changed the key of the file meanwhile.
const ATTEMPTS: usize = 4;

/// Secrets in one encrypted file: XChaCha20-Poly1305, a random nonce for every value.
///
/// * A value is bound to its name and to the file, so that two values cannot be swapped. The list as a whole is sealed: an
///   entry that is changed, added, removed, cut off or put back to an older one is found.
/// * A wrong key (`Invalid`) is told from a damaged file and from one that was changed without the key (both `Unexpected`).
/// * A change is whole or not made, and takes a lock beside the file, so that processes that write at once lose nothing.
/// * The file has a generation, which every change raises. One process refuses to go back to an older one. An older file as
///   a whole is not found after a restart, and neither is its removal, unless the generation is kept elsewhere
///   ([`at_least`](Self::at_least)).
/// * Names, the number of secrets and their lengths can be read without the key.
///
/// At most 16 MiB. A file that is not there is empty, and is made by the first [`put`](SecretStore::put), of mode 0600; on
/// unix a file that others can read or write is refused.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use opsorch::secret::{EncryptedFile, Key, Secret, SecretStore};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("secrets");
/// let old = Key::generate()?; // or `Key::from_secret` with what an environment variable or a file holds
/// EncryptedFile::new(&path, old.clone()).put("jira/token", &Secret::new("s3cr3t")).await?;
///
/// // Another key: what the old one locks is still read, and `rotate` encrypts all of it anew.
/// let store = EncryptedFile::new(&path, Key::generate()?).former_key(old);
/// store.rotate().await?;
/// assert_eq!(store.get("jira/token").await?.expose(), "s3cr3t");
/// # Ok(())
/// # }
/// ```
pub struct EncryptedFile {
    path: Arc<Path>,
    key: EncryptionKey,
    former: Vec<EncryptionKey>,
    /// The highest generation that was seen.
    seen: AtomicU64,
    /// What opened the file last: deriving and unwrapping a key takes its time.
    unlocked: Mutex<Option<Arc<Unlocked>>>,
}

/// What is done under the lock.
#[derive(Clone)]
enum Change {
    Put(String, Secret),
    Delete(String),
    Rotate,
}

impl EncryptedFile {
    /// The file at this path under this key: a [`Key`](super::Key), or an [`EncryptionKey`] from a passphrase or a
    /// [`Kms`](super::Kms).
    pub fn new(path: impl Into<PathBuf>, key: impl Into<EncryptionKey>) -> Self {
        let (path, key) = (path.into().into(), key.into());
        Self { path, key, former: Vec::new(), seen: AtomicU64::new(0), unlocked: Mutex::default() }
    }

    /// Reads a file under this key too. The next change encrypts it anew, under the key that it is opened with.
    pub fn former_key(mut self, key: impl Into<EncryptionKey>) -> Self {
        self.former.push(key.into());
        self
    }

    /// Refuses a file of an earlier generation, and its absence: for those who keep the number elsewhere.
    pub fn at_least(self, generation: u64) -> Self {
        self.seen.fetch_max(generation, Ordering::SeqCst);
        self
    }

    /// Checks the whole file, and says how often it was changed; 0 for a file that is not there.
    ///
    /// # Errors
    /// As every other call: `Invalid` for a wrong key, `Unexpected` for a file that is damaged, was changed without the key, or
    /// is older than the one that was seen, `Unavailable` for a file that cannot be read; those of the [`Kms`](super::Kms).
    pub async fn generation(&self) -> Result<u64> {
        let Some((stored, unlocked)) = self.load().await? else { return Ok(0) };
        for (name, sealed) in &stored.entries {
            self.open(&stored, &unlocked, name, sealed)?;
        }
        Ok(stored.generation)
    }

    /// Encrypts everything anew, under the key that it is opened with: with a new salt, data key and nonces. The former keys
    /// open the file no more, so open it with the new key and the old one as [former](Self::former_key) everywhere first.
    ///
    /// # Errors
    /// As [`generation`](Self::generation), and `NotFound` if there is no file.
    pub async fn rotate(&self) -> Result<()> {
        self.change(Change::Rotate).await
    }

    /// Reads and unlocks the file; `None` where there is none.
    async fn load(&self) -> Result<Option<(Stored, Arc<Unlocked>)>> {
        // Before the file is read: another task may see a later one meanwhile.
        let oldest = self.seen.load(Ordering::SeqCst);
        let path = Arc::clone(&self.path);
        let Some(stored) = blocking(move || read(&path, oldest)).await? else { return Ok(None) };
        let unlocked = self.unlock(&stored).await?;
        stored.verify(&unlocked.cipher, &self.path)?;
        self.seen.fetch_max(stored.generation, Ordering::SeqCst);
        Ok(Some((stored, unlocked)))
    }

    /// Finds the key of a file: the one that opened it last, the present one, or a former one.
    async fn unlock(&self, stored: &Stored) -> Result<Arc<Unlocked>> {
        if let Some(known) = self.known().filter(|known| known.fits(stored)) {
            return Ok(known);
        }
        let mut why = Err(format::wrong_key(&self.path, "no key is given"));
        for (index, key) in std::iter::once(&self.key).chain(&self.former).enumerate() {
            match Unlocked::open(key, stored, &self.path).await {
                Ok(cipher) => {
                    let unlocked = Arc::new(Unlocked { head: stored.head.clone(), cipher, is_former: index > 0 });
                    self.remember(&unlocked);
                    return Ok(unlocked);
                }
                // That of the present key is told, unless it is only the wrong one.
                Err(error) if index == 0 => why = Err(error),
                Err(_) => {}
            }
        }
        why
    }

    async fn change(&self, change: Change) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let before = self.load().await?;
            let unlocked = before.map(|(_, unlocked)| unlocked);
            let next = match &unlocked {
                Some(present) if !present.is_former && !matches!(change, Change::Rotate) => Arc::clone(present),
                None if !matches!(change, Change::Put(..)) => return Err(change.absent(&self.path)),
                _ => Arc::new(Unlocked::make(&self.key).await?),
            };
            let (path, change, written) = (Arc::clone(&self.path), change.clone(), Arc::clone(&next));
            let oldest = self.seen.load(Ordering::SeqCst);
            let done = blocking(move || write(&path, oldest, unlocked.as_deref(), &written, change)).await?;
            if let Some(generation) = done {
                self.seen.fetch_max(generation, Ordering::SeqCst);
                self.remember(&next);
                return Ok(());
            }
        }
        let message = "the key of the file of secrets is changed by other processes again and again";
        Err(Error::conflict(message).with_context("path", self.path.display()))
    }

    fn open(&self, stored: &Stored, unlocked: &Unlocked, name: &str, sealed: &Sealed) -> Result<Secret> {
        stored.open(&unlocked.cipher, name, sealed).map_err(|error| error.with_context("path", self.path.display()))
    }

    fn known(&self) -> Option<Arc<Unlocked>> {
        self.unlocked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, unlocked: &Arc<Unlocked>) {
        *self.unlocked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(unlocked));
    }
}

#[async_trait]
impl SecretStore for EncryptedFile {
    async fn get(&self, name: &str) -> Result<Secret> {
        let Some((stored, unlocked)) = self.load().await? else { return Err(absent(name)) };
        let sealed = stored.entries.get(name).ok_or_else(|| absent(name))?;
        self.open(&stored, &unlocked, name, sealed)
    }

    async fn put(&self, name: &str, secret: &Secret) -> Result<()> {
        check(name, secret)?;
        self.change(Change::Put(name.to_owned(), secret.clone())).await
    }

    async fn names(&self) -> Result<Vec<String>> {
        let loaded = self.load().await?;
        Ok(loaded.map(|(stored, _)| stored.entries.into_keys().collect()).unwrap_or_default())
    }

    async fn delete(&self, name: &str) -> Result<()> {
        self.change(Change::Delete(name.to_owned())).await
    }
}

impl fmt::Debug for EncryptedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedFile").field("path", &self.path).field("key", &self.key).finish_non_exhaustive()
    }
}

impl Change {
    fn absent(&self, path: &Path) -> Error {
        match self {
            Self::Put(name, _) | Self::Delete(name) => absent(name),
            Self::Rotate => Error::not_found("there is no file of secrets").with_context("path", path.display()),
        }
    }

    fn apply(self, stored: &mut Stored, cipher: &Cipher) -> Result<()> {
        match self {
            Self::Put(name, secret) => {
                let sealed = stored.seal(cipher, &name, &secret)?;
                stored.entries.insert(name, sealed);
            }
            Self::Delete(name) => {
                stored.entries.remove(&name).ok_or_else(|| absent(&name))?;
            }
            Self::Rotate => {}
        }
        Ok(())
    }
}

/// Reads a file that is at least of this generation; `None` where there is none and may be none.
fn read(path: &Path, oldest: u64) -> Result<Option<Stored>> {
    match file::read(path, LARGEST_FILE, file::private(path))? {
        Some(bytes) => {
            let stored = Stored::parse(&bytes, path)?;
            match stored.generation < oldest {
                true => Err(went_back(path, oldest, &format!("generation {}", stored.generation))),
                false => Ok(Some(stored)),
            }
        }
        None if oldest > 0 => Err(went_back(path, oldest, "no file")),
        None => Ok(None),
    }
}

fn went_back(path: &Path, oldest: u64, found: &str) -> Error {
    let message = format!(
        "expected generation {oldest} of the file of secrets or a later one, got {found}; was it put back from a backup?"
    );
    Error::unexpected(message).with_context("path", path.display())
}

/// Makes a change under the lock, and returns the new generation; `None` if the file has another key than it had `before`.
fn write(path: &Path, oldest: u64, before: Option<&Unlocked>, next: &Unlocked, change: Change) -> Result<Option<u64>> {
    let locked = Locked::wait(path)?;
    let mut stored = match (read(path, oldest)?, before) {
        (None, None) => Stored::empty(next.head.clone()),
        (Some(stored), Some(before)) if before.fits(&stored) => {
            stored.verify(&before.cipher, path)?;
            match before.head == next.head {
                true => stored,
                false => stored.under(&before.cipher, &next.head, &next.cipher)?,
            }
        }
        _ => return Ok(None),
    };
    change.apply(&mut stored, &next.cipher)?;
    stored.generation = stored.generation.checked_add(1).ok_or_else(|| invalid(path, "the generations are used up"))?;
    locked.replace(&stored.write(&next.cipher, path)?)?;
    Ok(Some(stored.generation))
}
