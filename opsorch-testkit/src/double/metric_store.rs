//! A store of metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use opsorch::Time;

/// A metric store in memory: series of samples, each with a name and labels.
///
/// ```
/// use std::time::Duration;
/// use opsorch::{Clock, ManualClock};
/// use opsorch_testkit::double::MetricStore;
///
/// let now = ManualClock::default().now();
/// let minute = Duration::from_secs(60);
/// let mut store = MetricStore::default();
/// store.record("up", [("job", "db")], now, 1.0);
/// store.record("up", [("job", "db")], now + 2 * minute, 0.0);
/// store.record("up", [("job", "web")], now, 1.0);
///
/// let series = store.series().find(|series| series.labels["job"] == "db").unwrap();
/// assert_eq!(series.at(now + minute / 2, minute), Some(1.0), "the last sample of the minute before");
/// assert_eq!(series.at(now + minute, minute), None, "a gap is a gap");
/// assert_eq!(series.steps(now, now + 2 * minute, minute, minute), [(now, 1.0), (now + 2 * minute, 0.0)]);
/// ```
#[derive(Debug, Default)]
pub struct MetricStore {
    series: BTreeMap<(String, BTreeMap<String, String>), Series>,
}

/// A series of a [`MetricStore`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Series {
    /// The name of the metric.
    pub name: String,
    /// What tells it from the other series of the metric.
    pub labels: BTreeMap<String, String>,
    /// The samples; a sample may be NaN or infinite.
    pub samples: BTreeMap<Time, f64>,
}

/// The most steps of one listing: 11,000, as with Prometheus.
pub const MOST_STEPS: usize = 11_000;

impl MetricStore {
    /// Takes a sample; one of the same series and time is replaced.
    pub fn record<K: Into<String>, V: Into<String>>(
        &mut self,
        name: &str,
        labels: impl IntoIterator<Item = (K, V)>,
        time: Time,
        value: f64,
    ) {
        let labels: BTreeMap<_, _> = labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let series = self.series.entry((name.to_owned(), labels));
        let (name, labels) = series.key().clone();
        series.or_insert_with(|| Series { name, labels, samples: BTreeMap::new() }).samples.insert(time, value);
    }

    /// The series, by name and labels.
    pub fn series(&self) -> impl DoubleEndedIterator<Item = &Series> {
        self.series.values()
    }
}

impl Series {
    /// The value at a time: that of the last sample not after it, and less than `lookback` before it.
    pub fn at(&self, time: Time, lookback: Duration) -> Option<f64> {
        let (taken, value) = self.samples.range(..=time).next_back()?;
        let lookback = TimeDelta::from_std(lookback).unwrap_or(TimeDelta::MAX);
        (time.signed_duration_since(*taken) < lookback).then_some(*value)
    }

    /// The values at `from`, one step after it and so on, not after `to`; what has no value is left out.
    ///
    /// At most [`MOST_STEPS`] steps are looked at: a wire refuses what asks for more. A step of 0 is one step.
    pub fn steps(&self, from: Time, to: Time, step: Duration, lookback: Duration) -> Vec<(Time, f64)> {
        let count = if step.is_zero() { 1 } else { MOST_STEPS };
        let step = TimeDelta::from_std(step).unwrap_or(TimeDelta::MAX);
        let times = std::iter::successors(Some(from), |time| time.checked_add_signed(step)).take(count);
        let times = times.take_while(|time| *time <= to);
        times.filter_map(|time| Some((time, self.at(time, lookback)?))).collect()
    }
}
