//! A cluster of Elasticsearch or OpenSearch in memory, as far as logs are read from it, and strict about what it is asked.
// It is part of several tests.
#![allow(unreachable_pub, clippy::result_large_err)]

pub mod query;
pub mod search;
pub mod store;
pub mod world;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opsorch::transport::{HeaderName, HeaderValue, Reply, Request, StatusCode};
use opsorch_testkit::double::{Double, SECRET, json, path};
use serde_json::{Value, json as value};

use self::search::Point;
use self::store::Index;

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    Elasticsearch,
    OpenSearch,
}

/// The cluster.
pub struct Cluster {
    pub flavor: Flavor,
    pub indices: BTreeMap<String, Index>,
    /// Points in time that are open, by their present name.
    pub points: BTreeMap<String, Point>,
    /// What the next search says of its shards, and whether it says that it stopped early.
    pub broken: Option<(Value, bool)>,
    /// How many searches are answered before all points in time are forgotten, once.
    pub forgets_after: Option<usize>,
    named: usize,
}

impl Cluster {
    pub fn new(flavor: Flavor) -> Self {
        Self { flavor, indices: BTreeMap::new(), points: BTreeMap::new(), broken: None, forgets_after: None, named: 0 }
    }

    /// A name that nobody has.
    fn name(&mut self) -> String {
        self.named += 1;
        format!("pit-{}/==", self.named)
    }

    /// The indices that a pattern means. One that is named and not there is refused.
    fn matching(&self, pattern: &str) -> Result<Vec<String>, Reply> {
        let mut found = Vec::new();
        for part in pattern.split(',') {
            let matching = self.indices.keys().filter(|name| query::is_like(part, name, false));
            let before = found.len();
            found.extend(matching.cloned());
            if found.len() == before && !part.contains('*') {
                let reason = format!("no such index [{part}]");
                return Err(self.error(404, "index_not_found_exception", &reason));
            }
        }
        Ok(found)
    }

    fn info(&self) -> Reply {
        let (version, tagline) = match self.flavor {
            Flavor::Elasticsearch => (value!({ "number": "9.1.0", "build_flavor": "default" }), "You Know, for Search"),
            Flavor::OpenSearch => (
                value!({ "number": "2.19.0", "distribution": "opensearch" }),
                "The OpenSearch Project: https://opensearch.org/",
            ),
        };
        json(
            StatusCode::OK,
            &value!({ "name": "node", "cluster_name": "c", "cluster_uuid": "u", "version": version, "tagline": tagline }),
        )
    }

    fn error(&self, status: u16, kind: &str, reason: &str) -> Reply {
        let cause = value!({ "type": kind, "reason": reason });
        let error = value!({ "root_cause": [cause], "type": kind, "reason": reason });
        let status = StatusCode::from_u16(status).unwrap();
        json(status, &value!({ "error": error, "status": status.as_u16() }))
    }

    fn respond(&mut self, request: &Request) -> Reply {
        let path = path(request);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        // It may stand behind a proxy.
        let path = path.strip_prefix(&["proxy"]).unwrap_or(&path);
        let is_elastic = self.flavor == Flavor::Elasticsearch;
        match (request.method.as_str(), path) {
            ("GET", []) => self.info(),
            ("GET", [pattern, "_field_caps"]) => self.field_caps(pattern, request),
            ("POST", [pattern, "_pit"]) if is_elastic => self.open(pattern, request),
            ("POST", [pattern, "_search", "point_in_time"]) if !is_elastic => self.open(pattern, request),
            ("DELETE", ["_pit"]) if is_elastic => self.close(request),
            ("DELETE", ["_search", "point_in_time"]) if !is_elastic => self.close(request),
            ("POST", ["_search"]) => self.search(request),
            _ => {
                let text = format!("no handler found for uri [{}] and method [{}]", request.url.path(), request.method);
                json(StatusCode::BAD_REQUEST, &value!({ "error": text }))
            }
        }
    }
}

/// Whether a request may come in.
fn is_known(request: &Request) -> bool {
    let basic = format!("Basic {}", STANDARD.encode(format!("elastic:{SECRET}")));
    let header = request.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    [format!("ApiKey {SECRET}"), format!("Bearer {SECRET}"), basic].iter().any(|known| known == header)
}

impl Double for Cluster {
    fn answer(&mut self, request: &Request) -> Reply {
        let has_body = !request.body.is_empty();
        let mut reply = match request.headers.get("content-type").and_then(|value| value.to_str().ok()) {
            _ if !is_known(request) => self.refusal(StatusCode::UNAUTHORIZED),
            Some(kind) if has_body && kind.starts_with("application/") => self.respond(request),
            None if !has_body => self.respond(request),
            other => {
                self.error(406, "media_type_header_exception", &format!("Content-Type [{other:?}] is not supported"))
            }
        };
        if self.flavor == Flavor::Elasticsearch {
            reply
                .headers
                .insert(HeaderName::from_static("x-elastic-product"), HeaderValue::from_static("Elasticsearch"));
        }
        reply
    }

    fn refusal(&self, status: StatusCode) -> Reply {
        let kind = match status.as_u16() {
            401 | 403 => "security_exception",
            404 => "index_not_found_exception",
            429 => "es_rejected_execution_exception",
            400..=499 => "illegal_argument_exception",
            _ => "search_phase_execution_exception",
        };
        self.error(status.as_u16(), kind, status.canonical_reason().unwrap_or("no"))
    }
}
