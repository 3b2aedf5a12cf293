//! What a run of the suite found.

use std::fmt;

use super::rule::{Requirement, Rule};

/// What became of every rule.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The kind of the provider.
    pub subject: String,
    /// A result for each rule that was run, in the order of their ids.
    pub results: Vec<RuleResult>,
}

/// What became of one rule.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RuleResult {
    /// The rule's id, such as `TK-014`.
    pub id: String,
    /// The rule's name as a test; its id where there is no such rule.
    name: String,
    /// Whether it has to be kept.
    pub requirement: Requirement,
    /// What the rule says.
    pub sentence: String,
    /// What was found.
    pub outcome: Outcome,
}

/// What a check of a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is kept.
    Kept {
        /// How many calls and requests were looked at; at least one.
        observed: u64,
    },
    /// It is broken, in this way.
    Broken(String),
    /// There is nothing to look at, for this reason.
    Ignored(String),
    /// It is broken, which the author knows.
    Deviates {
        /// Why, in the author's words.
        reason: String,
        /// In which way.
        how: String,
    },
}

impl Report {
    pub(super) fn new(subject: &str, results: Vec<RuleResult>) -> Self {
        Self { subject: subject.to_owned(), results }
    }

    /// The ids of the rules that are broken and not listed as deviations.
    pub fn broken(&self) -> Vec<&str> {
        let broken = self.results.iter().filter(|result| matches!(result.outcome, Outcome::Broken(_)));
        broken.map(|result| result.id.as_str()).collect()
    }
}

impl RuleResult {
    pub(super) fn new(rule: &Rule, outcome: Outcome) -> Self {
        Self {
            id: rule.id().to_owned(),
            name: rule.name(),
            requirement: rule.requirement(),
            sentence: rule.sentence().to_owned(),
            outcome,
        }
    }

    /// The result for a deviation from a rule that is not there.
    pub(super) fn unknown(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            requirement: Requirement::Must,
            sentence: "A deviation names a rule that there is.".to_owned(),
            outcome: Outcome::Broken(format!("there is no rule `{id}`; remove the deviation")),
        }
    }

    /// Its name as a test.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept { observed } => write!(f, "kept, in {observed} calls"),
            Self::Broken(how) => write!(f, "broken: {how}"),
            Self::Ignored(reason) => write!(f, "ignored: {reason}"),
            Self::Deviates { reason, how } => write!(f, "known to be broken, {reason}: {how}"),
        }
    }
}
