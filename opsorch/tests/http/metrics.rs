//! Numbers for Prometheus: what an operator of the gate looks at.

use opsorch::gate::Decision;
use opsorch::http::{Authentication, Options, Role};
use opsorch::layer::MetricsLayer;
use opsorch::{Action, Actor, Context, CreateTicket, Message, Operation, Quorum, Submitted, Target, UpdateTicket};

use crate::support::{Api, World};

async fn world() -> (World, Api) {
    let policy = |_: &Context, _: &Target, action: &Action| match action.operation() {
        Operation::TicketCreate => Decision::require_approval(Quorum::of(1, "sre"), "a test"),
        Operation::TicketUpdate => Decision::deny("a test"),
        _ => Decision::allow("a test"),
    };
    let metrics = MetricsLayer::new();
    let (layer, sink) = (metrics.clone(), metrics.clone());
    let world = World::with(policy, |builder| builder.layer(layer).audit_sink(sink)).await;
    let auth = Authentication::builder().allow_anonymous(Role::Admin).build().unwrap();
    let api = world.api(auth, Options::new().metrics(metrics));
    (world, api)
}

async fn numbers(world: &World, api: &Api) -> String {
    world.ops.idle().await;
    let reply = api.get("/v1/metrics").await;
    assert_eq!(reply.expect(200).header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    reply.text().to_owned()
}

#[track_caller]
fn expect(numbers: &str, lines: &[&str]) {
    for line in lines {
        assert!(numbers.lines().any(|one| one == *line), "{line}: {numbers}");
    }
}

#[tokio::test]
async fn decisions_grants_and_the_log_are_counted() {
    let (world, api) = world().await;
    let none = numbers(&world, &api).await;
    expect(&none, &[r#"opsorch_grants{state="requested"} 0"#, "opsorch_audit_size 0"]);

    let cx = Context::new(Actor::agent("triage"));
    let sre = Context::new(Actor::user("alice").role("sre"));
    let _ = world.ops.messages(&cx).send(Message::new("#ops", "hello")).await.unwrap();
    world.ops.tickets(&cx).update(UpdateTicket::new("tkt-1").title("x")).await.unwrap_err();
    let mut asked = Vec::new();
    for title in ["one", "two", "three"] {
        let Submitted::Pending(request) = world.ops.tickets(&cx).create(CreateTicket::new(title)).await.unwrap() else {
            panic!("the policy asks")
        };
        asked.push(request);
    }
    for request in &asked[..2] {
        world.ops.approvals(&sre).approve(&request.id, &request.digest).await.unwrap();
    }
    world.ops.approvals(&cx).redeem(&asked[0].id).await.unwrap();

    let numbers = numbers(&world, &api).await;
    expect(
        &numbers,
        &[
            r#"opsorch_gate_decisions_total{decision="allow",operation_name="messaging.send"} 1"#,
            r#"opsorch_gate_decisions_total{decision="deny",operation_name="ticket.update"} 1"#,
            r#"opsorch_gate_decisions_total{decision="require-approval",operation_name="ticket.create"} 3"#,
            r#"opsorch_grants{state="requested"} 1"#,
            r#"opsorch_grants{state="active"} 1"#,
            r#"opsorch_audit_entries_total{event="approved",operation_name="ticket.create"} 2"#,
            r#"opsorch_audit_entries_total{event="intent",operation_name="ticket.create"} 1"#,
            "opsorch_audit_size 10",
        ],
    );
    assert!(!numbers.contains(r#"decision="allow",operation_name="ticket.create""#), "it was decided once: {numbers}");
    assert!(numbers.contains("# TYPE opsorch_plugin_restarts_total counter"), "{numbers}");
}

#[tokio::test]
async fn the_size_of_a_log_is_known_from_the_start() {
    let (world, _) = world().await;
    let cx = Context::new(Actor::agent("triage"));
    let _ = world.ops.messages(&cx).send(Message::new("#ops", "hello")).await.unwrap();
    // As after a restart: a layer that has seen nothing yet.
    let auth = Authentication::builder().allow_anonymous(Role::Viewer).build().unwrap();
    let api = world.api(auth, Options::new().metrics(MetricsLayer::new()));
    expect(&numbers(&world, &api).await, &["opsorch_audit_size 2"]);
}
