//! Reading again costs nothing of the rate limit where nothing has changed.

use opsorch::{TeamQuery, TicketQuery};

use super::desk::Desk;

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let desk = Desk::open().await;
    let tickets = desk.ops.tickets(&desk.cx);
    let query = TicketQuery::new().limit(200);
    let first = tickets.query(query.clone()).await.unwrap();
    let asked = desk.wire.requests();
    assert!(asked.iter().all(|request| !request.headers.contains_key("if-none-match")));
    let second = tickets.query(query.clone()).await.unwrap();
    assert_eq!(first, second, "the next page too is known from what was kept");
    let again = desk.wire.requests();
    assert!(again.len() == 2 && again.iter().all(|request| request.headers.contains_key("if-none-match")));

    desk.wire.with(|github| github.issues[100].title = "changed".to_owned());
    let third = tickets.query(query).await.unwrap();
    assert_ne!(first, third, "what has changed is read anew");
}

#[tokio::test]
async fn another_question_has_another_answer() {
    let desk = Desk::open().await;
    let tickets = desk.ops.tickets(&desk.cx);
    tickets.query(TicketQuery::open()).await.unwrap();
    desk.wire.requests();
    tickets.query(TicketQuery::new()).await.unwrap();
    assert!(!desk.wire.requests()[0].headers.contains_key("if-none-match"));
    desk.ops.teams(&desk.cx).query(TeamQuery::new()).await.unwrap();
    assert!(!desk.wire.requests()[0].headers.contains_key("if-none-match"));
}

#[tokio::test]
async fn an_answer_that_was_kept_is_not_given_to_a_credential_that_is_refused() {
    let desk = Desk::open().await;
    let tickets = desk.ops.tickets(&desk.cx);
    tickets.get("1").await.unwrap();
    desk.wire.with(|github| github.token = "another".to_owned());
    assert_eq!(*tickets.get("1").await.unwrap_err().kind(), opsorch::ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn a_change_is_seen_by_the_next_read() {
    let desk = Desk::open().await;
    let tickets = desk.ops.tickets(&desk.cx);
    tickets.get("4").await.unwrap();
    desk.change::<opsorch::Ticket>(opsorch::UpdateTicket::new("4").title("after")).await.unwrap();
    assert_eq!(tickets.get("4").await.unwrap().title, "after");
}
