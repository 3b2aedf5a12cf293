//! What every query of this kind refuses, because it would otherwise be ignored.

use opsorch::{Error, Fields, Result, Scope};

/// The size of a page.
pub(super) fn page_size(limit: u32) -> Result<usize> {
    match usize::try_from(limit) {
        Ok(0) | Err(_) => Err(Error::invalid("limit", format!("expected at least 1, got {limit}"))),
        Ok(size) => Ok(size),
    }
}

/// Refuses the parts of a scope that nothing here has.
pub(super) fn refuse_team_and_environment(scope: &Scope) -> Result<()> {
    refuse("scope.team", scope.team.is_some())?;
    refuse("scope.environment", scope.environment.is_some())
}

/// Refuses filters in the words of other vendors.
pub(super) fn refuse_metadata(metadata: &Fields) -> Result<()> {
    refuse("metadata", !metadata.is_empty())
}

/// Refuses a filter that cannot be honoured.
pub(super) fn refuse(field: &str, given: bool) -> Result<()> {
    match given {
        true => Err(Error::unsupported(format!("a local provider cannot filter by `{field}`; leave it out"))),
        false => Ok(()),
    }
}
