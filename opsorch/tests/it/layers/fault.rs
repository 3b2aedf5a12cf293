//! Faults on purpose: which calls they hit, what they say, and when they end.

use opsorch::layer::{BreakerLayer, FaultLayer, FaultRule};

use super::*;

/// From the beginning of a world's time, for an hour.
fn hour() -> FaultLayer {
    let begin = ManualClock::default().now();
    FaultLayer::between(begin, begin + seconds(3_600))
}

fn unavailable() -> FaultRule {
    FaultRule::error(ErrorKind::Unavailable)
}

async fn hits(faults: FaultLayer, reads: usize) -> Vec<bool> {
    let world = world_with(faults).await;
    let mut hits = Vec::new();
    for _ in 0..reads {
        hits.push(read(&world, &cx()).await.is_err());
    }
    hits
}

#[tokio::test]
async fn it_begins_and_ends_by_itself() {
    let begin = ManualClock::default().now() + seconds(60);
    let world = world_with(FaultLayer::between(begin, begin + seconds(60)).rule(unavailable())).await;
    for (after, fails) in [(0, false), (59, false), (1, true), (59, true), (1, false), (3_600, false)] {
        world.clock.advance(seconds(after));
        assert_eq!(read(&world, &cx()).await.is_err(), fails, "at {}", world.clock.now());
    }
}

#[tokio::test]
async fn a_ratio_of_calls_is_hit_and_the_seed_says_which() {
    let faults = |ratio, seed| hour().seed(seed).rule(unavailable().ratio(ratio));
    let some = hits(faults(0.3, 7), 2_000).await;
    let count = some.iter().filter(|hit| **hit).count();
    assert!((520..680).contains(&count), "{count} of 2000");
    assert_eq!(hits(faults(0.3, 7), 2_000).await, some);
    assert_ne!(hits(faults(0.3, 8), 2_000).await, some);
    for (ratio, hit) in [(0.0, false), (-1.0, false), (f64::NAN, false), (1.0, true), (7.0, true)] {
        assert!(hits(faults(ratio, 7), 100).await.iter().all(|one| *one == hit), "{ratio}");
    }
}

#[tokio::test]
async fn a_rule_hits_what_it_is_for() {
    let rules = [
        unavailable().provider("tracker"),
        unavailable().capability(Capability::Ticket),
        unavailable().operation(READ),
        unavailable().provider("tracker").capability(Capability::Ticket).operation(READ),
    ];
    for rule in rules {
        assert_eq!(hits(hour().rule(rule), 1).await, [true]);
    }
    let others = [
        unavailable().provider("another"),
        unavailable().capability(Capability::Log),
        unavailable().operation(Operation::TicketGet),
        unavailable().provider("another").operation(READ),
    ];
    for rule in others {
        assert_eq!(hits(hour().rule(rule), 1).await, [false]);
    }
    let both = hour().rule(unavailable().provider("another")).rule(FaultRule::error(ErrorKind::Forbidden));
    assert_eq!(*read(&world_with(both).await, &cx()).await.unwrap_err().kind(), ErrorKind::Forbidden);
}

#[tokio::test]
async fn an_error_says_that_it_was_injected_and_that_nothing_was_sent() {
    let traces = Traces::default();
    let guard = traces.collect();
    for kind in
        [ErrorKind::Unavailable, ErrorKind::Unexpected, ErrorKind::RateLimited { retry_after: Some(seconds(3)) }]
    {
        let world = world_with(hour().rule(FaultRule::error(kind.clone()))).await;
        let error = world.ops.tickets(&cx()).create(CreateTicket::new("disk full")).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_applied(), world.changes()), (&kind, false, 0));
        assert!(error.message().contains("a fault was injected on purpose"), "{error}");
        assert_eq!(context(&error, "injected"), Some("error"));
        assert_eq!(world.outcome().await, OutcomeStatus::NotApplied);
    }
    drop(guard);
    let text = traces.text();
    let loud = text.lines().filter(|line| line.contains("WARN") && line.contains("a fault is injected"));
    assert_eq!(loud.count(), 3, "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_a_wait_and_ends_at_the_deadline() {
    let world = world_with(hour().rule(FaultRule::delay(seconds(5)))).await;
    let started = Instant::now();
    assert!(read(&world, &cx().timeout(seconds(6))).await.is_ok());
    assert_eq!((started.elapsed(), world.vendor.calls(READ)), (seconds(5), 1));

    let cx = cx().timeout(seconds(2));
    let error = world.ops.tickets(&cx).create(CreateTicket::new("disk full")).await.unwrap_err();
    assert_eq!((started.elapsed(), world.changes()), (seconds(7), 0));
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::Timeout, false), "{error}");
    assert_eq!(context(&error, "injected"), Some("delay"));
}

/// What the layer outside of the faults is told.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<Vec<Error>>>);

#[async_trait]
impl Layer for Told {
    async fn call(&self, _: Call<'_>, next: Next<'_>) -> Result<Response> {
        let result = next.run().await;
        self.0.lock().unwrap().extend(result.as_ref().err().cloned());
        result
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_makes_no_change_twice_and_the_log_knows_what_became_of_it() {
    let told = Told::default();
    let faults = hour().rule(FaultRule::lost_reply());
    let world = World::with(allow, |builder| builder.layer(RetryLayer::new(3)).layer(told.clone()).layer(faults)).await;
    let cx = cx();
    let made = world.ops.tickets(&cx).create(CreateTicket::new("disk full")).await.unwrap();
    assert!(matches!(made, Submitted::Done(_)), "the gate heard the answer that the layers lost");
    assert_eq!((world.changes(), world.outcome().await), (1, OutcomeStatus::Applied));
    let told = told.0.lock().unwrap().clone();
    assert!(!told.is_empty() && told.iter().all(Error::may_have_applied), "{told:?}");

    let error = read(&world, &cx).await.unwrap_err();
    assert_eq!((error.kind(), context(&error, "injected")), (&ErrorKind::Unavailable, Some("lost reply")));
    assert_eq!(world.vendor.calls(READ), 3, "a read is");
    world.assert_log_verifies().await;
}

#[tokio::test]
async fn others_see_an_injected_fault_as_the_provider_s() {
    let breaker = BreakerLayer::default().failures(2);
    let world = World::with(allow, |builder| builder.layer(breaker).layer(hour().rule(unavailable()))).await;
    for _ in 0..2 {
        assert_eq!(context(&read(&world, &cx()).await.unwrap_err(), "injected"), Some("error"));
    }
    let error = read(&world, &cx()).await.unwrap_err();
    assert!(error.message().contains("the last calls failed"), "{error}");
}
