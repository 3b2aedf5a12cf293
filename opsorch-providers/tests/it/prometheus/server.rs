//! A Prometheus over HTTP, as strict as the real one about what it is asked, and a control plane over it.

use std::collections::BTreeMap;

use opsorch::{MetricQuery, MetricSeries, Page, Result, Time};
use opsorch_providers::prometheus::PrometheusConfig;
use serde_json::{Value, json};
use url::form_urlencoded;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::alertmanager::Desk;

pub(super) struct Prometheus {
    pub(super) server: MockServer,
    pub(super) desk: Desk,
}

impl Prometheus {
    /// A server with these series of the metric `up`, by their label `job`; their values are the seconds since 1970.
    pub(super) async fn with_jobs(jobs: &'static [&'static str]) -> Self {
        Self::over(Evaluates(jobs)).await
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

/// Evaluates `up` at the moments it is asked for, and at no other.
struct Evaluates(&'static [&'static str]);

impl Respond for Evaluates {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let form = form(request);
        let number = |name: &str| (form[name].parse::<f64>().unwrap() * 1000.0).round() as i64;
        let (result_type, moments) = match request.url.path() {
            "/api/v1/query" => ("vector", vec![number("time")]),
            "/api/v1/query_range" => {
                let (start, end, step) = (number("start"), number("end"), number("step"));
                if end < start {
                    return failure(400, "bad_data", "end timestamp must not be before start time");
                }
                if (end - start) / step > 11_000 {
                    return failure(400, "bad_data", "exceeded maximum resolution of 11,000 points per timeseries");
                }
                ("matrix", (0..=(end - start) / step).map(|index| start + index * step).collect())
            }
            path => panic!("{path} is not evaluated"),
        };
        let samples: Vec<_> =
            moments.iter().map(|time| *time as f64 / 1000.0).map(|t| json!([t, t.to_string()])).collect();
        let series = self.0.iter().map(|job| {
            let metric = json!({ "__name__": "up", "job": job });
            match result_type {
                "vector" => json!({ "metric": metric, "value": samples[0] }),
                _ => json!({ "metric": metric, "values": samples }),
            }
        });
        let data = json!({ "resultType": result_type, "result": series.collect::<Vec<_>>() });
        ResponseTemplate::new(200).set_body_json(success(data))
    }
}
