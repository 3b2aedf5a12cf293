//! What a file is locked with.

use std::fmt;
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};

use crate::secret::{Key, Kms, Secret};
use crate::{Error, Result};

/// The shortest passphrase, in characters.
const SHORTEST: usize = 12;

/// What an `EncryptedFile` is locked with: a key, a passphrase, or a data key that a [`Kms`] wrapped.
///
/// ```
/// use opsorch::secret::{EncryptedFile, EncryptionKey, Secret};
///
/// let key = EncryptionKey::from_passphrase(Secret::new("correct horse battery staple"))?;
/// let store = EncryptedFile::new("secrets.enc", key);
/// # let _ = store;
/// # Ok::<(), opsorch::Error>(())
/// ```
#[derive(Clone)]
pub struct EncryptionKey(pub(super) Source);

#[derive(Clone)]
pub(super) enum Source {
    Key(Key),
    Passphrase(Secret, Cost),
    Kms(Arc<dyn Kms>),
}

/// What deriving a key from a passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
}

impl Cost {
    /// The second recommendation of RFC 9106, section 4: 64 MiB, 3 passes, 4 lanes.
    const RECOMMENDED: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 };

    /// What is paid at most when a file says so: 1 GiB, and some seconds.
    pub(super) fn is_bearable(self) -> bool {
        (1..=16).contains(&self.lanes)
            && (8 * self.lanes..=1024 * 1024).contains(&self.memory_kib)
            && (1..=16).contains(&self.passes)
    }
}

impl EncryptionKey {
    /// A key from a passphrase, through Argon2id with 64 MiB, 3 passes and 4 lanes (RFC 9106). The salt and the cost are in
    /// the file; each process derives the key once. At least 12 characters.
    ///
    /// # Errors
    /// `Invalid` for a shorter one.
    pub fn from_passphrase(passphrase: Secret) -> Result<Self> {
        Self::with_cost(passphrase, Cost::RECOMMENDED)
    }

    /// As [`from_passphrase`](Self::from_passphrase), with another cost: the memory in KiB and the passes over it. What is
    /// cheaper is found faster by one who guesses.
    ///
    /// # Errors
    /// `Invalid` for fewer than 12 characters, and for what is not within 32 KiB and 1 GiB, and 1 and 16 passes.
    pub fn from_passphrase_at_cost(passphrase: Secret, memory_kib: u32, passes: u32) -> Result<Self> {
        Self::with_cost(passphrase, Cost { memory_kib, passes, lanes: Cost::RECOMMENDED.lanes })
    }

    fn with_cost(passphrase: Secret, cost: Cost) -> Result<Self> {
        if passphrase.expose().chars().count() < SHORTEST {
            return Err(Error::invalid(
                "passphrase",
                format!("expected at least {SHORTEST} characters; better are six words"),
            ));
        }
        if !cost.is_bearable() {
            return Err(Error::invalid(
                "passphrase",
                "expected a cost of 32 KiB to 1 GiB of memory and 1 to 16 passes",
            ));
        }
        Ok(Self(Source::Passphrase(passphrase, cost)))
    }

    /// A data key that this service makes for the file, and wraps. The wrapped key is in the file.
    pub fn from_kms(kms: Arc<dyn Kms>) -> Self {
        Self(Source::Kms(kms))
    }
}

impl From<Key> for EncryptionKey {
    fn from(key: Key) -> Self {
        Self(Source::Key(key))
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Key(_) => f.write_str("EncryptionKey(key)"),
            Source::Passphrase(..) => f.write_str("EncryptionKey(passphrase)"),
            Source::Kms(kms) => write!(f, "EncryptionKey({kms:?})"),
        }
    }
}

/// Argon2id, version 0x13.
pub(super) fn derive(passphrase: &Secret, salt: &[u8], cost: Cost) -> Result<Key> {
    let failed =
        |error: argon2::Error| Error::unexpected(format!("no key can be derived from the passphrase: {error}"));
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(failed)?;
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose().as_bytes(), salt, &mut *bytes)
        .map_err(failed)?;
    Key::from_bytes(&*bytes).ok_or_else(|| Error::unexpected("the derived key has another length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_derived_as_by_the_reference_implementation() {
        // From test.c of the reference implementation: Argon2id, version 0x13, 2 passes, 2^8 KiB, 1 lane.
        let cost = Cost { memory_kib: 256, passes: 2, lanes: 1 };
        let key = derive(&Secret::new("password"), b"somesalt", cost).unwrap();
        let hex: String = key.expose().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe");
    }

    #[test]
    fn a_weak_passphrase_and_a_cost_out_of_bounds_are_refused() {
        assert!(EncryptionKey::from_passphrase(Secret::new("hunter2")).is_err());
        let long = || Secret::new("correct horse battery staple");
        for (memory, passes) in [(31, 1), (32, 0), (32, 17), (1024 * 1024 + 1, 1)] {
            assert!(EncryptionKey::from_passphrase_at_cost(long(), memory, passes).is_err(), "{memory} {passes}");
        }
        assert!(EncryptionKey::from_passphrase_at_cost(long(), 32, 1).is_ok());
    }
}
