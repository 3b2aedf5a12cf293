//! Teams, their members, and who of them is on call.

use opsorch::{Fields, Team, TeamMember};
use serde_json::Value;

use super::{Map, named, object, page, put, put_value};
use crate::pagerduty::wire;

/// The role of those who are on call.
const ON_CALL: &str = "oncall";

impl Map {
    /// A team; `None` for one that has no id.
    pub(in crate::pagerduty) fn team(&self, team: wire::Reference) -> Option<Team> {
        let id = team.id.clone()?;
        let mut mapped = Team::new(&*id, team.label().unwrap_or(&id));
        mapped.metadata = self.metadata();
        put(&mut mapped.metadata, "description", &team.description);
        mapped.url = page(team.html_url.as_deref());
        Some(mapped)
    }

    /// A member of a team; `None` for one who has no id.
    pub(in crate::pagerduty) fn member(&self, member: wire::Member) -> Option<TeamMember> {
        let mut mapped = self.person(&member.user?)?;
        mapped.role = member.role;
        Some(mapped)
    }

    /// Those who are on call, each once, with everything that they are on call for: the first to be called comes first.
    pub(in crate::pagerduty) fn on_call(&self, mut entries: Vec<wire::OnCall>) -> Vec<TeamMember> {
        entries.sort_by_key(|entry| entry.escalation_level.unwrap_or(u64::MAX));
        let mut people: Vec<TeamMember> = Vec::new();
        for entry in entries {
            let Some(mut person) = entry.user.as_ref().and_then(|user| self.person(user)) else { continue };
            let (level, duty) = (entry.escalation_level, duty(entry));
            if let Some(known) = people.iter_mut().find(|known| known.id == person.id) {
                if let Some(Value::Array(duties)) = known.metadata.get_mut("oncalls") {
                    duties.push(duty);
                }
                continue;
            }
            person.role = Some(ON_CALL.to_owned());
            put(&mut person.metadata, "escalation_level", level);
            put(&mut person.metadata, "oncalls", [duty]);
            people.push(person);
        }
        people
    }

    fn person(&self, user: &wire::Reference) -> Option<TeamMember> {
        let mut person = TeamMember::new(user.id.clone()?);
        person.name = user.label().map(str::to_owned);
        person.email = user.email.clone();
        person.metadata = self.metadata();
        put(&mut person.metadata, "html_url", &user.html_url);
        Some(person)
    }
}

/// Why somebody is on call. What has no end is left out.
fn duty(entry: wire::OnCall) -> Value {
    let mut duty = Fields::new();
    put(&mut duty, "escalation_level", entry.escalation_level);
    put_value(&mut duty, "escalation_policy", entry.escalation_policy.and_then(named));
    put_value(&mut duty, "schedule", entry.schedule.and_then(named));
    put(&mut duty, "start", entry.start);
    put(&mut duty, "end", entry.end);
    object(duty)
}
