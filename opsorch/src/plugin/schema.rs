//! The JSON Schema of protocol 2.

use opsorch_schema::{Actor, Operation, Target};
use schemars::generate::SchemaSettings;
use schemars::{Schema, json_schema};
use serde_json::{Map, Value, json};

use super::wire::{
    Approval, Caller, Cancel, Failure, HealthReport, Initialize, Initialized, Progress, Reconcile, ReconcileReport,
};

/// The JSON Schema of the plugin protocol: every message, and the inputs and outputs of every operation, by name in
/// `$defs/inputs` and `$defs/outputs`. It is what `docs/plugin-protocol.schema.json` holds.
pub fn protocol_schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut messages = Map::new();
    let mut message = |name: &str, schema: Schema| messages.insert(name.into(), schema.into());
    message("initialize", generator.subschema_for::<Initialize>());
    message("initialized", generator.subschema_for::<Initialized>());
    message("context", generator.subschema_for::<Caller<Actor, String>>());
    message("approval", generator.subschema_for::<Approval<Target, Vec<Actor>, String>>());
    message("error", generator.subschema_for::<Failure>());
    message("cancel", generator.subschema_for::<Cancel>());
    message("progress", generator.subschema_for::<Progress>());
    message("health", generator.subschema_for::<HealthReport>());
    message("reconcile", generator.subschema_for::<Reconcile>());
    message("reconciled", generator.subschema_for::<ReconcileReport>());
    message(
        "call",
        json_schema!({
            "type": "object",
            "properties": {
                "input": true,
                "context": { "$ref": "#/$defs/messages/context" },
                "timeoutMs": { "type": "integer", "minimum": 0 },
                "approval": { "$ref": "#/$defs/messages/approval" },
            },
            "required": ["input", "context", "timeoutMs"],
        }),
    );
    let mut inputs = Map::new();
    let mut outputs = Map::new();
    for operation in Operation::ALL {
        inputs.insert(operation.name().into(), operation.input_schema(&mut generator).into());
        outputs.insert(operation.name().into(), operation.output_schema(&mut generator).into());
    }
    let mut definitions = generator.take_definitions(true);
    definitions.insert("messages".into(), messages.into());
    definitions.insert("inputs".into(), inputs.into());
    definitions.insert("outputs".into(), outputs.into());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The plugin protocol of opsorch, version 2",
        "description": "A frame is one of these on one line; see plugin-protocol.md.",
        "oneOf": [
            { "$ref": "#/$defs/request" }, { "$ref": "#/$defs/notification" }, { "$ref": "#/$defs/reply" },
        ],
        "$defs": with_frames(definitions),
    })
}

fn with_frames(mut definitions: Map<String, Value>) -> Map<String, Value> {
    let frame = |properties: Value, required: Value| json!({ "type": "object", "properties": properties, "required": required });
    let version = json!({ "const": "2.0" });
    let id = json!({ "type": "integer", "minimum": 0 });
    let frames = [
        (
            "request",
            frame(
                json!({ "jsonrpc": version, "id": id, "method": { "type": "string" }, "params": { "type": "object" } }),
                json!(["jsonrpc", "id", "method"]),
            ),
        ),
        ("notification", {
            let mut notification = frame(
                json!({ "jsonrpc": version, "method": { "enum": ["cancel", "progress", "shutdown"] }, "params": { "type": "object" } }),
                json!(["jsonrpc", "method"]),
            );
            if let Value::Object(members) = &mut notification {
                members.insert("not".into(), json!({ "required": ["id"] }));
            }
            notification
        }),
        ("reply", {
            let mut reply = frame(
                json!({ "jsonrpc": version, "id": id, "result": true, "error": { "$ref": "#/$defs/messages/error" } }),
                json!(["jsonrpc", "id"]),
            );
            if let Value::Object(members) = &mut reply {
                members.insert("oneOf".into(), json!([{ "required": ["result"] }, { "required": ["error"] }]));
                members.insert("not".into(), json!({ "required": ["method"] }));
            }
            reply
        }),
    ];
    frames.into_iter().for_each(|(name, schema)| drop(definitions.insert(name.into(), schema)));
    definitions
}
