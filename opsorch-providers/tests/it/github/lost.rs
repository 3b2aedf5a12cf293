//! What becomes of a change whose answer was lost.

use opsorch::gate::Submitted;
use opsorch::{
    Action, CommentTicket, CreateTicket, Event, OutcomeStatus, RecordDeployment, Response, Submission, UpdateTicket,
};

use super::desk::{Desk, Fault, minute};
use super::simulated::github::issues::Issue;

/// Makes a change of which the answer to the last request is lost.
async fn lost(action: impl Into<Action>, end: &'static str) -> (Desk, Action) {
    let (desk, action) = (Desk::open().await, action.into());
    desk.wire.fail("POST", end, Fault::Lose);
    desk.wire.fail("PATCH", end, Fault::Lose);
    let error = submit(&desk, &action).await.unwrap_err();
    assert!(error.may_have_applied(), "{error}");
    (desk, action)
}

async fn submit(desk: &Desk, action: &Action) -> opsorch::Result<Response> {
    let submission = Submission::from(action.clone()).idempotency_key("k");
    match desk.ops.submit(&desk.cx, submission).await? {
        Submitted::Done(response) => Ok(response),
        Submitted::Pending(_) => panic!("the policy asks nobody"),
    }
}

/// What the addendum says, if GitHub knew.
async fn reconciled(desk: &Desk) -> Option<OutcomeStatus> {
    let grant = desk.ops.audit().entries(0, 1).await.unwrap()[0].grant.clone().unwrap();
    let entry = desk.ops.reconcile(&desk.cx, &grant).await.unwrap()?;
    assert_eq!(entry.event, Event::Addendum);
    Some(entry.outcome.unwrap().status)
}

#[tokio::test]
async fn an_issue_whose_answer_was_lost_is_found_by_its_mark() {
    let (desk, action) = lost(CreateTicket::new("disk full").description("on db-1"), "/issues").await;
    let count = || desk.wire.with(|github| github.issues.len());
    let before = count();
    desk.wire.sent();
    assert_eq!(reconciled(&desk).await, Some(OutcomeStatus::Applied));
    let looked = &desk.wire.sent()[0];
    let expected = "GET /repos/acme/api/issues?state=all&sort=created&direction=desc&since=2025-12-25T00%3A00%3A00Z&per_page=100&page=1";
    assert_eq!(looked, expected);
    let Response::Ticket(ticket) = submit(&desk, &action).await.unwrap() else { panic!("a ticket was asked for") };
    assert_eq!(
        (ticket.id.as_str(), ticket.title.as_str(), ticket.description.as_deref()),
        ("113", "disk full", Some("on db-1"))
    );
    assert_eq!(count(), before, "it was sent once");
}

#[tokio::test]
async fn the_same_submission_under_its_key_is_answered_with_what_the_lost_one_made() {
    let (desk, action) = lost(CreateTicket::new("disk full").description("on db-1"), "/issues").await;
    let before = desk.wire.with(|github| github.issues.len());
    let Response::Ticket(ticket) = submit(&desk, &action).await.unwrap() else { panic!("a ticket was asked for") };
    assert_eq!((ticket.id.as_str(), ticket.title.as_str()), ("113", "disk full"));
    assert_eq!(desk.wire.with(|github| github.issues.len()), before, "it was sent once");
}

#[tokio::test]
async fn a_copy_of_the_text_is_not_taken_for_the_issue() {
    let (desk, action) = lost(CreateTicket::new("disk full"), "/issues").await;
    desk.wire.with(|github| {
        let marked = github.issues.last().unwrap().body.clone();
        for (number, body) in [(200, marked.clone()), (201, marked.map(|body| format!("> {body}\n\nme too")))] {
            let mut copy = Issue::new("api", number, "a copy", minute(1));
            copy.body = body;
            github.issues.push(copy);
        }
    });
    assert_eq!(reconciled(&desk).await, Some(OutcomeStatus::Applied));
    let Response::Ticket(ticket) = submit(&desk, &action).await.unwrap() else { panic!("a ticket was asked for") };
    assert_eq!(ticket.id.as_str(), "113");
}

#[tokio::test]
async fn an_issue_that_is_not_found_may_still_come() {
    let (desk, action) = lost(CreateTicket::new("disk full"), "/issues").await;
    desk.wire.with(|github| {
        let mut issue = github.issues.pop().unwrap();
        issue.body = issue.body.map(|body| body.replace(" -->", "0 -->"));
        github.issues.push(issue);
    });
    assert_eq!(reconciled(&desk).await, None);
    assert!(submit(&desk, &action).await.unwrap_err().may_have_applied());
}

#[tokio::test]
async fn a_comment_is_found_by_its_mark() {
    let (desk, action) = lost(CommentTicket::new("4", "on it"), "/comments").await;
    assert_eq!(reconciled(&desk).await, Some(OutcomeStatus::Applied));
    let Response::Comment(comment) = submit(&desk, &action).await.unwrap() else { panic!("a comment was asked for") };
    assert_eq!((comment.ticket_id.as_str(), comment.body.as_str()), ("4", "on it"));
    assert_eq!(desk.wire.with(|github| github.comments.len()), 1);
}

#[tokio::test]
async fn a_deployment_is_found_when_both_halves_are_there() {
    let record = || RecordDeployment::new("api", "production", "v9", "success");
    let (desk, action) = lost(record(), "/statuses").await;
    assert_eq!(reconciled(&desk).await, Some(OutcomeStatus::Applied));
    assert!(
        matches!(submit(&desk, &action).await.unwrap(), Response::Deployment(it) if it.version.as_deref() == Some("v9"))
    );

    let (desk, _) = lost(record(), "/deployments").await;
    assert_eq!(reconciled(&desk).await, None, "of a deployment of which nothing was said half was made");
}

#[tokio::test]
async fn an_update_leaves_no_mark() {
    let (desk, _) = lost(UpdateTicket::new("4").title("x"), "/issues/4").await;
    assert_eq!(reconciled(&desk).await, None);
}
