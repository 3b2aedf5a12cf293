//! Keys and signed notes, as C2SP signed-note defines them, with Ed25519 alone.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, VerifyingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::Checkpoint;
use crate::secret::Secret;
use crate::{Error, ErrorKind, Result};

/// The size of a note: room for the 16 signatures that must be accepted, were all of them post-quantum.
pub(super) const MAX_NOTE_BYTES: usize = 128 * 1024;
const MAX_SIGNATURES: usize = 100;
const MAX_NAME_BYTES: usize = 1024;

/// The signature type of Ed25519 in key ids and keys.
const ED25519: u8 = 0x01;
const PRIVATE: &str = "PRIVATE+KEY+";

/// The key that signs a log, with its name. It is a secret: the text form is for a secret store alone.
///
/// The name should be the origin of the log that it signs. Signing is deterministic, as RFC 8032 has it.
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    verifier: VerifierKey,
}

impl SigningKey {
    /// A fresh key from the randomness of the system.
    ///
    /// # Errors
    ///
    /// `Invalid` for a name with spaces or `+`, `Unavailable` if the system gives no randomness.
    pub fn generate(name: &str) -> Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|error| {
            Error::new(ErrorKind::Unavailable, format!("the system gave no randomness for a key: {error}"))
        })?;
        Self::from_seed(name, &seed)
    }

    /// The key that a seed stands for.
    ///
    /// # Errors
    ///
    /// `Invalid` for a name with spaces or `+`.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self> {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new(name, key.verifying_key())?;
        Ok(Self { key, verifier })
    }

    /// Reads what [`SigningKey::to_secret`] wrote. An error never repeats the text.
    ///
    /// # Errors
    ///
    /// `Invalid` if it is not `PRIVATE+KEY+name+id+key`, or the id belongs to another name or key.
    pub fn from_secret(secret: &Secret) -> Result<Self> {
        let wrong = |why| Error::invalid("signing key", format!("expected `PRIVATE+KEY+name+id+key`: {why}"));
        let parts = secret.expose().strip_prefix(PRIVATE).and_then(key_parts);
        let (name, id, key) = parts.ok_or_else(|| wrong("it has other parts"))?;
        let key = Zeroizing::new(STANDARD.decode(key).map_err(|_| wrong("the key is not base64"))?);
        let this = Self::from_seed(name, ed25519_key(&key).map_err(wrong)?)?;
        if this.verifier.id == id { Ok(this) } else { Err(wrong("the id belongs to another name or key")) }
    }

    /// The text to keep in a secret store: `PRIVATE+KEY+name+id+key`, as Go's `note` package writes it.
    pub fn to_secret(&self) -> Secret {
        let key = Zeroizing::new(encode_key(self.key.as_bytes()));
        let VerifierKey { name, id, .. } = &self.verifier;
        // Enough room, so that no grown copy of the text stays behind in memory.
        let mut text = String::with_capacity(PRIVATE.len() + name.len() + 10 + key.len());
        text.extend([PRIVATE, name, &format!("+{id:08x}+"), &key]);
        Secret::new(text)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// The public key that checks its signatures.
    pub fn verifier(&self) -> VerifierKey {
        self.verifier.clone()
    }

    /// Signs a checkpoint; the result is the whole signed note.
    pub fn sign(&self, checkpoint: &Checkpoint) -> String {
        self.sign_text(&checkpoint.to_string())
    }

    /// Signs a text, which must end with a newline.
    pub(super) fn sign_text(&self, text: &str) -> String {
        let mut signature = self.verifier.id.to_be_bytes().to_vec();
        signature.extend(self.key.sign(text.as_bytes()).to_bytes());
        format!("{text}\n— {} {}\n", self.name(), STANDARD.encode(signature))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("verifier", &self.verifier.to_string()).finish_non_exhaustive()
    }
}

/// The public key that checks the signatures of a log, with its name.
///
/// Its text form is `name+id+key`, as in Go's `note` package.
///
/// ```
/// use opsorch::audit::VerifierKey;
///
/// let text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
/// let key: VerifierKey = text.parse()?;
/// assert_eq!(key.name(), "sum.golang.org");
/// assert_eq!(key.to_string(), text);
/// # Ok::<(), opsorch::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    key: VerifyingKey,
}

