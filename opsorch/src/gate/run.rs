//! The gate: from a submitted action to its outcome.

use std::convert::Infallible;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use opsorch_schema::{
    ApprovalRequest, Entry, Event, GrantId, GrantState, Operation, Outcome, OutcomeStatus, Response, Target, Time,
    visible,
};
use tokio::sync::oneshot;

use super::grant::{Basis, Concrete, Grant};
use super::lease::Lease;
use super::notify::{Notice, Notify};
use super::outcome::StoredOutcome;
use super::people::People;
use super::policy::Policies;
use super::resume::{KeyPlace, Place};
use super::running::{Finish, Running};
use super::terminal::ChangeTerminal;
use super::text::check_text;
use super::{Access, Decision, GateKeys, GateSettings, Submitted};
use crate::audit::{Checkpoint, LogWriter};
use crate::layer::{Call, Layer, Next};
use crate::ops::Submission;
use crate::store::{BeginChange, Begun, FinishChange, Finished, KeyUse, Request, Requested, Store};
use crate::{Clock, Context, Error, Provider, Result};

/// How often the gate tries to write an outcome, before it leaves the intent to recovery.
const OUTCOME_ATTEMPTS: u32 = 3;

/// Everything a change passes, shared by all clones of one [`OpsOrch`](crate::OpsOrch).
pub(crate) struct Gate {
    pub(crate) policies: Policies,
    pub(crate) access: Arc<dyn Access>,
    pub(crate) people: People,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: GateKeys,
    pub(crate) log: LogWriter,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: GateSettings,
    pub(crate) notify: Notify,
    /// Names this process in the intents that it writes.
    pub(crate) instance: String,
    pub(crate) running: Running,
    /// When it is time to look again for changes that no process finished.
    pub(crate) next_recovery: Mutex<Time>,
}

/// The way from the gate to a provider.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) provider: Arc<Provider>,
    pub(crate) layers: Arc<[Arc<dyn Layer>]>,
}

/// A change that the gate decided to make.
pub(super) struct Change {
    pub(super) cx: Context,
    pub(super) path: Path,
    /// The grant, spent.
    pub(super) grant: Grant,
    /// The version that the grant must still have; `None` for a new one.
    pub(super) expected: Option<u64>,
    pub(super) key: Option<KeyUse>,
}

impl Gate {
    /// The door for changes.
    pub(crate) async fn submit(self: &Arc<Self>, cx: &Context, path: Path, mut submission: Submission) -> Finish {
        let operation = submission.action.operation();
        let target = path.provider.target(Some(&submission.action));
        self.check_access(cx, operation, &target).await?;
        if !path.provider.operations().contains(operation) {
            return Err(path.provider.lacks(operation));
        }
        submission.reason = submission.reason.map(|reason| check_text("reason", &reason)).transpose()?;
        let concrete = Concrete::new(target, &submission.action)?;
        let place = match &submission.idempotency_key {
            Some(key) => match self.place_of_key(cx, &path, key, &concrete.digest).await? {
                Place::Taken(finish) => return finish,
                Place::Free(place) => Some(place),
            },
            None => None,
        };
        match self.policies.decide(cx, &concrete.target, &concrete.action).await {
            Decision::Allow { rule } => {
                let (grant, key) = self.new_grant(cx, concrete, submission, place, Basis::Policy { rule });
                self.run(Change { cx: cx.clone(), path, grant, expected: None, key }).await
            }
            Decision::RequireApproval { quorum, reason } => {
                let (grant, key) = self.new_grant(cx, concrete, submission, place, Basis::People { quorum, reason });
                self.request(cx, &path, grant, key).await
            }
            Decision::Deny { reason } => self.deny(cx, &concrete, reason).await,
            Decision::Abstain => self.deny(cx, &concrete, "no rule matches".into()).await,
        }
    }

