//! `GET /v1/openapi.json`: what stands below `/v1`, generated from the table of operations, the table of routes and the types.

mod example;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use opsorch_schema::{ApprovalRequest, Effect, Investigate, Investigation, Operation};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{approvals, audit, providers};
use crate::http::respond::{self, Problem};
use crate::http::route::{ROWS, Route, Row, Source};

/// Where the types stand in the document.
const SCHEMAS: &str = "#/components/schemas/";

pub(super) async fn document() -> Response {
    respond::json(StatusCode::OK, &openapi(), 256 * 1024).unwrap_or_else(|error| Problem(error).into_response())
}

/// The document, in OpenAPI 3.1.
fn openapi() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut writer = Writer { generator: settings.into_generator(), paths: Map::new() };
    for row in ROWS {
        writer.operation(row);
    }
    for route in super::listed() {
        writer.route(&route);
    }
    let mut schemas = writer.generator.take_definitions(true);
    schemas.insert("Problem".into(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "opsorch",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Reads every operational tool in one schema; changes pass a gate. A change that waits for people \
                            answers 202 with the request for their approval.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/v1" }],
        "security": [{ "bearer": [] }],
        "paths": writer.paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
            "responses": { "Problem": {
                "description": "It was not done, and why (RFC 9457).",
                "headers": { "Retry-After": { "schema": { "type": "integer" } } },
                "content": { "application/problem+json": { "schema": { "$ref": format!("{SCHEMAS}Problem") } } },
            } },
        },
    })
}

struct Writer {
    generator: SchemaGenerator,
    paths: Map<String, Value>,
}

impl Writer {
    fn add(&mut self, method: &str, path: &str, operation: Value) {
        let path = self.paths.entry(path).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(methods) = path {
            methods.insert(method.to_lowercase(), operation);
        }
    }

    /// An operation of the table.
    fn operation(&mut self, row: &Row) {
        let operation = row.operation;
        let mut described = json!({
            // One operation may have two addresses.
            "operationId": format!("{operation}{}", if row.input == Source::Address { ".by-address" } else { "" }),
            "summary": operation.summary(),
            "tags": [operation.capability().name()],
            "parameters": parameters(row),
            "responses": self.responses(row),
        });
        if let Some(body) = self.body(row) {
            set(&mut described, "requestBody", body);
        }
        self.add(row.method.as_str(), &format!("/{}", row.path), described);
    }

    fn responses(&mut self, row: &Row) -> Value {
        let output = self.output(row.operation);
        let is_page = row.operation.output_type().starts_with("Page<");
        let mut success = json!({ "description": "Done.", "content": { "application/json": { "schema": output } } });
        let mut headers = json!({});
        if is_page {
            set(&mut headers, "X-OpsOrch-Complete", json!({ "schema": { "enum": ["true", "false"] } }));
            let next = "The next page: send the body again to it.";
            set(&mut headers, "Link", json!({ "schema": { "type": "string" }, "description": next }));
        }
        if row.operation.effect() == Effect::Read {
            let at = "When the source was asked; of several, the earliest.";
            let schema = json!({ "type": "string", "format": "date-time" });
            set(&mut headers, "X-OpsOrch-Observed", json!({ "schema": schema, "description": at }));
            let age = "How many seconds ago that was, if the answer was kept since an earlier request.";
            let schema = json!({ "type": "integer", "minimum": 0 });
            set(&mut headers, "Age", json!({ "schema": schema, "description": age }));
        }
        if headers != json!({}) {
            set(&mut success, "headers", headers);
        }
        let mut responses = Map::new();
        responses.insert(row.status.as_str().to_owned(), success);
        if row.operation.effect() == Effect::Write {
            responses.insert("202".into(), self.answer::<ApprovalRequest>("It waits for people."));
        }
        responses.insert("default".into(), json!({ "$ref": "#/components/responses/Problem" }));
        Value::Object(responses)
    }

    fn output(&mut self, operation: Operation) -> Value {
        match operation.output_type().as_str() {
            "()" => json!({ "type": "object", "maxProperties": 0 }),
            _ => operation.output_schema(&mut self.generator).to_value(),
        }
    }

