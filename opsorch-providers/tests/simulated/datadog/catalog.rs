//! The catalogue of services, with definitions of every version.

use opsorch::transport::{Reply, Request};
use opsorch_testkit::double::{by_offset, parameter};
use serde_json::{Value, json};

use super::listing::{Answer, known, number, uuid};
use super::ok;

/// Entities, each with its definition.
pub struct Catalog(pub Vec<(Value, Value)>);

/// An entity of the catalogue, and its definition.
pub fn entity(number: usize, namespace: &str, name: &str, owner: &str, definition: Value) -> (Value, Value) {
    let entity = json!({
        "type": "entity", "id": uuid(0xe, number),
        "attributes": {
            "apiVersion": "v3", "kind": "service", "name": name, "namespace": namespace, "displayName": "", "owner": owner,
            "tags": [], "description": "",
        },
        "meta": { "origin": "github", "ingestionSource": "api" },
        "relationships": { "schema": { "data": { "type": "schema", "id": uuid(0x5, number) } } },
    });
    (entity, json!({ "type": "schema", "id": uuid(0x5, number), "attributes": { "schema": definition } }))
}

impl Catalog {
    pub fn new() -> Self {
        Self(vec![
            entity(
                0,
                "default",
                "api",
                "web",
                json!({
                    "apiVersion": "v3", "kind": "service",
                    "metadata": { "name": "api", "owner": "web", "additionalOwners": [{ "name": "core" }], "tags": ["env:prod", "tier:1"] },
                    "spec": { "lifecycle": "production", "tier": "critical", "type": "web", "languages": ["rust"], "dependsOn": ["service:db"] },
                }),
            ),
            // Definitions of older versions are shown in the form of v3 too.
            entity(
                1,
                "default",
                "db",
                "core",
                json!({
                    "apiVersion": "v2.2", "kind": "service",
                    "metadata": {
                        "name": "db", "owner": "core", "tags": ["env:prod"],
                        "contacts": [{ "type": "slack", "contact": "https://slack.example.com/db" }],
                        "links": [{ "name": "Runbook", "type": "runbook", "url": "https://example.com/db" }],
                    },
                    "spec": { "tier": "high", "languages": ["sql"] },
                }),
            ),
            entity(
                2,
                "shop",
                "api",
                "shop",
                json!({
                    "apiVersion": "v2", "kind": "service", "metadata": { "name": "api", "namespace": "shop", "owner": "shop", "tags": ["env:staging"] },
                }),
            ),
        ])
    }

    pub fn answer(&mut self, request: &Request, path: &[&str]) -> Option<Reply> {
        let answer = match (request.method.as_str(), path) {
            ("GET", ["api", "v2", "catalog", "entity"]) => self.list(request),
            _ => return None,
        };
        Some(answer.unwrap_or_else(|refusal| refusal))
    }

    fn list(&self, request: &Request) -> Answer {
        known(request, &["filter[kind]", "filter[name]", "include", "page[offset]", "page[limit]"])?;
        let is = |entity: &Value, name: &str, member: &str| {
            parameter(request, name).is_none_or(|wanted| entity["attributes"][member] == *wanted)
        };
        let meant = self
            .0
            .iter()
            .filter(|(entity, _)| is(entity, "filter[kind]", "kind") && is(entity, "filter[name]", "name"));
        let part = by_offset(meant, number(request, "page[offset]", 0)?, number(request, "page[limit]", 100)?.min(100));
        let (data, included): (Vec<&Value>, Vec<&Value>) =
            part.items.into_iter().map(|(entity, schema)| (entity, schema)).unzip();
        let included = if parameter(request, "include").as_deref() == Some("schema") { included } else { Vec::new() };
        Ok(ok(
            &json!({ "data": data, "included": included, "meta": { "count": data.len(), "includeCount": included.len() } }),
        ))
    }
}