    /// Whether the actor may use an operation at all.
    pub(crate) fn permits(&self, cx: &Context, operation: Operation, target: &Target) -> bool {
        cx.permits(operation, target) && self.access.permits(cx, operation, target)
    }

    /// Refuses an actor who may not use an operation at all, and writes that down.
    pub(crate) async fn check_access(&self, cx: &Context, operation: Operation, target: &Target) -> Result<()> {
        if self.permits(cx, operation, target) {
            return Ok(());
        }
        let mut entry = self.entry(cx, Event::Refused, operation);
        entry.provider = Some(target.provider.clone());
        entry.decision = Some("access".into());
        self.record(entry).await?;
        let message = format!("{} may not use {operation}", visible(&cx.actor().to_string()));
        Err(Error::denied(message).with_context("provider", &target.provider))
    }

    async fn deny(&self, cx: &Context, concrete: &Concrete, reason: String) -> Finish {
        let operation = concrete.action.operation();
        let mut entry = self.entry(cx, Event::Refused, operation);
        entry.provider = Some(concrete.target.provider.clone());
        entry.digest = Some(concrete.digest.clone());
        entry.decision = Some("deny".into());
        entry.policy_revision = self.policies.revision();
        entry.reason = Some(reason.clone());
        self.record(entry).await?;
        Err(Error::denied(reason).with_context("operation", operation))
    }

    /// Asks people.
    async fn request(&self, cx: &Context, path: &Path, mut grant: Grant, key: Option<KeyUse>) -> Finish {
        grant.log_size = self.log_size().await.map_err(Error::not_applied)?;
        let mut entry = self.grant_entry(cx, Event::Requested, &grant);
        entry.reason = grant.reason.clone();
        let step = Request { grant: grant.to_record(&self.keys)?, key, entry };
        match self.store.request(&self.log, step).await.map_err(Error::not_applied)? {
            Requested::Written(entry) => {
                self.notify.committed(entry);
                let request = self.waiting(&grant)?;
                self.notify.tell(Notice::Requested, &request);
                Ok(Submitted::Pending(request))
            }
            Requested::KeySeen(seen) => self.resume(cx, path, seen, &grant.digest).await,
        }
    }

    /// Makes a change on a task of the gate's own, so that a caller that stops waiting does not stop the change. Whoever
    /// comes with the same grant meanwhile gets the same result.
    pub(super) async fn run(self: &Arc<Self>, change: Change) -> Finish {
        let id = change.grant.id.clone();
        let start = |sender: oneshot::Sender<Finish>| {
            let gate = Arc::clone(self);
            self.notify.tasks.spawn(async move {
                let id = change.grant.id.clone();
                let result = AssertUnwindSafe(gate.make(change)).catch_unwind().await.unwrap_or_else(|_| {
                    Err(Error::unexpected("the gate panicked; look at the audit log before you try again"))
                });
                gate.running.leave(&id);
                // Whoever submitted it may be gone.
                let _ = sender.send(result);
            });
        };
        self.running.join(&id, start).await
    }

