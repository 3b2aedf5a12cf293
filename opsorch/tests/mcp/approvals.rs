//! Changes are proposals: what the result says, how it is polled, and that nobody answers here.

use opsorch::gate::Decision;
use opsorch::http::Role;
use opsorch::{Action, ActorKind, ApprovalRequest, Context, Quorum, Target};
use serde_json::{Value, json};

use crate::support::{Client, LEGACY, MODERN, Stream, World, user};

fn asks(_: &Context, _: &Target, _: &Action) -> Decision {
    Decision::require_approval(Quorum::of(1, "approver"), "people decide")
}

#[tokio::test]
async fn a_change_is_proposed_polled_and_redeemed_once_people_agreed() {
    let world = World::with(asks, |builder| builder).await;
    for version in [LEGACY, MODERN] {
        let mut agent = Stream::connect(&world.ops, user(Role::Operator), version).await;
        let proposed = agent.call("create-ticket", json!({ "title": version, "justification": "disks" })).await;
        let data = proposed.data().clone();
        assert_eq!((&data["status"], &data["waitsFor"]), (&json!("waiting"), &json!("1 of approver")));
        let request: ApprovalRequest = serde_json::from_value(data["approval"].clone()).unwrap();
        assert_eq!((request.requester.kind, request.reason.as_deref()), (ActorKind::Agent, Some("disks")));
        let id = json!({ "id": request.id });

        let early = agent.call("redeem-approval", id.clone()).await;
        assert_eq!(early.problem()["code"], "conflict");
        assert_eq!(agent.call("get-approval", id.clone()).await.data()["approval"]["state"], "requested");
        assert_eq!(agent.call("list-approvals", json!({})).await.data()["items"][0]["id"], *request.id.as_str());

        let alice = Context::new(user(Role::Approver));
        world.ops.approvals(&alice).approve(&request.id, &request.digest).await.unwrap();
        let polled = agent.call("get-approval", id.clone()).await;
        assert!(polled.data()["next"].as_str().unwrap().contains("redeem-approval"), "{}", polled.data());
        let done = agent.call("redeem-approval", id.clone()).await.data().clone();
        assert_eq!((&done["status"], &done["result"]["title"]), (&json!("done"), &json!(version)));
        assert_eq!(agent.call("redeem-approval", id).await.data(), &done, "a repeat gives what the first gave");
    }
    let made = world.vendor.requests().len();
    assert_eq!(made, 2, "one for each");
}

#[tokio::test]
async fn the_person_an_agent_acts_for_may_answer_and_the_agent_may_not() {
    let world = World::with(asks, |builder| builder).await;
    let person = user(Role::Approver);
    let mut agent = world.http(person.clone(), MODERN);
    let data = agent.call("create-ticket", json!({ "title": "x" })).await.data().clone();
    let request: ApprovalRequest = serde_json::from_value(data["approval"].clone()).unwrap();
    let as_agent = Context::new(request.requester.clone());
    world.ops.approvals(&as_agent).approve(&request.id, &request.digest).await.unwrap_err();
    world.ops.approvals(&Context::new(person)).approve(&request.id, &request.digest).await.unwrap();
}

#[tokio::test]
async fn a_proposal_can_be_taken_back_and_then_is_over() {
    let world = World::with(asks, |builder| builder).await;
    let mut agent = world.http(user(Role::Operator), MODERN);
    let data = agent.call("create-ticket", json!({ "title": "x" })).await.data().clone();
    let id = json!({ "id": data["approval"]["id"] });
    let mut other = world.http(user(Role::Admin), MODERN);
    assert_eq!(other.call("withdraw-approval", id.clone()).await.problem()["code"], "denied");
    assert_eq!(agent.call("withdraw-approval", id.clone()).await.data()["approval"]["state"], "withdrawn");
    assert!(agent.call("redeem-approval", id).await.is_error());
}

#[tokio::test]
async fn a_refused_change_and_a_repeated_one_are_told() {
    let world = World::with(|_: &Context, _: &Target, _: &Action| Decision::deny("not today"), |builder| builder).await;
    let mut agent = world.http(user(Role::Operator), MODERN);
    let problem = agent.call("create-ticket", json!({ "title": "x" })).await.problem();
    assert_eq!((&problem["code"], &problem["mayHaveApplied"]), (&json!("denied"), &json!(false)));
    assert!(problem["detail"].as_str().unwrap().contains("not today"));

    let world = World::new().await;
    let mut agent = world.http(user(Role::Operator), MODERN);
    let asked = json!({ "title": "x", "idempotencyKey": "key-1" });
    let first: Value = agent.call("create-ticket", asked.clone()).await.data()["result"]["id"].clone();
    assert_eq!(agent.call("create-ticket", asked).await.data()["result"]["id"], first);
    let other = json!({ "title": "y", "idempotencyKey": "key-1" });
    assert_eq!(agent.call("create-ticket", other).await.problem()["code"], "conflict");
}
