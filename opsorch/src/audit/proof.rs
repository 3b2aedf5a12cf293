//! Proofs over the tree: that a leaf is in it, and that it grew from a smaller one.

use std::ops::Range;

use super::tree::{join, node_hash};
use super::{Hash, Nodes};
use crate::{Error, Result};

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
