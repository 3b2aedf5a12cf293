//! Trackers: Jira with tokens and transitions, GitHub with links.

use std::time::Duration;

use opsorch::ManualClock;
use opsorch::transport::{HeaderMap, HeaderName, HeaderValue, Method, Reply, Request, StatusCode};
use opsorch_testkit::double::{
    Issue, Served, Tracker, Transition, body, by_cursor, by_number, json as answer, parameter, path,
};
use serde_json::{Value, json};

use super::{Vendor, read};

fn jira(tracker: &mut Tracker, request: &Request) -> Reply {
    let (path, body) = (path(request), body(request));
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (request.method.as_str(), path.as_slice()) {
        ("POST", ["issue"]) => {
            let issue = tracker.create(body["fields"]["summary"].as_str().unwrap());
            answer(StatusCode::CREATED, &json!({ "id": issue.id, "key": issue.key }))
        }
        ("POST", ["search", "jql"]) => {
            let jql = body["jql"].as_str().unwrap();
            let status = jql.strip_prefix("status = ").unwrap();
            let issues = tracker.issues().filter(|issue| issue.status == status);
            match by_cursor(issues, jql, body["nextPageToken"].as_str(), 2) {
                Ok(part) => {
                    let issues: Vec<Value> = part.items.into_iter().map(issue_of_jira).collect();
                    let mut page = json!({ "issues": issues, "isLast": part.next.is_none() });
                    if let Some(next) = part.next {
                        page["nextPageToken"] = next.into();
                    }
                    answer(StatusCode::OK, &page)
                }
                Err(error) => answer(StatusCode::BAD_REQUEST, &json!({ "errorMessages": [error.to_string()] })),
            }
        }
        ("PUT", ["issue", id]) => {
            let summary = body["fields"]["summary"].as_str().unwrap().to_owned();
            changed(tracker.update(id, |issue| issue.title = summary).is_some(), StatusCode::NOT_FOUND)
        }
        ("POST", ["issue", id, "transitions"]) => {
            changed(tracker.apply(id, body["transition"]["id"].as_str().unwrap()).is_some(), StatusCode::BAD_REQUEST)
        }
        ("POST", ["issue", id, "comment"]) => match tracker.comment(id, "ada", body["body"].as_str().unwrap()) {
            Some(comment) => answer(StatusCode::CREATED, &json!({ "id": comment.id })),
            None => Reply::new(StatusCode::NOT_FOUND),
        },
        ("GET", ["issue", id]) => match tracker.issue(id) {
            Some(issue) => answer(StatusCode::OK, &issue_of_jira(issue)),
            None => Reply::new(StatusCode::NOT_FOUND),
        },
        ("GET", ["issue", id, "transitions"]) => {
            let issue = tracker.issue(id).unwrap();
            let ways = tracker.transitions(issue).map(|way| json!({ "id": way.id, "to": { "name": way.to } }));
            answer(StatusCode::OK, &json!({ "transitions": ways.collect::<Vec<_>>() }))
        }
        _ => Reply::new(StatusCode::METHOD_NOT_ALLOWED),
    }
}

fn issue_of_jira(issue: &Issue) -> Value {
    json!({ "id": issue.id, "key": issue.key, "fields": {
        "summary": issue.title, "status": { "name": issue.status }, "updated": issue.updated,
        "comment": { "total": issue.comments.len() } } })
}

fn changed(done: bool, or: StatusCode) -> Reply {
    Reply::new(if done { StatusCode::NO_CONTENT } else { or })
}

async fn a_jira() -> (ManualClock, Vendor) {
    let clock = ManualClock::default();
    let tracker = Tracker::new(clock.clone())
        .transition(Transition::new("11", "Start", "Doing").from("To Do"))
        .transition(Transition::new("31", "Close", "Done"));
    (clock, Vendor::of(Served::new(tracker, jira)).await)
}

fn named(summary: &str) -> Value {
    json!({ "fields": { "summary": summary } })
}

