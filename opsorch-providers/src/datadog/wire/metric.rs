//! Metrics: what is asked, values over time, single values, and what there is.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::null_as_default;

/// A request of the v2 queries.
#[derive(Debug, Serialize)]
pub(in crate::datadog) struct QueryRequest<'a> {
    data: RequestData<'a>,
}

#[derive(Debug, Serialize)]
struct RequestData<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    attributes: Span<'a>,
}

/// What is evaluated when.
#[derive(Debug, Serialize)]
pub(in crate::datadog) struct Span<'a> {
    /// Milliseconds since 1970.
    pub(in crate::datadog) from: i64,
    /// Milliseconds since 1970; the moment itself is not in the span.
    pub(in crate::datadog) to: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::datadog) interval: Option<i64>,
    pub(in crate::datadog) queries: Vec<Query<'a>>,
    pub(in crate::datadog) formulas: [Formula<'a>; 1],
}

#[derive(Debug, Serialize)]
pub(in crate::datadog) struct Query<'a> {
    pub(in crate::datadog) data_source: &'static str,
    pub(in crate::datadog) name: &'a str,
    pub(in crate::datadog) query: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::datadog) aggregator: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub(in crate::datadog) struct Formula<'a> {
    pub(in crate::datadog) formula: &'a str,
}

impl<'a> QueryRequest<'a> {
    /// Values over time.
    pub(in crate::datadog) fn timeseries(span: Span<'a>) -> Self {
        Self { data: RequestData { kind: "timeseries_request", attributes: span } }
    }

    /// One value of each series.
    pub(in crate::datadog) fn scalar(span: Span<'a>) -> Self {
        Self { data: RequestData { kind: "scalar_request", attributes: span } }
    }
}

/// An answer of the v2 queries, or the words in which v1 says with status 200 that there is none.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub(in crate::datadog) struct QueryResponse<T> {
    #[serde(default)]
    pub(in crate::datadog) data: Option<ResponseData<T>>,
    #[serde(default, alias = "error")]
    pub(in crate::datadog) errors: Option<Said>,
}

#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct ResponseData<T> {
    pub(in crate::datadog) attributes: T,
}

/// What is said of errors: as documented one text, elsewhere in the API a list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(in crate::datadog) enum Said {
    Text(String),
    Texts(Vec<String>),
    Other(serde::de::IgnoredAny),
}

impl Said {
    /// As one text; `None` if nothing is said.
    pub(in crate::datadog) fn text(&self) -> Option<String> {
        let text = match self {
            Self::Text(text) => text.clone(),
            Self::Texts(texts) => texts.join("; "),
            Self::Other(_) => "an error in words that are not known".to_owned(),
        };
        Some(text).filter(|text| !text.trim().is_empty())
    }
}

/// Values over time: a row for each series, a column for each time.
#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct Timeseries {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(in crate::datadog) series: Vec<Head>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(in crate::datadog) times: Vec<i64>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(in crate::datadog) values: Vec<Vec<Option<f64>>>,
}

/// What a series is.
#[derive(Debug, Default, Deserialize)]
pub(in crate::datadog) struct Head {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(in crate::datadog) group_tags: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(in crate::datadog) unit: Vec<Option<Unit>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::datadog) struct Unit {
    #[serde(default)]
    pub(in crate::datadog) name: Option<String>,
}

/// Single values: a column for each tag that is grouped by, and one of the values.
#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct Scalars {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(in crate::datadog) columns: Vec<Column>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(in crate::datadog) enum Column {
    Group {
        name: String,
        values: Vec<Vec<String>>,
    },
    Number {
        values: Vec<Option<f64>>,
        #[serde(default, deserialize_with = "null_as_default")]
        meta: Head,
    },
    #[serde(other)]
    Other,
}

/// The metrics there are, as far as they are told at once.
#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct MetricList {
    pub(in crate::datadog) data: Vec<Listed>,
    #[serde(default)]
    meta: Option<ListMeta>,
}

/// A metric, with how it is configured where it is: then it has the type `manage_tags`.
#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct Listed {
    pub(in crate::datadog) id: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(in crate::datadog) attributes: Configured,
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::datadog) struct Configured {
    #[serde(default)]
    pub(in crate::datadog) metric_type: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(in crate::datadog) tags: Vec<String>,
    /// Then the tags are those that are left out.
    #[serde(default)]
    pub(in crate::datadog) exclude_tags_mode: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct ListMeta {
    #[serde(default)]
    pagination: Option<Pagination>,
}

#[derive(Debug, Deserialize)]
struct Pagination {
    #[serde(default)]
    next_cursor: Option<String>,
}

impl MetricList {
    /// Where the rest begins.
    pub(in crate::datadog) fn next(&mut self) -> Option<String> {
        self.meta.take()?.pagination?.next_cursor.filter(|cursor| !cursor.is_empty())
    }
}

/// The tags of a metric.
#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct AllTags {
    data: TagData,
}

#[derive(Debug, Deserialize)]
struct TagData {
    #[serde(default, deserialize_with = "null_as_default")]
    attributes: TagLists,
}

#[derive(Debug, Default, Deserialize)]
struct TagLists {
    #[serde(default, deserialize_with = "null_as_default")]
    tags: Vec<String>,
}

impl AllTags {
    /// The names of the tags that can be asked by, in order, each once.
    pub(in crate::datadog) fn into_names(self) -> Vec<String> {
        let names = self.data.attributes.tags.into_iter();
        let names = names.map(|tag| tag.split(':').next().unwrap_or_default().to_owned());
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// What is said of a metric.
#[derive(Debug, Default, Deserialize)]
pub(in crate::datadog) struct Meaning {
    #[serde(default, rename = "type")]
    pub(in crate::datadog) kind: Option<String>,
    #[serde(default)]
    pub(in crate::datadog) description: Option<String>,
    #[serde(default)]
    pub(in crate::datadog) unit: Option<String>,
    #[serde(default)]
    pub(in crate::datadog) per_unit: Option<String>,
    #[serde(default)]
    pub(in crate::datadog) integration: Option<String>,
    #[serde(default)]
    pub(in crate::datadog) short_name: Option<String>,
}
