//! What a Prometheus knows, on one screen: which targets are up, what fires, and how a metric went in the last hour.
//!
//! `cargo run --example prometheus -- URL [ALERTMANAGER_URL] [METRIC]`
//!
//! ```text
//! prometheus 2.42.0+ds, alertmanager 0.25.0
//!
//! targets up: 1 of 2
//!   dead               0 of 1   down: 127.0.0.1:1
//!   prometheus         1 of 1
//!
//! alerts firing: 1
//!   TargetDown               critical  11-21 14:34  target 127.0.0.1:1 is down
//!
//! process_resident_memory_bytes, the last hour: Resident memory size in bytes.
//!   prometheus                                                    ▁▁▄▅▅▅▆▆▆▆▇▇▇▇▇█  53.4 MiB … 73.1 MiB, last 73.1 MiB
//! ```

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use opsorch::transport::ReqwestTransport;
use opsorch::{
    Actor, AlertQuery, Clock, Context, MetricKindLevel, MetricQuery, MetricSeries, OpsOrch, Scope, SystemClock, Time,
    visible,
};
use opsorch_providers::prometheus::PrometheusConfig;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The metric that is drawn if none is named.
const USUAL: &str = "process_resident_memory_bytes";

/// How long the line of a metric is, with a block for each minute.
const MINUTES: u32 = 60;

/// From the lowest value to the highest.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (addresses, metrics): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|it| it.contains("://"));
    match show(&addresses, metrics.first().map(String::as_str)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn show(addresses: &[String], metric_name: Option<&str>) -> Outcome {
    let mut config = match addresses {
        [] => return Err("expected: URL [ALERTMANAGER_URL] [METRIC], such as http://localhost:9090".into()),
        [url, ..] => PrometheusConfig::new(url.parse()?),
    };
    if let Some(alertmanager) = addresses.get(1) {
        config = config.alertmanager(alertmanager.parse()?);
    }
    let ops = OpsOrch::builder().configure("prometheus", config).transport(ReqwestTransport::new()?).build().await?;
    let cx = Context::new(Actor::user("you")).timeout(Duration::from_secs(30));

    let health = ops.health(&cx, "prometheus").await.map_err(|error| format!("{}: {error}", addresses.join(", ")))?;
    if let Some(problem) = health.problems.first() {
        return Err(problem.message.clone().into());
    }
    println!("{}", health.version.unwrap_or_else(|| "a server that does not say its version".into()));
    targets(&ops, &cx).await?;
    alerts(&ops, &cx).await?;
    metric(&ops, &cx, metric_name).await
}

/// How many targets of each job are up, and which are not.
async fn targets(ops: &OpsOrch, cx: &Context) -> Outcome {
    let now = SystemClock.now();
    let page = ops.metrics(cx).query(MetricQuery::new("up", now, now).limit(10_000)).await?;
    let mut jobs = BTreeMap::<&str, (usize, Vec<&str>)>::new();
    for series in &page.items {
        let (up, down) = jobs.entry(label(series, "job")).or_default();
        match series.points.last().is_some_and(|point| point.value() == 1.0) {
            true => *up += 1,
            false => down.push(label(series, "instance")),
        }
    }
    let up: usize = jobs.values().map(|(up, _)| up).sum();
    println!("\ntargets up: {up} of {}", page.items.len());
    for (job, (up, down)) in jobs {
        let down_names = if down.is_empty() { String::new() } else { format!("   down: {}", down.join(", ")) };
        println!("  {:<18} {up} of {}{}", short(job, 18), up + down.len(), short(&down_names, 80));
    }
    Ok(())
}

/// What fires, the newest first.
async fn alerts(ops: &OpsOrch, cx: &Context) -> Outcome {
    let page = ops.alerts(cx).query(AlertQuery::firing().limit(10)).await?;
    let count = if page.next.is_some() { "more than 10".into() } else { page.items.len().to_string() };
    println!("\nalerts firing: {count}");
    for alert in &page.items {
        let since = alert.created_at.map_or(String::new(), |time| time.format("%m-%d %H:%M").to_string());
        let (severity, what) = (alert.severity.as_str(), alert.description.as_deref().unwrap_or_default());
        let line = format!("{:<24} {:<9} {since}  {}", short(&alert.title, 24), short(severity, 9), short(what, 80));
        println!("  {}", line.trim_end());
    }
    Ok(())
}

/// How a metric went: of each job the highest value or, where it only counts up, what all gain in a second.
async fn metric(ops: &OpsOrch, cx: &Context, name: Option<&str>) -> Outcome {
    let metrics = ops.metrics(cx).describe(Scope::new()).await?.items;
    let wanted = name.unwrap_or(USUAL);
    let a_gauge = || metrics.iter().find(|metric| name.is_none() && metric.kind.level() == MetricKindLevel::Gauge);
    let Some(metric) = metrics.iter().find(|metric| metric.name == wanted).or_else(a_gauge) else {
        let names: Vec<_> =
            metrics.iter().map(|it| it.name.as_str()).filter(|it| it.contains(wanted)).take(8).collect();
        return Err(format!("\nno metric is called {wanted}; close to it: [{}]", names.join(", ")).into());
    };
    let name = metric.name.as_str();
    let counts_up = metric.kind.level() == MetricKindLevel::Counter;
    let end = SystemClock.now();
    let start = end - Duration::from_secs(60) * (MINUTES - 1);
    let query = MetricQuery::new(name, start, end).step(60).limit(10);
    let query = match counts_up {
        true => query.metadata("query", format!("sum by (job) (rate({name}[5m]))")),
        false => query.aggregation("max").group_by("job"),
    };
    let page = ops.metrics(cx).query(query).await?;
    let what = if counts_up { "per second, " } else { "" };
    println!("\n{name}, {what}the last hour: {}", short(&metric.description, 80));
    if page.items.is_empty() {
        println!("  no values");
    }
    for series in &page.items {
        let values: Vec<f64> = series.points.iter().map(|point| point.value()).collect();
        let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), it| (low.min(*it), high.max(*it)));
        let Some(last) = values.last() else { continue };
        let [low_text, high_text, last] = [low, high, *last].map(|value| readable(value, name));
        let line = sparkline(series, start, low, high);
        println!("  {:<18} {line} {low_text} … {high_text}, last {last}", short(label(series, "job"), 18));
    }
    if page.next.is_some() {
        println!("  and more jobs");
    }
    Ok(())
}

