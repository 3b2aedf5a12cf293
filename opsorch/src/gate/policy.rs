//! Policies: who decides, and how several decide together.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use opsorch_schema::{Action, Target};

use super::Decision;
use crate::{Context, Result};

/// Decides about changes. An error is a Deny.
///
/// A closure `Fn(&Context, &Target, &Action) -> Decision` is a policy; [`Rules`](super::Rules) are one in TOML.
#[async_trait]
pub trait Policy: Send + Sync + 'static {
    /// What it says of this action on this target, asked for by the context's actor.
    ///
    /// It should answer from what it has at hand: it is asked again when a grant is redeemed, and it has five
    /// seconds (a setting), after which the answer is Deny.
    async fn decide(&self, cx: &Context, target: &Target, action: &Action) -> Result<Decision>;

    /// The revision of the rules, for the audit log; `None` where there is no such thing.
    fn revision(&self) -> Option<&str>;
}

#[async_trait]
impl<F> Policy for F
where
    F: Fn(&Context, &Target, &Action) -> Decision + Send + Sync + 'static,
{
    async fn decide(&self, cx: &Context, target: &Target, action: &Action) -> Result<Decision> {
        Ok(self(cx, target, action))
    }

    fn revision(&self) -> Option<&str> {
        None
    }
}

/// All policies of a gate.
#[derive(Clone, Default)]
pub(crate) struct Policies {
    pub(super) list: Vec<Arc<dyn Policy>>,
    pub(super) timeout: Duration,
}

impl Policies {
    pub(crate) fn new(list: Vec<Arc<dyn Policy>>, timeout: Duration) -> Self {
        Self { list, timeout }
    }

    /// The joint decision; never [`Decision::Abstain`], because nobody's word is a Deny.
    pub(super) async fn decide(&self, cx: &Context, target: &Target, action: &Action) -> Decision {
        let mut joint = Decision::Abstain;
        for policy in &self.list {
            // A policy is the embedder's code: one that panics must not take the gate's answer with it.
            let decision = AssertUnwindSafe(policy.decide(cx, target, action)).catch_unwind();
            joint = joint.and(match tokio::time::timeout(self.timeout, decision).await {
                Ok(Ok(Ok(decision))) => decision,
                Ok(Ok(Err(error))) => Decision::deny(format!("a policy failed: {error}")),
                Ok(Err(_)) => Decision::deny("a policy panicked"),
                Err(_) => Decision::deny("a policy did not decide in time"),
            });
        }
        match joint {
            Decision::Abstain if self.list.is_empty() => {
                Decision::deny("there is no policy, so every change is denied")
            }
            Decision::Abstain => Decision::deny("no rule matches, so the change is denied"),
            decided => decided,
        }
    }

    /// The revisions of all policies that have one.
    pub(super) fn revision(&self) -> Option<String> {
        let revisions: Vec<_> = self.list.iter().filter_map(|policy| policy.revision()).collect();
        (!revisions.is_empty()).then(|| revisions.join(" "))
    }
}
