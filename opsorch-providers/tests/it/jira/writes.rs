//! What is written, and what becomes of it.

use opsorch::transport::{Method, Reply, ReqwestTransport, StatusCode};
use opsorch::{CommentTicket, CreateTicket, ErrorKind, Event, OutcomeStatus, TicketStatusLevel, UpdateTicket};
use opsorch_providers::jira::Deployment;
use serde_json::{Value, json};

use super::assert_invalid;
use super::desk::{Desk, LosesAnswers, failure};

#[tokio::test]
async fn a_ticket_is_opened_in_the_project_and_read_again() {
    let desk = Desk::cloud().await;
    let input = CreateTicket::new("disk full")
        .description("on **db-1**")
        .field("priority", "High")
        .field("labels", json!(["disk", "db"]))
        .field("components", json!(["db"]))
        .field("assignee", "alice@example.com")
        .field("dueDate", "2026-01-31")
        .field("customfield_10010", json!({ "value": "Core" }))
        .field("links", json!([{ "type": "Blocks", "to": "OPS-1" }, { "type": "Relates", "from": "OPS-2" }]));
    let ticket = desk.create(input).await.unwrap();
    assert_eq!(desk.vendor.calls(), ["GET search", "POST issue", "GET 10008"]);
    let mut body = desk.vendor.last_body("POST");
    let key = body["properties"][0]["value"].take();
    assert!(key.as_str().is_some_and(|key| key.len() > 8), "{key}");
    assert_eq!(
        body,
        json!({
            "fields": {
                "project": { "key": "OPS" },
                "issuetype": { "name": "Task" },
                "summary": "disk full",
                "description": { "type": "doc", "version": 1, "content": [{ "type": "paragraph", "content": [
                    { "type": "text", "text": "on " },
                    { "type": "text", "text": "db-1", "marks": [{ "type": "strong" }] },
                ] }] },
                "priority": { "name": "High" },
                "labels": ["disk", "db"],
                "components": [{ "name": "db" }],
                "assignee": { "accountId": "alice" },
                "duedate": "2026-01-31",
                "customfield_10010": { "value": "Core" },
            },
            "update": { "issuelinks": [
                { "add": { "type": { "name": "Blocks" }, "outwardIssue": { "key": "OPS-1" } } },
                { "add": { "type": { "name": "Relates" }, "inwardIssue": { "key": "OPS-2" } } },
            ] },
            "properties": [{ "key": "opsorch.change", "value": null }],
        })
    );
    assert_eq!((ticket.key.as_deref(), ticket.description.as_deref()), (Some("OPS-8"), Some("on **db-1**")));
    assert_eq!((&ticket.fields["priority"], &ticket.fields["dueDate"]), (&json!("High"), &json!("2026-01-31")));
    let links = json!([{ "type": "Blocks", "to": "OPS-1" }, { "type": "Relates", "from": "OPS-2" }]);
    assert_eq!((&ticket.fields["links"], ticket.assignees), (&links, vec!["alice".to_owned()]));
    assert_eq!(desk.outcome().await, OutcomeStatus::Applied);
}

#[tokio::test]
async fn data_center_gets_texts_and_names() {
    let desk = Desk::data_center().await;
    let input = CreateTicket::new("disk full").description("on *db-1*\n").field("assignee", "alice");
    let ticket = desk.create(input).await.unwrap();
    let fields = &desk.vendor.last_body("POST")["fields"];
    assert_eq!((&fields["description"], &fields["assignee"]), (&json!("on *db-1*\n"), &json!({ "name": "alice" })));
    assert_eq!(ticket.description.as_deref(), Some("on *db-1*\n"));
}

#[tokio::test]
async fn a_field_that_jira_wants_is_named() {
    let prepare = |jira: &mut super::simulated::jira::Jira| jira.required = Some("customfield_10010");
    let desk = Desk::over(Deployment::Cloud, prepare, |config| config, ReqwestTransport::new().unwrap()).await;
    let error = assert_invalid(desk.create(CreateTicket::new("x")).await, "fields.customfield_10010");
    assert!(error.contains("Team is required."), "{error}");
    assert_eq!(desk.outcome().await, OutcomeStatus::NotApplied);
}

