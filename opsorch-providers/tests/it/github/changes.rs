//! Issues that are opened, changed and commented on.

use opsorch::{Comment, CommentTicket, CreateTicket, ErrorKind, Ticket, UpdateTicket};
use serde_json::{Value, json};

use super::desk::{Desk, Fault, answer, bare, minute};
use super::simulated::github::issues::Issue;
use super::{assert_invalid, assert_kind, assert_unsupported};

/// The body of the last request, and the request without it.
fn last(desk: &Desk) -> (String, Value) {
    let sent = desk.wire.sent().pop().unwrap();
    let (head, body) = sent.split_once(" {").unwrap();
    (head.to_owned(), serde_json::from_str(&format!("{{{body}")).unwrap())
}

/// A text without the mark at its end.
fn unmarked(body: &mut Value) -> bool {
    let text = body["body"].as_str().unwrap().to_owned();
    let (before, mark) = text.rsplit_once("<!-- opsorch:").unwrap();
    body["body"] = json!(before.trim_end());
    mark.ends_with(" -->") && mark.len() > 20
}

#[tokio::test]
async fn a_ticket_is_opened_with_everything_that_was_asked_for() {
    let desk = Desk::with(|_| ()).await;
    let input = CreateTicket::new("disk full")
        .description("on db-1")
        .field("labels", json!(["bug", "ops"]))
        .field("assignees", json!(["carol"]))
        .field("milestone", "v2.0")
        .field("type", "Bug");
    let ticket: Ticket = desk.change(input).await.unwrap();
    let (head, mut body) = last(&desk);
    assert_eq!(head, "POST /repos/acme/api/issues");
    assert!(unmarked(&mut body));
    let expected = json!({
        "title": "disk full", "body": "on db-1", "assignees": ["carol"], "labels": ["bug", "ops"], "milestone": 2,
        "type": "Bug",
    });
    assert_eq!(body, expected);
    assert_eq!((ticket.id.as_str(), ticket.description.as_deref()), ("1", Some("on db-1")), "the mark is not shown");
    assert_eq!(ticket, desk.ops.tickets(&desk.cx).get(&ticket.id).await.unwrap());
}

#[tokio::test]
async fn what_github_drops_without_a_word_is_told() {
    let desk = Desk::with(|github| github.can_push = false).await;
    for (field, value) in
        [("labels", json!(["bug"])), ("assignees", json!(["carol"])), ("milestone", json!(1)), ("type", json!("Bug"))]
    {
        let error = desk.change::<Ticket>(CreateTicket::new("x").field(field, value)).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Forbidden, "{error}");
        assert!(error.may_have_applied(), "the issue is there");
        assert!(error.to_string().contains("was opened, but GitHub did not take its"), "{error}");
        assert!(error.to_string().contains(field), "{error}");
    }
    assert_eq!(desk.wire.with(|github| github.issues.len()), 4);
    desk.wire.with(|github| github.can_push = true);
    let unknown = desk.change::<Ticket>(UpdateTicket::new("1").assignees(["nobody4711"])).await;
    assert_kind(unknown, ErrorKind::Forbidden, "was changed, but GitHub did not take its assignees over");
}

