//! What a run of the suite found, for people and for machines.

use std::fmt::{self, Write};

use serde::Serialize;

use super::rule::{Requirement, Rule};

/// What became of every rule.
///
/// ```
/// use opsorch_testkit::{Conformance, MemoryProvider};
///
/// let report = Conformance::provider("memory", |place| {
///     Ok(MemoryProvider::seeded(7, place.clock()).provider("memory"))
/// })
/// .run();
/// assert!(report.broken().is_empty(), "{}", report.to_markdown());
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Report {
    /// The kind of the provider.
    pub subject: String,
    /// A result for each rule that was run, in the order of their ids.
    pub results: Vec<RuleResult>,
}

/// What became of one rule.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RuleResult {
    /// The rule's id, such as `TK-014`.
    pub id: String,
    /// The rule's name as a test; its id where there is no such rule.
    pub name: String,
    /// Whether it has to be kept.
    pub requirement: Requirement,
    /// What the rule says.
    pub sentence: String,
    /// What was found.
    pub outcome: Outcome,
}

/// What a check of a rule found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
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

    /// The report in JSON: `subject`, and `results` with `id`, `name`, `requirement`, `sentence` and `outcome`.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The report as JUnit writes it, which build servers read: one test case for each rule.
    pub fn to_junit(&self) -> String {
        let (subject, tests) = (escaped(&self.subject), self.results.len());
        let count = |is: fn(&Outcome) -> bool| self.results.iter().filter(|result| is(&result.outcome)).count();
        let failures = count(|outcome| matches!(outcome, Outcome::Broken(_)));
        let skipped = count(|outcome| matches!(outcome, Outcome::Ignored(_) | Outcome::Deviates { .. }));
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuite name=\"{subject}\" tests=\"{tests}\" failures=\"{failures}\" skipped=\"{skipped}\">\n"
        );
        for RuleResult { name, outcome, .. } in &self.results {
            let (name, message) = (escaped(name), escaped(&outcome.to_string()));
            let inner = match outcome {
                Outcome::Kept { .. } => String::new(),
                Outcome::Broken(_) => format!("<failure message=\"{message}\"/>"),
                Outcome::Ignored(_) | Outcome::Deviates { .. } => format!("<skipped message=\"{message}\"/>"),
            };
            // Writing to a string does not fail.
            let _ = writeln!(text, "  <testcase classname=\"{subject}\" name=\"{name}\">{inner}</testcase>");
        }
        text + "</testsuite>\n"
    }

    /// The report as a table in Markdown.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("| rule | | {} |\n|---|---|---|\n", self.subject);
        for RuleResult { id, requirement, sentence, outcome, .. } in &self.results {
            let outcome = outcome.to_string().replace('|', "\\|").replace('\n', " ");
            let _ = writeln!(text, "| {id} | {requirement}: {sentence} | {outcome} |");
        }
        text
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
}

/// A text as it stands in an attribute of XML, without the characters that XML cannot hold.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
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
