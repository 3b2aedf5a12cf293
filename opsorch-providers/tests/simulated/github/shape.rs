//! Parts of GitHub's answers, with every member that its OpenAPI document demands.

use opsorch::Time;
use serde_json::{Value, json};

use super::OWNER;

/// Where the API is, in links.
pub const API: &str = "https://github.example.org/api/v3";

/// Where people go.
pub const PAGE: &str = "https://github.example.org";

pub fn time(time: Time) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub fn user(login: &str) -> Value {
    let url = format!("{API}/users/{login}");
    let below = |name: &str| format!("{url}/{name}");
    json!({
        "login": login, "id": 1, "node_id": "U_1", "avatar_url": format!("{PAGE}/{login}.png"), "gravatar_id": "",
        "url": url, "html_url": format!("{PAGE}/{login}"), "followers_url": below("followers"),
        "following_url": below("following"), "gists_url": below("gists"), "starred_url": below("starred"),
        "subscriptions_url": below("subscriptions"), "organizations_url": below("orgs"), "repos_url": below("repos"),
        "events_url": below("events"), "received_events_url": below("received_events"), "type": "User",
        "site_admin": false,
    })
}

pub fn milestone(number: u64, title: &str) -> Value {
    let url = format!("{API}/repos/{OWNER}/api/milestones/{number}");
    json!({
        "url": url, "html_url": format!("{PAGE}/{OWNER}/api/milestone/{number}"), "labels_url": format!("{url}/labels"),
        "id": number, "node_id": "M_1", "number": number, "state": "open", "title": title, "description": null,
        "creator": user("alice"), "open_issues": 1, "closed_issues": 0, "created_at": "2025-01-01T00:00:00Z",
        "updated_at": "2025-01-01T00:00:00Z", "closed_at": null, "due_on": null,
    })
}

pub fn label(name: &str) -> Value {
    json!({
        "id": 1, "node_id": "L_1", "url": format!("{API}/repos/{OWNER}/api/labels/x"), "name": name,
        "description": null, "color": "ededed", "default": false,
    })
}
