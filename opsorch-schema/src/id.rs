//! Identifiers: a type for each, so that a ticket's id cannot be passed where a team's is meant.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the identifier as it is; nothing is trimmed or changed.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The identifier as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl From<&$name> for $name {
            fn from(id: &$name) -> Self {
                id.clone()
            }
        }
    )+};
}

ids! {
    /// Identifies an incident within its provider.
    IncidentId;
    /// Identifies an entry of an incident's timeline within its provider.
    TimelineEntryId;
    /// Identifies an alert within its provider.
    AlertId;
    /// Identifies a ticket within its provider.
    TicketId;
    /// Identifies a comment within its ticket.
    CommentId;
    /// Identifies a sent message within its channel.
    MessageId;
    /// Identifies a service within its provider.
    ServiceId;
    /// Identifies a deployment within its provider.
    DeploymentId;
    /// Identifies a team within its provider.
    TeamId;
    /// Identifies a person within a provider's teams.
    MemberId;
    /// Identifies an orchestration plan within its provider.
    PlanId;
    /// Identifies a run of a plan within its provider.
    RunId;
    /// Identifies a step within its plan and within the runs of it.
    StepId;
    /// Names a configured provider, such as `jira-eu`; unique within one control plane.
    ProviderName;
    /// Identifies a grant, from the request for approval until it is spent.
    GrantId;
}
