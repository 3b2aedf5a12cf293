//! Series and descriptors.

use std::collections::BTreeMap;

use opsorch::signal::{Dropped, unit};
use opsorch::transport::Url;
use opsorch::{Error, Fields, MetricDescriptor, MetricKind, MetricKindLevel, MetricPoint, MetricSeries, Result, Time};
use serde_json::Value;

use crate::datadog::wire::metric::{Column, Head, Listed, Meaning, Scalars, Timeseries, Unit};

/// What Datadog says of a series that lacks the tag which it is grouped by.
const MISSING: &str = "N/A";

/// What Datadog calls a metric, where the schema has a word for it. A `count` is what came in an interval, and no counter.
const KINDS: [(&str, MetricKindLevel); 4] = [
    ("gauge", MetricKindLevel::Gauge),
    ("rate", MetricKindLevel::Gauge),
    ("distribution", MetricKindLevel::Histogram),
    ("histogram", MetricKindLevel::Histogram),
];

/// A series before it is the schema's.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::datadog) struct Series {
    pub(in crate::datadog) labels: Fields,
    pub(in crate::datadog) points: Vec<MetricPoint>,
    unit: Option<String>,
    dropped: Dropped,
}

impl Series {
    /// What tells it from the others, in an order that stays.
    pub(in crate::datadog) fn key(&self) -> String {
        Value::from_iter(self.labels.clone()).to_string()
    }

    /// As the schema has it.
    pub(in crate::datadog) fn into_schema(
        self,
        name: &str,
        service_tag: &str,
        source: &str,
        url: &Url,
    ) -> MetricSeries {
        let mut series = MetricSeries::new(name, self.points).url(url.clone()).metadata("source", source);
        series.service = self.labels.get(service_tag).and_then(Value::as_str).map(str::to_owned);
        series.labels = self.labels;
        if let Some(unit) = self.unit {
            series.metadata.insert("unit".to_owned(), unit.into());
        }
        if self.dropped != Dropped::default() {
            series.metadata.insert("droppedPoints".to_owned(), (self.dropped.nan + self.dropped.infinite).into());
        }
        series
    }
}

/// The series of values over time. A hole is no point.
///
/// # Errors
/// `Unexpected` where there are not as many rows as series, or as many values in a row as there are times.
pub(in crate::datadog) fn timeseries(answer: Timeseries, is_meant: impl Fn(Time) -> bool) -> Result<Vec<Series>> {
    let Timeseries { series, times, values } = answer;
    if values.len() != series.len() {
        return Err(uneven("rows of values as series", series.len(), values.len()));
    }
    let times: Option<Vec<Time>> = times.into_iter().map(Time::from_timestamp_millis).collect();
    let times = times.ok_or_else(|| Error::unexpected("expected times in milliseconds since 1970"))?;
    let rows = series.into_iter().zip(values);
    rows.map(|(Head { group_tags, unit }, row)| {
        if row.len() != times.len() {
            return Err(uneven("values in a row as times", times.len(), row.len()));
        }
        let mut dropped = Dropped::default();
        let samples = times.iter().zip(row).filter(|(time, _)| is_meant(**time));
        let points = samples.filter_map(|(time, value)| dropped.point(*time, value?)).collect();
        Ok(Series { labels: labels(&group_tags), points, unit: unit_name(&unit), dropped })
    })
    .collect()
}

/// The series of single values, each with one point at this time.
///
/// # Errors
/// `Unexpected` where columns are not of one length, or none has numbers.
pub(in crate::datadog) fn scalars(answer: Scalars, at: Time) -> Result<Vec<Series>> {
    let mut groups = Vec::new();
    let mut numbers = None;
    for column in answer.columns {
        match column {
            Column::Group { name, values } => groups.push((name, values)),
            Column::Number { values, meta } => numbers = numbers.or(Some((values, meta))),
            Column::Other => {}
        }
    }
    let Some((values, meta)) = numbers else {
        return match groups.is_empty() {
            true => Ok(Vec::new()),
            false => Err(Error::unexpected("expected a column of numbers, got groups alone")),
        };
    };
    if let Some((_, wrong)) = groups.iter().find(|(_, group)| group.len() != values.len()) {
        return Err(uneven("groups as values", values.len(), wrong.len()));
    }
    let unit = unit_name(&meta.unit);
    let rows = values.into_iter().enumerate().map(|(row, value)| {
        let tags = groups
            .iter()
            .flat_map(|(name, group)| group.get(row).into_iter().flatten().map(move |value| format!("{name}:{value}")));
        let mut dropped = Dropped::default();
        let points = value.and_then(|value| dropped.point(at, value)).into_iter().collect();
        Series { labels: labels(&tags.collect::<Vec<_>>()), points, unit: unit.clone(), dropped }
    });
    Ok(rows.collect())
}

