//! Redeeming a grant: the stored action runs, once.

use std::sync::Arc;

use opsorch_schema::{GrantId, GrantState, Response};

use super::answer::expect_state;
use super::grant::{Concrete, Grant};
use super::outcome::StoredOutcome;
use super::run::{Change, Gate, Path};
use super::running::Finish;
use super::{Decision, Submitted};
use crate::{Context, Error, Result};

impl Gate {
    /// Runs the stored action of an active grant, or says what the first redemption gave.
    ///
    /// `path` finds the provider by its name, as it is configured now.
    pub(crate) async fn redeem(
        self: &Arc<Self>,
        cx: &Context,
        id: &GrantId,
        path: impl Fn(&Grant) -> Result<Path> + Send,
    ) -> Result<Response> {
        let grant = self.load(id).await?;
        if let Err(error) = self.check_redeemer(cx, &grant) {
            return Err(self.refuse(cx, &grant, error).await?);
        }
        self.check_access(cx, grant.action.operation(), &grant.target).await?;
        if grant.state == GrantState::Spent {
            let finish = match path(&grant) {
                Ok(path) => self.ended(cx, &path, &grant).await?.into_finish(),
                Err(_) => self.running_or_settled(id).await,
            };
            return done(finish?, id);
        }
        if grant.has_lapsed(self.clock.now()) {
            self.expire(cx, &grant).await?;
            return Err(Error::denied("the grant has expired; submit the change again").with_context("grant", id));
        }
        expect_state(&grant, &[GrantState::Active]).map_err(|error| error.with_context("grant", id))?;
        let path = path(&grant)?;
        if let Err(error) = self.decide_again(cx, &grant, &path).await {
            return Err(self.refuse(cx, &grant, error).await?);
        }
        let spent = grant.moved(GrantState::Spent, grant.expires_at);
        let change = Change { cx: cx.clone(), path, expected: Some(grant.version), grant: spent, key: None };
        done(self.run(change).await?, id)
    }

    /// Only the requester redeems, or a role that the policy names.
    fn check_redeemer(&self, cx: &Context, grant: &Grant) -> Result<()> {
        let actor = cx.actor();
        let named = |quorum: &opsorch_schema::Quorum| quorum.redeemers.iter().any(|role| actor.has_role(role));
        if self.people.is(actor, &grant.requester) || grant.quorum().is_some_and(named) {
            return Ok(());
        }
        Err(Error::denied("only the requester redeems a grant, or a role that the policy names"))
    }

    /// Asks policy again, about the action as it would run now; the stricter decision holds.
    async fn decide_again(&self, cx: &Context, grant: &Grant, path: &Path) -> Result<()> {
        let now = Concrete::new(path.provider.target(Some(&grant.action)), &grant.action)?;
        if now.digest != grant.digest || now.canonical != grant.canonical {
            let message = "the provider's configuration has changed since it was approved; submit the change again";
            return Err(Error::denied(message));
        }
        // Policy is about who asked for the change, whoever redeems it.
        let asked = Context::new(grant.requester.clone()).request_id(cx.id());
        let quorum = match self.policies.decide(&asked, &now.target, &now.action).await {
            Decision::Deny { reason } => return Err(Error::denied(format!("policy denies it by now: {reason}"))),
            Decision::Abstain => return Err(Error::denied("policy denies it by now: no rule matches")),
            Decision::Allow { .. } => grant.quorum().cloned(),
            Decision::RequireApproval { quorum, .. } => Some(match grant.quorum() {
                Some(stored) => stored.clone().join(&quorum),
                None => quorum,
            }),
        };
        match quorum {
            Some(quorum) if grant.meets(&quorum, &self.people) => Ok(()),
            Some(quorum) => Err(Error::denied(format!("the answers do not meet {quorum}; submit the change again"))),
            None => Err(Error::denied("nobody approved this grant")),
        }
    }

    /// What a spent grant's change gave; waits for it if it is being made in this process.
    pub(super) async fn running_or_settled(&self, id: &GrantId) -> Finish {
        match self.running.wait(id).await {
            Some(finish) => finish,
            None => self.settled(id).await,
        }
    }

    /// What a spent grant's change gave, for whoever asks again.
    pub(super) async fn settled(&self, id: &GrantId) -> Finish {
        let grant = self.load(id).await.map_err(Error::maybe_applied)?;
        if grant.state != GrantState::Spent {
            return Err(Error::conflict(format!("the grant is {} by now", grant.state)).with_context("grant", id));
        }
        match self.stored_outcome(id).await? {
            Some(stored) => stored.into_result().map(Submitted::Done),
            None => {
                let message = "the change was begun and its outcome is not known yet; look at the audit log";
                Err(Error::conflict(message).maybe_applied().with_context("grant", id))
            }
        }
    }

    /// What was written of a spent grant's change, once it ended.
    pub(super) async fn stored_outcome(&self, id: &GrantId) -> Result<Option<StoredOutcome>> {
        match self.store.outcome(id).await? {
            Some(stored) => StoredOutcome::open(&stored, id, &self.keys).map(Some),
            None => Ok(None),
        }
    }
}

fn done(finish: Submitted<Response>, id: &GrantId) -> Result<Response> {
    match finish {
        Submitted::Done(response) => Ok(response),
        Submitted::Pending(_) => Err(Error::conflict("the grant still waits for people").with_context("grant", id)),
    }
}
