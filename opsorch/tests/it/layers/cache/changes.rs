//! Own changes, and what was read around them.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_change_drops_what_was_kept_of_its_provider_and_of_others_of_its_kind() {
    let vendor = Vendor::default();
    let ops = build(&vendor, |builder| {
        let builder = builder.provider(vendor.provider("same").kind("tracker"));
        builder.provider(vendor.provider("elsewhere")).layer(CacheLayer::new(TTL))
    })
    .await;
    let cx = cx();
    let read = async |name: &str| {
        let ask = Ask::from(Query::TicketGet("T-1".into())).on(name);
        vendor::version(&ops.query(&cx, ask).await.unwrap().try_into().unwrap())
    };
    for (name, version) in [("tracker", 0), ("same", 0), ("elsewhere", 0)] {
        assert_eq!(read(name).await, version);
    }
    let _ = ops.tickets(&cx).on("tracker").create(CreateTicket::new("a change")).await.unwrap();
    for (name, version) in [("tracker", 1), ("same", 1), ("elsewhere", 0)] {
        assert_eq!(read(name).await, version, "{name}");
    }
    assert_eq!(vendor.reads(), 5);
    read("tracker").await;
    assert_eq!(vendor.reads(), 5, "what is read after it is kept");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_another_actor_counts_as_well() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    get(&ops, &cx()).await.unwrap();
    change(&ops, &Context::new(Actor::user("alice"))).await.unwrap();
    assert_eq!(get(&ops, &cx()).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_across_a_change_is_neither_kept_nor_joined_after_it() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    let cx = cx();
    vendor.next_read(Took::new(Duration::ZERO, seconds(5)));
    let meanwhile = async {
        tokio::time::sleep(seconds(1)).await;
        change(&ops, &cx).await.unwrap();
        get(&ops, &cx).await.unwrap()
    };
    let (before, after) = tokio::join!(get(&ops, &cx), meanwhile);
    assert_eq!((before.unwrap(), after), (0, 1));
    assert_eq!(
        (get(&ops, &cx).await.unwrap(), vendor.reads()),
        (1, 2),
        "the old answer came later, and replaced nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_read_while_a_change_was_on_its_way_is_dropped_at_its_end() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    let cx = cx();
    vendor.next_change(Took::new(seconds(2), seconds(2)));
    let reads = async {
        tokio::time::sleep(seconds(1)).await;
        get(&ops, &cx).await.unwrap()
    };
    let (changed, read) = tokio::join!(change(&ops, &cx), reads);
    changed.unwrap();
    assert_eq!((read, get(&ops, &cx).await.unwrap()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_failed_drops_too() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    let cx = cx();
    get(&ops, &cx).await.unwrap();
    vendor.next_change(Took::default().failing(ErrorKind::Conflict));
    change(&ops, &cx).await.unwrap_err();
    assert_eq!(get(&ops, &cx).await.unwrap(), 1, "whatever the vendor says");
    get(&ops, &cx).await.unwrap();
    assert_eq!(vendor.reads(), 2, "a refusal is certain, so that answers are kept again");
}

#[tokio::test(start_paused = true)]
async fn while_nobody_knows_what_became_of_a_change_nothing_is_kept() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    let cx = cx();
    vendor.next_change(Took::default().failing(ErrorKind::Unavailable));
    assert!(change(&ops, &cx).await.unwrap_err().may_have_applied());
    for reads in 1..=3 {
        get(&ops, &cx).await.unwrap();
        assert_eq!(vendor.reads(), reads);
    }
    tokio::time::advance(seconds(60)).await;
    get(&ops, &cx).await.unwrap();
    get(&ops, &cx).await.unwrap();
    assert_eq!(vendor.reads(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_cut_off_and_is_made_later_is_seen() {
    let vendor = Vendor::default();
    // Outside: the future of the layer is dropped. Inside: it ends in an error.
    let (limit, cache) = (TimeoutLayer::new(seconds(1)), CacheLayer::new(TTL));
    for (is_outside, version) in [(true, 1), (false, 2)] {
        let cache = cache.clone().bounds(10, 100_000);
        let ops = build(&vendor, |builder| match is_outside {
            true => builder.layer(limit).layer(cache),
            false => builder.layer(cache).layer(limit),
        })
        .await;
        let cx = cx();
        vendor.next_change(Took::new(seconds(5), Duration::ZERO));
        assert!(change(&ops, &cx).await.unwrap_err().may_have_applied());
        assert_eq!(get(&ops, &cx).await.unwrap(), version - 1, "the vendor is still at it");
        tokio::time::sleep(millis(4_001)).await;
        assert_eq!(get(&ops, &cx).await.unwrap(), version);
        assert_eq!(vendor.changes() as u64, version);
    }
}
