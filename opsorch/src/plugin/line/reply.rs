//! What a plugin of the line protocol replies, as a host reads it.

use opsorch_schema::{DEFAULT_LIMIT, Effect, Operation};
use serde_json::{Map, Value, json};

use super::has;
use crate::ErrorKind;

/// What a plugin's log lines have and replies have not.
const LOG_MEMBERS: [&str; 4] = ["level", "msg", "severity", "logger"];

/// A reply, taken apart; not yet read for its operation.
#[derive(Debug, PartialEq)]
pub(in crate::plugin) enum Answer {
    /// What `result` holds, or nothing.
    Result(Option<Value>),
    /// What `error` holds: a code and a message.
    Error(Option<String>, String),
    /// Not a reply: a line of a log.
    Noise,
}

/// Takes a JSON object apart that a plugin wrote.
pub(in crate::plugin) fn answer(mut members: Map<String, Value>) -> Answer {
    if LOG_MEMBERS.iter().any(|member| members.contains_key(*member)) {
        return Answer::Noise;
    }
    match members.remove("error") {
        Some(Value::String(message)) => return Answer::Error(None, message),
        Some(Value::Object(error)) => {
            let text = |name: &str| match error.get(name) {
                Some(Value::String(text)) => Some(text.clone()),
                Some(Value::Null) | None => None,
                Some(other) => Some(other.to_string()),
            };
            return Answer::Error(text("code"), text("message").unwrap_or_default());
        }
        Some(Value::Null) | None => {}
        Some(other) => return Answer::Error(None, other.to_string()),
    }
    match members.remove("result") {
        Some(Value::Null) => Answer::Result(None),
        Some(result) => Answer::Result(Some(result)),
        None if members.is_empty() => Answer::Result(None),
        None => Answer::Noise,
    }
}

/// The kind that an error of a plugin has.
pub(in crate::plugin) fn kind(code: Option<&str>, message: &str) -> ErrorKind {
    let code = code.unwrap_or_default().to_ascii_lowercase();
    match code.as_str() {
        "bad_request" => ErrorKind::Invalid { field: "payload".into() },
        "unauthorized" => ErrorKind::Unauthenticated,
        "" | "provider_error" if message.starts_with("unknown method") => ErrorKind::Unsupported,
        word => super::super::wire::kind(word, Some("payload"), None),
    }
}

/// The output of an operation from what `result` holds.
///
/// # Errors
/// Words for what is wrong with it.
pub(in crate::plugin) fn output(operation: Operation, input: &Value, result: Option<Value>) -> Result<Value, String> {
    use Operation as O;
    match operation {
        O::IncidentTimelineAppend | O::OrchestrationRunsStepsComplete => Ok(Value::Null),
        O::ServiceGet => one_service(input, result),
        O::LogQuery => page(operation, input, result, "entries"),
        O::MetricDescribe => page(operation, input, result, "metrics"),
        _ if !has(operation) => Ok(result.unwrap_or_default()),
        _ if operation.output_type().starts_with("Page<") => page(operation, input, result, "items"),
        _ => {
            let mut item = match (result, operation.effect()) {
                (Some(item @ Value::Object(_)), _) => item,
                (None, Effect::Write) => json!({ "id": input.get("id") }),
                (None, _) => return Err("a reply without a result".into()),
                (Some(other), _) => return Err(format!("expected an object as result, got {}", shape(&other))),
            };
            complete(&mut item, required(operation));
            Ok(item)
        }
    }
}

/// A page from a list, or from an object that holds the list under a name.
fn page(operation: Operation, input: &Value, result: Option<Value>, name: &str) -> Result<Value, String> {
    let mut page = Map::new();
    let items = match result {
        None => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(Value::Object(mut members)) if members.contains_key(name) => {
            if let Some(url) = members.remove("url") {
                page.insert("url".into(), url);
            }
            match members.remove(name) {
                Some(Value::Array(items)) => items,
                Some(Value::Null) | None => Vec::new(),
                Some(other) => return Err(format!("expected a list as `{name}`, got {}", shape(&other))),
            }
        }
        Some(Value::Object(members)) if members.is_empty() => Vec::new(),
        Some(other) => return Err(format!("expected a list as result, got {}", shape(&other))),
    };
    let mut items = items;
    items.iter_mut().for_each(|item| complete(item, required(operation)));
    if let Some(reason) = cut(operation, input, &mut items) {
        page.insert("truncated".into(), reason.into());
    }
    page.insert("items".into(), items.into());
    Ok(page.into())
}

