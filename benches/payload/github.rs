//! Issues of GitHub, as `GET /repos/{owner}/{repo}/issues` gives them (API version 2022-11-28).

use serde_json::{Value, json};

use super::{Text, stamp};

const API: &str = "https://api.github.com/repos/acme/shop";
const PAGE: &str = "https://github.com/acme/shop";
const LABELS: [(&str, &str); 6] = [
    ("bug", "d73a4a"),
    ("area/payments", "0e8a16"),
    ("priority/high", "b60205"),
    ("needs-triage", "fbca04"),
    ("regression", "5319e7"),
    ("good first issue", "7057ff"),
];

pub(super) fn issue(text: &mut Text, index: usize) -> Value {
    let number = 20_000 - index;
    let is_closed = text.chance(40);
    let assignees: Vec<_> = (0..text.0.below(3)).map(|_| user(text)).collect();
    let labels: Vec<_> = (0..text.0.below(4)).map(|_| label(text)).collect();
    json!({
        "url": format!("{API}/issues/{number}"),
        "repository_url": API,
        "labels_url": format!("{API}/issues/{number}/labels{{/name}}"),
        "comments_url": format!("{API}/issues/{number}/comments"),
        "events_url": format!("{API}/issues/{number}/events"),
        "html_url": format!("{PAGE}/issues/{number}"),
        "id": 2_800_000_000_u64 + text.0.below(1_000_000),
        "node_id": format!("I_kwDO{}", text.id(14)),
        "number": number,
        "title": text.title(),
        "user": user(text),
        "labels": labels,
        "state": if is_closed { "closed" } else { "open" },
        "state_reason": is_closed.then_some(*text.0.pick(&["completed", "not_planned"])),
        "locked": false,
        "assignee": assignees.first(),
        "assignees": assignees,
        "milestone": text.chance(30).then(|| milestone(text, index)),
        "comments": text.0.below(30),
        "created_at": stamp(index, 0),
        "updated_at": stamp(index, 3_600),
        "closed_at": is_closed.then(|| stamp(index, 3_600)),
        "closed_by": is_closed.then(|| user(text)),
        "author_association": *text.0.pick(&["MEMBER", "CONTRIBUTOR", "NONE"]),
        "type": null,
        "active_lock_reason": null,
        "sub_issues_summary": { "total": 0, "completed": 0, "percent_completed": 0 },
        "issue_dependencies_summary": { "blocked_by": 0, "total_blocked_by": 0, "blocking": 0, "total_blocking": 0 },
        "body": text.markdown(),
        "reactions": {
            "url": format!("{API}/issues/{number}/reactions"),
            "total_count": text.0.below(5), "+1": 0, "-1": 0, "laugh": 0, "hooray": 0, "confused": 0, "heart": 0,
            "rocket": 0, "eyes": 0
        },
        "timeline_url": format!("{API}/issues/{number}/timeline"),
        "performed_via_github_app": null,
    })
}

fn user(text: &mut Text) -> Value {
    let (login, _) = text.person();
    let url = format!("https://api.github.com/users/{login}");
    let id = 1_000 + text.0.below(90_000_000);
    json!({
        "login": login,
        "id": id,
        "node_id": format!("U_kgDO{}", text.id(8)),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{id}?v=4"),
        "gravatar_id": "",
        "url": url,
        "html_url": format!("https://github.com/{login}"),
        "followers_url": format!("{url}/followers"),
        "following_url": format!("{url}/following{{/other_user}}"),
        "gists_url": format!("{url}/gists{{/gist_id}}"),
        "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{url}/subscriptions"),
        "organizations_url": format!("{url}/orgs"),
        "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events{{/privacy}}"),
        "received_events_url": format!("{url}/received_events"),
        "type": "User",
        "user_view_type": "public",
        "site_admin": false,
    })
}

fn label(text: &mut Text) -> Value {
    let (name, color) = *text.0.pick(&LABELS);
    json!({
        "id": 6_000_000_000_u64 + text.0.below(1_000_000),
        "node_id": format!("LA_kwDO{}", text.id(16)),
        "url": format!("{API}/labels/{name}"),
        "name": name,
        "color": color,
        "default": name == "bug",
        "description": text.title(),
    })
}

fn milestone(text: &mut Text, index: usize) -> Value {
    json!({
        "url": format!("{API}/milestones/7"),
        "html_url": format!("{PAGE}/milestone/7"),
        "labels_url": format!("{API}/milestones/7/labels"),
        "id": 11_000_000,
        "node_id": "MI_kwDOAbCdEf4Ap9Xy",
        "number": 7,
        "title": "2026 Q1",
        "description": text.sentence(),
        "creator": user(text),
        "open_issues": 31,
        "closed_issues": 12,
        "state": "open",
        "created_at": stamp(index, 0),
        "updated_at": stamp(index, 60),
        "due_on": null,
        "closed_at": null,
    })
}
