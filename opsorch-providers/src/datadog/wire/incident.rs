//! Incidents.

use std::collections::BTreeMap;

use opsorch::Time;
use serde::Deserialize;
use serde_json::Value;

use super::resource::{One, User, lenient};

/// `GET /api/v2/incidents/search`
#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct Search {
    data: SearchData,
    #[serde(default, deserialize_with = "lenient")]
    included: Vec<User>,
}

#[derive(Debug, Deserialize)]
struct SearchData {
    attributes: SearchAttributes,
}

#[derive(Debug, Deserialize)]
struct SearchAttributes {
    incidents: Vec<SearchHit>,
    #[serde(default)]
    total: Option<usize>,
    #[serde(default, deserialize_with = "lenient")]
    facets: Facets,
}

/// What there is beside what was found.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Facets {
    #[serde(deserialize_with = "lenient")]
    state: Vec<Facet>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Facet {
    name: Option<String>,
}

/// What a search found.
#[derive(Debug)]
pub(in crate::datadog) struct Found {
    pub(in crate::datadog) incidents: Vec<Incident>,
    /// Those who are named in it.
    pub(in crate::datadog) people: Vec<User>,
    /// How many there are in all.
    pub(in crate::datadog) total: Option<usize>,
    /// The states that incidents have.
    pub(in crate::datadog) states: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct SearchHit {
    data: Incident,
}

impl Search {
    pub(in crate::datadog) fn into_found(self) -> Found {
        let SearchAttributes { incidents, total, facets } = self.data.attributes;
        let incidents = incidents.into_iter().map(|hit| hit.data).collect();
        let states = facets.state.into_iter().filter_map(|state| state.name).collect();
        Found { incidents, people: self.included, total, states }
    }
}

/// `{"data": {…}}`
#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct OneIncident {
    pub(in crate::datadog) data: Incident,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) included: Vec<User>,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::datadog) struct Incident {
    pub(in crate::datadog) id: String,
    pub(in crate::datadog) attributes: Attributes,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) relationships: Relationships,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct Attributes {
    pub(in crate::datadog) title: Option<String>,
    pub(in crate::datadog) public_id: Option<u64>,
    pub(in crate::datadog) created: Option<Time>,
    pub(in crate::datadog) modified: Option<Time>,
    pub(in crate::datadog) detected: Option<Time>,
    pub(in crate::datadog) resolved: Option<Time>,
    pub(in crate::datadog) state: Option<String>,
    pub(in crate::datadog) severity: Option<String>,
    pub(in crate::datadog) customer_impacted: Option<bool>,
    pub(in crate::datadog) customer_impact_scope: Option<String>,
    pub(in crate::datadog) customer_impact_start: Option<Time>,
    pub(in crate::datadog) customer_impact_end: Option<Time>,
    pub(in crate::datadog) incident_type_uuid: Option<String>,
    pub(in crate::datadog) is_test: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) notification_handles: Vec<Handle>,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) fields: BTreeMap<String, Option<Field>>,
}

impl Attributes {
    /// A text of the organization's own fields.
    pub(in crate::datadog) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_ref()?.value.as_str().filter(|text| !text.is_empty())
    }

    /// The texts of one of the organization's own fields, be it of one value or of many.
    pub(in crate::datadog) fn field_values(&self, name: &str) -> impl Iterator<Item = &str> {
        let value = self.fields.get(name).and_then(Option::as_ref).map(|field| &field.value);
        let many = value.and_then(Value::as_array).into_iter().flatten();
        value.filter(|value| value.is_string()).into_iter().chain(many).filter_map(Value::as_str)
    }
}

/// A field of the organization's own: a text, a list of texts, or nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct Field {
    pub(in crate::datadog) value: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct Handle {
    pub(in crate::datadog) handle: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct Relationships {
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) commander_user: One,
}