impl VerifierKey {
    fn new(name: &str, key: VerifyingKey) -> Result<Self> {
        if !is_valid_name(name) {
            return Err(Error::invalid(
                "name",
                format!(
                    "expected the name of a key: 1 to {MAX_NAME_BYTES} bytes without spaces, control characters or `+`"
                ),
            ));
        }
        let digest =
            Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(key.as_bytes()).finalize();
        let [a, b, c, d, ..] = <[u8; 32]>::from(digest);
        Ok(Self { name: name.to_owned(), id: u32::from_be_bytes([a, b, c, d]), key })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its id: the first four bytes of SHA-256 over the name, a newline, `0x01` and the key.
    pub fn id(&self) -> u32 {
        self.id
    }
}

/// Reads `name+id+key`, and checks that the id belongs to the name and the key.
impl FromStr for VerifierKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why| Error::invalid("verifier key", format!("expected `name+id+key`: {why}"));
        if text.starts_with(PRIVATE) {
            return Err(wrong("this is a private key, which belongs in a secret store"));
        }
        let (name, id, key) = key_parts(text).ok_or_else(|| wrong("it has other parts"))?;
        let key = STANDARD.decode(key).map_err(|_| wrong("the key is not base64"))?;
        let key = VerifyingKey::from_bytes(ed25519_key(&key).map_err(wrong)?).ok().filter(|key| !key.is_weak());
        let this = Self::new(name, key.ok_or_else(|| wrong("the key is not a sound Ed25519 key"))?)?;
        if this.id == id { Ok(this) } else { Err(wrong("the id belongs to another name or key")) }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}+{}", self.name, self.id, encode_key(self.key.as_bytes()))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

/// The text of a note that one of these keys signed, with its last newline.
///
/// As the document asks, signatures by other keys are ignored, and one false signature by a known key condemns the note.
pub(super) fn open<'a>(note: &'a str, keys: &[VerifierKey]) -> Result<&'a str> {
    let (text, signatures) = split(note)?;
    let mut signed = false;
    for line in signatures {
        let (name, id, signature) =
            signature_parts(line).ok_or_else(|| wrong_note("expected signature lines of the form `— name base64`"))?;
        let mut known = keys.iter().filter(|key| key.name == name && key.id == id).peekable();
        if known.peek().is_some() {
            if !known.any(|key| is_signed_by(key, text, &signature)) {
                return Err(wrong_note(format!("the signature of `{name}+{id:08x}` does not belong to this text")));
            }
            signed = true;
        }
    }
    if signed { Ok(text) } else { Err(unsigned(keys)) }
}

/// The text of a note, with its last newline, and the signature lines.
fn split(note: &str) -> Result<(&str, impl Iterator<Item = &str>)> {
    if note.len() > MAX_NOTE_BYTES {
        return Err(wrong_note(format!("expected at most {MAX_NOTE_BYTES} bytes, got {}", note.len())));
    }
    if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(wrong_note("expected no control characters"));
    }
    let parts = note.rfind("\n\n").and_then(|end| note.split_at_checked(end + 1));
    let (text, signatures) = parts
        .and_then(|(text, rest)| Some((text, rest.strip_prefix('\n')?.strip_suffix('\n')?)))
        .ok_or_else(|| wrong_note("expected a text, an empty line and signature lines that end with a newline"))?;
    if signatures.split('\n').count() > MAX_SIGNATURES {
        return Err(wrong_note(format!("expected at most {MAX_SIGNATURES} signatures")));
    }
    Ok((text, signatures.split('\n')))
}

/// The name, the key id and the signature of a signature line.
fn signature_parts(line: &str) -> Option<(&str, u32, Vec<u8>)> {
    let (name, base64) = line.strip_prefix("— ")?.split_once(' ')?;
    let bytes = STANDARD.decode(base64).ok()?;
    let (id, signature) = bytes.split_first_chunk()?;
    let well_formed = is_valid_name(name) && !signature.is_empty();
    well_formed.then(|| (name, u32::from_be_bytes(*id), signature.to_vec()))
}

fn is_signed_by(key: &VerifierKey, text: &str, signature: &[u8]) -> bool {
    let signature = Signature::from_slice(signature);
    signature.is_ok_and(|signature| key.key.verify_strict(text.as_bytes(), &signature).is_ok())
}

/// The name, the id and the base64 of a key, after a possible `PRIVATE+KEY+`.
fn key_parts(text: &str) -> Option<(&str, u32, &str)> {
    let (name, rest) = text.split_once('+')?;
    let (id, key) = rest.split_once('+')?;
    let is_hex = id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some((name, u32::from_str_radix(id, 16).ok().filter(|_| is_hex)?, key))
}

/// The bytes of a key after its type.
fn ed25519_key(typed: &[u8]) -> Result<&[u8; 32], &'static str> {
    let (kind, key) = typed.split_first().ok_or("the key is empty")?;
    if *kind != ED25519 {
        return Err("the key is not an Ed25519 key, type 1");
    }
    key.try_into().map_err(|_| "the key is not 32 bytes long")
}

/// The base64 of a key with its type before it.
fn encode_key(key: &[u8; 32]) -> String {
    let mut typed = Zeroizing::new(Vec::with_capacity(1 + key.len()));
    typed.push(ED25519);
    typed.extend_from_slice(key);
    STANDARD.encode(typed.as_slice())
}

