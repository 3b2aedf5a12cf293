//! Incidents, found by their search.

use std::collections::BTreeMap;
use std::sync::Arc;

use opsorch::transport::{Reply, Request, StatusCode};
use opsorch::{Clock, Time};
use opsorch_testkit::double::{body, by_offset, json as reply, parameter};
use serde_json::{Value, json};

use super::listing::{Answer, forbidden_media, known, not_found, number, person, uuid, written};
use super::{bad_request, ok};

pub struct Incidents {
    pub clock: Arc<dyn Clock>,
    /// In the order in which they were opened.
    pub incidents: Vec<Value>,
}

const TYPES: [(&str, bool); 6] = [
    ("dropdown", false),
    ("textbox", false),
    ("multiselect", true),
    ("textarray", true),
    ("metrictag", true),
    ("autocomplete", true),
];

impl Incidents {
    pub fn new(clock: &Arc<dyn Clock>) -> Self {
        let mut incidents = Self { clock: Arc::clone(clock), incidents: Vec::new() };
        let world = [
            ("Checkout is down", "active", "SEV-1", "api", "prod", 3_600),
            ("Searches are slow", "stable", "SEV-3", "search", "prod", 7_200),
            ("Mails are late", "resolved", "SEV-4", "mail", "staging", 90_000),
            ("Disk of db is full", "completed", "SEV-2", "db", "prod", 400_000),
            ("Something smells", "active", "UNKNOWN", "api", "staging", 60),
        ];
        for (title, state, severity, service, environment, ago) in world {
            let at = clock.now() - chrono::TimeDelta::seconds(ago);
            let id = incidents.open(title, at);
            incidents.change(
                &id,
                &json!({ "fields": {
                "state": { "type": "dropdown", "value": state },
                "severity": { "type": "dropdown", "value": severity },
                "services": { "type": "autocomplete", "value": [service] },
                "environment": { "type": "multiselect", "value": [environment] },
                "teams": { "type": "autocomplete", "value": ["core"] },
            } }),
                at,
            );
        }
        incidents
    }

