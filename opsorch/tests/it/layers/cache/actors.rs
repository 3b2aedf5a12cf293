//! Attacks: somebody who may not see something tries to be served what another has read.

use opsorch::gate::Access;

use super::*;

/// What an actor is told of a ticket.
async fn told(ops: &OpsOrch, actor: &Actor) -> Result<String> {
    let cx = Context::new(actor.clone());
    ops.tickets(&cx).get("T-1").await.map(|ticket| ticket.title)
}

#[tokio::test(start_paused = true)]
async fn who_asks_is_part_of_the_question() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    let alice = Actor::user("alice").issuer("https://id.example.com");
    let actors = [
        alice.clone(),
        alice.clone().role("sre"),
        alice.clone().role("sre").role("security"),
        alice.clone().authenticated_by("api-key"),
        alice.clone().issuer("https://other.example.com"),
        alice.clone().on_behalf_of(Actor::user("bob")),
        alice.clone().on_behalf_of(Actor::user("bob").role("sre")),
        Actor::agent("alice").issuer("https://id.example.com"),
        Actor::user("alice\",\"role").issuer("https://id.example.com"),
        Actor::user("").issuer("alice@https://id.example.com"),
    ];
    for round in 0..2 {
        for (index, actor) in actors.iter().enumerate() {
            assert_eq!(told(&ops, actor).await.unwrap(), format!("0 for {actor}"));
            assert_eq!(vendor.reads(), if round == 0 { index + 1 } else { actors.len() }, "{actor}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_the_call_of_another_actor() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    vendor.next_read(Took::new(seconds(1), Duration::ZERO));
    let (alice, bob) = (Actor::user("alice"), Actor::user("bob"));
    let (first, second) = tokio::join!(told(&ops, &alice), told(&ops, &bob));
    assert_eq!([first.unwrap(), second.unwrap()], ["0 for user alice@local", "0 for user bob@local"]);
}

#[derive(Debug)]
struct OnlyAlice;

impl Access for OnlyAlice {
    fn permits(&self, cx: &Context, _: Operation, _: &Target) -> bool {
        cx.actor().identity.subject == "alice"
    }
}

#[tokio::test(start_paused = true)]
async fn shared_answers_are_refused_to_whoever_may_not_read() {
    let vendor = Vendor::default();
    let ops = build(&vendor, |builder| builder.layer(CacheLayer::new(TTL).across_actors()).access(OnlyAlice)).await;
    let (alice, mallory) =
        (Actor::user("alice"), Actor::user("mallory").role("alice").on_behalf_of(Actor::user("alice")));
    vendor.next_read(Took::new(seconds(1), Duration::ZERO));
    let on_its_way = async {
        tokio::time::sleep(millis(500)).await;
        (told(&ops, &mallory).await, Instant::now())
    };
    let started = Instant::now();
    let (first, (joined, at)) = tokio::join!(told(&ops, &alice), on_its_way);
    assert_eq!(first.unwrap(), "0 for user alice@local");
    assert_eq!(*joined.unwrap_err().kind(), ErrorKind::Denied, "a call on its way is not joined");
    assert_eq!(at - started, millis(500), "and not waited for");
    assert_eq!(*told(&ops, &mallory).await.unwrap_err().kind(), ErrorKind::Denied, "nor is one that was kept");
    let observed = ops.observe(&Context::new(mallory), Query::TicketGet("T-1".into())).await;
    assert_eq!(*observed.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(
        told(&ops, &alice.clone().role("sre")).await.unwrap(),
        "0 for user alice@local",
        "it is there to be shared"
    );
    assert_eq!(vendor.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_bounds_of_a_context_hold_for_shared_answers_too() {
    #[derive(Debug)]
    struct Nothing;
    impl Access for Nothing {
        fn permits(&self, _: &Context, _: Operation, _: &Target) -> bool {
            false
        }
    }
    let vendor = Vendor::default();
    for cache in [CacheLayer::new(TTL), CacheLayer::new(TTL).across_actors()] {
        let ops = cached(&vendor, cache).await;
        get(&ops, &cx()).await.unwrap();
        let error = get(&ops, &cx().within(Arc::new(Nothing))).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Denied);
        assert!(get(&ops, &cx()).await.is_ok());
    }
    assert_eq!(vendor.reads(), 2);
}

#[tokio::test(start_paused = true)]
async fn access_that_is_taken_away_is_gone_at_once() {
    #[derive(Clone, Debug, Default)]
    struct Revoked(Arc<std::sync::atomic::AtomicBool>);
    impl Access for Revoked {
        fn permits(&self, _: &Context, _: Operation, _: &Target) -> bool {
            !self.0.load(std::sync::atomic::Ordering::Relaxed)
        }
    }
    let (vendor, revoked) = (Vendor::default(), Revoked::default());
    let ops = build(&vendor, |builder| builder.layer(CacheLayer::new(TTL)).access(revoked.clone())).await;
    get(&ops, &cx()).await.unwrap();
    revoked.0.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(*get(&ops, &cx()).await.unwrap_err().kind(), ErrorKind::Denied);
}
