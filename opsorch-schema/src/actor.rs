//! Who does something: the person, agent or service behind a call.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of actor it is. Only a user answers a request for approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ActorKind {
    /// A person.
    User,
    /// A program that decides by itself, such as an AI agent.
    Agent,
    /// A program with a shared credential.
    Service,
}

impl fmt::Display for ActorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Agent => "agent",
            Self::Service => "service",
        })
    }
}

/// Who an actor is: a subject, and the issuer that vouches for it. Two issuers' `alice` are two people
/// until a mapping says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Identity {
    /// Who vouches for the subject, such as the address of an identity provider.
    pub issuer: String,
    /// Who it is, in the words of the issuer.
    pub subject: String,
}

impl Identity {
    /// A subject of an issuer.
    pub fn new(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), subject: subject.into() }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.subject, self.issuer)
    }
}

/// Who makes a call. It comes from authentication, never from the body of a request or a free header.
///
/// ```
/// use opsorch_schema::Actor;
///
/// let alice = Actor::user("alice").issuer("https://id.example.com").role("sre");
/// let agent = Actor::agent("triage").on_behalf_of(alice);
/// assert_eq!(agent.to_string(), "agent triage@local for user alice@https://id.example.com");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Actor {
    /// Who it is.
    pub identity: Identity,
    /// What kind of actor it is.
    pub kind: ActorKind,
    /// The roles it held when it was authenticated.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<String>,
    /// Whom it acts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<Box<Actor>>,
    /// How it was authenticated, such as `oidc` or `in-process`.
    pub authentication: String,
}

impl Actor {
    /// The issuer of actors that the embedding process names itself.
    pub const LOCAL_ISSUER: &'static str = "local";

    /// A person, vouched for by the embedding process.
    pub fn user(subject: impl Into<String>) -> Self {
        Self::new(ActorKind::User, subject)
    }

    /// An agent, vouched for by the embedding process.
    pub fn agent(subject: impl Into<String>) -> Self {
        Self::new(ActorKind::Agent, subject)
    }

    /// A service, vouched for by the embedding process.
    pub fn service(subject: impl Into<String>) -> Self {
        Self::new(ActorKind::Service, subject)
    }

    fn new(kind: ActorKind, subject: impl Into<String>) -> Self {
        Self {
            identity: Identity::new(Self::LOCAL_ISSUER, subject),
            kind,
            roles: BTreeSet::new(),
            on_behalf_of: None,
            authentication: "in-process".into(),
        }
    }

    /// Says who vouches for the subject.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.identity.issuer = issuer.into();
        self
    }

    /// Adds a role.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.insert(role.into());
        self
    }

    /// Says whom it acts for.
    pub fn on_behalf_of(mut self, principal: Actor) -> Self {
        self.on_behalf_of = Some(Box::new(principal));
        self
    }

    /// Says how it was authenticated.
    pub fn authenticated_by(mut self, authentication: impl Into<String>) -> Self {
        self.authentication = authentication.into();
        self
    }

    /// Whether it holds a role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.contains(role)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.identity)?;
        match &self.on_behalf_of {
            Some(principal) => write!(f, " for {principal}"),
            None => Ok(()),
        }
    }
}
