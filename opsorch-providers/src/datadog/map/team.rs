//! Teams, their members, and who of them is on call.

use opsorch::{Fields, Team, TeamMember};
use serde_json::{Value, json};

use crate::datadog::api::Datadog;
use crate::datadog::wire::resource::{Document, Person};
use crate::datadog::wire::team::{self as wire, Included, Membership, OnCall, Schedule};
use crate::fields::put;

/// The role of those who are on call.
const ON_CALL: &str = "oncall";

/// The role of a member who has no other.
const MEMBER: &str = "member";

/// The position of those in a schedule whose shift is now.
const CURRENT: &str = "current";

pub(in crate::datadog) fn team(datadog: &Datadog, team: wire::Team) -> Team {
    let attributes = team.attributes;
    let mut mapped = Team::new(&*team.id, &*attributes.name);
    let shown = attributes.handle.as_deref().filter(|handle| !handle.is_empty()).unwrap_or(&team.id);
    mapped.url = Some(datadog.page(&["teams", shown], &[]));
    mapped.metadata = datadog.metadata();
    put(&mut mapped.metadata, "handle", &attributes.handle);
    put(&mut mapped.metadata, "summary", attributes.summary);
    put(&mut mapped.metadata, "description", attributes.description);
    put(&mut mapped.metadata, "user_count", attributes.user_count);
    mapped
}

/// What a scope calls a team: its handle, which is its own, and which is what things are tagged with.
pub(in crate::datadog) fn handle(team: &Team) -> Option<&str> {
    team.metadata.get("handle").and_then(Value::as_str)
}

/// The members in a part of the list; one whose user is not given is known by the id alone.
pub(in crate::datadog) fn members(datadog: &Datadog, part: Document<Vec<Membership>, Included>) -> Vec<TeamMember> {
    let people = People(&part.included);
    let member = |membership: &Membership| {
        let mut member = people.member(datadog, membership.relationships.user.id()?);
        let role = membership.attributes.role.clone().filter(|role| !role.is_empty());
        member.role = Some(role.unwrap_or_else(|| MEMBER.to_owned()));
        Some(member)
    };
    part.data.iter().filter_map(member).collect()
}

/// Those who are called first, then those of each step of the escalation, each once, with all that they are on call for.
pub(in crate::datadog) fn of_team(datadog: &Datadog, found: &Document<OnCall, Included>) -> Vec<TeamMember> {
    let people = People(&found.included);
    let mut on_call = Vec::new();
    for user in &found.data.relationships.responders.data {
        add(&mut on_call, people.member(datadog, &user.id), json!({ "escalation_step": 0 }));
    }
    for (index, step) in found.data.relationships.escalations.data.iter().enumerate() {
        let Some(step) = people.0.iter().find(|one| one.kind == step.kind && one.id == step.id) else { continue };
        for user in &step.relationships.responders.data {
            add(&mut on_call, people.member(datadog, &user.id), json!({ "escalation_step": index + 1 }));
        }
    }
    on_call
}

/// Those whose shift in a schedule is now.
pub(in crate::datadog) fn of_schedule(
    datadog: &Datadog,
    schedule: &Schedule,
    included: &[Included],
    on_call: &mut Vec<TeamMember>,
) {
    let people = People(included);
    let now = included.iter().filter(|one| one.attributes.position.as_deref() == Some(CURRENT));
    for pointer in now.flat_map(|one| &one.relationships.shifts.data) {
        let Some(shift) = included.iter().find(|one| one.kind == pointer.kind && one.id == pointer.id) else {
            continue;
        };
        let Some(user) = shift.relationships.user.id() else { continue };
        let mut duty = Fields::new();
        put(&mut duty, "schedule", json!({ "id": schedule.id, "name": schedule.attributes.name }));
        put(&mut duty, "start", shift.attributes.start);
        put(&mut duty, "end", shift.attributes.end);
        add(on_call, people.member(datadog, user), json!(duty));
    }
}

fn add(on_call: &mut Vec<TeamMember>, mut member: TeamMember, duty: Value) {
    match on_call.iter_mut().find(|known| known.id == member.id) {
        Some(known) => {
            if let Some(Value::Array(duties)) = known.metadata.get_mut("oncalls") {
                duties.push(duty);
            }
        }
        None => {
            member.role = Some(ON_CALL.to_owned());
            put(&mut member.metadata, "oncalls", [duty]);
            on_call.push(member);
        }
    }
}

/// The people who are named in what was read.
struct People<'a>(&'a [Included]);

impl People<'_> {
    fn member(&self, datadog: &Datadog, id: &str) -> TeamMember {
        let found = self.0.iter().find(|one| one.kind == "users" && one.id == id);
        let Person { name, email, handle, title, disabled } =
            found.map(|user| user.attributes.person.clone()).unwrap_or_default();
        let is_text = |text: &String| !text.is_empty();
        let mut member = TeamMember::new(id);
        member.name = name.filter(is_text);
        member.email = email.filter(is_text);
        member.handle = handle.filter(is_text);
        member.metadata = datadog.metadata();
        put(&mut member.metadata, "title", title);
        put(&mut member.metadata, "disabled", disabled.filter(|disabled| *disabled));
        member
    }
}
