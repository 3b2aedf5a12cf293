//! The HTTP API v2 of Alertmanager.

use std::sync::Arc;

use opsorch::transport::{Method, Reply, Request, StatusCode};
use opsorch::{Clock, Time};
use opsorch_testkit::double::{Double, body, json, parameter, parameters, path};
use serde_json::{Value, json};

use super::matcher::Matcher;
use super::{Labels, not_found, ok};

/// A server with the alerts that it was told of and the silences that were posted.
pub struct Alertmanager {
    /// The alerts, but for the silences that suppress them.
    pub alerts: Vec<Value>,
    /// The silences as they were posted, each with its id.
    pub silences: Vec<Value>,
    pub clock: Arc<dyn Clock>,
}

impl Double for Alertmanager {
    fn answer(&mut self, request: &Request) -> Reply {
        let path = path(request);
        match (&request.method, path.iter().map(String::as_str).collect::<Vec<_>>().as_slice()) {
            (&Method::GET, ["api", "v2", "status"]) => ok(&json!({ "versionInfo": { "version": "0.33.1" } })),
            (&Method::GET, ["api", "v2", "alerts"]) => self.list(request),
            (&Method::GET, ["api", "v2", "silences"]) => {
                ok(&self.silences.iter().map(|silence| self.with_state(silence)).collect::<Vec<_>>())
            }
            (&Method::POST, ["api", "v2", "silences"]) => self.silence(request),
            (&Method::DELETE, ["api", "v2", "silence", id]) => self.expire(id),
            _ => not_found(),
        }
    }
}

impl Alertmanager {
    pub fn new(alerts: Vec<Value>, clock: Arc<dyn Clock>) -> Self {
        Self { alerts, silences: Vec::new(), clock }
    }

    fn list(&self, request: &Request) -> Reply {
        let mut matchers = Vec::new();
        for filter in parameters(request, "filter") {
            match Matcher::parse(&filter) {
                Some(matcher) => matchers.push(matcher),
                None => return bad_request(&format!("bad matcher format: {filter}")),
            }
        }
        let is_on = |name: &str| parameter(request, name).as_deref() != Some("false");
        let has = |alert: &Value, list: &str| alert["status"][list].as_array().is_some_and(|list| !list.is_empty());
        let is_meant = |alert: &Value| {
            let labels = labels(alert);
            (is_on("active") || alert["status"]["state"] != "active")
                && (is_on("silenced") || !has(alert, "silencedBy"))
                && (is_on("inhibited") || !has(alert, "inhibitedBy"))
                && matchers.iter().all(|matcher| matcher.matches(&labels))
        };
        let alerts = self.alerts.iter().map(|alert| self.with_silences(alert));
        ok(&alerts.filter(is_meant).collect::<Vec<_>>())
    }

    /// An alert as it is now.
    fn with_silences(&self, alert: &Value) -> Value {
        let labels = labels(alert);
        let is_active = |silence: &&Value| self.state(silence) == "active" && silences(silence, &labels);
        let active: Vec<_> = self.silences.iter().filter(is_active).map(|silence| silence["id"].clone()).collect();
        let mut alert = alert.clone();
        if !active.is_empty() {
            alert["status"]["state"] = json!("suppressed");
            alert["status"]["silencedBy"] = json!(active);
        }
        alert
    }

    /// Takes a silence as Alertmanager does, which is strict about what it is sent.
    fn silence(&mut self, request: &Request) -> Reply {
        if request.headers.get("content-type").is_none_or(|value| value != "application/json") {
            let message = "unsupported media type, only [application/json] are allowed";
            return json(StatusCode::UNSUPPORTED_MEDIA_TYPE, &json!({ "code": 415, "message": message }));
        }
        let mut silence = body(request);
        let (starts_at, ends_at) = (time(&silence, "startsAt"), time(&silence, "endsAt"));
        if silence["comment"].as_str().is_none() || silence["createdBy"].as_str().is_none() {
            let message = "comment and createdBy in body are required";
            return json(StatusCode::UNPROCESSABLE_ENTITY, &json!({ "code": 602, "message": message }));
        }
        if !matchers(&silence).is_some_and(|all| all.iter().any(|matcher| !matcher.takes(""))) {
            return bad_request("invalid silence: at least one matcher must not match the empty string");
        }
        if ends_at <= starts_at || ends_at.is_none_or(|end| end <= self.clock.now()) {
            return bad_request("failed to create silence: end time can't be in the past");
        }
        let id = format!("silence-{}", self.silences.len() + 1);
        silence["id"] = json!(id);
        self.silences.push(silence);
        ok(&json!({ "silenceID": id }))
    }

    /// Ends a silence now; it stays in the list.
    fn expire(&mut self, id: &str) -> Reply {
        let now = self.clock.now();
        match self.silences.iter_mut().find(|silence| silence["id"] == id) {
            Some(silence) => {
                silence["endsAt"] = json!(now);
                Reply::new(StatusCode::OK)
            }
            None => json(StatusCode::NOT_FOUND, &"silence not found"),
        }
    }

    fn with_state(&self, silence: &Value) -> Value {
        let mut silence = silence.clone();
        silence["status"] = json!({ "state": self.state(&silence) });
        silence
    }

    fn state(&self, silence: &Value) -> &'static str {
        let now = Some(self.clock.now());
        match (time(silence, "startsAt"), time(silence, "endsAt")) {
            (start, _) if now < start => "pending",
            (_, end) if now < end => "active",
            _ => "expired",
        }
    }
}

/// Whether a silence is for what has these labels.
pub fn silences(silence: &Value, labels: &Labels) -> bool {
    matchers(silence).is_some_and(|matchers| matchers.iter().all(|matcher| matcher.matches(labels)))
}

/// The labels of an alert.
pub fn labels(alert: &Value) -> Labels {
    let labels = alert["labels"].as_object().into_iter().flatten();
    labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn matchers(silence: &Value) -> Option<Vec<Matcher>> {
    let one = |matcher: &Value| {
        let operator = match (matcher["isEqual"].as_bool().unwrap_or(true), matcher["isRegex"].as_bool()?) {
            (true, false) => "=",
            (false, false) => "!=",
            (true, true) => "=~",
            (false, true) => "!~",
        };
        Matcher::new(matcher["name"].as_str()?.to_owned(), operator, matcher["value"].as_str()?.to_owned())
    };
    silence["matchers"].as_array()?.iter().map(one).collect()
}

fn time(silence: &Value, name: &str) -> Option<Time> {
    silence[name].as_str()?.parse().ok()
}

fn bad_request(message: &str) -> Reply {
    json(StatusCode::BAD_REQUEST, &message)
}
