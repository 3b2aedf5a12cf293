//! The keys of a gate: one seals grants, one signs the log.

mod file;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::audit::{LogWriter, SigningKey, VerifierKey};
use crate::secret::Secret;
use crate::{Error, ErrorKind, Result};

/// The keys of a gate. Processes that share a store share them; they are never in the store.
///
/// Whoever holds them can forge grants and rewrite the log, so they belong where the embedder's other keys are: in a file
/// of their own ([`open`](Self::open)) or in a secret store ([`from_secrets`](Self::from_secrets)).
///
/// ```
/// use opsorch::gate::GateKeys;
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("gate.keys");
/// let keys = GateKeys::open(&path, "example.com/ops")?; // made on first use
/// let again = GateKeys::open(&path, "example.com/ops")?;
/// assert_eq!(again.verifier_keys(), keys.verifier_keys());
///
/// let rotated = keys.rotate()?;
/// rotated.save(&path)?;
/// assert_eq!(rotated.verifier_keys()[1], keys.verifier_keys()[0], "what the old key signed can still be checked");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The key file
///
/// Text, at most 64 KiB. The first line names the format and its version. After it every line is a word, a space and a
/// value; empty lines and lines that begin with `#` mean nothing.
///
/// ```text
/// opsorch gate keys 1
/// log PRIVATE+KEY+example.com/ops+<id>+<base64>     signs the log: the private form of a signed note's key
/// seal <base64>                                     seals grants: 32 random bytes
/// former-log example.com/ops+<id>+<base64>          signed the log before: the public key; newest first
/// former-seal <base64>                              sealed grants before; newest first
/// ```
///
/// # Rotation
///
/// [`rotate`](Self::rotate) makes new keys that remember the old: grants that wait stay valid, and the log goes on under
/// the same name. The private key that signed before is gone then; its public key stays, because whoever verifies the log
/// needs it. Save them, and restart every process of the store: until then those with the old keys refuse changes,
/// because the head of the log is signed by a key that they do not know.
///
/// Against a key that was *stolen* rotation alone does not help: what it can still seal or sign is still believed. Delete its
/// `former-seal` line at once; whatever waits must then be requested again. Verify the log against an anchor from before the
/// theft. After the next change its head is signed by the new key: delete the `former-log` line, and give the old public
/// key to auditors as one that is good for the entries up to there and no further.
#[derive(Clone)]
pub struct GateKeys {
    log: Arc<SigningKey>,
    seal: SealKey,
    former_logs: Vec<VerifierKey>,
    former_seals: Vec<SealKey>,
}

impl GateKeys {
    /// Reads the keys of the log with this name from a file, or makes the file on first use: readable by its owner alone,
    /// and complete or not there at all. Any number of processes that do so at once get the same keys.
    ///
    /// It reads and writes files without yielding, so call it before there is other work.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a file that others may read or write (on unix), is of another log, or is
    /// not a key file; [`Unavailable`](crate::ErrorKind::Unavailable) if it can be neither read nor made. No error shows a
    /// key.
    pub fn open(path: impl AsRef<Path>, log_name: &str) -> Result<Self> {
        let path = path.as_ref();
        let keys = match file::read(path)? {
            Some(keys) => keys,
            None => file::create(path, &Self::generate(log_name)?)?,
        };
        if keys.log.name() != log_name {
            let message = format!("the key file is of the log {:?}, expected {log_name:?}", keys.log.name());
            return Err(file::invalid(path, message));
        }
        Ok(keys)
    }

    /// Keys that a secret store keeps: the text form of the log's [`SigningKey`], and 32 random bytes in standard base64
    /// (`openssl rand -base64 32`). They are the values of `log` and `seal` in a key file.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if one of them is not that. No error shows a key.
    pub fn from_secrets(log: &Secret, seal: &Secret) -> Result<Self> {
        Ok(Self::with(SigningKey::from_secret(log)?, SealKey::from_base64(seal.expose())?))
    }

    /// New random keys, for a log with this name.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the system gives no random bytes,
    /// [`Invalid`](crate::ErrorKind::Invalid) for a name that cannot name a log.
    pub fn generate(log_name: &str) -> Result<Self> {
        Ok(Self::with(SigningKey::generate(log_name)?, SealKey::generate()?))
    }

    /// Keys made elsewhere: 32 random bytes that seal grants, and the key that signs the log.
    pub fn new(grants: [u8; 32], log: SigningKey) -> Self {
        Self::with(log, SealKey(Zeroizing::new(grants)))
    }

    fn with(log: SigningKey, seal: SealKey) -> Self {
        Self { log: Arc::new(log), seal, former_logs: Vec::new(), former_seals: Vec::new() }
    }

    /// Adds a key that signed the log before; the newest first.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if it has another name than the log.
    pub fn former_log(mut self, key: VerifierKey) -> Result<Self> {
        if key.name() != self.log.name() {
            let message =
                format!("expected a former key of the log {:?}, got one of {:?}", self.log.name(), key.name());
            return Err(Error::invalid("former log key", message));
        }
        self.former_logs.push(key);
        Ok(self)
    }

    /// Adds a key that sealed grants before, as [`from_secrets`](Self::from_secrets) takes it; the newest first.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if it is not that.
    pub fn former_seal(mut self, seal: &Secret) -> Result<Self> {
        self.former_seals.push(SealKey::from_base64(seal.expose())?);
        Ok(self)
    }

