//! What there is in an account: a hundred old incidents and some new ones, three services, three teams.

use std::sync::Arc;
use std::time::Duration;

use opsorch::{Clock, Time};
use opsorch_testkit::double::IncidentTool;
use serde_json::{Value, json};

/// Who there is: id, name and address.
pub const USERS: [(&str, &str, &str); 3] = [
    ("PUSER1", "Alice", "alice@example.com"),
    ("PUSER2", "Bob", "bob@example.com"),
    ("PUSER3", "Carol", "carol@example.com"),
];

/// Services, each with the team that owns it.
const SERVICES: [(&str, &str, &str); 3] =
    [("PSVC1", "api", "PTEAM1"), ("PSVC2", "api-gateway", "PTEAM2"), ("PSVC3", "db", "PTEAM3")];

const TEAMS: [(&str, &str); 3] = [("PTEAM1", "Core"), ("PTEAM2", "Core platform"), ("PTEAM3", "Data")];

/// The service on which events open incidents.
pub const EVENT_SERVICE: &str = "PSVC1";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An account.
pub struct Account {
    pub tool: IncidentTool,
    pub clock: Arc<dyn Clock>,
    pub services: Vec<Value>,
    pub teams: Vec<Value>,
    pub users: Vec<Value>,
    pub policies: Vec<Value>,
    pub priorities: Vec<Value>,
    /// Of the form that `/oncalls` has.
    pub on_calls: Vec<Value>,
}

/// The clock of a tool.
#[derive(Clone, Debug)]
struct Shared(Arc<dyn Clock>);

impl Clock for Shared {
    fn now(&self) -> Time {
        self.0.now()
    }
}

impl Account {
    /// The account at this time.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let mut account = Self::empty(clock);
        let now = account.clock.now();
        for number in 0..103_u32 {
            let at = now - DAY * (20 + 4 * (103 - number));
            let id = account.open(&format!("an old trouble ({number})"), SERVICES[number as usize % 3].0, at);
            account.tool.update(&id, |incident| incident.status = "resolved".to_owned());
            account.set_times(&id, at);
        }
        for (number, (title, priority)) in
            [("disk full", "PPRIO1"), ("latency above 2 s", "PPRIO3"), ("certificate expires", "")]
                .into_iter()
                .enumerate()
        {
            let at = now - Duration::from_secs(3_600 * (3 - number as u64));
            let id = account.open(title, SERVICES[number].0, at);
            account.tool.update(&id, |incident| {
                incident.fields.insert("priority".to_owned(), json!(priority));
            });
            account.set_times(&id, at);
        }
        account.event("db-1/disk", "disk of db-1 full", "critical", &json!({ "free": "1 %" }));
        account
    }

    /// An account in which nothing happened yet.
    pub fn empty(clock: Arc<dyn Clock>) -> Self {
        Self {
            tool: IncidentTool::new(Shared(Arc::clone(&clock))),
            clock,
            services: SERVICES.map(service).into(),
            teams: TEAMS.map(|(id, name)| whole("team", id, name)).into(),
            users: USERS.map(|(id, name, email)| merged(whole("user", id, name), json!({ "email": email }))).into(),
            policies: [("PEP1", "Core first", "PTEAM1"), ("PEP2", "Data first", "PTEAM3")]
                .map(|(id, name, team)| {
                    merged(
                        whole("escalation_policy", id, name),
                        json!({ "teams": [reference("team", team, team)], "escalation_rules": [] }),
                    )
                })
                .into(),
            priorities: [("PPRIO1", "P1"), ("PPRIO2", "P2"), ("PPRIO3", "P3"), ("PPRIO4", "P4"), ("PPRIO5", "P5")]
                .map(|(id, name)| whole("priority", id, name))
                .into(),
            on_calls: vec![
                on_call("PUSER1", "PEP1", Some("schedule_reference"), 1),
                on_call("PUSER2", "PEP1", None, 2),
                on_call("PUSER1", "PEP1", Some("schedule_v3_reference"), 3),
                on_call("PUSER3", "PEP2", Some("schedule_reference"), 1),
            ],
        }
    }

    /// Opens an incident.
    pub fn open(&mut self, title: &str, service: &str, at: Time) -> String {
        let incident = self.tool.create(title);
        let fields = json!({ "service": service, "urgency": "high", "priority": "" });
        incident.fields = fields.as_object().unwrap().clone();
        let id = incident.id.clone();
        self.tool.note(&id, "trigger_log_entry", "PUSER1", "Triggered through the API");
        self.set_times(&id, at);
        id
    }

    fn set_times(&mut self, id: &str, at: Time) {
        self.tool.update(id, |incident| {
            incident.created = at;
            for note in &mut incident.timeline {
                note.created = at;
            }
        });
    }

    /// What a `trigger` does: one more report of an open alert, or an alert and its incident.
    pub fn event(&mut self, key: &str, summary: &str, severity: &str, details: &Value) {
        let alert = self.tool.raise(key, summary);
        if alert.count > 1 {
            return;
        }
        let details = if details.is_null() { json!({}) } else { details.clone() };
        let fields = json!({ "severity": severity, "details": details });
        alert.fields = fields.as_object().unwrap().clone();
        let (alert, now) = (alert.id.clone(), self.clock.now());
        let incident = self.open(summary, EVENT_SERVICE, now);
        self.tool.update(&incident, |incident| {
            incident.fields.insert("alert".to_owned(), json!(alert));
        });
    }
}

fn service((id, name, team): (&str, &str, &str)) -> Value {
    let policy = if id == "PSVC3" { "PEP2" } else { "PEP1" };
    merged(
        whole("service", id, name),
        json!({
            "description": format!("what {name} does"),
            "status": "active",
            "alert_creation": "create_alerts_and_incidents",
            "escalation_policy": reference("escalation_policy", policy, "first"),
            "teams": [reference("team", team, name_of(team))],
        }),
    )
}

fn name_of(team: &str) -> &'static str {
    TEAMS.iter().find(|(id, _)| *id == team).unwrap().1
}

pub fn on_call(user: &str, policy: &str, schedule: Option<&str>, level: u64) -> Value {
    json!({
        "user": reference("user", user, user),
        "escalation_policy": reference("escalation_policy", policy, policy),
        "schedule": schedule.map(|kind| merged(reference("schedule", "PSCHED", "Weekly"), json!({ "type": kind }))),
        "escalation_level": level,
        "start": schedule.map(|_| "2025-12-31T09:00:00-05:00"),
        "end": schedule.map(|_| "2026-01-07T09:00:00-05:00"),
    })
}

/// Something as a part of something else.
pub fn reference(kind: &str, id: &str, summary: &str) -> Value {
    json!({
        "id": id, "type": format!("{kind}_reference"), "summary": summary,
        "self": format!("https://api.pagerduty.com/{kind}s/{id}"),
        "html_url": format!("https://acme.pagerduty.com/{kind}s/{id}"),
    })
}

/// Something as it is.
pub fn whole(kind: &str, id: &str, name: &str) -> Value {
    merged(reference(kind, id, name), json!({ "type": kind, "name": name }))
}

/// The first with the members of the second.
pub fn merged(one: Value, other: Value) -> Value {
    let mut one = one;
    one.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    one
}
