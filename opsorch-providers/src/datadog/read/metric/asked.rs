//! What a query asks of Datadog, and when it is evaluated.

use opsorch::signal::{Step, Window};
use opsorch::{Error, MetricExpression, MetricQuery, Result, Time};
use serde_json::Value;

use crate::datadog::metrics::is_variable;
use crate::datadog::wire::metric::{Formula, Query, Span};
use crate::query::refuse_metadata_but;

/// The names in [`MetricQuery::metadata`] that are understood.
const KNOWN: [&str; 4] = ["query", "queries", "formula", "aggregator"];

/// How a series becomes one value.
/// (<https://docs.datadoghq.com/api/latest/metrics/#query-scalar-data-across-multiple-products>)
const AGGREGATORS: [&str; 9] = ["avg", "min", "max", "sum", "last", "percentile", "mean", "l2norm", "area"];

/// The most points that Datadog gives of a series; above it takes a wider step.
const POINTS: u64 = 1_500;

/// How far before a moment its value is looked for, in milliseconds.
const LOOKBACK: i64 = 5 * 60 * 1000;

/// What is asked.
pub(super) struct Asked {
    /// The queries by their names in the formula.
    queries: Vec<(String, String)>,
    formula: String,
    /// The name of the series.
    pub(super) name: String,
    /// The part of the query that this comes from.
    pub(super) field: &'static str,
    /// The groups in which series are counted, where they are.
    pub(super) counted_by: Option<Vec<String>>,
    /// What a page for people is opened with.
    page: Vec<(&'static str, String)>,
}

/// When it is evaluated.
pub(super) enum When {
    Over(Over),
    /// One value of each series, as that of a moment.
    Once {
        at: Time,
        from: i64,
        aggregator: &'static str,
    },
}

/// A span.
pub(super) struct Over {
    start: Time,
    end: Time,
    /// In milliseconds, with the step that was asked for where it makes too many points.
    step: Option<(i64, Option<i64>)>,
}

impl When {
    /// # Errors
    /// `Invalid` for a span that ends before it begins, and for an aggregator that Datadog does not know.
    pub(super) fn of(query: &MetricQuery) -> Result<Self> {
        refuse_metadata_but(&KNOWN, &query.metadata)?;
        if query.end < query.start {
            let message = format!("expected a time not before the start {}, got {}", query.start, query.end);
            return Err(Error::invalid("end", message));
        }
        let from = query.start.timestamp_millis();
        if let Some(aggregator) = query.metadata.get("aggregator") {
            let known = AGGREGATORS.into_iter().find(|known| aggregator == *known);
            let aggregator = known.ok_or_else(|| {
                Error::invalid("metadata.aggregator", format!("expected one of {}", AGGREGATORS.join(", ")))
            })?;
            return Ok(Self::Once { at: query.end, from, aggregator });
        }
        if query.start == query.end {
            let lookback = Step::from_seconds(query.step).map_or(LOOKBACK, Step::as_millis);
            return Ok(Self::Once { at: query.end, from: from - lookback, aggregator: "last" });
        }
        let step = Step::from_seconds(query.step).and_then(|step| {
            let fit = Window::new(query.start, query.end, step)?.widened(POINTS).step();
            Some((fit.as_millis(), (fit != step).then_some(step.as_millis())))
        });
        Ok(Self::Over(Over { start: query.start, end: query.end, step }))
    }

    /// First and last moment, in milliseconds since 1970; Datadog knows no negative time.
    fn ends(&self) -> (i64, i64) {
        let (from, end) = match self {
            Self::Over(Over { start, end, .. }) => (start.timestamp_millis(), end),
            Self::Once { at, from, .. } => (*from, at),
        };
        (from.max(0), end.timestamp_millis().max(0))
    }
}

impl Over {
    pub(super) fn is_in(&self, time: Time) -> bool {
        (self.start..=self.end).contains(&time)
    }

