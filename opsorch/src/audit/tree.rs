//! The Merkle tree of RFC 6962, section 2.1: hashes, growth, proofs.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
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

/// The hash of a leaf: SHA-256 of `0x00` and the bytes.
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0x00]).chain_update(bytes).finalize().into())
}

/// The hash of an interior node: SHA-256 of `0x01` and the hashes of its children.
fn node_hash(left: Hash, right: Hash) -> Hash {
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
fn join(subtrees: impl DoubleEndedIterator<Item = Hash>) -> Hash {
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

/// The root over the first `size` leaves.
///
/// # Errors
///
/// `NotFound` if the nodes do not reach that far.
pub fn root(size: u64, nodes: &dyn Nodes) -> Result<Hash> {
    subtree_root(0..size, nodes)
}

/// The proof that leaf `index` is in the tree of `size` leaves (RFC 6962, section 2.1.1), from the leaf upwards.
///
/// # Errors
///
/// `Invalid` if there is no such leaf, `NotFound` if a node is missing.
pub fn inclusion_proof(index: u64, size: u64, nodes: &dyn Nodes) -> Result<Vec<Hash>> {
    inclusion_path(index, size)?.into_iter().map(|subtree| subtree_root(subtree, nodes)).collect()
}

/// The proof that the tree of `old` leaves is the beginning of the tree of `new` leaves (RFC 6962, section 2.1.2).
///
/// It is empty if `old` is 0 or equals `new`.
///
/// # Errors
///
/// `Invalid` if `old` is greater than `new`, `NotFound` if a node is missing.
pub fn consistency_proof(old: u64, new: u64, nodes: &dyn Nodes) -> Result<Vec<Hash>> {
    consistency_path(old, new)?.into_iter().map(|subtree| subtree_root(subtree, nodes)).collect()
}

/// The nodes, as `(level, index)`, that [`inclusion_proof`] asks for: at most 128.
///
/// A store whose reads are slow fetches them at once into a map, and proves from that.
///
/// # Errors
///
/// `Invalid` if there is no such leaf.
pub fn inclusion_nodes(index: u64, size: u64) -> Result<Vec<(u32, u64)>> {
    Ok(inclusion_path(index, size)?.into_iter().flat_map(full_subtrees).collect())
}

/// The nodes, as `(level, index)`, that [`consistency_proof`] asks for: at most 128.
///
/// # Errors
///
/// `Invalid` if `old` is greater than `new`.
pub fn consistency_nodes(old: u64, new: u64) -> Result<Vec<(u32, u64)>> {
    Ok(consistency_path(old, new)?.into_iter().flat_map(full_subtrees).collect())
}

/// Checks that a leaf is at `index` of the tree of `size` leaves with this root (RFC 9162, section 2.1.3.2).
///
/// # Errors
///
/// `Invalid` if it is not, or the proof is not the one.
pub fn verify_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash], root: Hash) -> Result<()> {
    if index >= size {
        return Err(no_such_leaf(index, size));
    }
    let mut path = Path { node: index, last: size - 1 };
    let mut hash = leaf;
    for sibling in proof {
        hash = if path.step()? { node_hash(*sibling, hash) } else { node_hash(hash, *sibling) };
    }
    path.end()?;
    if hash == root { Ok(()) } else { Err(wrong_proof("it leads to another root")) }
}

/// Checks that the tree of `old_size` leaves is the beginning of the tree of `new_size` leaves (RFC 9162,
/// section 2.1.4.2).
///
/// # Errors
///
/// `Invalid` if it is not, or the proof is not the one.
pub fn verify_consistency(old_size: u64, old_root: Hash, new_size: u64, new_root: Hash, proof: &[Hash]) -> Result<()> {
    if old_size > new_size {
        return Err(shrunk(old_size, new_size));
    }
    if old_size == 0 || old_size == new_size {
        let expected = if old_size == 0 { Hash::EMPTY_ROOT } else { new_root };
        let holds = proof.is_empty() && old_root == expected;
        return if holds { Ok(()) } else { Err(wrong_proof("the roots differ, or the proof should be empty")) };
    }
    // A full old tree is itself the first node of the proof, and left out of it.
    let (start, rest) = match proof.split_first() {
        _ if old_size.is_power_of_two() => (old_root, proof),
        Some((first, rest)) => (*first, rest),
        None => return Err(wrong_proof("it is too short")),
    };
    let shift = (old_size - 1).trailing_ones();
    let mut path = Path { node: (old_size - 1) >> shift, last: (new_size - 1) >> shift };
    let (mut old, mut new) = (start, start);
    for sibling in rest {
        if path.step()? {
            (old, new) = (node_hash(*sibling, old), node_hash(*sibling, new));
        } else {
            new = node_hash(new, *sibling);
        }
    }
    path.end()?;
    if (old, new) == (old_root, new_root) { Ok(()) } else { Err(wrong_proof("it leads to other roots")) }
}

