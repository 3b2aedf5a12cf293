//! The members of `fields` that an incident can be opened or changed with. Any other is refused.

use opsorch::{Error, Fields, Result};
use serde_json::Value;

use crate::pagerduty::api::is_id;
use crate::pagerduty::wire::{Assign, IncidentChange, Link};

/// What both take.
const ALWAYS: [&str; 3] = ["assignees", "escalation_policy", "urgency"];

/// What only a change takes.
const OF_A_CHANGE: [&str; 2] = ["escalation_level", "resolution"];

/// Writes fields into a change.
///
/// # Errors
/// `Unsupported` for a field that PagerDuty does not take here, `Invalid` for a value that it cannot be.
pub(super) fn write(fields: &Fields, change: &mut IncidentChange, is_new: bool) -> Result<()> {
    let known: Vec<&str> = ALWAYS.into_iter().chain(OF_A_CHANGE.into_iter().filter(|_| !is_new)).collect();
    if let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        let message = format!("PagerDuty takes no field `{unknown}` here; it takes: {}", known.join(", "));
        return Err(Error::unsupported(message));
    }
    for (name, value) in fields {
        write_one(name, value, change)?;
    }
    if !change.assignments.is_empty() && change.escalation_policy.is_some() {
        return Err(Error::invalid("fields.assignees", "expected assignees or an escalation policy, got both"));
    }
    if change.resolution.is_some() && change.status != Some("resolved") {
        return Err(Error::invalid("fields.resolution", "a resolution is taken with the status `resolved` only"));
    }
    Ok(())
}

fn write_one(name: &str, value: &Value, change: &mut IncidentChange) -> Result<()> {
    let wrong = |expected: &str| Error::invalid(format!("fields.{name}"), format!("expected {expected}, got {value}"));
    let id = |value: &Value| value.as_str().filter(|id| is_id(id)).map(str::to_owned);
    match name {
        "urgency" => {
            let urgency = value.as_str().filter(|urgency| ["high", "low"].contains(urgency));
            change.urgency = Some(urgency.ok_or_else(|| wrong("`high` or `low`"))?.to_owned());
        }
        "escalation_policy" => {
            let id = id(value).ok_or_else(|| wrong("the id of an escalation policy"))?;
            change.escalation_policy = Some(Link::new("escalation_policy_reference", id));
        }
        "escalation_level" => {
            let level = value.as_u64().filter(|level| *level > 0);
            change.escalation_level = Some(level.ok_or_else(|| wrong("a number from 1"))?);
        }
        "resolution" => {
            let text = value.as_str().filter(|text| !text.trim().is_empty());
            change.resolution = Some(text.ok_or_else(|| wrong("a text"))?.to_owned());
        }
        _ => {
            let ids: Option<Vec<String>> = value.as_array().and_then(|ids| ids.iter().map(id).collect());
            let ids = ids.filter(|ids| !ids.is_empty()).ok_or_else(|| wrong("a list of ids of users"))?;
            let assign = |id| Assign { assignee: Link::new("user_reference", id) };
            change.assignments = ids.into_iter().map(assign).collect();
        }
    }
    Ok(())
}
