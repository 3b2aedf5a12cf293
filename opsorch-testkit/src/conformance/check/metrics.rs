//! Metrics: their points, and which series a query finds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use opsorch::{Clock, ErrorKind, Operation, Time};
use serde_json::{Value, json};

use crate::conformance::lab::{Lab, items};
use crate::conformance::listing::{both, member};
use crate::conformance::rule::{Broken, Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;

/// How many metrics are looked at until one has points.
const METRICS: usize = 50;

/// The seconds between two points, unless a check says otherwise.
const STEP: u32 = 60;

/// A value that no label has.
const NOBODYS: &str = "no_such_value_4711";

/// A metric that has points, and its series.
#[derive(Debug)]
struct Measured {
    name: String,
    series: Vec<Value>,
}

pub(in crate::conformance) async fn points_are_in_order_and_in_the_span(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    let Some(Measured { name, .. }) = measured(&lab).await? else { return nothing_is_measured() };
    for (first, last) in [(60, 0), (40, 20)] {
        let (start, end) = (before_now(&lab, first), before_now(&lab, last));
        let series = find(&lab, &name, json!({ "start": start, "end": end })).await?.unwrap_or_default();
        for times in series.iter().map(times) {
            let beside = times.iter().find(|time| !(start..=end).contains(time));
            ensure!(beside.is_none(), "metric.query of `{name}` from {start} to {end} has a point of {beside:?}");
            let wrong = times.windows(2).find(|pair| matches!(pair, [first, second] if first >= second));
            ensure!(wrong.is_none(), "metric.query of `{name}` has points in the order {wrong:?}");
            looked |= !times.is_empty();
        }
    }
    if !looked {
        return nothing_is_measured();
    }
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn a_step_is_between_points(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    let Some(Measured { name, .. }) = measured(&lab).await? else { return nothing_is_measured() };
    for minutes in [1, 5, 15] {
        let step = Duration::from_secs(60 * minutes);
        let series = find(&lab, &name, json!({ "step": step.as_secs() })).await?.unwrap_or_default();
        for mut times in series.iter().map(times) {
            times.sort();
            let narrow = times.windows(2).find(|pair| matches!(pair, [first, second] if *first + step > *second));
            ensure!(narrow.is_none(), "metric.query of `{name}` by steps of {step:?} has points at {narrow:?}");
            looked |= times.len() > 1;
        }
    }
    if !looked {
        nothing!("no metric that is described has several points in the hour before the clock");
    }
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn conditions_on_labels_hold(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    let Some(measured) = measured(&lab).await? else { return nothing_is_measured() };
    for (label, value) in labels(&measured.series).iter().take(3) {
        for (operator, is_equal) in [("=", true), ("!=", false)] {
            for wanted in [value, NOBODYS] {
                labels_pass(&lab, &measured, label, (operator, wanted), |has| (has == wanted) == is_equal).await?;
            }
        }
        // As a pattern that is no text which anything has; a value with other letters might mean something in it.
        if value.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
            let pattern = format!("{value}|{NOBODYS}");
            for (operator, is_equal) in [("=~", true), ("!~", false)] {
                labels_pass(&lab, &measured, label, (operator, &pattern), |has| (has == value) == is_equal).await?;
            }
        }
        looked = true;
    }
    if !looked {
        nothing!("no series has a label");
    }
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn an_unknown_metric_has_no_series(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    if !lab.offers(Operation::MetricQuery) {
        nothing!("the provider reads no metrics");
    }
    let found = find(&lab, "no_such_metric_4711", json!({})).await?.unwrap_or_default();
    ensure!(found.is_empty(), "metric.query of a metric that nobody has finds {} series", found.len());
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn an_aggregation_is_of_all_series(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    let Some(measured) = measured(&lab).await? else { return nothing_is_measured() };
    let label = label_to_group_by(&measured.series);
    for (aggregation, join) in AGGREGATIONS {
        for label in [None, label.as_deref()].into_iter().take(1 + usize::from(label.is_some())) {
            let expression = json!({ "aggregation": aggregation, "groupBy": label.as_slice() });
            let conditions = json!({ "expression": expression });
            let Some(found) = find(&lab, &measured.name, conditions).await? else { continue };
            let what = match label {
                Some(label) => format!("the {aggregation} of `{}` by `{label}`", measured.name),
                None => format!("the {aggregation} of `{}`", measured.name),
            };
            for (group, expected) in groups(&measured.series, label) {
                looked |= !expected.is_empty();
                is_joined(&what, group.as_deref(), *join, &expected, &of_group(&found, label, group.as_deref()))?;
            }
        }
    }
    if !looked {
        nothing!("the provider refuses to aggregate, or no metric has several points in the hour before the clock");
    }
    Ok(Verdict::Kept)
}

/// Makes one value of those that series have at one time.
type Join = fn(&[f64]) -> f64;

/// The aggregations by their words.
const AGGREGATIONS: &[(&str, Join)] = &[
    ("sum", |values| values.iter().sum()),
    ("avg", |values| values.iter().sum::<f64>() / count(values)),
    ("min", |values| values.iter().copied().fold(f64::INFINITY, f64::min)),
    ("max", |values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
    ("count", count),
];

fn count(values: &[f64]) -> f64 {
    values.iter().map(|_| 1.0).sum()
}

/// A label that tells series apart, else any that they have.
fn label_to_group_by(series: &[Value]) -> Option<String> {
    let labels: Vec<_> = labels(series).into_keys().collect();
    let values = |label: &String| series.iter().filter_map(|one| text(one, label)).collect::<BTreeSet<_>>().len();
    labels.into_iter().max_by_key(values)
}

/// The values of all series at each time, for each value of a label where there is one.
fn groups(series: &[Value], label: Option<&str>) -> BTreeMap<Option<String>, BTreeMap<Time, Vec<f64>>> {
    let mut groups: BTreeMap<_, BTreeMap<_, Vec<_>>> = BTreeMap::new();
    // A source that is alive may have measured something since.
    let last = series.iter().flat_map(times).max();
    for one in series {
        let group = label.and_then(|label| text(one, label));
        // A series without the label is not looked at: sources differ.
        if label.is_some() && group.is_none() {
            continue;
        }
        for (time, value) in points(one).into_iter().filter(|(time, _)| Some(*time) != last) {
            groups.entry(group.clone()).or_default().entry(time).or_default().push(value);
        }
    }
    groups
}

/// The series of a group.
fn of_group<'a>(found: &'a [Value], label: Option<&str>, group: Option<&str>) -> Vec<&'a Value> {
    let is_of_group = |one: &&Value| label.is_none_or(|label| text(one, label).as_deref() == group);
    found.iter().filter(is_of_group).collect()
}

/// Checks one series that was aggregated from others.
fn is_joined(
    what: &str,
    group: Option<&str>,
    join: Join,
    expected: &BTreeMap<Time, Vec<f64>>,
    found: &[&Value],
) -> Checked {
    let of = group.map_or_else(String::new, |group| format!(" for {group:?}"));
    let [joined] = found else {
        return Err(Broken(format!("metric.query of {what}: expected one series{of}, got {}", found.len())));
    };
    let joined: BTreeMap<_, _> = points(joined).into_iter().collect();
    for (time, values) in expected {
        let Some(value) = joined.get(time) else {
            return Err(Broken(format!("metric.query of {what} has nothing{of} at {time}, where series have points")));
        };
        let expected = join(values);
        let is_same = (value - expected).abs() <= 1e-9 * expected.abs().max(1.0);
        ensure!(is_same, "metric.query of {what} is {value}{of} at {time}; of what the series have it is {expected}");
    }
    Ok(())
}

pub(in crate::conformance) async fn what_is_described_can_be_queried(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    if !lab.offers(Operation::MetricDescribe) {
        nothing!("the provider describes no metrics");
    }
    let described = items(&lab.read(Operation::MetricDescribe, json!({})).await??)?.len();
    if described == 0 {
        nothing!("no metric is described");
    }
    ensure!(
        measured(&lab).await?.is_some(),
        "metric.describe lists {described} metrics, and metric.query finds points of none in the hour before the clock"
    );
    Ok(Verdict::Kept)
}

/// Checks that a condition on a label finds the series whose label passes.
async fn labels_pass(
    lab: &Lab,
    measured: &Measured,
    label: &str,
    (operator, wanted): (&str, &str),
    passes: impl Fn(&str) -> bool,
) -> Checked {
    let filter = json!({ "label": label, "operator": operator, "value": wanted });
    let conditions = json!({ "expression": { "filters": [filter] } });
    let Some(found) = find(lab, &measured.name, conditions).await? else { return Ok(()) };
    let found: Vec<_> = found.iter().map(key).collect();
    for one in &measured.series {
        // A series without the label is not looked at: sources differ.
        let Some(has) = text(one, label) else { continue };
        ensure!(
            passes(&has) == found.contains(&key(one)),
            "metric.query by `{label}` {operator} {wanted:?} {} {}",
            if passes(&has) { "leaves out" } else { "finds" },
            key(one)
        );
    }
    Ok(())
}

/// The first metric that is described and has points; rather one with several series.
async fn measured(lab: &Lab) -> Checked<Option<Measured>> {
    let mut found: Option<Measured> = None;
    if !lab.offers(Operation::MetricQuery) {
        return Ok(found);
    }
    let described = lab.read(Operation::MetricDescribe, json!({})).await??;
    for metric in items(&described)?.iter().take(METRICS) {
        let name = member(metric, "name").as_str().unwrap_or_default();
        let series = find(lab, name, json!({})).await?.unwrap_or_default();
        if series.len() > found.as_ref().map_or(0, |found| found.series.len()) {
            found = Some(Measured { name: name.to_owned(), series });
        }
        if found.as_ref().is_some_and(|found| found.series.len() > 1) {
            break;
        }
    }
    Ok(found)
}

fn nothing_is_measured() -> Checked<Verdict> {
    nothing!("no metric that is described has points in the hour before the clock")
}

/// What a query with these conditions finds in the last hour; `None` where the provider refuses them, as it may.
async fn find(lab: &Lab, metric: &str, conditions: Value) -> Checked<Option<Vec<Value>>> {
    let span = json!({ "start": before_now(lab, 60), "end": before_now(lab, 0), "step": STEP, "limit": 1_000 });
    let metric = json!({ "expression": { "metricName": metric } });
    match lab.read(Operation::MetricQuery, both(&both(&span, &metric), &conditions)).await? {
        Ok(page) => items(&page).map(Some),
        Err(error) if error.kind() == &ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(Broken(format!(
            "metric.query with {metric} and {conditions}: expected series, or `unsupported`, got {error:?}"
        ))),
    }
}

fn before_now(lab: &Lab, minutes: u64) -> Time {
    lab.place().clock().now() - Duration::from_secs(60 * minutes)
}

/// The points of a series, in its order.
fn points(series: &Value) -> Vec<(Time, f64)> {
    let points = member(series, "points").as_array().into_iter().flatten();
    points
        .filter_map(|point| {
            Some((member(point, "timestamp").as_str()?.parse().ok()?, member(point, "value").as_f64()?))
        })
        .collect()
}

fn times(series: &Value) -> Vec<Time> {
    points(series).into_iter().map(|(time, _)| time).collect()
}

/// What tells a series from the others of its metric.
fn key(series: &Value) -> String {
    format!("{} {}", member(series, "service"), member(series, "labels"))
}

/// The labels that series have, each with one value.
fn labels(series: &[Value]) -> BTreeMap<String, String> {
    let labels = series.iter().filter_map(|one| member(one, "labels").as_object()).flatten();
    labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn text(series: &Value, label: &str) -> Option<String> {
    member(series, "labels").get(label)?.as_str().map(str::to_owned)
}
