//! The Merkle tree of RFC 6962, section 2.1: its hashes, and how it grows.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// A SHA-256 hash of the tree. Its text form, in JSON too, is standard base64 with padding, as in a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The root of the empty tree: SHA-256 of nothing (RFC 6962, section 2.1).
    pub const EMPTY_ROOT: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
        0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);

    /// A hash from its bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            || Error::invalid("hash", "expected 32 bytes in standard base64: 44 characters, the last of them `=`");
        // One byte more than needed, because the decoder rounds up before it looks at the padding.
        let mut bytes = [0; 33];
        let length = STANDARD.decode_slice(text, &mut bytes).map_err(|_| wrong())?;
        let hash = bytes.first_chunk::<32>().filter(|_| length == 32).ok_or_else(wrong)?;
        Ok(Self(*hash))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Hash;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a hash of 32 bytes in standard base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hash, E> {
                text.parse().map_err(|error: Error| E::custom(error.message()))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The hash of a leaf: SHA-256 of `0x00` and the bytes.
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0x00]).chain_update(bytes).finalize().into())
}

/// The hash of an interior node: SHA-256 of `0x01` and the hashes of its children.
pub(super) fn node_hash(left: Hash, right: Hash) -> Hash {
    Hash(Sha256::new().chain_update([0x01]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// A node whose subtree is full, so that it never changes again.
///
/// Node `index` of `level` is the root over the leaves `index << level` up to `(index + 1) << level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// The height above the leaves, which are level 0.
    pub level: u32,
    /// The place within the level, from 0.
    pub index: u64,
    /// The hash.
    pub hash: Hash,
}

impl Node {
    /// A node at its place.
    pub fn new(level: u32, index: u64, hash: Hash) -> Self {
        Self { level, index, hash }
    }
}

/// The right edge of a growing tree: all that is needed to append a leaf and to know the root.
///
/// It holds one hash for each bit that is set in the size, so at most 64, and appends in amortised constant time.
///
/// ```
/// use opsorch::audit::{Frontier, Hash, leaf_hash};
///
/// let mut tree = Frontier::default();
/// assert_eq!(tree.root(), Hash::EMPTY_ROOT);
/// assert_eq!(tree.push(leaf_hash(b"first")).len(), 1, "the leaf");
/// assert_eq!(tree.push(leaf_hash(b"second")).len(), 2, "the leaf, and the node above both leaves");
/// let restored = Frontier::from_bytes(&tree.to_bytes())?;
/// assert_eq!(restored.root(), tree.root());
/// # Ok::<(), opsorch::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The roots of the full subtrees that the leaves fall into, the largest first.
    edge: Vec<Hash>,
}

impl Frontier {
    /// The largest size that can be restored: 2^63 − 1, so that it fits a signed column and cannot overflow by appending.
    pub const MAX_SIZE: u64 = i64::MAX.unsigned_abs();

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        join(self.edge.iter().copied())
    }

    /// Appends a leaf, and returns the nodes that it completed: the leaf itself, then upwards.
    pub fn push(&mut self, leaf: Hash) -> Vec<Node> {
        let mut completed = Vec::new();
        self.push_with(leaf, |node| completed.push(node));
        completed
    }

    /// Appends a leaf and shows each node that it completed.
    pub(super) fn push_with(&mut self, leaf: Hash, mut completed: impl FnMut(Node)) {
        let mut node = Node::new(0, self.size, leaf);
        completed(node);
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.edge.pop() else { break };
            node = Node::new(node.level + 1, node.index / 2, node_hash(left, node.hash));
            completed(node);
        }
        self.edge.push(node.hash);
        self.size += 1;
    }

    /// The form to keep: the size in 8 bytes, big-endian, then the hashes of the edge, the largest subtree first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let hashes = self.edge.iter().flat_map(|hash| hash.0);
        self.size.to_be_bytes().into_iter().chain(hashes).collect()
    }

    /// Restores what [`Frontier::to_bytes`] wrote.
    ///
    /// # Errors
    ///
    /// `Invalid` if the length does not belong to the size, or the size is beyond [`Frontier::MAX_SIZE`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let wrong = |message: String| Error::invalid("frontier", message);
        let (size, edge) = bytes
            .split_first_chunk::<8>()
            .ok_or_else(|| wrong(format!("expected at least 8 bytes, got {}", bytes.len())))?;
        let size = u64::from_be_bytes(*size);
        if size > Self::MAX_SIZE {
            return Err(wrong(format!("expected a size of at most {}, got {size}", Self::MAX_SIZE)));
        }
        let (hashes, rest) = edge.as_chunks::<32>();
        if !rest.is_empty() || hashes.len() != bits(size) {
            return Err(wrong(format!("expected {} hashes of 32 bytes, got {} bytes", bits(size), edge.len())));
        }
        Ok(Self { size, edge: hashes.iter().copied().map(Hash).collect() })
    }
}

/// How many bits of it are set.
fn bits(size: u64) -> usize {
    usize::try_from(size.count_ones()).unwrap_or(usize::MAX)
}

/// The root over neighbouring full subtrees, the leftmost and largest first.
pub(super) fn join(subtrees: impl DoubleEndedIterator<Item = Hash>) -> Hash {
    subtrees.rev().reduce(|right, left| node_hash(left, right)).unwrap_or(Hash::EMPTY_ROOT)
}

/// Where proofs find the full nodes of a tree.
pub trait Nodes {
    /// The hash of a full node, `None` if it is not there.
    fn node(&self, level: u32, index: u64) -> Option<Hash>;
}

/// Nodes by `(level, index)`, as fetched for one proof.
impl<S: std::hash::BuildHasher> Nodes for HashMap<(u32, u64), Hash, S> {
    fn node(&self, level: u32, index: u64) -> Option<Hash> {
        self.get(&(level, index)).copied()
    }
}

/// All full nodes of a tree, in memory: about 64 bytes a leaf.
#[derive(Clone, Debug, Default)]
pub struct MemoryNodes {
    levels: Vec<Vec<Hash>>,
}

impl MemoryNodes {
    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Appends a leaf, with the nodes that it completes.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(nodes) = self.levels.get_mut(level) else { break };
            nodes.push(hash);
            match nodes.as_slice() {
                [.., left, right] if nodes.len().is_multiple_of(2) => hash = node_hash(*left, *right),
                _ => break,
            }
        }
    }
}

impl Nodes for MemoryNodes {
    fn node(&self, level: u32, index: u64) -> Option<Hash> {
        let level = self.levels.get(usize::try_from(level).ok()?)?;
        level.get(usize::try_from(index).ok()?).copied()
    }
}

impl FromIterator<Hash> for MemoryNodes {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Self {
        let mut nodes = Self::default();
        leaves.into_iter().for_each(|leaf| nodes.push(leaf));
        nodes
    }
}
