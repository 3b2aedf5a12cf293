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

/// Whether an operation gives pages that a cursor leads through.
pub(in crate::plugin) fn is_paged(operation: Operation) -> bool {
    operation.name().ends_with(".query")
}

/// What a host of the line protocol reads as `result`.
///
/// # Errors
/// `Unsupported` for a list that is not whole: the line protocol cannot say so, and the host would take it for everything.
pub(in crate::plugin) fn result(operation: Operation, mut output: Value) -> Result<Value> {
    if output.is_null() {
        return Ok(json!({ "status": "ok" }));
    }
    let items = match output.get_mut("items") {
        Some(items) if operation.output_type().starts_with("Page<") => items.take(),
        _ => {
            strip(&mut output);
            return Ok(output);
        }
    };
    if let Some(why) = incomplete(&output) {
        let message = format!(
            "the list is not whole, which the line protocol cannot say: {why}; narrow the query, or ask for fewer"
        );
        return Err(Error::unsupported(message));
    }
    let Value::Array(mut items) = items else { return Ok(Value::Array(Vec::new())) };
    items.iter_mut().for_each(strip);
    Ok(match (operation, output.get_mut("url").map(Value::take)) {
        (Operation::LogQuery, Some(url)) if !url.is_null() => json!({ "entries": items, "url": url }),
        (Operation::LogQuery, _) => json!({ "entries": items }),
        _ => items.into(),
    })
}

/// Why items are missing, if some are.
fn incomplete(page: &Value) -> Option<String> {
    if let Some(Value::String(reason)) = page.get("truncated") {
        return Some(reason.clone());
    }
    if page.get("failures").and_then(Value::as_array).is_some_and(|failures| !failures.is_empty()) {
        return Some("a part of it failed".into());
    }
    page.get("next").is_some_and(|next| !next.is_null()).then(|| "there are more items".into())
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
