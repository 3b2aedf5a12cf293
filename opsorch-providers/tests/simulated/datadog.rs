//! An organization of Datadog in memory: small, and strict about what it is asked.
//!
//! The conformance suite runs over a [`Vendor`]; other tests change what it knows and make it misbehave.
// It is part of several tests. A refusal is an answer as any other.
#![allow(unreachable_pub, clippy::result_large_err)]

pub mod catalog;
pub mod deployments;
pub mod incidents;
pub mod language;
pub mod listing;
pub mod logs;
pub mod metrics;
pub mod monitors;
pub mod search;
pub mod teams;

use std::sync::Arc;

use opsorch::Clock;
use opsorch::transport::{Reply, Request, StatusCode};
use opsorch_testkit::double::{Double, SECRET, json, path};
use serde_json::json;

use self::catalog::Catalog;
use self::deployments::Deployments;
use self::incidents::Incidents;
use self::logs::Logs;
use self::metrics::Metrics;
use self::monitors::Monitors;
use self::teams::Teams;

/// An organization whose two keys are both [`SECRET`].
pub struct Vendor {
    pub logs: Logs,
    pub metrics: Metrics,
    pub monitors: Monitors,
    pub incidents: Incidents,
    pub catalog: Catalog,
    pub teams: Teams,
    pub deployments: Deployments,
}

impl Vendor {
    /// The organization with the world that there is at this time.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            logs: Logs::new(clock.now()),
            metrics: Metrics::new(&clock),
            monitors: Monitors::new(&clock),
            incidents: Incidents::new(&clock),
            catalog: Catalog::new(),
            teams: Teams::new(),
            deployments: Deployments::new(&clock),
        }
    }

    /// What each part of the API answers; `None` for what is another's.
    fn route(&mut self, request: &Request, path: &[&str]) -> Option<Reply> {
        match path {
            ["api", "v1" | "v2", "validate"] => Some(ok(&json!({ "valid": true }))),
            ["api", "v2", "logs", ..] => self.logs.answer(request, path),
            ["api", "v2", "query", ..] | ["api", "v1" | "v2", "metrics", ..] => self.metrics.answer(request, path),
            ["api", "v1", "monitor", ..] | ["api", "v2", "downtime", ..] => self.monitors.answer(request, path),
            ["api", "v2", "incidents", ..] => self.incidents.answer(request, path),
            ["api", "v2", "catalog", ..] => self.catalog.answer(request, path),
            ["api", "v2", "team" | "users" | "on-call", ..] => self.teams.answer(request, path),
            ["api", "v2", "dora" | "events", ..] => self.deployments.answer(request, path),
            _ => None,
        }
    }
}

impl Double for Vendor {
    fn answer(&mut self, request: &Request) -> Reply {
        let has = |name: &str| request.headers.get(name).is_some_and(|key| key.as_bytes() == SECRET.as_bytes());
        if !has("dd-api-key") || !has("dd-application-key") {
            return self.refusal(StatusCode::FORBIDDEN);
        }
        let path = path(request);
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        self.route(request, &path).unwrap_or_else(|| self.refusal(StatusCode::NOT_FOUND))
    }

    fn refusal(&self, status: StatusCode) -> Reply {
        errors(status, status.canonical_reason().unwrap_or("no"))
    }
}

/// What Datadog says when it refuses.
pub fn errors(status: StatusCode, error: &str) -> Reply {
    json(status, &json!({ "errors": [error] }))
}

fn bad_request(error: &str) -> Reply {
    errors(StatusCode::BAD_REQUEST, error)
}

/// A JSON answer with status 200.
fn ok(body: &impl serde::Serialize) -> Reply {
    json(StatusCode::OK, body)
}
