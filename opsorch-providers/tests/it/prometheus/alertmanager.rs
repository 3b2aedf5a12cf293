//! An Alertmanager over HTTP that keeps what it is told, and a control plane over it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use opsorch::gate::Decision;
use opsorch::secret::StaticSecrets;
use opsorch::transport::{Method, Reply, Request as Outgoing, ReqwestTransport, Transport};
use opsorch::{Action, Actor, Builder, Context, Error, ErrorKind, ManualClock, OpsOrch, Result, Target};
use opsorch_providers::prometheus::PrometheusConfig;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// Alerts and silences behind the API v2. Clones share them.
#[derive(Clone, Default)]
pub(super) struct State(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    alerts: Vec<Value>,
    silences: Vec<Value>,
    /// Whether a silence is in effect at once.
    is_slow: bool,
    /// What becomes of the alerts when one is silenced.
    forgets: bool,
    /// Answers in place of the usual ones: the method, how many times from now on it is passed over, and the answer.
    faults: Vec<(&'static str, usize, ResponseTemplate)>,
}

pub(super) struct Alertmanager {
    pub(super) server: MockServer,
    pub(super) state: State,
}

impl Alertmanager {
    pub(super) async fn start(alerts: impl IntoIterator<Item = Value>) -> Self {
        let state = State::default();
        state.set(alerts);
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(state.clone()).mount(&server).await;
        Self { server, state }
    }

    pub(super) fn config(&self) -> PrometheusConfig {
        PrometheusConfig::alertmanager_only(self.server.uri().parse().unwrap())
    }

    /// A control plane over it.
    pub(super) async fn desk(&self) -> Desk {
        Desk::of(self.config()).await
    }

    /// The requests of a method so far.
    pub(super) async fn requests(&self, method: &str) -> Vec<Request> {
        let all = self.server.received_requests().await.unwrap();
        all.into_iter().filter(|request| request.method.as_str() == method).collect()
    }

    /// The values of a parameter in the last request.
    pub(super) async fn last_parameter(&self, name: &str) -> Vec<String> {
        let last = self.server.received_requests().await.unwrap().pop().unwrap();
        let pairs = last.url.query_pairs();
        pairs.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
    }
}

impl State {
    pub(super) fn set(&self, alerts: impl IntoIterator<Item = Value>) {
        self.0.lock().unwrap().alerts = alerts.into_iter().collect();
    }

    pub(super) fn silences(&self) -> Vec<Value> {
        self.0.lock().unwrap().silences.clone()
    }

    pub(super) fn set_silences(&self, silences: impl IntoIterator<Item = Value>) {
        self.0.lock().unwrap().silences = silences.into_iter().collect();
    }

    /// Silences take effect later.
    pub(super) fn be_slow(&self) {
        self.0.lock().unwrap().is_slow = true;
    }

    /// Alerts end as they are silenced.
    pub(super) fn forget_silenced(&self) {
        self.0.lock().unwrap().forgets = true;
    }

    /// Answers the next request of a method so, but for the first few.
    pub(super) fn fail(&self, method: &'static str, passed_over: usize, answer: ResponseTemplate) {
        self.0.lock().unwrap().faults.push((method, passed_over, answer));
    }
}

impl Respond for State {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.0.lock().unwrap();
        let method = request.method.as_str().to_owned();
        if let Some(index) = state.faults.iter().position(|(of, _, _)| *of == method) {
            match &mut state.faults[index] {
                (_, 0, _) => return state.faults.remove(index).2,
                (_, passed_over, _) => *passed_over -= 1,
            }
        }
        match (method.as_str(), request.url.path()) {
            ("GET", "/api/v2/alerts") => state.alerts(request),
            ("GET", "/api/v2/silences") => ResponseTemplate::new(200).set_body_json(&state.silences),
            ("POST", "/api/v2/silences") => state.silence(&request.body_json().unwrap()),
            _ => ResponseTemplate::new(404).set_body_string("404 page not found\n"),
        }
    }
}

impl Inner {
    fn alerts(&self, request: &Request) -> ResponseTemplate {
        let is_off = |name: &str| request.url.query_pairs().any(|(key, value)| key == name && value == "false");
        let (active, silenced, inhibited) = (!is_off("active"), !is_off("silenced"), !is_off("inhibited"));
        let filters = request.url.query_pairs().filter(|(key, _)| key == "filter");
        let mut matchers = Vec::new();
        for (_, filter) in filters {
            match parse(&filter) {
                Some(matcher) => matchers.push(matcher),
                None => return bad_request(&format!("bad matcher format: {filter}")),
            }
        }
        let has = |alert: &Value, list: &str| alert["status"][list].as_array().is_some_and(|list| !list.is_empty());
        let found = self.alerts.iter().filter(|alert| {
            (active || alert["status"]["state"] != "active")
                && (silenced || !has(alert, "silencedBy"))
                && (inhibited || !has(alert, "inhibitedBy"))
                && matchers.iter().all(|(name, value)| alert["labels"][name].as_str().unwrap_or("") == value)
        });
        ResponseTemplate::new(200).set_body_json(found.collect::<Vec<_>>())
    }

