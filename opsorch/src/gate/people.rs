//! Who is the same person on several channels.

use std::collections::BTreeMap;

use opsorch_schema::{Actor, Identity};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Says which identities belong to one person, so that nobody answers twice, or their own request by another channel.
///
/// Identities that are not mapped are persons of their own. In a configuration:
///
/// ```toml
/// [people]
/// alice = [{ issuer = "https://id.example.com", subject = "alice" }, { issuer = "slack", subject = "U0123" }]
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct People(BTreeMap<String, Vec<Identity>>);

impl People {
    /// No mapping: each identity is a person of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that these identities are one person; the name is for people to read.
    pub fn person(mut self, name: impl Into<String>, identities: impl IntoIterator<Item = Identity>) -> Self {
        self.0.entry(name.into()).or_default().extend(identities);
        self
    }

    /// Refuses an identity that two people claim.
    pub(crate) fn validated(self) -> Result<Self> {
        let mut owners: BTreeMap<&Identity, &str> = BTreeMap::new();
        for (name, identities) in &self.0 {
            for identity in identities {
                if let Some(other) = owners.insert(identity, name).filter(|other| other != name) {
                    let message = format!("{identity} belongs to `{other}` already; an identity is one person's");
                    return Err(Error::invalid(format!("people.{name}"), message));
                }
            }
        }
        Ok(self)
    }

    /// Whether two identities are the same person's.
    pub(crate) fn same(&self, one: &Identity, other: &Identity) -> bool {
        one == other || self.0.values().any(|identities| identities.contains(one) && identities.contains(other))
    }

    /// Whether an actor is this person.
    pub(crate) fn is(&self, actor: &Actor, person: &Actor) -> bool {
        self.same(&actor.identity, &person.identity)
    }

    /// Whether the actor is one of those whom `agent` acts for, however many hands lie between.
    pub(crate) fn is_principal(&self, actor: &Actor, agent: &Actor) -> bool {
        let mut principal = agent.on_behalf_of.as_deref();
        while let Some(person) = principal {
            if self.is(actor, person) {
                return true;
            }
            principal = person.on_behalf_of.as_deref();
        }
        false
    }
}
