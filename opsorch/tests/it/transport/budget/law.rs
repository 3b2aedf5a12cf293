//! The laws of a budget: no window sees more than the limit, callers take turns, nobody is forgotten.

use futures_util::stream::{FuturesUnordered, StreamExt};
use proptest::prelude::*;

use super::*;

/// When a request is sent, by whom, for how long it travels, and after how long its caller gives up.
#[derive(Clone, Debug)]
struct Call {
    at: u64,
    caller: u8,
    is_write: bool,
    patience: Option<u64>,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let patience = prop_oneof![3 => Just(None), 1 => (0_u64..5_000).prop_map(Some)];
    let call = (0_u64..4_000, 0_u8..4, any::<bool>(), patience);
    let call = call.prop_map(|(at, caller, is_write, patience)| Call { at, caller, is_write, patience });
    prop::collection::vec(call, 1..80)
}

fn paused<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test)
}

/// The most that any window of this length sees.
fn most_in(window: Duration, arrived: &[(Instant, u64)]) -> u64 {
    let within = |first: Instant| arrived.iter().filter(move |(time, _)| *time >= first && *time - first < window);
    arrived.iter().map(|(first, _)| within(*first).map(|(_, cost)| cost).sum()).max().unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn no_window_sees_more_than_the_limit_and_nobody_is_forgotten(
        calls in calls(),
        (size, period) in (1_u32..12, 50_u64..2_000),
        (other_size, cost) in (1_u32..20, 1_u32..6),
        travels in prop::collection::vec(0_u64..700, 1..20),
    ) {
        let vendor = Vendor::new();
        let (period, other_period) = (Duration::from_millis(period), Duration::from_millis(period * 3));
        let budget = Budget::new()
            .limit(Limit::new("requests", size, period))
            .limit(Limit::new("points", other_size, other_period).cost("write", cost));
        let client = vendor.client(budget);
        let answers = paused(async {
            let began = Instant::now();
            let one = |(index, call): (usize, &Call)| {
                let (client, vendor, call) = (client.clone(), vendor.clone(), call.clone());
                let travel = Duration::from_millis(travels[index % travels.len()]);
                async move {
                    sleep(Duration::from_millis(call.at)).await;
                    vendor.travel(travel);
                    let cx = agent(&call.caller.to_string()).timeout(24 * 3600 * SECOND);
                    let method = if call.is_write { Method::POST } else { Method::GET };
                    let path = if call.is_write { "write" } else { "read" };
                    let sent = client.request(method, path).send_any(&cx);
                    match call.patience {
                        // Who is impatient drops the request, whether it waits or is under way.
                        Some(patience) => drop(tokio::time::timeout(Duration::from_millis(patience), sent).await),
                        None => assert!(sent.await.is_ok()),
                    }
                }
            };
            calls.iter().enumerate().map(one).collect::<FuturesUnordered<_>>().count().await;
            vendor.arrived().into_iter().map(|(time, path)| (time - began, path)).collect::<Vec<_>>()
        });
        let base = Instant::now();
        let of = |cost_of_write: u64| {
            let cost = |path: &str| if path == "write" { cost_of_write } else { 1 };
            answers.iter().map(|(time, path)| (base + *time, cost(path))).collect::<Vec<_>>()
        };
        prop_assert!(most_in(period, &of(1)) <= size.into());
        // What costs more than all there is goes alone.
        prop_assert!(most_in(other_period, &of(cost.into())) <= other_size.max(cost).into());
    }

    #[test]
    fn callers_take_turns_and_each_keeps_its_order(callers in prop::collection::vec(0_usize..5, 1..60)) {
        let vendor = Vendor::new();
        let client = vendor.client(Budget::new().limit(Limit::new("requests", 1, SECOND)));
        let served = paused(async {
            get(&client, &agent("first"), "first/0").await.unwrap();
            let mut asked = [0; 5];
            let requests = callers.iter().map(|caller| {
                let (client, path) = (client.clone(), format!("{caller}/{}", asked[*caller]));
                asked[*caller] += 1;
                async move { get(&client, &agent(&caller.to_string()), &path).await }
            });
            join_all(requests).await;
            vendor.paths()
        });
        let rounds = served[1..].iter().map(|path| path.split_once('/').unwrap().1.parse().unwrap());
        let rounds: Vec<usize> = rounds.collect();
        prop_assert_eq!(rounds.len(), callers.len());
        // All come at the same time, so that all first requests are served before any second one.
        prop_assert!(rounds.is_sorted(), "{:?}", served);
    }
}

#[tokio::test(start_paused = true)]
async fn nearly_all_that_is_allowed_is_used() {
    let vendor = Vendor::new();
    vendor.travel(Duration::from_millis(40));
    let client = vendor.client(per_minute(960));
    let (began, cx) = (Instant::now(), agent("a").timeout(3600 * SECOND));
    let results = join_all((0..9_600).map(|_| get(&client, &cx, "x"))).await;
    assert!(results.iter().all(Result::is_ok));
    let (used, best) = (began.elapsed().as_secs_f64(), 9.0 * 60.0);
    assert!(used <= best / 0.99, "{used} s, at best {best} s");
    let arrived: Vec<_> = vendor.arrived().into_iter().map(|(time, _)| (time, 1)).collect();
    assert_eq!(most_in(MINUTE, &arrived), 960);
}