/// The way from a node up to the root, beside the way of the last node of its level.
struct Path {
    node: u64,
    last: u64,
}

impl Path {
    /// Goes up to the next level where the node has a sibling; says whether that is on the left.
    fn step(&mut self) -> Result<bool> {
        if self.last == 0 {
            return Err(wrong_proof("it is too long"));
        }
        let left = self.node & 1 == 1 || self.node == self.last;
        if left && self.node & 1 == 0 {
            // The last node of a level without a sibling is its own parent. Here `node` is `last`, so not 0.
            let shift = self.node.trailing_zeros();
            self.node >>= shift;
            self.last >>= shift;
        }
        self.node >>= 1;
        self.last >>= 1;
        Ok(left)
    }

    fn end(&self) -> Result<()> {
        if self.last == 0 { Ok(()) } else { Err(wrong_proof("it is too short")) }
    }
}

/// The subtrees whose roots prove a leaf, from the leaf upwards: PATH of RFC 6962.
fn inclusion_path(index: u64, size: u64) -> Result<Vec<Range<u64>>> {
    if index >= size {
        return Err(no_such_leaf(index, size));
    }
    let mut path = Vec::new();
    let mut tree = 0..size;
    while tree.end - tree.start > 1 {
        let middle = tree.start + left_size(&tree);
        let (sibling, next) = if index < middle {
            (middle..tree.end, tree.start..middle)
        } else {
            (tree.start..middle, middle..tree.end)
        };
        path.push(sibling);
        tree = next;
    }
    path.reverse();
    Ok(path)
}

/// The subtrees whose roots prove that a tree grew from another: PROOF of RFC 6962.
fn consistency_path(old: u64, new: u64) -> Result<Vec<Range<u64>>> {
    if old > new {
        return Err(shrunk(old, new));
    }
    let mut path = Vec::new();
    if old == 0 {
        return Ok(path);
    }
    let mut tree = 0..new;
    while tree.end != old {
        let middle = tree.start + left_size(&tree);
        let (sibling, next) =
            if old <= middle { (middle..tree.end, tree.start..middle) } else { (tree.start..middle, middle..tree.end) };
        path.push(sibling);
        tree = next;
    }
    if tree.start > 0 {
        path.push(tree);
    }
    path.reverse();
    Ok(path)
}

/// How many leaves go left: the largest power of two smaller than the number of leaves, of which there are two or more.
fn left_size(tree: &Range<u64>) -> u64 {
    1 << (tree.end - tree.start - 1).ilog2()
}

/// The root over a subtree, from at most one full node for each level.
fn subtree_root(subtree: Range<u64>, nodes: &dyn Nodes) -> Result<Hash> {
    let hashes = full_subtrees(subtree).map(|(level, index)| {
        nodes
            .node(level, index)
            .ok_or_else(|| Error::not_found(format!("the tree has no node {index} at level {level}")))
    });
    Ok(join(hashes.collect::<Result<Vec<_>>>()?.into_iter()))
}

/// The full nodes that a subtree consists of, as `(level, index)`, the largest first.
fn full_subtrees(subtree: Range<u64>) -> impl Iterator<Item = (u32, u64)> {
    let mut start = subtree.start;
    std::iter::from_fn(move || {
        let level = (subtree.end - start).checked_ilog2()?;
        let node = (level, start >> level);
        start += 1 << level;
        Some(node)
    })
}

fn no_such_leaf(index: u64, size: u64) -> Error {
    Error::invalid("index", format!("expected an index below the size of the tree, {size}, got {index}"))
}

fn shrunk(old: u64, new: u64) -> Error {
    Error::invalid("old", format!("expected a size of at most {new}, got {old}: a log only grows"))
}

fn wrong_proof(why: &'static str) -> Error {
    Error::invalid("proof", format!("the proof does not hold: {why}"))
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
