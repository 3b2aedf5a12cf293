//! Waiting for one's turn, and what became of it.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::bucket::Bucket;
use super::queue::{Charges, LineName, Place, Queue, Standing};
use super::{Budget, LONGEST_WAIT};
use crate::transport::{Reply, StatusCode};
use crate::{Context, Error, ErrorKind, Result};

/// So long before the deadline a request gives up: when its turn comes then, nobody waits for the answer any more.
const TOO_LATE: Duration = Duration::from_millis(10);

impl Budget {
    /// Waits for the turn of a request.
    ///
    /// # Errors
    /// `RateLimited`, certainly not applied, if its turn does not come before the context's deadline, as soon as that is known, and
    /// if too many wait.
    pub(in crate::transport) async fn turn(
        &self,
        cx: &Context,
        class: &'static str,
        key: Option<&Arc<str>>,
    ) -> Result<Permit<'_>> {
        let began = Instant::now();
        let give_up = cx.remaining().map_or(LONGEST_WAIT, |remaining| remaining.saturating_sub(TOO_LATE));
        let give_up = began + give_up;
        let line = (class, key.cloned());
        let mut ticket = Ticket::join(self, cx, line, began)?;
        loop {
            let now = Instant::now();
            let Some(until) = ticket.look(now) else {
                let waited = now - began;
                if !waited.is_zero() {
                    tracing::debug!(class, ?waited, "a request waited for its turn");
                }
                return Ok(ticket.redeem(now));
            };
            if let Some(refusal) = ticket.too_late(now, give_up) {
                return Err(refusal);
            }
            let woken = ticket.standing.waiter.woken.notified();
            // Whether it was woken or the time has come is seen by looking.
            let _ = tokio::time::timeout_at(until.unwrap_or(give_up).min(give_up), woken).await;
        }
    }

    /// What is said where nothing is sent.
    fn refusal(&self, message: String, queue: &Queue, charges: &Charges, now: Instant) -> Error {
        let longest = queue.longest(charges, now);
        let retry_after = longest.map(|(_, time)| time - now);
        let error = Error::new(ErrorKind::RateLimited { retry_after }, message).not_applied();
        match longest.and_then(|((limit, _), _)| self.limits.get(*limit)) {
            Some(limit) => error.with_context("limit", limit.name),
            None => error,
        }
    }
}

/// A place in a line. Who drops it leaves the line.
struct Ticket<'a> {
    budget: &'a Budget,
    standing: Standing,
    charges: Charges,
    is_redeemed: bool,
}

impl<'a> Ticket<'a> {
    fn join(budget: &'a Budget, cx: &Context, line: LineName, now: Instant) -> Result<Self> {
        let charges = budget.charges(line.0, line.1.as_ref());
        let caller = Arc::from(cx.actor().to_string());
        let mut queue = budget.queue();
        for (place, _) in charges.iter() {
            queue.bucket(place, || budget.bucket(place));
        }
        match queue.join(line, Arc::clone(&charges), caller, now) {
            Some(standing) => Ok(Self { budget, standing, charges, is_redeemed: false }),
            None => {
                let message = format!("{} requests wait already; nothing was sent", queue.len());
                Err(budget.refusal(message, &queue, &charges, now))
            }
        }
    }

    /// Whether it is served: `None`. Else until when to wait, if that is known.
    fn look(&self, now: Instant) -> Option<Option<Instant>> {
        let mut queue = self.budget.queue();
        if self.standing.waiter.is_served() {
            return None;
        }
        let until = queue.lead(&self.standing, now);
        (!self.standing.waiter.is_served()).then_some(until)
    }

    /// Why it is not worth while to wait, if it is not.
    fn too_late(&self, now: Instant, give_up: Instant) -> Option<Error> {
        let queue = self.budget.queue();
        let longest = queue.longest(&self.charges, now);
        let is_hopeless = now >= give_up || longest.is_some_and(|(_, time)| time > give_up);
        let message = "there is no room in the rate budget before the deadline; nothing was sent";
        is_hopeless.then(|| self.budget.refusal(message.to_owned(), &queue, &self.charges, now))
    }

    fn redeem(&mut self, now: Instant) -> Permit<'a> {
        self.is_redeemed = true;
        Permit { budget: self.budget, charges: Arc::clone(&self.charges), sent: now, is_open: true }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut queue = self.budget.queue();
        if self.standing.waiter.is_served() && !self.is_redeemed {
            queue.count(&self.charges, Bucket::take_back);
        }
        queue.leave(&self.standing, Instant::now());
    }
}

/// A request that may be sent, and that counts. Who drops it without a word has sent it.
#[must_use]
pub(in crate::transport) struct Permit<'a> {
    budget: &'a Budget,
    charges: Charges,
    sent: Instant,
    is_open: bool,
}

impl<'a> Permit<'a> {
    /// It was answered.
    pub(in crate::transport) fn answered(mut self, reply: &Reply) {
        let (now, at) = (Instant::now(), self.budget.clock.now());
        let refused = self.budget.headers.refused(reply, at);
        let said = self.budget.headers.read(reply, at);
        let mut queue = self.close(|bucket, cost| bucket.answer(now, cost));
        // What is said to who has no credential is of another limit.
        if reply.status != StatusCode::UNAUTHORIZED {
            let spoken_of = self.charges.iter().rev().find(|(place, _)| self.budget.is_learned(place));
            if let Some((place, cost)) = spoken_of {
                queue.bucket(place, || self.budget.bucket(place)).learn(now, self.sent, *cost, &said);
            }
            if let Some(wait) = refused {
                // A refusal is of the limit of which nothing is left, if it says so, else it may be of any.
                let only: &[(Place, u64)] = match spoken_of {
                    Some(one) if said.remaining == Some(0) => std::slice::from_ref(one),
                    _ => &self.charges,
                };
                queue.count(only, |bucket, _| bucket.shut(now + wait));
            }
        }
        queue.serve(now);
    }

    /// It was not sent after all.
    pub(in crate::transport) fn not_sent(mut self) {
        let now = Instant::now();
        self.close(Bucket::take_back).serve(now);
    }

    fn close(&mut self, change: impl Fn(&mut Bucket, u64)) -> MutexGuard<'a, Queue> {
        self.is_open = false;
        let mut queue = self.budget.queue();
        queue.count(&self.charges, change);
        queue
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.is_open {
            let now = Instant::now();
            self.close(|bucket, cost| bucket.answer(now, cost)).serve(now);
        }
    }
}
