//! The testkit, through its public API.

mod alert;
mod approver;
mod catalogue;
mod contract;
mod contract_vendors;
mod double;
mod double_paging;
mod fault;
mod fault_server;
mod incident;
mod orchestration;
mod paging;
mod record;
mod replay;
mod telemetry;
mod ticket;

use opsorch::gate::Decision;
use opsorch::{Action, Actor, Context, Error, ErrorKind, ManualClock, Operation, OpsOrch, Result, Submitted, Target};
use opsorch_testkit::MemoryProvider;

/// A world behind a gate that allows everything, without layers.
struct Lab {
    clock: ManualClock,
    memory: MemoryProvider,
    ops: OpsOrch,
    cx: Context,
}

impl Lab {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let memory = MemoryProvider::new(clock.clone());
        let ops = OpsOrch::builder()
            .provider(memory.provider("memory"))
            .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("test"))
            .clock(clock.clone())
            .without_layers()
            .build()
            .await;
        Self { clock, memory, ops: done(ops), cx: cx() }
    }
}

fn cx() -> Context {
    Context::new(Actor::agent("test"))
}

#[track_caller]
fn done<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// What a change answered that was made at once.
#[track_caller]
fn made<T>(result: Result<Submitted<T>>) -> T {
    match done(result) {
        Submitted::Done(answer) => answer,
        Submitted::Pending(request) => panic!("waits for {}", request.quorum),
    }
}

/// The error of a call that must fail.
#[track_caller]
fn failed<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("expected an error"),
        Err(error) => error,
    }
}

#[track_caller]
fn assert_kind<T>(result: Result<T>, kind: ErrorKind) {
    assert_eq!(failed(result).kind(), &kind);
}

fn invalid(field: &str) -> ErrorKind {
    ErrorKind::Invalid { field: field.into() }
}

#[test]
fn every_operation_is_offered() {
    let offered = MemoryProvider::new(ManualClock::default()).provider("memory").operations();
    let missing: Vec<_> = Operation::ALL.iter().filter(|operation| !offered.contains(**operation)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