    /// Intent, call, outcome.
    async fn make(&self, change: Change) -> Finish {
        let Change { cx, path, grant, expected, key } = change;
        let lease = Arc::new(Lease::new(Arc::clone(&self.clock), self.settings.lease));
        let mut entry = self.grant_entry(&cx, Event::Intent, &grant);
        entry.reason = grant.in_place_of.as_ref().map(|former| format!("in place of {former}, which was not made"));
        if expected.is_some() && entry.time >= grant.expires_at {
            let message = "the grant has expired; submit the change again";
            return Err(Error::denied(message).with_context("grant", &grant.id));
        }
        let step = BeginChange {
            grant: grant.to_record(&self.keys)?,
            expected,
            since: expected.map(|_| grant.log_size),
            key,
            instance: self.instance.clone(),
            lease_until: lease.until(),
            entry,
        };
        match self.store.begin_change(&self.log, step).await.map_err(Error::not_applied)? {
            Begun::Intent(entry) => self.notify.committed(entry),
            Begun::Stale => return self.settled(&grant.id).await,
            Begun::KeySeen(seen) => return self.resume(&cx, &path, seen, &grant.digest).await,
        }
        let started = tokio::time::Instant::now();
        let (status, result) = self.call(&cx, &path, &grant, &lease).await;
        let mut outcome = Outcome::new(status, u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
        outcome = match &result {
            Ok(response) => outcome.resource(response.resource()),
            Err(error) => outcome.error(error.kind().code()),
        };
        let mut entry = self.grant_entry(&cx, Event::Outcome, &grant);
        entry.outcome = Some(outcome);
        let stored =
            if self.is_settled_late(&grant.id, status, &lease).await { None } else { self.sealed(&grant, &result) };
        let written = self.finish(&grant, entry, stored).await;
        // The grant is spent, whether or not the log could be told what became of it.
        if let Some(request) = grant.to_request(self.clock.now()) {
            self.notify.tell(Notice::Closed, &request);
        }
        written?;
        result.map(Submitted::Done)
    }

    /// Runs the layers and the provider, and vouches for the change while they take their time.
    async fn call(
        &self,
        cx: &Context,
        path: &Path,
        grant: &Grant,
        lease: &Arc<Lease>,
    ) -> (OutcomeStatus, Result<Response>) {
        let permit = grant.permit();
        let terminal = ChangeTerminal::new(&path.provider, &grant.action, &permit, lease);
        let call = Call::change(&grant.action, &path.provider, cx, &*self.clock);
        let layered = {
            let next = Next::new(&path.layers, call, &terminal);
            // In order, so that what happens at the same moment happens in the same way each time.
            tokio::select! {
                biased;
                result = AssertUnwindSafe(next.run()).catch_unwind() => {
                    result.unwrap_or_else(|_| Err(Error::unexpected("a layer panicked")))
                }
                never = self.keep_lease(&grant.id, lease) => match never {},
            }
        };
        terminal.conclude(layered)
    }

    /// Renews a lease well before it lapses, again and again. It runs beside the change, so that a slow store does not
    /// hold it up.
    async fn keep_lease(&self, id: &GrantId, lease: &Lease) -> Infallible {
        loop {
            tokio::time::sleep(self.settings.lease / 3).await;
            let until = lease.renewed();
            match self.store.renew_lease(id, until).await {
                Ok(true) => lease.extend(until),
                // Another process has ended the change.
                Ok(false) => lease.end(),
                Err(error) => {
                    tracing::warn!(grant = %id, code = error.kind().code(), "the lease of a change could not be renewed");
                }
            }
        }
    }

    /// Writes the outcome. If the store refuses, the change was made all the same, so it tries again before it leaves the
    /// intent to recovery.
    async fn finish(&self, grant: &Grant, entry: Entry, stored: Option<String>) -> Result<()> {
        let mut attempt = 1;
        loop {
            let step =
                FinishChange { grant: grant.id.clone(), result: stored.clone(), if_lapsed: None, entry: entry.clone() };
            match self.store.finish_change(&self.log, step).await {
                Ok(Finished::Written(entry)) => {
                    self.notify.committed(entry);
                    return Ok(());
                }
                Ok(Finished::NotLapsed) => return Ok(()),
                Err(error) if attempt == OUTCOME_ATTEMPTS => {
                    let message = "the change was attempted, but its outcome could not be written to the audit log";
                    return Err(Error::unexpected(message).with_context("grant", &grant.id).with_source(error));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100) * attempt).await,
            }
            attempt += 1;
        }
    }

    fn sealed(&self, grant: &Grant, result: &Result<Response>) -> Option<String> {
        StoredOutcome::new(result).sealed(&grant.id, &self.keys)
    }

