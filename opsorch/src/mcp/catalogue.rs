//! The tools there are, as they are listed.

use opsorch_schema::{ApprovalRequest, Capability, Effect, Investigate, Investigation, Operation};
use rmcp::model::{Tool, ToolAnnotations};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::names::{self, Input, ROWS, Row};
use super::schema;
use crate::http::Role;

/// What a tool does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Operation(Operation),
    Other(Other),
}

/// What is no operation. There is nothing here, and nothing is to be added, that answers a request for approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Other {
    ListProviders,
    Investigate,
    ListApprovals,
    GetApproval,
    RedeemApproval,
    WithdrawApproval,
}

impl Other {
    const ALL: [Self; 6] = [
        Self::ListProviders,
        Self::Investigate,
        Self::ListApprovals,
        Self::GetApproval,
        Self::RedeemApproval,
        Self::WithdrawApproval,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ListProviders => "list-providers",
            Self::Investigate => "investigate-incident",
            Self::ListApprovals => "list-approvals",
            Self::GetApproval => "get-approval",
            Self::RedeemApproval => "redeem-approval",
            Self::WithdrawApproval => "withdraw-approval",
        }
    }

    /// Who may use it, as on the same routes of `/v1`.
    pub(super) fn role(self) -> Role {
        match self {
            Self::RedeemApproval | Self::WithdrawApproval => Role::Operator,
            _ => Role::Viewer,
        }
    }

    fn summary(self) -> &'static str {
        match self {
            Self::ListProviders => {
                "Lists the providers there are, or those of one capability, and which operations each offers."
            }
            Self::Investigate => {
                "Gathers what all sources know about an incident: timeline, alerts, error logs, key metrics, deployments, \
                 service, team, who is on call, open tickets; and what could not be found out."
            }
            Self::ListApprovals => {
                "Lists the changes that wait for people, and those that were approved and can be made."
            }
            Self::GetApproval => {
                "Reads what became of a proposed change. Poll it; it answers nothing and changes nothing."
            }
            Self::RedeemApproval => {
                "Makes a change that people have approved, exactly as it was approved, once; a repeat gives what the first gave."
            }
            Self::WithdrawApproval => "Takes back a change that was proposed here and is not made yet.",
        }
    }

    fn annotations(self) -> ToolAnnotations {
        let hints = |reads, alters, world| {
            ToolAnnotations::new().read_only(reads).destructive(alters).idempotent(true).open_world(world)
        };
        match self {
            Self::Investigate => hints(true, false, true),
            Self::RedeemApproval => hints(false, true, true),
            Self::WithdrawApproval => hints(false, true, false),
            _ => hints(true, false, false),
        }
    }

    fn input(self) -> Map<String, Value> {
        let mut input = match self {
            Self::Investigate => schema::input(SchemaGenerator::subschema_for::<Investigate>),
            Self::ListApprovals => schema::input(|_| object(&[])),
            Self::ListProviders => schema::input(|generator| {
                let capability = generator.subschema_for::<Capability>();
                json_schema!({
                    "type": "object",
                    "properties": { "capability": capability },
                    "additionalProperties": false,
                })
            }),
            _ => schema::input(|_| object(&["id"])),
        };
        if matches!(self, Self::Investigate | Self::ListApprovals | Self::GetApproval | Self::ListProviders) {
            add(&mut input, "cursor", CURSOR);
        }
        input
    }

    fn output(self) -> Map<String, Value> {
        schema::output(|generator| match self {
            Self::Investigate => generator.subschema_for::<Investigation>(),
            Self::ListProviders => {
                list(&json_schema!({ "type": "object", "required": ["name", "kind", "operations"] }))
            }
            Self::ListApprovals => list(&generator.subschema_for::<ApprovalRequest>()),
            Self::GetApproval | Self::WithdrawApproval => proposal(generator, &["approval", "next"]),
            Self::RedeemApproval => json_schema!({
                "type": "object",
                "required": ["status", "result"],
                "properties": { "status": { "const": "done" }, "result": { "type": "object" } },
            }),
        })
    }
}

const CURSOR: &str = "Where to go on: the cursor of an earlier answer, with otherwise the same arguments.";
const ON: &str = "The provider; needed where several serve this.";
const JUSTIFICATION: &str = "Why, for the people who are asked for their approval.";
const KEY: &str = "Makes a repetition harmless: the same key again gives what the first call gave, for a day.";

/// A tool, and what it does.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) does: Does,
    pub(super) tool: Tool,
}

/// All tools, in the order of the table.
pub(super) fn all() -> Vec<Listed> {
    let others = Other::ALL.into_iter().map(|other| {
        let tool = Tool::new(other.name(), other.summary(), other.input())
            .with_raw_output_schema(other.output().into())
            .with_annotations(other.annotations());
        Listed { does: Does::Other(other), tool }
    });
    ROWS.iter().map(listed).chain(others).collect()
}

