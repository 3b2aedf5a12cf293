//! The records of the audit log.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Actor, Digest, GrantId, Operation, ProviderName, Time};

/// What an entry of the audit log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Event {
    /// A change was asked for and waits for people.
    Requested,
    /// Somebody agreed to a change.
    Approved,
    /// Somebody refused a change that waited.
    Denied,
    /// The requester took a request back.
    Withdrawn,
    /// A grant was taken away before it was used.
    Revoked,
    /// A request or a grant lapsed.
    Expired,
    /// Something was refused: a call, an answer, a redemption.
    Refused,
    /// A change is about to be made. Written before the provider is called.
    Intent,
    /// What became of an intent.
    Outcome,
    /// What became known about an intent after its outcome had been written.
    Addendum,
}

impl Event {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Withdrawn => "withdrawn",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Addendum => "addendum",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whether a change took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum OutcomeStatus {
    /// The provider said that it did.
    Applied,
    /// It did not: it was never sent, or the provider refused it.
    NotApplied,
    /// Nobody knows: the provider was asked and no trustworthy answer came.
    Unknown,
}

impl OutcomeStatus {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::NotApplied => "notApplied",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for OutcomeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a change made or touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Resource {
    /// Its id within the provider.
    pub id: String,
    /// The page a person would open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
}

impl Resource {
    /// A thing by its id, with the page a person would open.
    pub fn new(id: impl Into<String>, url: Option<Url>) -> Self {
        Self { id: id.into(), url }
    }
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Outcome {
    /// Whether it took effect.
    pub status: OutcomeStatus,
    /// The code of the error, where there was one: `timeout`, `forbidden`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was made or touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
    /// How long the call took, in milliseconds.
    pub duration_ms: u64,
}

impl Outcome {
    /// An outcome after so many milliseconds.
    pub fn new(status: OutcomeStatus, duration_ms: u64) -> Self {
        Self { status, error: None, resource: None, duration_ms }
    }

    /// Adds the code of the error.
    pub fn error(mut self, code: impl Into<String>) -> Self {
        self.error = Some(code.into());
        self
    }

    /// Adds what was made or touched.
    pub fn resource(mut self, resource: Option<Resource>) -> Self {
        self.resource = resource;
        self
    }
}

/// One record of the audit log. Its stored bytes are a leaf of the log's Merkle tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Entry {
    /// Its place in the log, from 0 without gaps.
    pub sequence: u64,
    /// When it was committed, by the clock of the process that wrote it.
    pub time: Time,
    /// What it tells.
    pub event: Event,
    /// Who caused it, and how they were authenticated.
    pub actor: Actor,
    /// What was, or would have been, done.
    pub operation: Operation,
    /// The provider it concerns; absent where none could be chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
    /// The digest of the exact action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What policy said, and which rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// The revision of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_revision: Option<String>,
    /// The grant it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// The sequence of the intent that this entry completes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<u64>,
    /// What became of the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why, in the words of whoever refused, answered or asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The request that caused it.
    pub request_id: String,
    /// The trace that request belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

impl Entry {
    /// An entry with what every entry has; the log sets the sequence when it commits it.
    pub fn new(time: Time, event: Event, actor: Actor, operation: Operation, request_id: impl Into<String>) -> Self {
        Self {
            sequence: 0,
            time,
            event,
            actor,
            operation,
            provider: None,
            digest: None,
            decision: None,
            policy_revision: None,
            grant: None,
            intent: None,
            outcome: None,
            reason: None,
            request_id: request_id.into(),
            trace_id: None,
        }
    }
}
