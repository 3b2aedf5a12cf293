//! Alerts that the provider raises by itself: limits on the metrics of the host.

use std::collections::BTreeMap;
use std::sync::Arc;

use opsorch::{RaiseAlert, Result, Severity, SeverityLevel, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::JoinHandle;

use super::alerts::Alerts;
use super::metrics::{Host, Newest};

/// Who raises and resolves these alerts, as their metadata says.
const BY: &str = "threshold";

/// A limit on a metric of the host. An alert is raised for each series that is beyond it, and resolved when it is back.
///
/// ```
/// use opsorch_providers::local::Threshold;
///
/// let full = Threshold::above("disk full", "disk.usage", 90.0).label("mount", "/").seconds(300);
/// assert_eq!(full.severity.as_str(), "high");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Threshold {
    /// What it is about, such as `disk full`; no other threshold has it.
    pub name: String,
    /// The metric, such as `disk.usage`.
    pub metric: String,
    /// The value above which there is an alert; either this or `below`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// The value below which there is an alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
    /// The series to look at, by their labels; all of the metric where it is empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// For how many seconds the value has to be beyond the limit; 0 by default.
    #[serde(default)]
    pub seconds: u32,
    /// How bad it is; `high` by default.
    #[serde(default = "high")]
    pub severity: Severity,
    /// The service that is affected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

fn high() -> Severity {
    SeverityLevel::High.into()
}

impl Threshold {
    /// An alert where the metric is above a limit.
    pub fn above(name: impl Into<String>, metric: impl Into<String>, limit: f64) -> Self {
        Self { above: Some(limit), ..Self::new(name.into(), metric.into()) }
    }

    /// An alert where the metric is below a limit.
    pub fn below(name: impl Into<String>, metric: impl Into<String>, limit: f64) -> Self {
        Self { below: Some(limit), ..Self::new(name.into(), metric.into()) }
    }

    fn new(name: String, metric: String) -> Self {
        let labels = BTreeMap::new();
        Self { name, metric, above: None, below: None, labels, seconds: 0, severity: high(), service: None }
    }

    /// Looks only at series with this label.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Sets for how many seconds the value has to be beyond the limit.
    pub fn seconds(mut self, seconds: u32) -> Self {
        self.seconds = seconds;
        self
    }

    /// Sets how bad it is.
    pub fn severity(mut self, severity: impl Into<Severity>) -> Self {
        self.severity = severity.into();
        self
    }

    /// Sets the service that is affected.
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// What is wrong with it: the field, and what is expected there.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        if self.name.trim().is_empty() {
            return Some(("name", "expected what it is about, such as `disk full`, got a blank text".to_owned()));
        }
        if let Some(problem) = Host::problem_with(&self.metric, self.labels.keys()) {
            return Some(problem);
        }
        match (self.above, self.below) {
            (Some(limit), None) | (None, Some(limit)) if limit.is_finite() => None,
            (Some(_), None) => Some(("above", "expected a finite number".to_owned())),
            (None, Some(_)) => Some(("below", "expected a finite number".to_owned())),
            (Some(_), Some(_)) => Some(("below", "expected either `above` or `below`, got both".to_owned())),
            (None, None) => Some(("above", "expected either `above` or `below`, got none".to_owned())),
        }
    }

    fn is_beyond(&self, value: f64) -> bool {
        self.above.is_some_and(|limit| value > limit) || self.below.is_some_and(|limit| value < limit)
    }

    /// The limit in words.
    fn limit(&self) -> String {
        match (self.above, self.below) {
            (Some(limit), _) => format!("above {limit}"),
            (None, limit) => format!("below {}", limit.unwrap_or_default()),
        }
    }

    fn applies_to(&self, newest: &Newest) -> bool {
        self.labels.iter().all(|(name, value)| newest.labels.get(name) == Some(value))
    }

    fn dedup_key(&self, newest: &Newest) -> String {
        json!([BY, self.name, newest.labels]).to_string()
    }

    fn alert(&self, newest: &Newest) -> RaiseAlert {
        let labels: Vec<_> = newest.labels.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let of = if labels.is_empty() { String::new() } else { format!(" of {}", labels.join(", ")) };
        let title = format!("{}: {}{of} is {}", self.name, self.metric, self.limit());
        let alert = RaiseAlert::new(self.dedup_key(newest), title, self.severity.clone());
        let mut alert = alert.field("metric", json!(self.metric)).field("value", json!(newest.value));
        alert.fields.extend(newest.labels.iter().map(|(name, value)| (name.clone(), json!(value))));
        alert.service.clone_from(&self.service);
        alert
    }
}