/// How many series have a value, at each time and in each group.
pub(in crate::datadog) fn counted(series: &[Series], groups: &[String]) -> Vec<Series> {
    let mut counts: BTreeMap<String, (Fields, BTreeMap<Time, u32>)> = BTreeMap::new();
    for one in series {
        let labels = one.labels.iter().filter(|(name, _)| groups.contains(name));
        let labels: Fields = labels.map(|(name, value)| (name.clone(), value.clone())).collect();
        let key = Value::from_iter(labels.clone()).to_string();
        let (_, counts) = counts.entry(key).or_insert_with(|| (labels, BTreeMap::new()));
        for point in &one.points {
            *counts.entry(point.timestamp()).or_default() += 1;
        }
    }
    let counted = counts.into_values().map(|(labels, counts)| {
        let points = counts.into_iter().filter_map(|(time, count)| MetricPoint::new(time, count.into())).collect();
        Series { labels, points, unit: None, dropped: Dropped::default() }
    });
    counted.collect()
}

/// A tag may have colons in its value, or none; one with several values is a list of them.
fn labels(tags: &[String]) -> Fields {
    let mut labels = Fields::new();
    for tag in tags {
        let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
        if value == MISSING {
            continue;
        }
        match labels.get_mut(name) {
            None => _ = labels.insert(name.to_owned(), value.into()),
            Some(Value::Array(values)) => values.push(value.into()),
            Some(first) => *first = Value::Array(vec![first.take(), value.into()]),
        }
    }
    labels
}

fn uneven(what: &str, expected: usize, found: usize) -> Error {
    Error::unexpected(format!("expected as many {what}, {expected}, got {found}"))
}

/// The first unit, per the second where there is one.
fn unit_name(units: &[Option<Unit>]) -> Option<String> {
    let name = |index: usize| units.get(index)?.as_ref()?.name.as_deref().filter(|name| !name.is_empty());
    joined_unit(name(0), name(1))
}

fn joined_unit(unit: Option<&str>, per: Option<&str>) -> Option<String> {
    let spelling = match (unit?, per) {
        (unit, Some(per)) => format!("{unit}/{per}"),
        (unit, None) => unit.to_owned(),
    };
    Some(unit::name(&spelling).into_owned())
}

/// A metric, as far as the list of metrics tells it.
pub(in crate::datadog) fn listed(metric: Listed, source: &str, url: Url) -> MetricDescriptor {
    let Listed { id, attributes } = metric;
    let mut descriptor = MetricDescriptor::new(id, kind(attributes.metric_type.as_deref())).url(url);
    descriptor = descriptor.metadata("source", source);
    if attributes.exclude_tags_mode != Some(true) {
        descriptor.labels = attributes.tags;
    }
    match attributes.metric_type {
        Some(word) => descriptor.metadata("type", word),
        None => descriptor,
    }
}

/// Adds what is said of a metric.
pub(in crate::datadog) fn explain(descriptor: &mut MetricDescriptor, meaning: Meaning) {
    let named = |text: Option<String>| text.filter(|text| !text.is_empty());
    if let Some(word) = named(meaning.kind) {
        descriptor.kind = kind(Some(&word));
        descriptor.metadata.insert("type".to_owned(), word.into());
    }
    descriptor.description = meaning.description.unwrap_or_default();
    descriptor.unit = joined_unit(named(meaning.unit).as_deref(), named(meaning.per_unit).as_deref());
    for (name, value) in [("integration", meaning.integration), ("shortName", meaning.short_name)] {
        if let Some(value) = named(value) {
            descriptor.metadata.insert(name.to_owned(), value.into());
        }
    }
}

fn kind(word: Option<&str>) -> MetricKind {
    match (word, KINDS.iter().find(|(known, _)| Some(*known) == word)) {
        (_, Some((_, level))) => (*level).into(),
        (Some(word), None) => word.into(),
        (None, None) => MetricKindLevel::Unknown.into(),
    }
}
