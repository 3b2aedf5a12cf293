//! Issues of Jira Cloud, as `POST /rest/api/3/search/jql` gives them with the fields that the provider asks for.

use serde_json::{Value, json};

use super::{Text, moment};

const SITE: &str = "https://acme.atlassian.net";

pub(super) fn page(issues: Vec<Value>, number: usize, is_last: bool) -> Value {
    let mut page = json!({ "issues": issues, "isLast": is_last });
    if !is_last {
        page["nextPageToken"] = json!((number + 1).to_string());
    }
    page
}

pub(super) fn issue(text: &mut Text, index: usize) -> Value {
    let (id, key) = (90_000 - index, format!("OPS-{}", 30_000 - index));
    let is_done = text.chance(30);
    let labels: Vec<_> = (0..text.0.below(4)).map(|_| *text.0.pick(&["incident", "payments", "p1", "toil"])).collect();
    let components: Vec<_> = (0..text.0.below(3)).map(|_| component(text)).collect();
    let links: Vec<_> = (0..text.0.below(2)).map(|_| link(text)).collect();
    json!({
        "expand": "renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations",
        "id": id.to_string(),
        "self": format!("{SITE}/rest/api/3/issue/{id}"),
        "key": key,
        "fields": {
            "summary": text.title(),
            "description": document(text),
            "status": status(text, is_done),
            "assignee": text.chance(70).then(|| user(text)),
            "reporter": user(text),
            "created": time(index, 0),
            "updated": time(index, 3_600),
            "priority": {
                "self": format!("{SITE}/rest/api/3/priority/2"),
                "iconUrl": format!("{SITE}/images/icons/priorities/high_new.svg"),
                "name": *text.0.pick(&["Highest", "High", "Medium", "Low"]),
                "id": "2"
            },
            "issuetype": {
                "self": format!("{SITE}/rest/api/3/issuetype/10004"),
                "id": "10004",
                "description": "A problem which impairs or prevents the functions of the product.",
                "iconUrl": format!("{SITE}/rest/api/2/universal_avatar/view/type/issuetype/avatar/10303?size=medium"),
                "name": "Bug",
                "subtask": false,
                "avatarId": 10303,
                "entityId": "9d7f6f7b-1c3a-4f0e-8a55-0c6a0b1d2e3f",
                "hierarchyLevel": 0
            },
            "labels": labels,
            "components": components,
            "resolution": is_done.then(|| json!({
                "self": format!("{SITE}/rest/api/3/resolution/10000"),
                "id": "10000",
                "description": "Work has been completed on this issue.",
                "name": "Done"
            })),
            "duedate": text.chance(20).then_some("2026-02-01"),
            "parent": text.chance(40).then(|| other(text)),
            "issuelinks": links,
        },
    })
}

/// A document: paragraphs with marks, a list, code, a mention and a link.
fn document(text: &mut Text) -> Value {
    let mut content: Vec<_> = (0..1 + text.0.below(3)).map(|_| marked(text)).collect();
    let items: Vec<_> = (0..2 + text.0.below(3))
        .map(|_| json!({ "type": "listItem", "content": [{ "type": "paragraph", "content": [paragraph(text)] }] }))
        .collect();
    content.push(json!({ "type": "bulletList", "content": items }));
    let code = [json!({ "type": "text", "text": text.trace() })];
    content.push(json!({ "type": "codeBlock", "attrs": { "language": "text" }, "content": code }));
    content.push(json!({ "type": "paragraph", "content": [paragraph(text)] }));
    json!({ "type": "doc", "version": 1, "content": content })
}

fn marked(text: &mut Text) -> Value {
    let (_, name) = text.person();
    json!({
        "type": "paragraph",
        "content": [
            { "type": "text", "text": format!("{} ", text.paragraph()) },
            { "type": "text", "text": text.title(), "marks": [{ "type": "strong" }] },
            { "type": "text", "text": " see " },
            {
                "type": "text",
                "text": "the dashboard",
                "marks": [{ "type": "link", "attrs": { "href": format!("https://grafana.example.org/d/{}", text.id(9)) } }]
            },
            { "type": "text", "text": ", " },
            {
                "type": "mention",
                "attrs": { "id": account(text), "text": format!("@{name}"), "accessLevel": "" }
            },
            { "type": "text", "text": format!(" {}", text.paragraph()) }
        ]
    })
}

fn paragraph(text: &mut Text) -> Value {
    json!({ "type": "text", "text": text.paragraph() })
}

fn status(text: &mut Text, is_done: bool) -> Value {
    let (name, key, id) = match is_done {
        true => ("Done", "done", 3),
        false => *text.0.pick(&[("To Do", "new", 2), ("In Progress", "indeterminate", 4)]),
    };
    json!({
        "self": format!("{SITE}/rest/api/3/status/1000{id}"),
        "description": "",
        "iconUrl": format!("{SITE}/images/icons/statuses/generic.png"),
        "name": name,
        "id": format!("1000{id}"),
        "statusCategory": {
            "self": format!("{SITE}/rest/api/3/statuscategory/{id}"),
            "id": id,
            "key": key,
            "colorName": "blue-gray",
            "name": name
        }
    })
}

fn user(text: &mut Text) -> Value {
    let (login, name) = text.person();
    let account = account(text);
    let avatar = |size: u32| format!("https://avatar-management.services.atlassian.com/{account}/{size}");
    json!({
        "self": format!("{SITE}/rest/api/3/user?accountId={account}"),
        "accountId": account,
        "emailAddress": format!("{login}@example.org"),
        "avatarUrls": { "48x48": avatar(48), "24x24": avatar(24), "16x16": avatar(16), "32x32": avatar(32) },
        "displayName": name,
        "active": true,
        "timeZone": "Europe/Berlin",
        "accountType": "atlassian"
    })
}

fn account(text: &mut Text) -> String {
    format!("557058:{:016x}-{:016x}", text.0.number(), text.0.number())
}

fn component(text: &mut Text) -> Value {
    let name = *text.0.pick(&["checkout", "payments", "search"]);
    json!({ "self": format!("{SITE}/rest/api/3/component/10010"), "id": "10010", "name": name, "description": text.title() })
}

fn link(text: &mut Text) -> Value {
    json!({
        "id": text.0.below(100_000).to_string(),
        "self": format!("{SITE}/rest/api/3/issueLink/10001"),
        "type": {
            "id": "10000",
            "name": "Blocks",
            "inward": "is blocked by",
            "outward": "blocks",
            "self": format!("{SITE}/rest/api/3/issueLinkType/10000")
        },
        "outwardIssue": other(text)
    })
}

/// Another issue, in short.
fn other(text: &mut Text) -> Value {
    let number = 1_000 + text.0.below(9_000);
    json!({
        "id": number.to_string(),
        "key": format!("OPS-{number}"),
        "self": format!("{SITE}/rest/api/3/issue/{number}"),
        "fields": { "summary": text.title(), "status": status(text, false), "priority": { "name": "High", "id": "2" } }
    })
}

/// As Jira writes it: with milliseconds, and an offset without a colon.
fn time(index: usize, seconds: i64) -> String {
    moment(index, seconds).format("%Y-%m-%dT%H:%M:%S.000+0000").to_string()
}
