//! People who answer what waits for them, as a script says.

use opsorch::{Actor, ApprovalRequest, Context, GrantId, GrantState, OpsOrch, Result};

/// Answers requests for approval the way people do: through [`OpsOrch::approvals`], each as themselves.
///
/// People answer in the order in which they were added, until the request no longer waits.
///
/// ```
/// use opsorch::gate::{Decision, Submitted};
/// use opsorch::{Action, Actor, Context, CreateTicket, GrantState, ManualClock, OpsOrch, Quorum, Target};
/// use opsorch_testkit::{MemoryProvider, ScriptedApprover};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let memory = MemoryProvider::new(ManualClock::default());
/// let ops = OpsOrch::builder()
///     .provider(memory.provider("memory"))
///     .policy(|_: &Context, _: &Target, _: &Action| Decision::require_approval(Quorum::of(1, "sre"), "a test"))
///     .build()
///     .await?;
/// let cx = Context::new(Actor::agent("triage"));
/// let Submitted::Pending(request) = ops.tickets(&cx).create(CreateTicket::new("disk full")).await? else {
///     panic!("the policy asks for approval");
/// };
///
/// let approver = ScriptedApprover::new().approves(Actor::user("alice").role("sre"));
/// assert_eq!(approver.answer(&ops, &request.id).await?.state, GrantState::Active);
///
/// ops.approvals(&cx).redeem(&request.id).await?;
/// assert_eq!(memory.requests().len(), 1);
/// # Ok::<(), opsorch::Error>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ScriptedApprover {
    people: Vec<(Actor, Option<String>)>,
}

impl ScriptedApprover {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds somebody who says Yes.
    pub fn approves(mut self, person: Actor) -> Self {
        self.people.push((person, None));
        self
    }

    /// Adds somebody who says No, and why.
    pub fn denies(mut self, person: Actor, reason: impl Into<String>) -> Self {
        self.people.push((person, Some(reason.into())));
        self
    }

    /// Answers one request, and returns it as it then is.
    ///
    /// # Errors
    /// Those of [`Approvals::approve`](opsorch::Approvals::approve), so that somebody who may not answer is noticed.
    pub async fn answer(&self, ops: &OpsOrch, id: &GrantId) -> Result<ApprovalRequest> {
        let somebody = Context::new(Actor::service("scripted-approver"));
        let mut request = ops.approvals(&somebody).get(id).await?;
        for (person, refusal) in &self.people {
            if request.state != GrantState::Requested {
                break;
            }
            let cx = Context::new(person.clone());
            request = match refusal {
                None => ops.approvals(&cx).approve(id, &request.digest).await?,
                Some(reason) => ops.approvals(&cx).deny(id, &request.digest, reason).await?,
            };
        }
        Ok(request)
    }

    /// Answers everything that waits, the oldest request first, and returns it as it then is.
    ///
    /// # Errors
    /// Those of [`answer`](Self::answer), at the first request that has one.
    pub async fn answer_all(&self, ops: &OpsOrch) -> Result<Vec<ApprovalRequest>> {
        let somebody = Context::new(Actor::service("scripted-approver"));
        let mut answered = Vec::new();
        for request in ops.approvals(&somebody).list().await?.into_iter().rev() {
            if request.state == GrantState::Requested {
                answered.push(self.answer(ops, &request.id).await?);
            }
        }
        Ok(answered)
    }
}
