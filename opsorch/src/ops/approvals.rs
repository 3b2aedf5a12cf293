//! What waits for people, and their answers.

use opsorch_schema::{ApprovalRequest, Digest, GrantId, Response, Verdict};

use super::OpsOrch;
use crate::{Context, Result};

/// What waits for people, by [`OpsOrch::approvals`]. Nothing here but [`redeem`](Self::redeem) executes anything.
#[derive(Clone, Debug)]
#[must_use = "a handle does nothing by itself"]
pub struct Approvals<'a> {
    ops: &'a OpsOrch,
    cx: &'a Context,
}

impl<'a> Approvals<'a> {
    pub(super) fn new(ops: &'a OpsOrch, cx: &'a Context) -> Self {
        Self { ops, cx }
    }

    /// The requests that wait for people or can be redeemed, newest first, at most 1000; of them those whose operation
    /// the actor may use.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self) -> Result<Vec<ApprovalRequest>> {
        self.ops.core.gate.waiting_requests(self.cx).await
    }

    /// One request, whatever became of it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), [`Denied`](crate::ErrorKind::Denied) by access, those of the store.
    pub async fn get(&self, id: &GrantId) -> Result<ApprovalRequest> {
        self.ops.core.gate.one_request(self.cx, id).await
    }

    /// Agrees to exactly what the digest stands for. It runs nothing; the requester redeems the grant.
    ///
    /// # Errors
    /// [`Denied`](crate::ErrorKind::Denied) for anyone but a person with a role that the request names, for the requester
    /// themselves, for a second answer of the same person, and for another digest;
    /// [`Conflict`](crate::ErrorKind::Conflict) if it no longer waits; [`NotFound`](crate::ErrorKind::NotFound); those of the store.
    pub async fn approve(&self, id: &GrantId, digest: &Digest) -> Result<ApprovalRequest> {
        self.ops.core.gate.answer(self.cx, id, digest, Verdict::Yes, None).await
    }

    /// Says no, with a reason of at most 4096 bytes. One No ends the request.
    ///
    /// # Errors
    /// As for [`approve`](Self::approve).
    pub async fn deny(&self, id: &GrantId, digest: &Digest, reason: impl Into<String>) -> Result<ApprovalRequest> {
        self.ops.core.gate.answer(self.cx, id, digest, Verdict::No, Some(reason.into())).await
    }

    /// Takes one's own request back, before it is redeemed.
    ///
    /// # Errors
    /// [`Denied`](crate::ErrorKind::Denied) for anyone but the requester and whom it acts for;
    /// [`Conflict`](crate::ErrorKind::Conflict) if it is over; [`NotFound`](crate::ErrorKind::NotFound); those of the store.
    pub async fn withdraw(&self, id: &GrantId) -> Result<ApprovalRequest> {
        self.ops.core.gate.withdraw(self.cx, id).await
    }

    /// Takes an active grant away, with a reason of at most 4096 bytes.
    ///
    /// # Errors
    /// [`Denied`](crate::ErrorKind::Denied) for anyone but a person with a role that the request names;
    /// [`Conflict`](crate::ErrorKind::Conflict) if it is not active; [`NotFound`](crate::ErrorKind::NotFound); those of the store.
    pub async fn revoke(&self, id: &GrantId, reason: impl Into<String>) -> Result<ApprovalRequest> {
        self.ops.core.gate.revoke(self.cx, id, reason.into()).await
    }

    /// Runs the approved action, once: the first redemption makes the change, every other gives what the first gave.
    ///
    /// # Errors
    /// [`Denied`](crate::ErrorKind::Denied) for anyone but the requester and the roles that the policy names, if policy
    /// decides otherwise by now, or if the provider's configuration changed;
    /// [`Conflict`](crate::ErrorKind::Conflict) if the grant is not active; and those of [`OpsOrch::submit`].
    pub async fn redeem(&self, id: &GrantId) -> Result<Response> {
        let ops = self.ops;
        ops.recover_beside();
        let path = |grant: &crate::gate::Grant| Ok(ops.path(ops.named(grant.provider())?));
        ops.core.gate.redeem(self.cx, id, path).await
    }
}
