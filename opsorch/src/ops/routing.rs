//! Which provider a change goes to, by rule.

use std::collections::BTreeMap;
use std::sync::Arc;

use opsorch_schema::{Action, Capability, Effect, Fields, Operation, ProviderName, Scope, UnknownName};
use serde::{Deserialize, Serialize};

use super::OpsOrch;
use crate::gate::Pattern;
use crate::{Error, Provider, Result};

/// The changes that rules are about: each makes something new, and says where that belongs.
const ROUTED: [Operation; 5] = [
    Operation::IncidentCreate,
    Operation::AlertRaise,
    Operation::TicketCreate,
    Operation::MessagingSend,
    Operation::DeploymentRecord,
];

/// Sends what is made anew to one of several providers, by the service, team and environment it belongs to.
///
/// Rules are looked at in order, and the first that matches says which provider it is. An empty list restricts nothing; a
/// list that is not empty does not match a change that says nothing of the kind. `*` stands for any run of characters, as in
/// [`Rules`](crate::gate::Rules). A change that names its provider goes there, whatever the rules say; where no rule matches,
/// it goes to the only provider that is routed, and needs a name if there are several.
///
/// What a change belongs to is what its own field says (`service` of an incident, an alert and a deployment, `environment`
/// of a deployment), else the text under `service`, `team` or `environment` in its `fields`, else in its `metadata`. Rules
/// are about `incident.create`, `alert.raise`, `ticket.create`, `messaging.send` (unless it answers a message) and
/// `deployment.record`. All other changes are of something that exists, which is where it is: they name the provider.
///
/// A rule gives nobody a right: policy decides about the provider that was chosen, with that provider's attributes.
///
/// ```
/// use opsorch::{Capability, RoutingRule};
///
/// let payments = RoutingRule::new(Capability::Incident, "pagerduty").service("payments-*").environment("production");
/// let others = RoutingRule::new(Capability::Incident, "local");
/// # let _ = (payments, others);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RoutingRule {
    /// What it is about.
    pub capability: Capability,
    /// Who makes the change.
    pub provider: ProviderName,
    /// The services it may belong to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Pattern>,
    /// The teams it may belong to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<Pattern>,
    /// The environments it may belong to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<Pattern>,
}

impl RoutingRule {
    /// Sends everything new of a capability to a provider.
    pub fn new(capability: Capability, provider: impl Into<ProviderName>) -> Self {
        let provider = provider.into();
        Self { capability, provider, services: Vec::new(), teams: Vec::new(), environments: Vec::new() }
    }

    /// Restricts it to a service, or adds another one.
    pub fn service(mut self, pattern: impl Into<String>) -> Self {
        self.services.push(Pattern::new(pattern));
        self
    }

    /// Restricts it to a team, or adds another one.
    pub fn team(mut self, pattern: impl Into<String>) -> Self {
        self.teams.push(Pattern::new(pattern));
        self
    }

    /// Restricts it to an environment, or adds another one.
    pub fn environment(mut self, pattern: impl Into<String>) -> Self {
        self.environments.push(Pattern::new(pattern));
        self
    }

    fn matches(&self, scope: &Scope) -> bool {
        let any = |patterns: &[Pattern], value: &Option<String>| {
            let is_one = |value: &String| patterns.iter().any(|pattern| pattern.matches(value));
            patterns.is_empty() || value.as_ref().is_some_and(is_one)
        };
        any(&self.services, &scope.service)
            && any(&self.teams, &scope.team)
            && any(&self.environments, &scope.environment)
    }

    /// Whether it matches everything that the other one matches.
    fn covers(&self, other: &Self) -> bool {
        let wider = |ours: &[Pattern], theirs: &[Pattern]| {
            let is_covered = |pattern: &Pattern| ours.iter().any(|our| our.covers(pattern));
            ours.is_empty() || (!theirs.is_empty() && theirs.iter().all(is_covered))
        };
        self.capability == other.capability
            && wider(&self.services, &other.services)
            && wider(&self.teams, &other.teams)
            && wider(&self.environments, &other.environments)
    }
}

impl OpsOrch {
    /// The provider that a rule sends a change to.
    pub(crate) fn by_rule(&self, action: &Action) -> Option<ProviderName> {
        self.roster().routing().provider(action).cloned()
    }
}

/// The rules of a control plane, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routing(Vec<RoutingRule>);

