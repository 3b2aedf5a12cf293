//! Checking a bundle, and saying what is wrong with it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::iter::Peekable;
use std::slice;

use opsorch_schema::{Event, GrantId};
use serde::Deserialize;

use super::{
    Bundle, BundleEntry, Checkpoint, Frontier, Hash, VerifierKey, leaf_hash, verify_consistency, verify_inclusion,
};
use crate::{Error, Result};

/// How many findings a report prints; all of them are in [`Report::findings`].
const PRINTED_FINDINGS: usize = 100;

/// Something that is wrong with a bundle, or that it does not prove.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The stored bytes of an entry do not give its stored leaf hash: one of the two was changed.
    EntryAltered {
        /// The entry.
        sequence: u64,
    },
    /// An entry is not at its place: it, or one before it, was deleted, inserted or moved.
    SequenceMismatch {
        /// The sequence that belongs there.
        expected: u64,
        /// The sequence that is there.
        found: u64,
    },
    /// An entry is not JSON with a sequence.
    Unreadable {
        /// The entry.
        sequence: u64,
        /// What the reader says.
        why: String,
    },
    /// The leaf hashes belong to the bytes, but not to the root that was signed: something in this range was changed
    /// together with its leaf hash.
    RangeAltered {
        /// The first entry that may have been changed.
        from: u64,
        /// The last one.
        to: u64,
    },
    /// Entries that no valid checkpoint covers, so that nothing proves them.
    Uncovered {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// A checkpoint or an anchor was signed when the log had more entries than there are now.
    TailCut {
        /// How many entries there are.
        have: u64,
        /// How many there were.
        anchored: u64,
    },
    /// A checkpoint or an anchor contradicts entries that another signature confirms: the log was started afresh, or two
    /// histories of it were signed.
    Forked {
        /// The size that the contradicting signature was made for.
        size: u64,
    },
    /// Two signed checkpoints that no valid consistency proof of the excerpt joins.
    Unconnected {
        /// The size of the older one.
        from: u64,
        /// The size of the newest one.
        to: u64,
    },
    /// The inclusion proof of an entry does not lead to a signed root: the entry, its leaf hash or the proof was changed.
    ProofInvalid {
        /// The entry.
        sequence: u64,
    },
    /// A checkpoint of the bundle is malformed, of another log, or not signed by a known key.
    CheckpointInvalid {
        /// Its place in the bundle, from 0.
        index: usize,
        /// What is wrong with it.
        why: String,
    },
    /// An anchor is malformed, of another log, or not signed by a known key.
    AnchorInvalid {
        /// Its place among the anchors, from 0.
        index: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A second intent of one grant, or a second outcome: what was signed says that an approval was used twice. The gate
    /// writes neither, so its store was deceived, or two histories became one.
    Repeated {
        /// What it says: `intent` or `outcome`.
        event: Event,
        /// The grant.
        grant: GrantId,
        /// The entry that said it first.
        first: u64,
        /// The entry that says it again.
        second: u64,
    },
    /// There is neither an entry nor a valid checkpoint: nothing was proven.
    Empty,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EntryAltered { sequence } => write!(f, "entry {sequence} was altered"),
            Self::SequenceMismatch { expected, found } if found > expected => {
                write!(f, "entry {expected} is missing: entry {found} stands in its place")
            }
            Self::SequenceMismatch { expected, found } => {
                write!(f, "entry {found} stands where entry {expected} belongs: it was inserted, repeated or moved")
            }
            Self::Unreadable { sequence, why } => write!(f, "entry {sequence} cannot be read: {why}"),
            Self::RangeAltered { from, to } => {
                write!(f, "something from entry {from} to entry {to} was altered: it is not what was signed")
            }
            Self::Uncovered { from, to } => write!(f, "no valid signature covers the entries from {from} to {to}"),
            Self::TailCut { have, anchored } => {
                write!(f, "the tail was cut: {anchored} entries were signed, {have} are here")
            }
            Self::Forked { size } => write!(
                f,
                "the log was forked or started afresh: what was signed at size {size} contradicts what else is signed"
            ),
            Self::Unconnected { from, to } => {
                write!(f, "no valid proof joins the checkpoint at size {from} to the one at size {to}")
            }
            Self::ProofInvalid { sequence } => {
                write!(f, "the proof of entry {sequence} does not lead to what was signed")
            }
            Self::CheckpointInvalid { index, why } => write!(f, "checkpoint {index} is not valid: {why}"),
            Self::AnchorInvalid { index, why } => write!(f, "anchor {index} is not valid: {why}"),
            Self::Repeated { event, grant, first, second } => {
                // The id comes with the bundle, as the origin does.
                let grant = grant.as_str();
                write!(f, "entry {second} is a second {event} of grant {grant:?}, after entry {first}: a grant has one")
            }
            Self::Empty => f.write_str("there is neither an entry nor a valid checkpoint: nothing was proven"),
        }
    }
}

