//! Indices: what is in them, and what they say of their fields.

use std::collections::{BTreeMap, BTreeSet};

use opsorch::Time;
use opsorch::transport::{Reply, Request, StatusCode};
use opsorch_testkit::double::{json, parameter};
use serde_json::{Map, Value, json as value};

use super::Cluster;

/// An index: the types of its fields by their whole names, and documents.
#[derive(Clone, Debug, Default)]
pub struct Index {
    pub types: BTreeMap<String, &'static str>,
    pub documents: Vec<Document>,
    /// How many shards it has; a document is in the one that its number leads to.
    pub shards: usize,
}

#[derive(Clone, Debug)]
pub struct Document {
    pub id: String,
    pub source: Value,
}

impl Index {
    pub fn new(types: &[(&str, &'static str)]) -> Self {
        let types = types.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        Self { types, documents: Vec::new(), shards: 1 }
    }

    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    pub fn put(&mut self, id: &str, source: Value) {
        self.documents.push(Document { id: id.to_owned(), source });
    }

    pub fn with(mut self, id: &str, source: Value) -> Self {
        self.put(id, source);
        self
    }

    /// The type of a field; members of what is flattened are keywords.
    pub fn type_of(&self, name: &str) -> Option<&'static str> {
        self.types.get(name).copied().or_else(|| {
            let flat = |above: &str| self.types.get(above) == Some(&"flattened");
            name.match_indices('.').any(|(end, _)| flat(&name[..end])).then_some("keyword")
        })
    }

    /// The values of a field. Those of `x.keyword` are those of `x`.
    pub fn values(&self, document: &Document, name: &str) -> Vec<Value> {
        let whole = name.strip_suffix(".keyword").filter(|above| self.types.get(*above) == Some(&"text"));
        let mut found = Vec::new();
        collect(&document.source, "", whole.unwrap_or(name), &mut found);
        found
    }
}

/// Values under a name, whether its dots are dots or objects.
fn collect(value: &Value, at: &str, name: &str, found: &mut Vec<Value>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            if at == name || name.starts_with(&format!("{at}.")) {
                collect(value, &at, name, found);
            }
        }),
        Value::Array(values) => values.iter().for_each(|value| collect(value, at, name, found)),
        Value::Null => {}
        value if at == name => found.push(value.clone()),
        _ => {}
    }
}

/// A time of a document, in nanoseconds since 1970, as a type keeps it.
pub fn nanoseconds(value: &Value, kind: &str) -> Option<i64> {
    let time: Time = match value {
        Value::Number(number) => Time::from_timestamp_millis(number.as_i64()?)?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    let nanoseconds = time.timestamp_nanos_opt()?;
    Some(if kind == "date" { nanoseconds.div_euclid(1_000_000) * 1_000_000 } else { nanoseconds })
}

impl Cluster {
    pub(super) fn field_caps(&self, pattern: &str, request: &Request) -> Reply {
        let indices = match self.matching(pattern) {
            Ok(indices) => indices,
            Err(refused) => return refused,
        };
        let names = parameter(request, "fields").unwrap_or_default();
        if request.url.query_pairs().any(|(name, _)| name != "fields") {
            return self.error(400, "illegal_argument_exception", "request contains unrecognized parameter");
        }
        let names: BTreeSet<&str> = names.split(',').collect();
        let mut fields = Map::new();
        for name in names {
            let mut kinds: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
            for index in &indices {
                let types = &self.indices[index].types;
                let is_object =
                    || types.keys().any(|known| known.starts_with(&format!("{name}.")) && !types.contains_key(name));
                let kind = types.get(name).copied().or_else(|| is_object().then_some("object"));
                if let Some(kind) = kind {
                    kinds.entry(kind).or_default().push(index);
                }
            }
            if kinds.is_empty() {
                continue;
            }
            let several = kinds.len() > 1;
            let types = kinds.into_iter().map(|(kind, indices)| {
                let searchable = !matches!(kind, "object" | "nested");
                let mut said = value!({ "type": kind, "metadata_field": false, "searchable": searchable, "aggregatable": kind != "text" });
                if several {
                    said["indices"] = value!(indices);
                }
                (kind.to_owned(), said)
            });
            fields.insert(name.to_owned(), Value::Object(types.collect()));
        }
        json(StatusCode::OK, &value!({ "indices": indices, "fields": fields }))
    }
}
