//! The audit log as evidence: its Merkle tree, its signatures, and the check that needs neither the store nor trust in it.
//!
//! Every [`Entry`](crate::Entry) that is committed is a leaf of one append-only Merkle tree (RFC 6962, section 2.1), over the
//! exact bytes that were stored. With every commit the log signs the new head of the tree, with Ed25519, as a
//! [checkpoint](https://c2sp.org/tlog-checkpoint) in the form of a [signed note](https://c2sp.org/signed-note). Whoever has a
//! [`Bundle`] and the public key can [`verify`](verify()) it; the tools that others have for these formats work as well.
//!
//! ```
//! use opsorch::audit::{Bundle, BundleEntry, Checkpoint, Finding, Frontier, SigningKey, leaf_hash, verify};
//!
//! // What a log does: append three entries, and sign the head.
//! let key = SigningKey::generate("example.com/ops")?;
//! let mut tree = Frontier::default();
//! let mut entries = Vec::new();
//! for sequence in 0..3 {
//!     let stored = format!(r#"{{"sequence":{sequence},"event":"approved"}}"#);
//!     let leaf = leaf_hash(stored.as_bytes());
//!     tree.push(leaf);
//!     entries.push(BundleEntry::new(sequence, stored, leaf));
//! }
//! let signed = key.sign(&Checkpoint::new("example.com/ops", tree.size(), tree.root())?);
//!
//! // What an auditor does, with the public key alone.
//! let mut bundle = Bundle::new("example.com/ops").checkpoints([signed]).entries(entries);
//! let keys = [key.verifier()];
//! assert!(verify(&bundle, &keys, &[]).is_intact());
//!
//! // What the auditor sees after somebody edited the store.
//! bundle.entries[1].entry = bundle.entries[1].entry.replace("approved", "approveD");
//! let report = verify(&bundle, &keys, &[]);
//! assert_eq!(report.findings, [Finding::EntryAltered { sequence: 1 }]);
//! assert_eq!(report.findings[0].to_string(), "entry 1 was altered");
//! # Ok::<(), opsorch::Error>(())
//! ```
//!
//! # From a running gate
//!
//! [`OpsOrch::audit`](crate::OpsOrch::audit) gives the [`AuditLog`]. It exports all of the log ([`AuditLog::bundle`]), a range of it
//! ([`AuditLog::excerpt`]) or all entries about one grant ([`AuditLog::story`]). An [`Anchor`], such as a [`FileAnchor`],
//! keeps its heads elsewhere. The example `audit_verify` is a command that verifies what was exported.
//!
//! # What it proves
//!
//! The attacker can write to the store: edit bytes, delete, insert and reorder entries, and change leaf hashes and checkpoints
//! to match. The signing key is not in the store, so the attacker cannot sign. Then `verify` finds
//!
//! * an entry whose bytes or whose leaf hash were changed, and names it ([`Finding::EntryAltered`]);
//! * an entry that was changed together with its leaf hash: it names the range between two checkpoints
//!   ([`Finding::RangeAltered`]), which is as narrow as the commits that the bundle holds checkpoints of;
//! * deleted, inserted and reordered entries ([`Finding::SequenceMismatch`], and the range);
//! * entries that no signature covers ([`Finding::Uncovered`]), and a false signature ([`Finding::CheckpointInvalid`]).
//!
//! This rests on one duty of whoever signs: before each commit, open the newest checkpoint and
//! [`confirm`](Checkpoint::confirm) the stored tree with it. Else a forged store would get its signature with the next commit.
//!
//! # What it does not prove
//!
//! * **Without an anchor, not that the log is all there.** Whoever can write to the store can cut the tail back to an older
//!   checkpoint, which was rightly signed, and let the log grow again from there. Whoever holds the signing key can cut it
//!   anywhere, write it anew, or start it afresh. All this is found against an *anchor*: any checkpoint that was kept where
//!   neither of them writes, such as another machine or a printed page ([`Finding::TailCut`], [`Finding::Forked`]). An anchor
//!   protects the entries up to its size, and no others; a gate writes them by itself to every [`Anchor`] that it is given.
//! * Not that what was written is true. It is what the process that holds the key committed at that place, unchanged since.
//! * Not when it was written. The time in an entry is that of the clock of the process; an anchor of known date bounds it.
//! * Of an excerpt, not what it leaves out.

mod anchor;
mod bundle;
mod checkpoint;
mod export;
mod log;
mod note;
mod proof;
mod tree;
mod verify;

pub use anchor::{Anchor, FileAnchor};
pub use bundle::{Bundle, BundleEntry, ConsistencyProof, InclusionProof};
pub use checkpoint::Checkpoint;
pub use log::{AuditLog, Batch, LogWriter};
pub use note::{SigningKey, VerifierKey};
pub use proof::{
    consistency_nodes, consistency_proof, inclusion_nodes, inclusion_proof, root, verify_consistency, verify_inclusion,
};
pub use tree::{Frontier, Hash, MemoryNodes, Node, Nodes, leaf_hash};
pub use verify::{Finding, Report, verify};

pub(crate) use anchor::Anchors;
