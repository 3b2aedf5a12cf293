//! A grant: permission for one exact action, from requested to spent.

use std::collections::BTreeSet;

use opsorch_schema::{
    Action, Actor, ActorKind, Answer, ApprovalRequest, Digest, GrantId, GrantState, Identity, ProviderName, Quorum,
    Target, Time, Verdict, visible,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::approved::Permit;
use super::canonical::digest;
use super::keys::{GateKeys, Purpose};
use super::people::People;
use crate::store::GrantRecord;
use crate::{Error, Result};

/// Permission for one exact action. All of it is sealed, so that a record that the gate did not write does not redeem.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(super) id: GrantId,
    pub(super) version: u64,
    pub(super) state: GrantState,
    pub(super) digest: Digest,
    /// The text that the digest covers.
    pub(super) canonical: String,
    pub(super) action: Action,
    pub(super) target: Target,
    pub(super) requester: Actor,
    pub(super) reason: Option<String>,
    pub(super) basis: Basis,
    pub(super) policy_revision: Option<String>,
    pub(super) answers: Vec<Answer>,
    pub(super) idempotency_key: Option<String>,
    /// The grant that the key stood for before, whose change was certainly not made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) in_place_of: Option<GrantId>,
    /// How long the log was when it was requested: what became of it is told from there on.
    pub(super) log_size: u64,
    pub(super) requested_at: Time,
    pub(super) expires_at: Time,
}

/// Why a grant may become active.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Basis {
    /// Policy alone allows it.
    Policy { rule: String },
    /// These people must agree.
    People { quorum: Quorum, reason: String },
}

/// An action made unambiguous: what is digested is what is stored, shown and run.
#[derive(Clone, Debug)]
pub(super) struct Concrete {
    pub(super) action: Action,
    pub(super) target: Target,
    pub(super) digest: Digest,
    pub(super) canonical: String,
}

impl Concrete {
    /// Writes the action canonically and reads it back, so that nothing runs that the digest does not cover.
    pub(super) fn new(target: Target, action: &Action) -> Result<Self> {
        #[derive(Deserialize)]
        struct Covered {
            action: Action,
        }
        let (sum, canonical) = digest(&target, action)?;
        let covered: Covered = serde_json::from_str(&canonical)
            .map_err(|error| Error::invalid("action", "it does not survive being written down").with_source(error))?;
        Ok(Self { action: covered.action, target, digest: sum, canonical })
    }
}

impl Grant {
    /// A grant as it is stored.
    pub(super) fn to_record(&self, keys: &GateKeys) -> Result<GrantRecord> {
        let body = serde_json::to_string(self)
            .map_err(|error| Error::unexpected("a grant cannot be written down").with_source(error))?;
        let seal = keys.seal(Purpose::Grant, &body);
        Ok(GrantRecord::new(self.id.clone(), self.version, self.state, self.requested_at, body, seal))
    }

    /// Reads the record of a grant, and refuses one that the gate did not seal, that says one thing outside and another
    /// inside, or that is another grant's.
    pub(super) fn from_record(id: &GrantId, record: &GrantRecord, keys: &GateKeys) -> Result<Self> {
        let forged = || {
            let message = "the stored grant is not what the gate wrote; it is refused";
            Error::denied(message).with_context("grant", visible(id.as_str()))
        };
        if !keys.verify(Purpose::Grant, &record.body, &record.seal) {
            return Err(forged());
        }
        let grant: Self = serde_json::from_str(&record.body).map_err(|error| forged().with_source(error))?;
        let agrees = (grant.version, grant.state) == (record.version, record.state);
        if agrees && [&grant.id, &record.id] == [id, id] { Ok(grant) } else { Err(forged()) }
    }

    /// The grant in its next state.
    pub(super) fn moved(&self, state: GrantState, expires_at: Time) -> Self {
        Self { version: self.version + 1, state, expires_at, ..self.clone() }
    }

    /// Whether it lapsed by itself, although nobody has written that down yet.
    pub(super) fn has_lapsed(&self, now: Time) -> bool {
        !self.state.is_final() && now >= self.expires_at
    }

