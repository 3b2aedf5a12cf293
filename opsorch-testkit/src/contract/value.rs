//! From text to the values that it may stand for.
//!
//! In a query and in a form everything is text. Whether `7` is a number is the schema's to say; where it permits both,
//! either will do.

use serde_json::{Map, Number, Value};

use super::schemas::{Fault, SchemaId, Schemas};

/// What is wrong with all of these: the faults of the first, which is the likeliest, or none where one is right.
pub(super) fn judge(candidates: Vec<Value>, schema: SchemaId, schemas: &Schemas) -> Vec<Fault> {
    let mut first = Vec::new();
    for candidate in candidates {
        let faults = schemas.faults(schema, candidate);
        if faults.is_empty() {
            return faults;
        }
        if first.is_empty() {
            first = faults;
        }
    }
    first
}

/// Whether one of the shapes is of this type, or none says a type.
fn permits(shapes: &[&Value], kind: &str) -> bool {
    wants(shapes, kind) || !shapes.iter().any(|shape| says_something(shape))
}

/// Whether one of the shapes is of this type.
pub(super) fn wants(shapes: &[&Value], kind: &str) -> bool {
    shapes.iter().any(|shape| {
        let types = match shape.get("type") {
            Some(Value::Array(types)) => types.iter().any(|known| known == kind),
            Some(known) => known == kind,
            None => match kind {
                "array" => shape.get("items").is_some(),
                "object" => shape.get("properties").is_some(),
                _ => false,
            },
        };
        types || words(shape).any(|word| type_of(word) == kind)
    })
}

/// The names of the properties of the shapes.
pub(super) fn properties<'a>(shapes: &[&'a Value]) -> Vec<&'a str> {
    let objects = shapes.iter().filter_map(|shape| shape.get("properties")?.as_object());
    objects.flat_map(|properties| properties.keys().map(String::as_str)).collect()
}

/// A text as a value of its own.
pub(super) fn scalars(text: &str, shapes: &[&Value]) -> Vec<Value> {
    let flag = match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    };
    let mut values = Vec::new();
    values.extend(flag.filter(|_| permits(shapes, "boolean")).map(Value::Bool));
    if permits(shapes, "number") || permits(shapes, "integer") {
        values.extend(number(text, wants(shapes, "number")).map(Value::Number));
    }
    values.extend((text.is_empty() && wants(shapes, "null")).then_some(Value::Null));
    values.push(Value::String(text.to_owned()));
    values
}

/// A text as a number. JSON Schema takes `1e1` and `10.0` for integers too, servers that read parameters do not.
fn number(text: &str, with_fraction: bool) -> Option<Number> {
    let is_plain = text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit());
    let is_bare = !text.contains(char::is_whitespace);
    serde_json::from_str(text).ok().filter(|_| is_plain || (with_fraction && is_bare))
}

/// Texts as a list: its items as their schema has them, or all of them texts.
pub(super) fn lists(texts: &[String], shapes: &[&Value], schemas: &Schemas) -> Vec<Value> {
    let items = shapes.iter().find_map(|shape| shape.get("items"));
    let items = schemas.shapes_of(items);
    let likely = texts.iter().filter_map(|text| scalars(text, &items).into_iter().next()).collect();
    vec![Value::Array(likely), Value::Array(texts.iter().map(|text| Value::String(text.clone())).collect())]
}

/// Pairs as an object: its properties as their schemas have them, or all of them texts.
pub(super) fn objects(pairs: &[(String, String)], schema: Option<SchemaId>, schemas: &Schemas) -> Vec<Value> {
    let shapes = schema.map(|schema| schemas.shapes(schema)).unwrap_or_default();
    let (mut likely, mut plain) = (Map::new(), Map::new());
    for (name, text) in pairs {
        if likely.contains_key(name) {
            continue;
        }
        let property = shapes.iter().find_map(|shape| shape.get("properties")?.get(name));
        let shapes = schemas.shapes_of(property);
        let texts: Vec<String> = pairs.iter().filter(|pair| pair.0 == *name).map(|pair| pair.1.clone()).collect();
        let value = if wants(&shapes, "array") && !text.starts_with('[') {
            lists(&texts, &shapes, schemas).into_iter().next()
        } else if texts.len() > 1 {
            // More than one where one is wanted: a list, which the schema then refuses.
            Some(texts.into())
        } else {
            structure(text, &shapes).or_else(|| scalars(text, &shapes).into_iter().next())
        };
        likely.insert(name.clone(), value.unwrap_or_default());
        plain.insert(name.clone(), Value::String(text.clone()));
    }
    let repeated = pairs.len() > plain.len();
    let plain = (!repeated).then_some(Value::Object(plain));
    [Some(Value::Object(likely)), plain].into_iter().flatten().collect()
}

/// An object or a list in a form is JSON.
fn structure(text: &str, shapes: &[&Value]) -> Option<Value> {
    let wanted = wants(shapes, "object") || wants(shapes, "array");
    let value: Value = wanted.then(|| serde_json::from_str(text).ok())??;
    (value.is_object() || value.is_array()).then_some(value)
}

fn says_something(shape: &Value) -> bool {
    shape.get("type").is_some() || words(shape).next().is_some()
}

/// The values that a shape lists.
fn words(shape: &Value) -> impl Iterator<Item = &Value> {
    shape.get("enum").and_then(Value::as_array).into_iter().flatten().chain(shape.get("const"))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
