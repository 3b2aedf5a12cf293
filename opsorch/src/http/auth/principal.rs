//! A caller that was authenticated.

use std::sync::Arc;

#[cfg(feature = "mcp")]
use opsorch_schema::ActorKind;
use opsorch_schema::{Actor, visible};

use super::Role;
use crate::gate::Access;
use crate::{Context, Error, Result};

/// How an actor is authenticated who is not.
pub(super) const ANONYMOUS: &str = "none";

/// A caller that was authenticated: who it is, and what its roles are good for. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Principal {
    /// What every request of this principal begins with.
    cx: Context,
    #[cfg(feature = "mcp")]
    access: Arc<dyn Access>,
}

impl Principal {
    /// An actor whose roles are good for what `access` says.
    pub(crate) fn new(actor: Actor, access: Arc<dyn Access>) -> Self {
        Self {
            #[cfg(feature = "mcp")]
            access: Arc::clone(&access),
            cx: Context::new(actor).within(access),
        }
    }

    /// An agent that acts for this principal, with its roles and nothing more. Who is an agent already stays itself. The agent
    /// is not the person: what it asks for, the person it acts for may answer, where the policy lets them.
    #[cfg(feature = "mcp")]
    pub(crate) fn agent(&self) -> Self {
        let actor = self.actor();
        if actor.kind == ActorKind::Agent {
            return self.clone();
        }
        let identity = &actor.identity;
        let agent = Actor::agent(&identity.subject)
            .issuer(format!("mcp:{}", identity.issuer))
            .authenticated_by(&actor.authentication)
            .on_behalf_of(actor.clone());
        let agent = actor.roles.iter().fold(agent, |agent, role| agent.role(role));
        Self::new(agent, Arc::clone(&self.access))
    }

    /// Who it is.
    pub fn actor(&self) -> &Actor {
        self.cx.actor()
    }

    /// Its role; `None` for one that may do nothing.
    pub fn role(&self) -> Option<Role> {
        Role::of(self.actor())
    }

    /// Whether it came without a credential, where that is allowed.
    pub fn is_anonymous(&self) -> bool {
        self.actor().authentication == ANONYMOUS
    }

    /// The context of a request of this principal: every call that is made with it is bounded by the roles.
    pub fn context(&self, request_id: &str) -> Context {
        self.cx.clone().request_id(request_id)
    }

    /// Refuses a principal without this role or a higher one: for what is no operation, such as answering an approval.
    ///
    /// # Errors
    /// `Denied`.
    pub fn require(&self, role: Role) -> Result<()> {
        if self.role() >= Some(role) {
            return Ok(());
        }
        let actor = visible(&self.actor().to_string()).into_owned();
        Err(Error::denied(format!("this needs the role `{role}`")).with_context("actor", actor))
    }
}
