//! What there is in the simulated Jira.

use std::time::Duration;

use opsorch::Clock;
use serde_json::{Value, json};

use super::issue::Issue;

/// Everybody, by account id (Cloud) and by name (Data Center).
pub const PEOPLE: [&str; 5] = ["opsorch", "alice", "bob", "twin-1", "twin-2"];

/// The statuses that there are, with their categories.
pub const STATUSES: [(&str, &str, u8); 7] = [
    ("To Do", "new", 2),
    ("Triage", "new", 2),
    ("In Progress", "indeterminate", 4),
    ("In Review", "indeterminate", 4),
    ("Waiting for customer", "indeterminate", 4),
    ("Done", "done", 3),
    ("Won't Do", "done", 3),
];

pub const COMPONENTS: [&str; 2] = ["api", "db"];

/// A person. Bob hides his e-mail address, and two have the same.
pub fn user(is_cloud: bool, name: &str) -> Value {
    let mut user = json!({ "displayName": name.to_uppercase(), "active": true });
    user[if is_cloud { "accountId" } else { "name" }] = json!(name);
    match name {
        "bob" => {}
        "twin-1" | "twin-2" => user["emailAddress"] = json!("twin@example.com"),
        name => user["emailAddress"] = json!(format!("{name}@example.com")),
    }
    user
}

pub fn status(name: &str) -> Value {
    let (_, category, id) = STATUSES.iter().find(|(known, _, _)| *known == name).unwrap();
    json!({ "name": name, "id": "10000", "statusCategory": { "id": id, "key": category, "name": "x" } })
}

/// A way of the workflow.
pub struct Way {
    pub id: &'static str,
    name: &'static str,
    pub to: &'static str,
    pub needs: Option<&'static str>,
}

const WAYS: [Way; 6] = [
    Way { id: "11", name: "Start", to: "In Progress", needs: None },
    Way { id: "21", name: "Ask for review", to: "In Review", needs: None },
    Way { id: "31", name: "Close", to: "Done", needs: None },
    Way { id: "32", name: "Close with a reason", to: "Done", needs: Some("resolution") },
    Way { id: "41", name: "Drop", to: "Won't Do", needs: Some("resolution") },
    Way { id: "51", name: "Park", to: "Waiting for customer", needs: None },
];

impl Way {
    pub fn shown(&self) -> Value {
        let mut fields = json!({});
        if let Some(needed) = self.needs {
            fields[needed] = json!({
                "key": needed, "required": true, "hasDefaultValue": false, "name": "Resolution", "operations": ["set"],
                "schema": { "type": "resolution" }, "allowedValues": [{ "name": "Done" }, { "name": "Duplicate" }],
            });
        }
        json!({ "id": self.id, "name": self.name, "to": status(self.to), "isAvailable": true, "fields": fields })
    }
}

/// The ways from a status: nothing leads out of `Won't Do`.
pub fn ways(status: &str) -> impl Iterator<Item = &'static Way> {
    WAYS.iter().filter(move |way| way.to != status && status != "Won't Do")
}

/// Some issues; two were opened at the same time.
pub fn issues(clock: &dyn Clock, is_cloud: bool) -> Vec<Issue> {
    let rows = [
        ("disk full on \"db-1\"", "Done", 500, "alice", "db"),
        ("latency above 2 s", "In Progress", 300, "alice", "api"),
        ("error rate above 5 %", "Waiting for customer", 300, "bob", "api"),
        ("certificate expires", "To Do", 60, "", ""),
        ("review the runbook", "In Review", 30, "bob", "db"),
        ("old cluster", "Won't Do", 20, "", "api"),
        ("noise at night", "Triage", 10, "alice", ""),
    ];
    let issue = |(index, (title, name, minutes, assignee, component)): (usize, (&str, &str, u64, &str, &str))| {
        let number = index as u64 + 1;
        let created = clock.now() - Duration::from_secs(60 * minutes);
        let mut issue = Issue::new(10_000 + number, format!("OPS-{number}"), created, is_cloud);
        let mut set = |name: &str, value: Value| issue.fields.insert(name.to_owned(), value);
        set("summary", json!(title));
        set("status", status(name));
        set("issuetype", json!({ "id": "10001", "name": "Task", "description": "A piece of work." }));
        if !assignee.is_empty() {
            set("assignee", user(is_cloud, assignee));
        }
        if !component.is_empty() {
            set("components", json!([{ "id": "1", "name": component }]));
            set("labels", json!([component]));
        }
        let text = "seen by a check";
        let paragraph = json!({ "type": "paragraph", "content": [{ "type": "text", "text": text }] });
        let document = json!({ "type": "doc", "version": 1, "content": [paragraph] });
        set("description", if is_cloud { document } else { json!(text) });
        issue
    };
    rows.into_iter().enumerate().map(issue).collect()
}
