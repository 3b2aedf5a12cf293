//! The kind `local`, over folders of their own.

mod alerts;
mod catalog;
mod config;
mod deployments;
mod file;
mod incidents;
mod logs;
mod messages;
mod metrics;
mod plans;
mod runs;
mod tickets;

use std::path::Path;
use std::sync::Arc;

use opsorch::gate::Decision;
use opsorch::{
    Action, Actor, BuildEnv, Context, ErrorKind, ManualClock, OpsOrch, Provider, ProviderConfig, Result, Submitted,
    Target, Time,
};
use opsorch_providers::local::LocalConfig;

/// A control plane over one local provider, whose time stands still.
struct Desk {
    ops: OpsOrch,
    provider: Provider,
    clock: ManualClock,
    cx: Context,
}

impl Desk {
    async fn open(path: &Path) -> Self {
        Self::of(LocalConfig::new(path).metrics(false)).await
    }

    async fn of(config: LocalConfig) -> Self {
        let clock = ManualClock::default();
        let provider = build(config, &clock).await.unwrap();
        let ops = control_plane(provider.clone(), &clock).await;
        Self { ops, provider, clock, cx: Context::new(Actor::agent("triage").on_behalf_of(Actor::user("alice"))) }
    }

    /// Another control plane over the same provider, which knows nothing of what this one did.
    async fn beside(&self) -> OpsOrch {
        control_plane(self.provider.clone(), &self.clock).await
    }
}

async fn build(config: LocalConfig, clock: &ManualClock) -> Result<Provider> {
    config.build(&"here".into(), &BuildEnv::new().with_clock(Arc::new(clock.clone()))).await
}

async fn control_plane(provider: Provider, clock: &ManualClock) -> OpsOrch {
    let allow = |_: &Context, _: &Target, _: &Action| Decision::allow("a test");
    let builder = OpsOrch::builder().provider(provider).without_layers().clock(clock.clone());
    builder.policy(allow).build().await.unwrap()
}

fn done<T>(submitted: Submitted<T>) -> T {
    match submitted {
        Submitted::Done(done) => done,
        Submitted::Pending(_) => panic!("the policy asks nobody"),
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

/// Asserts that a query was refused because a filter cannot be honoured, and that the refusal names it.
#[track_caller]
fn assert_unsupported<T>(result: Result<T>, field: &str) {
    let error = result.err().unwrap_or_else(|| panic!("`{field}` was ignored"));
    assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains(field), "{error}");
}

#[track_caller]
fn assert_invalid<T>(result: Result<T>, field: &str) {
    let error = result.err().unwrap_or_else(|| panic!("`{field}` was accepted"));
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: field.into() }, "{error}");
}
