//! The head of a log, as C2SP tlog-checkpoint writes it.

use std::fmt;
use std::str::FromStr;

use super::{Frontier, Hash, VerifierKey, note};
use crate::{Error, Result};

const MAX_ORIGIN_BYTES: usize = 1024;

/// The head of a log: which log, how many entries, and the root of their tree.
///
/// Its text form is the body of a checkpoint, without signatures.
///
/// ```
/// use opsorch::audit::{Checkpoint, Frontier, SigningKey};
///
/// let key = SigningKey::generate("example.com/ops")?;
/// let tree = Frontier::default();
/// let checkpoint = Checkpoint::new("example.com/ops", tree.size(), tree.root())?;
/// assert_eq!(checkpoint.to_string(), "example.com/ops\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
///
/// let signed = key.sign(&checkpoint);
/// assert_eq!(Checkpoint::open(&signed, &[key.verifier()])?, checkpoint);
/// # Ok::<(), opsorch::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
    extensions: Vec<String>,
}

impl Checkpoint {
    /// The head of the log `origin`. The origin should be an address without scheme, such as `example.com/ops`.
    ///
    /// # Errors
    ///
    /// `Invalid` if the origin is empty, longer than 1024 bytes or holds control characters.
    pub fn new(origin: impl Into<String>, size: u64, root: Hash) -> Result<Self> {
        let origin = origin.into();
        if origin.is_empty() || origin.len() > MAX_ORIGIN_BYTES || origin.contains(|c: char| c.is_ascii_control()) {
            return Err(Error::invalid(
                "origin",
                format!("expected 1 to {MAX_ORIGIN_BYTES} bytes without control characters, got {}", origin.len()),
            ));
        }
        Ok(Self { origin, size, root, extensions: Vec::new() })
    }

    /// Checks the signatures of a signed checkpoint and reads it.
    ///
    /// Signatures by keys that are not given are ignored; one that claims a given key and does not verify condemns
    /// the checkpoint.
    ///
    /// # Errors
    ///
    /// `Invalid` if no given key signed it, a signature is false, or it is malformed, larger than 128 KiB or has more
    /// than 100 signatures.
    pub fn open(signed: &str, keys: &[VerifierKey]) -> Result<Self> {
        note::open(signed, keys)?.parse()
    }

    /// Checks that this is the head of a tree, before more is appended and signed.
    ///
    /// Without that, whoever changes an entry and the tree in a store together has the next commit sign the forgery.
    ///
    /// # Errors
    ///
    /// `Unexpected` if the tree has another size or another root.
    pub fn confirm(&self, tree: &Frontier) -> Result<()> {
        if (self.size, self.root) == (tree.size(), tree.root()) {
            return Ok(());
        }
        let (signed, stored) = (self.size, tree.size());
        Err(Error::unexpected("the stored tree is not the one that was signed: nothing was written, verify the log")
            .with_context("signed size", signed)
            .with_context("stored size", stored))
    }

    /// Which log it is the head of.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many entries the log had.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree over them.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The extension lines, which other logs may write. They are kept, and mean nothing here.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Reads the body: origin, size, root and extension lines, each line with its newline.
impl FromStr for Checkpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |message| Error::invalid("checkpoint", message);
        if text.len() > note::MAX_NOTE_BYTES {
            return Err(wrong("expected at most 128 KiB"));
        }
        let lines = text.strip_suffix('\n').ok_or_else(|| wrong("expected a newline at its end"))?;
        let mut lines = lines.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(wrong("expected three lines: origin, size and root"));
        };
        let size = decimal(size).ok_or_else(|| wrong("expected a decimal size below 2^64 without leading zeros"))?;
        let root = root.parse().map_err(|_| wrong("expected a root of 32 bytes in standard base64"))?;
        let extensions: Vec<_> = lines.map(str::to_owned).collect();
        if extensions.iter().any(|line| line.is_empty() || line.contains(|c: char| c.is_ascii_control())) {
            return Err(wrong("expected extension lines that are not empty and hold no control characters"));
        }
        Ok(Self { extensions, ..Self::new(origin, size, root)? })
    }
}

/// A number as a checkpoint writes it: the only text that prints the same.
fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}
