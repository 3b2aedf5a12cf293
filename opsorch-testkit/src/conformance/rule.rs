//! A rule of the contract, and what a check of it finds.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use opsorch::Error;
use serde::Serialize;

use super::subject::Bench;

/// One rule of the contract.
#[derive(Clone, Copy)]
pub struct Rule {
    pub(super) id: &'static str,
    pub(super) slug: &'static str,
    pub(super) requirement: Requirement,
    pub(super) sentence: &'static str,
    pub(super) check: Check,
}

/// Whether a provider has to keep a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum Requirement {
    /// It has to: callers rely on it.
    Must,
    /// It has to, unless there is a reason that it states.
    Should,
}

/// Looks whether a rule is kept.
pub(super) type Check = for<'a> fn(&'a Bench<'_>) -> Pin<Box<dyn Future<Output = Checked<Verdict>> + 'a>>;

/// What a check found: `Err` says how the rule is broken.
pub(super) type Checked<T = ()> = Result<T, Broken>;

/// What a check says of a rule that is not broken.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It was looked at, and is kept.
    Kept,
    /// There is nothing to look at, for this reason.
    Nothing(String),
}

/// How a rule is broken.
#[derive(Debug)]
pub(super) struct Broken(pub(super) String);

impl Rule {
    /// Its id, such as `TK-014`. It never changes its meaning.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// Its name as a test, such as `TK-001::paging::the_limit_holds`.
    pub fn name(&self) -> String {
        format!("{}::{}", self.id, self.slug)
    }

    /// Whether a provider has to keep it.
    pub fn requirement(&self) -> Requirement {
        self.requirement
    }

    /// What it says.
    pub fn sentence(&self) -> &'static str {
        self.sentence
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("id", &self.id).field("sentence", &self.sentence).finish_non_exhaustive()
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
        })
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self(format!("the provider answered: {error}"))
    }
}

/// Checks that something holds.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err($crate::conformance::rule::Broken(format!($($message)+)));
        }
    };
}
pub(super) use ensure;

/// Ends a check that has nothing to look at.
macro_rules! nothing {
    ($($reason:tt)+) => {
        return Ok($crate::conformance::rule::Verdict::Nothing(format!($($reason)+)))
    };
}
pub(super) use nothing;
