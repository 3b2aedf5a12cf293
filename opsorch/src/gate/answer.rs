//! What people do with a request: answer, withdraw, revoke. None of it executes anything.

use opsorch_schema::{
    ActorKind, Answer, ApprovalRequest, Digest, Event, GrantId, GrantState, Operation, ProviderName, Verdict,
};

use super::grant::Grant;
use super::notify::Notice;
use super::run::Gate;
use super::text::check_text;
use crate::store::{Transition, Transitioned};
use crate::{Context, Error, Result};

/// How often a step is tried when others change the same grant meanwhile. Each loss means that somebody else's step was
/// written, and a grant takes at most one answer a person.
const ATTEMPTS: u32 = 64;

/// What becomes of a grant in one step.
struct Step {
    grant: Grant,
    event: Event,
    reason: Option<String>,
    notice: Notice,
}

impl Gate {
    /// The requests that wait, or that can be redeemed, newest first.
    pub(crate) async fn waiting_requests(&self, cx: &Context) -> Result<Vec<ApprovalRequest>> {
        const MOST: u32 = 1000;
        let now = self.clock.now();
        let records = self.store.grants(&[GrantState::Requested, GrantState::Active], MOST).await?;
        let mut requests = Vec::new();
        for record in &records {
            match Grant::from_record(&record.id, record, &self.keys) {
                Ok(grant) if grant.has_lapsed(now) => {}
                Ok(grant) if !self.permits(cx, grant.action.operation(), &grant.target) => {}
                Ok(grant) => requests.extend(grant.to_request(now)),
                Err(error) => tracing::warn!(%error, "a grant in the store is left out"),
            }
        }
        Ok(requests)
    }

    /// How many requests wait, and how many grants can be redeemed, of at most 1000.
    #[cfg(feature = "http")]
    pub(crate) async fn count_grants(&self) -> Result<[(GrantState, usize); 2]> {
        const MOST: u32 = 1000;
        let now = self.clock.now();
        let mut counts = [(GrantState::Requested, 0), (GrantState::Active, 0)];
        for record in self.store.grants(&counts.map(|(state, _)| state), MOST).await? {
            let Ok(grant) = Grant::from_record(&record.id, &record, &self.keys) else { continue };
            let state = counts.iter_mut().find(|(state, _)| *state == record.state && !grant.has_lapsed(now));
            state.into_iter().for_each(|(_, count)| *count += 1);
        }
        Ok(counts)
    }

    /// One request, whatever became of it.
    pub(crate) async fn one_request(&self, cx: &Context, id: &GrantId) -> Result<ApprovalRequest> {
        let grant = self.load(id).await?;
        self.check_access(cx, grant.action.operation(), &grant.target).await?;
        self.waiting(&grant)
    }

    /// What a grant is for, and by which provider, for an actor who may use that operation.
    pub(crate) async fn permitted(&self, cx: &Context, id: &GrantId) -> Result<(Operation, ProviderName)> {
        let grant = self.load(id).await?;
        let operation = grant.action.operation();
        self.check_access(cx, operation, &grant.target).await?;
        Ok((operation, grant.target.provider))
    }

    /// Records one person's answer.
    pub(crate) async fn answer(
        &self,
        cx: &Context,
        id: &GrantId,
        digest: &Digest,
        verdict: Verdict,
        note: Option<String>,
    ) -> Result<ApprovalRequest> {
        let note = note.map(|note| check_text("note", &note)).transpose()?;
        self.step(cx, id, |grant| {
            if *digest != grant.digest {
                return Err(Error::denied(
                    "the answer names another digest than the request; look at the request again",
                ));
            }
            grant.check_answerer(cx.actor(), &self.people)?;
            expect_state(grant, &[GrantState::Requested])?;
            let now = self.clock.now();
            let answer = Answer::new(id.clone(), digest.clone(), cx.actor().clone(), verdict, now).note(note.clone());
            let mut moved = grant.moved(GrantState::Requested, grant.expires_at);
            moved.answers.push(answer.clone());
            let met = moved.quorum().is_some_and(|quorum| moved.meets(quorum, &self.people));
            let event = if verdict == Verdict::Yes { Event::Approved } else { Event::Denied };
            if verdict == Verdict::No {
                moved.state = GrantState::Denied;
            } else if met {
                moved.state = GrantState::Active;
                moved.expires_at = now + self.settings.grant_ttl;
            }
            Ok(Step { grant: moved, event, reason: note.clone(), notice: Notice::Answered(answer) })
        })
        .await
    }

