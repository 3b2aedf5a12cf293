//! The line protocol of OpsOrch: its methods, payloads and results, as a host has them; [`served`] is the other side.
//!
//! In the middle are the inputs and outputs of the schema, as JSON; see section 10 of `docs/plugin-protocol.md`.

mod served;

use opsorch_schema::{DEFAULT_LIMIT, Effect, Operation, Time};
use serde_json::{Map, Value, json};

use crate::{Error, ErrorKind, Result};

pub(super) use self::served::{asked, code, result};

/// What the line protocol cannot say, of a query.
const NOT_SAID: [&str; 3] = ["cursor", "since", "until"];

/// What a plugin's log lines have and replies have not.
const LOG_MEMBERS: [&str; 8] = ["level", "msg", "message", "time", "ts", "timestamp", "severity", "logger"];

/// Whether the line protocol has an operation.
pub(super) fn has(operation: Operation) -> bool {
    use Operation as O;
    !matches!(
        operation,
        O::TeamOncall
            | O::AlertRaise
            | O::AlertAcknowledge
            | O::AlertResolve
            | O::AlertSilence
            | O::TicketComment
            | O::MessagingUpdate
            | O::DeploymentRecord
            | O::OrchestrationRunsCancel
    )
}

/// What the host sends for a call.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) payload: Value,
}

/// The method and the payload of a call.
///
/// # Errors
/// `Unsupported` for what the line protocol cannot say.
pub(super) fn ask(operation: Operation, input: &Value, now: Time) -> Result<Ask> {
    use Operation as O;
    let payload = match operation {
        O::IncidentGet | O::IncidentTimelineGet | O::AlertGet | O::TicketGet | O::DeploymentGet | O::TeamGet => {
            json!({ "id": input })
        }
        O::ServiceGet => return Ok(Ask { method: "service.query", payload: json!({ "ids": [input], "scope": {} }) }),
        O::TeamMembers => json!({ "teamID": input }),
        O::OrchestrationPlansGet => json!({ "planId": input }),
        O::OrchestrationRunsGet => json!({ "runId": input }),
        O::MetricDescribe => {
            let mut payload = object(input);
            payload.insert("scope".into(), input.clone());
            payload.into()
        }
        O::IncidentCreate => with_empty(object(input), ["status", "severity"]),
        O::IncidentUpdate | O::TicketUpdate => {
            let mut rest = object(input);
            let id = rest.remove("id");
            json!({ "id": id, "input": rest })
        }
        O::IncidentTimelineAppend => {
            let mut entry = object(input);
            let id = entry.remove("id");
            entry.entry("at").or_insert_with(|| json!(now));
            json!({ "entry": entry, "id": id, "input": entry })
        }
        O::OrchestrationRunsStart => {
            refuse_members(operation, input, &["fields", "metadata"])?;
            input.clone()
        }
        O::OrchestrationRunsStepsComplete => with_empty(object(input), ["actor", "note"]),
        _ if operation.effect() == Effect::Read && has(operation) => {
            refuse_members(operation, input, &NOT_SAID)?;
            let mut payload = object(input);
            match has_limit(operation) {
                // A plugin's own limit is not known, and where it is less than ours the reply would pass for everything.
                true => _ = payload.entry("limit").or_insert_with(|| DEFAULT_LIMIT.into()),
                false => _ = payload.remove("limit"),
            }
            payload.into()
        }
        _ => input.clone(),
    };
    Ok(Ask { method: operation.name(), payload })
}

/// Go writes these even if they are empty.
fn with_empty(mut payload: Map<String, Value>, names: [&str; 2]) -> Value {
    for name in names {
        payload.entry(name).or_insert_with(|| "".into());
    }
    payload.into()
}

/// Whether OpsOrch's query has a limit.
fn has_limit(operation: Operation) -> bool {
    !matches!(operation, Operation::MetricQuery | Operation::TeamQuery)
}

fn object(input: &Value) -> Map<String, Value> {
    input.as_object().cloned().unwrap_or_default()
}

fn refuse_members(operation: Operation, input: &Value, members: &[&str]) -> Result<()> {
    match members.iter().find(|member| input.get(**member).is_some()) {
        Some(member) => {
            let message = format!("the line protocol of this plugin has no `{member}` in {operation}; leave it out");
            Err(Error::unsupported(message).not_applied())
        }
        None => Ok(()),
    }
}

/// A reply, taken apart; not yet read for its operation.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// What `result` holds, or nothing.
    Result(Option<Value>),
    /// What `error` holds: a code and a message.
    Error(Option<String>, String),
    /// Not a reply: a line of a log.
    Noise,
}