#[tokio::test]
async fn what_the_configuration_says_cannot_be_overridden() {
    let desk = Desk::cloud().await;
    for name in ["project", "summary", "description", "status", "assignees"] {
        let input = CreateTicket::new("x").field(name, json!({ "key": "HR" }));
        assert_invalid(desk.create(input).await, &format!("fields.{name}"));
    }
    let error = desk.create(CreateTicket::new("x").metadata("a", "b")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
    assert_invalid(desk.update(UpdateTicket::new("OPS-1").field("assignee", "bob")).await, "fields.assignee");
    assert!(desk.vendor.requests().is_empty());
}

#[tokio::test]
async fn what_jira_would_refuse_or_change_is_refused_here() {
    let desk = Desk::cloud().await;
    let long = "x".repeat(256);
    for title in ["", " \t", "two\nlines", &long] {
        assert_invalid(desk.create(CreateTicket::new(title)).await, "title");
        assert_invalid(desk.update(UpdateTicket::new("OPS-1").title(title)).await, "title");
    }
    let input = CreateTicket::new("x").description("x".repeat(32_768));
    assert_invalid(desk.create(input).await, "description");
    for (name, value) in [
        ("labels", json!(["with blank"])),
        ("labels", json!([1])),
        ("labels", json!("a")),
        ("components", json!([1])),
        ("links", json!([{ "type": "Blocks" }])),
        ("links", json!([{ "url": "https://example.org", "more": 1 }])),
        ("assignee", json!(" ")),
    ] {
        assert_invalid(desk.create(CreateTicket::new("x").field(name, value)).await, &format!("fields.{name}"));
    }
    assert_invalid(desk.comment(CommentTicket::new("OPS-1", " ")).await, "body");
    assert!(desk.vendor.requests().is_empty());
}

#[tokio::test]
async fn what_is_not_given_stays_and_what_is_empty_is_emptied() {
    for desk in Desk::both().await {
        let ticket = desk.update(UpdateTicket::new("OPS-1").title("changed")).await.unwrap();
        assert_eq!(desk.vendor.last_body("PUT"), json!({ "fields": { "summary": "changed" } }));
        assert_eq!((ticket.description.as_deref(), ticket.assignees.len()), (Some("seen by a check"), 1));
        let ticket = desk.update(UpdateTicket::new("OPS-1").description("").assignees::<String>([])).await.unwrap();
        assert_eq!(desk.vendor.last_body("PUT"), json!({ "fields": { "description": null, "assignee": null } }));
        assert_eq!((ticket.description, ticket.assignees), (None, vec![]));
    }
}

#[tokio::test]
async fn an_update_of_nothing_changes_nothing() {
    let desk = Desk::cloud().await;
    desk.update(UpdateTicket::new("OPS-1")).await.unwrap();
    assert_eq!(desk.vendor.calls(), ["GET OPS-1"]);
}

#[tokio::test]
async fn one_person_works_on_a_ticket() {
    for desk in Desk::both().await {
        let to = |people: &[&str]| UpdateTicket::new("OPS-4").assignees(people.iter().copied());
        assert_eq!(desk.update(to(&["bob"])).await.unwrap().assignees, ["bob"]);
        assert_eq!(desk.update(to(&["ALICE@example.com"])).await.unwrap().assignees, ["alice"]);
        assert_invalid(desk.update(to(&["alice", "bob"])).await, "assignees");
        assert_invalid(desk.update(to(&["bob@example.com"])).await, "assignees");
        let error = assert_invalid(desk.update(to(&["twin@example.com"])).await, "assignees");
        assert!(error.contains("twin-1, twin-2"), "{error}");
        assert_invalid(desk.update(to(&["nobody"])).await, "assignees");
    }
}

#[tokio::test]
async fn a_link_to_a_page_is_made_once() {
    let desk = Desk::cloud().await;
    let link = json!([{ "url": "https://example.org/incidents/7", "title": "INC-7" }]);
    for _ in 0..2 {
        desk.update(UpdateTicket::new("OPS-1").field("links", link.clone())).await.unwrap();
    }
    let links = desk.vendor.with(|jira| jira.remote_links.clone());
    assert_eq!(links.len(), 1, "the second request names the same link: {links:?}");
    assert_eq!(links[0].1["object"], json!({ "url": "https://example.org/incidents/7", "title": "INC-7" }));
    assert_eq!(desk.vendor.calls()[..2], ["POST remotelink", "GET OPS-1"]);
}

#[tokio::test]
async fn a_ticket_whose_link_fails_is_told_of() {
    let desk = Desk::cloud().await;
    desk.vendor.fail(Method::POST, "/remotelink", failure(403, &["no"], json!({})));
    let input = CreateTicket::new("x").field("links", json!([{ "url": "https://example.org" }]));
    let error = desk.create(input).await.unwrap_err();
    assert!(error.may_have_applied() && error.to_string().contains("the ticket OPS-8 was opened"), "{error}");
}

#[tokio::test]
async fn a_ticket_that_was_opened_and_cannot_be_read_is_told_of() {
    let desk = Desk::cloud().await;
    desk.vendor.fail(Method::GET, "/10008", Reply::new(StatusCode::FORBIDDEN));
    let ticket = desk.create(CreateTicket::new("x")).await.unwrap();
    assert_eq!((ticket.key.as_deref(), ticket.status.level()), (Some("OPS-8"), TicketStatusLevel::Unknown));
    assert_eq!(desk.vendor.calls()[0], "POST issue");
}

#[tokio::test]
async fn a_comment_is_written_in_the_form_of_the_deployment() {
    for desk in Desk::both().await {
        let comment = desk.comment(CommentTicket::new("OPS-1", "see **this**")).await.unwrap();
        let body = &desk.vendor.last_body("POST")["body"];
        let is_cloud = desk.vendor.with(|jira| jira.is_cloud);
        assert_eq!(body.is_object(), is_cloud);
        assert_eq!((comment.body.as_str(), comment.author.as_deref()), ("see **this**", Some("opsorch")));
        assert_eq!(comment.ticket_id.as_str(), "OPS-1");
        assert!(comment.created_at.is_some());
        assert!(comment.url.unwrap().as_str().ends_with("/browse/OPS-1?focusedCommentId=1"));
        let by_number = desk.comment(CommentTicket::new("10001", "x")).await.unwrap();
        assert_eq!(by_number.url, None, "no page is known by the number");
    }
}

#[tokio::test]
async fn a_comment_may_be_internal() {
    let desk = Desk::cloud().await;
    desk.comment(CommentTicket::new("OPS-1", "psst").metadata("internal", true)).await.unwrap();
    let properties = desk.vendor.last_body("POST")["properties"].clone();
    assert_eq!(properties[1], json!({ "key": "sd.public.comment", "value": { "internal": true } }));
    assert_invalid(
        desk.comment(CommentTicket::new("OPS-1", "x").metadata("internal", "yes")).await,
        "metadata.internal",
    );
}

/// A change whose answer is lost, and what the addendum says once Jira was asked.
async fn reconciled(desk: &Desk) -> Option<OutcomeStatus> {
    let grant = desk.ops.audit().entries(0, 1).await.unwrap()[0].grant.clone().unwrap();
    let entry = desk.ops.reconcile(&desk.cx, &grant).await.unwrap()?;
    assert_eq!(entry.event, Event::Addendum);
    Some(entry.outcome.unwrap().status)
}

async fn losing(deployment: Deployment) -> Desk {
    Desk::over(deployment, |_| {}, |config| config, LosesAnswers(ReqwestTransport::new().unwrap())).await
}

#[tokio::test]
async fn a_ticket_whose_answer_was_lost_is_found_by_its_key() {
    for deployment in [Deployment::Cloud, Deployment::DataCenter] {
        let desk = losing(deployment).await;
        desk.vendor.with(|jira| jira.issues[6].fields.insert("summary".to_owned(), json!("x")));
        assert!(desk.create_once(CreateTicket::new("x")).await.unwrap_err().may_have_applied());
        desk.vendor.with(|jira| jira.page = 100);
        assert_eq!(reconciled(&desk).await, Some(OutcomeStatus::Applied));
        assert_eq!(desk.create_once(CreateTicket::new("x")).await.unwrap().key.as_deref(), Some("OPS-8"));
        let created = desk.vendor.calls().into_iter().filter(|call| call == "POST issue").count();
        assert_eq!(created, 1);
    }
}

#[tokio::test]
async fn a_ticket_that_is_not_found_may_still_come() {
    let desk = losing(Deployment::Cloud).await;
    desk.create_once(CreateTicket::new("x")).await.unwrap_err();
    let of_another = |jira: &mut super::simulated::jira::Jira| {
        jira.issues.last_mut().unwrap().properties.insert("opsorch.change".to_owned(), json!("another"));
    };
    desk.vendor.with(of_another);
    assert_eq!(reconciled(&desk).await, None);
    assert!(desk.create_once(CreateTicket::new("x")).await.unwrap_err().may_have_applied());
}

#[tokio::test]
async fn a_comment_whose_answer_was_lost_is_found_by_its_key() {
    for deployment in [Deployment::Cloud, Deployment::DataCenter] {
        let desk = losing(deployment).await;
        desk.comment_once(CommentTicket::new("OPS-1", "x")).await.unwrap_err();
        assert_eq!(reconciled(&desk).await, Some(OutcomeStatus::Applied));
        let comment = desk.comment_once(CommentTicket::new("OPS-1", "x")).await.unwrap();
        assert_eq!((comment.id.as_str(), comment.body.as_str()), ("1", "x"));
    }
}

#[tokio::test]
async fn an_update_leaves_no_mark_so_that_nobody_knows() {
    let desk = losing(Deployment::Cloud).await;
    let input = UpdateTicket::new("OPS-4").status("done");
    let result: Result<Value, _> = desk.update(input).await.map(|ticket| json!(ticket));
    assert!(result.unwrap_err().may_have_applied());
    assert_eq!(reconciled(&desk).await, None);
}
