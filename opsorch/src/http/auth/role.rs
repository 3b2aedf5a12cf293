//! What callers may do, in four steps.

use std::fmt;
use std::str::FromStr;

use opsorch_schema::{Actor, Effect, Operation, Target, UnknownName};

use crate::gate::Access;
use crate::{Context, Error};

/// What a caller may do; each may do what those before it may. An actor has the highest of these that is among its roles;
/// other roles, such as `sre`, are for policies and quorums to name.
///
/// What may be changed, and who must agree, is for a [`Policy`](crate::gate::Policy) to decide; a role only says who may
/// ask at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Reads.
    Viewer,
    /// Submits changes, and redeems what was approved.
    Operator,
    /// Answers requests for approval, if it is a person and the policy names one of its roles.
    Approver,
    /// Configures providers.
    Admin,
}

impl Role {
    /// All roles, the least first.
    pub const ALL: &'static [Self] = &[Self::Viewer, Self::Operator, Self::Approver, Self::Admin];

    /// The name, as it stands among the roles of an actor.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }

    /// The highest role that an actor has.
    pub fn of(actor: &Actor) -> Option<Self> {
        Self::ALL.iter().copied().rev().find(|role| actor.has_role(role.name()))
    }

    /// Whether this role is enough for an operation.
    pub fn permits(self, operation: Operation) -> bool {
        self >= Self::Operator || operation.effect() == Effect::Read
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        role.name().to_owned()
    }
}

impl FromStr for Role {
    type Err = Error;

    /// Reads the name of a role.
    ///
    /// # Errors
    /// `Invalid` for another name; it lists those that there are.
    fn from_str(name: &str) -> Result<Self, Error> {
        let known = Self::ALL.iter().map(|role| role.name());
        let unknown = || Error::invalid("role", UnknownName::new("role", name, known).to_string());
        Self::ALL.iter().copied().find(|role| role.name() == name).ok_or_else(unknown)
    }
}

/// Access by [`Role`]: a viewer reads, the others submit too, and who has none of the roles may do nothing.
///
/// ```
/// use opsorch::gate::Access;
/// use opsorch::http::{Role, RoleAccess};
/// use opsorch::{Actor, Context, Operation, Provider};
///
/// let target = Provider::new("jira").target(None);
/// let viewer = Context::new(Actor::user("bob").role(Role::Viewer));
/// assert!(RoleAccess.permits(&viewer, Operation::TicketQuery, &target));
/// assert!(!RoleAccess.permits(&viewer, Operation::TicketCreate, &target));
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs)] // it has nothing to configure, so that its name is its value
pub struct RoleAccess;

impl Access for RoleAccess {
    fn permits(&self, cx: &Context, operation: Operation, _: &Target) -> bool {
        Role::of(cx.actor()).is_some_and(|role| role.permits(operation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_role_counts_and_other_roles_are_none() {
        assert_eq!(Role::of(&Actor::user("a").role("sre")), None);
        assert_eq!(Role::of(&Actor::user("a").role("viewer").role("approver").role("sre")), Some(Role::Approver));
    }

    #[test]
    fn a_role_reads_its_own_name_and_nothing_else() {
        for role in Role::ALL {
            assert_eq!(role.name().parse::<Role>().unwrap(), *role);
        }
        let error = "root".parse::<Role>().unwrap_err().to_string();
        assert!(error.contains("viewer, operator, approver, admin"), "{error}");
    }
}
