//! What was measured, for some time: bounded, and in the order of time.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use opsorch::Time;

use super::source::Readings;

/// The series that are kept of one source. More are not, and pages say so.
const MAX_SERIES: usize = 1000;

/// The values of one metric with one set of labels.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Series {
    pub(super) metric: &'static str,
    /// The values of its labels, in the order in which the metric names them.
    pub(super) labels: Vec<String>,
}

/// What was read of a source at one time.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) at: Time,
    pub(super) values: Vec<(Arc<Series>, f64)>,
}

/// The sweeps over one source.
#[derive(Debug)]
pub(super) struct History {
    span: Duration,
    capacity: usize,
    sweeps: VecDeque<Sweep>,
    /// The series of the sweeps, each once.
    series: BTreeSet<Arc<Series>>,
    /// Since when something cannot be read, and what.
    problem: Option<(Time, String)>,
    /// When series were last left out because there are too many.
    crowded: Option<Time>,
}

impl History {
    /// A history over so long a span, and of so many sweeps.
    pub(super) fn new(span: Duration, capacity: usize) -> Self {
        let series = BTreeSet::new();
        Self { span, capacity, sweeps: VecDeque::new(), series, problem: None, crowded: None }
    }

    /// Adds a sweep. A clock that was put back takes with it what lies after the present: of those times nothing is
    /// known any more.
    pub(super) fn record(&mut self, at: Time, readings: Readings) {
        while self.sweeps.back().is_some_and(|sweep| sweep.at >= at) {
            self.sweeps.pop_back();
        }
        self.forget_after(at);
        let values = readings.values.into_iter().filter_map(|(metric, labels, value)| {
            let series = self.intern(Series { metric, labels });
            if series.is_none() {
                self.crowded = Some(at);
            }
            Some((series?, value))
        });
        let values = values.collect();
        self.sweeps.push_back(Sweep { at, values });
        self.problem = readings.problem.map(|problem| match self.problem.take() {
            Some((since, _)) => (since, problem),
            None => (at, problem),
        });
        let oldest = at.checked_sub_signed(chrono::TimeDelta::from_std(self.span).unwrap_or(chrono::TimeDelta::MAX));
        let is_old = |sweep: &Sweep| oldest.is_some_and(|oldest| sweep.at < oldest);
        while self.sweeps.len() > self.capacity || self.sweeps.front().is_some_and(is_old) {
            self.sweeps.pop_front();
        }
        self.series.retain(|series| Arc::strong_count(series) > 1);
    }

    /// The last sweep.
    pub(super) fn newest(&self) -> Option<&Sweep> {
        self.sweeps.back()
    }

    /// The sweeps in a span, the oldest first; both ends belong to it.
    pub(super) fn sweeps(&self, start: Time, end: Time) -> impl Iterator<Item = &Sweep> {
        let first = self.sweeps.partition_point(|sweep| sweep.at < start);
        self.sweeps.range(first..).take_while(move |sweep| sweep.at <= end)
    }

    /// Why points of a span may be missing, if `now` is the present and a sweep is due after each `interval`.
    pub(super) fn gaps(&self, start: Time, end: Time, now: Time, interval: Duration) -> Vec<String> {
        let mut gaps = Vec::new();
        match (self.sweeps.front(), self.sweeps.back()) {
            (Some(first), Some(last)) => {
                if start < first.at {
                    gaps.push(format!("history begins at {}", text(first.at)));
                }
                // One that is late by less is on its way.
                if (end.min(now) - last.at).to_std().is_ok_and(|late| late > interval * 3) {
                    gaps.push(format!("nothing was measured since {}", text(last.at)));
                }
            }
            _ => gaps.push("there is no history: nothing was measured yet".to_owned()),
        }
        if let Some((since, problem)) = self.problem.as_ref().filter(|(since, _)| end >= *since) {
            gaps.push(format!("since {} not everything could be read: {problem}", text(*since)));
        }
        if self.crowded.is_some_and(|crowded| start <= crowded) {
            gaps.push(format!("this host has more than {MAX_SERIES} such series, which is as many as are kept"));
        }
        gaps
    }

    /// Forgets what was said of times that are not yet.
    fn forget_after(&mut self, now: Time) {
        if let Some((since, _)) = &mut self.problem {
            *since = now.min(*since);
        }
        self.crowded = self.crowded.map(|crowded| now.min(crowded));
    }