#[tokio::test]
async fn an_update_changes_what_is_given_and_can_make_empty() {
    let desk = Desk::with(|github| {
        let mut issue = Issue::new("api", 7, "before", minute(-5));
        issue.body = Some("text\r\n\r\n<!-- opsorch:key-1 -->".to_owned());
        (issue.assignees, issue.labels) = (vec!["carol".into()], vec!["bug".into()]);
        issue.milestone = Some(1);
        github.issues.push(issue);
    })
    .await;
    let cases = [
        (UpdateTicket::new("7").title("after"), json!({ "title": "after" })),
        (UpdateTicket::new("7").description(""), json!({ "body": "<!-- opsorch:key-1 -->" })),
        (UpdateTicket::new("7").description("new"), json!({ "body": "new\n\n<!-- opsorch:key-1 -->" })),
        (UpdateTicket::new("7").assignees::<String>([]), json!({ "assignees": [] })),
        (UpdateTicket::new("7").assignees(["bob", "alice"]), json!({ "assignees": ["bob", "alice"] })),
        (UpdateTicket::new("7").field("labels", json!([])), json!({ "labels": [] })),
        (UpdateTicket::new("7").field("milestone", Value::Null), json!({ "milestone": null })),
        (UpdateTicket::new("7").status("done"), json!({ "state": "closed", "state_reason": "completed" })),
        (UpdateTicket::new("7").status("reopened"), json!({ "state": "open" })),
        (UpdateTicket::new("7").status("wontfix"), json!({ "state": "closed", "state_reason": "not_planned" })),
        (UpdateTicket::new("7").status("todo"), json!({ "state": "open" })),
        (UpdateTicket::new("7").status("duplicate"), json!({ "state": "closed", "state_reason": "duplicate" })),
    ];
    for (update, expected) in cases {
        let ticket: Ticket = desk.change(update.clone()).await.unwrap();
        assert_eq!(last(&desk), ("PATCH /repos/acme/api/issues/7".to_owned(), expected), "{update:?}");
        assert_eq!(ticket, desk.ops.tickets(&desk.cx).get(&ticket.id).await.unwrap());
    }
    let ticket = desk.ops.tickets(&desk.cx).get("7").await.unwrap();
    assert_eq!((ticket.title.as_str(), ticket.description.as_deref()), ("after", Some("new")));
    assert_eq!((ticket.status.as_str(), ticket.status_raw.as_deref()), ("cancelled", Some("duplicate")));
    assert_eq!((ticket.assignees.len(), ticket.fields.contains_key("labels")), (2, false));
}

#[tokio::test]
async fn a_state_that_stays_is_not_set_and_a_reason_that_cannot_be_set_is_told() {
    let desk = Desk::with(|github| {
        github.issues.push(Issue::new("api", 1, "open", minute(-2)));
        github.issues.push(Issue::new("api", 2, "closed", minute(-1)).closed(Some("completed")));
    })
    .await;
    desk.change::<Ticket>(UpdateTicket::new("1").status("todo")).await.unwrap();
    assert_eq!(last(&desk).1, json!({}));
    let result = desk.change::<Ticket>(UpdateTicket::new("2").status("cancelled")).await;
    assert!(result.as_ref().unwrap_err().may_have_applied());
    assert_kind(result, ErrorKind::Conflict, "acme/api#2 did not change its state");
}

#[tokio::test]
async fn what_has_no_place_is_refused_before_anything_is_sent() {
    let desk = Desk::open().await;
    desk.wire.sent();
    let create = |field: &str, value: Value| desk.change::<Ticket>(CreateTicket::new("x").field(field, value));
    assert_unsupported(create("priority", json!("High")).await, "assignees, labels, milestone, type");
    assert_invalid(create("labels", json!("bug")).await, "fields.labels");
    assert_invalid(create("assignees", json!([1])).await, "fields.assignees");
    assert_invalid(create("milestone", json!(-1)).await, "fields.milestone");
    assert_invalid(create("type", json!(1)).await, "fields.type");
    for title in ["", "  ", "a\nb", " a", &"x".repeat(257)] {
        assert_invalid(desk.change::<Ticket>(CreateTicket::new(title)).await, "title");
    }
    let long = CreateTicket::new("x").description("x".repeat(65_536));
    assert_invalid(desk.change::<Ticket>(long).await, "description");
    assert_unsupported(desk.change::<Ticket>(UpdateTicket::new("1").status("in_progress")).await, "open or closed");
    assert_unsupported(desk.change::<Ticket>(UpdateTicket::new("1").field("assignees", json!([]))).await, "fields");
    assert_unsupported(desk.change::<Ticket>(UpdateTicket::new("1").metadata("a", "b")).await, "metadata.a");
    assert_invalid(desk.change::<Comment>(CommentTicket::new("1", " ")).await, "body");
    assert!(desk.wire.sent().is_empty());
    assert_kind(
        create("milestone", json!("v9")).await,
        ErrorKind::Invalid { field: "fields.milestone".into() },
        "`v1.0`, `v2.0`",
    );
}

#[tokio::test]
async fn a_pull_request_is_neither_changed_nor_commented_on() {
    let desk = Desk::open().await;
    for result in [
        desk.change::<Ticket>(UpdateTicket::new("9").title("x")).await.err(),
        desk.change::<Comment>(CommentTicket::new("9", "x")).await.err(),
        desk.change::<Comment>(CommentTicket::new("4711", "x")).await.err(),
    ] {
        let error = result.unwrap();
        assert!(*error.kind() == ErrorKind::NotFound && !error.may_have_applied(), "{error}");
    }
    assert!(desk.wire.sent().iter().all(|sent| sent.starts_with("GET ")));
}

