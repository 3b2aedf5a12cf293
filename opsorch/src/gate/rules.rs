//! Policy as rules in TOML.

use std::path::Path;

use async_trait::async_trait;
use opsorch_schema::{Action, ActorKind, Effect, Operation, Quorum, Target};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Decision, Policy};
use crate::config::{parse_toml, read_limited};
use crate::{Context, Error, Result};

/// A policy of rules, each of which matches some actions and says what is to happen with them.
///
/// Every rule that matches counts, in any order; the strictest word holds. What no rule matches is denied.
///
/// ```
/// use opsorch::gate::Rules;
///
/// let rules = Rules::parse(
///     r#"
///     [[rule]]
///     name = "people open incidents"
///     operations = ["incident.create"]
///     actors = ["user"]
///     decision = "allow"
///
///     [[rule]]
///     name = "production asks"
///     operations = ["*"]
///     environments = ["production"]
///     decision = "require-approval"
///     quorum = "1 of sre"
///     "#,
/// )?;
/// assert_eq!(rules.len(), 2);
/// # Ok::<(), opsorch::Error>(())
/// ```
///
/// An attribute that is not known (a provider without `environment`, say) matches no rule that allows, and every rule
/// that asks or denies: it might be production.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    revision: String,
}

impl Rules {
    /// Reads rules from TOML.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) with the path, for anything that is not understood to the letter.
    pub fn parse(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            #[serde(default)]
            rule: Vec<Rule>,
        }
        Self::new(parse_toml::<File>(text, "policy")?.rule)
    }

    /// Reads rules from a TOML file of at most 1 MiB.
    ///
    /// # Errors
    /// As [`Rules::parse`], and [`Invalid`](crate::ErrorKind::Invalid) if the file cannot be read.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::parse(&read_limited(path.as_ref(), "policy")?)
    }

    /// Rules made in code.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a rule that cannot be meant, such as one that requires approval by nobody.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Result<Self> {
        let rules: Vec<Rule> = rules.into_iter().collect();
        for (index, rule) in rules.iter().enumerate() {
            rule.check(&format!("policy.rule[{index}]"))?;
        }
        let text = serde_json::to_vec(&rules)
            .map_err(|error| Error::invalid("policy", "the rules cannot be written down").with_source(error))?;
        let sum: [u8; 32] = Sha256::digest(&text).into();
        let revision = opsorch_schema::Digest::from_sha256(sum).as_str().chars().take(23).collect();
        Ok(Self { rules, revision })
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule at all, so that every change is denied.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

#[async_trait]
impl Policy for Rules {
    async fn decide(&self, cx: &Context, target: &Target, action: &Action) -> Result<Decision> {
        let matching = self.rules.iter().filter(|rule| rule.matches(cx, target, action.operation()));
        Ok(matching.map(Rule::says).fold(Decision::Abstain, Decision::and))
    }

    fn revision(&self) -> Option<&str> {
        Some(&self.revision)
    }
}

/// One rule. An empty list restricts nothing, but for `operations`, which must be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rule {
    /// Its name, for the audit log and for people.
    pub name: String,
    /// The operations it is about; `*` stands for any run of characters.
    pub operations: Vec<Pattern>,
    /// The names of providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<Pattern>,
    /// The kinds of providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<Pattern>,
    /// The environments acted on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<Pattern>,
    /// The services acted on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Pattern>,
    /// The teams acted for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<Pattern>,
    /// The kinds of actors that ask.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actors: Vec<ActorKind>,
    /// Roles, one of which the asking actor holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// What is to happen.
    pub decision: RuleDecision,
    /// Who must agree, such as `2 of sre and 1 of security`; with `require-approval` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<Quorum>,
    /// Why, for people to read; the rule's name where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The word of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RuleDecision {
    /// It may be done at once.
    Allow,
    /// It may be done when the quorum agrees.
    RequireApproval,
    /// It must not be done.
    Deny,
}

impl Rule {
    fn check(&self, path: &str) -> Result<()> {
        match (self.decision, &self.quorum) {
            (RuleDecision::RequireApproval, None) => {
                let message = "expected who must agree, such as `1 of sre`, because the decision is require-approval";
                return Err(Error::invalid(format!("{path}.quorum"), message));
            }
            (RuleDecision::Allow | RuleDecision::Deny, Some(_)) => {
                let message = "a quorum belongs to require-approval; take it out or change the decision";
                return Err(Error::invalid(format!("{path}.quorum"), message));
            }
            _ => {}
        }
        if self.operations.is_empty() {
            return Err(Error::invalid(format!("{path}.operations"), "expected at least one operation; `*` means all"));
        }
        self.operations.iter().try_for_each(|pattern| pattern.check_operation(&format!("{path}.operations")))
    }

