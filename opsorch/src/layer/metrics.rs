//! Numbers for a monitoring system.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use opsorch_schema::{Entry, Event, Operation, ProviderName, Response};
use tokio::time::Instant;

use super::{Call, Layer, Next};
use crate::Result;
use crate::gate::AuditSink;

/// The upper bounds of the buckets, in seconds: those that OpenTelemetry's conventions advise for durations of HTTP clients.
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// What a call that was dropped before it ended is counted as.
const CANCELLED: &str = "cancelled";

/// Counts calls and measures how long they take, and counts what the gate does; prints both for Prometheus.
///
/// | metric | labels | is |
/// |---|---|---|
/// | `opsorch_call_duration_seconds` | `operation_name`, `provider_name`, `error_type` | a histogram of calls that ended; `error_type` is empty where there was no error, `cancelled` where the caller went away |
/// | `opsorch_call_active` | the first two | calls on their way |
/// | `opsorch_gate_decisions_total` | `decision`, `operation_name` | what policy and access said of changes in this process: `allow`, `require-approval`, `deny`, and `access` where the role is not enough, for reads too |
/// | `opsorch_audit_entries_total` | `event`, `operation_name` | entries of the audit log that this process committed |
/// | `opsorch_audit_size` | | how long the log is, as far as this process knows |
///
/// Names and labels are those of OpenTelemetry's `*.duration` metrics and `error.type`, as Prometheus spells them. As a layer it
/// sees calls, as a sink the log; outside of retries it measures what the caller waited for, inside of them each attempt.
/// Labels are operations, names of providers and codes of errors, so that no input makes the number of series grow.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> opsorch::Result<()> {
/// use opsorch::OpsOrch;
/// use opsorch::layer::MetricsLayer;
///
/// let metrics = MetricsLayer::new();
/// let ops = OpsOrch::builder().layer(metrics.clone()).audit_sink(metrics.clone()).build().await?;
/// assert!(metrics.exposition().starts_with("# HELP opsorch_call_duration_seconds"));
/// # drop(ops);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MetricsLayer(Arc<Mutex<Numbers>>);

#[derive(Default)]
struct Numbers {
    calls: BTreeMap<Place, Series>,
    decisions: BTreeMap<(&'static str, Operation), u64>,
    entries: BTreeMap<(&'static str, Operation), u64>,
    /// The number of entries, by the highest sequence seen.
    log: u64,
}

type Place = (Operation, ProviderName);

#[derive(Default)]
struct Series {
    active: u64,
    /// By the code of the error, empty where there was none.
    ended: BTreeMap<&'static str, Durations>,
}

#[derive(Default)]
struct Durations {
    /// How many ended within each bound, and not within the one before.
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: Duration,
}

impl MetricsLayer {
    /// Nothing counted yet. Clones count together.
    pub fn new() -> Self {
        Self::default()
    }

    /// The numbers in Prometheus' text format, version 0.0.4, in an order that does not change.
    pub fn exposition(&self) -> String {
        let mut text = String::new();
        // Writing into a `String` does not fail.
        let _ = self.numbers().write(&mut text);
        text
    }

    /// How long the log is, for who has looked.
    #[cfg(feature = "http")]
    pub(crate) fn log_has(&self, size: u64) {
        let mut numbers = self.numbers();
        numbers.log = numbers.log.max(size);
    }

    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MetricsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = self.numbers();
        f.debug_struct("MetricsLayer").field("series", &numbers.calls.len()).field("log", &numbers.log).finish()
    }
}

#[async_trait]
impl Layer for MetricsLayer {
    async fn call(&self, call: Call<'_>, next: Next<'_>) -> Result<Response> {
        let mut running = Running::start(self, &call);
        let result = next.run().await;
        running.ended_as = result.as_ref().map_or_else(|error| error.kind().code(), |_| "");
        result
    }
}

#[async_trait]
impl AuditSink for MetricsLayer {
    async fn committed(&self, entries: &[Entry]) {
        let mut numbers = self.numbers();
        for entry in entries {
            if let Some(decision) = decision(entry) {
                *numbers.decisions.entry((decision, entry.operation)).or_default() += 1;
            }
            *numbers.entries.entry((entry.event.word(), entry.operation)).or_default() += 1;
            numbers.log = numbers.log.max(entry.sequence + 1);
        }
    }
}

/// What was decided, where an entry tells that: a change that was approved is decided when it is requested, and not again when
/// it is redeemed.
fn decision(entry: &Entry) -> Option<&'static str> {
    let word = entry.decision.as_deref().and_then(|said| said.split([':', ' ']).next());
    match (entry.event, word?) {
        (Event::Intent, "allow") => Some("allow"),
        (Event::Requested, _) => Some("require-approval"),
        (Event::Refused, "deny") => Some("deny"),
        (Event::Refused, "access") => Some("access"),
        _ => None,
    }
}