    /// Without any.
    pub fn empty(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: Arc::clone(clock), incidents: Vec::new() }
    }

    pub fn open(&mut self, title: &str, at: Time) -> String {
        let number = self.incidents.len() + 1;
        // Ids say nothing of the order.
        let id = uuid((number as u32).wrapping_mul(2_654_435_761), number);
        self.incidents.push(json!({
            "type": "incidents", "id": id,
            "attributes": {
                "title": title, "public_id": number, "created": written(at), "modified": written(at),
                "customer_impacted": false, "state": "active", "severity": "UNKNOWN",
                "fields": { "state": { "type": "dropdown", "value": "active" }, "severity": { "type": "dropdown", "value": "UNKNOWN" } },
            },
            "relationships": { "commander_user": { "data": null } },
        }));
        id
    }

    pub fn change(&mut self, id: &str, change: &Value, at: Time) {
        let incident = self.incidents.iter_mut().find(|incident| incident["id"] == id).unwrap();
        for (name, value) in change.as_object().unwrap() {
            match name.as_str() {
                "fields" => {
                    for (name, field) in value.as_object().unwrap() {
                        incident["attributes"]["fields"][name] = field.clone();
                        if name == "state" || name == "severity" {
                            incident["attributes"][name] = field["value"].clone();
                        }
                    }
                }
                _ => incident["attributes"][name] = value.clone(),
            }
        }
        incident["attributes"]["modified"] = json!(written(at));
    }

    pub fn answer(&mut self, request: &Request, path: &[&str]) -> Option<Reply> {
        let answer = match (request.method.as_str(), path) {
            ("GET", ["api", "v2", "incidents", "search"]) => self.search(request),
            ("POST", ["api", "v2", "incidents"]) => self.create(request),
            ("GET", ["api", "v2", "incidents", id]) => self.get(request, id),
            ("PATCH", ["api", "v2", "incidents", id]) => self.update(request, id),
            _ => return None,
        };
        Some(answer.unwrap_or_else(|refusal| refusal))
    }

    fn search(&self, request: &Request) -> Answer {
        known(request, &["query", "sort", "include", "page[size]", "page[offset]"])?;
        let query = parameter(request, "query").ok_or_else(|| bad_request("query is required"))?;
        let wanted = facets(&query).ok_or_else(|| bad_request(&format!("cannot read the query {query}")))?;
        let has = |incident: &Value, facet: &str, words: &[String]| {
            words.iter().any(|word| incident["attributes"][facet] == **word)
        };
        let is_meant = |incident: &&Value| wanted.iter().all(|(facet, words)| has(incident, facet, words));
        let mut found: Vec<&Value> = self.incidents.iter().filter(is_meant).collect();
        // A facet tells what could be chosen in it beside what is.
        let others = |incident: &&Value| {
            wanted.iter().filter(|(facet, _)| facet != "state").all(|(facet, words)| has(incident, facet, words))
        };
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for incident in self.incidents.iter().filter(others) {
            *states.entry(incident["attributes"]["state"].as_str().unwrap()).or_default() += 1;
        }
        let states: Vec<Value> =
            states.into_iter().map(|(name, count)| json!({ "name": name, "count": count })).collect();
        let created = |incident: &Value| incident["attributes"]["created"].as_str().unwrap().parse::<Time>().unwrap();
        found.sort_by_cached_key(|incident| created(incident));
        match parameter(request, "sort").as_deref() {
            Some("-created") => found.reverse(),
            Some("created") | None => {}
            Some(other) => return Err(bad_request(&format!("cannot sort by {other}"))),
        }
        let part = by_offset(found, number(request, "page[offset]", 0)?, number(request, "page[size]", 10)?.min(100));
        let people: Vec<Value> = part.items.iter().filter_map(|it| commander(it)).collect();
        let hits: Vec<Value> = part.items.iter().map(|incident| json!({ "data": incident })).collect();
        let attributes = json!({ "total": part.total, "incidents": hits, "facets": {
            "commander": [], "created_by": [], "fields": [], "impact": [], "last_modified_by": [], "postmortem": [],
            "responder": [], "severity": [], "state": states, "time_to_repair": [], "time_to_resolve": [],
        } });
        Ok(ok(&json!({ "data": { "type": "incidents_search_results", "attributes": attributes }, "included": people })))
    }

    fn get(&self, request: &Request, id: &str) -> Answer {
        known(request, &["include"])?;
        let found = self.incidents.iter().find(|incident| incident["id"] == id).ok_or_else(|| not_found("Incident"))?;
        Ok(ok(&shown(found, request)))
    }

    fn create(&mut self, request: &Request) -> Answer {
        forbidden_media(request)?;
        known(request, &[])?;
        let sent = body(request)["data"].clone();
        let attributes = &sent["attributes"];
        let allowed = [
            "title",
            "customer_impacted",
            "customer_impact_scope",
            "fields",
            "incident_type_uuid",
            "initial_cells",
            "is_test",
            "notification_handles",
        ];
        check(&sent, &allowed)?;
        if !attributes["customer_impacted"].is_boolean() {
            return Err(bad_request("customer_impacted is required"));
        }
        let title = attributes["title"].as_str().filter(|title| !title.trim().is_empty());
        let title = title.ok_or_else(|| bad_request("title is required"))?.to_owned();
        let at = self.clock.now();
        let id = self.open(&title, at);
        let mut change = attributes.clone();
        change.as_object_mut().unwrap().remove("initial_cells");
        self.change(&id, &change, at);
        self.relate(&id, &sent);
        let made = self.incidents.last().unwrap();
        Ok(reply(StatusCode::CREATED, &json!({ "data": made })))
    }

    fn update(&mut self, request: &Request, id: &str) -> Answer {
        forbidden_media(request)?;
        known(request, &["include"])?;
        self.incidents.iter().find(|incident| incident["id"] == id).ok_or_else(|| not_found("Incident"))?;
        let sent = body(request)["data"].clone();
        if sent["id"] != id {
            return Err(bad_request("the id must be that of the path"));
        }
        let allowed = [
            "title",
            "customer_impacted",
            "customer_impact_scope",
            "customer_impact_start",
            "customer_impact_end",
            "detected",
            "fields",
            "notification_handles",
        ];
        check(&sent, &allowed)?;
        let at = self.clock.now();
        self.change(id, &sent["attributes"], at);
        self.relate(id, &sent);
        let found = self.incidents.iter().find(|incident| incident["id"] == id).unwrap();
        Ok(ok(&shown(found, request)))
    }

    fn relate(&mut self, id: &str, sent: &Value) {
        let Some(commander) = sent["relationships"].get("commander_user") else { return };
        let incident = self.incidents.iter_mut().find(|incident| incident["id"] == id).unwrap();
        incident["relationships"]["commander_user"] = commander.clone();
    }
}

fn check(sent: &Value, allowed: &[&str]) -> Result<(), Reply> {
    if sent["type"] != "incidents" {
        return Err(bad_request("type must be incidents"));
    }
    let empty = serde_json::Map::new();
    let attributes = sent["attributes"].as_object().unwrap_or(&empty);
    if let Some(other) = attributes.keys().find(|name| !allowed.contains(&name.as_str())) {
        return Err(bad_request(&format!("unknown attribute {other}")));
    }
    for (name, field) in attributes.get("fields").and_then(Value::as_object).unwrap_or(&empty) {
        let known = TYPES.iter().find(|(kind, _)| field["type"] == *kind);
        let is_fit =
            known.is_some_and(|(_, is_list)| field["value"].is_null() || field["value"].is_array() == *is_list);
        if !is_fit {
            return Err(bad_request(&format!("the field {name} is of another type")));
        }
    }
    Ok(())
}

fn shown(incident: &Value, request: &Request) -> Value {
    match parameter(request, "include").as_deref() {
        Some("users") => json!({ "data": incident, "included": Vec::from_iter(commander(incident)) }),
        _ => json!({ "data": incident }),
    }
}

fn commander(incident: &Value) -> Option<Value> {
    person(incident["relationships"]["commander_user"]["data"]["id"].as_str()?)
}

/// `state:(active OR stable) AND severity:SEV-1`, and nothing else.
fn facets(query: &str) -> Option<Vec<(String, Vec<String>)>> {
    let facet = |part: &str| {
        let (name, words) = part.split_once(':')?;
        let words = words.strip_prefix('(').map_or(Some(words), |words| words.strip_suffix(')'))?;
        let words: Vec<String> = words.split(" OR ").map(str::to_owned).collect();
        let is_word = |word: &String| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        (["state", "severity"].contains(&name) && words.iter().all(is_word)).then(|| (name.to_owned(), words))
    };
    query.split(" AND ").map(facet).collect()
}
