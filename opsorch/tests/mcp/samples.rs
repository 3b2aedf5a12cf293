//! A sample of the input of each operation, in a world in which everything exists that they name.

use opsorch::{Action, Context, Effect, Message, Operation, OpsOrch, StartRun, Submitted};
use serde_json::{Value, json};

/// What no seed puts in: a message that can be updated, a run that goes on.
pub(crate) async fn prepare(ops: &OpsOrch, cx: &Context) {
    for action in [Action::from(Message::new("#ops", "hello")), StartRun::new("plan-1").into()] {
        let submitted = ops.submit(cx, action).await.expect("the policy lets it");
        assert!(matches!(submitted, Submitted::Done(_)));
    }
}

/// A valid input.
pub(crate) fn input(operation: Operation) -> Value {
    let (start, end) = ("2025-12-31T23:00:00Z", "2026-01-01T00:00:00Z");
    match operation.name() {
        "incident.get" | "incident.timeline.get" => json!("inc-1"),
        "alert.get" => json!("alert-1"),
        "ticket.get" => json!("tkt-1"),
        "service.get" => json!("svc-api"),
        "deployment.get" => json!("dep-1"),
        "team.get" | "team.members" | "team.oncall" => json!("team-platform"),
        "orchestration.plans.get" => json!("plan-1"),
        "orchestration.runs.get" => json!("run-1"),
        "log.query" => json!({ "start": start, "end": end }),
        "metric.query" => {
            json!({ "start": start, "end": end, "step": 60, "expression": { "metricName": "request_duration_seconds" } })
        }
        "incident.create" => json!({ "title": "disk full", "status": "open", "severity": "high" }),
        "incident.update" => json!({ "id": "inc-1", "title": "disk nearly full" }),
        "incident.timeline.append" => json!({ "id": "inc-1", "kind": "note", "body": "cleaning up" }),
        "alert.raise" => json!({ "dedupKey": "disk/db-1", "title": "disk full", "severity": "high" }),
        "alert.acknowledge" | "alert.resolve" => json!({ "id": "alert-1" }),
        "alert.silence" => json!({ "id": "alert-1", "until": "2026-01-02T00:00:00Z" }),
        "ticket.create" => json!({ "title": "buy disks" }),
        "ticket.update" => json!({ "id": "tkt-1", "title": "buy more disks" }),
        "ticket.comment" => json!({ "id": "tkt-1", "body": "ordered" }),
        "messaging.send" => json!({ "channel": "#ops", "body": "disks are ordered" }),
        "messaging.update" => json!({ "id": "msg-1", "channel": "#ops", "body": "disks have come" }),
        "deployment.record" => {
            json!({ "service": "api", "environment": "production", "version": "v1.4.2", "status": "success" })
        }
        "orchestration.runs.start" => json!({ "planId": "plan-1" }),
        "orchestration.runs.steps.complete" => json!({ "runId": "run-1", "stepId": "freeze" }),
        "orchestration.runs.cancel" => json!({ "runId": "run-1" }),
        name if name.ends_with(".query") || name == "metric.describe" => json!({}),
        name => panic!("{name} has no sample"),
    }
}

/// The name of the tool of an operation.
pub(crate) fn tool(operation: Operation) -> &'static str {
    match operation.name() {
        "incident.query" => "query-incidents",
        "incident.get" => "get-incident",
        "incident.timeline.get" => "get-incident-timeline",
        "incident.create" => "create-incident",
        "incident.update" => "update-incident",
        "incident.timeline.append" => "append-incident-timeline",
        "alert.query" => "query-alerts",
        "alert.get" => "get-alert",
        "alert.raise" => "raise-alert",
        "alert.acknowledge" => "acknowledge-alert",
        "alert.resolve" => "resolve-alert",
        "alert.silence" => "silence-alert",
        "log.query" => "query-logs",
        "metric.query" => "query-metrics",
        "metric.describe" => "describe-metrics",
        "ticket.query" => "query-tickets",
        "ticket.get" => "get-ticket",
        "ticket.create" => "create-ticket",
        "ticket.update" => "update-ticket",
        "ticket.comment" => "comment-on-ticket",
        "messaging.send" => "send-message",
        "messaging.update" => "update-message",
        "service.query" => "query-services",
        "service.get" => "get-service",
        "deployment.query" => "query-deployments",
        "deployment.get" => "get-deployment",
        "deployment.record" => "record-deployment",
        "team.query" => "query-teams",
        "team.get" => "get-team",
        "team.members" => "get-team-members",
        "team.oncall" => "get-team-on-call",
        "orchestration.plans.query" => "query-orchestration-plans",
        "orchestration.plans.get" => "get-orchestration-plan",
        "orchestration.runs.query" => "query-orchestration-runs",
        "orchestration.runs.get" => "get-orchestration-run",
        "orchestration.runs.start" => "start-orchestration-run",
        "orchestration.runs.steps.complete" => "complete-orchestration-step",
        "orchestration.runs.cancel" => "cancel-orchestration-run",
        name => panic!("{name} has no tool"),
    }
}

/// The arguments of the tool of an operation, for an input.
pub(crate) fn arguments(operation: Operation, input: Value) -> Value {
    match input {
        Value::String(id) => json!({ "id": id }),
        scope if operation == Operation::MetricDescribe => json!({ "scope": scope }),
        fields => fields,
    }
}

pub(crate) fn is_write(operation: Operation) -> bool {
    operation.effect() == Effect::Write
}
