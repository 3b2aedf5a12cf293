//! What a query makes of the sweeps: series that pass its filters, a point for each step, and groups of series.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use opsorch::signal::Step;
use opsorch::{
    Aggregation, AggregationLevel, Error, MetricExpression, MetricFilter, MetricOperatorLevel, MetricQuery, Result,
    Time,
};
use regex::{Regex, RegexBuilder};

use super::Metric;
use super::history::{Series, Sweep};

/// What tells a series of an answer from the others: the values of its labels, where it has them.
pub(super) type Key = Vec<Option<String>>;

/// The points of a series, the oldest first.
pub(super) type Points = Vec<(Time, f64)>;

/// The part of a query that looks at values.
#[derive(Debug)]
pub(super) struct Selection {
    metric: &'static Metric,
    pub(super) start: Time,
    pub(super) end: Time,
    /// The length of a step; absent where each sample is a point.
    step: Option<Step>,
    conditions: Vec<Condition>,
    grouping: Option<Grouping>,
}

/// How series become one.
#[derive(Debug)]
struct Grouping {
    join: fn(&[f64]) -> f64,
    /// The labels that are kept, and where the metric has them.
    by: Vec<(String, Option<usize>)>,
}

/// A condition on a label. One that is not there is no value, so that only a negation holds for it.
#[derive(Debug)]
struct Condition {
    label: Option<usize>,
    test: Test,
    negated: bool,
}

#[derive(Debug)]
enum Test {
    Is(String),
    Matches(Regex),
}

impl Selection {
    pub(super) fn new(query: &MetricQuery, expression: &MetricExpression, metric: &'static Metric) -> Result<Self> {
        let conditions = expression.filters.iter().enumerate();
        let by = expression.group_by.iter().map(|label| (label.clone(), metric.label(label))).collect();
        Ok(Self {
            metric,
            start: query.start,
            end: query.end,
            step: Step::from_seconds(query.step),
            conditions: conditions
                .map(|(index, filter)| Condition::new(index, filter, metric))
                .collect::<Result<_>>()?,
            grouping: match &expression.aggregation {
                Some(aggregation) => Some(Grouping { join: join(aggregation)?, by }),
                None if by.is_empty() => None,
                None => return Err(Error::invalid("expression.groupBy", "expected an aggregation to group, got none")),
            },
        })
    }

    /// The names of the labels that keys have the values of.
    pub(super) fn labels(&self) -> Vec<&str> {
        match &self.grouping {
            Some(grouping) => grouping.by.iter().map(|(label, _)| label.as_str()).collect(),
            None => self.metric.labels.to_vec(),
        }
    }

    /// The series that were selected, by their keys.
    pub(super) fn evaluate<'a>(&self, sweeps: impl Iterator<Item = &'a Sweep>) -> BTreeMap<Key, Points> {
        let mut series: BTreeMap<&Series, Points> = BTreeMap::new();
        let mut passing: HashMap<*const Series, bool> = HashMap::new();
        for sweep in sweeps {
            let at = self.step_of(sweep.at);
            for (one, value) in sweep.values.iter().filter(|(one, _)| one.metric == self.metric.name) {
                if !*passing.entry(Arc::as_ptr(one)).or_insert_with(|| self.passes(one)) {
                    continue;
                }
                let points = series.entry(one).or_default();
                match points.last_mut() {
                    Some(last) if last.0 == at => last.1 = *value,
                    _ => points.push((at, *value)),
                }
            }
        }
        match &self.grouping {
            Some(grouping) => grouping.apply(series),
            None => series.into_iter().map(|(one, points)| (key(one), points)).collect(),
        }
    }

    fn passes(&self, series: &Series) -> bool {
        self.conditions.iter().all(|condition| condition.holds(series))
    }

    /// The beginning of the step that a time is in.
    fn step_of(&self, time: Time) -> Time {
        self.step.map_or(time, |step| step.floor_from(self.start, time))
    }
}

impl Grouping {
    /// Joins what the series of a group have at the same time.
    fn apply(&self, series: BTreeMap<&Series, Points>) -> BTreeMap<Key, Points> {
        let mut groups: BTreeMap<Key, BTreeMap<Time, Vec<f64>>> = BTreeMap::new();
        for (one, points) in series {
            let label = |place: &Option<usize>| one.labels.get((*place)?).cloned();
            let group = groups.entry(self.by.iter().map(|(_, place)| label(place)).collect()).or_default();
            for (at, value) in points {
                group.entry(at).or_default().push(value);
            }
        }
        let joined = |group: BTreeMap<Time, Vec<f64>>| {
            group.into_iter().map(|(at, values)| (at, (self.join)(&values))).collect()
        };
        groups.into_iter().map(|(key, group)| (key, joined(group))).collect()
    }
}