/// Cuts a list to the limit; why items may be missing, if they may.
fn cut(operation: Operation, input: &Value, items: &mut Vec<Value>) -> Option<String> {
    if !operation.name().ends_with(".query") {
        return None;
    }
    let limit = input.get("limit").and_then(Value::as_u64).unwrap_or_else(|| DEFAULT_LIMIT.into());
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if items.len() < limit {
        return None;
    }
    items.truncate(limit);
    Some(format!("the plugin's protocol cannot say whether there are more than {limit} items"))
}

fn one_service(input: &Value, result: Option<Value>) -> Result<Value, String> {
    let page = page(Operation::ServiceQuery, &Value::Null, result, "items")?;
    let items = page.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok(items.iter().find(|item| item.get("id") == Some(input)).cloned().unwrap_or_default())
}

/// The texts that every item has; Go leaves none out, other languages do.
fn required(operation: Operation) -> &'static [&'static str] {
    use Operation as O;
    match operation {
        O::IncidentTimelineGet => &["id", "incidentId", "kind", "body"],
        O::IncidentQuery | O::IncidentGet | O::IncidentCreate | O::IncidentUpdate | O::AlertQuery | O::AlertGet => {
            &["id", "title", "status", "severity"]
        }
        O::LogQuery => &["message"],
        O::MetricQuery => &["name"],
        O::MetricDescribe => &["name", "type"],
        O::TicketQuery | O::TicketGet | O::TicketCreate | O::TicketUpdate => &["id", "title", "status"],
        O::MessagingSend => &["id", "channel"],
        O::ServiceQuery | O::TeamQuery | O::TeamGet => &["id", "name"],
        O::DeploymentQuery | O::DeploymentGet => &["id", "status"],
        O::TeamMembers => &["id"],
        O::OrchestrationPlansQuery | O::OrchestrationPlansGet => &["id", "title"],
        O::OrchestrationRunsQuery | O::OrchestrationRunsGet | O::OrchestrationRunsStart => &["id", "planId", "status"],
        _ => &[],
    }
}

/// Adds the texts that are missing, empty.
fn complete(item: &mut Value, texts: &[&str]) {
    if let Value::Object(members) = item {
        for text in texts {
            let member = members.entry(*text).or_insert(Value::Null);
            if member.is_null() {
                *member = "".into();
            }
        }
    }
}

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_told_from_log_lines() {
        let read = |value: Value| answer(value.as_object().unwrap().clone());
        assert_eq!(read(json!({ "error": "x" })), Answer::Error(None, "x".into()));
        assert_eq!(
            read(json!({ "error": { "code": "not_found" } })),
            Answer::Error(Some("not_found".into()), String::new())
        );
        assert_eq!(read(json!({ "error": "x", "result": 1 })), Answer::Error(None, "x".into()));
        assert_eq!(read(json!({ "error": null, "result": 1 })), Answer::Result(Some(json!(1))));
        assert_eq!(read(json!({})), Answer::Result(None));
        for noise in [
            json!({ "ready": true }),
            json!({ "status": "ok" }),
            json!({ "level": "info", "status": "ok" }),
            json!({ "level": "error", "msg": "the vendor says 500", "error": "500" }),
            json!({ "severity": "INFO", "message": "done", "result": "fine" }),
        ] {
            assert_eq!(read(noise.clone()), Answer::Noise, "{noise}");
        }
        assert_eq!(read(json!({ "result": 1, "time": 0.3 })), Answer::Result(Some(json!(1))));
    }

    #[test]
    fn a_page_as_long_as_the_limit_says_that_it_may_be_cut() {
        let input = json!({ "scope": {}, "limit": 2 });
        let items = |count: usize| Some(json!(vec![json!({ "id": "T" }); count]));
        let read = |count| output(Operation::TicketQuery, &input, items(count)).unwrap();
        assert_eq!(read(1).get("truncated"), None);
        for count in [2, 3] {
            let page = read(count);
            assert_eq!(page["items"].as_array().unwrap().len(), 2);
            assert!(page["truncated"].is_string());
        }
        assert_eq!(read(1)["items"][0], json!({ "id": "T", "title": "", "status": "" }));
    }

    #[test]
    fn a_missing_result_is_success_for_lists_and_changes_and_an_error_for_one_object() {
        let null = Value::Null;
        assert_eq!(output(Operation::TicketQuery, &null, None).unwrap(), json!({ "items": [] }));
        let updated = output(Operation::TicketUpdate, &json!({ "id": "T-1" }), None).unwrap();
        assert_eq!(updated, json!({ "id": "T-1", "title": "", "status": "" }));
        assert!(output(Operation::TicketGet, &json!("T-1"), None).is_err());
    }
}
