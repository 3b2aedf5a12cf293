//! The format of the file. Numbers are big-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 16 | `opsorch secrets\n` |
//! | 1 | the version, 1 |
//! | 1 | where the key comes from: 0 it is given, 1 a passphrase, 2 a KMS |
//! | 0, 12 or 2 + n | nothing; Argon2id's memory in KiB, passes and lanes; the length of the wrapped key and the wrapped key |
//! | 16 | the salt: random, new with every key, which makes two files under one key differ |
//! | 24 + 16 | the check: nothing, encrypted, about all bytes before it: tells a wrong key |
//! | 8 | the generation |
//! | 4 | the number of entries |
//! | … | each entry, sorted by name: the length of the name (2), the name, the length of the rest (4), nonce, value and tag |
//! | 24 + 16 | the seal: nothing, encrypted, about all bytes before it: tells a changed file |
//! | 32 | SHA-256 of all bytes before it, which anybody can compute: tells an accident from a wrong key |
//!
//! An entry's value is encrypted about the salt and the name.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::cipher::{Cipher, NONCE, Purpose, TAG};
use super::key::Cost;
use crate::config::named;
use crate::secret::file::invalid;
use crate::secret::{LARGEST, Secret};
use crate::{Error, Result};

/// The largest file: 16 MiB.
pub(super) const LARGEST_FILE: usize = 16 * 1024 * 1024;

/// The longest wrapped key that KMS makes.
const LONGEST_WRAPPED: usize = 6144;

const MAGIC: &[u8; 16] = b"opsorch secrets\n";
const VERSION: u8 = 1;
const SALT: usize = 16;
const SEAL: usize = NONCE + TAG;
const SUM: usize = 32;

/// An encrypted value with its nonce and tag.
#[derive(Clone, PartialEq)]
pub(super) struct Sealed(Vec<u8>);

/// How the key of a file is found, which is what the file begins with.
#[derive(Clone, PartialEq)]
pub(super) struct Head {
    pub(super) origin: Origin,
    pub(super) salt: [u8; SALT],
    check: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Origin {
    Given,
    Passphrase(Cost),
    Wrapped(Vec<u8>),
}

/// A file, read or to be written. That it is what was written is known after [`verify`](Self::verify).
pub(super) struct Stored {
    pub(super) head: Head,
    pub(super) generation: u64,
    pub(super) entries: BTreeMap<String, Sealed>,
    /// Whatever the seal is about, and the seal.
    sealed: (Vec<u8>, Vec<u8>),
}

impl Head {
    pub(super) fn new(origin: Origin, salt: [u8; SALT], cipher: &Cipher) -> Result<Self> {
        let mut head = Self { origin, salt, check: Vec::new() };
        head.check = cipher.encrypt(Purpose::Check, &head.checked(), b"")?;
        Ok(head)
    }

    pub(super) fn opens_with(&self, cipher: &Cipher) -> bool {
        cipher.decrypt(Purpose::Check, &self.checked(), &self.check).is_some()
    }

    fn checked(&self) -> Vec<u8> {
        let mut bytes = [MAGIC.as_slice(), &[VERSION]].concat();
        match &self.origin {
            Origin::Given => bytes.push(0),
            Origin::Passphrase(Cost { memory_kib, passes, lanes }) => {
                bytes.push(1);
                [memory_kib, passes, lanes].iter().for_each(|number| bytes.extend(number.to_be_bytes()));
            }
            Origin::Wrapped(wrapped) => {
                bytes.push(2);
                bytes.extend(short(wrapped.len()));
                bytes.extend(wrapped);
            }
        }
        bytes.extend(self.salt);
        bytes
    }
}

impl Stored {
    pub(super) fn empty(head: Head) -> Self {
        Self { head, generation: 0, entries: BTreeMap::new(), sealed: Default::default() }
    }