/// The largest program of a regular expression, in bytes.
const LARGEST_PATTERN: usize = 1 << 20;

/// A regular expression that has to match the whole label, as it has to in Prometheus.
fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    // On its own first: a `)` too many must not close the group around it.
    Regex::new(pattern)?;
    RegexBuilder::new(&format!("^(?:{pattern})$")).dot_matches_new_line(true).size_limit(LARGEST_PATTERN).build()
}

impl Condition {
    fn new(index: usize, filter: &MetricFilter, metric: &Metric) -> Result<Self> {
        let is = || Test::Is(filter.value.clone());
        let matches = || {
            whole(&filter.value).map(Test::Matches).map_err(|error| {
                let message = format!("expected a regular expression: {error}");
                Error::invalid(format!("expression.filters[{index}].value"), message)
            })
        };
        let (test, negated) = match filter.operator.level() {
            MetricOperatorLevel::Equals => (is(), false),
            MetricOperatorLevel::NotEquals => (is(), true),
            MetricOperatorLevel::Matches => (matches()?, false),
            MetricOperatorLevel::NotMatches => (matches()?, true),
            _ => {
                let (label, operator) = (&filter.label, &filter.operator);
                let message = format!("a local provider cannot compare `{label}` by `{operator}`; use =, !=, =~ or !~");
                return Err(Error::unsupported(message));
            }
        };
        Ok(Self { label: metric.label(&filter.label), test, negated })
    }

    fn holds(&self, series: &Series) -> bool {
        let value = self.label.and_then(|place| series.labels.get(place));
        let passes = value.is_some_and(|value| match &self.test {
            Test::Is(wanted) => value == wanted,
            Test::Matches(pattern) => pattern.is_match(value),
        });
        passes != self.negated
    }
}

fn key(series: &Series) -> Key {
    series.labels.iter().cloned().map(Some).collect()
}