/// Takes a JSON object apart that a plugin wrote.
pub(super) fn answer(mut members: Map<String, Value>) -> Answer {
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
        None if LOG_MEMBERS.iter().any(|member| members.contains_key(*member)) => Answer::Noise,
        None => Answer::Result(None),
    }
}

/// The kind that an error of a plugin has.
pub(super) fn kind(code: Option<&str>, message: &str) -> ErrorKind {
    let code = code.unwrap_or_default().to_ascii_lowercase();
    match code.as_str() {
        "bad_request" => ErrorKind::Invalid { field: "payload".into() },
        "unauthorized" => ErrorKind::Unauthenticated,
        "" | "provider_error" if message.starts_with("unknown method") => ErrorKind::Unsupported,
        word => super::wire::kind(word, Some("payload"), None),
    }
}

/// The output of an operation from what `result` holds.
///
/// # Errors
/// Words for what is wrong with it.
pub(super) fn output(operation: Operation, input: &Value, result: Option<Value>) -> Result<Value, String> {
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

    fn now() -> Time {
        "2026-05-01T12:00:00Z".parse().unwrap()
    }

    fn payload(operation: Operation, input: Value) -> Value {
        ask(operation, &input, now()).unwrap().payload
    }

    #[test]
    fn payloads_have_the_shapes_of_opsorch_and_both_spellings_where_its_plugins_disagree() {
        use Operation as O;
        assert_eq!(payload(O::TeamMembers, json!("t")), json!({ "teamID": "t" }));
        assert_eq!(
            payload(O::TicketUpdate, json!({ "id": "T-1", "title": "x" })),
            json!({ "id": "T-1", "input": { "title": "x" } })
        );
        let entry = json!({ "at": "2026-05-01T12:00:00Z", "kind": "note", "body": "b" });
        assert_eq!(
            payload(O::IncidentTimelineAppend, json!({ "id": "I-1", "kind": "note", "body": "b" })),
            json!({ "entry": entry, "id": "I-1", "input": entry })
        );
        assert_eq!(
            payload(O::MetricDescribe, json!({ "service": "api" })),
            json!({ "service": "api", "scope": { "service": "api" } })
        );
        let service = ask(O::ServiceGet, &json!("s"), now()).unwrap();
        assert_eq!((service.method, service.payload), ("service.query", json!({ "ids": ["s"], "scope": {} })));
        assert_eq!(
            payload(O::TeamQuery, json!({ "name": "x", "scope": {}, "limit": 5 })),
            json!({ "name": "x", "scope": {} })
        );
    }

    #[test]
    fn a_plugin_is_told_the_limit_by_which_its_reply_is_judged() {
        for operation in [Operation::TicketQuery, Operation::LogQuery, Operation::OrchestrationRunsQuery] {
            assert_eq!(payload(operation, json!({ "scope": {} }))["limit"], DEFAULT_LIMIT);
            assert_eq!(payload(operation, json!({ "scope": {}, "limit": 7 }))["limit"], 7);
        }
        assert_eq!(
            payload(Operation::MetricQuery, json!({ "scope": {} })),
            json!({ "scope": {} }),
            "it has none there"
        );
    }

    #[test]
    fn what_it_cannot_say_is_refused() {
        for member in NOT_SAID {
            let error = ask(Operation::IncidentQuery, &json!({ "scope": {}, member: "x" }), now()).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Unsupported, "{member}");
            assert!(!error.may_have_applied());
        }
        assert!(
            ask(Operation::OrchestrationRunsStart, &json!({ "planId": "p", "fields": { "a": 1 } }), now()).is_err()
        );
    }

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
        assert_eq!(read(json!({ "status": "ok" })), Answer::Result(None));
        assert_eq!(read(json!({ "level": "info", "status": "ok" })), Answer::Noise);
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

    #[test]
    fn every_operation_survives_the_way_to_a_plugin_of_ours_and_back() {
        for operation in Operation::ALL.iter().copied().filter(|one| has(*one) && *one != Operation::ServiceGet) {
            let input = match operation.input_type().as_str() {
                id if id.ends_with("Id") => json!("x-1"),
                "Scope" => json!({ "service": "api" }),
                _ => {
                    json!({ "id": "x-1", "kind": "k", "at": "2026-05-01T12:00:00Z", "scope": {}, "actor": "a", "note": "n" })
                }
            };
            let sent = ask(operation, &input, now()).unwrap();
            let (read, back) = asked(sent.method, sent.payload).unwrap();
            assert_eq!(read, operation);
            if operation != Operation::MetricDescribe && operation != Operation::IncidentCreate {
                let mut expected = input;
                if operation.name().ends_with(".query") && has_limit(operation) {
                    expected["limit"] = DEFAULT_LIMIT.into();
                }
                assert_eq!(back, expected, "{operation}");
            }
        }
    }
}
