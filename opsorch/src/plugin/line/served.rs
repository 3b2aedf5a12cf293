//! The line protocol as a plugin has it.

use opsorch_schema::Operation;
use serde_json::{Map, Value, json};

use super::object;
use crate::{Error, ErrorKind, Result};

/// Members of an output that OpsOrch does not know.
const OURS: [&str; 3] = ["provider", "statusRaw", "severityRaw"];

/// What a plugin is asked by a host of the line protocol: the operation and its input.
///
/// # Errors
/// `Unsupported` for an unknown method.
pub(in crate::plugin) fn asked(method: &str, payload: Value) -> Result<(Operation, Value)> {
    use Operation as O;
    let operation: Operation = method
        .parse()
        .map_err(|_| Error::unsupported(format!("unknown method: {}", opsorch_schema::visible(method))))?;
    let mut payload = match payload {
        Value::Object(members) => members,
        Value::Null => Map::new(),
        other => return Ok((operation, other)),
    };
    let mut take = |name: &str| payload.remove(name).unwrap_or_default();
    let input = match operation {
        O::IncidentGet
        | O::IncidentTimelineGet
        | O::AlertGet
        | O::TicketGet
        | O::DeploymentGet
        | O::ServiceGet
        | O::TeamGet
        | O::TeamOncall => take("id"),
        O::TeamMembers => take("teamID"),
        O::OrchestrationPlansGet => take("planId"),
        O::OrchestrationRunsGet => take("runId"),
        O::MetricDescribe => match payload.remove("scope") {
            Some(scope @ Value::Object(_)) if payload.is_empty() => scope,
            _ => payload.into(),
        },
        O::IncidentUpdate | O::TicketUpdate => with_id(take("id"), take("input")),
        O::IncidentTimelineAppend => {
            let (id, entry, input) = (take("id"), take("entry"), take("input"));
            with_id(id, if entry.is_null() { input } else { entry })
        }
        O::IncidentCreate => {
            // A status that was not given is an empty text in Go.
            payload.retain(|name, value| !(matches!(name.as_str(), "status" | "severity") && *value == ""));
            payload.into()
        }
        _ => payload.into(),
    };
    Ok((operation, input))
}

fn with_id(id: Value, input: Value) -> Value {
    let mut members = object(&input);
    members.insert("id".into(), id);
    members.into()
}

/// What a host of the line protocol reads as `result`; and why the page is not everything, which it cannot be told.
pub(in crate::plugin) fn result(operation: Operation, mut output: Value) -> (Value, Option<String>) {
    if output.is_null() {
        return (json!({ "status": "ok" }), None);
    }
    let items = match output.get_mut("items") {
        Some(items) if operation.output_type().starts_with("Page<") => items.take(),
        _ => {
            strip(&mut output);
            return (output, None);
        }
    };
    let Value::Array(mut items) = items else { return (Value::Array(Vec::new()), None) };
    items.iter_mut().for_each(strip);
    let missing = ["truncated", "next", "failures"].into_iter().find(|member| output.get(*member).is_some());
    let missing = missing.map(|member| format!("the answer has `{member}`, which the line protocol cannot say"));
    let result = match (operation, output.get_mut("url").map(Value::take)) {
        (Operation::LogQuery, Some(url)) => json!({ "entries": items, "url": url }),
        (Operation::LogQuery, None) => json!({ "entries": items }),
        _ => items.into(),
    };
    (result, missing)
}

fn strip(item: &mut Value) {
    if let Value::Object(members) = item {
        OURS.iter().for_each(|member| drop(members.remove(*member)));
        if let Some(plan) = members.get_mut("plan") {
            strip(plan);
        }
    }
}

/// What a host of the line protocol reads as `error.code`.
pub(in crate::plugin) fn code(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid { .. } => "bad_request",
        ErrorKind::Unauthenticated => "unauthorized",
        other => other.code(),
    }
}