#[tokio::test]
async fn a_comment_is_added_with_a_mark_that_nobody_sees() {
    let desk = Desk::open().await;
    let comment: Comment = desk.change(CommentTicket::new("4", "on it\n")).await.unwrap();
    let (head, mut body) = last(&desk);
    assert_eq!(head, "POST /repos/acme/api/issues/4/comments");
    assert!(unmarked(&mut body) && body == json!({ "body": "on it" }));
    assert_eq!(
        (comment.id.as_str(), comment.ticket_id.as_str(), comment.body.as_str()),
        ("7000000000", "4", "on it\n")
    );
    assert_eq!(comment.author.as_deref(), Some("opsorch-bot"));
    assert!(comment.url.unwrap().as_str().ends_with("/acme/api/issues/4#issuecomment-7000000000"));
}

#[tokio::test]
async fn of_several_repositories_none_is_guessed() {
    let desk = Desk::configured(bare().repository("acme/api").repository("acme/web"), |_| ()).await;
    let kind = ErrorKind::Invalid { field: "metadata.repository".into() };
    for input in [CreateTicket::new("x"), CreateTicket::new("x").metadata("repository", "acme/secret")] {
        assert_kind(desk.change::<Ticket>(input).await, kind.clone(), "`acme/api`, `acme/web`");
    }
    assert!(desk.wire.sent().is_empty());
    let ticket: Ticket = desk.change(CreateTicket::new("x").metadata("repository", "acme/web")).await.unwrap();
    assert_eq!((ticket.id.as_str(), &ticket.metadata["repository"]), ("acme/web#1", &json!("acme/web")));
}

#[tokio::test]
async fn issues_that_are_switched_off_and_fields_that_are_wrong_are_explained() {
    let desk = Desk::open().await;
    let create = || desk.change::<Ticket>(CreateTicket::new("x"));
    let gone = answer(410, &[], json!({ "message": "Issues has been disabled in this repository." }));
    desk.wire.fail("POST", "/issues", Fault::Answer(gone));
    assert_kind(create().await, ErrorKind::NotFound, "Issues has been disabled");
    let errors = json!([
        { "resource": "Issue", "field": "title", "code": "missing_field" },
        { "resource": "Issue", "field": "labels", "code": "invalid", "message": "it may say anything" },
        "or be a text",
    ]);
    let wrong = answer(422, &[], json!({ "message": "Validation Failed", "errors": errors }));
    desk.wire.fail("POST", "/issues", Fault::Answer(wrong));
    assert_kind(
        create().await,
        ErrorKind::Invalid { field: "title".into() },
        "problems: title missing_field, labels invalid",
    );
    desk.wire.fail("POST", "/issues", Fault::Answer(answer(451, &[], json!({ "message": "DMCA" }))));
    assert_kind(create().await, ErrorKind::Forbidden, "legal reasons");
}

#[tokio::test]
async fn a_renamed_repository_is_followed_with_method_and_body_and_to_nobody_else() {
    let desk = Desk::open().await;
    let to = |status, url: &'static str| Fault::Answer(answer(status, &[("location", url)], json!({})));
    desk.wire.fail("POST", "/acme/api/issues", to(307, "https://github.example.org/api/v3/repos/acme/web/issues"));
    desk.change::<Ticket>(CreateTicket::new("x")).await.unwrap();
    let sent = desk.wire.sent();
    assert!(sent[1].starts_with("POST /repos/acme/web/issues {") && sent[0].replace("api", "web") == sent[1]);
    desk.wire.fail("GET", "/issues/1", to(301, "https://github.example.org/api/v3/repos/acme/api/issues/2"));
    assert_kind(desk.ops.tickets(&desk.cx).get("1").await, ErrorKind::NotFound, "moved");

    for status in [301, 307] {
        desk.wire.fail("POST", "/issues", to(status, "https://evil.example/api/v3/repos/acme/api/issues"));
        desk.wire.sent();
        assert_kind(desk.change::<Ticket>(CreateTicket::new("x")).await, ErrorKind::Unexpected, "redirect");
        assert_eq!(desk.wire.sent().len(), 1);
    }
}