/// What came of verifying a bundle. Printed, it is for a person to read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The log that the bundle says it is of.
    pub origin: String,
    /// How many entries the bundle holds.
    pub entries: u64,
    /// How many of its checkpoints are valid.
    pub checkpoints: u64,
    /// How many of the anchors are valid.
    pub anchors: u64,
    /// How many entries of the log, from 0, the newest signature covers that agrees with the entries.
    pub covered_size: u64,
    /// Whether the bundle is an excerpt: then entries that are not in it are not judged.
    pub excerpt: bool,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing is wrong. For an excerpt this says nothing about entries that it leaves out.
    pub fn is_intact(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The origin comes with the bundle: escaped, it cannot steer a terminal.
        writeln!(
            f,
            "log {:?}: {} entries, {} valid checkpoints, {} valid anchors; signatures cover the first {} entries",
            self.origin, self.entries, self.checkpoints, self.anchors, self.covered_size
        )?;
        if self.excerpt {
            writeln!(f, "an excerpt: entries that it leaves out are not judged")?;
        }
        if self.is_intact() {
            return f.write_str("intact");
        }
        write!(f, "not intact, {} findings:", self.findings.len())?;
        self.findings.iter().take(PRINTED_FINDINGS).try_for_each(|finding| write!(f, "\n- {finding}"))?;
        match self.findings.len().saturating_sub(PRINTED_FINDINGS) {
            0 => Ok(()),
            more => write!(f, "\n- and {more} more"),
        }
    }
}

/// Verifies a bundle with the public keys of its log, and with anchors: signed checkpoints that were kept elsewhere.
///
/// In a whole bundle every entry must be at its place, and every checkpoint and anchor must be the root of the entries up
/// to its size. In an excerpt the proof of every entry must lead to a checkpoint or an anchor, and consistency proofs must
/// join each older one of these to the newest. Nothing else of a bundle is believed. In either, what was signed must not
/// say that a grant was spent twice.
///
/// It takes time in proportion to the bundle: about a microsecond for an entry, and some 50 for a checkpoint.
pub fn verify(bundle: &Bundle, keys: &[VerifierKey], anchors: &[String]) -> Report {
    let mut findings = Vec::new();
    let mut heads = Vec::new();
    let mut open = |signed: &[String], invalid: fn(usize, String) -> Finding| {
        let before = heads.len();
        for (index, signed) in signed.iter().enumerate() {
            match open_head(signed, keys, &bundle.origin) {
                Ok(head) => heads.push(head),
                Err(error) => findings.push(invalid(index, error.message().to_owned())),
            }
        }
        (heads.len() - before) as u64
    };
    let checkpoints = open(&bundle.checkpoints, |index, why| Finding::CheckpointInvalid { index, why });
    let anchors = open(anchors, |index, why| Finding::AnchorInvalid { index, why });
    heads.sort_unstable();
    heads.dedup();

    if heads.is_empty() && bundle.entries.is_empty() {
        findings.push(Finding::Empty);
    }
    let excerpt = bundle.is_excerpt();
    let covered_size = if excerpt {
        join_heads(bundle, &heads, &mut findings);
        verify_excerpt(&bundle.entries, &heads, &mut findings)
    } else {
        verify_whole(&bundle.entries, &heads, &mut findings)
    };
    let entries = bundle.entries.len() as u64;
    Report { origin: bundle.origin.clone(), entries, checkpoints, anchors, covered_size, excerpt, findings }
}

