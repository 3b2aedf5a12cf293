//! Prometheus and Alertmanager in memory: small, and strict about what they are asked.
//!
//! The conformance suite runs over a [`Vendor`]; other tests take one of the two servers and make it misbehave.
// It is part of several tests.
#![allow(unreachable_pub)]

pub mod alertmanager;
pub mod matcher;
pub mod promql;
pub mod server;
pub mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opsorch::Clock;
use opsorch::transport::{Reply, Request, StatusCode};
use opsorch_testkit::double::{Double, SECRET, json};

use self::alertmanager::Alertmanager;
use self::server::{Prometheus, failure};

/// Labels by their names.
pub type Labels = BTreeMap<String, String>;

/// A Prometheus below `/prometheus`, which asks for a token, and the Alertmanager that it notifies below
/// `/alertmanager`, which asks `opsorch` for a password: each is [`SECRET`].
pub struct Vendor {
    prometheus: Prometheus,
    alertmanager: Alertmanager,
}

impl Vendor {
    /// Both servers, with the [world] that there is at this time.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let prometheus =
            Prometheus { series: world::series(&clock), metadata: world::metadata(), rules: world::rules(clock.now()) };
        let alertmanager = Alertmanager::new(world::alerts(clock.now()), clock);
        Self { prometheus, alertmanager }
    }
}

impl Double for Vendor {
    fn answer(&mut self, request: &Request) -> Reply {
        let path = request.url.path().to_owned();
        let (server, credential): (&mut dyn Double, _) = match path.split('/').nth(1) {
            Some("prometheus") => (&mut self.prometheus, format!("Bearer {SECRET}")),
            Some("alertmanager") => {
                (&mut self.alertmanager, format!("Basic {}", STANDARD.encode(format!("opsorch:{SECRET}"))))
            }
            _ => return not_found(),
        };
        if request.headers.get("authorization").is_none_or(|sent| sent.as_bytes() != credential.as_bytes()) {
            return self.refusal(StatusCode::UNAUTHORIZED);
        }
        let mut below = request.clone();
        below.url.set_path(path.splitn(3, '/').nth(2).unwrap_or_default());
        server.answer(&below)
    }

    /// What Prometheus has words of its own for is said in them; the rest comes from the proxy before it.
    fn refusal(&self, status: StatusCode) -> Reply {
        let reason = status.canonical_reason().unwrap_or("no");
        match status.as_u16() {
            400 => failure(status, "bad_data", reason),
            404 => not_found(),
            422 => failure(status, "execution", reason),
            500 => failure(status, "internal", reason),
            503 => failure(status, "unavailable", reason),
            _ => Reply::new(status).body(format!("{reason}\n")),
        }
    }
}

/// What Go says of a path that nobody serves.
pub fn not_found() -> Reply {
    Reply::new(StatusCode::NOT_FOUND).body("404 page not found\n")
}

/// A JSON answer with status 200.
fn ok(body: &impl serde::Serialize) -> Reply {
    json(StatusCode::OK, body)
}
