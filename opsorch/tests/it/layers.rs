//! The layers: their order, and what each of ours does with time, errors and traces.

mod breaker;
#[cfg(feature = "cache")]
mod cache;
mod concurrency;
mod fault;
mod metrics;
mod observed;
mod retry;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use opsorch::layer::{Call, Layer, Next, RetryLayer, TimeoutLayer, TraceLayer};
use opsorch::*;
use opsorch_testkit::Fault;
use tokio::time::Instant;

use crate::support::{World, agent, allow};
use crate::traces::Traces;

const READ: Operation = Operation::TicketQuery;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn busy(retry_after: Option<Duration>) -> Fault {
    Fault::Error(ErrorKind::RateLimited { retry_after })
}

async fn world_with(layer: impl Layer) -> World {
    World::with(allow, |builder| builder.layer(layer)).await
}

async fn read(world: &World, cx: &Context) -> Result<Page<Ticket>> {
    world.ops.tickets(cx).query(TicketQuery::new()).await
}

fn cx() -> Context {
    Context::new(agent())
}

/// What was added to an error under this name.
fn context<'a>(error: &'a Error, name: &str) -> Option<&'a str> {
    error.context().find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Writes down when it is entered and left.
#[derive(Clone, Debug)]
struct Steps(&'static str, Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Layer for Steps {
    async fn call(&self, call: Call<'_>, next: Next<'_>) -> Result<Response> {
        let note = |step| self.1.lock().unwrap().push(format!("{step} {} for {}", self.0, call.operation()));
        note("into");
        let result = next.run().await;
        note("out of");
        result
    }
}

#[tokio::test]
async fn the_order_on_the_page_is_the_order_at_run_time() {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let step = |name| Steps(name, Arc::clone(&steps));
    let world = World::with(allow, |builder| builder.layer(step("first")).layer(step("second"))).await;
    read(&world, &cx()).await.unwrap();
    let expected = |operation: &str| {
        ["into first", "into second", "out of second", "out of first"].map(|step| format!("{step} for {operation}"))
    };
    assert_eq!(std::mem::take(&mut *steps.lock().unwrap()), expected("ticket.query"));

    let _ = world.ops.tickets(&cx()).create(CreateTicket::new("disk full")).await.unwrap();
    assert_eq!(*steps.lock().unwrap(), expected("ticket.create"));
}

