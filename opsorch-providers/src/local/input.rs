//! What the inputs of changes have in common.

use opsorch::{Actor, Error, Fields, Result};
use serde_json::{Value, json};

/// How deep the values of an input may be nested: far below what a JSON reader accepts for a whole record.
const DEEPEST_VALUE: u32 = 64;

/// Refuses a text or a word that is given and blank.
pub(super) fn require(field: &'static str, given: Option<&impl AsRef<str>>) -> Result<()> {
    match given {
        Some(text) if text.as_ref().trim().is_empty() => Err(Error::invalid(field, "expected a text, got a blank one")),
        _ => Ok(()),
    }
}

/// Refuses values that are nested so deep that the record could not be read again.
pub(super) fn refuse_deep(parts: &[(&'static str, &Fields)]) -> Result<()> {
    for (field, values) in parts {
        if values.values().any(|value| is_deeper_than(value, DEEPEST_VALUE)) {
            let message = format!("expected values of at most {DEEPEST_VALUE} levels, got one that is nested deeper");
            return Err(Error::invalid(*field, message));
        }
    }
    Ok(())
}

fn is_deeper_than(value: &Value, levels: u32) -> bool {
    let Some(below) = levels.checked_sub(1) else { return true };
    match value {
        Value::Array(values) => values.iter().any(|value| is_deeper_than(value, below)),
        Value::Object(members) => members.values().any(|value| is_deeper_than(value, below)),
        _ => false,
    }
}

/// Who did it, as the gate knows it.
pub(super) fn described(actor: &Actor) -> Fields {
    let mut fields = Fields::from([
        ("kind".to_owned(), json!(actor.kind)),
        ("subject".to_owned(), json!(actor.identity.subject)),
        ("issuer".to_owned(), json!(actor.identity.issuer)),
    ]);
    if let Some(principal) = &actor.on_behalf_of {
        fields.insert("onBehalfOf".to_owned(), json!(principal.to_string()));
    }
    fields
}

/// Sets what is given.
pub(super) fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// Sets a text that may be absent; an empty text makes it absent.
pub(super) fn set_or_empty(field: &mut Option<String>, value: Option<String>) {
    if let Some(value) = value {
        *field = Some(value).filter(|value| !value.is_empty());
    }
}
