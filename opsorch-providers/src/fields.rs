//! How the free-form fields of an item, and the objects in them, are filled.

use serde::Serialize;
use serde_json::{Value, json};

/// Keeps what there is: `null`, and what is empty, is left out.
pub(crate) fn put(fields: &mut impl Extend<(String, Value)>, name: &str, value: impl Serialize) {
    put_value(fields, name, json!(value));
}

/// As [`put`], for what need not be copied.
pub(crate) fn put_value(fields: &mut impl Extend<(String, Value)>, name: &str, value: impl Into<Value>) {
    let value = value.into();
    let is_empty = match &value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    if !is_empty {
        fields.extend([(name.to_owned(), value)]);
    }
}