#[tokio::test]
async fn a_layer_sees_the_call_and_whose_it_is() {
    #[derive(Debug)]
    struct Sees(Arc<Mutex<Vec<String>>>);
    #[async_trait]
    impl Layer for Sees {
        async fn call(&self, call: Call<'_>, next: Next<'_>) -> Result<Response> {
            let input = match (call.query(), call.action()) {
                (Some(query), None) => serde_json::to_string(query),
                (None, Some(action)) => serde_json::to_string(action),
                both => panic!("it is either: {both:?}"),
            };
            let (effect, provider, cx) = (call.effect(), call.provider(), call.context());
            self.0.lock().unwrap().push(format!("{effect} {provider} {} {}", cx.id(), input.unwrap()));
            next.run().await
        }
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let world = world_with(Sees(Arc::clone(&seen))).await;
    let cx = cx().request_id("r-1");
    world.vendor.seed_ticket(Ticket::new("T-1", "disk full", "todo"));
    world.ops.tickets(&cx).get("T-1").await.unwrap();
    let _ = world.ops.tickets(&cx).comment(CommentTicket::new("T-1", "ordered")).await.unwrap();
    let expected = [
        r#"read tracker r-1 {"operation":"ticket.get","input":"T-1"}"#,
        r#"write tracker r-1 {"operation":"ticket.comment","input":{"id":"T-1","body":"ordered"}}"#,
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// Inside a retry: when each attempt began.
#[derive(Clone, Debug, Default)]
struct Stamps(Arc<Mutex<Vec<Instant>>>);

#[async_trait]
impl Layer for Stamps {
    async fn call(&self, _: Call<'_>, next: Next<'_>) -> Result<Response> {
        self.0.lock().unwrap().push(Instant::now());
        next.run().await
    }
}

impl Stamps {
    /// How long it was from each attempt to the next.
    fn waits(&self) -> Vec<Duration> {
        self.0.lock().unwrap().windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

/// The waits of a retry whose vendor never recovers.
async fn waits(retry: RetryLayer, attempts: usize) -> Vec<Duration> {
    let stamps = Stamps::default();
    let world = World::with(allow, |builder| builder.layer(retry).layer(stamps.clone())).await;
    for _ in 0..attempts {
        world.vendor.faults().next(READ, Fault::Error(ErrorKind::Unavailable));
    }
    let error = read(&world, &cx()).await.unwrap_err();
    assert_eq!(context(&error, "attempts"), Some(attempts.to_string().as_str()), "{error}");
    assert_eq!(world.vendor.calls(READ), attempts as u64);
    stamps.waits()
}

#[tokio::test(start_paused = true)]
async fn it_waits_as_long_as_the_vendor_asks_for() {
    let world = world_with(RetryLayer::default()).await;
    world.vendor.faults().next(READ, busy(Some(seconds(7))));
    world.vendor.faults().next(READ, busy(Some(Duration::ZERO)));
    let started = Instant::now();
    assert!(read(&world, &cx()).await.is_ok());
    // The runtime's timers count whole milliseconds.
    assert!(started.elapsed() >= seconds(7) && started.elapsed() <= seconds(7) + millis(1), "{:?}", started.elapsed());
    assert_eq!(world.vendor.calls(READ), 3);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_says_how_long_the_wait_doubles_with_a_random_part() {
    let mut first = Vec::new();
    for _ in 0..20 {
        let waits = waits(RetryLayer::new(5), 5).await;
        for (wait, longest) in waits.iter().zip([200, 400, 800, 1600]) {
            assert!(*wait >= millis(longest / 2) && *wait <= millis(longest + 1), "{wait:?} of {longest} ms");
        }
        assert_eq!(waits.len(), 4);
        first.push(waits[0]);
    }
    first.dedup();
    assert!(first.len() > 1, "callers who failed together come back together: {first:?}");
}

#[tokio::test(start_paused = true)]
async fn no_wait_is_longer_than_the_longest() {
    let longest = millis(300);
    let waits = waits(RetryLayer::new(8).longest_wait(longest), 8).await;
    assert!(waits.iter().all(|wait| *wait <= longest + millis(1)), "{waits:?}");
    assert!(waits.iter().skip(1).all(|wait| *wait >= longest / 2), "{waits:?}");
}

/// The error of a vendor that asks to wait, and that nothing was waited for.
async fn gives_up_at_once(retry: RetryLayer, asked: Option<Duration>, cx: &Context) -> Error {
    let world = world_with(retry).await;
    world.vendor.faults().next(READ, busy(asked));
    let started = Instant::now();
    let error = read(&world, cx).await.unwrap_err();
    assert_eq!((started.elapsed(), world.vendor.calls(READ)), (Duration::ZERO, 1), "{error}");
    error
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_rather_than_wait_beyond_the_deadline_or_its_own_longest_wait() {
    let asked = Some(seconds(5));
    let kind = ErrorKind::RateLimited { retry_after: asked };
    for remaining in [seconds(4), seconds(5)] {
        let error = gives_up_at_once(RetryLayer::default(), asked, &cx().timeout(remaining)).await;
        assert_eq!(*error.kind(), kind, "the vendor's word reaches the caller");
    }
    let error = gives_up_at_once(RetryLayer::default(), None, &cx().timeout(millis(50))).await;
    assert_eq!(*error.kind(), ErrorKind::RateLimited { retry_after: None });
    gives_up_at_once(RetryLayer::default().longest_wait(millis(4999)), asked, &cx()).await;
    gives_up_at_once(RetryLayer::default(), Some(Duration::MAX), &cx()).await;
    gives_up_at_once(RetryLayer::new(1), Some(Duration::ZERO), &cx()).await;
    gives_up_at_once(RetryLayer::new(0), Some(Duration::ZERO), &cx()).await;

    // The other side of each edge.
    let world = world_with(RetryLayer::default().longest_wait(seconds(5))).await;
    world.vendor.faults().next(READ, busy(asked));
    assert!(read(&world, &cx().timeout(millis(5001))).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_by_itself_is_not_tried_again() {
    let kinds = [
        ErrorKind::Invalid { field: "query".into() },
        ErrorKind::Unauthenticated,
        ErrorKind::Forbidden,
        ErrorKind::Denied,
        ErrorKind::NotFound,
        ErrorKind::Conflict,
        ErrorKind::Unsupported,
        ErrorKind::Unexpected,
    ];
    for kind in kinds {
        let world = world_with(RetryLayer::new(5)).await;
        world.vendor.faults().next(READ, Fault::Error(kind.clone()));
        let error = read(&world, &cx()).await.unwrap_err();
        assert_eq!((error.kind(), world.vendor.calls(READ)), (&kind, 1));
        assert_eq!(context(&error, "attempts"), None, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_whose_answer_was_lost_is_tried_again() {
    let world = world_with(RetryLayer::new(2)).await;
    world.vendor.faults().next(READ, Fault::LostReply);
    assert!(read(&world, &cx()).await.is_ok());
    assert_eq!(world.vendor.calls(READ), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_limit_or_at_the_deadline() {
    for (limit, remaining, expected) in
        [(seconds(3), None, 3000), (seconds(3), Some(seconds(9)), 3000), (seconds(3), Some(millis(200)), 200)]
    {
        let world = world_with(TimeoutLayer::new(limit)).await;
        world.vendor.faults().next(READ, Fault::Hang);
        let cx = remaining.map_or_else(cx, |remaining| cx().timeout(remaining));
        let started = Instant::now();
        let error = read(&world, &cx).await.unwrap_err();
        assert_eq!(started.elapsed(), millis(expected));
        let expected = format!("timeout: no answer within {expected} ms (operation: ticket.query, provider: tracker)");
        assert_eq!(error.to_string(), expected);
        assert!(error.is_retryable());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_inside_of_a_timeout_sees_the_deadline_and_gives_up_in_time() {
    let world =
        World::with(allow, |builder| builder.layer(TimeoutLayer::new(seconds(3))).layer(RetryLayer::new(2))).await;
    for (asked, tries, kind) in
        [(seconds(2), 2, None), (seconds(5), 1, Some(ErrorKind::RateLimited { retry_after: Some(seconds(5)) }))]
    {
        let before = world.vendor.calls(READ);
        world.vendor.faults().next(READ, busy(Some(asked)));
        let started = Instant::now();
        let error = read(&world, &cx().timeout(seconds(60))).await.err();
        assert_eq!(error.map(|error| error.kind().clone()), kind, "the vendor's word, and no timeout");
        assert_eq!(world.vendor.calls(READ) - before, tries);
        assert!(started.elapsed() < seconds(3));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_in_time_is_left_alone() {
    let world = world_with(TimeoutLayer::new(seconds(3))).await;
    world.vendor.faults().next(READ, Fault::Delay(millis(2999)));
    assert!(read(&world, &cx()).await.is_ok());
    world.vendor.faults().next(READ, Fault::Error(ErrorKind::Forbidden));
    assert_eq!(*read(&world, &cx()).await.unwrap_err().kind(), ErrorKind::Forbidden);
}

#[tokio::test(start_paused = true)]
async fn after_the_deadline_nothing_is_sent() {
    let world = world_with(TimeoutLayer::default()).await;
    let cx = cx().timeout(seconds(1));
    tokio::time::advance(seconds(1)).await;
    let error = read(&world, &cx).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::Timeout, false));
    assert_eq!(world.vendor.calls(READ), 0);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_inside_a_retry_counts_for_each_attempt_and_one_outside_for_all() {
    let (timeout, retry) = (TimeoutLayer::new(seconds(1)), RetryLayer::new(3));
    let each = World::with(allow, |builder| builder.layer(retry.clone()).layer(timeout)).await;
    let all = World::with(allow, |builder| builder.layer(timeout).layer(retry)).await;
    for (world, calls) in [(each, 3), (all, 1)] {
        (0..3).for_each(|_| world.vendor.faults().next(READ, Fault::Hang));
        assert_eq!(*read(&world, &cx()).await.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(world.vendor.calls(READ), calls);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_word_calls_are_traced_limited_to_half_a_minute_and_tried_three_times() {
    let traces = Traces::default();
    let guard = traces.collect();
    let world = World::new(allow).await;
    world.vendor.faults().next(READ, Fault::Hang);
    let started = Instant::now();
    assert_eq!(*read(&world, &cx()).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(started.elapsed(), seconds(30));

    (0..3).for_each(|_| world.vendor.faults().next(READ, Fault::Error(ErrorKind::Unavailable)));
    let error = read(&world, &cx()).await.unwrap_err();
    assert_eq!(context(&error, "attempts"), Some("3"));
    drop(guard);
    assert!(traces.text().contains("operation=\"ticket.query\""), "{}", traces.text());

    let bare = World::with(allow, |builder| builder.without_layers()).await;
    bare.vendor.faults().next(READ, Fault::Error(ErrorKind::Unavailable));
    assert_eq!(context(&read(&bare, &cx()).await.unwrap_err(), "attempts"), None);
}

const CANARY: &str = "canary-2b6e-in-the-description";

#[tokio::test(start_paused = true)]
async fn a_trace_says_who_did_what_where_and_how_it_ended_but_not_with_which_words() {
    let traces = Traces::default();
    let guard = traces.collect();
    let layers =
        |builder: Builder| builder.layer(TraceLayer).layer(TimeoutLayer::default()).layer(RetryLayer::default());
    let world = World::with(allow, layers).await;
    let cx = cx().request_id("request-7").trace_id("trace-9");
    let tickets = world.ops.tickets(&cx);
    let ticket = CreateTicket::new(CANARY).description(CANARY).field("token", CANARY).metadata("token", CANARY);
    let Submitted::Done(created) = tickets.create(ticket.clone()).await.unwrap() else { panic!("it waits") };
    for fault in [Fault::NotSent, Fault::LostReply] {
        world.vendor.faults().next(Operation::TicketCreate, fault);
    }
    assert!(tickets.create(ticket).await.unwrap_err().may_have_applied());
    tickets.get(created.id).await.unwrap();
    tickets.query(TicketQuery::new().query(CANARY)).await.unwrap();
    let error = tickets.get(TicketId::new(CANARY)).await.unwrap_err();
    assert!(error.to_string().contains(CANARY), "the canary was there to be traced: {error}");
    world.ops.idle().await;
    drop(guard);

    let text = traces.text();
    assert!(!text.contains("canary"), "{text}");
    let closed = |parts: &[&str]| {
        let ends = text.lines().filter(|line| line.contains("call{") && line.contains("close"));
        ends.filter(|line| parts.iter().all(|part| line.contains(part))).count()
    };
    let who = ["provider=\"tracker\"", "actor=agent triage@local", "request_id=\"request-7\"", "trace_id=\"trace-9\""];
    assert_eq!(closed(&who), 5, "{text}");
    let create = ["operation=\"ticket.create\"", "effect=write"];
    assert_eq!((closed(&create), closed(&[&create[..], &["error=\"unavailable\""]].concat())), (2, 1), "{text}");
    let get = ["operation=\"ticket.get\"", "effect=read"];
    assert_eq!((closed(&get), closed(&[&get[..], &["error=\"not_found\""]].concat())), (2, 1), "{text}");
    assert_eq!(closed(&["error="]), 2, "what went well has no error: {text}");
    assert!(text.contains("trying again") && text.contains("code=\"unavailable\""), "{text}");
}