/// A call on its way; counted as it is dropped, whatever the reason.
struct Running<'a> {
    layer: &'a MetricsLayer,
    place: Place,
    started: Instant,
    ended_as: &'static str,
}

impl<'a> Running<'a> {
    fn start(layer: &'a MetricsLayer, call: &Call<'_>) -> Self {
        let place = (call.operation(), call.provider().clone());
        layer.numbers().calls.entry(place.clone()).or_default().active += 1;
        Self { layer, place, started: Instant::now(), ended_as: CANCELLED }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let mut numbers = self.layer.numbers();
        let Some(series) = numbers.calls.get_mut(&self.place) else { return };
        series.active -= 1;
        series.ended.entry(self.ended_as).or_default().add(took);
    }
}

impl Durations {
    fn add(&mut self, took: Duration) {
        let bound = BOUNDS.iter().position(|bound| took.as_secs_f64() <= *bound);
        if let Some(bucket) = bound.and_then(|bound| self.buckets.get_mut(bound)) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(took);
    }

    fn write(&self, text: &mut String, labels: &str) -> fmt::Result {
        let mut within = 0;
        for (bound, count) in BOUNDS.iter().zip(self.buckets) {
            within += count;
            writeln!(text, r#"opsorch_call_duration_seconds_bucket{{{labels},le="{bound}"}} {within}"#)?;
        }
        writeln!(text, r#"opsorch_call_duration_seconds_bucket{{{labels},le="+Inf"}} {}"#, self.count)?;
        writeln!(text, "opsorch_call_duration_seconds_sum{{{labels}}} {}", self.sum.as_secs_f64())?;
        writeln!(text, "opsorch_call_duration_seconds_count{{{labels}}} {}", self.count)
    }
}

impl Numbers {
    fn write(&self, text: &mut String) -> fmt::Result {
        header(text, "opsorch_call_duration_seconds", "histogram", "How long calls to providers took.")?;
        for (place, series) in &self.calls {
            for (code, durations) in &series.ended {
                durations.write(text, &format!(r#"{},error_type="{code}""#, labels(place)))?;
            }
        }
        header(text, "opsorch_call_active", "gauge", "Calls to providers on their way.")?;
        for (place, series) in &self.calls {
            writeln!(text, "opsorch_call_active{{{}}} {}", labels(place), series.active)?;
        }
        header(text, "opsorch_gate_decisions_total", "counter", "What policy and access said of changes.")?;
        for ((decision, operation), count) in &self.decisions {
            let labels = format!(r#"decision="{decision}",operation_name="{operation}""#);
            writeln!(text, "opsorch_gate_decisions_total{{{labels}}} {count}")?;
        }
        header(
            text,
            "opsorch_audit_entries_total",
            "counter",
            "Entries of the audit log that this process committed.",
        )?;
        for ((event, operation), count) in &self.entries {
            let labels = format!(r#"event="{event}",operation_name="{operation}""#);
            writeln!(text, "opsorch_audit_entries_total{{{labels}}} {count}")?;
        }
        header(text, "opsorch_audit_size", "gauge", "Entries of the audit log, as far as this process knows.")?;
        writeln!(text, "opsorch_audit_size {}", self.log)
    }
}

pub(crate) fn header(text: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

fn labels((operation, provider): &Place) -> String {
    format!(r#"operation_name="{operation}",provider_name="{}""#, escaped(provider))
}

/// The name of a provider as a label: it is an operator's, and may hold anything.
pub(crate) fn escaped(provider: &ProviderName) -> String {
    provider.as_str().replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}
