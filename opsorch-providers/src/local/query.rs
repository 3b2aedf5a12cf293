//! What queries have in common: what they refuse because it would otherwise be ignored, and how they compare.

use opsorch::{
    AlertStatus, AlertStatusLevel, DeploymentStatus, DeploymentStatusLevel, Error, Fields, IncidentStatus,
    IncidentStatusLevel, Result, RunStatus, RunStatusLevel, Scope, Severity, SeverityLevel, TicketStatus,
    TicketStatusLevel, Time,
};

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

/// A text to search for, in any case.
#[derive(Clone, Debug)]
pub(super) struct Text(Option<String>);

impl Text {
    pub(super) fn new(text: &Option<String>) -> Self {
        Self(text.as_ref().map(|text| text.to_lowercase()))
    }

    /// Whether it occurs in one of these; nothing to search for occurs everywhere.
    pub(super) fn occurs_in<const N: usize>(&self, texts: [Option<&str>; N]) -> bool {
        let occurs = |text: &str| texts.into_iter().flatten().any(|it| it.to_lowercase().contains(text));
        self.0.as_deref().is_none_or(occurs)
    }
}

/// A word of the schema, such as a status.
pub(super) trait Word {
    /// Whether it means the same: a known word stands for all words of its level, an unknown one for itself.
    fn means(&self, other: &Self) -> bool;
}

macro_rules! words {
    ($($word:ident $level:ident,)+) => {$(
        impl Word for $word {
            fn means(&self, other: &Self) -> bool {
                match self.level() {
                    $level::Unknown => same_word(self.as_str(), other.as_str()),
                    level => level == other.level(),
                }
            }
        }
    )+};
}
words! {
    AlertStatus AlertStatusLevel,
    DeploymentStatus DeploymentStatusLevel,
    IncidentStatus IncidentStatusLevel,
    RunStatus RunStatusLevel,
    Severity SeverityLevel,
    TicketStatus TicketStatusLevel,
}

fn same_word(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// Whether a word means the same as one of those wanted; none wanted means all.
pub(super) fn among<W: Word>(wanted: &[W], word: &W) -> bool {
    wanted.is_empty() || wanted.iter().any(|one| one.means(word))
}

/// Whether what is wanted is there; nothing wanted means anything.
pub(super) fn is_or_any<T: PartialEq>(wanted: &Option<T>, there: &Option<T>) -> bool {
    wanted.is_none() || wanted == there
}

/// Whether a time is in `[since, until)`. A time that is not known is in no span.
pub(super) fn is_within(at: Option<Time>, since: Option<Time>, until: Option<Time>) -> bool {
    since.is_none_or(|since| at.is_some_and(|at| since <= at))
        && until.is_none_or(|until| at.is_some_and(|at| at < until))
}
