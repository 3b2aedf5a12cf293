//! Metrics: what there is, and series of values over time.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use url::Url;

use crate::page::item;
use crate::setters::setters;
use crate::wire::{null_as_default, optional_url};
use crate::{Aggregation, Cursor, Fields, MetricKind, MetricOperator, ProviderName, Scope, Time};

/// The values of one metric with one set of labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MetricSeries {
    /// The name of the metric.
    pub name: String,
    /// The service it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What tells this series from others of the metric.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub labels: Fields,
    /// The values, the oldest first. Where the vendor has none there is no point.
    #[serde(default, deserialize_with = "null_as_default")]
    pub points: Vec<MetricPoint>,
    /// The page a person would open.
    #[serde(default, deserialize_with = "optional_url", skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// What the provider says about the item itself.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
    /// The provider it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
}

impl MetricSeries {
    /// The points of a metric, the oldest first.
    pub fn new(name: impl Into<String>, points: Vec<MetricPoint>) -> Self {
        Self {
            name: name.into(),
            service: None,
            labels: Fields::new(),
            points,
            url: None,
            metadata: Fields::new(),
            provider: None,
        }
    }

    setters! {
        some service: String;
        entry labels as label: Value;
        some url: Url;
        entry metadata as metadata: Value;
    }
}

item!(MetricSeries { key: name, url: url });

/// A value at a time. The value is finite: JSON has no other, and a gap is a gap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricPoint {
    /// When it was measured.
    timestamp: Time,
    /// What was measured.
    value: f64,
}

impl MetricPoint {
    /// A value at a time; `None` if the value is not a number, or infinite.
    ///
    /// ```
    /// use opsorch_schema::{MetricPoint, Time};
    ///
    /// let time: Time = "2026-01-01T00:00:00Z".parse().unwrap();
    /// let points: Vec<_> = [1.5, f64::NAN, 2.0].into_iter().filter_map(|value| MetricPoint::new(time, value)).collect();
    /// assert_eq!(points.len(), 2);
    /// assert_eq!(points[0].value(), 1.5);
    /// ```
    pub fn new(timestamp: Time, value: f64) -> Option<Self> {
        value.is_finite().then_some(Self { timestamp, value })
    }

    /// When it was measured.
    pub fn timestamp(&self) -> Time {
        self.timestamp
    }

    /// What was measured; always finite.
    pub fn value(&self) -> f64 {
        self.value
    }
}

impl<'de> Deserialize<'de> for MetricPoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Parts {
            timestamp: Time,
            value: f64,
        }
        let Parts { timestamp, value } = Parts::deserialize(deserializer)?;
        Self::new(timestamp, value).ok_or_else(|| serde::de::Error::custom("expected a finite value"))
    }
}

/// A metric that can be queried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MetricDescriptor {
    /// Its name.
    pub name: String,
    /// What it measures.
    #[serde(rename = "type")]
    pub kind: MetricKind,
    /// What it means, to be read; empty where the vendor does not say.
    #[serde(default, deserialize_with = "null_as_default")]
    pub description: String,
    /// The names of its labels.
    #[serde(default, deserialize_with = "null_as_default")]
    pub labels: Vec<String>,
    /// The unit of its values, by its [name](crate::signal::unit::name) if it is a known one, else in the provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The page a person would open.
    #[serde(default, deserialize_with = "optional_url", skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// What the provider says about the item itself.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
    /// The provider it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
}

impl MetricDescriptor {
    /// A metric of a kind.
    pub fn new(name: impl Into<String>, kind: impl Into<MetricKind>) -> Self {
        Self {
            name: name.into(),
            kind: kind.into(),
            description: String::new(),
            labels: Vec::new(),
            unit: None,
            url: None,
            metadata: Fields::new(),
            provider: None,
        }
    }

    /// Says what it means.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    setters! {
        each labels as label: String;
        some unit: String;
        some url: Url;
        entry metadata as metadata: Value;
    }
}

item!(MetricDescriptor { key: name, url: url });

/// Which series to read, and how finely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct MetricQuery {
    /// What to read; absent where `metadata` says it in the provider's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<MetricExpression>,
    /// The first moment of the span.
    pub start: Time,
    /// The last moment of the span.
    pub end: Time,
    /// The seconds between two points; 0 leaves it to the provider.
    #[serde(default, deserialize_with = "null_as_default")]
    pub step: u32,
    /// The part of the world to look at.
    #[serde(default, deserialize_with = "null_as_default")]
    pub scope: Scope,
    /// How many series at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where the previous page ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// What only one kind of provider understands.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl MetricQuery {
    /// A metric in a span of time.
    ///
    /// ```
    /// use opsorch_schema::{AggregationLevel, MetricOperatorLevel, MetricQuery, Time};
    ///
    /// let start: Time = "2026-01-01T00:00:00Z".parse().unwrap();
    /// let end: Time = "2026-01-01T01:00:00Z".parse().unwrap();
    /// let query = MetricQuery::new("http_requests_total", start, end)
    ///     .step(60)
    ///     .aggregation(AggregationLevel::Sum)
    ///     .group_by("region")
    ///     .filter("code", MetricOperatorLevel::Matches, "5..");
    /// assert_eq!(query.expression.unwrap().metric_name, "http_requests_total");
    /// ```
    pub fn new(metric_name: impl Into<String>, start: Time, end: Time) -> Self {
        Self {
            expression: Some(MetricExpression::new(metric_name)),
            start,
            end,
            step: 0,
            scope: Scope::new(),
            limit: None,
            cursor: None,
            metadata: Fields::new(),
        }
    }

    /// Sets the seconds between two points.
    pub fn step(mut self, seconds: u32) -> Self {
        self.step = seconds;
        self
    }

    /// Makes several series into one, or into one for each group.
    pub fn aggregation(mut self, aggregation: impl Into<Aggregation>) -> Self {
        self.expression.get_or_insert_default().aggregation = Some(aggregation.into());
        self
    }

    /// Adds a condition on a label.
    pub fn filter(
        mut self,
        label: impl Into<String>,
        operator: impl Into<MetricOperator>,
        value: impl Into<String>,
    ) -> Self {
        self.expression.get_or_insert_default().filters.push(MetricFilter::new(label, operator, value));
        self
    }

    /// Adds a label that aggregation keeps.
    pub fn group_by(mut self, label: impl Into<String>) -> Self {
        self.expression.get_or_insert_default().group_by.push(label.into());
        self
    }

    setters! {
        scope;
        page;
        entry metadata as metadata: Value;
    }
}

/// A metric, narrowed and aggregated. All filters must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct MetricExpression {
    /// The name of the metric.
    pub metric_name: String,
    /// How several series become one; absent to keep them apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregation: Option<Aggregation>,
    /// Conditions on labels.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<MetricFilter>,
    /// The labels that aggregation keeps.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub group_by: Vec<String>,
}

impl MetricExpression {
    /// All series of a metric.
    pub fn new(metric_name: impl Into<String>) -> Self {
        Self { metric_name: metric_name.into(), ..Self::default() }
    }
}

/// A condition on a label of a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct MetricFilter {
    /// The name of the label.
    pub label: String,
    /// How to compare.
    pub operator: MetricOperator,
    /// What to compare with.
    pub value: String,
}

impl MetricFilter {
    /// Compares a label with a value.
    pub fn new(label: impl Into<String>, operator: impl Into<MetricOperator>, value: impl Into<String>) -> Self {
        Self { label: label.into(), operator: operator.into(), value: value.into() }
    }
}