    /// Takes a silence as Alertmanager does, which is strict about what it is sent.
    fn silence(&mut self, posted: &Value) -> ResponseTemplate {
        let matchers = posted["matchers"].as_array().cloned().unwrap_or_default();
        if matchers.is_empty() || matchers.iter().any(|matcher| matcher["value"] == "") {
            return bad_request("at least one matcher must not match the empty string");
        }
        let id = format!("silence-{}", self.silences.len() + 1);
        let mut silence = posted.clone();
        silence["id"] = json!(id);
        silence["status"] = json!({ "state": "active" });
        self.silences.push(silence);
        let is_meant =
            |alert: &Value| matchers.iter().all(|it| alert["labels"][it["name"].as_str().unwrap()] == it["value"]);
        if self.forgets {
            self.alerts.retain(|alert| !is_meant(alert));
        } else if !self.is_slow {
            for alert in self.alerts.iter_mut().filter(|alert| is_meant(alert)) {
                alert["status"] =
                    json!({ "state": "suppressed", "silencedBy": [id], "inhibitedBy": [], "mutedBy": [] });
            }
        }
        ResponseTemplate::new(200).set_body_json(json!({ "silenceID": id }))
    }
}

fn bad_request(message: &str) -> ResponseTemplate {
    ResponseTemplate::new(400).set_body_json(message)
}

/// Reads `name="value"`, where the value is quoted and nothing follows it.
pub(super) fn parse(matcher: &str) -> Option<(String, String)> {
    let (name, quoted) = matcher.split_once('=')?;
    let value: String = serde_json::from_str(quoted).ok()?;
    Some((name.to_owned(), value))
}

/// A control plane over one provider, `prom`, whose policy allows everything and whose time stands still.
pub(super) struct Desk {
    pub(super) ops: OpsOrch,
    pub(super) cx: Context,
}

impl Desk {
    pub(super) async fn of(config: PrometheusConfig) -> Self {
        Self::over(ReqwestTransport::new().unwrap(), config).await.unwrap()
    }

    /// With the layers that every control plane has, so that what must not be repeated is seen not to be.
    pub(super) async fn over(transport: impl Transport, config: PrometheusConfig) -> Result<Self> {
        Self::built(builder(config).transport(transport)).await
    }

    /// Without layers, so that nothing is tried again.
    pub(super) async fn at_once(config: PrometheusConfig) -> Self {
        let builder = builder(config).transport(ReqwestTransport::new().unwrap()).without_layers();
        Self::built(builder).await.unwrap()
    }

    async fn built(builder: Builder) -> Result<Self> {
        Ok(Self { ops: builder.build().await?, cx: Context::new(Actor::agent("triage")) })
    }
}

fn builder(config: PrometheusConfig) -> Builder {
    let allow = |_: &Context, _: &Target, _: &Action| Decision::allow("a test");
    let secrets = StaticSecrets::new([("WEBHOOK", CANARY)]);
    OpsOrch::builder().configure("prom", config).policy(allow).clock(ManualClock::default()).secrets(secrets)
}

/// A secret that must be seen nowhere.
pub(super) const CANARY: &str = "canary-0c7e41";

/// Delivers what is posted and loses the answer.
#[derive(Debug)]
pub(super) struct LosesAnswers(pub(super) ReqwestTransport);

#[async_trait]
impl Transport for LosesAnswers {
    async fn send(&self, request: Outgoing) -> Result<Reply> {
        let is_post = request.method == Method::POST;
        let reply = self.0.send(request).await?;
        match is_post {
            true => Err(Error::new(ErrorKind::Timeout, "no complete answer in time")),
            false => Ok(reply),
        }
    }
}

/// An alert as Alertmanager 0.33 has it.
pub(super) fn alert(fingerprint: &str, starts_at: &str, labels: Value) -> Value {
    json!({
        "annotations": {},
        "endsAt": "2026-01-01T00:04:00.000Z",
        "fingerprint": fingerprint,
        "receivers": [{ "name": "hook" }],
        "startsAt": starts_at,
        "status": { "inhibitedBy": [], "mutedBy": [], "silencedBy": [], "state": "active" },
        "updatedAt": starts_at,
        "generatorURL": "http://prometheus:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
        "labels": labels,
    })
}

/// The same, silenced or inhibited.
pub(super) fn suppressed(mut alert: Value, list: &str) -> Value {
    alert["status"]["state"] = json!("suppressed");
    alert["status"][list] = json!(["by-this"]);
    alert
}