    /// The requester takes the request back.
    pub(crate) async fn withdraw(&self, cx: &Context, id: &GrantId) -> Result<ApprovalRequest> {
        self.step(cx, id, |grant| {
            let actor = cx.actor();
            if !self.people.is(actor, &grant.requester) && !self.people.is_principal(actor, &grant.requester) {
                return Err(Error::denied("only the requester, or whom it acts for, takes a request back"));
            }
            expect_state(grant, &[GrantState::Requested, GrantState::Active])?;
            let moved = grant.moved(GrantState::Withdrawn, self.clock.now());
            Ok(Step { grant: moved, event: Event::Withdrawn, reason: None, notice: Notice::Closed })
        })
        .await
    }

    /// Somebody who could have said no takes an active grant away.
    pub(crate) async fn revoke(&self, cx: &Context, id: &GrantId, reason: String) -> Result<ApprovalRequest> {
        let reason = check_text("reason", &reason)?;
        self.step(cx, id, |grant| {
            let actor = cx.actor();
            let may = grant.quorum().is_some_and(|quorum| quorum.admits(&actor.roles));
            if actor.kind != ActorKind::User || !may {
                return Err(Error::denied("only a person with a role that the request names takes a grant away"));
            }
            expect_state(grant, &[GrantState::Active])?;
            let moved = grant.moved(GrantState::Revoked, self.clock.now());
            Ok(Step { grant: moved, event: Event::Revoked, reason: Some(reason.clone()), notice: Notice::Closed })
        })
        .await
    }

    /// Loads a grant, lets `plan` decide, and writes the step if nobody was faster; then looks again.
    async fn step(
        &self,
        cx: &Context,
        id: &GrantId,
        plan: impl Fn(&Grant) -> Result<Step> + Send,
    ) -> Result<ApprovalRequest> {
        for _ in 0..ATTEMPTS {
            let grant = self.load(id).await?;
            if grant.has_lapsed(self.clock.now()) {
                self.expire(cx, &grant).await?;
                continue;
            }
            let step = match plan(&grant) {
                Ok(step) => step,
                Err(error) => return Err(self.refuse(cx, &grant, error).await?),
            };
            if let Some(request) = self.write(cx, &grant, step).await? {
                return Ok(request);
            }
        }
        Err(Error::conflict("too many others change this grant at once; try again").with_context("grant", id))
    }

    /// Writes a step; `None` if somebody was faster.
    async fn write(&self, cx: &Context, from: &Grant, step: Step) -> Result<Option<ApprovalRequest>> {
        let mut entry = self.grant_entry(cx, step.event, from);
        entry.reason = step.reason;
        let transition = Transition { grant: step.grant.to_record(&self.keys)?, expected: from.version, entry };
        let written = self.store.transition(&self.log, transition).await.map_err(Error::not_applied)?;
        let Transitioned::Written(entry) = written else { return Ok(None) };
        self.notify.committed(entry);
        let request = self.waiting(&step.grant)?;
        let closed = step.grant.state.is_final() && !matches!(step.notice, Notice::Closed);
        self.notify.tell(step.notice, &request);
        if closed {
            self.notify.tell(Notice::Closed, &request);
        }
        Ok(Some(request))
    }

    /// Writes down that a grant lapsed.
    pub(super) async fn expire(&self, cx: &Context, grant: &Grant) -> Result<()> {
        let moved = grant.moved(GrantState::Expired, grant.expires_at);
        let step = Step { grant: moved, event: Event::Expired, reason: None, notice: Notice::Closed };
        self.write(cx, grant, step).await.map(|_| ())
    }

    /// Writes a refusal down, if it is one, and hands the error back.
    pub(super) async fn refuse(&self, cx: &Context, grant: &Grant, error: Error) -> Result<Error> {
        if *error.kind() == crate::ErrorKind::Denied {
            let mut entry = self.grant_entry(cx, Event::Refused, grant);
            entry.reason = Some(error.message().to_owned());
            self.record(entry).await?;
        }
        Ok(error.with_context("grant", &grant.id))
    }
}

/// Refuses a step that the present state does not allow.
pub(super) fn expect_state(grant: &Grant, allowed: &[GrantState]) -> Result<()> {
    if allowed.contains(&grant.state) {
        return Ok(());
    }
    let words: Vec<_> = allowed.iter().map(|state| state.word()).collect();
    Err(Error::conflict(format!("the grant is {}, and this needs it to be {}", grant.state, words.join(" or "))))
}
