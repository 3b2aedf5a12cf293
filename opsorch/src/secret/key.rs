//! Keys.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize, Zeroizing};

use super::Secret;
use crate::{Error, Result};

/// The length of a key in bytes.
const LENGTH: usize = 32;

/// A key of 256 bits. It cannot be printed, and its memory is wiped when it is dropped.
///
/// ```
/// use opsorch::secret::Key;
///
/// let key = Key::generate()?;
/// let text = key.to_secret(); // base64, to be kept in an environment variable or a file
/// assert_eq!(Key::from_secret(&text)?, key);
/// assert_eq!(format!("{key:?}"), "Key(***)");
/// # Ok::<(), opsorch::Error>(())
/// ```
// In a box, so that moving it does not leave copies behind.
#[derive(Clone)]
pub struct Key(Box<[u8; LENGTH]>);

impl Key {
    /// A new key, from the random numbers of the system.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the system has none.
    pub fn generate() -> Result<Self> {
        let mut key = Self(Box::new([0; LENGTH]));
        fill_random(&mut *key.0)?;
        Ok(key)
    }

    /// Reads the base64 of 32 bytes, as [`to_secret`](Self::to_secret) and `openssl rand -base64 32` write it.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub fn from_secret(text: &Secret) -> Result<Self> {
        // The error of the decoder is dropped: it holds a byte of the text.
        let bytes = STANDARD.decode(text.expose().trim()).map(Zeroizing::new);
        bytes.ok().and_then(|bytes| Self::from_bytes(&bytes)).ok_or_else(|| {
            Error::invalid("key", "expected the base64 of 32 random bytes, as `openssl rand -base64 32` writes it")
        })
    }

    /// The key with these bytes; `None` if they are not 32.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Self(Box::new([0; LENGTH]));
        (bytes.len() == LENGTH).then(|| {
            key.0.copy_from_slice(bytes);
            key
        })
    }

    /// The key as base64.
    pub fn to_secret(&self) -> Secret {
        Secret::new(STANDARD.encode(self.expose()))
    }

    /// The key itself: for the one place that needs it.
    pub fn expose(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(&self.0[..], &other.0[..]).into()
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

pub(super) fn fill_random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        let message = format!("the system has no random numbers: {error}");
        Error::new(crate::ErrorKind::Unavailable, message).not_applied()
    })
}
