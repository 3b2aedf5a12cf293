//! A Prometheus over HTTP, and a control plane over it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use opsorch::transport::Request as Outgoing;
use opsorch::{MetricQuery, MetricSeries, Page, Result, Time};
use opsorch_providers::prometheus::PrometheusConfig;
use opsorch_testkit::double::Double;
use serde_json::{Value, json};
use url::form_urlencoded;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::alertmanager::Desk;
use super::simulated::prometheus::server::{self as simulated, Series};

pub(super) struct Prometheus {
    pub(super) server: MockServer,
    pub(super) desk: Desk,
}

impl Prometheus {
    /// A server with these series of the metric `up`, by their label `job`; their values are the seconds since 1970.
    pub(super) async fn with_jobs(jobs: &'static [&'static str]) -> Self {
        let up = |job: &&'static str| Series::new("up", [("job", *job)], |at| Some(at as f64 / 1000.0));
        let series = jobs.iter().map(up).collect();
        let server = simulated::Prometheus { series, metadata: json!({}), rules: json!([]) };
        let server = Mutex::new(server);
        Self::over(move |request: &Request| answered(&mut *server.lock().unwrap(), request)).await
    }

    /// A server that answers everything so.
    pub(super) async fn answering(answer: ResponseTemplate) -> Self {
        Self::over(answer).await
    }

    /// A server that answers everything with this JSON.
    pub(super) async fn saying(body: Value) -> Self {
        Self::over(ResponseTemplate::new(200).set_body_json(body)).await
    }

    /// A server that finds these series for every query.
    pub(super) async fn finding(result_type: &str, result: Value) -> Self {
        Self::saying(success(json!({ "resultType": result_type, "result": result }))).await
    }

    pub(super) async fn over(answers: impl Respond + 'static) -> Self {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(answers).mount(&server).await;
        let desk = Desk::at_once(PrometheusConfig::new(server.uri().parse().unwrap())).await;
        Self { server, desk }
    }

    pub(super) async fn query(&self, query: MetricQuery) -> Result<Page<MetricSeries>> {
        self.desk.ops.metrics(&self.desk.cx).query(query).await
    }

    pub(super) async fn requests(&self) -> Vec<Request> {
        self.server.received_requests().await.unwrap()
    }

    /// The forms that were posted.
    pub(super) async fn forms(&self) -> Vec<BTreeMap<String, String>> {
        self.requests().await.iter().map(form).collect()
    }

    /// The PromQL that a query becomes.
    pub(super) async fn promql(&self, query: MetricQuery) -> String {
        self.query(query).await.unwrap();
        self.forms().await.pop().unwrap()["query"].clone()
    }
}

pub(super) fn success(data: Value) -> Value {
    json!({ "status": "success", "data": data })
}

pub(super) fn failure(status: u16, error_type: &str, error: &str) -> ResponseTemplate {
    let body = json!({ "status": "error", "errorType": error_type, "error": error });
    ResponseTemplate::new(status).set_body_json(body)
}

/// A moment, in seconds since 1970.
pub(super) fn at(seconds: f64) -> Time {
    Time::from_timestamp_millis((seconds * 1000.0).round() as i64).unwrap()
}

/// `up` from one moment to another.
pub(super) fn up(start: f64, end: f64) -> MetricQuery {
    MetricQuery::new("up", at(start), at(end))
}

/// The points of a series, as seconds and values.
pub(super) fn points(series: &MetricSeries) -> Vec<(f64, f64)> {
    series.points.iter().map(|point| (point.timestamp().timestamp_millis() as f64 / 1000.0, point.value())).collect()
}

pub(super) fn form(request: &Request) -> BTreeMap<String, String> {
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    form_urlencoded::parse(&request.body).into_owned().collect()
}

/// What a simulated server answers.
pub(super) fn answered(server: &mut impl Double, request: &Request) -> ResponseTemplate {
    let asked = Outgoing::new(request.method.clone(), request.url.clone());
    let reply = server.answer(&asked.headers(request.headers.clone()).body(request.body.clone()));
    let answer = ResponseTemplate::new(reply.status.as_u16()).set_body_bytes(reply.body.to_vec());
    reply.headers.iter().fold(answer, |answer, (name, value)| answer.append_header(name, value))
}
