//! What nobody vouches for any more, and what became of it.

use std::sync::PoisonError;

use opsorch_schema::{Entry, Event, GrantId, Outcome, OutcomeStatus, Response};

use super::look_up::look_up;
use super::outcome::StoredOutcome;
use super::run::Gate;
use crate::capability::Reconciled;
use crate::store::{FinishChange, Finished};
use crate::{Context, Error, Provider, Result};

impl Gate {
    /// Whether the time of a lease has passed since the last look; the next is then due a lease later.
    pub(crate) fn recovery_is_due(&self) -> bool {
        let now = self.clock.now();
        let mut next = self.next_recovery.lock().unwrap_or_else(PoisonError::into_inner);
        let due = now >= *next;
        if due {
            *next = now + self.settings.lease;
        }
        due
    }

    /// Marks the intents of processes that no longer vouch for them as unknown. Returns the entries.
    pub(crate) async fn recover(&self) -> Result<Vec<Entry>> {
        let now = self.clock.now();
        let mut written = Vec::new();
        for open in self.store.lapsed(now).await? {
            let mut entry = open.entry.clone();
            entry.time = now;
            entry.event = Event::Outcome;
            entry.outcome = Some(Outcome::new(OutcomeStatus::Unknown, 0).error("lease_lapsed"));
            let lost = Error::unexpected("the process that made the change ended before it wrote the outcome");
            let result =
                StoredOutcome::new(&Err(lost.with_context("instance", &open.instance))).sealed(&open.grant, &self.keys);
            let step = FinishChange { grant: open.grant, result, if_lapsed: Some(now), entry };
            if let Finished::Written(entry) = self.store.finish_change(&self.log, step).await? {
                self.notify.committed(entry.clone());
                written.push(entry);
            }
        }
        Ok(written)
    }

    /// Asks the vendor what became of a change whose outcome is unknown, and writes an addendum if it knows. `None` if the
    /// outcome is known already, or the vendor does not know either, or the provider is not the one that made the change: one
    /// that was configured anew under its name knows nothing of it, and would say so with certainty.
    pub(crate) async fn reconcile(&self, cx: &Context, id: &GrantId, provider: &Provider) -> Result<Option<Entry>> {
        let grant = self.load(id).await?;
        let vendor = provider.reconciler().filter(|_| provider.target(Some(&grant.action)) == grant.target);
        let (Some(vendor), true) = (vendor, self.is_unknown(id).await?) else { return Ok(None) };
        let (status, result) = match look_up(cx, vendor, &grant.action, &grant.permit().idempotency_key).await? {
            Reconciled::Applied(mut response) => {
                response.set_provider(grant.provider());
                (OutcomeStatus::Applied, Ok(response))
            }
            Reconciled::NotApplied => {
                let error = Error::unexpected("the vendor was asked, and the change was not made; submit it again");
                (OutcomeStatus::NotApplied, Err(error.not_applied()))
            }
            Reconciled::Unknown => return Ok(None),
        };
        // Somebody else may have asked meanwhile.
        if !self.is_unknown(id).await? {
            return Ok(None);
        }
        let mut entry = self.grant_entry(cx, Event::Addendum, &grant);
        let resource = result.as_ref().ok().and_then(Response::resource);
        entry.outcome = Some(Outcome::new(status, 0).resource(resource));
        entry.reason = Some("the vendor was asked".into());
        let result = StoredOutcome::looked_up(&result).sealed(id, &self.keys);
        let step = FinishChange { grant: id.clone(), result, if_lapsed: None, entry };
        match self.store.finish_change(&self.log, step).await? {
            Finished::Written(entry) => {
                self.notify.committed(entry.clone());
                Ok(Some(entry))
            }
            Finished::NotLapsed => Ok(None),
        }
    }

    async fn is_unknown(&self, id: &GrantId) -> Result<bool> {
        Ok(self.stored_outcome(id).await?.is_some_and(|stored| stored.is_unknown()))
    }
}