    /// New keys for the same log, with these as the newest of the former. They are in no file until they are
    /// [saved](Self::save).
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the system gives no random bytes.
    pub fn rotate(&self) -> Result<Self> {
        let mut new = Self::generate(self.log.name())?;
        new.former_logs = self.verifier_keys();
        new.former_seals = self.seals().cloned().collect();
        Ok(new)
    }

    /// Writes the keys to a file, in place of what was there: after a crash the file is the old one or the new one.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if it cannot be written, [`Invalid`](crate::ErrorKind::Invalid) if
    /// there are so many former keys that it would be larger than 64 KiB.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        file::replace(path.as_ref(), self)
    }

    /// The key that signs the log.
    pub fn log(&self) -> &SigningKey {
        &self.log
    }

    /// The public keys that check the log: the present one, then the former, the newest first.
    pub fn verifier_keys(&self) -> Vec<VerifierKey> {
        std::iter::once(self.log.verifier()).chain(self.former_logs.iter().cloned()).collect()
    }

    /// What appends to the log.
    pub(crate) fn log_writer(&self) -> LogWriter {
        LogWriter::new(Arc::clone(&self.log)).former_keys(self.former_logs.iter().cloned())
    }

    /// The seal of a record: a MAC over all of it, its purpose and the name of the log, so that neither another purpose nor
    /// another log is served by it.
    pub(super) fn seal(&self, purpose: Purpose, record: &str) -> Vec<u8> {
        self.seal.mac(self.log.name(), purpose, record).finalize().into_bytes().to_vec()
    }

    /// Whether a seal belongs to a record; in constant time for each key.
    pub(super) fn verify(&self, purpose: Purpose, record: &str, seal: &[u8]) -> bool {
        self.seals().any(|key| key.mac(self.log.name(), purpose, record).verify_slice(seal).is_ok())
    }

    /// The keys that a seal may be of, the present one first.
    fn seals(&self) -> impl Iterator<Item = &SealKey> {
        std::iter::once(&self.seal).chain(&self.former_seals)
    }
}

impl fmt::Debug for GateKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateKeys")
            .field("log", &self.log)
            .field("former_logs", &self.former_logs)
            .finish_non_exhaustive()
    }
}

/// What a seal is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Grant,
    Outcome,
}

/// A key that seals grants. It is wiped when it is dropped.
#[derive(Clone)]
struct SealKey(Zeroizing<[u8; 32]>);

impl SealKey {
    fn generate() -> Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut()).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the system gave no randomness for a key").with_source(error)
        })?;
        Ok(Self(key))
    }

    fn from_base64(text: &str) -> Result<Self> {
        let wrong =
            || Error::invalid("seal key", "expected 32 bytes in standard base64: 44 characters, the last a `=`");
        // One byte more than needed, because the decoder rounds up before it looks at the padding.
        let mut bytes = Zeroizing::new([0; 33]);
        let length = STANDARD.decode_slice(text, bytes.as_mut()).map_err(|_| wrong())?;
        let key = bytes.first_chunk::<32>().filter(|_| length == 32).ok_or_else(wrong)?;
        Ok(Self(Zeroizing::new(*key)))
    }

    fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_slice()))
    }

    fn mac(&self, log: &str, purpose: Purpose, record: &str) -> Hmac<Sha256> {
        let mut block = Zeroizing::new([0; 64]); // SHA-256's block, as RFC 2104 pads a shorter key
        block.iter_mut().zip(self.0.iter()).for_each(|(to, from)| *to = *from);
        let mut mac = Hmac::new(&(*block).into());
        let purpose = match purpose {
            Purpose::Grant => "grant",
            Purpose::Outcome => "outcome",
        };
        // A line each: neither a purpose nor the name of a log holds a line feed.
        mac.update(format!("opsorch 1\n{purpose}\n{log}\n").as_bytes());
        mac.update(record.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_of_a_former_key_verifies_and_new_seals_are_of_the_new_key() {
        let old = GateKeys::generate("example.com/ops").unwrap();
        let new = old.rotate().unwrap();
        let newest = new.rotate().unwrap();
        let sealed = old.seal(Purpose::Grant, "grant");
        assert!(new.verify(Purpose::Grant, "grant", &sealed) && newest.verify(Purpose::Grant, "grant", &sealed));
        assert!(!newest.verify(Purpose::Grant, "another grant", &sealed));
        assert!(!old.verify(Purpose::Grant, "grant", &newest.seal(Purpose::Grant, "grant")));
        assert!(!GateKeys::generate("example.com/ops").unwrap().verify(Purpose::Grant, "grant", &sealed));
    }

    #[test]
    fn a_seal_serves_neither_another_purpose_nor_another_log() {
        let production = GateKeys::new([7; 32], SigningKey::generate("example.com/production").unwrap());
        let staging = GateKeys::new([7; 32], SigningKey::generate("example.com/staging").unwrap());
        let sealed = staging.seal(Purpose::Grant, "grant");
        assert!(staging.verify(Purpose::Grant, "grant", &sealed));
        assert!(!staging.verify(Purpose::Outcome, "grant", &sealed));
        assert!(!production.verify(Purpose::Grant, "grant", &sealed));
    }
}
