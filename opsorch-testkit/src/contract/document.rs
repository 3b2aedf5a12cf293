//! An OpenAPI document, in the one dialect that the rest reads.

use opsorch::{Error, Result};
use serde_json::Value;

use super::schema::{Dialect, convert};
use super::swagger;
use crate::double::decode;

/// The most references in a row.
const MOST_REFERENCES: usize = 32;

/// Which way a body goes: what is `readOnly` is only asked of answers, what is `writeOnly` only of requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Direction {
    Request,
    Answer,
}

/// A document of OpenAPI 3, its schemas in the dialect 2020-12 of JSON Schema.
#[derive(Clone)]
pub(super) struct Document {
    root: Value,
    dialect: Dialect,
}

/// A value in a document, and where it is.
#[derive(Clone)]
pub(super) struct Node<'a> {
    document: &'a Document,
    pub(super) value: &'a Value,
    /// A JSON Pointer.
    pub(super) pointer: String,
}

impl Document {
    pub(super) fn new(root: Value) -> Result<Self> {
        let text = |name: &str| root.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (openapi, swagger) = (text("openapi"), text("swagger"));
        let minor: Vec<&str> = openapi.split('.').take(2).collect();
        match (minor.as_slice(), swagger.as_str()) {
            (["3", "0"], "") => Ok(Self { root, dialect: Dialect::Old }),
            (["3", "1"], "") => Ok(Self { root, dialect: Dialect::New }),
            ([""], "2.0") => Ok(Self { root: swagger::upgrade(root)?, dialect: Dialect::Old }),
            _ => {
                let found = if swagger.is_empty() { openapi } else { swagger };
                let message = "expected a document of OpenAPI 3.0 or 3.1 or of Swagger 2.0";
                Err(Error::invalid("openapi", message).with_context("version", format_args!("{found:?}")))
            }
        }
    }

    /// The document with its schemas converted, for bodies that go this way.
    pub(super) fn facing(mut self, direction: Direction) -> Self {
        each_schema(&mut self.root, &mut |schema| convert(schema, self.dialect, direction));
        self
    }

    pub(super) fn node(&self) -> Node<'_> {
        Node { document: self, value: &self.root, pointer: String::new() }
    }

    pub(super) fn at(&self, pointer: &str) -> Option<Node<'_>> {
        let value = self.root.pointer(pointer)?;
        Some(Node { document: self, value, pointer: pointer.to_owned() })
    }

    pub(super) fn into_root(self) -> Value {
        self.root
    }
}

impl<'a> Node<'a> {
    /// What this is, or refers to.
    pub(super) fn resolve(self) -> Result<Self> {
        let mut node = self;
        for _ in 0..MOST_REFERENCES {
            let Some(reference) = node.value.get("$ref").and_then(Value::as_str) else { return Ok(node) };
            let found = reference.strip_prefix('#').and_then(|pointer| node.document.at(&decode(pointer)));
            node = found.ok_or_else(|| node.error("expected a reference to something in this document"))?;
        }
        Err(node.error("expected a reference that ends; this one goes round"))
    }

    /// The property of this name, and what it refers to.
    pub(super) fn child(&self, name: &str) -> Result<Option<Self>> {
        let Some(value) = self.value.get(name) else { return Ok(None) };
        self.within(value, name).resolve().map(Some)
    }

    /// The properties of an object, each with what it refers to. Extensions (`x-…`) are left out.
    pub(super) fn entries(&self) -> Result<Vec<(String, Self)>> {
        let entries = self.value.as_object().into_iter().flatten().filter(|(name, _)| !name.starts_with("x-"));
        entries.map(|(name, value)| Ok((name.clone(), self.within(value, name).resolve()?))).collect()
    }

    /// The items of a list, each with what it refers to.
    pub(super) fn items(&self) -> Result<Vec<Self>> {
        let items = self.value.as_array().into_iter().flatten().enumerate();
        items.map(|(index, value)| self.within(value, &index.to_string()).resolve()).collect()
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.value.get(name)?.as_str()
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.value.get(name)?.as_bool()
    }

    pub(super) fn error(&self, message: &'static str) -> Error {
        Error::invalid("contract", message).with_context("at", format_args!("#{}", self.pointer))
    }

    pub(super) fn within(&self, value: &'a Value, name: &str) -> Self {
        let name = name.replace('~', "~0").replace('/', "~1");
        Self { document: self.document, value, pointer: format!("{}/{name}", self.pointer) }
    }
}

/// Every schema of a document that is in no other schema.
fn each_schema(root: &mut Value, change: &mut impl FnMut(&mut Value)) {
    let Some(root) = root.as_object_mut() else { return };
    for (name, section) in root {
        match name.as_str() {
            "definitions" => each_value(section, change),
            "components" => {
                for (name, section) in section.as_object_mut().into_iter().flatten() {
                    match name.as_str() {
                        "schemas" => each_value(section, change),
                        _ => each_value(section, &mut |part| each_schema_of(part, change)),
                    }
                }
            }
            _ => each_value(section, &mut |part| each_schema_of(part, change)),
        }
    }
}

/// The schemas of a part that is no schema itself: an operation, a parameter, an answer.
fn each_schema_of(part: &mut Value, change: &mut impl FnMut(&mut Value)) {
    match part {
        Value::Object(entries) => {
            for (name, value) in entries {
                match name.as_str() {
                    "schema" => change(value),
                    "example" | "examples" | "default" => (),
                    // Here names are free: a header may be called "schema", and an answer is called "default".
                    "headers" | "responses" => each_value(value, &mut |header| each_schema_of(header, &mut *change)),
                    _ => each_schema_of(value, &mut *change),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_schema_of(item, &mut *change)),
        _ => (),
    }
}

fn each_value(map: &mut Value, change: &mut impl FnMut(&mut Value)) {
    map.as_object_mut().into_iter().flatten().for_each(|(_, value)| change(value));
}
