//! An action of every operation in which everything is set.

use opsorch::*;
use schemars::JsonSchema;
use serde_json::{Value, json};

/// One action for each change that there is, in the order of the operations.
pub(super) fn actions() -> Vec<Action> {
    let all = vec![
        full(create_incident()),
        full(update_incident()),
        full(
            TimelineAppend::new("I-1", "note", "rolled back").at(time(1)).actor("name", "Alice").metadata("k", value()),
        ),
        full(raise_alert()),
        full(AcknowledgeAlert::new("A-1").reason("on it")),
        full(ResolveAlert::new("A-1").reason("disk replaced")),
        full(SilenceAlert::new("A-1", time(2)).reason("maintenance")),
        full(CreateTicket::new("add a disk").description("db-1").field("priority", value()).metadata("k", value())),
        full(update_ticket()),
        full(CommentTicket::new("10012", "ordered").metadata("visibility", value())),
        full(message()),
        full(UpdateMessage::new("17.1", "C024BE91L", "disk replaced").block(block()).metadata("unfurl", value())),
        full(
            RecordDeployment::new("api", "production", "v1.4.2", "succeeded")
                .started_at(time(1))
                .finished_at(time(2))
                .url("https://ci.example.org/7".parse::<url::Url>().unwrap())
                .field("sha", value())
                .metadata("k", value()),
        ),
        full(StartRun::new("P-1").field("region", value()).metadata("k", value())),
        full(CompleteStep::new("R-1", "check").actor("alice").note("calm")),
        full(CancelRun::new("R-1").reason("not needed")),
    ];
    let changes = Operation::ALL.iter().copied().filter(|operation| operation.effect() == Effect::Write);
    let mut sampled: Vec<_> = all.iter().map(Action::operation).collect();
    sampled.sort();
    assert_eq!(sampled, changes.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>());
    all
}

/// The action of an input, of which the schema knows no more than what is set.
fn full<I: Into<Action> + JsonSchema>(input: I) -> Action {
    let action: Action = input.into();
    let schema = schemars::schema_for!(I);
    let known: Vec<&String> = schema.get("properties").and_then(Value::as_object).unwrap().keys().collect();
    let set = serde_json::to_value(&action).unwrap();
    for name in known {
        assert!(set["input"].get(name).is_some(), "the sample of {} lacks `{name}`", action.operation());
    }
    action
}

fn create_incident() -> CreateIncident {
    CreateIncident::new("api is down")
        .description("since the last deployment")
        .status("triggered")
        .severity("sev1")
        .service("api")
        .field("priority", value())
        .metadata("from", value())
}

fn update_incident() -> UpdateIncident {
    UpdateIncident::new("I-1")
        .title("api is slow")
        .description("since noon")
        .status("monitoring")
        .severity("sev3")
        .service("gateway")
        .field("priority", value())
        .metadata("from", value())
}

fn raise_alert() -> RaiseAlert {
    RaiseAlert::new("disk/db-1", "disk full", "P2")
        .description("no space left")
        .service("db")
        .source("db-1")
        .field("mount", value())
        .metadata("class", value())
}

fn update_ticket() -> UpdateTicket {
    UpdateTicket::new("10012")
        .title("add two disks")
        .description("db-1 and db-2")
        .status("Done")
        .assignees(["alice", "bob"])
        .field("priority", value())
        .metadata("notify", value())
}

fn message() -> Message {
    let message = Message::new("#ops", "disk full on db-1").metadata("unfurl", value()).thread_ref("1700000000.1");
    message.block(Block::header("Disk full")).block(block()).block(Block::divider())
}

fn block() -> Block {
    Block::new("section").text("no space left").field("host", "db-1")
}

fn time(minute: u32) -> Time {
    format!("2026-01-02T03:{minute:02}:05.25Z").parse().unwrap()
}

/// A value for where any is allowed.
fn value() -> Value {
    json!({ "deep": [1, 2.5, true, null, { "word": "two" }] })
}