impl Routing {
    /// Refuses a rule that could never send anything anywhere.
    pub(crate) fn new(rules: Vec<RoutingRule>) -> Result<Self> {
        for (index, rule) in rules.iter().enumerate() {
            if !ROUTED.iter().any(|operation| operation.capability() == rule.capability) {
                let known: Vec<_> = ROUTED.iter().map(|operation| operation.capability().name()).collect();
                let message = format!(
                    "no change of `{}` says where it belongs; expected one of: {}",
                    rule.capability,
                    known.join(", ")
                );
                return Err(Error::invalid(format!("routing[{index}].capability"), message));
            }
            if let Some(earlier) = rules.iter().take(index).position(|earlier| earlier.covers(rule)) {
                let message =
                    format!("it is never reached, because routing[{earlier}] matches everything that it matches");
                return Err(Error::invalid(format!("routing[{index}]"), message));
            }
        }
        Ok(Self(rules))
    }

    /// Refuses a rule whose provider is not there, is not routed, or makes no such change.
    pub(crate) fn check(
        &self,
        providers: &BTreeMap<ProviderName, Arc<Provider>>,
        routes: &BTreeMap<Capability, Vec<ProviderName>>,
    ) -> Result<()> {
        for (index, rule) in self.0.iter().enumerate() {
            let refuse = |message: String| Err(Error::invalid(format!("routing[{index}].provider"), message));
            let (name, capability) = (&rule.provider, rule.capability);
            let Some(provider) = providers.get(name) else {
                let known = providers.keys().map(ProviderName::as_str);
                return refuse(UnknownName::new("provider", name.as_str(), known).to_string());
            };
            if let Some(route) = routes.get(&capability).filter(|route| !route.contains(name)) {
                let route: Vec<_> = route.iter().map(ProviderName::as_str).collect();
                return refuse(format!("`{name}` is not in routes.{capability}, which names: {}", route.join(", ")));
            }
            let makes = |operation: &Operation| {
                operation.capability() == capability && provider.operations().contains(*operation)
            };
            if !ROUTED.iter().any(makes) {
                return refuse(format!(
                    "`{name}` makes nothing new of `{capability}`; it offers: {}",
                    provider.operations()
                ));
            }
        }
        Ok(())
    }

    /// The rules but for those of a capability.
    pub(crate) fn without(&self, capability: Capability) -> Self {
        Self(self.0.iter().filter(|rule| rule.capability != capability).cloned().collect())
    }

    /// The provider that the first matching rule names.
    pub(crate) fn provider(&self, action: &Action) -> Option<&ProviderName> {
        let capability = action.operation().capability();
        let mut rules = self.0.iter().filter(|rule| rule.capability == capability).peekable();
        rules.peek()?;
        let scope = belongs_to(action)?;
        rules.find(|rule| rule.matches(&scope)).map(|rule| &rule.provider)
    }

    /// Why the rules did not say who makes a change, where there are any.
    pub(crate) fn silence(&self, operation: Operation) -> &'static str {
        let is_about = |rule: &RoutingRule| rule.capability == operation.capability();
        match operation.effect() == Effect::Write && self.0.iter().any(is_about) {
            false => "",
            true if ROUTED.contains(&operation) => ", and no routing rule matches",
            true => ", and routing rules are about what is new",
        }
    }
}

/// Where a change says that what it makes belongs; `None` for a change of something that exists.
fn belongs_to(action: &Action) -> Option<Scope> {
    let none = Fields::new();
    let (service, environment, fields, metadata) = match action {
        Action::IncidentCreate(input) => (input.service.as_deref(), None, &input.fields, &input.metadata),
        Action::AlertRaise(input) => (input.service.as_deref(), None, &input.fields, &input.metadata),
        Action::TicketCreate(input) => (None, None, &input.fields, &input.metadata),
        Action::MessagingSend(input) if input.thread_ref.is_none() => (None, None, &none, &input.metadata),
        Action::DeploymentRecord(input) => {
            (Some(&*input.service), Some(&*input.environment), &input.fields, &input.metadata)
        }
        Action::IncidentUpdate(_)
        | Action::IncidentTimelineAppend(_)
        | Action::AlertAcknowledge(_)
        | Action::AlertResolve(_)
        | Action::AlertSilence(_)
        | Action::TicketUpdate(_)
        | Action::TicketComment(_)
        | Action::MessagingSend(_)
        | Action::MessagingUpdate(_)
        | Action::OrchestrationRunsStart(_)
        | Action::OrchestrationRunsStepsComplete(_)
        | Action::OrchestrationRunsCancel(_) => return None,
    };
    let text = |own: Option<&str>, name: &str| {
        let said = |fields: &Fields| Some(fields.get(name)?.as_str()?.to_owned()).filter(|text| !text.is_empty());
        own.map(str::to_owned).filter(|text| !text.is_empty()).or_else(|| said(fields)).or_else(|| said(metadata))
    };
    let mut scope = Scope::new();
    scope.service = text(service, "service");
    scope.team = text(None, "team");
    scope.environment = text(environment, "environment");
    Some(scope)
}