    /// Whether somebody who found the intent after its lease has ended it, and this process knows no more than they: then what they
    /// wrote stays for whoever asks again.
    async fn is_settled_late(&self, id: &GrantId, status: OutcomeStatus, lease: &Lease) -> bool {
        status == OutcomeStatus::Unknown
            && lease.check().is_err()
            && self.stored_outcome(id).await.is_ok_and(|stored| stored.is_some())
    }

    /// Loads a grant that must exist.
    pub(super) async fn load(&self, id: &GrantId) -> Result<Grant> {
        let record = self.store.grant(id).await.map_err(Error::not_applied)?;
        let unknown = || Error::not_found("there is no such grant").with_context("grant", visible(id.as_str()));
        Grant::from_record(id, &record.ok_or_else(unknown)?, &self.keys)
    }

    /// The request that a grant stands for.
    pub(super) fn waiting(&self, grant: &Grant) -> Result<ApprovalRequest> {
        let request = grant.to_request(self.clock.now());
        request.ok_or_else(|| Error::not_found("policy alone allowed this change; there is no request"))
    }

    /// How long the log is, by its newest signed head.
    async fn log_size(&self) -> Result<u64> {
        match self.store.checkpoint().await? {
            Some(head) => Ok(self.open_head(&head)?.size()),
            None => Ok(0),
        }
    }

    fn open_head(&self, head: &str) -> Result<Checkpoint> {
        Checkpoint::open(head, &self.keys.verifier_keys()).map_err(|error| {
            let message = "the stored log is not what was signed: the signature of its head is not ours; verify it";
            Error::unexpected(message).with_source(error)
        })
    }

    /// Writes an entry that changes nothing else.
    pub(super) async fn record(&self, entry: Entry) -> Result<()> {
        let entry = self.store.record(&self.log, entry).await.map_err(Error::not_applied)?;
        self.notify.committed(entry);
        Ok(())
    }

    pub(super) fn entry(&self, cx: &Context, event: Event, operation: Operation) -> Entry {
        let mut entry = Entry::new(self.clock.now(), event, cx.actor().clone(), operation, cx.id());
        entry.trace_id = cx.trace().map(str::to_owned);
        entry
    }

    /// An entry about a grant.
    pub(super) fn grant_entry(&self, cx: &Context, event: Event, grant: &Grant) -> Entry {
        let mut entry = self.entry(cx, event, grant.action.operation());
        entry.provider = Some(grant.target.provider.clone());
        entry.digest = Some(grant.digest.clone());
        entry.decision = Some(grant.decision());
        entry.policy_revision = grant.policy_revision.clone();
        entry.grant = Some(grant.id.clone());
        entry
    }

    /// A grant, and the use of the key that it was submitted under.
    fn new_grant(
        &self,
        cx: &Context,
        concrete: Concrete,
        submission: Submission,
        place: Option<KeyPlace>,
        basis: Basis,
    ) -> (Grant, Option<KeyUse>) {
        let now = self.clock.now();
        let (state, lifetime) = match basis {
            Basis::Policy { .. } => (GrantState::Spent, Duration::ZERO),
            Basis::People { .. } => (GrantState::Requested, self.settings.request_ttl),
        };
        let id = GrantId::new(uuid::Uuid::now_v7().to_string());
        let owner = &cx.actor().identity;
        let key = place.as_ref().map(|place| place.used(owner.clone(), concrete.digest.clone(), id.clone()));
        let grant = Grant {
            id,
            version: 0,
            state,
            digest: concrete.digest,
            canonical: concrete.canonical,
            action: concrete.action,
            target: concrete.target,
            requester: cx.actor().clone(),
            reason: submission.reason,
            basis,
            policy_revision: self.policies.revision(),
            answers: Vec::new(),
            idempotency_key: submission.idempotency_key,
            in_place_of: place.and_then(|place| place.in_place_of),
            log_size: 0,
            requested_at: now,
            expires_at: now + lifetime,
        };
        (grant, key)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("store", &self.store).field("instance", &self.instance).finish_non_exhaustive()
    }
}
