//! Metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use opsorch::transport::{Method, Reply, Request, StatusCode};
use opsorch::{Clock, Time};
use opsorch_testkit::double::{MetricStore, body, by_cursor, parameter};
use serde_json::{Value, json};

use super::language::{self, Query};
use super::{bad_request, errors, ok};

/// The most points of a series: above, the interval gets wider.
const MOST_POINTS: i64 = 1_500;

/// The values of each group, by its tags.
type Rows = BTreeMap<Vec<String>, Vec<Option<f64>>>;

/// The metrics of an organization.
pub struct Metrics {
    pub store: MetricStore,
    /// What is said of each, by its name.
    pub meanings: BTreeMap<String, Value>,
    /// Metrics that have a configuration of their tags.
    pub configured: BTreeSet<String>,
}

impl Metrics {
    /// A gauge of three machines and what came in at two, each minute of the last two hours.
    pub fn new(clock: &Arc<dyn Clock>) -> Self {
        let mut store = MetricStore::default();
        let api = |host| [("service", "api"), ("team", "core"), ("env", "production"), ("host", host)];
        let db = [("service", "db"), ("team", "data"), ("env", "staging"), ("host", "db-1:9100")];
        let now = clock.now().timestamp_millis();
        for minute in 0..120_i64 {
            let at = Time::from_timestamp_millis(now - minute * 60_000).unwrap();
            store.record("jobs.waiting", api("api-1"), at, (minute % 40) as f64 + 0.5);
            store.record("jobs.waiting", api("api-2"), at, ((minute + 7) % 40) as f64);
            store.record("jobs.waiting", db, at, ((minute + 13) % 40) as f64);
            store.record("requests.count", api("api-1"), at, (minute * 3) as f64);
            store.record("requests.count", db, at, minute as f64);
        }
        let meanings = [
            ("jobs.waiting", json!({ "type": "gauge", "description": "Jobs that wait.", "unit": "job" })),
            (
                "requests.count",
                json!({ "type": "count", "description": "Requests.", "unit": "request", "per_unit": "second" }),
            ),
        ];
        let meanings = meanings.into_iter().map(|(name, meaning)| (name.to_owned(), meaning)).collect();
        Self { store, meanings, configured: BTreeSet::from(["requests.count".to_owned()]) }
    }

    pub fn answer(&self, request: &Request, path: &[&str]) -> Option<Reply> {
        Some(match (&request.method, path) {
            (&Method::POST, ["api", "v2", "query", "timeseries"]) => self.timeseries(&body(request)),
            (&Method::POST, ["api", "v2", "query", "scalar"]) => self.scalar(&body(request)),
            (&Method::GET, ["api", "v2", "metrics"]) => self.list(request),
            (&Method::GET, ["api", "v2", "metrics", name, "all-tags"]) => self.tags(request, name),
            (&Method::GET, ["api", "v1", "metrics", name]) => match self.meanings.get(*name) {
                Some(meaning) => ok(meaning),
                None => errors(StatusCode::NOT_FOUND, "Metric not found"),
            },
            _ => return None,
        })
    }

    fn timeseries(&self, body: &Value) -> Reply {
        let data = &body["data"];
        let attributes = &data["attributes"];
        let Some((query, from, to)) = asked(attributes).filter(|_| data["type"] == "timeseries_request") else {
            return bad_request("Error parsing query");
        };
        let usual = ((to - from) / 300).max(1);
        let interval = attributes["interval"].as_i64().unwrap_or(usual).max((to - from) / MOST_POINTS + 1);
        let interval = (interval + 999) / 1000 * 1000;
        let (times, rows) = self.evaluate(&query, from, to, interval);
        let unit = self.meanings.get(&query.metric).map(|meaning| &meaning["unit"]);
        let unit = unit.map(|unit| json!([{ "family": "general", "name": unit, "plural": unit, "scale_factor": 1.0, "short_name": unit }, null]));
        let heads: Vec<_> =
            rows.keys().map(|tags| json!({ "group_tags": tags, "query_index": 0, "unit": unit })).collect();
        let values: Vec<_> = rows.values().collect();
        let attributes = json!({ "series": heads, "times": times, "values": values });
        ok(&json!({ "data": { "id": "0", "type": "timeseries_response", "attributes": attributes } }))
    }

