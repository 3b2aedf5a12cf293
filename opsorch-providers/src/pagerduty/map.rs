//! From PagerDuty's words to the schema's, and back.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use opsorch::transport::Url;
use opsorch::{Fields, Severity, Time};
use serde_json::Value;

use self::severity::{Severities, Urgencies};
use super::wire::Named;
use crate::fields::{put, put_value};

pub(super) mod alert;
pub(super) mod incident;
mod service;
pub(super) mod severity;
mod team;
pub(super) mod timeline;

/// Maps what PagerDuty says, knowing what an account's words mean.
#[derive(Clone, Debug)]
pub(super) struct Map {
    source: String,
    pub(super) severities: Severities,
}

impl Map {
    pub(super) fn new(source: String, priorities: BTreeMap<String, Severity>, urgencies: Urgencies) -> Self {
        Self { source, severities: Severities::new(priorities, urgencies) }
    }

    /// What the metadata of everything begins with.
    fn metadata(&self) -> Fields {
        let mut metadata = Fields::new();
        put(&mut metadata, "source", &self.source);
        metadata
    }
}

/// A page that a person opens; an address of anything else is none.
fn page(html_url: Option<&str>) -> Option<Url> {
    let url = html_url?.parse::<Url>().ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// A thing in few words.
fn named(mut thing: Named) -> Option<Value> {
    let mut object = serde_json::Map::new();
    put_value(&mut object, "id", thing.id.take());
    put_value(&mut object, "html_url", thing.html_url.take());
    put_value(&mut object, "name", thing.into_label());
    (!object.is_empty()).then_some(Value::Object(object))
}

/// A time as it is in JSON.
fn time(time: Option<Time>) -> Option<String> {
    time.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

fn all_named(things: impl IntoIterator<Item = Named>) -> Value {
    things.into_iter().filter_map(named).collect()
}

fn object(fields: Fields) -> Value {
    Value::Object(fields.into_iter().collect())
}
