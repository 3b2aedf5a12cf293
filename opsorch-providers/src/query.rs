//! What the queries of all kinds have in common: how they compare, and what they refuse because it would be ignored.

use opsorch::{Error, Fields, Result};

#[cfg(any(
    feature = "datadog",
    feature = "github",
    feature = "local",
    feature = "pagerduty",
    feature = "prometheus"
))]
pub(crate) use self::compare::{Text, among, is_within};

#[cfg(any(feature = "datadog", feature = "github", feature = "local", feature = "pagerduty", feature = "prometheus"))]
mod compare;

/// The size of a page.
pub(crate) fn page_size(limit: u32) -> Result<usize> {
    match usize::try_from(limit) {
        Ok(0) | Err(_) => Err(Error::invalid("limit", format!("expected at least 1, got {limit}"))),
        Ok(size) => Ok(size),
    }
}

/// Refuses filters in the words of a vendor, but for those that are known.
pub(crate) fn refuse_metadata_but(known: &[&str], metadata: &Fields) -> Result<()> {
    let Some(unknown) = metadata.keys().find(|name| !known.contains(&name.as_str())) else { return Ok(()) };
    let hint = match known {
        [] => "leave it out".to_owned(),
        known => format!("known are: {}", known.join(", ")),
    };
    Err(Error::unsupported(format!("`metadata.{unknown}` is no filter of this provider; {hint}")))
}
