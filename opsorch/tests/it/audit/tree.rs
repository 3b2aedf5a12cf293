//! The tree against the vectors of Certificate Transparency and against the definitions of RFC 6962.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opsorch::audit::{
    Frontier, Hash, MemoryNodes, Nodes, consistency_nodes, consistency_proof, inclusion_nodes, inclusion_proof,
    leaf_hash, root, verify_consistency, verify_inclusion,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// The eight leaves that the implementations of Certificate Transparency test with.
const CT_LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

/// The full nodes over these leaves, level by level.
const CT_NODES: [&[&str]; 4] = [
    &[
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7",
        "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "4271a26be0d8a84f0bd54c8c302e7cb3a3b5d1fa6780a40bcce2873477dab658",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "46f6ffadd3d06a09ff3c5860d2755c8b9819db7df44251788c7d8e3180de8eb1",
    ],
    &[
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    ],
    &[
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    &["5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"],
];

/// The roots of the trees of 0 to 8 of these leaves.
const CT_ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// Two numbers and the proof for them, as the `(level, index)` of [`CT_NODES`].
type Vector = (u64, u64, &'static [(usize, usize)]);

/// Inclusion proofs: index, size, and the nodes.
const CT_INCLUSION: [Vector; 5] = [
    (0, 1, &[]),
    (0, 8, &[(0, 1), (1, 1), (2, 1)]),
    (5, 8, &[(0, 4), (1, 3), (2, 0)]),
    (2, 3, &[(1, 0)]),
    (1, 5, &[(0, 0), (1, 1), (0, 4)]),
];

/// Consistency proofs: old size, new size, and the nodes.
const CT_CONSISTENCY: [Vector; 5] = [
    (1, 1, &[]),
    (1, 8, &[(0, 1), (1, 1), (2, 1)]),
    (6, 8, &[(1, 2), (1, 3), (2, 0)]),
    (2, 5, &[(1, 1), (0, 4)]),
    (6, 7, &[(1, 2), (0, 6), (2, 0)]),
];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hash(hex: &str) -> Hash {
    Hash::from_bytes(bytes(hex).try_into().unwrap())
}

fn ct_nodes(places: &[(usize, usize)]) -> Vec<Hash> {
    places.iter().map(|(level, index)| hash(CT_NODES[*level][*index])).collect()
}

fn ct_leaves() -> Vec<Hash> {
    CT_LEAVES.iter().map(|leaf| leaf_hash(&bytes(leaf))).collect()
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

fn flipped(hash: Hash, bit: usize) -> Hash {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    Hash::from_bytes(bytes)
}

/// RFC 6962, section 2.1, word for word.
mod definition {
    use super::*;

    fn split(count: usize) -> usize {
        let mut k = 1;
        while k * 2 < count {
            k *= 2;
        }
        k
    }

    pub(super) fn mth(d: &[Hash]) -> Hash {
        match d {
            [] => Hash::from_bytes(Sha256::digest([]).into()),
            [leaf] => *leaf,
            _ => {
                let (left, right) = d.split_at(split(d.len()));
                let joined = [&[1][..], mth(left).as_bytes(), mth(right).as_bytes()].concat();
                Hash::from_bytes(Sha256::digest(joined).into())
            }
        }
    }

    pub(super) fn path(m: usize, d: &[Hash]) -> Vec<Hash> {
        if d.len() == 1 {
            return vec![];
        }
        let k = split(d.len());
        let (mut proof, last) =
            if m < k { (path(m, &d[..k]), mth(&d[k..])) } else { (path(m - k, &d[k..]), mth(&d[..k])) };
        proof.push(last);
        proof
    }

    pub(super) fn proof(m: usize, d: &[Hash]) -> Vec<Hash> {
        subproof(m, d, true)
    }

    fn subproof(m: usize, d: &[Hash], known: bool) -> Vec<Hash> {
        if m == d.len() {
            return if known { vec![] } else { vec![mth(d)] };
        }
        let k = split(d.len());
        let (mut proof, last) = if m <= k {
            (subproof(m, &d[..k], known), mth(&d[k..]))
        } else {
            (subproof(m - k, &d[k..], false), mth(&d[..k]))
        };
        proof.push(last);
        proof
    }
}

#[test]
fn the_tree_gives_the_vectors_of_certificate_transparency() {
    let mut tree = Frontier::default();
    assert_eq!(tree.root(), hash(CT_ROOTS[0]));
    for (leaf, expected) in ct_leaves().into_iter().zip(&CT_ROOTS[1..]) {
        for node in tree.push(leaf) {
            let place = (usize::try_from(node.level).unwrap(), usize::try_from(node.index).unwrap());
            assert_eq!(node.hash, hash(CT_NODES[place.0][place.1]), "{place:?}");
        }
        assert_eq!(tree.root(), hash(expected));
    }
    assert_eq!(Hash::EMPTY_ROOT, hash(CT_ROOTS[0]));
}

#[test]
fn proofs_are_those_of_certificate_transparency() {
    let nodes: MemoryNodes = ct_leaves().into_iter().collect();
    let root = |size: u64| hash(CT_ROOTS[usize::try_from(size).unwrap()]);
    for (index, size, places) in CT_INCLUSION {
        let proof = inclusion_proof(index, size, &nodes).unwrap();
        assert_eq!(proof, ct_nodes(places), "{index} in {size}");
        verify_inclusion(ct_leaves()[usize::try_from(index).unwrap()], index, size, &proof, root(size)).unwrap();
    }
    for (old, new, places) in CT_CONSISTENCY {
        let proof = consistency_proof(old, new, &nodes).unwrap();
        assert_eq!(proof, ct_nodes(places), "{old} to {new}");
        verify_consistency(old, root(old), new, root(new), &proof).unwrap();
    }
}

#[test]
fn roots_and_proofs_are_those_of_the_definition() {
    let leaves = leaves(70);
    let mut tree = Frontier::default();
    let mut nodes = MemoryNodes::default();
    for (count, leaf) in leaves.iter().enumerate() {
        assert_eq!(tree.root(), definition::mth(&leaves[..count]));
        for node in tree.push(*leaf) {
            assert!(nodes.node(node.level, node.index).is_none());
        }
        nodes.push(*leaf);
        let size = tree.size();
        assert_eq!((size, nodes.size(), root(size, &nodes).unwrap()), (count as u64 + 1, size, tree.root()));

        let d = &leaves[..=count];
        for m in 0..=count {
            let index = m as u64;
            assert_eq!(inclusion_proof(index, size, &nodes).unwrap(), definition::path(m, d));
            assert_eq!(consistency_proof(index + 1, size, &nodes).unwrap(), definition::proof(m + 1, d));
        }
    }
}

#[test]
fn what_push_completes_is_what_proofs_ask_for() {
    let mut tree = Frontier::default();
    let mut stored = HashMap::new();
    for leaf in leaves(70) {
        stored.extend(tree.push(leaf).into_iter().map(|node| ((node.level, node.index), node.hash)));
    }
    let all: MemoryNodes = leaves(70).into_iter().collect();
    for old in 0..70 {
        let wanted: HashMap<_, _> =
            inclusion_nodes(old, 70).unwrap().into_iter().map(|place| (place, stored[&place])).collect();
        assert_eq!(inclusion_proof(old, 70, &wanted).unwrap(), inclusion_proof(old, 70, &all).unwrap());
        let wanted: HashMap<_, _> =
            consistency_nodes(old, 70).unwrap().into_iter().map(|place| (place, stored[&place])).collect();
        assert_eq!(consistency_proof(old, 70, &wanted).unwrap(), consistency_proof(old, 70, &all).unwrap());
    }
}

#[test]
fn an_inclusion_proof_holds_for_its_leaf_at_its_place_alone() {
    let leaves = leaves(70);
    let nodes: MemoryNodes = leaves.iter().copied().collect();
    for size in 1..=70 {
        let root = root(size, &nodes).unwrap();
        for index in 0..size {
            let leaf = leaves[usize::try_from(index).unwrap()];
            let proof = inclusion_proof(index, size, &nodes).unwrap();
            let holds = |leaf, index, proof: &[Hash], root| verify_inclusion(leaf, index, size, proof, root).is_ok();
            assert!(holds(leaf, index, &proof, root), "{index} in {size}");

            let bit = usize::try_from(index * 70 + size).unwrap() % 256;
            assert!(!holds(flipped(leaf, bit), index, &proof, root));
            assert!(!holds(leaf, index, &proof, flipped(root, bit)));
            for at in 0..proof.len() {
                let mut wrong = proof.clone();
                wrong[at] = flipped(wrong[at], bit);
                assert!(!holds(leaf, index, &wrong, root));
                assert!(!holds(leaf, index, &proof[..at], root), "too short");
            }
            assert!(!holds(leaf, index, &[&proof[..], &[root]].concat(), root), "too long");
            let elsewhere = [index ^ 1, index ^ 2, index ^ 4, index + 1, index.wrapping_sub(1), size - 1, size, 0];
            for other in elsewhere.into_iter().filter(|other| *other != index) {
                assert!(!holds(leaf, other, &proof, root), "{index} at {other} in {size}");
            }
        }
    }
}

#[test]
fn a_consistency_proof_holds_for_its_two_trees_alone() {
    let nodes: MemoryNodes = leaves(70).into_iter().collect();
    let roots: Vec<_> = (0..=70).map(|size| root(size, &nodes).unwrap()).collect();
    let root = |size: u64| roots[usize::try_from(size).unwrap()];
    for new in 0..=70 {
        for old in 0..=new {
            let proof = consistency_proof(old, new, &nodes).unwrap();
            let holds =
                |proof: &[Hash], old_root, new_root| verify_consistency(old, old_root, new, new_root, proof).is_ok();
            assert!(holds(&proof, root(old), root(new)), "{old} to {new}");

            let bit = usize::try_from(old * 70 + new).unwrap() % 256;
            assert!(!holds(&proof, flipped(root(old), bit), root(new)));
            // The empty tree is the beginning of every tree, so no new root contradicts it.
            assert_eq!(holds(&proof, root(old), flipped(root(new), bit)), old == 0);
            for at in 0..proof.len() {
                let mut wrong = proof.clone();
                wrong[at] = flipped(wrong[at], bit);
                assert!(!holds(&wrong, root(old), root(new)));
                assert!(!holds(&proof[..at], root(old), root(new)), "too short");
            }
            assert!(!holds(&[&proof[..], &[root(new)]].concat(), root(old), root(new)), "too long");
        }
        assert!(verify_consistency(new + 1, root(new), new, root(new), &[]).is_err(), "a log does not shrink");
    }
}

#[test]
fn proofs_of_what_is_not_there_are_refused() {
    let nodes: MemoryNodes = leaves(5).into_iter().collect();
    assert!(inclusion_proof(5, 5, &nodes).is_err());
    assert!(inclusion_proof(0, 0, &nodes).is_err());
    assert!(consistency_proof(4, 3, &nodes).is_err());
    let missing = inclusion_proof(0, 8, &nodes).unwrap_err();
    assert_eq!(missing.kind(), &opsorch::ErrorKind::NotFound);
}

/// All nodes of a tree without end whose nodes are the same at every level.
struct Endless;

impl Nodes for Endless {
    fn node(&self, level: u32, _: u64) -> Option<Hash> {
        Some(leaf_hash(&level.to_be_bytes()))
    }
}

#[test]
fn the_largest_tree_there_can_be_does_not_overflow() {
    for index in [0, 1, u64::MAX / 2, u64::MAX - 2, u64::MAX - 1] {
        assert!(inclusion_nodes(index, u64::MAX).unwrap().len() <= 128);
        assert!(consistency_nodes(index, u64::MAX).unwrap().len() <= 128);
        assert!(consistency_proof(index, u64::MAX, &Endless).unwrap().len() <= 65);
    }
    let last = u64::MAX - 1;
    let proof = inclusion_proof(last, u64::MAX, &Endless).unwrap();
    let whole = root(u64::MAX, &Endless).unwrap();
    verify_inclusion(leaf_hash(&0_u32.to_be_bytes()), last, u64::MAX, &proof, whole).unwrap();
    assert!(Frontier::from_bytes(&u64::MAX.to_be_bytes().repeat(257)).is_err());
}

#[test]
fn a_hash_is_read_from_the_text_it_prints_and_from_no_other() {
    let hash = leaf_hash(b"x");
    let text = hash.to_string();
    assert_eq!(text, STANDARD.encode(hash.as_bytes()));
    assert_eq!(text.parse::<Hash>().unwrap(), hash);
    let json = serde_json::to_string(&hash).unwrap();
    assert_eq!(serde_json::from_str::<Hash>(&json).unwrap(), hash);
    for wrong in ["", "AA==", &text[..43], &format!("{text}\n"), &text.replace('=', ""), &STANDARD.encode([0; 33])] {
        assert!(wrong.parse::<Hash>().is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn a_restored_frontier_grows_like_the_original(before in 0_u64..300, after in 0_u64..40) {
        let mut tree = Frontier::default();
        for leaf in leaves(before) {
            tree.push(leaf);
        }
        let mut restored = Frontier::from_bytes(&tree.to_bytes()).unwrap();
        for leaf in leaves(after) {
            prop_assert_eq!(restored.push(leaf), tree.push(leaf));
        }
        prop_assert_eq!(restored.root(), tree.root());
    }

    #[test]
    fn a_frontier_is_read_from_the_bytes_it_writes_and_from_no_other(
        size in prop_oneof![0_u64..16, any::<u64>()],
        hashes in 0_usize..70,
        cut in 0_usize..3,
    ) {
        let mut bytes = size.to_be_bytes().to_vec();
        bytes.extend(vec![7; (hashes * 32).saturating_sub(cut)]);
        match Frontier::from_bytes(&bytes) {
            Ok(mut tree) => {
                prop_assert_eq!(tree.to_bytes(), bytes);
                tree.push(leaf_hash(b"next"));
            }
            Err(_) => prop_assert!(u32::try_from(hashes) != Ok(size.count_ones()) || cut > 0 || size > Frontier::MAX_SIZE),
        }
    }

    #[test]
    fn arbitrary_proofs_never_panic(
        sizes in (any::<u64>(), any::<u64>()),
        small in (0_u64..9, 0_u64..9),
        proof in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash::from_bytes), 0..70),
    ) {
        for (one, other) in [sizes, small] {
            prop_assert!(proof.is_empty() || verify_inclusion(Hash::EMPTY_ROOT, one, other, &proof, Hash::EMPTY_ROOT).is_err());
            prop_assert!(proof.is_empty() || verify_consistency(one, Hash::EMPTY_ROOT, other, Hash::EMPTY_ROOT, &proof).is_err());
            let _ = (inclusion_nodes(one, other), consistency_nodes(one, other));
        }
    }
}
