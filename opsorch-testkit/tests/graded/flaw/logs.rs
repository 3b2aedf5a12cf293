//! Faults of logs.

use std::time::Duration;

use opsorch::{LogOperatorLevel, Query, Response, Result};
use opsorch_testkit::MemoryProvider;

use super::Fault::Read;
use super::Flaw;
use crate::tampered::ask;

pub const FLAWS: &[Flaw] = &[
    Flaw { name: "includes the end of a log's span", caught_by: &["TK-040"], fault: Read(includes_the_end) },
    Flaw { name: "takes every operator for =", caught_by: &["TK-041"], fault: Read(takes_every_operator_for_equals) },
];

fn includes_the_end(memory: &MemoryProvider, mut query: Query) -> Result<Response> {
    if let Query::LogQuery(query) = &mut query {
        query.end += Duration::from_millis(1);
    }
    ask(memory, query)
}

fn takes_every_operator_for_equals(memory: &MemoryProvider, mut query: Query) -> Result<Response> {
    if let Query::LogQuery(query) = &mut query {
        for filter in query.expression.iter_mut().flat_map(|expression| &mut expression.filters) {
            filter.operator = LogOperatorLevel::Equals.into();
        }
    }
    ask(memory, query)
}
