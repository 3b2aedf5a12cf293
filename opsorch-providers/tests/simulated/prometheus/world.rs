//! What the simulated servers know: metrics of a few machines, and the alerts that their rules raise.

use std::sync::Arc;
use std::time::Duration;

use opsorch::{Clock, Time};
use serde_json::{Value, json};

use super::Labels;
use super::server::Series;

/// How often targets are scraped, in milliseconds.
const SCRAPE: i64 = 15_000;

/// For how long the last sample of a series stands for it, in milliseconds.
const LOOKBACK: i64 = 5 * 60 * 1000;

/// A gauge with a series for each machine, and a counter.
pub fn series(clock: &Arc<dyn Clock>) -> Vec<Series> {
    let api = |instance| [("service", "api"), ("team", "core"), ("env", "production"), ("instance", instance)];
    let db = [("service", "db"), ("team", "data"), ("env", "staging"), ("instance", "db-1:9100")];
    let gauge = |labels, offset: i64| {
        Series::new("jobs_waiting", labels, scraped(clock, move |sample| ((sample + offset) % 40) as f64 + 0.5))
    };
    vec![
        gauge(api("api-1:9100"), 0),
        gauge(api("api-2:9100"), 7),
        gauge(db, 13),
        Series::new("requests_total", api("api-1:9100"), scraped(clock, |sample| (sample * 3) as f64)),
        Series::new("requests_total", db, scraped(clock, |sample| sample as f64)),
    ]
}

/// The value of the last sample before a moment: the first was taken six hours ago, the last just now.
fn scraped(
    clock: &Arc<dyn Clock>,
    value: impl Fn(i64) -> f64 + Send + 'static,
) -> impl Fn(i64) -> Option<f64> + Send + 'static {
    let clock = Arc::clone(clock);
    let first = clock.now().timestamp_millis() - 6 * 60 * 60 * 1000;
    move |at| {
        let last = at.min(clock.now().timestamp_millis());
        (first <= at && at - last < LOOKBACK).then(|| value((last - first) / SCRAPE))
    }
}

/// What the targets say of their metrics.
pub fn metadata() -> Value {
    json!({
        "jobs_waiting": [{ "type": "gauge", "help": "Jobs that wait.", "unit": "" }],
        "requests_total": [{ "type": "counter", "help": "Requests.", "unit": "" }],
    })
}

/// An alert that a rule raises.
struct Raised {
    name: &'static str,
    severity: &'static str,
    service: &'static str,
    environment: &'static str,
    summary: &'static str,
    /// How long it has fired.
    minutes: u64,
    /// `active`, `suppressed` or `unprocessed` in Alertmanager.
    state: &'static str,
}

/// Two of them began at the same time.
#[rustfmt::skip]
const RAISED: [Raised; 5] = [
    raised(["DiskFull",   "critical", "db",       "production", "no space left"],        90, "active"),
    raised(["Latency",    "warning",  "api",      "production", "answers take \"2 s\""], 30, "active"),
    raised(["Errors",     "P1",       "api",      "staging",    "5 % fail"],             30, "suppressed"),
    raised(["ReplicaLag", "page",     "db",       "staging",    "40 s behind"],          10, "active"),
    raised(["Watchdog",   "none",     "watchdog", "production", "all is well"],           1, "unprocessed"),
];

const fn raised(texts: [&'static str; 5], minutes: u64, state: &'static str) -> Raised {
    let [name, severity, service, environment, summary] = texts;
    Raised { name, severity, service, environment, summary, minutes, state }
}

impl Raised {
    fn labels(&self) -> Labels {
        let team = if self.service == "api" { "core" } else { "data" };
        let labels = [
            ("alertname", self.name),
            ("severity", self.severity),
            ("service", self.service),
            ("team", team),
            ("env", self.environment),
        ];
        labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn began(&self, now: Time) -> Time {
        now - Duration::from_secs(60 * self.minutes)
    }
}

/// The alerts as Alertmanager has them. They fire for as long as anybody looks.
pub fn alerts(now: Time) -> Vec<Value> {
    let alert = |raised: &Raised| {
        let inhibited_by =
            if raised.state == "suppressed" { vec![fingerprint(&RAISED[0].labels())] } else { Vec::new() };
        json!({
            "annotations": { "summary": raised.summary },
            "endsAt": now + Duration::from_secs(24 * 60 * 60),
            "fingerprint": fingerprint(&raised.labels()),
            "receivers": [{ "name": "hook" }],
            "startsAt": raised.began(now),
            "status": { "inhibitedBy": inhibited_by, "mutedBy": [], "silencedBy": [], "state": raised.state },
            "updatedAt": now,
            "generatorURL": "http://prometheus.example.org/graph?g0.expr=up&g0.tab=1",
            "labels": raised.labels(),
        })
    };
    RAISED.iter().map(alert).collect()
}

/// The rules that raise the alerts, in one group; one of them waits for its `for` to pass.
pub fn rules(now: Time) -> Value {
    let rule = |raised: &Raised| {
        let state = if raised.state == "unprocessed" { "pending" } else { "firing" };
        let alert = json!({
            "labels": raised.labels(),
            "annotations": { "summary": raised.summary },
            "state": state,
            "activeAt": raised.began(now),
            "value": "1e+00",
        });
        json!({
            "name": raised.name, "type": "alerting", "state": state, "health": "ok", "query": "jobs_waiting > 30",
            "duration": 120, "keepFiringFor": 0, "alerts": [alert],
        })
    };
    let rules: Vec<_> = RAISED.iter().map(rule).collect();
    json!([{ "name": "ops", "file": "/etc/prometheus/rules.yml", "interval": 15, "rules": rules }])
}

/// FNV-1a over names and values in order, each followed by a byte that UTF-8 has nowhere.
fn fingerprint(labels: &Labels) -> String {
    let bytes = labels.iter().flat_map(|(name, value)| [name, value]).flat_map(|text| text.bytes().chain([0xff]));
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}
