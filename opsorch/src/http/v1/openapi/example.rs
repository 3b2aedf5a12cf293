//! An example of a type, from its JSON Schema: what must be there, and nothing else.

use serde_json::{Map, Value, json};

use super::resolve;

/// How deep an example goes.
const DEPTH: usize = 8;

/// An example that fits a schema.
pub(super) fn of(schema: &Value, definitions: &Map<String, Value>) -> Value {
    at(schema, definitions, "", DEPTH)
}

fn at(schema: &Value, definitions: &Map<String, Value>, name: &str, depth: usize) -> Value {
    let schema = resolve(schema, definitions);
    let Some(depth) = depth.checked_sub(1) else { return Value::Null };
    if let Some(given) = schema.get("const").or_else(|| first(schema, "enum")).or_else(|| first(schema, "examples")) {
        return given.clone();
    }
    if let Some(one) = first(schema, "anyOf").or_else(|| first(schema, "oneOf")).or_else(|| first(schema, "allOf")) {
        return at(one, definitions, name, depth);
    }
    let kind = schema.get("type").map(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str()).unwrap_or_default());
    match kind.unwrap_or_default() {
        "object" => object(schema, definitions, depth),
        "array" => json!([]),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
        "boolean" => json!(true),
        "string" => text(schema, name),
        _ => Value::Null,
    }
}

fn first<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema.get(name)?.get(0)
}

fn object(schema: &Value, definitions: &Map<String, Value>, depth: usize) -> Value {
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let fields = required.filter_map(|name| {
        let field = schema.get("properties")?.get(name)?;
        Some((name.to_owned(), at(field, definitions, name, depth)))
    });
    Value::Object(fields.collect())
}

fn text(schema: &Value, name: &str) -> Value {
    match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => json!("2026-01-02T03:04:05Z"),
        Some("uri") => json!("https://example.org"),
        _ if schema.get("pattern").and_then(Value::as_str).is_some_and(|pattern| pattern.contains("64")) => {
            json!("0".repeat(64))
        }
        _ if name.is_empty() => json!("text"),
        _ => json!(name),
    }
}
