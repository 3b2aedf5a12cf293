//! The HTTP API v1 of Prometheus.

use std::collections::BTreeSet;

use opsorch::transport::{Method, Reply, Request, StatusCode};
use opsorch_testkit::double::{Double, json, parameter, parameters};
use serde_json::{Value, json};

use super::promql::{Evaluated, NAME, Query, Selector};
use super::{Labels, not_found, ok};

/// The most points of a series in one answer.
const MOST_POINTS: i64 = 11_000;

/// A server with what it has scraped and the rules that it evaluates.
pub struct Prometheus {
    pub series: Vec<Series>,
    /// What the targets say of their metrics.
    pub metadata: Value,
    /// The groups of rules, with the alerts that they raise.
    pub rules: Value,
}

/// A series: its labels, the name among them, and its value at a moment in milliseconds since 1970.
pub struct Series {
    pub labels: Labels,
    pub value: Box<dyn Fn(i64) -> Option<f64> + Send>,
}

impl Series {
    pub fn new(
        name: &'static str,
        labels: impl IntoIterator<Item = (&'static str, &'static str)>,
        value: impl Fn(i64) -> Option<f64> + Send + 'static,
    ) -> Self {
        let labels = labels.into_iter().chain([(NAME, name)]);
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { labels, value: Box::new(value) }
    }
}

impl Double for Prometheus {
    fn answer(&mut self, request: &Request) -> Reply {
        let request = &with_form(request);
        let is_read = request.method == Method::GET;
        let is_asked = is_read || request.method == Method::POST;
        match request.url.path() {
            "/api/v1/query" if is_asked => self.query(request),
            "/api/v1/query_range" if is_asked => self.query_range(request),
            "/api/v1/label/__name__/values" if is_read => {
                self.of_series(request, |labels| labels.get(NAME).into_iter().collect())
            }
            "/api/v1/labels" if is_read => self.of_series(request, |labels| labels.keys().collect()),
            "/api/v1/metadata" if is_read => success(&self.metadata),
            "/api/v1/rules" if is_read => success(&json!({ "groups": self.rules })),
            "/api/v1/status/buildinfo" if is_read => success(&json!({ "version": "3.5.0", "revision": "8be3a93" })),
            _ => not_found(),
        }
    }
}

impl Prometheus {
    fn query(&self, request: &Request) -> Reply {
        let Some(query) = parameter(request, "query").as_deref().and_then(Query::parse) else {
            return not_understood(request);
        };
        let Some(moment) = parameter(request, "time").map_or(Some(0), |time| milliseconds(&time)) else {
            return bad_data("invalid parameter \"time\"");
        };
        let sample = |value: f64| json!([seconds(moment), value.to_string()]);
        if let Query::Number(number) = query {
            return success(&json!({ "resultType": "scalar", "result": sample(number) }));
        }
        let found = query.evaluate(&self.series, &[moment]).into_iter().filter_map(|(labels, values)| {
            let value = values.into_iter().flatten().next()?;
            Some(json!({ "metric": labels, "value": sample(value) }))
        });
        success(&json!({ "resultType": "vector", "result": found.collect::<Vec<_>>() }))
    }

    fn query_range(&self, request: &Request) -> Reply {
        let Some(query) = parameter(request, "query").as_deref().and_then(Query::parse) else {
            return not_understood(request);
        };
        let number = |name| milliseconds(&parameter(request, name)?);
        let (Some(start), Some(end), Some(step)) = (number("start"), number("end"), number("step")) else {
            return bad_data("invalid parameter");
        };
        if end < start {
            return bad_data("end timestamp must not be before start time");
        }
        if step <= 0 {
            return bad_data("zero or negative query resolution step widths are not accepted");
        }
        if (end - start) / step > MOST_POINTS {
            return bad_data("exceeded maximum resolution of 11,000 points per timeseries");
        }
        let moments: Vec<i64> = (0..=(end - start) / step).map(|index| start + index * step).collect();
        let found = query.evaluate(&self.series, &moments).into_iter().filter_map(|one| series(one, &moments));
        success(&json!({ "resultType": "matrix", "result": found.collect::<Vec<_>>() }))
    }

    /// What series say, of those that are meant.
    fn of_series(&self, request: &Request, what: impl Fn(&Labels) -> Vec<&String>) -> Reply {
        let mut selectors = Vec::new();
        for selector in parameters(request, "match[]") {
            match Selector::parse(&selector) {
                Some(selector) => selectors.push(selector),
                None => return bad_data(&format!("invalid parameter \"match[]\": {selector}")),
            }
        }
        let is_meant = |labels: &Labels| selectors.is_empty() || selectors.iter().any(|one| one.matches(labels));
        let meant = self.series.iter().filter(|series| is_meant(&series.labels));
        success(&meant.flat_map(|series| what(&series.labels)).collect::<BTreeSet<_>>())
    }
}

/// The request with what its form says as parameters of the address: to Prometheus it is the same.
fn with_form(request: &Request) -> Request {
    let mut request = request.clone();
    let is_form = request.headers.get("content-type").is_some_and(|kind| kind == "application/x-www-form-urlencoded");
    if let (true, Ok(form)) = (is_form, std::str::from_utf8(&request.body)) {
        request.url.set_query(Some(form));
    }
    request
}

/// A series of a matrix, if it has any value.
fn series((labels, values): Evaluated, moments: &[i64]) -> Option<Value> {
    let samples = moments.iter().zip(values).filter_map(|(at, value)| Some(json!([seconds(*at), value?.to_string()])));
    let samples: Vec<_> = samples.collect();
    (!samples.is_empty()).then(|| json!({ "metric": labels, "values": samples }))
}

fn milliseconds(text: &str) -> Option<i64> {
    text.parse::<f64>().ok().map(|seconds| (seconds * 1000.0).round() as i64)
}

fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

fn success(data: &impl serde::Serialize) -> Reply {
    ok(&json!({ "status": "success", "data": data }))
}

/// A refusal in the words of Prometheus.
pub fn failure(status: StatusCode, error_type: &str, error: &str) -> Reply {
    json(status, &json!({ "status": "error", "errorType": error_type, "error": error }))
}

fn bad_data(error: &str) -> Reply {
    failure(StatusCode::BAD_REQUEST, "bad_data", error)
}

fn not_understood(request: &Request) -> Reply {
    bad_data(&format!("invalid parameter \"query\": parse error in {:?}", parameter(request, "query")))
}
