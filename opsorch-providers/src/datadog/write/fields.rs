//! The fields of an incident that have no place of their own.

use opsorch::{Error, Fields, Result, Time};
use serde_json::{Map, Value, json};

use crate::datadog::map::incident::PLACED;
use crate::datadog::read::incident::is_uuid;

/// What an incident is opened with, or what is changed in it.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) attributes: Map<String, Value>,
    /// The organization's own fields.
    pub(super) fields: Map<String, Value>,
    /// Who leads it; nobody, where it is given and empty.
    pub(super) commander: Option<Option<String>>,
}

impl Change {
    pub(super) fn attribute(&mut self, name: &str, value: impl Into<Value>) {
        self.attributes.insert(name.to_owned(), value.into());
    }
}

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Flag,
    Text,
    /// A time, or nothing.
    Time,
    Handles,
    Cells,
    Commander,
    /// A text of the organization's own fields, of this type.
    Own(&'static str),
    /// A list of texts of the organization's own fields, of this type.
    OwnList(&'static str),
}

/// When a field can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    New,
    Changed,
}

const FIELDS: [(&str, Takes, When); 14] = [
    ("customer_impacted", Takes::Flag, When::Always),
    ("customer_impact_scope", Takes::Text, When::Always),
    ("customer_impact_start", Takes::Time, When::Changed),
    ("customer_impact_end", Takes::Time, When::Changed),
    ("detected", Takes::Time, When::Changed),
    ("commander", Takes::Commander, When::Always),
    ("notification_handles", Takes::Handles, When::Always),
    ("incident_type_uuid", Takes::Text, When::New),
    ("is_test", Takes::Flag, When::New),
    ("initial_cells", Takes::Cells, When::New),
    ("detection_method", Takes::Own("dropdown"), When::Always),
    ("root_cause", Takes::Own("textbox"), When::Always),
    ("teams", Takes::OwnList("autocomplete"), When::Always),
    ("services", Takes::OwnList("autocomplete"), When::Always),
];

/// The types of the organization's own fields, and whether they hold lists.
const TYPES: [(&str, bool); 6] = [
    ("dropdown", false),
    ("textbox", false),
    ("multiselect", true),
    ("textarray", true),
    ("metrictag", true),
    ("autocomplete", true),
];

/// Writes fields into a change.
///
/// # Errors
/// `Invalid` for a value that a field cannot have, `Unsupported` for a field that cannot be given here.
pub(super) fn write(fields: &Fields, change: &mut Change, is_new: bool) -> Result<()> {
    for (name, value) in fields {
        match FIELDS.iter().find(|(known, ..)| known == name) {
            Some((_, takes, when)) => {
                check_when(name, *when, is_new)?;
                write_known(name, value, *takes, change)?;
            }
            None => write_own(name, value, change)?,
        }
    }
    Ok(())
}

fn check_when(name: &str, when: When, is_new: bool) -> Result<()> {
    match (when, is_new) {
        (When::New, false) => {
            Err(Error::unsupported(format!("Datadog takes `fields.{name}` when an incident is opened, and not later")))
        }
        (When::Changed, true) => Err(Error::unsupported(format!(
            "Datadog takes `fields.{name}` when an incident is changed; set it with an update afterwards"
        ))),
        _ => Ok(()),
    }
}

