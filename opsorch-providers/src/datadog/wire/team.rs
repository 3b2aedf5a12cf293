//! Teams, their members, and who is on call.

use opsorch::Time;
use serde::Deserialize;

use super::resource::{Many, One, Person, lenient};

#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct Team {
    pub(in crate::datadog) id: String,
    pub(in crate::datadog) attributes: TeamAttributes,
}

#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct TeamAttributes {
    pub(in crate::datadog) name: String,
    #[serde(default)]
    pub(in crate::datadog) handle: Option<String>,
    #[serde(default)]
    pub(in crate::datadog) summary: Option<String>,
    #[serde(default)]
    pub(in crate::datadog) description: Option<String>,
    #[serde(default)]
    pub(in crate::datadog) user_count: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct Membership {
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) attributes: MembershipAttributes,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) relationships: MembershipRelationships,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct MembershipAttributes {
    pub(in crate::datadog) role: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct MembershipRelationships {
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) user: One,
}

/// Who of a team is on call, and who comes next.
#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct OnCall {
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) relationships: OnCallRelationships,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct OnCallRelationships {
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) responders: Many,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) escalations: Many,
}

#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct Schedule {
    pub(in crate::datadog) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) attributes: ScheduleAttributes,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) relationships: ScheduleRelationships,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct ScheduleAttributes {
    pub(in crate::datadog) name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct ScheduleRelationships {
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) teams: Many,
}

/// What is given beside: people, steps of an escalation, shifts, and who has them. What else comes is passed over.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct Included {
    pub(in crate::datadog) id: String,
    #[serde(rename = "type")]
    pub(in crate::datadog) kind: String,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) attributes: IncludedAttributes,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) relationships: IncludedRelationships,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct IncludedAttributes {
    #[serde(flatten)]
    pub(in crate::datadog) person: Person,
    pub(in crate::datadog) position: Option<String>,
    pub(in crate::datadog) start: Option<Time>,
    pub(in crate::datadog) end: Option<Time>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct IncludedRelationships {
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) responders: Many,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) shifts: Many,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) user: One,
}
