//! Tickets and their comments.

use std::time::Duration;

use opsorch::{CommentTicket, CreateTicket, ErrorKind, TicketQuery, TicketStatusLevel, UpdateTicket};

use super::{Desk, assert_invalid, assert_unsupported, done, folder, time};

#[tokio::test]
async fn a_ticket_is_opened_changed_and_commented_on() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let tickets = desk.ops.tickets(&desk.cx);
    let ticket = done(tickets.create(CreateTicket::new("disk full").field("priority", "High")).await.unwrap());
    assert_eq!((ticket.id.as_str(), ticket.key.as_deref()), ("TCK-1", Some("TCK-1")));
    assert_eq!(ticket.status.level(), TicketStatusLevel::Todo);
    assert_eq!(ticket.reporter.as_deref(), Some("triage@local"));

    desk.clock.advance(Duration::from_secs(60));
    let update = UpdateTicket::new("TCK-1").status("doing").assignees(["bob"]);
    let changed = done(tickets.update(update).await.unwrap());
    let mut expected = ticket.clone();
    (expected.status, expected.assignees) = ("doing".into(), vec!["bob".into()]);
    expected.updated_at = Some(time("2026-01-01T00:01:00Z"));
    assert_eq!(changed, expected);

    let comment = done(tickets.comment(CommentTicket::new("TCK-1", "done?")).await.unwrap());
    assert_eq!((comment.id.as_str(), comment.ticket_id.as_str()), ("TCK-1-1", "TCK-1"));
    assert_eq!((comment.body.as_str(), comment.author.as_deref()), ("done?", Some("triage@local")));
}

#[tokio::test]
async fn an_unknown_id_is_not_found_and_named() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let tickets = desk.ops.tickets(&desk.cx);
    let errors = [
        tickets.get("TCK-1").await.err(),
        tickets.update(UpdateTicket::new("TCK-1").title("x")).await.err(),
        tickets.comment(CommentTicket::new("TCK-1", "x")).await.err(),
    ];
    for error in errors {
        let error = error.unwrap();
        assert_eq!(*error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("`TCK-1`"), "{error}");
    }
}

#[tokio::test]
async fn blank_texts_and_words_are_refused() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let tickets = desk.ops.tickets(&desk.cx);
    assert_invalid(tickets.create(CreateTicket::new("")).await, "title");
    assert_invalid(tickets.update(UpdateTicket::new("TCK-1").status("")).await, "status");
    assert_invalid(tickets.comment(CommentTicket::new("TCK-1", " ")).await, "body");
}

#[tokio::test]
async fn every_filter_is_honoured_or_refused() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let tickets = desk.ops.tickets(&desk.cx);
    for title in ["one", "two", "three"] {
        done(tickets.create(CreateTicket::new(title).description("Disk")).await.unwrap());
        desk.clock.advance(Duration::from_secs(60));
    }
    done(tickets.update(UpdateTicket::new("TCK-1").assignees(["bob", "carol"]).status("closed")).await.unwrap());
    let find = async |query: TicketQuery| {
        let page = desk.ops.tickets(&desk.cx).query(query).await.unwrap();
        page.items.into_iter().map(|ticket| ticket.title).collect::<Vec<_>>()
    };
    let all = TicketQuery::new;
    assert_eq!(find(all().query("dISK")).await, ["three", "two", "one"]);
    assert_eq!(find(TicketQuery::open()).await, ["three", "two"]);
    assert_eq!(find(all().status("done")).await, ["one"]);
    assert_eq!(find(all().assignee("dave").assignee("carol")).await, ["one"]);
    assert_eq!(find(all().assignee("car")).await, [""; 0]);
    assert_eq!(find(all().reporter("triage@local").until(time("2026-01-01T00:02:00Z"))).await, ["two", "one"]);
    assert_eq!(find(all().reporter("alice@local")).await, [""; 0]);
    assert_unsupported(tickets.query(all().service("db")).await, "scope.service");
    assert_unsupported(tickets.query(all().team("sre")).await, "scope.team");
    assert_unsupported(tickets.query(all().environment("test")).await, "scope.environment");
    assert_unsupported(tickets.query(all().metadata("x", 1)).await, "metadata");
}
