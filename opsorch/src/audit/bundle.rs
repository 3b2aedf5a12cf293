//! What it takes to verify a log without the store it came from.

use serde::{Deserialize, Serialize};

use super::Hash;
use crate::{Error, Result};

/// Entries of a log with the evidence for them; see [`verify`](super::verify()).
///
/// A *whole* bundle holds every entry from 0 on, without proofs, and shows that nothing is missing. An *excerpt* holds some
/// entries, each with its inclusion proof, and shows that those are in the log as they were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Bundle {
    /// Which log: the origin that its checkpoints name.
    pub origin: String,
    /// Signed checkpoints, in any order.
    pub checkpoints: Vec<String>,
    /// Proofs that join the checkpoints of an excerpt, from each older size to the newest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consistency: Vec<ConsistencyProof>,
    /// The entries, in the order of their sequence.
    pub entries: Vec<BundleEntry>,
}

/// An entry of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct BundleEntry {
    /// Its place in the log, from 0.
    pub sequence: u64,
    /// Its stored bytes, exactly: the JSON text of an [`Entry`](crate::Entry).
    pub entry: String,
    /// The leaf hash that was stored with it.
    pub leaf: Hash,
    /// The proof that it is in the log, in an excerpt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<InclusionProof>,
}

/// The proof that an entry is in a log of some size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct InclusionProof {
    /// The size, which is that of a signed checkpoint.
    pub size: u64,
    /// The hashes, from the leaf upwards.
    pub hashes: Vec<Hash>,
}

/// The proof that a log of some size is the beginning of a larger one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct ConsistencyProof {
    /// The smaller size.
    pub old: u64,
    /// The larger size.
    pub new: u64,
    /// The hashes.
    pub hashes: Vec<Hash>,
}

impl Bundle {
    /// A bundle of a log, with nothing in it.
    pub fn new(origin: impl Into<String>) -> Self {
        Self { origin: origin.into(), checkpoints: Vec::new(), consistency: Vec::new(), entries: Vec::new() }
    }

    /// Adds signed checkpoints.
    pub fn checkpoints(mut self, signed: impl IntoIterator<Item = String>) -> Self {
        self.checkpoints.extend(signed);
        self
    }

    /// Adds consistency proofs.
    pub fn consistency(mut self, proofs: impl IntoIterator<Item = ConsistencyProof>) -> Self {
        self.consistency.extend(proofs);
        self
    }

    /// Adds entries.
    pub fn entries(mut self, entries: impl IntoIterator<Item = BundleEntry>) -> Self {
        self.entries.extend(entries);
        self
    }

    /// Whether it holds some entries with proofs, rather than all of them.
    pub fn is_excerpt(&self) -> bool {
        self.entries.iter().any(|entry| entry.proof.is_some())
    }

    /// Reads what [`Bundle::to_json`] wrote. It takes memory in proportion to the text, so limit that before.
    ///
    /// # Errors
    ///
    /// `Invalid` with the path to what was not expected, such as `bundle.entries[3].leaf`.
    pub fn from_json(text: &str) -> Result<Self> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let bundle = serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| Error::invalid(format!("bundle.{}", error.path()), error.inner().to_string()))?;
        reader.end().map_err(|error| Error::invalid("bundle", error.to_string()))?;
        Ok(bundle)
    }

    /// The bundle as indented JSON; the same bundle gives the same text.
    ///
    /// # Errors
    ///
    /// `Unexpected` if it cannot be written as JSON, which does not happen.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map_err(|error| Error::unexpected("the bundle could not be written as JSON").with_source(error))
    }
}

impl BundleEntry {
    /// An entry with its stored bytes and its stored leaf hash.
    ///
    /// Bytes that were damaged so that they are no UTF-8 can be given lossily: they are found altered all the same.
    pub fn new(sequence: u64, entry: impl Into<String>, leaf: Hash) -> Self {
        Self { sequence, entry: entry.into(), leaf, proof: None }
    }

    /// Adds the proof that it is in the log.
    pub fn proof(mut self, proof: InclusionProof) -> Self {
        self.proof = Some(proof);
        self
    }
}

impl InclusionProof {
    /// A proof against the checkpoint of that size.
    pub fn new(size: u64, hashes: Vec<Hash>) -> Self {
        Self { size, hashes }
    }
}

impl ConsistencyProof {
    /// A proof that the log of size `old` is the beginning of the log of size `new`.
    pub fn new(old: u64, new: u64, hashes: Vec<Hash>) -> Self {
        Self { old, new, hashes }
    }
}
