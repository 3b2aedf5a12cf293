//! What a query asks of the server: PromQL, and when it is evaluated.

use opsorch::signal::Step;
use opsorch::{Error, MetricQuery, Result, Time};
use serde_json::Value;

use crate::prometheus::labels::ScopeLabels;
use crate::prometheus::promql;
use crate::prometheus::window::Plan;
use crate::query::refuse_metadata_but;

/// The name in [`MetricQuery::metadata`] that is understood.
const QUERY: &str = "query";

/// What is asked of the server.
pub(super) struct Asked {
    pub(super) promql: String,
    /// The name of series that have none of their own.
    pub(super) name: String,
    /// The part of the query that its PromQL comes from.
    pub(super) field: &'static str,
    pub(super) when: When,
}

/// When it is evaluated, to the millisecond.
pub(super) enum When {
    At(Time),
    Over(Plan),
}

impl Asked {
    pub(super) fn new(query: &MetricQuery, labels: &ScopeLabels) -> Result<Self> {
        if query.end < query.start {
            let message = format!("expected a time not before the start {}, got {}", query.start, query.end);
            return Err(Error::invalid("end", message));
        }
        let (promql, name, field) = match raw(query)? {
            Some(promql) => {
                refuse_beside_raw(query)?;
                let name = query.expression.as_ref().map(|expression| expression.metric_name.as_str());
                (promql.to_owned(), name.filter(|name| !name.is_empty()).unwrap_or(promql), "metadata.query")
            }
            None => {
                let expression = query.expression.as_ref().ok_or_else(|| {
                    Error::invalid("expression", "expected an expression, or PromQL as `query` in the metadata")
                })?;
                let promql = promql::expression(expression, &labels.wanted(&query.scope)?)?;
                (promql, expression.metric_name.as_str(), "expression")
            }
        };
        let name = name.to_owned();
        // The first whole millisecond in the span, and the last.
        let (start, end) = (Step::MILLISECOND.ceil(query.start), Step::MILLISECOND.floor(query.end));
        let plan = || Plan::new(start, end, Step::from_seconds(query.step), promql::speaks_of_its_span(&promql));
        let when = (start < end).then(plan).flatten().map_or(When::At(end), When::Over);
        Ok(Self { promql, name, field, when })
    }

    /// What a caller must know about the step.
    pub(super) fn widened(&self) -> Option<String> {
        let When::Over(Plan { step, widened_from: Some(asked), .. }) = &self.when else { return None };
        let (step, asked) = (seconds(step.as_millis()), seconds(asked.as_millis()));
        Some(format!("a step of {asked} s makes more points than the server returns; the step is {step} s"))
    }
}

/// The PromQL of a query that brings its own.
fn raw(query: &MetricQuery) -> Result<Option<&str>> {
    refuse_metadata_but(&[QUERY], &query.metadata)?;
    match query.metadata.get(QUERY) {
        None => Ok(None),
        Some(Value::String(promql)) if !promql.trim().is_empty() => Ok(Some(promql)),
        Some(_) => Err(Error::invalid("metadata.query", "expected PromQL as text")),
    }
}

/// Refuses what would be ignored, because PromQL that a caller wrote is sent as it is.
fn refuse_beside_raw(query: &MetricQuery) -> Result<()> {
    let expression = query.expression.as_ref();
    let given = [
        ("expression.filters", expression.is_some_and(|expression| !expression.filters.is_empty())),
        ("expression.aggregation", expression.is_some_and(|expression| expression.aggregation.is_some())),
        ("expression.groupBy", expression.is_some_and(|expression| !expression.group_by.is_empty())),
        ("scope", !query.scope.is_empty()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((field, _)) => {
            let message =
                format!("`metadata.query` is sent as it is; say in it what `{field}` says, and leave that out");
            Err(Error::unsupported(message))
        }
        None => Ok(()),
    }
}

/// Milliseconds as the seconds that Prometheus takes, to the last digit.
pub(super) fn seconds(milliseconds: i64) -> String {
    let sign = if milliseconds < 0 { "-" } else { "" };
    match (milliseconds.unsigned_abs() / 1000, milliseconds.unsigned_abs() % 1000) {
        (whole, 0) => format!("{sign}{whole}"),
        (whole, part) => format!("{sign}{whole}.{part:03}"),
    }
}