    /// What a caller must know about the step, from the times of the answer.
    pub(super) fn notes(&self, times: &[i64]) -> Option<String> {
        let (step, widened_from) = self.step?;
        let asked = widened_from.unwrap_or(step);
        let found = times.windows(2).filter_map(|pair| pair.last()?.checked_sub(*pair.first()?)).min().unwrap_or(step);
        (found > asked).then(|| {
            let (asked, found) = (asked / 1000, found / 1000);
            format!("a step of {asked} s makes more points than Datadog gives; the step is {found} s")
        })
    }
}

impl Asked {
    pub(super) fn expression(
        expression: &MetricExpression,
        query: String,
        filter: String,
        counted_by: Option<Vec<String>>,
    ) -> Self {
        let mut page = vec![("exp_metric", expression.metric_name.clone()), ("exp_scope", filter)];
        page.extend(expression.aggregation.as_ref().map(|word| ("exp_agg", word.level().word().to_owned())));
        page.extend(expression.group_by.iter().map(|group| ("exp_group", group.clone())));
        Self {
            queries: vec![("a".to_owned(), query)],
            formula: "a".to_owned(),
            name: expression.metric_name.clone(),
            field: "expression",
            counted_by,
            page,
        }
    }

    /// The body of the request.
    pub(super) fn span(&self, when: &When) -> Span<'_> {
        let (from, last) = when.ends();
        let (interval, aggregator) = match when {
            When::Over(over) => (over.step.map(|(step, _)| step), None),
            When::Once { aggregator, .. } => (None, Some(*aggregator)),
        };
        let queries = self.queries.iter();
        let queries = queries.map(|(name, query)| Query { data_source: "metrics", name, query, aggregator }).collect();
        Span { from, to: last.saturating_add(1), interval, queries, formulas: [Formula { formula: &self.formula }] }
    }

    /// What the page for people is opened with.
    pub(super) fn page(&self, when: &When) -> Vec<(&'static str, String)> {
        let (from, last) = when.ends();
        let span = [("start", from.to_string()), ("end", last.to_string())];
        self.page.iter().cloned().chain(span).collect()
    }
}

/// What a caller wrote in Datadog's own language.
///
/// # Errors
/// `Invalid` for what is no text and for a formula without queries; `Unsupported` for what would be ignored beside it.
pub(super) fn raw(query: &MetricQuery) -> Result<Option<Asked>> {
    let text = |value: &Value| value.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned);
    let metadata = &query.metadata;
    let queries = match (metadata.get("query"), metadata.get("queries")) {
        (None, None) if metadata.contains_key("formula") => {
            return Err(Error::invalid(
                "metadata.formula",
                "expected `queries` beside it, by the names in the formula",
            ));
        }
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(Error::invalid("metadata.queries", "expected `query` or `queries`, not both"));
        }
        (Some(one), None) => text(one).map(|one| vec![("a".to_owned(), one)]),
        (None, Some(several)) => several.as_object().filter(|several| !several.is_empty()).and_then(|several| {
            let queries =
                several.iter().map(|(name, one)| Some((name.clone(), text(one)?)).filter(|_| is_variable(name)));
            queries.collect()
        }),
    };
    let queries = queries.ok_or_else(|| {
        let message = "expected queries of Datadog as text, such as `avg:system.cpu.user{*} by {host}`, by names of letters, \
                       digits and `_`";
        Error::invalid("metadata.query", message)
    })?;
    let formula = match (metadata.get("formula"), queries.as_slice()) {
        (Some(formula), _) => text(formula),
        (None, [(name, _)]) => Some(name.clone()),
        (None, _) => None,
    };
    let formula = formula.ok_or_else(|| {
        Error::invalid("metadata.formula", "expected a formula of the names of the queries, such as `a / b * 100`")
    })?;
    refuse_beside_raw(query)?;
    let shown = match queries.as_slice() {
        [(_, one)] if !metadata.contains_key("formula") => one.clone(),
        _ => formula.clone(),
    };
    let name = query.expression.as_ref().map(|expression| expression.metric_name.clone());
    let page = queries.iter().map(|(_, query)| ("exp_query", query.clone())).collect();
    let name = name.filter(|name| !name.is_empty()).unwrap_or(shown);
    Ok(Some(Asked { queries, formula, name, field: "metadata.query", counted_by: None, page }))
}

/// A query that a caller wrote is sent as it is: of the rest only what names it, and when it is evaluated, is honoured.
fn refuse_beside_raw(query: &MetricQuery) -> Result<()> {
    let mut honoured = MetricQuery::new("", query.start, query.end).step(query.step);
    honoured.expression = query.expression.as_ref().map(|given| MetricExpression::new(&given.metric_name));
    (honoured.limit, honoured.cursor, honoured.metadata) = (query.limit, query.cursor.clone(), query.metadata.clone());
    match *query == honoured {
        true => Ok(()),
        false => {
            let message =
                "`metadata.query` is sent as it is; say in it what `expression` and `scope` say, and leave them out";
            Err(Error::unsupported(message))
        }
    }
}