    fn intern(&mut self, series: Series) -> Option<Arc<Series>> {
        if let Some(known) = self.series.get(&series) {
            return Some(Arc::clone(known));
        }
        if self.series.len() >= MAX_SERIES {
            return None;
        }
        let series = Arc::new(series);
        self.series.insert(Arc::clone(&series));
        Some(series)
    }
}

fn text(time: Time) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: u64) -> Time {
        Time::UNIX_EPOCH + Duration::from_secs(1_000_000 + second)
    }

    fn reading(label: impl ToString) -> Readings {
        Readings { values: vec![("network.receive", vec![label.to_string()], 1.0)], problem: None }
    }

    fn times(history: &History) -> Vec<Time> {
        history.sweeps(at(0), at(1 << 20)).map(|sweep| sweep.at).collect()
    }

    proptest! {
        #[test]
        fn points_stay_in_order_and_bounded_whatever_the_clock_does(seconds in prop::collection::vec(0_u64..200, 1..60)) {
            let mut history = History::new(Duration::from_secs(50), 10);
            for second in &seconds {
                history.record(at(*second), reading(second));
            }
            let times = times(&history);
            let last = *times.last().unwrap();
            prop_assert!(times.is_sorted_by(|one, other| one < other));
            prop_assert_eq!(last, at(*seconds.last().unwrap()), "the last reading is there");
            prop_assert!(times.len() <= 10 && times.iter().all(|time| last - *time <= chrono::TimeDelta::seconds(50)));
            prop_assert_eq!(history.series.len(), times.len(), "a series is forgotten with its last value");
        }

        #[test]
        fn a_span_has_its_ends(start in 0_u64..30, length in 0_u64..30) {
            let mut history = History::new(Duration::from_secs(1000), 1000);
            (0..20).for_each(|number| history.record(at(number * 2), reading("lo")));
            let end = start + length;
            let found: Vec<_> = history.sweeps(at(start), at(end)).map(|sweep| sweep.at).collect();
            let expected = (0..20).map(|number| number * 2).filter(|second| (start..=end).contains(second));
            prop_assert_eq!(found, expected.map(at).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_page_says_what_is_missing() {
        let minute = Duration::from_secs(60);
        let mut history = History::new(minute * 60, 60);
        let gaps = |history: &History, start, end, now| history.gaps(at(start), at(end), at(now), minute).join("; ");
        assert!(gaps(&history, 0, 10, 10).contains("no history"));
        history.record(at(60), reading("lo"));
        assert_eq!(gaps(&history, 60, 120, 90), "");
        assert_eq!(gaps(&history, 59, 120, 90), "history begins at 1970-01-12T13:47:40Z");
        assert_eq!(gaps(&history, 60, 500, 90), "", "the future is no gap");
        assert!(gaps(&history, 60, 500, 500).contains("nothing was measured since 1970-01-12T13:47:40Z"));

        let broken = || Readings { values: Vec::new(), problem: Some("no such file".into()) };
        history.record(at(120), broken());
        history.record(at(180), broken());
        assert_eq!(gaps(&history, 60, 119, 180), "");
        let said = gaps(&history, 60, 180, 180);
        assert!(said.contains("1970-01-12T13:48:40Z") && said.contains("no such file"), "{said}");
        history.record(at(240), reading("lo"));
        assert_eq!(gaps(&history, 60, 240, 240), "", "it can be read again");
    }

    #[test]
    fn series_beyond_the_limit_are_left_out_and_it_says_so_until_there_is_room() {
        let mut history = History::new(Duration::from_secs(100), 2);
        let many = |from: usize| {
            let values = (from..from + 600).map(|index| ("network.receive", vec![index.to_string()], 0.0));
            Readings { values: values.collect(), problem: None }
        };
        let gaps = |history: &History, now| history.gaps(at(now), at(now), at(now), Duration::from_secs(15));
        history.record(at(0), many(0));
        assert!(gaps(&history, 0).is_empty());
        history.record(at(1), many(600));
        assert_eq!(history.series.len(), MAX_SERIES);
        assert!(gaps(&history, 1).join("").contains("1000"));
        history.record(at(2), many(600));
        history.record(at(3), many(600));
        assert_eq!(history.sweeps(at(3), at(3)).next().unwrap().values.len(), 600);
        assert!(gaps(&history, 3).is_empty());
    }
}
