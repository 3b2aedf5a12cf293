//! A full and a minimal value of every type, for all tests.

use opsorch_schema::Time;
use serde_json::{Value, json};
use url::Url;

mod change;
mod item;
mod query;

/// A type with values to try it with.
pub(crate) trait Sample: Sized {
    /// A value in which everything is set. Every text ends with `end`, wherever the type takes any text.
    fn full(end: &str) -> Self;

    /// A value in which nothing is set that can be absent.
    fn minimal() -> Self;
}

/// A moment that differs for each number.
pub(crate) fn time(minute: u32) -> Time {
    format!("2026-01-02T03:{minute:02}:05.25Z").parse().unwrap()
}

pub(crate) fn url(path: &str) -> Url {
    Url::parse("https://tool.example.com/").unwrap().join(path).unwrap()
}

/// A value for where any is allowed.
pub(crate) fn value(end: &str) -> Value {
    json!([1, format!("two{end}")])
}
