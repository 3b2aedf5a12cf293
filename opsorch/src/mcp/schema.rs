//! JSON Schemas that stand for themselves, as tools carry them.

use std::collections::BTreeSet;

use schemars::generate::{Contract, SchemaSettings};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Where a schema has its definitions.
const DEFINITIONS: &str = "#/$defs/";

/// The formats that JSON Schema knows; others, such as `uint32`, make validators complain.
const FORMATS: [&str; 4] = ["date-time", "date", "uri", "uuid"];

/// The schema of what a tool takes.
pub(super) fn input(of: impl FnOnce(&mut SchemaGenerator) -> Schema) -> Map<String, Value> {
    standalone(Contract::Deserialize, of)
}

/// The schema of what a tool answers.
pub(super) fn output(of: impl FnOnce(&mut SchemaGenerator) -> Schema) -> Map<String, Value> {
    standalone(Contract::Serialize, of)
}

/// A schema that needs nothing beside it: an object, with the definitions it refers to.
fn standalone(contract: Contract, of: impl FnOnce(&mut SchemaGenerator) -> Schema) -> Map<String, Value> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    settings.contract = contract;
    let mut generator = settings.into_generator();
    let mut root = of(&mut generator).to_value();
    let mut definitions = generator.take_definitions(true);
    // What an action or a query holds, its own tool says; all of them together would be most of the list.
    for (name, what) in [("Action", "A change"), ("Query", "A read")] {
        if let Some(definition) = definitions.get_mut(name) {
            *definition = json!({
                "description": format!("{what}: an operation with its input."),
                "type": "object",
                "required": ["operation", "input"],
                "properties": { "operation": { "type": "string" }, "input": {} },
            });
        }
    }
    if let Some(named) = reference(&root).and_then(|name| definitions.get(name)) {
        root = named.clone();
    }
    let needed = reachable(&root, &definitions);
    definitions.retain(|name, _| needed.contains(name));
    if !definitions.is_empty()
        && let Value::Object(object) = &mut root
    {
        object.insert("$defs".into(), Value::Object(definitions));
    }
    plain(&mut root);
    match root {
        Value::Object(object) => object,
        other => Map::from_iter([("const".to_owned(), other)]),
    }
}

/// The definition that a schema is nothing but a reference to.
fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(DEFINITIONS)
}

/// The names of the definitions that a schema needs, directly or not.
fn reachable(root: &Value, definitions: &Map<String, Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![root];
    while let Some(value) = open.pop() {
        if let Some(name) = reference(value)
            && found.insert(name.to_owned())
        {
            open.extend(definitions.get(name));
        }
        match value {
            Value::Object(object) => open.extend(object.values()),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found
}

/// Takes away formats that are not of JSON Schema.
fn plain(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            let is_foreign = |format: &Value| format.as_str().is_some_and(|name| !FORMATS.contains(&name));
            if object.get("format").is_some_and(is_foreign) {
                object.remove("format");
            }
            object.values_mut().for_each(plain);
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}