#[tokio::test]
async fn an_issue_is_created_read_changed_and_commented() {
    let (clock, jira) = a_jira().await;
    let made = read(&jira.post("issue", &named("disk full")).await, StatusCode::CREATED);
    assert_eq!(made, json!({ "id": "10001", "key": "OPS-1" }), "no more than the ids");
    clock.advance(Duration::from_secs(60));
    assert_eq!(jira.send(Method::PUT, "issue/10001", &named("disk is full")).await.status, StatusCode::NO_CONTENT);
    let comment = jira.post("issue/OPS-1/comment", &json!({ "body": "on it" })).await;
    assert_eq!(read(&comment, StatusCode::CREATED)["id"], "1");
    let fields = &read(&jira.get("issue/OPS-1", &[]).await, StatusCode::OK)["fields"];
    assert_eq!((&fields["summary"], &fields["comment"]["total"]), (&json!("disk is full"), &json!(1)));
    assert_eq!(fields["updated"], "2026-01-01T00:01:00Z");

    assert_eq!(jira.get("issue/OPS-2", &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(jira.send(Method::PUT, "issue/OPS-2", &named("x")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(jira.post("issue/OPS-2/comment", &json!({ "body": "x" })).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_status_changes_by_the_ways_that_lead_from_it() {
    let (_, jira) = a_jira().await;
    jira.post("issue", &named("disk full")).await;
    let ways = read(&jira.get("issue/OPS-1/transitions", &[]).await, StatusCode::OK);
    assert_eq!(ways["transitions"].as_array().unwrap().len(), 2);
    let go = |id: &str| json!({ "transition": { "id": id } });
    assert_eq!(jira.post("issue/OPS-1/transitions", &go("31")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(jira.post("issue/OPS-1/transitions", &go("11")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(jira.post("issue/OPS-1/transitions", &go("31")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(read(&jira.get("issue/OPS-1", &[]).await, StatusCode::OK)["fields"]["status"]["name"], "Done");
}

#[tokio::test]
async fn a_search_goes_on_with_its_token_and_only_with_its_own() {
    let (_, jira) = a_jira().await;
    for number in 1..=5 {
        jira.post("issue", &named(&format!("issue {number}"))).await;
    }
    jira.post("issue/OPS-2/transitions", &json!({ "transition": { "id": "31" } })).await;
    let (mut keys, mut ask) = (Vec::new(), json!({ "jql": "status = To Do" }));
    loop {
        let page = read(&jira.post("search/jql", &ask).await, StatusCode::OK);
        let issues = page["issues"].as_array().unwrap().iter();
        keys.extend(issues.map(|issue| issue["key"].as_str().unwrap().to_owned()));
        assert_eq!(page["isLast"], page.get("nextPageToken").is_none());
        let Some(token) = page.get("nextPageToken") else { break };
        ask["nextPageToken"] = token.clone();
    }
    assert_eq!(keys, ["OPS-1", "OPS-3", "OPS-4", "OPS-5"]);
    let other = json!({ "jql": "status = Done", "nextPageToken": ask["nextPageToken"] });
    assert_eq!(jira.post("search/jql", &other).await.status, StatusCode::BAD_REQUEST);
}

/// Lists of GitHub: the next page is in the header `Link`.
fn github(tracker: &mut Tracker, request: &Request) -> Reply {
    let number = |name: &str, or: usize| parameter(request, name).and_then(|text| text.parse().ok()).unwrap_or(or);
    let part = by_number(tracker.issues().rev(), number("page", 1), number("per_page", 30).min(100));
    let numbers: Vec<Value> = part.items.iter().map(|issue| json!({ "number": issue.key })).collect();
    let mut reply = answer(StatusCode::OK, &numbers);
    if let Some(next) = part.next {
        let link = HeaderValue::from_str(&format!("<{}?page={next}>; rel=\"next\"", request.url.path())).unwrap();
        reply.headers.extend(HeaderMap::from_iter([(HeaderName::from_static("link"), link)]));
    }
    reply
}

#[tokio::test]
async fn a_list_goes_on_in_the_header_link() {
    let mut tracker = Tracker::new(ManualClock::default()).prefix("").first_status("open");
    for number in 1..=3 {
        tracker.create(format!("issue {number}"));
    }
    let double = Served::new(tracker, github);
    let state = double.state();
    let github = Vendor::of(double).await;
    let first = github.get("issues", &[("per_page", "2")]).await;
    assert_eq!(read(&first, StatusCode::OK), json!([{ "number": "3" }, { "number": "2" }]));
    assert_eq!(first.header("link"), Some("</issues?page=2>; rel=\"next\""));
    let last = github.get("issues", &[("per_page", "2"), ("page", "2")]).await;
    assert_eq!((read(&last, StatusCode::OK), last.header("link")), (json!([{ "number": "1" }]), None));

    // The state is the test's to change and to look at.
    state.with(|tracker| tracker.create("issue 4").title.clear());
    assert_eq!(read(&github.get("issues", &[("per_page", "1")]).await, StatusCode::OK), json!([{ "number": "4" }]));
}

#[test]
fn an_idempotency_key_makes_one_issue() {
    let mut tracker = Tracker::new(ManualClock::default());
    let first = tracker.create_once("key", "disk full").id.clone();
    tracker.create("another");
    assert_eq!(tracker.create_once("key", "again").id, first);
    assert_ne!(tracker.create_once("other key", "disk full").id, first);
    assert_eq!(tracker.issues().count(), 3);
}