    fn scalar(&self, body: &Value) -> Reply {
        let data = &body["data"];
        let Some((query, from, to)) = asked(&data["attributes"]).filter(|_| data["type"] == "scalar_request") else {
            return bad_request("Error parsing query");
        };
        let aggregator = data["attributes"]["queries"][0]["aggregator"].as_str().unwrap_or_default();
        let (_, rows) = self.evaluate(&query, from, to, 60_000);
        let reduce = |row: &Vec<Option<f64>>| {
            let values: Vec<f64> = row.iter().copied().flatten().collect();
            match aggregator {
                "last" => values.last().copied(),
                "sum" => (!values.is_empty()).then(|| values.iter().sum()),
                "max" => values.iter().copied().reduce(f64::max),
                "min" => values.iter().copied().reduce(f64::min),
                _ => (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64),
            }
        };
        let mut columns: Vec<_> = query
            .groups
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let values = rows.keys().map(|tags| vec![tags[index].split_once(':').unwrap().1]);
                json!({ "type": "group", "name": name, "values": values.collect::<Vec<_>>() })
            })
            .collect();
        let values: Vec<_> = rows.values().map(reduce).collect();
        columns.push(json!({ "type": "number", "name": "a", "values": values, "meta": { "unit": null } }));
        ok(&json!({ "data": { "id": "0", "type": "scalar_response", "attributes": { "columns": columns } } }))
    }

    /// The means of what was measured in each interval, joined by groups. Intervals begin at multiples.
    fn evaluate(&self, query: &Query, from: i64, to: i64, interval: i64) -> (Vec<i64>, Rows) {
        let times: Vec<i64> =
            (from.div_euclid(interval)..).map(|index| index * interval).take_while(|at| *at < to).collect();
        let mut groups = BTreeMap::<Vec<String>, Vec<Vec<f64>>>::new();
        let meant = self.store.series().filter(|series| series.name == query.metric && query.matches(&series.labels));
        for series in meant {
            let tag = |name: &String| format!("{name}:{}", series.labels.get(name).map_or("N/A", String::as_str));
            let rows =
                groups.entry(query.groups.iter().map(tag).collect()).or_insert_with(|| vec![Vec::new(); times.len()]);
            for (time, row) in times.iter().zip(rows) {
                let moment = |milliseconds| Time::from_timestamp_millis(milliseconds).unwrap();
                let samples: Vec<f64> =
                    series.samples.range(moment(*time)..moment(*time + interval)).map(|(_, value)| *value).collect();
                if !samples.is_empty() {
                    row.push(samples.iter().sum::<f64>() / samples.len() as f64);
                }
            }
        }
        let joined = groups.into_iter().map(|(tags, rows)| (tags, rows.iter().map(|row| query.join(row)).collect()));
        (times, joined.collect())
    }

    fn list(&self, request: &Request) -> Reply {
        let filter = parameter(request, "filter[tags]").unwrap_or_else(|| "*".to_owned());
        let Some(conditions) = language::conditions(&filter) else { return bad_request("filter[tags]") };
        let meant = self.store.series().filter(|series| language::matches(&conditions, &series.labels));
        let names: BTreeSet<_> = meant.map(|series| series.name.clone()).collect();
        let entry = |name: &String| match self.configured.contains(name) {
            true => {
                json!({ "id": name, "type": "manage_tags", "attributes": { "metric_type": self.meanings[name]["type"], "tags": ["env", "host"], "created_at": "2020-03-25T09:48:37.463835Z", "modified_at": "2020-03-25T09:48:37.463835Z" } })
            }
            false => json!({ "id": name, "type": "metrics" }),
        };
        let Some(size) = parameter(request, "page[size]").and_then(|size| size.parse().ok()) else {
            return ok(&json!({ "data": names.iter().map(entry).collect::<Vec<_>>() }));
        };
        let cursor = parameter(request, "page[cursor]");
        let Ok(part) = by_cursor(&names, &filter, cursor.as_deref(), size) else { return bad_request("page[cursor]") };
        let data: Vec<_> = part.items.into_iter().map(entry).collect();
        ok(
            &json!({ "data": data, "meta": { "pagination": { "type": "cursor_limit", "limit": size, "next_cursor": part.next } } }),
        )
    }

    fn tags(&self, request: &Request, name: &str) -> Reply {
        let is_short = parameter(request, "filter[include_tag_values]").as_deref() == Some("false");
        let series = self.store.series().filter(|series| series.name == name);
        let tags = series.flat_map(|series| &series.labels);
        let tags = tags.map(|(name, value)| if is_short { name.clone() } else { format!("{name}:{value}") });
        match tags.collect::<BTreeSet<_>>() {
            tags if tags.is_empty() => errors(StatusCode::NOT_FOUND, "Metric not found"),
            tags => ok(&json!({ "data": { "id": name, "type": "metrics", "attributes": { "tags": tags } } })),
        }
    }
}

/// The query of a request, if it is one that means itself, with its span.
fn asked(attributes: &Value) -> Option<(Query, i64, i64)> {
    let query = &attributes["queries"][0];
    let is_itself = query["data_source"] == "metrics" && attributes["formulas"][0]["formula"] == query["name"];
    let (from, to) = (attributes["from"].as_i64()?, attributes["to"].as_i64()?);
    let query = Query::parse(query["query"].as_str()?)?;
    (is_itself && from < to).then_some((query, from, to))
}
