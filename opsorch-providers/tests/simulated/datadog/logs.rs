//! Logs.

use std::time::Duration;

use opsorch::Time;
use opsorch::transport::{Method, Reply, Request};
use opsorch_testkit::double::{body, by_cursor, parameter};
use serde_json::{Value, json};

use super::search::Search;
use super::{bad_request, ok};

/// The most entries of one answer.
const LARGEST_PAGE: u64 = 1_000;

/// The logs of an organization.
pub struct Logs {
    pub entries: Vec<Entry>,
    /// What the metadata of the next answers say beside how it went, one by one.
    pub metas: Vec<Value>,
}

/// An entry.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: String,
    pub time: Time,
    pub message: String,
    pub status: String,
    pub service: Option<String>,
    pub host: String,
    pub tags: Vec<String>,
    pub attributes: Value,
}

impl Entry {
    fn to_json(&self) -> Value {
        let attributes = json!({
            "timestamp": self.time, "message": self.message, "status": self.status, "host": self.host,
            "tags": self.tags, "attributes": self.attributes,
        });
        let mut log = json!({ "id": self.id, "type": "log", "attributes": attributes });
        if let Some(service) = &self.service {
            log["attributes"]["service"] = json!(service);
        }
        log
    }
}

impl Logs {
    /// A few entries of the last hours; two of them have one time.
    pub fn new(now: Time) -> Self {
        #[rustfmt::skip]
        let entries = [
            (10, "started",           "info",      Some("api"), "web-1", "production", json!({ "path": "/v1/items", "duration": 12 })),
            (20, "no space left",     "error",     Some("db"),  "db-1",  "production", json!({ "path": "/var/lib", "code": "ENOSPC" })),
            (20, "slow \"query\"",    "warn",      Some("db"),  "db-1",  "production", json!({ "path": "/v1/items", "region": "eu west" })),
            (30, "took 3 s",          "notice",    Some("api"), "web-2", "staging",    json!({ "path": "/v1/a-b*c", "http": { "status_code": 200 } })),
            (40, "out of memory",     "emergency", Some("api"), "web-2", "staging",    json!({ "path": "/v2/items" })),
            (50, "checked",           "debug",     None,        "web-1", "production", json!({})),
        ];
        let entries = entries.into_iter().enumerate().map(|(index, entry)| {
            let (minutes, message, status, service, host, env, attributes) = entry;
            let team = if service == Some("db") { "data" } else { "core" };
            Entry {
                id: format!("AQ{index}"),
                time: now - Duration::from_secs(60 * minutes),
                message: message.to_owned(),
                status: status.to_owned(),
                service: service.map(str::to_owned),
                host: host.to_owned(),
                tags: vec![format!("env:{env}"), format!("team:{team}")],
                attributes,
            }
        });
        Self { entries: entries.collect(), metas: Vec::new() }
    }

    pub fn answer(&mut self, request: &Request, path: &[&str]) -> Option<Reply> {
        match (&request.method, path) {
            (&Method::POST, ["api", "v2", "logs", "events", "search"]) => Some(self.search(request)),
            (&Method::GET, ["api", "v2", "logs", "events"]) => {
                let is_small = parameter(request, "page[limit]").as_deref() == Some("1");
                Some(if is_small { ok(&json!({ "data": [] })) } else { bad_request("unexpected parameters") })
            }
            _ => None,
        }
    }

    fn search(&mut self, request: &Request) -> Reply {
        let body = body(request);
        let filter = &body["filter"];
        let moment = |name: &str| filter[name].as_str().and_then(|text| text.parse::<i64>().ok());
        let (Some(from), Some(to)) = (moment("from"), moment("to")) else { return bad_request("from and to") };
        let Some(search) = filter["query"].as_str().and_then(Search::parse) else { return bad_request("query") };
        let limit = body["page"]["limit"].as_u64().unwrap_or(10);
        if from < 0 || to < from || !(1..=LARGEST_PAGE).contains(&limit) || body["sort"] != "-timestamp" {
            return bad_request("from, to, limit or sort");
        }
        let mut found: Vec<_> = self.entries.iter().filter(|entry| search.matches(entry)).collect();
        // Both ends are in it.
        found.retain(|entry| (from..=to).contains(&entry.time.timestamp_millis()));
        found.sort_by(|one, other| (other.time, &other.id).cmp(&(one.time, &one.id)));
        let cursor = body["page"]["cursor"].as_str();
        let Ok(part) = by_cursor(found, &filter.to_string(), cursor, usize::try_from(limit).unwrap()) else {
            return bad_request("cursor");
        };
        let data: Vec<_> = part.items.into_iter().map(Entry::to_json).collect();
        let mut meta = json!({ "elapsed": 132, "request_id": "MWlFUjVaWGZTTTZPYzM0VXp1OXU2d3xLSVpEMjZKQ0VKUTI0dEYtM3RSOFVR", "status": "done" });
        if !self.metas.is_empty() {
            meta.as_object_mut().unwrap().extend(self.metas.remove(0).as_object().unwrap().clone());
        }
        if let Some(after) = part.next {
            meta["page"] = json!({ "after": after });
        }
        ok(&json!({ "data": data, "meta": meta }))
    }
}
