use std::time::Duration;

use opsorch::capability::TicketReader;
use opsorch::gate::Decision;
use opsorch::layer::{Call, Layer, Next};
use opsorch::{
    Action, Context, CreateTicket, ErrorKind, ManualClock, Operation, OpsOrch, Page, Provider, Response, Result,
    Submission, Target, Ticket, TicketQuery, async_trait,
};
use opsorch_testkit::{Fault, MemoryProvider};
use tokio::time::{Instant, timeout};

use crate::{Lab, cx, done, failed, made};

const CREATE: Operation = Operation::TicketCreate;
const QUERY: Operation = Operation::TicketQuery;

async fn query(memory: &MemoryProvider) -> Result<Page<Ticket>> {
    TicketReader::query(memory, &cx(), &TicketQuery::new()).await
}

async fn count(lab: &Lab) -> usize {
    done(query(&lab.memory).await).items.len()
}

#[tokio::test]
async fn an_error_is_answered_once_and_makes_nothing() {
    let lab = Lab::new().await;
    lab.memory.faults().next(CREATE, Fault::Error(ErrorKind::Forbidden));
    let tickets = lab.ops.tickets(&lab.cx);
    let error = failed(tickets.create(CreateTicket::new("x")).await);
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::Forbidden, false));
    assert_eq!(count(&lab).await, 0);
    made(tickets.create(CreateTicket::new("x")).await);
    assert_eq!(count(&lab).await, 1);
}

#[tokio::test]
async fn a_lost_reply_may_have_applied_and_did() {
    let lab = Lab::new().await;
    lab.memory.faults().next(CREATE, Fault::LostReply);
    let error = failed(lab.ops.tickets(&lab.cx).create(CreateTicket::new("x")).await);
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::Unavailable, true));
    assert_eq!(count(&lab).await, 1);
}

#[tokio::test]
async fn what_was_not_sent_did_not_apply_and_is_no_request() {
    let lab = Lab::new().await;
    lab.memory.faults().next(CREATE, Fault::NotSent);
    let error = failed(lab.ops.tickets(&lab.cx).create(CreateTicket::new("x")).await);
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::Unavailable, false));
    assert_eq!(lab.memory.calls(CREATE), 1);
    assert!(lab.memory.requests().is_empty());
    assert_eq!(count(&lab).await, 0);
}

#[tokio::test]
async fn a_panic_is_contained_by_the_gate_and_leaves_the_world_usable() {
    let lab = Lab::new().await;
    lab.memory.faults().next(CREATE, Fault::Panic);
    let error = failed(lab.ops.tickets(&lab.cx).create(CreateTicket::new("x")).await);
    assert!(error.may_have_applied());
    assert_eq!(count(&lab).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_delay_waits_on_the_clock_of_the_runtime_and_a_hang_forever() {
    let memory = MemoryProvider::new(ManualClock::default());
    memory.faults().next(QUERY, Fault::Delay(Duration::from_secs(90)));
    memory.faults().next(QUERY, Fault::Hang);
    let start = Instant::now();
    done(query(&memory).await);
    assert_eq!(start.elapsed(), Duration::from_secs(90));
    assert!(timeout(Duration::from_secs(3600), query(&memory)).await.is_err());
    done(query(&memory).await);
}

#[tokio::test]
async fn a_partial_page_says_that_it_was_cut() {
    let memory = MemoryProvider::seeded(1, ManualClock::default());
    memory.faults().next(QUERY, Fault::PartialPage(2));
    let page = done(query(&memory).await);
    assert_eq!(page.items.len(), 2);
    assert!(page.truncated.is_some());
    assert!(done(query(&memory).await).is_complete());
}

#[test]
#[should_panic(expected = "ticket.get answers no page")]
fn a_page_fault_for_something_without_pages_is_a_mistake_of_the_test() {
    MemoryProvider::new(ManualClock::default()).faults().next(Operation::TicketGet, Fault::PartialPage(1));
}

#[tokio::test]
async fn faults_wait_in_order_and_only_for_their_operation() {
    let memory = MemoryProvider::new(ManualClock::default());
    let faults = memory.clone();
    faults.faults().next(QUERY, Fault::Error(ErrorKind::Timeout));
    faults.faults().next(QUERY, Fault::Error(ErrorKind::Forbidden));
    assert!(
        TicketReader::get(&memory, &cx(), &"x".into()).await.is_err_and(|error| *error.kind() == ErrorKind::NotFound)
    );
    assert_eq!(failed(query(&memory).await).kind(), &ErrorKind::Timeout);
    assert_eq!(failed(query(&memory).await).kind(), &ErrorKind::Forbidden);
    done(query(&memory).await);
    assert_eq!((memory.calls(QUERY), memory.calls(Operation::TicketGet), memory.calls(CREATE)), (3, 1, 0));
}

#[tokio::test]
async fn a_change_is_recorded_with_its_key_and_a_read_without() {
    let lab = Lab::new().await;
    let submission = Submission::from(CreateTicket::new("x")).idempotency_key("once");
    made(lab.ops.submit(&lab.cx, submission).await);
    count(&lab).await;
    let requests = lab.memory.requests();
    assert_eq!((requests[0].operation, requests[0].idempotency_key.is_some()), (CREATE, true));
    assert_eq!((requests[1].operation, requests[1].idempotency_key.is_some()), (QUERY, false));
}

/// Tries again at once, whatever happened.
#[derive(Debug)]
struct Again;

#[async_trait]
impl Layer for Again {
    async fn call(&self, _: Call<'_>, next: Next<'_>) -> Result<Response> {
        match next.run().await {
            Ok(response) => Ok(response),
            Err(_) => next.run().await,
        }
    }
}

/// Creates a ticket through a layer that repeats it after the reply was lost.
async fn create_twice(provider: Provider) -> Result<Ticket> {
    let allow = |_: &Context, _: &Target, _: &Action| Decision::allow("test");
    let ops = OpsOrch::builder().provider(provider).policy(allow).layer(Again).build().await?;
    Ok(made(Ok(ops.tickets(&cx()).create(CreateTicket::new("x")).await?)))
}

#[tokio::test]
async fn the_same_key_again_answers_the_same_and_has_no_second_effect() {
    let memory = MemoryProvider::new(ManualClock::default());
    memory.faults().next(CREATE, Fault::LostReply);
    assert_eq!(done(create_twice(memory.provider("memory")).await).id.as_str(), "tkt-1");
    let requests = memory.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0], requests[1]);
    assert_eq!(done(query(&memory).await).items.len(), 1);
}

#[tokio::test]
async fn a_vendor_that_does_not_honour_keys_sees_one_request() {
    let memory = MemoryProvider::new(ManualClock::default());
    memory.faults().next(CREATE, Fault::LostReply);
    assert!(failed(create_twice(memory.provider("memory").idempotent_by_key([])).await).may_have_applied());
    assert_eq!(memory.requests().len(), 1);
}
