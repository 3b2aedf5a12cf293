use opsorch::capability::TicketReader;
use opsorch::{
    CommentTicket, CreateTicket, ErrorKind, Message, Ticket, TicketQuery, TicketStatusLevel, UpdateMessage,
    UpdateTicket,
};

use crate::{Lab, assert_kind, done, made};

#[tokio::test]
async fn what_is_created_is_read_updated_and_commented_on() {
    let lab = Lab::new().await;
    let tickets = lab.ops.tickets(&lab.cx);
    let created = made(tickets.create(CreateTicket::new("disk full").field("service", "db")).await);
    assert_eq!((created.id.as_str(), created.status.level()), ("tkt-1", TicketStatusLevel::Todo));
    let update = UpdateTicket::new("tkt-1").title("disk is full").assignees(["alice"]);
    let updated = made(tickets.update(update).await);
    assert_eq!(done(TicketReader::get(&lab.memory, &lab.cx, &"tkt-1".into()).await), {
        let mut read = updated;
        read.provider = None;
        read
    });
    let cleared = made(tickets.update(UpdateTicket::new("tkt-1").assignees::<String>([])).await);
    assert!(cleared.assignees.is_empty());
    assert_eq!(cleared.title, "disk is full");

    let comment = made(tickets.comment(CommentTicket::new("tkt-1", "cleaned up")).await);
    assert_eq!(lab.memory.comments(&"tkt-1".into())[0].body, comment.body);
    assert_kind(tickets.comment(CommentTicket::new("tkt-9", "x")).await, ErrorKind::NotFound);
    assert_kind(tickets.update(UpdateTicket::new("tkt-9")).await, ErrorKind::NotFound);
    assert_kind(tickets.get("tkt-9").await, ErrorKind::NotFound);
}

#[tokio::test]
async fn each_filter_narrows_the_result() {
    let lab = Lab::new().await;
    lab.memory
        .seed_ticket(Ticket::new("a", "disk", "wip").key("OPS-1").assignee("alice").assignee("bob").reporter("eve"));
    lab.memory.seed_ticket(Ticket::new("b", "net", "done").field("service", "dns").reporter("bob"));
    let all = TicketQuery::new;
    let cases = [
        (all(), "ba"),
        (all().query("ops-1"), "a"),
        (TicketQuery::open(), "a"),
        (all().assignee("bob").assignee("carol"), "a"),
        (all().reporter("bob"), "b"),
        (all().service("dns"), "b"),
        (all().since(opsorch::Time::UNIX_EPOCH), ""),
    ];
    for (query, expected) in cases {
        let page = done(TicketReader::query(&lab.memory, &lab.cx, &query).await);
        assert_eq!(page.items.iter().map(|ticket| ticket.id.as_str()).collect::<String>(), expected, "{query:?}");
    }
}

#[tokio::test]
async fn messages_go_to_channels_that_exist_and_can_be_replaced() {
    let lab = Lab::new().await;
    lab.memory.seed_channel("#ops");
    lab.memory.seed_channel("#other");
    let messages = lab.ops.messages(&lab.cx);
    let sent = made(messages.send(Message::new("#ops", "disk full")).await);
    made(messages.send(Message::new("#ops", "cleaned up").thread_ref(sent.id.as_str())).await);
    made(messages.update(UpdateMessage::new(&sent.id, "#ops", "disk was full")).await);
    let now = lab.memory.messages();
    assert_eq!((&now[0].0, now[0].1.body.as_str()), (&sent.id, "disk was full"));
    assert_eq!(now[1].1.thread_ref.as_deref(), Some("msg-1"));

    assert_kind(messages.send(Message::new("#opps", "x")).await, ErrorKind::NotFound);
    assert_kind(messages.send(Message::new("#ops", "x").thread_ref("msg-9")).await, ErrorKind::NotFound);
    assert_kind(messages.update(UpdateMessage::new("msg-9", "#ops", "x")).await, ErrorKind::NotFound);
    assert_kind(messages.update(UpdateMessage::new(&sent.id, "#other", "x")).await, ErrorKind::NotFound);
    assert_eq!(lab.memory.messages(), now);
}
