//! What it costs to read a matrix of Prometheus: points for each second of CPU time, from the bytes of the answer to
//! series, through the provider. Beside it, in the same run, the same bytes read into a `serde_json::Value` and into
//! structs as serde derives them, which are no series yet.
//!
//! `cargo bench --bench matrix`
#![allow(missing_docs, clippy::unwrap_used)]

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;

use opsorch::transport::Bytes;
use opsorch::{Actor, BuildEnv, Context, MetricQuery, OpsOrch, ProviderConfig, Time};
use opsorch_benches::results::{Goal, Number, Results};
use opsorch_benches::{Canned, least};
use opsorch_providers::prometheus::PrometheusConfig;
use serde::Deserialize;

/// The points of a series.
const POINTS: usize = 100;

/// The points that a measurement reads, at least.
const WORK: usize = 10_000_000;

/// How often each measurement is made; the best counts, because everything else on the machine only slows it down.
const ROUNDS: usize = 5;

/// What is aimed at, in million points per second of CPU time.
const GOAL: f64 = 14.0;

/// The first moment of the span, and the seconds from point to point.
const START: i64 = 1_767_225_600;
const STEP: i64 = 15;

/// The answer as serde derives it.
#[derive(Deserialize)]
struct Derived {
    data: DerivedData,
}

#[derive(Deserialize)]
struct DerivedData {
    result: Vec<DerivedSeries>,
}

#[derive(Deserialize)]
struct DerivedSeries {
    metric: std::collections::BTreeMap<String, String>,
    values: Vec<(f64, String)>,
}

fn main() {
    println!("million points per CPU-second, best of {ROUNDS}\n");
    println!("{:>8} {:>12} {:>12} {:>12}", "series", "provider", "Value", "derived");
    let mut results = Results::of("matrix");
    for series in [1, 100, 1000] {
        let body = matrix(series);
        let provider = provider(series, body.clone());
        let value = rate(series, || serde_json::from_slice::<serde_json::Value>(black_box(&body)).unwrap());
        let derived = rate(series, || {
            let derived: Derived = serde_json::from_slice(black_box(&body)).unwrap();
            assert_eq!(derived.data.result.len(), series);
            derived.data.result.iter().for_each(|one| _ = black_box((&one.metric, &one.values)));
            derived
        });
        let ours = rate(series, provider);
        println!("{series:>8} {ours:>12.1} {value:>12.1} {derived:>12.1}");
        let what = format!("{series} series of {POINTS} points, each second of processor time");
        let number = Number::new(what, ours, "million points").beside("derived by serde", derived);
        // A page of one series is mostly the call itself.
        results.add(if series == 1 { number } else { number.goal(Goal::Least(GOAL)) });
    }
    results.write();
}

/// Reads the answer through the provider, as a caller does.
fn provider(series: usize, body: Bytes) -> impl FnMut() -> Vec<opsorch::MetricSeries> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let config = PrometheusConfig::new("http://prometheus.example.org".parse().unwrap());
    let env = BuildEnv::new().with_transport(Arc::new(Canned::new(vec![body])));
    let ops = runtime.block_on(async {
        let provider = config.build(&"prometheus".into(), &env).await.unwrap();
        OpsOrch::builder().provider(provider).without_layers().build().await.unwrap()
    });
    let cx = Context::new(Actor::service("bench"));
    let at = |seconds| Time::from_timestamp_secs(seconds).unwrap();
    let end = START + STEP * (i64::try_from(POINTS).unwrap() - 1);
    let query = MetricQuery::new("http_requests_total", at(START), at(end)).limit(u32::try_from(series).unwrap());
    move || {
        let page = runtime.block_on(ops.metrics(&cx).query(black_box(query.clone()))).unwrap();
        assert!(page.is_complete() && page.items.len() == series);
        assert!(page.items.iter().all(|series| series.points.len() == POINTS));
        page.items
    }
}

/// The best rate of several measurements, in million points per second of this process' CPU time.
fn rate<T>(series: usize, mut read: impl FnMut() -> T) -> f64 {
    let repeats = WORK.div_ceil(series * POINTS);
    let seconds = least(ROUNDS, || (0..repeats).for_each(|_| _ = black_box(read())));
    (repeats * series * POINTS) as f64 / seconds / 1e6
}

/// A matrix as Prometheus writes it: counters, and rates with all their digits.
fn matrix(series: usize) -> Bytes {
    let mut body = String::from(r#"{"status":"success","data":{"resultType":"matrix","result":["#);
    for index in 0..series {
        let comma = if index == 0 { "" } else { "," };
        let labels = format!(
            r#""__name__":"http_requests_total","code":"200","instance":"10.0.0.{}:9090","job":"api","pod":"api-{index}""#,
            index % 250
        );
        write!(body, r#"{comma}{{"metric":{{{labels}}},"values":["#).unwrap();
        for point in 0..POINTS {
            let comma = if point == 0 { "" } else { "," };
            let time = START + STEP * i64::try_from(point).unwrap();
            let count = index * 1000 + point * 17;
            match point % 2 {
                0 => write!(body, r#"{comma}[{time}.781,"{count}"]"#).unwrap(),
                _ => write!(body, r#"{comma}[{time}.781,"{}"]"#, count as f64 / 7.0).unwrap(),
            }
        }
        body.push_str("]}");
    }
    body.push_str("]}}");
    body.into()
}
