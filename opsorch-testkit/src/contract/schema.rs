//! From the schemas of OpenAPI to JSON Schema, dialect 2020-12.

use serde_json::{Map, Value, json};

use super::document::Direction;

/// The dialect of a document's schemas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Dialect {
    /// Swagger 2.0 and OpenAPI 3.0: with `nullable`, `exclusiveMinimum` as a flag, and nothing beside a `$ref`.
    Old,
    /// OpenAPI 3.1: it is JSON Schema.
    New,
}

const ONE_SCHEMA: [&str; 10] = [
    "items",
    "additionalProperties",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
];
const LIST_OF_SCHEMAS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
const MAP_OF_SCHEMAS: [&str; 5] = ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"];

/// Rewrites a schema and all within it.
pub(super) fn convert(schema: &mut Value, dialect: Dialect, direction: Direction) {
    let Value::Object(keywords) = schema else { return };
    for (name, value) in keywords.iter_mut() {
        match name.as_str() {
            name if ONE_SCHEMA.contains(&name) => convert(value, dialect, direction),
            name if LIST_OF_SCHEMAS.contains(&name) => {
                value.as_array_mut().into_iter().flatten().for_each(|schema| convert(schema, dialect, direction));
            }
            name if MAP_OF_SCHEMAS.contains(&name) => {
                let properties = value.as_object_mut().into_iter().flatten();
                properties.for_each(|(_, schema)| convert(schema, dialect, direction));
            }
            _ => (),
        }
    }
    require_what_goes_this_way(keywords, direction);
    if dialect == Dialect::Old {
        modernise(keywords);
    }
}

/// Takes what does not go this way from the required properties.
fn require_what_goes_this_way(keywords: &mut Map<String, Value>, direction: Direction) {
    let mark = match direction {
        Direction::Request => "readOnly",
        Direction::Answer => "writeOnly",
    };
    let Some(properties) = keywords.get("properties").and_then(Value::as_object) else { return };
    let other_way = |name: &Value| {
        let property = name.as_str().and_then(|name| properties.get(name));
        property.and_then(|property| property.get(mark)).is_some_and(|marked| *marked == Value::Bool(true))
    };
    let Some(Value::Array(required)) = keywords.get("required") else { return };
    let required: Vec<Value> = required.iter().filter(|name| !other_way(name)).cloned().collect();
    keywords.insert("required".to_owned(), Value::Array(required));
}

fn modernise(keywords: &mut Map<String, Value>) {
    let nullable = ["nullable", "x-nullable"].iter().any(|name| keywords.get(*name) == Some(&Value::Bool(true)));
    if keywords.get("$ref").is_some_and(Value::is_string) {
        // `readOnly` stays for the schema around this one.
        keywords.retain(|name, _| matches!(name.as_str(), "$ref" | "readOnly" | "writeOnly"));
    }
    for (flag, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        if let Some(Value::Bool(exclusive)) = keywords.get(flag) {
            let bound = exclusive.then(|| keywords.remove(bound)).flatten();
            keywords.remove(flag);
            bound.and_then(|bound| keywords.insert(flag.to_owned(), bound));
        }
    }
    // A file is whatever the body is.
    if keywords.get("type").is_some_and(|kind| kind == "file") {
        keywords.remove("type");
    }
    if nullable {
        permit_null(keywords);
    }
}

/// `nullable` beside a type adds one; beside a reference or a composition, where OpenAPI 3.0 gives it no meaning, it is
/// taken as its author meant it.
fn permit_null(keywords: &mut Map<String, Value>) {
    let composed = ["$ref", "allOf", "anyOf", "oneOf", "not"].iter().any(|name| keywords.contains_key(*name));
    match keywords.get("type") {
        Some(Value::String(kind)) if !composed => {
            let kinds = json!([kind, "null"]);
            keywords.insert("type".to_owned(), kinds);
            if let Some(Value::Array(words)) = keywords.get_mut("enum")
                && !words.contains(&Value::Null)
            {
                words.push(Value::Null);
            }
        }
        // Without a type and a composition null is permitted already, unless words are listed.
        _ => {
            let marks = ["readOnly", "writeOnly"].map(|mark| (mark, keywords.get(mark).cloned()));
            let rest = std::mem::take(keywords);
            keywords.insert("anyOf".to_owned(), json!([{ "type": "null" }, rest]));
            for (mark, value) in marks {
                value.and_then(|value| keywords.insert(mark.to_owned(), value));
            }
        }
    }
}