    /// Refuses an actor who may not answer, with the reason.
    pub(super) fn check_answerer(&self, actor: &Actor, people: &People) -> Result<()> {
        let Some(quorum) = self.quorum() else {
            return Err(Error::conflict("policy alone allowed this change; nobody is asked"));
        };
        let refusal = if actor.kind != ActorKind::User {
            format!("only a person answers, not {} {}", article(actor.kind), actor.kind)
        } else if people.is(actor, &self.requester) {
            "the requester does not answer their own request".into()
        } else if quorum.principal_excluded && people.is_principal(actor, &self.requester) {
            "the policy excludes the person whom the requester acts for".into()
        } else if !quorum.admits(&actor.roles) {
            format!("answering needs a role of {quorum}")
        } else if self.answers.iter().any(|answer| people.is(actor, &answer.actor)) {
            "this person has answered already".into()
        } else {
            return Ok(());
        };
        Err(Error::denied(refusal).with_context("actor", visible(&actor.to_string())))
    }

    /// Whether the answers meet a quorum: distinct people, none of them the requester, who agreed to this digest.
    pub(super) fn meets(&self, quorum: &Quorum, people: &People) -> bool {
        let mut agreed: Vec<&Actor> = Vec::new();
        for answer in &self.answers {
            let counts = answer.verdict == Verdict::Yes
                && answer.grant == self.id
                && answer.digest == self.digest
                && answer.actor.kind == ActorKind::User
                && !people.is(&answer.actor, &self.requester)
                && !(quorum.principal_excluded && people.is_principal(&answer.actor, &self.requester))
                && !agreed.iter().any(|earlier| people.is(earlier, &answer.actor));
            if counts {
                agreed.push(&answer.actor);
            }
        }
        let roles: Vec<BTreeSet<String>> = agreed.into_iter().map(|actor| actor.roles.clone()).collect();
        quorum.is_met_by(&roles)
    }

    /// The provider that would make the change.
    pub(crate) fn provider(&self) -> &ProviderName {
        &self.target.provider
    }

    /// Who must agree; `None` where policy alone allowed it.
    pub(super) fn quorum(&self) -> Option<&Quorum> {
        match &self.basis {
            Basis::Policy { .. } => None,
            Basis::People { quorum, .. } => Some(quorum),
        }
    }

    /// What policy said, for the log.
    pub(super) fn decision(&self) -> String {
        match &self.basis {
            Basis::Policy { rule } => format!("allow: {rule}"),
            Basis::People { quorum, reason } => format!("require {quorum}: {reason}"),
        }
    }

    /// What the writer learns of it.
    pub(super) fn permit(&self) -> Permit {
        let agreed = self.answers.iter().filter(|answer| answer.verdict == Verdict::Yes);
        Permit {
            idempotency_key: self.vendor_key(),
            approved_by: agreed.map(|answer| answer.actor.clone()).collect(),
            target: self.target.clone(),
            grant: self.id.clone(),
            digest: self.digest.clone(),
        }
    }

    /// The key that the vendor sees: for a caller's key one that belongs to that caller, key and action alone, so that nobody
    /// can choose another's, and the same submission gives the same key whatever became of the store. A change in the place
    /// of one that was not made has one of its own: what the vendor has under a key is of one chain.
    fn vendor_key(&self) -> String {
        let Some(key) = &self.idempotency_key else { return format!("{}-1", self.id) };
        let Identity { issuer, subject, .. } = &self.requester.identity;
        let mut sum = Sha256::new();
        let own = [issuer.as_str(), subject, key, self.digest.as_str()];
        for part in own.into_iter().chain(self.in_place_of.as_ref().map(GrantId::as_str)) {
            sum.update((part.len() as u64).to_be_bytes());
            sum.update(part.as_bytes());
        }
        let sum: [u8; 32] = sum.finalize().into();
        Digest::from_sha256(sum).as_str().replacen("sha256:", "key-", 1)
    }

    /// The request as people see it; `None` where policy alone allowed the change.
    pub(super) fn to_request(&self, now: Time) -> Option<ApprovalRequest> {
        let Basis::People { quorum, reason } = &self.basis else { return None };
        let state = if self.has_lapsed(now) { GrantState::Expired } else { self.state };
        let mut request = ApprovalRequest::new(
            self.id.clone(),
            self.digest.clone(),
            self.action.clone(),
            self.target.clone(),
            self.requester.clone(),
            quorum.clone(),
            self.requested_at,
        );
        request.shown = visible(&self.canonical).into_owned();
        request.reason = self.reason.clone();
        request.policy_reason = reason.clone();
        request.policy_revision = self.policy_revision.clone();
        request.state = state;
        request.answers = self.answers.clone();
        request.expires_at = self.expires_at;
        Some(request)
    }
}

fn article(kind: ActorKind) -> &'static str {
    if kind == ActorKind::Agent { "an" } else { "a" }
}
