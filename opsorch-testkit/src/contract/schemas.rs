//! All schemas of a document, compiled.

use std::collections::HashMap;
use std::fmt::Write;

use jsonschema::{Draft, Validator};
use opsorch::{Error, Result};
use serde_json::{Map, Value, json};

use super::document::{Document, Node};
use crate::double::decode;

/// Which of the schemas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SchemaId(usize);

/// The most faults that are told of one value.
const MOST_FAULTS: usize = 20;

/// Collects the schemas of a document that are needed.
#[derive(Default)]
pub(super) struct Builder {
    pointers: Vec<String>,
    known: HashMap<String, usize>,
}

/// Schemas of one document, compiled together so that what several refer to is compiled once.
pub(super) struct Schemas {
    document: Document,
    pointers: Vec<String>,
    validator: Validator,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    /// A JSON Pointer into the value.
    pub(super) at: String,
    /// Without the value, which may be a secret.
    pub(super) message: String,
}

impl Builder {
    pub(super) fn add(&mut self, schema: &Node<'_>) -> SchemaId {
        let id = *self.known.entry(schema.pointer.clone()).or_insert(self.pointers.len());
        if id == self.pointers.len() {
            self.pointers.push(schema.pointer.clone());
        }
        SchemaId(id)
    }

    /// Compiles them.
    ///
    /// # Errors
    /// `Invalid` that names the first schema that cannot be compiled.
    pub(super) fn build(self, document: Document) -> Result<Schemas> {
        match compile(&document, &self.pointers) {
            Ok(validator) => Ok(Schemas { document, pointers: self.pointers, validator }),
            Err(error) => Err(self.blame(&document, error)),
        }
    }

    /// Finds one that is broken by halves: the error of all together does not say which it was.
    fn blame(&self, document: &Document, mut error: String) -> Error {
        let mut suspects = self.pointers.as_slice();
        while suspects.len() > 1 {
            let (left, right) = suspects.split_at(suspects.len() / 2);
            suspects = right;
            if let Err(found) = compile(document, left) {
                (error, suspects) = (found, left);
            }
        }
        let at = suspects.first().map(String::as_str).unwrap_or_default();
        Error::invalid("contract", format!("a schema cannot be compiled: {error}"))
            .with_context("at", format_args!("#{at}"))
    }
}

/// One schema with a property for each: property `3` is the fourth of them.
fn compile(document: &Document, pointers: &[String]) -> Result<Validator, String> {
    let mut root = document.clone().into_root();
    let each = pointers.iter().enumerate();
    let properties: Map<_, _> =
        each.map(|(id, pointer)| (id.to_string(), json!({ "$ref": fragment(pointer) }))).collect();
    if let Some(root) = root.as_object_mut() {
        root.insert("properties".to_owned(), Value::Object(properties));
    }
    let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true).offline();
    options.build(&root).map_err(|error| error.to_string())
}

/// A JSON Pointer as a reference: braces, as in templates of paths, are no characters of a URI.
fn fragment(pointer: &str) -> String {
    let mut fragment = "#".to_owned();
    for byte in pointer.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'~' | b'-' | b'.' | b'_' => fragment.push(byte.into()),
            // Writing to a string does not fail.
            _ => drop(write!(fragment, "%{byte:02X}")),
        }
    }
    fragment
}

impl Schemas {
    /// What is wrong with a value, or nothing.
    pub(super) fn faults(&self, schema: SchemaId, value: Value) -> Vec<Fault> {
        let id = schema.0.to_string();
        let skip = id.len() + 1;
        let instance = Value::Object(Map::from_iter([(id, value)]));
        if self.validator.is_valid(&instance) {
            return Vec::new();
        }
        let errors = self.validator.iter_errors(&instance).take(MOST_FAULTS);
        let faults = errors.map(|error| Fault {
            at: error.instance_path().as_str().get(skip..).unwrap_or_default().to_owned(),
            message: error.masked().to_string(),
        });
        faults.collect()
    }

    /// The schema itself, and those that it refers to or is composed of, to see what kind of value it wants.
    pub(super) fn shapes(&self, schema: SchemaId) -> Vec<&Value> {
        let schema = self.pointers.get(schema.0).and_then(|pointer| self.document.at(pointer));
        self.shapes_of(schema.map(|schema| schema.value))
    }

    /// As [`Schemas::shapes`], of a schema within one of them.
    pub(super) fn shapes_of<'a>(&'a self, schema: Option<&'a Value>) -> Vec<&'a Value> {
        let mut shapes: Vec<&Value> = schema.into_iter().collect();
        let mut next = 0;
        while let Some(schema) = shapes.get(next).copied() {
            next += 1;
            let reference = schema.get("$ref").and_then(Value::as_str).and_then(|reference| self.target(reference));
            let parts = ["allOf", "anyOf", "oneOf"].into_iter();
            let parts = parts.filter_map(|name| schema.get(name)?.as_array()).flatten();
            for part in parts.chain(reference) {
                if !shapes.iter().any(|known| std::ptr::eq(*known, part)) {
                    shapes.push(part);
                }
            }
        }
        shapes
    }

    fn target(&self, reference: &str) -> Option<&Value> {
        self.document.at(&decode(reference.strip_prefix('#')?)).map(|node| node.value)
    }
}