/// A block for each minute, as high as its value is between the lowest and the highest; blank where there is no value.
fn sparkline(series: &MetricSeries, start: Time, low: f64, high: f64) -> String {
    let mut line = [' '; MINUTES as usize];
    for point in &series.points {
        let minute = usize::try_from((point.timestamp() - start).num_minutes()).unwrap_or_default();
        let share = (point.value() - low) / (high - low);
        let height = (1..8_u8).filter(|eighth| share * 8.0 >= f64::from(*eighth)).count();
        if let (Some(place), Some(block)) = (line.get_mut(minute), BLOCKS.get(height)) {
            *place = *block;
        }
    }
    line.iter().collect()
}

/// A value in its unit, with which names end in Prometheus.
fn readable(value: f64, name: &str) -> String {
    let unit = name.trim_end_matches("_total").rsplit('_').next();
    match unit {
        Some("bytes") if value.abs() >= f64::from(1 << 30) => format!("{:.1} GiB", value / f64::from(1 << 30)),
        Some("bytes") => format!("{:.1} MiB", value / f64::from(1 << 20)),
        Some("seconds") => format!("{value:.3} s"),
        _ if value.fract() == 0.0 => format!("{value}"),
        _ => format!("{value:.3}"),
    }
}

fn label<'a>(series: &'a MetricSeries, name: &str) -> &'a str {
    series.labels.get(name).and_then(|value| value.as_str()).unwrap_or_default()
}

/// One line of it, without characters that a terminal would obey.
fn short(text: &str, length: usize) -> String {
    let line = visible(text.lines().next().unwrap_or_default()).into_owned();
    match line.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
