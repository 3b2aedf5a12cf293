//! Series and descriptors.

use std::borrow::Cow;

use opsorch::signal::unit;
use opsorch::transport::Url;
use opsorch::{Error, MetricDescriptor, MetricKind, MetricKindLevel, MetricSeries, Result};
use serde_json::{Map, Value, json};

use super::page::graph;
use crate::prometheus::promql;
use crate::prometheus::wire::discovery::{Meaning, Metadata};
use crate::prometheus::wire::matrix::{Dropped, Part, QueryResult, Series, parse_value};

/// What OpenMetrics calls a metric, where the schema has another word.
const KINDS: [(&str, MetricKindLevel); 5] = [
    ("gaugehistogram", MetricKindLevel::Histogram),
    ("info", MetricKindLevel::Gauge),
    ("stateset", MetricKindLevel::Gauge),
    ("untyped", MetricKindLevel::Unknown),
    ("", MetricKindLevel::Unknown),
];

/// The ends of the names of series, and the types of the families that have such series. Metadata is kept by family.
const FAMILIES: [(&str, &[&str]); 5] = [
    ("_bucket", &["histogram", "gaugehistogram"]),
    ("_sum", &["histogram", "summary"]),
    ("_count", &["histogram", "summary"]),
    ("_total", &["counter"]),
    ("_info", &["info"]),
];

/// The types of families that count how many values there are.
const DISTRIBUTIONS: [&str; 3] = ["histogram", "gaugehistogram", "summary"];

/// The series of a result, whatever its type.
pub(in crate::prometheus) fn series(result: QueryResult, field: &str) -> Result<Vec<Series>> {
    let QueryResult { result_type, result } = result;
    let unexpected = || Error::unexpected(format!("expected the parts of a {result_type}, got something else"));
    match result_type.as_str() {
        "matrix" | "vector" => result
            .into_iter()
            .map(|part| match part {
                Part::Series(series) => Ok(series),
                Part::Time(_) | Part::Text(_) => Err(unexpected()),
            })
            .collect(),
        "scalar" => match result.as_slice() {
            [Part::Time(time), Part::Text(text)] => {
                let mut series = Series::default();
                series.push(*time, parse_value(text).ok_or_else(unexpected)?);
                Ok(vec![series])
            }
            _ => Err(unexpected()),
        },
        "string" => {
            Err(Error::invalid(field.to_owned(), "expected a query whose values are numbers, got one of a string"))
        }
        _ => Err(Error::unexpected("expected a result that is a matrix, a vector, a scalar or a string")),
    }
}

/// A series as the schema has it. After an aggregation it has no name of its own: it gets that of the metric asked for.
pub(in crate::prometheus) fn to_schema(series: Series, asked: &str, service_label: &str, url: &Url) -> MetricSeries {
    let Series { name, labels, points, dropped } = series;
    let mut mapped = MetricSeries::new(name.unwrap_or_else(|| asked.to_owned()), points);
    mapped.service = labels.iter().find(|(label, _)| label == service_label).map(|(_, value)| value.clone());
    mapped.labels = labels.into_iter().map(|(label, value)| (label, Value::String(value))).collect();
    mapped.url = Some(url.clone());
    if dropped != Dropped::default() {
        mapped.metadata.insert("droppedPoints".to_owned(), Value::Object(counts(dropped)));
    }
    mapped
}

fn counts(dropped: Dropped) -> Map<String, Value> {
    let Dropped { samples, histograms } = dropped;
    let counts = [("nan", samples.nan), ("inf", samples.infinite), ("histogram", histograms)];
    counts.into_iter().filter(|(_, count)| *count > 0).map(|(why, count)| (why.to_owned(), count.into())).collect()
}

/// A metric, with what the targets say about it or about the family it belongs to.
pub(in crate::prometheus) fn descriptor(name: String, metadata: &Metadata, page: &Url) -> MetricDescriptor {
    let (family, meanings) = match metadata.get(&name) {
        Some(meanings) => (None, meanings.as_slice()),
        None => family(&name, metadata).unwrap_or_default(),
    };
    let meaning = meanings.first();
    let kind = meaning.map_or("", |meaning| &meaning.kind);
    let url = graph(page, &promql::metric(&name), None);
    let mut descriptor = MetricDescriptor::new(&name, to_kind(kind)).url(url);
    if let Some(Meaning { help, .. }) = meaning {
        descriptor.description.clone_from(help);
    }
    descriptor.unit = unit_of(&name, meaning);
    if KINDS.iter().any(|(word, _)| *word == kind && !kind.is_empty()) {
        descriptor = descriptor.metadata("type", kind);
    }
    if let Some(family) = family {
        descriptor = descriptor.metadata("family", family);
    }
    if meanings.iter().any(|other| Some(other) != meaning) {
        let all =
            meanings.iter().map(|Meaning { kind, help, unit }| json!({ "type": kind, "help": help, "unit": unit }));
        descriptor = descriptor.metadata("variants", all.collect::<Vec<_>>());
    }
    descriptor
}

/// The unit of a metric: what its targets say, and otherwise what its name ends with. A bucket of a histogram is a number
/// of values and the count of them all is too, whatever the unit of the values.
fn unit_of(name: &str, meaning: Option<&Meaning>) -> Option<String> {
    let is_distribution = meaning.is_some_and(|meaning| DISTRIBUTIONS.contains(&meaning.kind.as_str()));
    let is_number = is_distribution && (name.ends_with("_bucket") || name.ends_with("_count"));
    let said = meaning.map(|meaning| meaning.unit.as_str()).filter(|said| !said.is_empty());
    match said {
        _ if is_number => None,
        Some(said) => Some(unit::name(said).into_owned()),
        None => unit::of_metric(name).map(Cow::into_owned),
    }
}

fn family<'a>(name: &'a str, metadata: &'a Metadata) -> Option<(Option<&'a str>, &'a [Meaning])> {
    FAMILIES.iter().find_map(|(end, kinds)| {
        let family = name.strip_suffix(end)?;
        let meanings = metadata.get(family)?;
        let belongs = meanings.first().is_some_and(|meaning| kinds.contains(&meaning.kind.as_str()));
        belongs.then_some((Some(family), meanings.as_slice()))
    })
}

fn to_kind(word: &str) -> MetricKind {
    match KINDS.iter().find(|(known, _)| *known == word) {
        Some((_, level)) => (*level).into(),
        None => word.into(),
    }
}
