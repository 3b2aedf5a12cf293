//! What the queries of all kinds have in common: how they compare, and what they refuse because it would be ignored.

use opsorch::{
    AlertStatus, AlertStatusLevel, DeploymentStatus, DeploymentStatusLevel, Error, Fields, IncidentStatus,
    IncidentStatusLevel, Result, RunStatus, RunStatusLevel, Severity, SeverityLevel, TicketStatus, TicketStatusLevel,
    Time,
};

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

/// A text to search for, in any case.
#[derive(Clone, Debug)]
pub(crate) struct Text(Option<String>);

impl Text {
    pub(crate) fn new(text: &Option<String>) -> Self {
        Self(text.as_ref().map(|text| text.to_lowercase()))
    }

    /// Whether it occurs in one of these; nothing to search for occurs everywhere.
    pub(crate) fn occurs_in<'a>(&self, texts: impl IntoIterator<Item = Option<&'a str>>) -> bool {
        let Some(text) = &self.0 else { return true };
        texts.into_iter().flatten().any(|it| it.to_lowercase().contains(text))
    }
}

/// A word of the schema, such as a status.
pub(crate) trait Word {
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
pub(crate) fn among<W: Word>(wanted: &[W], word: &W) -> bool {
    wanted.is_empty() || wanted.iter().any(|one| one.means(word))
}

/// Whether a time is in `[since, until)`. A time that is not known is in no span.
pub(crate) fn is_within(at: Option<Time>, since: Option<Time>, until: Option<Time>) -> bool {
    since.is_none_or(|since| at.is_some_and(|at| since <= at))
        && until.is_none_or(|until| at.is_some_and(|at| at < until))
}
