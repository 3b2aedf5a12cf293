//! Taking evidence out of a log: all of it, a part, one grant's story, and what joins them to anchors.

use std::collections::BTreeSet;
use std::ops::{Bound, Range, RangeBounds};

use opsorch_schema::GrantId;

use super::log::read_entry;
use super::{
    AuditLog, Bundle, BundleEntry, Checkpoint, ConsistencyProof, Frontier, InclusionProof, consistency_nodes,
    consistency_proof, inclusion_nodes, inclusion_proof, leaf_hash, verify_consistency,
};
use crate::store::StoredEntry;
use crate::{Error, Result};

/// How many checkpoints a bundle carries: enough to narrow an alteration down, few enough to be checked in passing.
const BUNDLE_CHECKPOINTS: u32 = 256;

/// How many entries are read from the store, or proven, at a time.
const BLOCK: u32 = 1000;

/// Exports and proofs.
impl AuditLog {
    /// How many entries it has.
    ///
    /// # Errors
    /// Those of the store, and [`Unexpected`](crate::ErrorKind::Unexpected) if the newest checkpoint in it is not valid.
    pub async fn size(&self) -> Result<u64> {
        Ok(self.reaches(0).await?.as_ref().map_or(0, Checkpoint::size))
    }

    /// All of the log, with what [`verify`](super::verify()) needs. Of a store that was damaged it holds what is left.
    ///
    /// It takes memory in proportion to the log.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn bundle(&self) -> Result<Bundle> {
        // The checkpoints first: entries that are committed meanwhile are left out, not uncovered.
        let checkpoints = self.store().checkpoints(BUNDLE_CHECKPOINTS).await?;
        let size = match checkpoints.last().map(|newest| self.open(newest)) {
            None => 0,
            Some(Ok(newest)) => newest.size(),
            Some(Err(_)) => u64::MAX, // The verification says what is wrong with it, and with which entries.
        };
        let (mut entries, mut from) = (Vec::new(), 0);
        while from < size {
            let block = self.store().entries(from, block_size(&(from..size))).await?;
            let Some(last) = block.last() else { break };
            from = last.sequence.max(from).saturating_add(1);
            entries.extend(block.into_iter().map(bundle_entry));
        }
        Ok(Bundle::new(self.origin()).checkpoints(checkpoints).entries(entries))
    }

    /// The entries of a range of sequences, such as `100..=120` or `100..`, each with the proof that it is in the log that
    /// the newest checkpoint is the head of. Sequences that the log does not have yet are left out.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if the log has no entry of the range,
    /// [`Unexpected`](crate::ErrorKind::Unexpected) if the store lost one, and those of the store.
    pub async fn excerpt(&self, range: impl RangeBounds<u64> + Send) -> Result<Bundle> {
        let (signed, head) = self.head().await?;
        let range = within(&range, head.size());
        if range.is_empty() {
            return Err(Error::not_found(format!("there is no entry in this range; the log has {}", head.size())));
        }
        let mut entries = Vec::new();
        let mut rest = range;
        while !rest.is_empty() {
            let block = self.block(&rest).await?;
            rest.start += block.len() as u64;
            entries.extend(self.prove(block, head.size()).await?);
        }
        Ok(Bundle::new(self.origin()).checkpoints([signed]).entries(entries))
    }

    /// The whole story of a grant: every entry about it, each with the proof that it is in the log that the newest
    /// checkpoint is the head of.
    ///
    /// A proof cannot show that nothing was left out, so this reads all of the log and checks it on the way: the story is
    /// whole if whoever exports it is honest.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if no entry is about the grant,
    /// [`Unexpected`](crate::ErrorKind::Unexpected) if the stored log is not what was signed, and those of the store.
    pub async fn story(&self, grant: &GrantId) -> Result<Bundle> {
        let (signed, head) = self.head().await?;
        let (mut tree, mut found) = (Frontier::default(), Vec::new());
        while tree.size() < head.size() {
            for stored in self.block(&(tree.size()..head.size())).await? {
                tree.push_with(leaf_hash(stored.leaf.as_bytes()), |_| {});
                if read_entry(&stored)?.grant.as_ref() == Some(grant) {
                    found.push(stored);
                }
            }
        }
        if (tree.size(), tree.root()) != (head.size(), head.root()) {
            return Err(Error::unexpected(
                "the stored log is not what was signed, so a story from it may lack something: \
                 verify the log with a whole bundle",
            ));
        }
        if found.is_empty() {
            let unknown = opsorch_schema::visible(grant.as_str());
            return Err(Error::not_found("the log has no entry about this grant").with_context("grant", unknown));
        }
        let mut entries = Vec::with_capacity(found.len());
        while !found.is_empty() {
            let rest = found.split_off(found.len().min(BLOCK as usize));
            entries.extend(self.prove(std::mem::replace(&mut found, rest), head.size()).await?);
        }
        Ok(Bundle::new(self.origin()).checkpoints([signed]).entries(entries))
    }

    /// Adds to an excerpt what joins it to anchors, so that it verifies together with them: one proof, of at most 64
    /// hashes, for each.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for an anchor that is not a checkpoint of this log,
    /// [`Unexpected`](crate::ErrorKind::Unexpected) if it is newer than the log, and those of the store.
    pub async fn join(&self, excerpt: Bundle, anchors: &[String]) -> Result<Bundle> {
        let heads = excerpt.checkpoints.iter().chain(anchors).map(|signed| Ok(self.open(signed)?.size()));
        let mut sizes: BTreeSet<u64> = heads.collect::<Result<_>>()?;
        let Some(newest) = sizes.pop_last() else { return Ok(excerpt) };
        self.reaches(newest).await?;
        let mut joined = excerpt;
        joined.consistency.clear();
        for old in sizes {
            joined.consistency.push(self.consistency_proof(old, newest).await?);
        }
        Ok(joined)
    }

    /// Checks that the log continues a checkpoint of it that was kept elsewhere: nothing up to there was cut or written
    /// anew. Which entries are still what was signed is for [`verify`](super::verify()) to say.
    ///
    /// # Errors
    /// [`Unexpected`](crate::ErrorKind::Unexpected) if it does not, [`Invalid`](crate::ErrorKind::Invalid) for what is no
    /// checkpoint of this log, and those of the store.
    pub async fn continues(&self, checkpoint: &str) -> Result<()> {
        let anchor = self.open(checkpoint)?;
        let Some(head) = self.reaches(anchor.size()).await? else { return Ok(()) };
        let nodes = self.store().nodes(&consistency_nodes(anchor.size(), head.size())?).await?;
        let proven = consistency_proof(anchor.size(), head.size(), &nodes)
            .and_then(|proof| verify_consistency(anchor.size(), anchor.root(), head.size(), head.root(), &proof));
        proven.map_err(|error| discontinued("it was begun afresh or rewritten").with_source(error))
    }

    /// The proof that an entry is in the log of `size` entries.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is no such entry, and those of the store.
    pub async fn inclusion_proof(&self, sequence: u64, size: u64) -> Result<InclusionProof> {
        let nodes = self.store().nodes(&inclusion_nodes(sequence, size)?).await?;
        Ok(InclusionProof::new(size, inclusion_proof(sequence, size, &nodes)?))
    }

    /// The proof that the log of `old` entries is the beginning of the log of `new` entries.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if `old` is larger than `new`, and those of the store.
    pub async fn consistency_proof(&self, old: u64, new: u64) -> Result<ConsistencyProof> {
        let nodes = self.store().nodes(&consistency_nodes(old, new)?).await?;
        Ok(ConsistencyProof::new(old, new, consistency_proof(old, new, &nodes)?))
    }

    /// The newest checkpoint, and what it says.
    async fn head(&self) -> Result<(String, Checkpoint)> {
        let signed = self.checkpoint().await?.ok_or_else(|| Error::not_found("the log is empty"))?;
        let head = self.open(&signed).map_err(|error| {
            Error::unexpected("the newest checkpoint in the store is not valid; verify the log").with_source(error)
        })?;
        Ok((signed, head))
    }

    /// The head, if there is one, of a log that is known to have had this many entries.
    async fn reaches(&self, size: u64) -> Result<Option<Checkpoint>> {
        let head = match self.checkpoint().await? {
            Some(_) => Some(self.head().await?.1),
            None => None,
        };
        let have = head.as_ref().map_or(0, Checkpoint::size);
        if size <= have {
            return Ok(head);
        }
        Err(discontinued("its end was cut").with_context("anchored", size).with_context("stored", have))
    }

    /// The first entries of a range, in order and without a gap; at least one.
    async fn block(&self, range: &Range<u64>) -> Result<Vec<StoredEntry>> {
        let block = self.store().entries(range.start, block_size(range)).await?;
        let found = block.iter().map(|stored| Some(stored.sequence)).chain([None]);
        match (range.start..).zip(found).find(|(expected, found)| *found != Some(*expected)) {
            Some((end, None)) if end > range.start => Ok(block),
            missing => {
                let sequence = missing.map_or(range.start, |(expected, _)| expected);
                Err(Error::unexpected("the store lost an entry; verify the log").with_context("sequence", sequence))
            }
        }
    }

    /// Adds to each entry the proof that it is in the log of `size` entries.
    async fn prove(&self, block: Vec<StoredEntry>, size: u64) -> Result<Vec<BundleEntry>> {
        let mut wanted = BTreeSet::new();
        for stored in &block {
            wanted.extend(inclusion_nodes(stored.sequence, size)?);
        }
        let nodes = self.store().nodes(&wanted.into_iter().collect::<Vec<_>>()).await?;
        let proven = block.into_iter().map(|stored| {
            let hashes = inclusion_proof(stored.sequence, size, &nodes)?;
            Ok(bundle_entry(stored).proof(InclusionProof::new(size, hashes)))
        });
        proven.collect()
    }
}

fn bundle_entry(stored: StoredEntry) -> BundleEntry {
    BundleEntry::new(stored.sequence, stored.leaf, stored.hash)
}

fn block_size(range: &Range<u64>) -> u32 {
    u32::try_from(range.end.saturating_sub(range.start)).unwrap_or(BLOCK).min(BLOCK)
}

/// The part of a range that a log of some size has.
fn within(range: &impl RangeBounds<u64>, size: u64) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => size,
    };
    start..end.min(size)
}

fn discontinued(why: &str) -> Error {
    let message = format!("the stored log does not continue what was anchored: {why}; verify it against the anchor");
    Error::unexpected(message).not_applied()
}
