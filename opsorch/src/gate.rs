//! The only way to a change: policy, approval, audit, call, audit.
//!
//! 1. The action and the provider it would go to are written in canonical JSON; its SHA-256 is the [`Digest`](crate::Digest)
//!    that everything else refers to.
//! 2. Every [`Policy`] decides. Decisions combine as a lattice: [`Decision::Deny`] over
//!    [`Decision::RequireApproval`] over [`Decision::Allow`] over [`Decision::Abstain`]. If all abstain, or there is no
//!    policy, or one fails, the answer is Deny.
//! 3. Where people must agree, a grant is requested, and the caller gets [`Submitted::Pending`]. People
//!    [answer](crate::Approvals); approving never executes.
//! 4. Redeeming the grant and writing the *intent* to the audit log is one transaction of the [`Store`](crate::store::Store):
//!    however many redeem at once, one wins.
//! 5. The provider is called with an [`Approved`] input, on a task that the [`OpsOrch`](crate::OpsOrch) owns: a
//!    caller that stops waiting does not stop the change. The *outcome* is written to the log.
//!
//! A closure is a policy too:
//!
//! ```
//! use opsorch::gate::{Decision, Policy};
//! use opsorch::{Action, Context, Quorum, Target};
//!
//! let policy = |_: &Context, target: &Target, action: &Action| match action {
//!     Action::TicketComment(_) => Decision::allow("comments are harmless"),
//!     _ if target.scope.environment.as_deref() == Some("production") => {
//!         Decision::require_approval(Quorum::of(1, "sre"), "production")
//!     }
//!     _ => Decision::Abstain,
//! };
//! let _: &dyn Policy = &policy;
//! ```

mod access;
mod answer;
mod approved;
mod canonical;
mod chain;
mod decision;
mod dispatch;
mod grant;
mod keys;
mod lease;
mod look_up;
mod notify;
mod outcome;
mod people;
mod policy;
mod recover;
mod redeem;
mod resume;
mod rules;
mod run;
mod running;
mod settings;
mod terminal;
mod text;

use opsorch_schema::ApprovalRequest;

pub use access::{Access, AccessRule, AccessRules, OpenAccess};
pub use approved::Approved;
pub use canonical::{canonical_json, digest};
pub use decision::Decision;
pub use keys::GateKeys;
pub use notify::{ApprovalHook, AuditSink};
pub use people::People;
pub use policy::Policy;
pub use rules::{Pattern, Rule, RuleDecision, Rules};
pub use settings::GateSettings;

#[cfg(feature = "plugin")]
pub(crate) use approved::Permit;
#[cfg(feature = "plugin")]
pub(crate) use dispatch::apply_for_host;
pub(crate) use grant::Grant;
pub(crate) use lease::Lease;
pub(crate) use notify::Notify;
pub(crate) use policy::Policies;
pub(crate) use run::{Gate, Path};
pub(crate) use running::Running;

/// What became of a change that was submitted. Waiting is an outcome, not an error.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a change that waits for people has not been made"]
#[allow(clippy::exhaustive_enums, clippy::large_enum_variant)]
pub enum Submitted<T> {
    /// It was made.
    Done(T),
    /// It waits for people.
    Pending(ApprovalRequest),
}

impl<T> Submitted<T> {
    /// The digest and the state of a change that waits; `None` if it was made.
    pub fn pending(&self) -> Option<&ApprovalRequest> {
        match self {
            Self::Done(_) => None,
            Self::Pending(request) => Some(request),
        }
    }

    /// Turns what was answered into something else.
    ///
    /// # Errors
    /// Those of `with`.
    pub fn try_map<U, E>(self, with: impl FnOnce(T) -> Result<U, E>) -> Result<Submitted<U>, E> {
        Ok(match self {
            Self::Done(done) => Submitted::Done(with(done)?),
            Self::Pending(request) => Submitted::Pending(request),
        })
    }
}
