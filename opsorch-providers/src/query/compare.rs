//! How items are compared with what a query wants.

use opsorch::{
    AlertStatus, AlertStatusLevel, DeploymentStatus, DeploymentStatusLevel, IncidentStatus, IncidentStatusLevel,
    RunStatus, RunStatusLevel, Severity, SeverityLevel, TicketStatus, TicketStatusLevel, Time,
};

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