/// How several values become one. There is always at least one value.
fn join(aggregation: &Aggregation) -> Result<fn(&[f64]) -> f64> {
    fn sum(values: &[f64]) -> f64 {
        values.iter().sum()
    }
    fn count(values: &[f64]) -> f64 {
        values.len() as f64
    }
    Ok(match aggregation.level() {
        AggregationLevel::Sum => sum,
        AggregationLevel::Count => count,
        AggregationLevel::Avg => |values| sum(values) / count(values),
        AggregationLevel::Max => |values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        AggregationLevel::Min => |values| values.iter().copied().fold(f64::INFINITY, f64::min),
        _ => {
            let message =
                format!("a local provider cannot aggregate by `{aggregation}`; use avg, sum, max, min or count");
            return Err(Error::unsupported(message));
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const METRIC: &str = "disk.used";

    fn at(second: u32) -> Time {
        Time::UNIX_EPOCH + Duration::from_secs(1_000_000 + u64::from(second))
    }

    /// Values by second: which of the series are there, and how much each has.
    fn sweeps() -> impl Strategy<Value = Vec<Sweep>> {
        let value = (prop::sample::select(vec!["sda", "sdb"]), prop::sample::select(vec!["ext4", "xfs"]), 0..100_i32);
        let values = prop::collection::vec(value, 0..4);
        prop::collection::btree_map(0_u32..120, values, 0..30).prop_map(|sweeps| {
            let mut known: BTreeMap<[String; 3], Arc<Series>> = BTreeMap::new();
            let sweep = |(second, values): (u32, Vec<(&str, &str, i32)>)| {
                let values: BTreeMap<_, _> =
                    values.into_iter().map(|(device, filesystem, value)| ((device, filesystem), value)).collect();
                let values = values.into_iter().map(|((device, filesystem), value)| {
                    let labels = [device.to_owned(), filesystem.to_owned(), format!("/{device}")];
                    let series = Series { metric: METRIC, labels: labels.to_vec() };
                    (Arc::clone(known.entry(labels).or_insert_with(|| Arc::new(series))), f64::from(value))
                });
                let mut values: Vec<_> = values.collect();
                values.push((Arc::new(Series { metric: "disk.total", labels: vec!["sda".into()] }), 7.0));
                Sweep { at: at(second), values }
            };
            sweeps.into_iter().map(sweep).collect()
        })
    }

    fn evaluate(query: &MetricQuery, sweeps: &[Sweep]) -> BTreeMap<Key, Points> {
        let metric = Metric::find(METRIC).unwrap();
        let selection = Selection::new(query, query.expression.as_ref().unwrap(), metric).unwrap();
        selection.evaluate(sweeps.iter().filter(|sweep| (query.start..=query.end).contains(&sweep.at)))
    }

    proptest! {
        #[test]
        fn a_step_has_the_last_value_in_it_and_a_gap_stays_one(
            sweeps in sweeps(), start in 0_u32..60, length in 0_u32..80, step in 0_u32..40,
        ) {
            let end = start + length;
            let query = MetricQuery::new(METRIC, at(start), at(end)).step(step);
            let mut expected: BTreeMap<Key, Points> = BTreeMap::new();
            for device in ["sda", "sdb"] {
                for filesystem in ["ext4", "xfs"] {
                    let labels = vec![device.to_owned(), filesystem.to_owned(), format!("/{device}")];
                    let value = |second: u32| {
                        let sweep = sweeps.iter().find(|sweep| sweep.at == at(second))?;
                        sweep.values.iter().find(|(one, _)| one.labels == labels).map(|(_, value)| *value)
                    };
                    let width = step.max(1);
                    let steps = (0..=length / width).map(|number| start + number * width);
                    let points: Points = steps
                        .filter_map(|first| {
                            let last = (first..(first + width).min(end + 1)).rev().find_map(value)?;
                            Some((at(first), last))
                        })
                        .collect();
                    if !points.is_empty() {
                        expected.insert(labels.into_iter().map(Some).collect(), points);
                    }
                }
            }
            prop_assert_eq!(evaluate(&query, &sweeps), expected);
        }

        #[test]
        fn groups_join_what_is_there_at_the_same_time(
            sweeps in sweeps(), word in prop::sample::select(vec!["avg", "sum", "max", "min", "count"]),
            by in prop::collection::vec(prop::sample::select(vec!["device", "filesystem", "nothing"]), 0..3),
        ) {
            let mut query = MetricQuery::new(METRIC, at(0), at(200)).aggregation(word);
            let apart = MetricQuery::new(METRIC, at(0), at(200));
            for label in &by {
                query = query.group_by(*label);
            }
            let mut groups: BTreeMap<(Key, Time), Vec<f64>> = BTreeMap::new();
            for (key, points) in evaluate(&apart, &sweeps) {
                let kept = |label: &&str| match *label {
                    "device" => key[0].clone(),
                    "filesystem" => key[1].clone(),
                    _ => None,
                };
                for (time, value) in points {
                    groups.entry((by.iter().map(kept).collect(), time)).or_default().push(value);
                }
            }
            let mut expected: BTreeMap<Key, Points> = BTreeMap::new();
            for ((key, time), mut values) in groups {
                values.sort_by(f64::total_cmp);
                let joined = match word {
                    "avg" => values.iter().sum::<f64>() / values.len() as f64,
                    "sum" => values.iter().sum(),
                    "max" => *values.last().unwrap(),
                    "min" => values[0],
                    _ => values.len() as f64,
                };
                expected.entry(key).or_default().push((time, joined));
            }
            prop_assert_eq!(evaluate(&query, &sweeps), expected);
        }

        #[test]
        fn filters_hold_or_do_not(
            sweeps in sweeps(),
            label in prop::sample::select(vec!["device", "filesystem", "mount", "nothing"]),
            value in prop::sample::select(vec!["sda", "sdb", "ext4", "/sda", ""]),
        ) {
            let found = |operator: &str, value: &str| {
                let query = MetricQuery::new(METRIC, at(0), at(200)).filter(label, operator, value);
                evaluate(&query, &sweeps).into_keys().collect::<Vec<_>>()
            };
            let all = MetricQuery::new(METRIC, at(0), at(200));
            let place = ["device", "filesystem", "mount"].iter().position(|name| *name == label);
            let (same, other): (Vec<_>, Vec<_>) = evaluate(&all, &sweeps)
                .into_keys()
                .partition(|key| place.is_some_and(|place| key[place].as_deref() == Some(value)));
            prop_assert_eq!(found("=", value), same.clone());
            prop_assert_eq!(found("!=", value), other.clone());
            prop_assert_eq!(found("=~", value), same.clone());
            prop_assert_eq!(found("!~", value), other.clone());
            prop_assert_eq!(found("=~", &format!("({value}|zzz)")), same);
            prop_assert_eq!(found("!~", &format!("zzz|{value}")), other);
        }
    }
}
