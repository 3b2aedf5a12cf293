//! Metrics.

use std::collections::BTreeMap;

use async_trait::async_trait;
use opsorch::capability::MetricReader;
use opsorch::{
    Aggregation, AggregationLevel, Context, Error, Fields, Item, MetricDescriptor, MetricExpression, MetricPoint,
    MetricQuery, MetricSeries, Operation, Page, Result, Scope, Time,
};

use super::MemoryProvider;
use super::matching::{metric_comparison, text};
use super::table::{page_of, wanted};
use super::world::{Place, World};

impl MemoryProvider {
    /// Adds a series to those that can be queried. Describing it takes a [`seed_metric`](Self::seed_metric).
    pub fn seed_series(&self, series: MetricSeries) {
        self.world().series.push(series);
    }
}

#[async_trait]
impl MetricReader for MemoryProvider {
    /// With a step there is at most one point for each step: the last value of it, at the time at which it begins.
    /// Filters compare with `=` and `!=`; a regular expression is `Unsupported`. A series without a point in the span
    /// is left out.
    async fn query(&self, _: &Context, query: &MetricQuery) -> Result<Page<MetricSeries>> {
        self.page(Operation::MetricQuery, |world| {
            let series = world.evaluate(query)?;
            page_of(&series, wanted!(query), |_, index| index, |_| true)
        })
        .await
    }

    /// A metric is in a scope if one of its series is.
    async fn describe(&self, _: &Context, scope: &Scope) -> Result<Page<MetricDescriptor>> {
        self.page(Operation::MetricDescribe, |world| {
            let has_series = |name: &str| {
                world.series.iter().any(|series| series.name == name && world.in_scope(scope, place(series)))
            };
            let metrics = world.metrics.rows().iter().filter(|metric| scope.is_empty() || has_series(&metric.name));
            let mut metrics: Vec<_> = metrics.cloned().collect();
            metrics.sort_by(|one, other| one.key().cmp(other.key()));
            Ok(Page::new(metrics))
        })
        .await
    }
}

impl World {
    fn evaluate(&self, query: &MetricQuery) -> Result<Vec<MetricSeries>> {
        let Some(expression) = &query.expression else {
            return Err(Error::unsupported("this provider has no query language of its own; set an expression"));
        };
        let filters = expression.filters.iter().map(|filter| Ok((metric_comparison(&filter.operator)?, filter)));
        let filters = filters.collect::<Result<Vec<_>>>()?;
        let passes = |series: &MetricSeries| {
            filters.iter().all(|(compare, filter)| compare(label(series, &filter.label).as_deref(), &filter.value))
        };
        let found = self.series.iter().filter(|series| {
            series.name == expression.metric_name && passes(series) && self.in_scope(&query.scope, place(series))
        });
        let found = found.map(|series| in_span(series, query)).filter(|series| !series.points.is_empty()).collect();
        match &expression.aggregation {
            Some(aggregation) => Ok(aggregate(found, expression, join(aggregation)?)),
            None if expression.group_by.is_empty() => Ok(found),
            None => Err(Error::invalid("expression.groupBy", "expected an aggregation to group, got none")),
        }
    }
}

fn place(series: &MetricSeries) -> Place<'_> {
    Place::in_fields(&series.labels).at(&series.service)
}

fn label(series: &MetricSeries, name: &str) -> Option<String> {
    let own = || series.service.clone().filter(|_| name == "service");
    series.labels.get(name).map(text).or_else(own)
}

/// The points of a series in the span of a query, one for each step.
fn in_span(series: &MetricSeries, query: &MetricQuery) -> MetricSeries {
    let in_span = series.points.iter().filter(|point| (query.start..=query.end).contains(&point.timestamp()));
    let by_step: BTreeMap<Time, f64> =
        in_span.map(|point| (step_of(point.timestamp(), query), point.value())).collect();
    let mut series = series.clone();
    series.points = points(by_step);
    series
}

fn step_of(time: Time, query: &MetricQuery) -> Time {
    match i64::from(query.step) {
        0 => time,
        step => query.start + chrono::Duration::seconds((time - query.start).num_seconds() / step * step),
    }
}

/// Points in order; what is not finite is a gap.
fn points(by_time: impl IntoIterator<Item = (Time, f64)>) -> Vec<MetricPoint> {
    by_time.into_iter().filter_map(|(time, value)| MetricPoint::new(time, value)).collect()
}

/// One series for each group; the labels that were grouped by are those it keeps.
fn aggregate(found: Vec<MetricSeries>, expression: &MetricExpression, join: fn(&[f64]) -> f64) -> Vec<MetricSeries> {
    let mut groups: BTreeMap<Vec<Option<String>>, BTreeMap<Time, Vec<f64>>> = BTreeMap::new();
    for series in found {
        let group = expression.group_by.iter().map(|name| label(&series, name)).collect();
        let values = groups.entry(group).or_default();
        for point in &series.points {
            values.entry(point.timestamp()).or_default().push(point.value());
        }
    }
    let to_series = |(group, values): (Vec<Option<String>>, BTreeMap<Time, Vec<f64>>)| {
        let joined = values.into_iter().map(|(time, values)| (time, join(&values)));
        let labels = expression.group_by.iter().cloned().zip(group);
        let mut series = MetricSeries::new(&expression.metric_name, points(joined));
        series.labels = labels.filter_map(|(name, value)| Some((name, value?.into()))).collect::<Fields>();
        series
    };
    groups.into_iter().map(to_series).collect()
}

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
            let message = format!("unknown aggregation `{aggregation}`, expected one of: avg, sum, max, min, count");
            return Err(Error::unsupported(message));
        }
    })
}
