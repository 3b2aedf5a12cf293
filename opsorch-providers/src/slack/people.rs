//! Whose answers count.

use std::collections::BTreeMap;

use opsorch::{Actor, Error, Identity, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who vouches for somebody who is known by their Slack id alone.
const ISSUER: &str = "slack";

/// Somebody who may answer requests in Slack, with the roles that a quorum asks for.
///
/// To the gate it is the identity `slack` / `U…`, which `people` in the configuration can tie to the same person's other
/// identities; or `identity`, where that is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Approver {
    /// The person's id in Slack, `U…` or `W…`; never the name, which people change themselves.
    pub user: String,
    /// The id of the person's workspace, `T…`: members of other workspaces that share a channel are somebody else.
    pub team: String,
    /// The roles the person holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Who the person is elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

impl Approver {
    /// This member of this workspace.
    pub fn new(user: impl Into<String>, team: impl Into<String>) -> Self {
        Self { user: user.into(), team: team.into(), roles: Vec::new(), identity: None }
    }

    /// Adds a role.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Says who the person is elsewhere.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    fn actor(&self) -> Actor {
        let actor = match &self.identity {
            Some(identity) => Actor::user(&identity.subject).issuer(&identity.issuer),
            None => Actor::user(&self.user).issuer(ISSUER),
        };
        self.roles.iter().fold(actor.authenticated_by("slack"), Actor::role)
    }
}

/// Refuses a list that does not say who is who.
pub(super) fn check(people: &[Approver]) -> Result<()> {
    Listed::new(people).map(|_| ())
}

/// The people who may answer, by their id.
#[derive(Clone, Debug)]
pub(super) struct Listed(BTreeMap<String, Approver>);

impl Listed {
    pub(super) fn new(people: &[Approver]) -> Result<Self> {
        let mut listed = BTreeMap::new();
        for (index, person) in people.iter().enumerate() {
            let field = |name: &str| format!("approvals.people[{index}].{name}");
            for (name, id, prefixes) in [("user", &person.user, "UW"), ("team", &person.team, "TE")] {
                if !is_id(id, prefixes) {
                    let hint = "a profile in Slack has it under \"copy member ID\"";
                    return Err(Error::invalid(field(name), format!("expected an id such as U012AB3CD; {hint}")));
                }
            }
            if listed.insert(person.user.clone(), person.clone()).is_some() {
                return Err(Error::invalid(field("user"), format!("`{}` is listed twice", person.user)));
            }
        }
        Ok(Self(listed))
    }

    /// The actor behind an id of Slack.
    ///
    /// # Errors
    /// `Denied` for everybody who is not listed with exactly this workspace.
    pub(super) fn actor(&self, user: &str, team: &str) -> Result<Actor> {
        match self.0.get(user) {
            Some(person) if person.team == team => Ok(person.actor()),
            _ => Err(Error::denied("this member of Slack is not among `approvals.people`")
                .with_context("user", opsorch::visible(user))
                .with_context("team", opsorch::visible(team))),
        }
    }
}

/// Whether a text has the form of an id that begins with one of these letters.
pub(super) fn is_id(text: &str, prefixes: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| prefixes.contains(first))
        && (2..=32).contains(&text.len())
        && letters.all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit())
}
