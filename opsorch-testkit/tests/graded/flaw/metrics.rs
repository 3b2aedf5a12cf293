//! Faults of metrics.

use std::time::Duration;

use opsorch::{AggregationLevel, MetricOperatorLevel, MetricQuery, Query, Response, Result};
use opsorch_testkit::MemoryProvider;

use super::Fault::Read;
use super::Flaw;
use crate::tampered::ask;

pub const FLAWS: &[Flaw] = &[
    Flaw { name: "gives points of before the span", caught_by: &["TK-042"], fault: Read(begins_early) },
    Flaw { name: "gives points newest first", caught_by: &["TK-042"], fault: Read(turns_points_around) },
    Flaw { name: "ignores the step", caught_by: &["TK-043"], fault: Read(ignores_the_step) },
    Flaw { name: "drops conditions on labels", caught_by: &["TK-044"], fault: Read(drops_conditions) },
    Flaw { name: "takes a pattern for a text", caught_by: &["TK-044"], fault: Read(takes_patterns_for_texts) },
    Flaw { name: "has series of any metric", caught_by: &["TK-045"], fault: Read(knows_any_metric) },
    Flaw { name: "makes a sum of one series", caught_by: &["TK-046"], fault: Read(sums_one_series) },
    Flaw { name: "makes a sum of everything", caught_by: &["TK-046"], fault: Read(always_sums) },
    Flaw { name: "forgets to group", caught_by: &["TK-046"], fault: Read(forgets_to_group) },
    Flaw { name: "describes what it does not measure", caught_by: &["TK-047"], fault: Read(describes_other_names) },
];

/// Answers a query for metrics that was changed on its way.
fn changed(memory: &MemoryProvider, mut query: Query, change: impl FnOnce(&mut MetricQuery)) -> Result<Response> {
    if let Query::MetricQuery(query) = &mut query {
        change(query);
    }
    ask(memory, query)
}

fn begins_early(memory: &MemoryProvider, query: Query) -> Result<Response> {
    changed(memory, query, |query| query.start -= Duration::from_secs(600))
}

fn turns_points_around(memory: &MemoryProvider, query: Query) -> Result<Response> {
    let mut response = ask(memory, query)?;
    if let Response::Metrics(page) = &mut response {
        page.items.iter_mut().for_each(|series| series.points.reverse());
    }
    Ok(response)
}

fn ignores_the_step(memory: &MemoryProvider, query: Query) -> Result<Response> {
    changed(memory, query, |query| query.step = 0)
}

fn drops_conditions(memory: &MemoryProvider, query: Query) -> Result<Response> {
    changed(memory, query, |query| {
        if let Some(expression) = &mut query.expression {
            expression.filters.clear();
        }
    })
}

fn takes_patterns_for_texts(memory: &MemoryProvider, query: Query) -> Result<Response> {
    changed(memory, query, |query| {
        for filter in query.expression.iter_mut().flat_map(|expression| &mut expression.filters) {
            match filter.operator.level() {
                MetricOperatorLevel::Matches => filter.operator = MetricOperatorLevel::Equals.into(),
                MetricOperatorLevel::NotMatches => filter.operator = MetricOperatorLevel::NotEquals.into(),
                _ => {}
            }
        }
    })
}

fn knows_any_metric(memory: &MemoryProvider, query: Query) -> Result<Response> {
    changed(memory, query, |query| {
        if let Some(expression) = &mut query.expression {
            expression.metric_name = "request_duration_seconds".to_owned();
        }
    })
}

fn sums_one_series(memory: &MemoryProvider, query: Query) -> Result<Response> {
    let mut sums = false;
    let mut response = changed(memory, query, |query| {
        sums = query.expression.as_mut().is_some_and(|expression| expression.aggregation.take().is_some());
    })?;
    if let Response::Metrics(page) = &mut response
        && sums
    {
        page.items.truncate(1);
    }
    Ok(response)
}

fn always_sums(memory: &MemoryProvider, query: Query) -> Result<Response> {
    changed(memory, query, |query| {
        if let Some(aggregation) = query.expression.as_mut().and_then(|expression| expression.aggregation.as_mut()) {
            *aggregation = AggregationLevel::Sum.into();
        }
    })
}

fn forgets_to_group(memory: &MemoryProvider, query: Query) -> Result<Response> {
    changed(memory, query, |query| {
        if let Some(expression) = &mut query.expression {
            expression.group_by.clear();
        }
    })
}

fn describes_other_names(memory: &MemoryProvider, query: Query) -> Result<Response> {
    let mut response = ask(memory, query)?;
    if let Response::MetricDescriptors(page) = &mut response {
        page.items.iter_mut().for_each(|metric| metric.name.insert_str(0, "vendor."));
    }
    Ok(response)
}
