//! What is kept, for whom, and for how long; and that equal reads share one call.

mod actors;
mod changes;
mod property;
mod shared;
mod vendor;

use futures_util::future::join_all;
use opsorch::layer::CacheLayer;

use self::vendor::{Took, Vendor};
use super::*;

const TTL: Duration = Duration::from_secs(30);

/// A control plane whose only layer keeps answers.
async fn cached(vendor: &Vendor, cache: CacheLayer) -> OpsOrch {
    build(vendor, |builder| builder.layer(cache)).await
}

async fn build(vendor: &Vendor, adjust: impl FnOnce(Builder) -> Builder) -> OpsOrch {
    let builder = OpsOrch::builder().provider(vendor.provider("tracker")).policy(allow).clock(vendor.clock.clone());
    adjust(builder).build().await.unwrap()
}

/// The version that a read gives.
async fn get(ops: &OpsOrch, cx: &Context) -> Result<u64> {
    ops.tickets(cx).get("T-1").await.map(|ticket| vendor::version(&ticket))
}

async fn observed(ops: &OpsOrch, cx: &Context) -> (u64, Observed) {
    let (response, observed) = ops.observe(cx, Query::TicketGet("T-1".into())).await.unwrap();
    (vendor::version(&response.try_into().unwrap()), observed)
}

async fn change(ops: &OpsOrch, cx: &Context) -> Result<()> {
    ops.tickets(cx).create(CreateTicket::new("a change")).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_served_until_it_is_as_old_as_its_time_to_live() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    let cx = cx();
    get(&ops, &cx).await.unwrap();
    vendor.change_behind_our_back();
    tokio::time::advance(TTL - millis(1)).await;
    assert_eq!((get(&ops, &cx).await.unwrap(), vendor.reads()), (0, 1));
    tokio::time::advance(millis(1)).await;
    assert_eq!((get(&ops, &cx).await.unwrap(), vendor.reads()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_its_age_from_the_question_and_not_from_the_answer() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    let cx = cx();
    vendor.next_read(Took::new(Duration::ZERO, TTL - seconds(1)));
    get(&ops, &cx).await.unwrap();
    vendor.change_behind_our_back();
    assert_eq!(get(&ops, &cx).await.unwrap(), 0, "it is 29 seconds old");
    tokio::time::advance(seconds(1)).await;
    assert_eq!(get(&ops, &cx).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_moved_ends_a_time_to_live_and_never_prolongs_it() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    let (cx, begin) = (cx(), vendor.clock.now());
    let mut reads = 0;
    for moved in [TTL, Duration::ZERO, seconds(86_400)] {
        reads += 1;
        vendor.clock.set(begin + moved);
        assert!(!observed(&ops, &cx).await.1.cached, "moved by {moved:?}");
        assert_eq!(vendor.reads(), reads);
    }
    vendor.clock.set(begin);
    tokio::time::advance(TTL).await;
    assert_eq!(observed(&ops, &cx).await.1, Observed::new(begin), "set back, it was not younger");
}

#[tokio::test(start_paused = true)]
async fn each_operation_may_have_a_time_to_live_of_its_own() {
    let vendor = Vendor::default();
    let cache = CacheLayer::new(TTL).ttl(Operation::TicketGet, seconds(5)).ttl(Operation::TicketQuery, Duration::ZERO);
    let ops = cached(&vendor, cache).await;
    let cx = cx();
    for _ in 0..3 {
        get(&ops, &cx).await.unwrap();
        ops.tickets(&cx).query(TicketQuery::new()).await.unwrap();
    }
    assert_eq!(vendor.reads(), 1 + 3, "with zero nothing is kept");
    tokio::time::advance(seconds(5)).await;
    get(&ops, &cx).await.unwrap();
    assert_eq!(vendor.reads(), 5);
}

#[tokio::test(start_paused = true)]
async fn other_questions_have_other_answers() {
    let vendor = Vendor::default();
    let ops = build(&vendor, |builder| builder.provider(vendor.provider("another")).layer(CacheLayer::new(TTL))).await;
    let cx = cx();
    let asks = || {
        [
            Ask::from(Query::TicketGet("T-1".into())).on("tracker"),
            Ask::from(Query::TicketGet("T-2".into())).on("tracker"),
            Ask::from(Query::TicketGet("T-1".into())).on("another"),
            Ask::from(TicketQuery::new()).on("tracker"),
            Ask::from(TicketQuery::new().limit(1)).on("tracker"),
            Ask::from(TicketQuery::new().query("T-1")).on("tracker"),
        ]
    };
    let mut answers = Vec::new();
    for _ in 0..2 {
        for ask in asks() {
            answers.push(ops.query(&cx, ask).await.unwrap());
        }
    }
    assert_eq!((answers[..6].to_vec(), vendor.reads()), (answers[6..].to_vec(), 6));
}

#[tokio::test(start_paused = true)]
async fn errors_are_not_kept() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    let cx = cx();
    vendor.next_read(Took::default().failing(ErrorKind::NotFound));
    assert_eq!(*get(&ops, &cx).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!((get(&ops, &cx).await.unwrap(), vendor.reads()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn no_more_is_kept_than_the_bounds_allow() {
    let vendor = Vendor::default();
    let cx = cx();
    let read = async |ops: &OpsOrch, ids: std::ops::Range<u32>| {
        for id in ids {
            ops.tickets(&cx).get(format!("T-{id}")).await.unwrap();
        }
    };
    for answers in [1, 2, 7, 100] {
        let cache = CacheLayer::new(TTL).bounds(answers, 1_000_000);
        read(&cached(&vendor, cache.clone()).await, 0..300).await;
        assert_eq!(cache.kept(), answers);
    }
    let cache = CacheLayer::new(TTL).bounds(1_000, 20_000);
    let ops = cached(&vendor, cache.clone()).await;
    read(&ops, 0..300).await;
    let many = cache.kept();
    assert!((20..=80).contains(&many), "a ticket has some 300 bytes with its key: {many}");

    vendor.set_size(30_000);
    read(&ops, 1_000..1_001).await;
    let before = vendor.reads();
    read(&ops, 1_000..1_001).await;
    assert_eq!((vendor.reads() - before, cache.kept() <= many), (1, true), "what is too long is not kept");
}

#[tokio::test(start_paused = true)]
async fn clones_share_what_is_kept() {
    let vendor = Vendor::default();
    let cache = CacheLayer::new(TTL);
    let (one, other) = (cached(&vendor, cache.clone()).await, cached(&vendor, cache).await);
    let cx = cx();
    get(&one, &cx).await.unwrap();
    get(&other, &cx).await.unwrap();
    assert_eq!(vendor.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_reads_at_once_make_one_call_and_get_one_answer() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    vendor.next_read(Took::new(seconds(1), Duration::ZERO));
    let cx = cx();
    let answers = join_all((0..10_000).map(|_| get(&ops, &cx))).await;
    assert!(answers.iter().all(|answer| *answer.as_ref().unwrap() == 0));
    assert_eq!(vendor.reads(), 1);
}
