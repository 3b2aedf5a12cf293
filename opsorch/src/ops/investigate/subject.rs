//! What an investigation is about: where, and when.

use chrono::TimeDelta;
use opsorch_schema::{
    Gap, Incident, IncidentStatusLevel, Investigate, InvestigationSection as Section, Scope, Time, Window,
};

use crate::{Error, Result};

/// How long before the incident, and after its end, things happened that belong to it.
const MARGIN: TimeDelta = TimeDelta::hours(1);

/// The longest text that is taken for the name of a service, a team or an environment, in bytes.
const LONGEST_NAME: usize = 256;

/// What the caller says, else what the incident says.
pub(super) fn scope(incident: &Incident, given: &Scope) -> Scope {
    let own = |name: &str| {
        let text = |fields: &opsorch_schema::Fields| fields.get(name)?.as_str().and_then(usable);
        text(&incident.fields).or_else(|| text(&incident.metadata))
    };
    let service = || incident.service.as_deref().and_then(usable).or_else(|| own("service"));
    let mut scope = given.clone();
    scope.service = scope.service.or_else(service);
    scope.team = scope.team.or_else(|| own("team"));
    scope.environment = scope.environment.or_else(|| own("environment"));
    scope
}

/// A text that can be a name.
fn usable(text: &str) -> Option<String> {
    let is_name = !text.trim().is_empty() && text.len() <= LONGEST_NAME;
    is_name.then(|| text.to_owned())
}

/// From an hour before the incident until now, or an hour after it was resolved, but for what the caller says.
///
/// A resolved incident's last change stands for its end: the schema knows no other. A time that a vendor made up is never
/// a reason to fail, so that a window which is derived is an hour long at least.
pub(super) fn window(incident: &Incident, wanted: &Investigate, now: Time) -> Result<Window> {
    if let (Some(start), Some(end)) = (wanted.start, wanted.end)
        && start >= end
    {
        return Err(Error::invalid("end", format!("expected a time after the start, {start}, got {end}")));
    }
    let opened = incident.created_at.unwrap_or(now);
    let before = |time: Time| time.checked_sub_signed(MARGIN).unwrap_or(time);
    let after = |time: Time| time.checked_add_signed(MARGIN).unwrap_or(time);
    let is_over = incident.status.level() == IncidentStatusLevel::Resolved;
    let ended = incident.updated_at.filter(|_| is_over).map_or(now, |resolved| after(resolved).min(now));
    Ok(match (wanted.start, wanted.end) {
        (Some(start), Some(end)) => Window::new(start, end),
        (Some(start), None) => Window::new(start, ended.max(after(start))),
        (None, Some(end)) => Window::new(before(opened).min(before(end)), end),
        (None, None) => Window::new(before(opened), ended.max(opened)),
    })
}

/// What the incident does not say, and what was done instead.
pub(super) fn gaps(incident: &Incident, wanted: &Investigate, scope: &Scope) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut say = |message: &str| gaps.push(Gap::new(Section::Incident, Gap::INCOMPLETE, message));
    if incident.created_at.is_none() && wanted.start.is_none() {
        say("the source does not say when the incident was opened: the window begins an hour ago; set `start`");
    }
    if scope.is_empty() {
        say("the incident names no service, team or environment: everything in the window was asked for; set `scope`");
    }
    gaps
}
