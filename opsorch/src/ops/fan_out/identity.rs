//! What makes items of several providers the same thing.

use opsorch_schema::{Capability, visible};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// The most fields that one identity has.
const MOST_FIELDS: usize = 8;

/// By which fields items of a capability are the same thing.
#[derive(Clone, Debug)]
pub(crate) struct IdentityRule {
    fields: Vec<Field>,
    rule: String,
}

/// A field of an item, or an entry of one.
#[derive(Clone, Debug)]
struct Field {
    name: String,
    entry: Option<String>,
}

impl IdentityRule {
    pub(crate) fn new(capability: Capability, names: &[String]) -> Result<Self> {
        let field = format!("identity.{capability}");
        let refuse = |message: String| Err(Error::invalid(field.as_str(), message));
        if fields_of(capability) == (&[], &[]) {
            return refuse(format!("`{capability}` has no lists that could be merged"));
        }
        if names.is_empty() || names.len() > MOST_FIELDS {
            return refuse(format!("expected 1 to {MOST_FIELDS} fields, got {}", names.len()));
        }
        let mut fields = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let at = || format!("{field}[{index}]");
            if names.iter().take(index).any(|earlier| earlier == name) {
                return Err(Error::invalid(at(), format!("`{}` is there twice", shown(name))));
            }
            fields.push(Field::new(capability, name).map_err(|message| Error::invalid(at(), message))?);
        }
        Ok(Self { fields, rule: format!("{capability}: {}", names.join(", ")) })
    }

    /// The rule as it is shown to people: `alert: title, service`.
    pub(super) fn rule(&self) -> &str {
        &self.rule
    }

    /// A digest that is the same for the same thing; `None` for an item that lacks one of the fields. A text that is empty
    /// says nothing, and lists and objects are not compared.
    pub(super) fn key(&self, item: &impl Serialize) -> Option<u64> {
        let item = serde_json::to_value(item).ok()?;
        let values: Vec<&Value> = self.fields.iter().map(|field| field.of(&item)).collect::<Option<_>>()?;
        let digest = Sha256::digest(serde_json::to_vec(&values).ok()?);
        digest.first_chunk().map(|first| u64::from_be_bytes(*first))
    }
}

impl Field {
    fn new(capability: Capability, name: &str) -> Result<Self, String> {
        let (texts, maps) = fields_of(capability);
        match name.split_once('.') {
            None if texts.contains(&name) => Ok(Self { name: name.to_owned(), entry: None }),
            Some((map, entry)) if maps.contains(&map) && !entry.is_empty() => {
                Ok(Self { name: map.to_owned(), entry: Some(entry.to_owned()) })
            }
            _ => {
                let maps: Vec<_> = maps.iter().map(|map| format!("{map}.NAME")).collect();
                let known = format!("{}, {}", texts.join(", "), maps.join(", "));
                Err(format!("unknown field `{}`, expected one of: {known}", shown(name)))
            }
        }
    }

    fn of<'i>(&self, item: &'i Value) -> Option<&'i Value> {
        let value = item.get(&self.name)?;
        let value = self.entry.as_ref().map_or(Some(value), |entry| value.get(entry))?;
        match value {
            Value::String(text) => !text.is_empty(),
            Value::Number(_) | Value::Bool(_) => true,
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        }
        .then_some(value)
    }
}

fn shown(name: &str) -> String {
    visible(&name.chars().take(100).collect::<String>()).into_owned()
}

/// What can tell that two items of a capability are the same thing: fields of their own, and fields with entries. What
/// changes in the life of a thing, such as its status, cannot.
fn fields_of(capability: Capability) -> (&'static [&'static str], &'static [&'static str]) {
    match capability {
        Capability::Incident | Capability::Alert => {
            (&["id", "title", "service", "createdAt", "url"], &["fields", "metadata"])
        }
        Capability::Log => (&["timestamp", "message", "service"], &["labels", "fields", "metadata"]),
        Capability::Metric => (&["name", "service"], &["labels", "metadata"]),
        Capability::Ticket => (&["id", "key", "title", "createdAt", "url"], &["fields", "metadata"]),
        Capability::Service | Capability::Team => (&["id", "name", "url"], &["tags", "metadata"]),
        Capability::Deployment => {
            (&["id", "service", "version", "environment", "startedAt", "url"], &["fields", "metadata"])
        }
        Capability::Orchestration => {
            (&["id", "title", "planId", "version", "createdAt", "url"], &["tags", "fields", "metadata"])
        }
        _ => (&[], &[]),
    }
}

