//! The kind `slack`, against a workspace that answers as Slack does.

// Answers are read by index; one that is not there fails the test.
#![allow(clippy::indexing_slicing)]

mod approvals;
mod config;
mod contract;
mod errors;
mod events;
mod interactions;
mod layout;
mod messages;
mod people;
mod reconcile;
mod signing;

#[path = "../simulated"]
mod simulated {
    #[allow(dead_code, unreachable_pub)] // a double for several binaries
    pub(super) mod slack;
}

use opsorch::gate::Decision;
use opsorch::secret::SecretRef;
use opsorch::{
    Action, Actor, BuildEnv, Context, ManualClock, Message, MessageResult, OpsOrch, Result, Submitted, Target,
    UpdateMessage,
};
use opsorch_providers::slack::SlackConfig;
use opsorch_testkit::double::SECRET;

use self::simulated::slack::Slack;

/// A workspace, and a control plane that may change anything in it.
struct Desk {
    slack: Slack,
    clock: ManualClock,
    ops: OpsOrch,
    cx: Context,
}

impl Desk {
    async fn new() -> Self {
        Self::of(config()).await
    }

    async fn of(config: SlackConfig) -> Self {
        let clock = ManualClock::default();
        let slack = Slack::new(clock.clone());
        let ops = OpsOrch::builder()
            .configure("slack", config)
            .transport(slack.clone())
            .clock(clock.clone())
            .without_layers()
            .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("a test"))
            .build()
            .await
            .unwrap();
        Self { slack, clock, ops, cx: Context::new(Actor::user("ada")) }
    }

    async fn send(&self, message: Message) -> Result<MessageResult> {
        self.ops.messages(&self.cx).send(message).await.map(done)
    }

    async fn update(&self, update: UpdateMessage) -> Result<MessageResult> {
        self.ops.messages(&self.cx).update(update).await.map(done)
    }
}

/// Without a rate budget: time is real.
fn config() -> SlackConfig {
    SlackConfig::new(SecretRef::literal(SECRET)).requests_per_minute(0)
}

fn env(slack: &Slack, clock: &ManualClock) -> BuildEnv {
    BuildEnv::new().with_transport(std::sync::Arc::new(slack.clone())).with_clock(std::sync::Arc::new(clock.clone()))
}

fn done<T>(submitted: Submitted<T>) -> T {
    match submitted {
        Submitted::Done(result) => result,
        Submitted::Pending(_) => panic!("the policy asks nobody"),
    }
}
