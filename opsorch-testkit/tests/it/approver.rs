use opsorch::gate::Decision;
use opsorch::{
    Action, Actor, Context, CreateTicket, ErrorKind, GrantState, ManualClock, Operation, OpsOrch, Quorum, Submitted,
    Target,
};
use opsorch_testkit::{MemoryProvider, ScriptedApprover};

use crate::{assert_kind, cx, done};

async fn ask(ops: &OpsOrch) -> opsorch::ApprovalRequest {
    match done(ops.tickets(&cx()).create(CreateTicket::new("x")).await) {
        Submitted::Pending(request) => request,
        Submitted::Done(ticket) => panic!("nobody was asked about {}", ticket.id),
    }
}

/// A gate that wants two of `sre`.
async fn guarded() -> (MemoryProvider, OpsOrch) {
    let memory = MemoryProvider::new(ManualClock::default());
    let policy = |_: &Context, _: &Target, _: &Action| Decision::require_approval(Quorum::of(2, "sre"), "test");
    let ops = OpsOrch::builder().provider(memory.provider("memory")).policy(policy).build().await;
    (memory, done(ops))
}

fn sre(name: &str) -> Actor {
    Actor::user(name).role("sre")
}

#[tokio::test]
async fn people_answer_until_the_quorum_is_met_and_nothing_runs() {
    let (memory, ops) = guarded().await;
    let requests = [ask(&ops).await, ask(&ops).await];
    let approver = ScriptedApprover::new().approves(sre("alice")).approves(sre("bob")).approves(sre("carol"));
    let answered = done(approver.answer_all(&ops).await);
    assert_eq!(answered.iter().map(|request| &request.id).collect::<Vec<_>>(), [&requests[0].id, &requests[1].id]);
    assert!(answered.iter().all(|request| request.state == GrantState::Active && request.answers.len() == 2));
    assert!(done(approver.answer_all(&ops).await).is_empty());
    assert_eq!(memory.calls(Operation::TicketCreate), 0);
}

#[tokio::test]
async fn one_no_ends_it() {
    let (_, ops) = guarded().await;
    let request = ask(&ops).await;
    let approver = ScriptedApprover::new().denies(sre("alice"), "not now").approves(sre("bob"));
    let answered = done(approver.answer(&ops, &request.id).await);
    assert_eq!((answered.state, answered.answers.len()), (GrantState::Denied, 1));
}

#[tokio::test]
async fn somebody_who_may_not_answer_is_noticed() {
    let (_, ops) = guarded().await;
    let request = ask(&ops).await;
    let stranger = ScriptedApprover::new().approves(Actor::user("mallory"));
    assert_kind(stranger.answer(&ops, &request.id).await, ErrorKind::Denied);
}
