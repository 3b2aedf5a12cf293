//! Who may use an operation at all.

use std::fmt;

use opsorch_schema::{ActorKind, Operation, Target};
use serde::{Deserialize, Serialize};

use super::rules::Pattern;
use crate::{Context, Error, Result};

/// Says who may use an operation at all, reads too. Both doors ask it, so that every surface gives the same answer.
///
/// It is about roles; whether a concrete change may be made is for a [`Policy`](super::Policy) to decide.
pub trait Access: fmt::Debug + Send + Sync + 'static {
    /// Whether the context's actor may use the operation on this target.
    fn permits(&self, cx: &Context, operation: Operation, target: &Target) -> bool;
}

/// Everyone may read and submit: the default.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs)] // it has nothing to configure, so that its name is its value
pub struct OpenAccess;

impl Access for OpenAccess {
    fn permits(&self, _: &Context, _: Operation, _: &Target) -> bool {
        true
    }
}

/// Access by role. What no rule permits is refused.
///
/// ```toml
/// [[access]]
/// roles = ["viewer"]
/// operations = ["*.query", "*.get", "metric.describe"]
///
/// [[access]]
/// roles = ["operator"]
/// operations = ["*"]
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccessRules(Vec<AccessRule>);

impl AccessRules {
    /// Permits what any of these rules permits.
    pub fn new(rules: impl IntoIterator<Item = AccessRule>) -> Self {
        Self(rules.into_iter().collect())
    }

    /// Refuses a rule that permits no operation at all: a misspelt one must not silently match nothing.
    pub(crate) fn validated(self) -> Result<Self> {
        for (index, rule) in self.0.iter().enumerate() {
            let field = format!("access[{index}].operations");
            if rule.operations.is_empty() {
                return Err(Error::invalid(field, "expected at least one operation; `*` means all"));
            }
            let known = || Operation::ALL.iter().map(|operation| operation.name());
            let idle = |pattern: &Pattern| !known().any(|operation| pattern.matches(operation));
            if let Some(at) = rule.operations.iter().position(idle) {
                let known: Vec<_> = known().collect();
                let message = format!("it matches no operation; the operations are: {}", known.join(", "));
                return Err(Error::invalid(format!("{field}[{at}]"), message));
            }
        }
        Ok(self)
    }
}

/// One rule of [`AccessRules`]. A list that is empty restricts nothing, but for `operations`, which must be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub struct AccessRule {
    /// Whom it is for: anyone with one of these roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Whom it is for: actors of one of these kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<ActorKind>,
    /// Which operations it permits; `*` stands for any run of characters.
    pub operations: Vec<Pattern>,
    /// On which providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<Pattern>,
}

impl AccessRule {
    /// Permits these operations to anyone; `*` stands for any run of characters.
    pub fn new<'a>(operations: impl IntoIterator<Item = &'a str>) -> Self {
        let operations = operations.into_iter().map(Pattern::new).collect();
        Self { roles: Vec::new(), kinds: Vec::new(), operations, providers: Vec::new() }
    }

    /// Restricts it to holders of a role; of any of them when called again.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Restricts it to a kind of actor; to any of them when called again.
    pub fn kind(mut self, kind: ActorKind) -> Self {
        self.kinds.push(kind);
        self
    }
}

impl Access for AccessRules {
    fn permits(&self, cx: &Context, operation: Operation, target: &Target) -> bool {
        let actor = cx.actor();
        self.0.iter().any(|rule| {
            (rule.roles.is_empty() || rule.roles.iter().any(|role| actor.has_role(role)))
                && (rule.kinds.is_empty() || rule.kinds.contains(&actor.kind))
                && rule.operations.iter().any(|pattern| pattern.matches(operation.name()))
                && (rule.providers.is_empty()
                    || rule.providers.iter().any(|pattern| pattern.matches(target.provider.as_str())))
        })
    }
}
