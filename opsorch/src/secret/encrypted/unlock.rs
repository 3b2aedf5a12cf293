//! From a key, a passphrase or a KMS to the cipher of one file.

use std::path::Path;
use std::sync::Arc;

use super::cipher::Cipher;
use super::format::{Head, Origin, Stored, check_wrapped, wrong_key};
use super::key::{EncryptionKey, Source, derive};
use crate::Result;
use crate::secret::file::{blocking, invalid};
use crate::secret::key::fill_random;
use crate::secret::{Key, Kms, KmsContext};

/// How a file begins, and the cipher that opens it.
pub(super) struct Unlocked {
    pub(super) head: Head,
    pub(super) cipher: Cipher,
    /// Whether the next change encrypts the file anew.
    pub(super) is_former: bool,
}

impl Unlocked {
    /// Whether it is the key of this file. Its check is random, so that an equal head is the same head.
    pub(super) fn fits(&self, stored: &Stored) -> bool {
        self.head == stored.head
    }

    /// The cipher of a file, if this is its key.
    pub(super) async fn open(key: &EncryptionKey, stored: &Stored, path: &Path) -> Result<Cipher> {
        let (head, refuse) = (&stored.head, |why: &str| Err(wrong_key(path, why)));
        let key = match (&key.0, &head.origin) {
            (Source::Key(key), Origin::Given) => key.clone(),
            (Source::Passphrase(passphrase, _), Origin::Passphrase(cost)) => {
                if !cost.is_bearable() {
                    return Err(invalid(path, "the cost of deriving its key is beyond 1 GiB or 16 passes"));
                }
                let (passphrase, salt, cost) = (passphrase.clone(), head.salt, *cost);
                blocking(move || derive(&passphrase, &salt, cost)).await?
            }
            (Source::Kms(kms), Origin::Wrapped(wrapped)) => kms.unwrap_data_key(wrapped, &context(&head.salt)).await?,
            (_, Origin::Given) => return refuse("it is locked with a key"),
            (_, Origin::Passphrase(_)) => return refuse("it is locked with a passphrase"),
            (_, Origin::Wrapped(_)) => return refuse("it is locked with the data key of a KMS"),
        };
        let cipher = Cipher::new(&key);
        match head.opens_with(&cipher) {
            true => Ok(cipher),
            false => refuse("it is locked with another one"),
        }
    }

    /// The beginning of a new file.
    pub(super) async fn make(key: &EncryptionKey) -> Result<Self> {
        let mut salt = [0; 16];
        fill_random(&mut salt)?;
        let (key, origin) = match &key.0 {
            Source::Key(key) => (key.clone(), Origin::Given),
            Source::Passphrase(passphrase, cost) => {
                let (passphrase, cost) = (passphrase.clone(), *cost);
                (blocking(move || derive(&passphrase, &salt, cost)).await?, Origin::Passphrase(cost))
            }
            Source::Kms(kms) => data_key(kms, &salt).await?,
        };
        let cipher = Cipher::new(&key);
        Ok(Self { head: Head::new(origin, salt, &cipher)?, cipher, is_former: false })
    }
}

async fn data_key(kms: &Arc<dyn Kms>, salt: &[u8; 16]) -> Result<(Key, Origin)> {
    let made = kms.generate_data_key(&context(salt)).await?;
    check_wrapped(&made.wrapped)?;
    Ok((made.key, Origin::Wrapped(made.wrapped)))
}

/// Binds a wrapped key to its file, and says in the log of the KMS what it is for.
fn context(salt: &[u8; 16]) -> KmsContext {
    let file = salt.iter().map(|byte| format!("{byte:02x}")).collect();
    KmsContext::from([("opsorch:purpose".to_owned(), "secrets".to_owned()), ("opsorch:file".to_owned(), file)])
}