    /// Reads a file that is whole. Nothing of it is believed yet.
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let damaged = |what: &str| {
            let message = format!("the file of secrets is damaged: {what}; put it back from a backup");
            Error::unexpected(message).with_context("path", path.display())
        };
        if bytes.get(..MAGIC.len()) != Some(MAGIC) {
            // A file that lost a bit here is told from a file of something else by its sum.
            return Err(match is_whole(bytes) || bytes.len() < MAGIC.len() + SUM || !looks_like_ours(bytes) {
                true => invalid(path, "expected an encrypted file of secrets; is it the right one?"),
                false => damaged("its first line is not as it was written"),
            });
        }
        if !is_whole(bytes) {
            return Err(damaged("its checksum does not match"));
        }
        if bytes.get(MAGIC.len()) != Some(&VERSION) {
            return Err(invalid(
                path,
                format!("expected version {VERSION} of the format; was it written by a newer program?"),
            ));
        }
        Self::fields(bytes).ok_or_else(|| damaged("its fields make no sense"))
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes.get(MAGIC.len() + 1..bytes.len() - SUM)?);
        let origin = match rest.array::<1>()? {
            [0] => Origin::Given,
            [1] => {
                Origin::Passphrase(Cost { memory_kib: rest.number()?, passes: rest.number()?, lanes: rest.number()? })
            }
            [2] => {
                let length = usize::from(u16::from_be_bytes(rest.array()?));
                Origin::Wrapped(rest.bytes(length)?.to_vec())
            }
            _ => return None,
        };
        let (salt, check) = (rest.array()?, rest.bytes(SEAL)?.to_vec());
        let generation = u64::from_be_bytes(rest.array()?);
        let mut entries = BTreeMap::new();
        for _ in 0..rest.number()? {
            let length = usize::from(u16::from_be_bytes(rest.array()?));
            let name = std::str::from_utf8(rest.bytes(length)?).ok()?.to_owned();
            let length = usize::try_from(rest.number()?).ok()?;
            let sealed = Sealed(rest.bytes(length)?.to_vec());
            let is_next = entries.last_key_value().is_none_or(|(last, _)| *last < name);
            if !is_next || length > LARGEST + SEAL {
                return None;
            }
            entries.insert(name, sealed);
        }
        let seal = rest.bytes(SEAL)?.to_vec();
        let about = bytes.get(..bytes.len() - SUM - SEAL)?.to_vec();
        let head = Head { origin, salt, check };
        rest.0.is_empty().then_some(Self { head, generation, entries, sealed: (about, seal) })
    }

    /// Refuses a file that was not written with this key as it is.
    pub(super) fn verify(&self, cipher: &Cipher, path: &Path) -> Result<()> {
        let (about, seal) = &self.sealed;
        match cipher.decrypt(Purpose::Seal, about, seal) {
            Some(_) => Ok(()),
            None => {
                let message =
                    "the file of secrets was changed by somebody who does not have its key; put it back from a backup";
                Err(Error::unexpected(message).with_context("path", path.display()))
            }
        }
    }

    pub(super) fn seal(&self, cipher: &Cipher, name: &str, secret: &Secret) -> Result<Sealed> {
        cipher.encrypt(Purpose::Value, &self.about(name), secret.expose().as_bytes()).map(Sealed)
    }

    /// Decrypts the value of a name. The buffer becomes the secret, so that nothing is copied.
    pub(super) fn open(&self, cipher: &Cipher, name: &str, sealed: &Sealed) -> Result<Secret> {
        let changed = || Error::unexpected(format!("the value of `{}` is not the one that was written", named(name)));
        let mut bytes = cipher.decrypt(Purpose::Value, &self.about(name), &sealed.0).ok_or_else(changed)?;
        // Checked first, because the error of the conversion would hold the bytes.
        std::str::from_utf8(&bytes).map_err(|_| changed())?;
        String::from_utf8(std::mem::take(&mut *bytes)).map(Secret::new).map_err(|_| changed())
    }

    /// The same secrets under another key.
    pub(super) fn under(&self, old: &Cipher, head: &Head, new: &Cipher) -> Result<Self> {
        let mut next = Self { generation: self.generation, ..Self::empty(head.clone()) };
        for (name, sealed) in &self.entries {
            let sealed = next.seal(new, name, &self.open(old, name, sealed)?)?;
            next.entries.insert(name.clone(), sealed);
        }
        Ok(next)
    }

    pub(super) fn write(&self, cipher: &Cipher, path: &Path) -> Result<Vec<u8>> {
        let mut bytes = self.head.checked();
        bytes.extend(&self.head.check);
        bytes.extend(self.generation.to_be_bytes());
        bytes.extend(long(self.entries.len()));
        for (name, sealed) in &self.entries {
            bytes.extend(short(name.len()));
            bytes.extend(name.as_bytes());
            bytes.extend(long(sealed.0.len()));
            bytes.extend(&sealed.0);
        }
        let seal = cipher.encrypt(Purpose::Seal, &bytes, b"")?;
        bytes.extend(seal);
        let sum = Sha256::digest(&bytes);
        bytes.extend(sum);
        match bytes.len() > LARGEST_FILE {
            true => Err(invalid(path, "the file of secrets would be larger than 16 MiB")),
            false => Ok(bytes),
        }
    }

    fn about(&self, name: &str) -> Vec<u8> {
        [self.head.salt.as_slice(), name.as_bytes()].concat()
    }
}

