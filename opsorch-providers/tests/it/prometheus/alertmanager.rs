//! An Alertmanager over HTTP that can be made to misbehave, and a control plane over it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use opsorch::gate::Decision;
use opsorch::secret::StaticSecrets;
use opsorch::transport::{Method, Reply, Request as Outgoing, ReqwestTransport, Transport};
use opsorch::{Action, Actor, Builder, Clock, Context, Error, ErrorKind, ManualClock, OpsOrch, Result, Target};
use opsorch_providers::prometheus::PrometheusConfig;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::server::answered;
use super::simulated::prometheus::alertmanager as simulated;

/// A simulated Alertmanager that can be made to misbehave. Clones share it.
#[derive(Clone)]
pub(super) struct State(Arc<Mutex<Inner>>);

struct Inner {
    server: simulated::Alertmanager,
    /// Whether alerts end as they are silenced.
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
        let server = simulated::Alertmanager::new(alerts.into_iter().collect(), Arc::new(ManualClock::default()));
        let state = State(Arc::new(Mutex::new(Inner { server, forgets: false, faults: Vec::new() })));
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
        self.0.lock().unwrap().server.alerts = alerts.into_iter().collect();
    }

    pub(super) fn silences(&self) -> Vec<Value> {
        self.0.lock().unwrap().server.silences.clone()
    }

    pub(super) fn set_silences(&self, silences: impl IntoIterator<Item = Value>) {
        self.0.lock().unwrap().server.silences = silences.into_iter().collect();
    }

    /// Its clock is a minute behind, so that what begins now has not begun there.
    pub(super) fn be_slow(&self) {
        let behind = ManualClock::new(ManualClock::default().now() - Duration::from_secs(60));
        self.0.lock().unwrap().server.clock = Arc::new(behind);
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
        let answer = answered(&mut state.server, request);
        if state.forgets {
            let simulated::Alertmanager { alerts, silences, .. } = &mut state.server;
            alerts.retain(|alert| {
                !silences.iter().any(|silence| simulated::silences(silence, &simulated::labels(alert)))
            });
        }
        answer
    }
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
        Self::at_once_over(ReqwestTransport::new().unwrap(), config).await
    }

    pub(super) async fn at_once_over(transport: impl Transport, config: PrometheusConfig) -> Self {
        Self::built(builder(config).transport(transport).without_layers()).await.unwrap()
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