    fn matches(&self, cx: &Context, target: &Target, operation: Operation) -> bool {
        let any = |patterns: &[Pattern], value: &str| patterns.is_empty() || patterns.iter().any(|p| p.matches(value));
        let unknown = self.decision != RuleDecision::Allow;
        let attribute = |patterns: &[Pattern], value: &Option<String>| match value {
            Some(value) => any(patterns, value),
            None => patterns.is_empty() || unknown,
        };
        let actor = cx.actor();
        any(&self.operations, operation.name())
            && any(&self.providers, target.provider.as_str())
            && any(&self.kinds, &target.kind)
            && attribute(&self.environments, &target.scope.environment)
            && attribute(&self.services, &target.scope.service)
            && attribute(&self.teams, &target.scope.team)
            && (self.actors.is_empty() || self.actors.contains(&actor.kind))
            && (self.roles.is_empty() || self.roles.iter().any(|role| actor.has_role(role)))
    }

    fn says(&self) -> Decision {
        let reason = self.reason.as_ref().unwrap_or(&self.name);
        match (self.decision, &self.quorum) {
            (RuleDecision::Allow, _) => Decision::allow(&self.name),
            (RuleDecision::RequireApproval, Some(quorum)) => Decision::require_approval(quorum.clone(), reason),
            (RuleDecision::RequireApproval, None) => Decision::deny("the rule names nobody who could agree"),
            (RuleDecision::Deny, _) => Decision::deny(reason),
        }
    }
}

/// A text in which `*` stands for any run of characters, also none. Everything else is compared exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Takes the pattern as it is.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// Whether the whole value matches.
    pub fn matches(&self, value: &str) -> bool {
        let Some((head, tail)) = self.0.split_once('*') else { return self.0 == value };
        let Some(mut rest) = value.strip_prefix(head) else { return false };
        let mut parts = tail.split('*').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            match rest.find(part) {
                Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        true
    }

    /// Whether every value that the other pattern matches matches this one too. Where it says no, that may still be so.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        // A star of the other can only be met by a star of this one, which then stands for whatever that star stands for.
        self.matches(&other.0)
    }

    /// Refuses a pattern that is about no change at all: a misspelt operation must not silently match nothing.
    fn check_operation(&self, path: &str) -> Result<()> {
        let mut writes = Operation::ALL.iter().filter(|operation| operation.effect() == Effect::Write);
        if writes.any(|operation| self.matches(operation.name())) {
            return Ok(());
        }
        let known: Vec<_> =
            Operation::ALL.iter().filter(|operation| operation.effect() == Effect::Write).map(|o| o.name()).collect();
        let message = format!("`{}` matches no change; the changes are: {}", self.0, known.join(", "));
        Err(Error::invalid(path.to_owned(), message))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_stand_for_any_run() {
        for (pattern, value, expected) in [
            ("*", "", true),
            ("*", "ticket.create", true),
            ("ticket.*", "ticket.create", true),
            ("*.create", "ticket.create", true),
            ("*.create", "ticket.created", false),
            ("ticket.create", "ticket.create", true),
            ("ticket", "ticket.create", false),
            ("a*b*a", "aba", true),
            ("a*a", "a", false),
            ("a**b", "ab", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(value), expected, "{pattern} on {value}");
        }
    }

    proptest! {
        /// Against the definition: a star matches nothing, or one character and then itself again.
        #[test]
        fn matching_equals_the_definition(pattern in "[ab*]{0,6}", value in "[ab]{0,6}") {
            fn defined(pattern: &[char], value: &[char]) -> bool {
                match (pattern, value) {
                    ([], []) => true,
                    (['*', rest @ ..], _) => {
                        defined(rest, value) || value.split_first().is_some_and(|(_, tail)| defined(pattern, tail))
                    }
                    ([p, rest @ ..], [v, tail @ ..]) => p == v && defined(rest, tail),
                    _ => false,
                }
            }
            let (p, v): (Vec<char>, Vec<char>) = (pattern.chars().collect(), value.chars().collect());
            prop_assert_eq!(Pattern::new(pattern).matches(&value), defined(&p, &v));
        }

        #[test]
        fn what_a_pattern_covers_it_matches(one in "[ab*]{0,4}", other in "[ab*]{0,4}", value in "[ab]{0,6}") {
            let (one, other) = (Pattern::new(one), Pattern::new(other));
            prop_assert!(!one.covers(&other) || !other.matches(&value) || one.matches(&value));
        }
    }
}