fn write_known(name: &str, value: &Value, takes: Takes, change: &mut Change) -> Result<()> {
    let wrong = |expected: &str| Error::invalid(format!("fields.{name}"), format!("expected {expected}, got {value}"));
    let text = || value.as_str().filter(|text| !text.trim().is_empty());
    let texts_of = || -> Option<Vec<&str>> { value.as_array()?.iter().map(Value::as_str).collect() };
    match takes {
        Takes::Flag if value.is_boolean() => change.attribute(name, value.clone()),
        Takes::Flag => return Err(wrong("true or false")),
        Takes::Text => change.attribute(name, text().ok_or_else(|| wrong("a text"))?),
        Takes::Time if value.is_null() => change.attribute(name, Value::Null),
        Takes::Time => {
            let time = value.as_str().and_then(|text| text.parse::<Time>().ok());
            change
                .attribute(name, time.ok_or_else(|| wrong("a time as `2026-11-21T03:15:00Z`, or null"))?.to_rfc3339());
        }
        Takes::Handles => {
            let handles = texts_of().ok_or_else(|| wrong("a list of handles, such as `@slack-ops`"))?;
            let handles: Vec<Value> = handles.into_iter().map(|handle| json!({ "handle": handle })).collect();
            change.attribute(name, handles);
        }
        Takes::Cells => {
            let cells = texts_of().ok_or_else(|| wrong("a list of texts in Markdown"))?;
            let cell = |text| json!({ "cell_type": "markdown", "content": { "content": text } });
            change.attribute(name, cells.into_iter().map(cell).collect::<Vec<Value>>());
        }
        Takes::Commander if value.is_null() => change.commander = Some(None),
        Takes::Commander => {
            let named = text().map(|text| text.trim().to_owned());
            let is_meant = |named: &String| named.contains('@') || is_uuid(named);
            let expected = "the e-mail address or the id of a user, or null";
            change.commander = Some(Some(named.filter(is_meant).ok_or_else(|| wrong(expected))?));
        }
        Takes::Own(kind) if value.is_string() || value.is_null() => own(name, kind, value.clone(), change)?,
        Takes::Own(_) => return Err(wrong("a text or null")),
        Takes::OwnList(kind) => {
            texts_of().ok_or_else(|| wrong("a list of texts"))?;
            own(name, kind, value.clone(), change)?;
        }
    }
    Ok(())
}

/// A field that the organization made: only the organization knows its type, so it comes with the value.
fn write_own(name: &str, value: &Value, change: &mut Change) -> Result<()> {
    let field = || format!("fields.{name}");
    if let Some((_, place)) = PLACED.iter().find(|(placed, _)| *placed == name) {
        return Err(Error::invalid(field(), format!("give it as `{place}`")));
    }
    let known = TYPES.map(|(kind, _)| kind).join(", ");
    let shape = || {
        let message = format!(
            "expected the type and the value, such as {{\"type\": \"dropdown\", \"value\": \"a\"}}, got {value}"
        );
        Error::invalid(field(), message).with_context("types", &known)
    };
    let members = value.as_object().filter(|members| members.len() == 2).ok_or_else(shape)?;
    let kind = members.get("type").and_then(Value::as_str).ok_or_else(shape)?;
    let held = members.get("value").ok_or_else(shape)?;
    let (kind, is_list) = *TYPES.iter().find(|(word, _)| *word == kind).ok_or_else(shape)?;
    let is_fit = match held {
        Value::Null => true,
        Value::String(_) => !is_list,
        Value::Array(items) => is_list && items.iter().all(Value::is_string),
        _ => false,
    };
    match is_fit {
        true => own(name, kind, held.clone(), change),
        false => Err(Error::invalid(
            field(),
            format!("a `{kind}` holds {}, got {held}", if is_list { "a list of texts" } else { "a text" }),
        )),
    }
}

/// # Errors
/// `Invalid` where the field was given in another way already.
fn own(name: &str, kind: &str, value: Value, change: &mut Change) -> Result<()> {
    if change.fields.contains_key(name) {
        return Err(Error::invalid(format!("fields.{name}"), "it is given twice, here and in a place of its own"));
    }
    change.fields.insert(name.to_owned(), json!({ "type": kind, "value": value }));
    Ok(())
}

/// Datadog does not open an incident without being told whether customers feel it, and how.
///
/// # Errors
/// `Invalid` where they do and it is not said how.
pub(super) fn check_impact(change: &mut Change) -> Result<()> {
    let is_impacted = change.attributes.get("customer_impacted").and_then(Value::as_bool).unwrap_or(false);
    change.attribute("customer_impacted", is_impacted);
    if is_impacted && !change.attributes.contains_key("customer_impact_scope") {
        return Err(Error::invalid("fields.customer_impact_scope", "expected what customers feel, as they do"));
    }
    Ok(())
}

pub(super) fn dropdown(value: &str) -> Value {
    json!({ "type": "dropdown", "value": value })
}

pub(super) fn texts(values: &[&str]) -> Value {
    json!({ "type": "autocomplete", "value": values })
}