/// Looks at the thresholds after each measurement, as long as it is held.
#[derive(Debug)]
pub(super) struct Watch {
    task: JoinHandle<()>,
}

impl Watch {
    pub(super) fn start(thresholds: Vec<Threshold>, host: Arc<Host>, alerts: Alerts) -> Self {
        let task = tokio::spawn(async move {
            let mut states = States::new();
            let mut measured = host.measured();
            loop {
                for threshold in &thresholds {
                    threshold.look(&host, &alerts, &mut states).await;
                }
                let [quick, slow] = &mut measured;
                let more = tokio::select! {
                    more = quick.changed() => more,
                    more = slow.changed() => more,
                };
                if more.is_err() {
                    return;
                }
            }
        });
        Self { task }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where each series of each threshold is, by the deduplication key of its alert.
type States = BTreeMap<String, State>;

/// Where a series is. One that is not known yet may have an open alert from before this process.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Unknown,
    Fine,
    Beyond { since: Time },
}

/// What is to be done about an alert.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Raise,
    Resolve,
}

impl State {
    /// Where the series is after a measurement, once what is to be done is done.
    fn next(self, is_beyond: bool, at: Time, seconds: u32) -> (Self, Option<Step>) {
        match (self, is_beyond) {
            (Self::Fine, false) => (Self::Fine, None),
            (_, false) => (Self::Fine, Some(Step::Resolve)),
            (state, true) => {
                let since = if let Self::Beyond { since } = state { since.min(at) } else { at };
                // It is said again and again, and the file knows what was said: another process may have resolved it.
                let is_long = (at - since).num_seconds() >= i64::from(seconds);
                (Self::Beyond { since }, is_long.then_some(Step::Raise))
            }
        }
    }
}

impl Threshold {
    async fn look(&self, host: &Arc<Host>, alerts: &Alerts, states: &mut States) {
        let (measuring, metric) = (Arc::clone(host), self.metric.clone());
        let newest = tokio::task::spawn_blocking(move || measuring.newest(&metric)).await.unwrap_or_default();
        for newest in newest.iter().filter(|newest| self.applies_to(newest)) {
            let key = self.dedup_key(newest);
            let state = states.get(&key).copied().unwrap_or(State::Unknown);
            let (next, step) = state.next(self.is_beyond(newest.value), newest.at, self.seconds);
            match self.take(step, newest, alerts).await {
                Ok(()) => drop(states.insert(key, next)),
                // It is tried again after the next measurement.
                Err(error) => tracing::warn!(threshold = self.name, %error, "an alert could not be written down"),
            }
        }
    }