/// What a signature vouches for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    size: u64,
    root: Hash,
}

fn open_head(signed: &str, keys: &[VerifierKey], origin: &str) -> Result<Head> {
    let checkpoint = Checkpoint::open(signed, keys)?;
    if checkpoint.origin() != origin {
        let message = format!("it is of the log {:?}, expected {origin:?}", checkpoint.origin());
        return Err(Error::invalid("checkpoint", message));
    }
    Ok(Head { size: checkpoint.size(), root: checkpoint.root() })
}

/// Verifies all entries from 0 on; returns the size of the newest head that agrees with them.
fn verify_whole(entries: &[BundleEntry], heads: &[Head], findings: &mut Vec<Finding>) -> u64 {
    let mut walk = Walk::new(heads);
    let mut reader = Reader::default();
    let mut expected = 0;
    for entry in entries {
        walk.meet_heads();
        if entry.sequence != expected {
            findings.push(Finding::SequenceMismatch { expected, found: entry.sequence });
        }
        // Going on from what is there, a missing or an added entry is found once and not in every entry after it.
        expected = entry.sequence.saturating_add(1);
        walk.push(entry.leaf, reader.check(entry, findings));
    }
    walk.meet_heads();
    walk.conclude(findings)
}

/// Reads entries, and remembers what a grant may have once.
#[derive(Default)]
struct Reader<'a> {
    /// The sequence of each intent and outcome, by its grant.
    once: HashMap<(Event, Cow<'a, str>), u64>,
}

/// All that is read of an entry.
#[derive(Deserialize)]
struct Said<'a> {
    sequence: u64,
    #[serde(borrow, default)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    grant: Option<Cow<'a, str>>,
}

impl<'a> Reader<'a> {
    /// Checks an entry by itself and beside those before it; returns the hash of its bytes.
    fn check(&mut self, entry: &'a BundleEntry, findings: &mut Vec<Finding>) -> Hash {
        let sequence = entry.sequence;
        let computed = leaf_hash(entry.entry.as_bytes());
        if computed != entry.leaf {
            findings.push(Finding::EntryAltered { sequence });
            return computed;
        }
        match serde_json::from_str::<Said<'_>>(&entry.entry) {
            Ok(said) if said.sequence == sequence => findings.extend(self.repeated(said)),
            Ok(said) => findings.push(Finding::SequenceMismatch { expected: sequence, found: said.sequence }),
            Err(error) => findings.push(Finding::Unreadable { sequence, why: error.to_string() }),
        }
        computed
    }

    /// Whether a grant has this for the second time.
    fn repeated(&mut self, said: Said<'a>) -> Option<Finding> {
        let event =
            [Event::Intent, Event::Outcome].into_iter().find(|event| said.event.as_deref() == Some(event.word()));
        let (event, grant) = (event?, said.grant?);
        let first = *self.once.entry((event, grant.clone())).or_insert(said.sequence);
        // An entry that is there twice is out of its place, which is found already.
        (first != said.sequence).then(|| Finding::Repeated {
            event,
            grant: grant.into_owned().into(),
            first,
            second: said.sequence,
        })
    }
}

/// The way through the entries of a whole bundle, past the heads that were signed on it.
struct Walk<'a> {
    heads: Peekable<slice::Iter<'a, Head>>,
    /// The tree over the stored leaf hashes.
    stored: Frontier,
    /// The tree over the hashes of the bytes, while the two differ: a head then tells which of them was changed, and the
    /// way goes on with the other, so that one damaged leaf hash casts no doubt on the entries after it.
    computed: Option<Frontier>,
    /// The size of the newest head that agrees.
    covered: u64,
    /// The sizes of the heads that do not, ascending.
    contradicting: Vec<u64>,
}

impl<'a> Walk<'a> {
    fn new(heads: &'a [Head]) -> Self {
        Self {
            heads: heads.iter().peekable(),
            stored: Frontier::default(),
            computed: None,
            covered: 0,
            contradicting: Vec::new(),
        }
    }

