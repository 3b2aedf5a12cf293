//! The readers.

pub(super) mod catalog;
pub(super) mod deployments;
pub(super) mod runs;
mod span;
pub(super) mod tickets;

use opsorch::{Error, Fields, Result};

/// The text of a filter in `metadata`.
fn text<'a>(metadata: &'a Fields, name: &str) -> Result<Option<&'a str>> {
    let Some(value) = metadata.get(name) else { return Ok(None) };
    value.as_str().map(Some).ok_or_else(|| Error::invalid(format!("metadata.{name}"), "expected a text"))
}

/// Refuses a filter that GitHub has nothing for.
fn refuse(field: &str, given: bool) -> Result<()> {
    match given {
        true => Err(Error::unsupported(format!("GitHub has nothing to filter by `{field}`; leave it out"))),
        false => Ok(()),
    }
}