#[cfg(test)]
mod tests {
    use opsorch_schema::{
        Alert, Deployment, Incident, LogEntry, MetricDescriptor, MetricSeries, Plan, Run, Service, Team, Ticket,
    };
    use serde_json::json;

    use super::*;

    fn identity(capability: Capability, names: &[&str]) -> Result<IdentityRule> {
        IdentityRule::new(capability, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    fn alert() -> Alert {
        Alert::new("a-1", "disk full", "firing", "high").service("db").field("fingerprint", "f1").field("n", json!([1]))
    }

    #[test]
    fn every_field_of_the_table_is_one_of_an_item() {
        let properties = |capability| {
            let schemas = match capability {
                Capability::Incident => vec![schemars::schema_for!(Incident)],
                Capability::Alert => vec![schemars::schema_for!(Alert)],
                Capability::Log => vec![schemars::schema_for!(LogEntry)],
                Capability::Metric => {
                    vec![schemars::schema_for!(MetricSeries), schemars::schema_for!(MetricDescriptor)]
                }
                Capability::Ticket => vec![schemars::schema_for!(Ticket)],
                Capability::Service => vec![schemars::schema_for!(Service)],
                Capability::Deployment => vec![schemars::schema_for!(Deployment)],
                Capability::Team => vec![schemars::schema_for!(Team)],
                Capability::Orchestration => vec![schemars::schema_for!(Plan), schemars::schema_for!(Run)],
                _ => vec![],
            };
            let names = |schema: schemars::Schema| schema.get("properties").unwrap().as_object().unwrap().clone();
            schemas.into_iter().flat_map(names).map(|(name, _)| name).collect::<Vec<_>>()
        };
        for capability in Capability::ALL.iter().copied() {
            let (texts, maps) = fields_of(capability);
            for name in texts.iter().chain(maps) {
                assert!(properties(capability).iter().any(|property| property == name), "{capability}: {name}");
            }
            assert_eq!(texts.is_empty(), properties(capability).is_empty(), "{capability}");
        }
    }

    #[test]
    fn the_same_values_are_the_same_thing_and_a_lacking_one_is_nothing() {
        let by = identity(Capability::Alert, &["title", "fields.fingerprint"]).unwrap();
        let other = Alert::new("b-7", "disk full", "resolved", "low").field("fingerprint", "f1");
        assert!(by.key(&alert()).is_some());
        assert_eq!(by.key(&alert()), by.key(&other));
        for lacks in [
            Alert::new("b", "disk full", "firing", "high"),
            alert().field("fingerprint", ""),
            alert().field("fingerprint", json!(null)),
            alert().field("fingerprint", json!(["f1"])),
            Alert::new("b", "", "firing", "high").field("fingerprint", "f1"),
        ] {
            assert_eq!(by.key(&lacks), None, "{lacks:?}");
        }
        for differs in
            [alert().field("fingerprint", "f2"), alert().field("fingerprint", "F1"), alert().field("fingerprint", 1)]
        {
            assert_ne!(by.key(&alert()), by.key(&differs));
        }
    }

    #[test]
    fn values_of_two_fields_do_not_run_together() {
        let by = identity(Capability::Alert, &["title", "service"]).unwrap();
        let one = Alert::new("1", "a", "firing", "high").service("bc");
        let other = Alert::new("1", "ab", "firing", "high").service("c");
        assert_ne!(by.key(&one), by.key(&other));
    }

    #[test]
    fn an_identity_that_cannot_be_meant_is_refused() {
        let refused = |capability, names: &[&str]| identity(capability, names).unwrap_err().to_string();
        assert_eq!(
            refused(Capability::Alert, &["title", "sevrice"]),
            "invalid identity.alert[1]: unknown field `sevrice`, expected one of: id, title, service, createdAt, url, \
             fields.NAME, metadata.NAME"
        );
        assert!(refused(Capability::Alert, &["fields"]).contains("unknown field `fields`"));
        assert!(refused(Capability::Alert, &["fields."]).contains("unknown field `fields.`"));
        assert!(refused(Capability::Alert, &["status"]).contains("unknown field `status`"));
        assert_eq!(refused(Capability::Alert, &["id", "id"]), "invalid identity.alert[1]: `id` is there twice");
        assert_eq!(refused(Capability::Alert, &[]), "invalid identity.alert: expected 1 to 8 fields, got 0");
        assert_eq!(
            refused(Capability::Messaging, &["id"]),
            "invalid identity.messaging: `messaging` has no lists that could be merged"
        );
    }
}