    fn push(&mut self, stored: Hash, computed: Hash) {
        if stored != computed && self.computed.is_none() {
            self.computed = Some(self.stored.clone());
        }
        if let Some(tree) = &mut self.computed {
            tree.push_with(computed, |_| {});
        }
        self.stored.push_with(stored, |_| {});
    }

    /// Compares the heads that were signed at the present size.
    fn meet_heads(&mut self) {
        let size = self.stored.size();
        while let Some(head) = self.heads.next_if(|head| head.size == size) {
            if self.stored.root() == head.root {
                self.computed = None;
            } else if let Some(tree) = self.computed.take_if(|tree| tree.root() == head.root) {
                self.stored = tree;
            } else {
                self.contradicting.push(size);
                continue;
            }
            self.covered = size;
        }
    }

    /// Says what the heads show; returns how many entries are covered.
    fn conclude(mut self, findings: &mut Vec<Finding>) -> u64 {
        let (have, covered) = (self.stored.size(), self.covered);
        self.contradicting.dedup();
        // A head that disagrees although a newer one agrees was signed over another history.
        let forked = self.contradicting.iter().take_while(|size| **size <= covered);
        findings.extend(forked.map(|size| Finding::Forked { size: *size }));
        let altered = self.contradicting.iter().find(|size| **size > covered).copied();
        if let Some(size) = altered {
            findings.push(Finding::RangeAltered { from: covered, to: size - 1 });
        }
        if let Some(head) = self.heads.next_back() {
            findings.push(Finding::TailCut { have, anchored: head.size });
        }
        let from = altered.unwrap_or(covered);
        if from < have {
            findings.push(Finding::Uncovered { from, to: have - 1 });
        }
        covered
    }
}

/// Verifies entries by their proofs; returns the size of the newest head that a proof leads to.
fn verify_excerpt(entries: &[BundleEntry], heads: &[Head], findings: &mut Vec<Finding>) -> u64 {
    let mut reader = Reader::default();
    let mut covered = 0;
    let mut expected = 0;
    for entry in entries {
        let sequence = entry.sequence;
        if sequence < expected {
            findings.push(Finding::SequenceMismatch { expected, found: sequence });
        }
        expected = sequence.saturating_add(1);
        let computed = reader.check(entry, findings);
        let Some(proof) = &entry.proof else {
            findings.push(Finding::Uncovered { from: sequence, to: sequence });
            continue;
        };
        let first = heads.partition_point(|head| head.size < proof.size);
        let mut signed = heads.iter().skip(first).take_while(|head| head.size == proof.size).peekable();
        let leads_to =
            |leaf, head: &Head| verify_inclusion(leaf, sequence, head.size, &proof.hashes, head.root).is_ok();
        if signed.peek().is_none() {
            findings.push(Finding::Uncovered { from: sequence, to: sequence });
        } else if signed.any(|head| leads_to(entry.leaf, head) || leads_to(computed, head)) {
            covered = covered.max(proof.size);
        } else {
            findings.push(Finding::ProofInvalid { sequence });
        }
    }
    covered
}

/// Checks that all heads are of one history: each is joined to the newest by a consistency proof of the bundle.
fn join_heads(bundle: &Bundle, heads: &[Head], findings: &mut Vec<Finding>) {
    let roots_of_a_size = heads.chunk_by(|one, other| one.size == other.size);
    findings.extend(roots_of_a_size.filter_map(|heads| match heads {
        [head, _, ..] => Some(Finding::Forked { size: head.size }),
        _ => None,
    }));
    let Some((newest, older)) = heads.split_last() else { return };
    let proofs: BTreeMap<_, _> =
        bundle.consistency.iter().map(|proof| ((proof.old, proof.new), proof.hashes.as_slice())).collect();
    for head in older.iter().filter(|head| head.size < newest.size) {
        let proof = proofs.get(&(head.size, newest.size)).copied().unwrap_or_default();
        if verify_consistency(head.size, head.root, newest.size, newest.root, proof).is_err() {
            findings.push(Finding::Unconnected { from: head.size, to: newest.size });
        }
    }
}
