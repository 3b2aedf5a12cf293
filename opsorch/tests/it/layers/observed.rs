//! How fresh an answer is.

use opsorch_testkit::MemoryProvider;

use super::*;

/// A layer that answers from the past for one provider.
#[derive(Debug)]
struct Past(&'static str, Time);

#[async_trait]
impl Layer for Past {
    async fn call(&self, call: Call<'_>, next: Next<'_>) -> Result<Response> {
        if call.provider().as_str() == self.0 && call.effect() == Effect::Read {
            call.observed(self.1);
        }
        next.run().await
    }
}

fn past() -> Time {
    ManualClock::default().now() - seconds(90)
}

#[tokio::test]
async fn what_was_fetched_for_the_call_is_as_old_as_the_question() {
    let world = World::new(allow).await;
    let asked = world.clock.now();
    world.clock.advance(seconds(5));
    let (response, observed) = world.ops.observe(&cx(), TicketQuery::new()).await.unwrap();
    assert_eq!(observed, Observed::new(asked + seconds(5)));
    assert_eq!(response, world.ops.query(&cx(), TicketQuery::new()).await.unwrap());
}

#[tokio::test]
async fn of_several_sources_the_oldest_counts() {
    let other = MemoryProvider::new(ManualClock::default());
    let with = |past| World::with(allow, |builder| builder.provider(other.provider("another")).layer(past));
    for (name, expected) in [
        ("another", Observed::new(past()).cached(true)),
        ("tracker", Observed::new(past()).cached(true)),
        ("neither", Observed::new(ManualClock::default().now())),
    ] {
        let world = with(Past(name, past())).await;
        let (_, observed) = world.ops.observe(&cx(), TicketQuery::new()).await.unwrap();
        assert_eq!(observed, expected, "{name}");
        let only = Ask::from(TicketQuery::new()).on("tracker");
        let (_, observed) = world.ops.observe(&cx(), only).await.unwrap();
        assert_eq!(observed.cached, name == "tracker");
    }
}

#[tokio::test]
async fn one_call_says_nothing_of_another() {
    let world = World::with(allow, |builder| builder.layer(Past("tracker", past()))).await;
    let cx = cx();
    let old = world.ops.observe(&cx, Query::TicketQuery(TicketQuery::new())).await.unwrap().1;
    assert!(old.cached);
    let fresh = World::new(allow).await;
    assert!(!fresh.ops.observe(&cx, TicketQuery::new()).await.unwrap().1.cached);
}

#[tokio::test]
async fn evidence_of_an_investigation_is_as_old_as_what_it_shows() {
    let world = World::with(allow, |builder| builder.layer(Past("tracker", past()))).await;
    world.vendor.seed_incident(Incident::new("inc-7", "checkout fails", "open", "high").service("checkout"));
    let found = world.ops.investigate(&cx(), Investigate::new("inc-7")).await.unwrap();
    assert_eq!(found.incident.fetched_at, past());
    let sections = found.alerts.iter().map(|one| one.fetched_at).chain(found.tickets.iter().map(|one| one.fetched_at));
    let times: Vec<_> = sections.collect();
    assert_eq!(times, vec![past(); 2]);
}
