//! The line protocol of OpsOrch: its methods, payloads and results, as a host has them; [`served`] is the other side.
//!
//! In the middle are the inputs and outputs of the schema, as JSON; see section 10 of `docs/plugin-protocol.md`.

mod reply;
mod served;

use opsorch_schema::{DEFAULT_LIMIT, Effect, Operation, Time};
use serde_json::{Map, Value, json};

use crate::{Error, Result};

pub(super) use self::reply::{Answer, answer, kind, output};
pub(super) use self::served::{asked, code, is_paged, result};

/// What the line protocol cannot say, of a query.
const NOT_SAID: [&str; 3] = ["cursor", "since", "until"];

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

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
