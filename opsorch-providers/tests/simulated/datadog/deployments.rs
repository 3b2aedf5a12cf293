//! Deployments of DORA Metrics, and events.

use std::sync::Arc;

use opsorch::transport::{Reply, Request};
use opsorch::{Clock, Time};
use opsorch_testkit::double::body;
use serde_json::{Value, json};

use super::listing::{Answer, forbidden_media, known, not_found, written};
use super::{bad_request, ok};

pub struct Deployments {
    pub dora: Vec<Value>,
    pub events: Vec<Value>,
}

/// The search that finds all events there are.
pub const SEARCH: &str = "source:argocd";

pub fn dora(id: &str, service: &str, env: &str, version: &str, started: Time, seconds: i64) -> Value {
    let finished = started + chrono::TimeDelta::seconds(seconds);
    json!({ "type": "dora_deployment", "id": id, "attributes": {
        "service": service, "env": env, "team": "core", "version": version, "custom_tags": ["language:rust"],
        "started_at": written(started), "finished_at": written(finished),
        "git": { "commit_sha": "66adc9350f2cc9b250b69abddab733dd55e1a588", "repository_id": "github.com/acme/shop" },
    } })
}

pub fn event(id: &str, service: &str, env: &str, version: &str, status: &str, at: Time) -> Value {
    json!({ "type": "event", "id": id, "attributes": {
        "message": format!("rolled out {version}"), "timestamp": written(at),
        "tags": [format!("service:{service}"), format!("env:{env}"), format!("version:{version}"), "team:core"],
        "attributes": { "title": format!("Deployed {service}"), "status": status, "evt": { "id": "42" } },
    } })
}

impl Deployments {
    pub fn new(clock: &Arc<dyn Clock>) -> Self {
        let at = |ago: i64| clock.now() - chrono::TimeDelta::seconds(ago);
        Self {
            dora: vec![
                dora("d-1", "api", "prod", "v1", at(9_000), 60),
                dora("d-2", "api", "prod", "v2", at(3_000), 2_900),
                dora("d-3", "db", "staging", "v1", at(2_000), 10),
            ],
            events: vec![
                event("e-1", "api", "prod", "v1", "success", at(9_000)),
                event("e-2", "db", "staging", "v7", "error", at(500)),
                event("e-3", "api", "prod", "v2", "ok", at(100)),
            ],
        }
    }

    pub fn answer(&mut self, request: &Request, path: &[&str]) -> Option<Reply> {
        let answer = match (request.method.as_str(), path) {
            ("POST", ["api", "v2", "dora", "deployments"]) => self.list(request),
            ("GET", ["api", "v2", "dora", "deployments", id]) => get(&self.dora, id),
            ("POST", ["api", "v2", "events", "search"]) => self.search(request),
            ("GET", ["api", "v2", "events"]) => known(request, &["page[limit]"])
                .map(|()| ok(&json!({ "data": Vec::from_iter(self.events.first()), "meta": {} }))),
            ("GET", ["api", "v2", "events", id]) => get(&self.events, id),
            _ => return None,
        };
        Some(answer.unwrap_or_else(|refusal| refusal))
    }

    fn list(&self, request: &Request) -> Answer {
        forbidden_media(request)?;
        known(request, &[])?;
        let data = body(request)["data"].clone();
        let asked = &data["attributes"];
        let is_known = |sort: &Value| sort.is_null() || sort == "-finished_at";
        if data["type"] != "dora_deployments_list_request" || !is_known(&asked["sort"]) {
            return Err(bad_request("cannot read the request"));
        }
        let terms = asked["query"].as_str().map(terms).unwrap_or(Some(Vec::new()));
        let terms = terms.ok_or_else(|| bad_request("cannot read the query"))?;
        let is_meant = |one: &&Value| {
            is_between(&one["attributes"]["finished_at"], &asked["from"], &asked["to"])
                && terms.iter().all(|(name, value)| one["attributes"][name.as_str()] == **value)
        };
        let mut found: Vec<&Value> = self.dora.iter().filter(is_meant).collect();
        found.sort_by_cached_key(|one| std::cmp::Reverse(time(&one["attributes"]["finished_at"])));
        found.truncate(limit(&asked["limit"])?);
        Ok(ok(&json!({ "data": found })))
    }

    fn search(&self, request: &Request) -> Answer {
        forbidden_media(request)?;
        let asked = body(request);
        if asked["filter"]["query"] != SEARCH || asked["sort"] != "-timestamp" {
            return Ok(ok(&json!({ "data": [], "meta": {} })));
        }
        let is_meant = |one: &&Value| {
            is_between(&one["attributes"]["timestamp"], &asked["filter"]["from"], &asked["filter"]["to"])
        };
        let mut found: Vec<&Value> = self.events.iter().filter(is_meant).collect();
        found.sort_by_cached_key(|one| std::cmp::Reverse(time(&one["attributes"]["timestamp"])));
        let total = found.len();
        found.truncate(limit(&asked["page"]["limit"])?);
        let page = if found.len() < total { json!({ "after": "more" }) } else { json!({}) };
        Ok(ok(&json!({ "data": found, "meta": { "page": page, "status": "done" } })))
    }
}

fn get(items: &[Value], id: &str) -> Answer {
    let found = items.iter().find(|item| item["id"] == id).ok_or_else(|| not_found("Event"))?;
    Ok(ok(&json!({ "data": found })))
}

fn limit(value: &Value) -> Result<usize, Reply> {
    let limit = value.as_u64().unwrap_or(10) as usize;
    if limit > 1_000 { Err(bad_request("limit must be at most 1000")) } else { Ok(limit) }
}

fn time(value: &Value) -> Time {
    value.as_str().unwrap().parse().unwrap()
}

/// What is not given is no bound.
fn is_between(at: &Value, from: &Value, to: &Value) -> bool {
    (from.is_null() || time(from) <= time(at)) && (to.is_null() || time(at) <= time(to))
}

/// `service:api env:"a b"`, and nothing else.
fn terms(query: &str) -> Option<Vec<(String, String)>> {
    let mut terms = Vec::new();
    let mut rest = query;
    while !rest.is_empty() {
        let (name, after) = rest.split_once(':')?;
        if !["service", "team", "env"].contains(&name) {
            return None;
        }
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (mut value, mut letters) = (String::new(), quoted.chars());
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => value.push(letters.next()?),
                        other => value.push(other),
                    }
                }
                (value, letters.as_str())
            }
            None => {
                let (value, after) = after.split_at(after.find(' ').unwrap_or(after.len()));
                if value.is_empty() || !value.chars().all(|letter| letter.is_alphanumeric() || "_.".contains(letter)) {
                    return None;
                }
                (value.to_owned(), after)
            }
        };
        terms.push((name.to_owned(), value));
        rest = if after.is_empty() { after } else { after.strip_prefix(' ')? };
    }
    Some(terms)
}
