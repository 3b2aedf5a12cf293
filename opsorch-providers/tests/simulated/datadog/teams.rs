//! Teams, members, users, and who is on call.

use opsorch::transport::{Reply, Request};
use opsorch_testkit::double::parameter;
use serde_json::{Value, json};

use super::listing::{Answer, known, not_found, numbered, people, uuid};
use super::{bad_request, ok};

pub struct Teams {
    pub teams: Vec<Value>,
    /// The team, the number of the user, and the role.
    pub members: Vec<(usize, usize, Option<&'static str>)>,
    /// The number of the team that has each schedule, and of the user whose shift is now.
    pub schedules: Vec<(usize, usize)>,
    pub users: Vec<Value>,
}

pub fn team(number: usize, name: &str, handle: &str) -> Value {
    json!({
        "type": "team", "id": uuid(0xb, number),
        "attributes": { "name": name, "handle": handle, "summary": null, "description": format!("the team {name}"), "user_count": 2, "link_count": 0 },
    })
}

impl Teams {
    pub fn new() -> Self {
        Self {
            teams: vec![team(0, "Core", "core"), team(1, "Web", "web"), team(2, "Shop", "shop")],
            members: vec![(0, 0, Some("admin")), (0, 1, None), (1, 2, None)],
            schedules: vec![(0, 2), (1, 1)],
            users: people(),
        }
    }

    pub fn answer(&mut self, request: &Request, path: &[&str]) -> Option<Reply> {
        let answer = match (request.method.as_str(), path) {
            ("GET", ["api", "v2", "team"]) => known(request, &["page[number]", "page[size]"])
                .and_then(|()| numbered(request, self.teams.clone(), |_| Vec::new())),
            ("GET", ["api", "v2", "team", id]) => self.team(id).map(|team| ok(&json!({ "data": self.teams[team] }))),
            ("GET", ["api", "v2", "team", id, "memberships"]) => self.memberships(request, id),
            ("GET", ["api", "v2", "users"]) => self.users(request),
            ("GET", ["api", "v2", "on-call", "teams", id, "on-call"]) => self.on_call(request, id),
            ("GET", ["api", "v2", "on-call", "schedules"]) => self.schedules(request),
            ("GET", ["api", "v2", "on-call", "schedules", id, "responders"]) => self.responders(request, id),
            _ => return None,
        };
        Some(answer.unwrap_or_else(|refusal| refusal))
    }

    fn team(&self, id: &str) -> Result<usize, Reply> {
        self.teams.iter().position(|team| team["id"] == id).ok_or_else(|| not_found("Team"))
    }

    fn memberships(&self, request: &Request, id: &str) -> Answer {
        known(request, &["page[number]", "page[size]"])?;
        let team = self.team(id)?;
        let of_team = self.members.iter().filter(|(its, ..)| *its == team);
        let shown = |(_, user, role): &(usize, usize, Option<&str>)| {
            json!({
                "type": "team_memberships", "id": format!("TeamMembership-{id}-{user}"), "attributes": { "role": role },
                "relationships": { "user": { "data": { "type": "users", "id": self.users[*user]["id"] } } },
            })
        };
        let of = |items: &[Value]| {
            let ids: Vec<&Value> = items.iter().map(|item| &item["relationships"]["user"]["data"]["id"]).collect();
            self.users.iter().filter(|user| ids.contains(&&user["id"])).cloned().collect()
        };
        numbered(request, of_team.map(shown).collect(), of)
    }

    /// `filter` looks for a part of the name or the address.
    fn users(&self, request: &Request) -> Answer {
        known(request, &["filter", "page[number]", "page[size]"])?;
        let text = parameter(request, "filter").unwrap_or_default().to_lowercase();
        let says = |user: &&Value| {
            ["name", "email"]
                .iter()
                .any(|name| user["attributes"][name].as_str().unwrap().to_lowercase().contains(&text))
        };
        numbered(request, self.users.iter().filter(says).cloned().collect(), |_| Vec::new())
    }

    /// The first member is called first, then the second.
    fn on_call(&self, request: &Request, id: &str) -> Answer {
        known(request, &["include"])?;
        if parameter(request, "include").as_deref() != Some("responders,escalations.responders") {
            return Err(bad_request("unknown include"));
        }
        let team = self.team(id)?;
        let users: Vec<Value> =
            self.members.iter().filter(|it| it.0 == team).map(|it| self.users[it.1].clone()).collect();
        let (Some(first), second) = (users.first(), users.get(1)) else { return Err(not_found("On-call team")) };
        let pointer = |user: &Value| json!({ "type": "users", "id": user["id"] });
        let steps: Vec<Value> = second.iter().map(|user| {
            json!({ "type": "escalation_policy_steps", "id": uuid(0xc, team), "relationships": { "responders": { "data": [pointer(user)] } } })
        }).collect();
        let links: Vec<Value> = steps.iter().map(|step| json!({ "type": step["type"], "id": step["id"] })).collect();
        let data = json!({ "type": "team_oncall_responders", "id": id, "relationships": {
            "responders": { "data": [pointer(first)] }, "escalations": { "data": links },
        } });
        let included: Vec<Value> = users.iter().cloned().chain(steps).collect();
        Ok(ok(&json!({ "data": data, "included": included })))
    }

    fn schedules(&self, request: &Request) -> Answer {
        known(request, &["page[number]", "page[size]"])?;
        let shown = |(number, (team, _)): (usize, &(usize, usize))| {
            json!({
                "type": "schedules", "id": uuid(0xf, number), "attributes": { "name": format!("rota {number}"), "time_zone": "UTC", "tags": [] },
                "relationships": { "teams": { "data": [{ "type": "teams", "id": self.teams[*team]["id"] }] } },
            })
        };
        numbered(request, self.schedules.iter().enumerate().map(shown).collect(), |_| Vec::new())
    }

    fn responders(&self, request: &Request, id: &str) -> Answer {
        known(request, &["include", "filter[position]"])?;
        if parameter(request, "include").as_deref() != Some("responders.shifts.user") {
            return Err(bad_request("unknown include"));
        }
        let number =
            (0..self.schedules.len()).find(|number| uuid(0xf, *number) == id).ok_or_else(|| not_found("Schedule"))?;
        let user = &self.users[self.schedules[number].1];
        let (slot, shift) = (format!("{id}-current"), uuid(0x1f, number));
        Ok(ok(&json!({
            "data": { "type": "schedule_oncall_responders", "id": id, "relationships": {
                "responders": { "data": [{ "type": "schedule_oncall_responder", "id": slot }] },
            } },
            "included": [
                { "type": "schedule_oncall_responder", "id": slot, "attributes": { "position": "current" },
                  "relationships": { "shifts": { "data": [{ "type": "shifts", "id": shift }] } } },
                { "type": "shifts", "id": shift, "attributes": { "start": "2026-01-01T00:00:00Z", "end": "2026-01-08T00:00:00Z" },
                  "relationships": { "user": { "data": { "type": "users", "id": user["id"] } } } },
                user,
            ],
        })))
    }
}
