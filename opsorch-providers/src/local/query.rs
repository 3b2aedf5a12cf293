//! What queries have in common here: what they refuse because it would otherwise be ignored, and how they compare.

use opsorch::{Error, Fields, Result, Scope};

pub(super) use crate::query::{Text, among, is_within, page_size};

/// Refuses the parts of a scope that nothing here has.
pub(super) fn refuse_team_and_environment(scope: &Scope) -> Result<()> {
    refuse("scope.team", scope.team.is_some())?;
    refuse("scope.environment", scope.environment.is_some())
}

/// Refuses filters in the words of other vendors.
pub(super) fn refuse_metadata(metadata: &Fields) -> Result<()> {
    crate::query::refuse_metadata_but(&[], metadata)
}

/// Refuses a filter that cannot be honoured.
pub(super) fn refuse(field: &str, given: bool) -> Result<()> {
    match given {
        true => Err(Error::unsupported(format!("a local provider cannot filter by `{field}`; leave it out"))),
        false => Ok(()),
    }
}

/// Whether what is wanted is there; nothing wanted means anything.
pub(super) fn is_or_any<T: PartialEq>(wanted: &Option<T>, there: &Option<T>) -> bool {
    wanted.is_none() || wanted == there
}