    /// The body: the input without what stands in the path.
    fn body(&mut self, row: &Row) -> Option<Value> {
        if !matches!(row.input, Source::Body | Source::OptionalBody) {
            return None;
        }
        let reference = row.operation.input_schema(&mut self.generator).to_value();
        let mut schema = resolve(&reference, self.generator.definitions()).clone();
        for name in placeholders(row.path) {
            if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
                required.retain(|field| field != name);
            }
        }
        let example = example::of(&schema, self.generator.definitions());
        Some(json!({
            "required": row.input == Source::Body,
            "content": { "application/json": { "schema": schema, "example": example } },
        }))
    }

    /// What is no operation.
    fn route(&mut self, route: &Route) {
        let path = route.path.strip_prefix("/v1").unwrap_or(&route.path);
        let key = format!("{} {path}", route.method);
        let body = match key.as_str() {
            "POST /approvals/{id}/approve" => Some(self.content::<approvals::Approve>()),
            "POST /approvals/{id}/deny" => Some(self.content::<approvals::Deny>()),
            "POST /approvals/{id}/revoke" => Some(self.content::<approvals::Revoke>()),
            "POST /providers/{capability}" => Some(self.content::<providers::Wanted>()),
            "POST /investigate" => Some(self.content::<Investigate>()),
            "POST /hooks/{provider}" => Some(json!({ "*/*": {} })),
            _ => None,
        };
        let success = match path {
            "/investigate" => self.answer::<Investigation>("What was found, and what was not."),
            "/approvals/{id}/redeem" => json_of("What the operation answers.", json!({ "type": "object" })),
            "/approvals" => {
                let item = self.generator.subschema_for::<ApprovalRequest>();
                let list = json!({ "type": "object", "required": ["items"], "properties": { "items": {
                    "type": "array", "items": item } } });
                json_of("Those that wait, and those that can be redeemed.", list)
            }
            path if path.starts_with("/approvals/") => self.answer::<ApprovalRequest>("The request, as it is now."),
            "/audit/entries" => self.answer::<audit::Entries>("Entries, and where to go on."),
            "/audit/checkpoint" | "/audit/keys" | "/metrics" | "/hooks/{provider}" => text("text/plain"),
            "/events" => text("text/event-stream"),
            _ => json_of("Done.", json!({ "type": "object" })),
        };
        let mut responses = json!({ "200": success, "default": { "$ref": "#/components/responses/Problem" } });
        if matches!(path, "/ready" | "/providers/{provider}/health") {
            set(&mut responses, "503", json_of("Not everything works.", json!({ "type": "object" })));
        }
        let in_path = placeholders(path).map(|name| parameter("path", name, true, json!({ "type": "string" })));
        let numbers = numbers(path)
            .iter()
            .map(|(name, needed)| parameter("query", name, *needed, json!({ "type": "integer", "minimum": 0 })));
        let mut described = json!({
            "operationId": key.to_lowercase().replace(['{', '}'], "").replace([' ', '/'], "."),
            "tags": [path.split('/').nth(1).unwrap_or_default()],
            "parameters": in_path.chain(numbers).collect::<Vec<_>>(),
            "responses": responses,
        });
        if let Some(content) = body {
            set(&mut described, "requestBody", json!({ "required": true, "content": content }));
        }
        if path.starts_with("/hooks/") {
            set(&mut described, "security", json!([]));
        }
        self.add(route.method.as_str(), path, described);
    }

    fn content<T: JsonSchema>(&mut self) -> Value {
        let schema = self.generator.subschema_for::<T>().to_value();
        let example = example::of(&schema, self.generator.definitions());
        json!({ "application/json": { "schema": schema, "example": example } })
    }

    fn answer<T: JsonSchema>(&mut self, description: &str) -> Value {
        json_of(description, self.generator.subschema_for::<T>().to_value())
    }
}

/// Adds a field to an object.
fn set(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(fields) = object {
        fields.insert(name.to_owned(), value);
    }
}

fn json_of(description: &str, schema: Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

fn text(content_type: &str) -> Value {
    json!({ "description": "Text.", "content": { content_type: { "schema": { "type": "string" } } } })
}

fn parameter(place: &str, name: &str, required: bool, schema: Value) -> Value {
    json!({ "in": place, "name": name, "required": required, "schema": schema })
}

/// What an operation takes beside its body.
fn parameters(row: &Row) -> Vec<Value> {
    let string = || json!({ "type": "string" });
    let mut parameters: Vec<_> = placeholders(row.path)
        .map(|name| parameter("path", name, true, json!({ "type": "string", "minLength": 1 })))
        .collect();
    parameters.push(parameter("query", "on", false, string()));
    if row.input == Source::Address {
        parameters.extend(["service", "environment", "team"].map(|name| parameter("query", name, false, string())));
    }
    if row.path.ends_with("/query") && row.input == Source::Body {
        parameters.push(parameter("query", "cursor", false, string()));
    }
    if row.operation.effect() == Effect::Write {
        parameters
            .extend(["Idempotency-Key", "X-OpsOrch-Reason"].map(|name| parameter("header", name, false, string())));
    }
    parameters
}

/// The numbers that a route takes in its address, and whether each must be there.
fn numbers(path: &str) -> &'static [(&'static str, bool)] {
    match path {
        "/audit/entries" => &[("from", false), ("limit", false)],
        "/audit/bundle" => &[("from", false), ("to", false)],
        "/audit/proofs/inclusion" => &[("sequence", true), ("size", true)],
        "/audit/proofs/consistency" => &[("from", true), ("to", true)],
        "/events" => &[("from", false)],
        _ => &[],
    }
}

fn placeholders(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

/// What a reference stands for.
fn resolve<'a>(schema: &'a Value, definitions: &'a Map<String, Value>) -> &'a Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix(SCHEMAS));
    name.and_then(|name| definitions.get(name)).unwrap_or(schema)
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "retryable", "mayHaveApplied"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "What was expected, what came, and what to do." },
            "code": { "type": "string", "description": "The kind of the error, such as `not_found`." },
            "field": { "type": "string", "description": "The part of the input that is wrong." },
            "retryable": { "type": "boolean" },
            "mayHaveApplied": { "type": "boolean", "description": "Whether a change may have been made all the same." },
            "context": { "type": "object", "additionalProperties": { "type": "string" } },
        },
    })
}
