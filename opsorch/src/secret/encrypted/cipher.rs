//! XChaCha20-Poly1305, with what each use of the key is for.

use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::secret::Key;
use crate::secret::key::fill_random;
use crate::{Error, Result};

pub(super) const NONCE: usize = 24;
pub(super) const TAG: usize = 16;

/// What is encrypted or proven: the same bytes in another place do not decrypt.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// That a key is the one of a file.
    Check,
    /// One value.
    Value,
    /// That a file is as it was written.
    Seal,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Check => b"opsorch secrets 1 check\0",
            Self::Value => b"opsorch secrets 1 value\0",
            Self::Seal => b"opsorch secrets 1 seal\0",
        }
    }
}

/// A key at work.
pub(super) struct Cipher(XChaCha20Poly1305);

impl Cipher {
    pub(super) fn new(key: &Key) -> Self {
        Self(XChaCha20Poly1305::new(key.expose().into()))
    }

    /// Encrypts under a random nonce, which comes first. With 192 bits no two are ever the same.
    pub(super) fn encrypt(&self, purpose: Purpose, about: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE];
        fill_random(&mut nonce)?;
        // Room for the tag, so that the buffer never grows and leaves a copy behind; it is encrypted in place.
        let mut buffer = Zeroizing::new(Vec::with_capacity(plain.len() + TAG));
        buffer.extend_from_slice(plain);
        let associated = [purpose.label(), about].concat();
        self.0
            .encrypt_in_place(&XNonce::from(nonce), &associated, &mut *buffer)
            .map_err(|_| Error::unexpected("the secret cannot be encrypted"))?;
        Ok([&nonce, buffer.as_slice()].concat())
    }

    /// Decrypts what `encrypt` made for the same purpose and about the same; `None` for anything else.
    pub(super) fn decrypt(&self, purpose: Purpose, about: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE>()?;
        let mut buffer = Zeroizing::new(text.to_vec());
        let associated = [purpose.label(), about].concat();
        self.0.decrypt_in_place(&XNonce::from(*nonce), &associated, &mut *buffer).ok()?;
        Some(buffer)
    }
}