fn listed(row: &Row) -> Listed {
    let tool = Tool::new(row.name, description(row.operation), operation_input(row.operation))
        .with_raw_output_schema(operation_output(row.operation).into())
        .with_annotations(row.annotations());
    Listed { does: Does::Operation(row.operation), tool }
}

fn description(operation: Operation) -> String {
    let summary = operation.summary();
    let mut letters = summary.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase()).unwrap_or_default();
    let more = match operation.effect() {
        Effect::Write => {
            " This is a proposal: a policy may have people asked first. Then `status` is `waiting`; poll `get-approval`, and \
             call `redeem-approval` once it is active."
        }
        _ if names::is_list(operation) => " Answers a page; where it has `next`, there is more.",
        _ => "",
    };
    format!("{first}{}.{more}", letters.as_str())
}

fn operation_input(operation: Operation) -> Map<String, Value> {
    let mut input = match Input::of(operation) {
        Input::Fields => schema::input(|generator| operation.input_schema(generator)),
        Input::Id => schema::input(|_| object(&["id"])),
        Input::Scope => schema::input(|generator| {
            let scope = operation.input_schema(generator);
            json_schema!({ "type": "object", "properties": { "scope": scope }, "additionalProperties": false })
        }),
    };
    add(&mut input, "on", ON);
    if operation.effect() == Effect::Write {
        add(&mut input, "justification", JUSTIFICATION);
        add(&mut input, "idempotencyKey", KEY);
    } else {
        add(&mut input, "cursor", CURSOR);
    }
    input
}

fn operation_output(operation: Operation) -> Map<String, Value> {
    schema::output(|generator| {
        if operation.effect() == Effect::Read {
            return operation.output_schema(generator);
        }
        let result = match operation.output_type().as_str() {
            "()" => json_schema!({ "type": "object" }),
            _ => operation.output_schema(generator),
        };
        let mut schema = proposal(generator, &["status"]);
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            properties.insert("status".into(), json!({ "enum": ["done", "waiting"] }));
            properties.insert("result".into(), result.to_value());
        }
        schema
    })
}

/// What is told of a change that was proposed.
fn proposal(generator: &mut SchemaGenerator, required: &[&str]) -> Schema {
    let approval = generator.subschema_for::<ApprovalRequest>();
    json_schema!({
        "type": "object",
        "required": required,
        "properties": {
            "approval": approval,
            "waitsFor": { "type": "string", "description": "The people who must agree." },
            "next": { "type": "string", "description": "What to do next." },
        },
    })
}

/// An object of texts, all of which must be there.
fn object(texts: &[&str]) -> Schema {
    let properties: Map<String, Value> =
        texts.iter().map(|name| ((*name).to_owned(), json!({ "type": "string", "minLength": 1 }))).collect();
    json_schema!({ "type": "object", "properties": properties, "required": texts, "additionalProperties": false })
}

fn list(item: &Schema) -> Schema {
    json_schema!({
        "type": "object",
        "required": ["items"],
        "properties": { "items": { "type": "array", "items": item }, "next": { "type": "string" } },
    })
}

/// Adds an optional text to the arguments; one that the input has already stays as it is.
fn add(input: &mut Map<String, Value>, name: &str, description: &str) {
    let properties = input.entry("properties").or_insert_with(|| json!({}));
    if let Value::Object(properties) = properties {
        properties.entry(name).or_insert_with(|| json!({ "type": "string", "description": description }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_an_object_that_needs_nothing_beside_it() {
        for listed in all() {
            let output = listed.tool.output_schema.as_ref().expect("every tool has one");
            for schema in [&*listed.tool.input_schema, &**output] {
                assert_eq!(schema.get("type"), Some(&json!("object")), "{}", listed.tool.name);
                let text = Value::Object(schema.clone()).to_string();
                for reference in text.split("\"$ref\":\"").skip(1) {
                    let path = reference.split('"').next().unwrap_or_default();
                    let found = Value::Object(schema.clone()).pointer(path.trim_start_matches('#')).is_some();
                    assert!(found, "{}: {path}", listed.tool.name);
                }
            }
        }
    }

    #[test]
    fn what_this_surface_adds_hides_no_field_of_an_input() {
        for operation in Operation::ALL.iter().filter(|operation| Input::of(**operation) == Input::Fields) {
            let own = schema::input(|generator| operation.input_schema(generator));
            let own = own.get("properties").and_then(Value::as_object).expect("an object");
            let added: &[&str] =
                if operation.effect() == Effect::Write { &["on", "justification", "idempotencyKey"] } else { &["on"] };
            for name in added {
                assert!(!own.contains_key(*name), "{operation} has a field `{name}`");
            }
        }
    }
}