    async fn take(&self, step: Option<Step>, newest: &Newest, alerts: &Alerts) -> Result<()> {
        match step {
            None => Ok(()),
            Some(Step::Raise) => alerts.raise_by_itself(self.alert(newest), BY).await.map(drop),
            Some(Step::Resolve) => {
                let reason = format!("it is {} and no longer {}", newest.value, self.limit());
                alerts.resolve_by_itself(self.dedup_key(newest), BY, reason).await.map(drop)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use opsorch::capability::AlertReader;
    use opsorch::gate::Decision;
    use opsorch::{
        Action, Actor, AlertQuery, AlertStatusLevel, Context, OpsOrch, Provider, ResolveAlert, Submitted, Target,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::local::database::Database;
    use crate::local::metrics::fake::{Fake, INTERVAL};

    fn at(second: u64) -> Time {
        Time::UNIX_EPOCH + Duration::from_secs(second)
    }

    proptest! {
        #[test]
        fn an_alert_is_raised_once_it_was_beyond_for_long_enough_and_resolved_when_it_is_back(
            beyond in prop::collection::vec(any::<bool>(), 1..40),
            seconds in 0_u32..40,
        ) {
            let mut state = State::Unknown;
            let (mut open, mut since) = (false, None);
            for (index, is_beyond) in beyond.into_iter().enumerate() {
                let now = u64::try_from(index).unwrap() * 10;
                since = is_beyond.then(|| since.unwrap_or(now));
                let (next, step) = state.next(is_beyond, at(now), seconds);
                state = next;
                match step {
                    Some(Step::Raise) => open = true,
                    Some(Step::Resolve) => open = false,
                    None => {}
                }
                prop_assert_eq!(open, since.is_some_and(|since| now - since >= u64::from(seconds)));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_memory_is_an_alert_until_it_is_not_or_somebody_says_so() {
        let fake = Fake::new();
        let host = Arc::new(fake.start(INTERVAL * 100).await);
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path().to_owned(), Arc::new(fake.clock.clone())).await.unwrap();
        let alerts = Alerts::new(database);
        let threshold = Threshold::above("memory", "memory.usage", 60.0).service("db");
        let look = async |states: &mut States| threshold.look(&host, &alerts, states).await;
        let found = async || {
            let cx = Context::new(Actor::service("test"));
            alerts.query(&cx, &AlertQuery::new()).await.unwrap().items
        };

        let mut states = States::new();
        look(&mut states).await;
        look(&mut states).await;
        let [raised] = found().await.try_into().unwrap();
        assert_eq!(raised.title, "memory: memory.usage is above 60");
        assert_eq!((raised.status.level(), &raised.fields["value"]), (AlertStatusLevel::Firing, &json!(75.0)));
        assert_eq!(raised.service.as_deref(), Some("db"));

        // One that is resolved by hand stays so while it goes on, also for a process that starts anew.
        let ops = OpsOrch::builder()
            .provider(Provider::new("here").with_alert_responder(Arc::new(alerts.clone())))
            .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("a test"))
            .build()
            .await
            .unwrap();
        let alice = Context::new(Actor::user("alice"));
        let by_hand = ops.alerts(&alice).resolve(ResolveAlert::new(&raised.id)).await.unwrap();
        assert!(matches!(by_hand, Submitted::Done(_)));
        look(&mut states).await;
        look(&mut States::new()).await;
        let [resolved] = found().await.try_into().unwrap();
        assert_eq!(resolved.status.level(), AlertStatusLevel::Resolved);

        fake.write("meminfo", "MemTotal: 4 kB\nMemAvailable: 3 kB\n");
        fake.sweep(&host, 2).await;
        look(&mut states).await;
        fake.write("meminfo", "MemTotal: 4 kB\nMemAvailable: 1 kB\n");
        fake.sweep(&host, 3).await;
        look(&mut states).await;
        assert_eq!(found().await.len(), 2, "it was back in between");

        fake.write("meminfo", "MemTotal: 4 kB\nMemAvailable: 3 kB\n");
        fake.sweep(&host, 4).await;
        // A process that starts anew resolves what an earlier one raised.
        look(&mut States::new()).await;
        let [newest, _] = found().await.try_into().unwrap();
        assert_eq!(newest.status.level(), AlertStatusLevel::Resolved);
        assert_eq!(newest.metadata["reason"], "it is 25 and no longer above 60");
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let problem = |threshold: Threshold| threshold.problem().unwrap();
        assert_eq!(problem(Threshold::above(" ", "uptime", 1.0)).0, "name");
        let (field, known) = problem(Threshold::above("a", "up", 1.0));
        assert!(field == "metric" && known.contains("uptime"), "{known}");
        let (field, known) = problem(Threshold::above("a", "disk.usage", 1.0).label("path", "/"));
        assert!(field == "labels" && known.contains("mount"), "{known}");
        assert_eq!(problem(Threshold::above("a", "uptime", f64::NAN)).0, "above");
        let both = Threshold { below: Some(1.0), ..Threshold::above("a", "uptime", 1.0) };
        assert_eq!(problem(both).0, "below");
        assert_eq!(Threshold::below("a", "disk.available", 1e9).label("mount", "/").problem(), None);
    }
}
