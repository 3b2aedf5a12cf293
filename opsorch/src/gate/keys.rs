//! The keys of a gate: one seals grants, one signs the log.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::audit::{LogWriter, SigningKey};
use crate::{Error, Result};

/// The keys of a gate. Processes that share a store share them; they are never in the store.
///
/// Whoever holds them can forge grants and rewrite the log, so they belong where the embedder's other keys are.
#[derive(Clone)]
pub struct GateKeys {
    grants: Zeroizing<[u8; 32]>,
    log: Arc<SigningKey>,
}

impl GateKeys {
    /// New random keys, for a log with this name.
    ///
    /// # Errors
    /// [`Unexpected`](crate::ErrorKind::Unexpected) if the system gives no random bytes,
    /// [`Invalid`](crate::ErrorKind::Invalid) for a name that cannot name a log.
    pub fn generate(log_name: &str) -> Result<Self> {
        let mut grants = Zeroizing::new([0; 32]);
        getrandom::fill(grants.as_mut())
            .map_err(|error| Error::unexpected("the system gives no random bytes").with_source(error))?;
        Ok(Self { grants, log: Arc::new(SigningKey::generate(log_name)?) })
    }

    /// Keys made elsewhere: 32 random bytes that seal grants, and the key that signs the log.
    pub fn new(grants: [u8; 32], log: SigningKey) -> Self {
        Self { grants: Zeroizing::new(grants), log: Arc::new(log) }
    }

    /// The key that signs the log.
    pub fn log(&self) -> &SigningKey {
        &self.log
    }

    /// What appends to the log.
    pub(crate) fn log_writer(&self) -> LogWriter {
        LogWriter::new(Arc::clone(&self.log))
    }

    /// The seal of a grant's record: a MAC over all of it.
    pub(super) fn seal(&self, record: &str) -> Vec<u8> {
        self.mac(record).finalize().into_bytes().to_vec()
    }

    /// Whether a seal belongs to a record, in constant time.
    pub(super) fn verify(&self, record: &str, seal: &[u8]) -> bool {
        self.mac(record).verify_slice(seal).is_ok()
    }

    fn mac(&self, record: &str) -> Hmac<Sha256> {
        let mut block = Zeroizing::new([0; 64]); // SHA-256's block, as RFC 2104 pads a shorter key
        block.iter_mut().zip(self.grants.iter()).for_each(|(to, from)| *to = *from);
        let mut mac = Hmac::new(&(*block).into());
        // The prefix keeps a seal of this purpose from serving another.
        mac.update(b"opsorch grant 1\n");
        mac.update(record.as_bytes());
        mac
    }
}

impl fmt::Debug for GateKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateKeys").field("log", &self.log).finish_non_exhaustive()
    }
}