/// Refuses a wrapped key that does not fit into a file.
pub(super) fn check_wrapped(wrapped: &[u8]) -> Result<()> {
    match wrapped.len() > LONGEST_WRAPPED {
        true => {
            Err(Error::unexpected(format!("expected a wrapped key of at most {LONGEST_WRAPPED} bytes from the KMS")))
        }
        false => Ok(()),
    }
}

/// The file is whole, and this is not its key.
pub(super) fn wrong_key(path: &Path, why: &str) -> Error {
    Error::invalid("key", format!("this is not the key of the file of secrets: {why}"))
        .with_context("path", path.display())
}

fn is_whole(bytes: &[u8]) -> bool {
    bytes.split_last_chunk::<SUM>().is_some_and(|(text, sum)| *Sha256::digest(text) == *sum)
}

/// Whether most of the first line is ours.
fn looks_like_ours(bytes: &[u8]) -> bool {
    MAGIC.iter().zip(bytes).filter(|(ours, theirs)| ours == theirs).count() >= MAGIC.len() / 2
}

/// A length that was checked to be small: names and wrapped keys.
fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

/// A length or a number within a file of 16 MiB.
fn long(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Key;

    /// Two files are as their writer left them, but for the values, which the holder of the key swapped: each is bound to its
    /// name and its file, whatever the seal says.
    #[test]
    fn a_value_in_another_place_does_not_open_even_under_a_good_seal() {
        let path = Path::new("secrets");
        let cipher = Cipher::new(&Key::generate().unwrap());
        let file = |salt| Stored::empty(Head::new(Origin::Given, [salt; SALT], &cipher).unwrap());
        let (mut one, other) = (file(1), file(2));
        for (name, text) in [("a", "first"), ("b", "second")] {
            let sealed = one.seal(&cipher, name, &Secret::new(text)).unwrap();
            one.entries.insert(name.into(), sealed);
        }
        let (a, b) = (one.entries["a"].clone(), one.entries["b"].clone());
        assert_eq!(one.open(&cipher, "a", &a).unwrap().expose(), "first");
        one.entries.insert("a".into(), b.clone());
        one.entries.insert("b".into(), a.clone());

        let again = Stored::parse(&one.write(&cipher, path).unwrap(), path).unwrap();
        again.verify(&cipher, path).unwrap();
        for (name, sealed) in &again.entries {
            let error = again.open(&cipher, name, sealed).unwrap_err();
            assert_eq!(error.message(), format!("the value of `{name}` is not the one that was written"));
        }
        assert!(other.open(&cipher, "a", &a).is_err(), "another file under the same key");
    }

    #[test]
    fn names_out_of_order_are_not_read() {
        let cipher = Cipher::new(&Key::generate().unwrap());
        let mut stored = Stored::empty(Head::new(Origin::Given, [0; SALT], &cipher).unwrap());
        for name in ["a", "b"] {
            let sealed = stored.seal(&cipher, name, &Secret::new("x")).unwrap();
            stored.entries.insert(name.into(), sealed);
        }
        let mut bytes = stored.write(&cipher, Path::new("x")).unwrap();
        for byte in bytes.iter_mut().filter(|byte| **byte == b'b') {
            *byte = b'a';
        }
        assert!(Stored::fields(&bytes).is_none());
    }
}