fn is_valid_name(name: &str) -> bool {
    let is_allowed = |character: char| !character.is_whitespace() && !character.is_control() && character != '+';
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.chars().all(is_allowed)
}

fn unsigned(keys: &[VerifierKey]) -> Error {
    let known: Vec<_> = keys.iter().map(|key| format!("{}+{:08x}", key.name, key.id)).collect();
    wrong_note(format!("no known key signed it (known: {})", known.join(", ")))
}

fn wrong_note(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::invalid("checkpoint", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of Go's golang.org/x/mod/sumdb/note.
    const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                        then you don't know what your problem is.\n";
    const PETER_SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
    const PETER_SIGNED: &str =
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const ENOCH_SIGNED: &str =
        "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

    fn keys(texts: &[&str]) -> Vec<VerifierKey> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_note_of_go_is_signed_byte_for_byte() {
        let key = SigningKey::from_secret(&Secret::new(PETER_SECRET)).unwrap();
        assert_eq!(key.to_secret().expose(), PETER_SECRET);
        assert_eq!(key.verifier().to_string(), PETER);
        assert_eq!(key.sign_text(TEXT), format!("{TEXT}\n{PETER_SIGNED}"));
    }

    #[test]
    fn a_note_opens_with_any_of_its_keys_and_with_no_other() {
        let note = format!("{TEXT}\n{PETER_SIGNED}{ENOCH_SIGNED}");
        for known in [&[PETER][..], &[ENOCH], &[ENOCH, PETER]] {
            assert_eq!(open(&note, &keys(known)).unwrap(), TEXT);
        }
        assert!(open(&note, &[]).is_err());
        assert!(open(&format!("{TEXT}\n{PETER_SIGNED}"), &keys(&[ENOCH])).is_err());
    }

    #[test]
    fn one_false_signature_of_a_known_key_condemns_a_note() {
        let false_enoch = ENOCH_SIGNED.replace("5n2tiOHp", "5n2tiOHq");
        let note = format!("{TEXT}\n{PETER_SIGNED}{false_enoch}");
        assert!(open(&note, &keys(&[PETER])).is_ok(), "to him the other signature is unknown");
        assert!(open(&note, &keys(&[PETER, ENOCH])).is_err());
    }

    #[test]
    fn a_malformed_note_is_refused() {
        let unterminated = PETER_SIGNED.trim_end();
        let malformed = [
            TEXT.to_owned(),
            format!("{TEXT}\n"),
            format!("{TEXT}{PETER_SIGNED}"),
            format!("{TEXT}\n{unterminated}"),
            format!("\u{1}{TEXT}\n{PETER_SIGNED}"),
            format!("{TEXT}\n{PETER_SIGNED}Unexpected line.\n"),
            format!("{TEXT}\n{PETER_SIGNED}— Bad Name {}", &PETER_SIGNED[17..]),
            format!("{TEXT}\n{PETER_SIGNED}— x AAAAAA==\n"),
            format!("{TEXT}\n{}", PETER_SIGNED.repeat(101)),
            format!("{}\n{PETER_SIGNED}", TEXT.repeat(MAX_NOTE_BYTES / TEXT.len())),
        ];
        for note in malformed {
            assert!(open(&note, &keys(&[PETER])).is_err(), "{note}");
        }
        assert!(open(&format!("{TEXT}\n{}", PETER_SIGNED.repeat(100)), &keys(&[PETER])).is_ok());
    }

    #[test]
    fn a_mangled_key_is_refused() {
        let secret = |text: &str| SigningKey::from_secret(&Secret::new(text)).is_ok();
        let verifier = |text: &str| text.parse::<VerifierKey>().is_ok();
        for (text, reads) in [(PETER, &verifier as &dyn Fn(&str) -> bool), (PETER_SECRET, &secret)] {
            assert!(reads(text));
            for place in 0..text.len() {
                assert!(!reads(&text[place + 1..]), "without its first {}", place + 1);
                assert!(!reads(&text[..place]), "the first {place}");
                let mut bytes = text.as_bytes().to_vec();
                bytes[place] += 1;
                assert!(!reads(&String::from_utf8(bytes).unwrap()), "with another byte at {place}");
            }
        }
        // The length, the type and the key itself are wrong, each with the id that belongs to it.
        assert!(!verifier("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="));
        assert!(!verifier("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"));
    }

    #[test]
    fn a_key_of_small_order_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let key = VerifierKey::new("weak", VerifyingKey::from_bytes(&identity).unwrap()).unwrap();
        let error = key.to_string().parse::<VerifierKey>().unwrap_err();
        assert!(error.message().contains("sound"), "{error}");
    }
}
