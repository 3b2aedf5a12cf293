//! The rate budget of a client, against a vendor that counts what arrives.

mod law;
mod learning;
mod lease;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::join_all;
use opsorch::transport::{
    Budget, Client, HeaderMap, HeaderName, HeaderValue, Limit, Method, Reply, Request, StatusCode, Transport,
};
use opsorch::{Actor, Context, Error, ErrorKind, Result};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// What a request is answered with.
type Answer = Box<dyn FnMut(&Request) -> Result<Reply> + Send>;

/// A vendor that writes down what arrives when, a little after it was sent, and answers a little later.
struct Vendor {
    arrived: Mutex<Vec<(Instant, String)>>,
    travel: Mutex<Duration>,
    answer: Mutex<Answer>,
    under_way: AtomicU64,
    most_under_way: AtomicU64,
}

impl Vendor {
    fn new() -> Arc<Self> {
        Self::answering(|_| Ok(Reply::new(StatusCode::OK)))
    }

    fn answering(answer: impl FnMut(&Request) -> Result<Reply> + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            arrived: Mutex::default(),
            travel: Mutex::default(),
            answer: Mutex::new(Box::new(answer)),
            under_way: AtomicU64::new(0),
            most_under_way: AtomicU64::new(0),
        })
    }

    fn travel(&self, time: Duration) {
        *self.travel.lock().unwrap() = time;
    }

    fn client(self: &Arc<Self>, budget: Budget) -> Client {
        Client::new(self.clone(), "https://vendor.example/api".parse().unwrap()).unwrap().budget(budget)
    }

    fn arrived(&self) -> Vec<(Instant, String)> {
        self.arrived.lock().unwrap().clone()
    }

    fn paths(&self) -> Vec<String> {
        self.arrived().into_iter().map(|(_, path)| path).collect()
    }

    fn times(&self, since: Instant) -> Vec<Duration> {
        self.arrived().iter().map(|(time, _)| *time - since).collect()
    }
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vendor")
    }
}

#[async_trait]
impl Transport for Vendor {
    async fn send(&self, request: Request) -> Result<Reply> {
        let travel = *self.travel.lock().unwrap();
        let under_way = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_under_way.fetch_max(under_way, Ordering::Relaxed);
        sleep(travel).await;
        let path = request.url.path().trim_start_matches("/api/").to_owned();
        self.arrived.lock().unwrap().push((Instant::now(), path));
        let answer = (self.answer.lock().unwrap())(&request);
        sleep(travel).await;
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        answer
    }
}

fn reply(status: u16, headers: &[(&'static str, &str)]) -> Reply {
    let headers =
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    Reply::new(StatusCode::from_u16(status).unwrap()).headers(HeaderMap::from_iter(headers))
}

fn agent(name: &str) -> Context {
    Context::new(Actor::agent(name))
}

fn per_minute(requests: u32) -> Budget {
    Budget::new().limit(Limit::new("requests", requests, MINUTE))
}

async fn get(client: &Client, cx: &Context, path: &str) -> Result<Reply> {
    client.get(path.split('/').collect::<Vec<_>>().as_slice()).send_any(cx).await
}

fn wait(error: &Error) -> Option<Duration> {
    match error.kind() {
        ErrorKind::RateLimited { retry_after } => *retry_after,
        _ => panic!("{error}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_room_goes_at_once_and_the_next_a_period_later() {
    let (vendor, began) = (Vendor::new(), Instant::now());
    let (client, cx) = (vendor.client(per_minute(3)), agent("a"));
    join_all((0..5).map(|_| get(&client, &cx, "x"))).await;
    let minute = |time: &Duration| *time >= MINUTE && *time <= MINUTE + Duration::from_millis(2);
    let times = vendor.times(began);
    assert!(times[..3].iter().all(Duration::is_zero) && times[3..].iter().all(minute), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn clones_share_what_they_count_and_another_budget_does_not() {
    let vendor = Vendor::new();
    let client = vendor.client(per_minute(1));
    let clone = client.clone().header("x-a", "1").unwrap();
    get(&client, &agent("a"), "x").await.unwrap();
    let hurried = agent("b").timeout(SECOND);
    assert!(wait(&get(&clone, &hurried, "x").await.unwrap_err()).is_some());
    get(&vendor.client(per_minute(1)), &hurried, "x").await.unwrap();
    assert_eq!(vendor.arrived().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_turn_after_the_deadline_is_refused_at_once_and_nothing_is_sent() {
    let (vendor, began) = (Vendor::new(), Instant::now());
    let client = vendor.client(per_minute(1));
    get(&client, &agent("a"), "x").await.unwrap();
    sleep(20 * SECOND).await;
    let error = client.post("x").send(&agent("a").timeout(30 * SECOND)).await.unwrap_err();
    let (elapsed, left) = (began.elapsed(), wait(&error).unwrap());
    assert!(elapsed < 21 * SECOND, "it does not wait in vain: {elapsed:?}");
    assert!(left > 39 * SECOND && left <= 40 * SECOND, "{left:?}");
    assert!(!error.may_have_applied() && error.is_retryable(), "{error}");
    assert!(error.to_string().contains("limit: requests"), "{error}");
    assert_eq!(vendor.arrived().len(), 1);
    get(&client, &agent("a").timeout(41 * SECOND), "x").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_waits_behind_others_gives_up_before_the_deadline() {
    let (vendor, began) = (Vendor::new(), Instant::now());
    let client = vendor.client(per_minute(1));
    let cx = agent("a").timeout(90 * SECOND);
    let results = join_all((0..4).map(|_| get(&client, &cx, "x"))).await;
    let refused = results.iter().filter_map(|result| result.as_ref().err()).collect::<Vec<_>>();
    assert_eq!((refused.len(), vendor.arrived().len()), (2, 2));
    assert!(refused.iter().all(|error| !error.may_have_applied() && wait(error) <= Some(MINUTE)));
    assert!(began.elapsed() < 90 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_request_is_not_timed_out_by_its_wait() {
    let vendor = Vendor::new();
    let client = vendor.client(per_minute(1)).timeout(SECOND);
    get(&client, &agent("a"), "x").await.unwrap();
    get(&client, &agent("a"), "x").await.unwrap();
    assert_eq!(vendor.arrived().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_dropped_gives_the_place_back_whether_it_led_or_was_served() {
    let (vendor, began) = (Vendor::new(), Instant::now());
    let client = vendor.client(per_minute(1));
    let cx = agent("a");
    get(&client, &cx, "first").await.unwrap();
    let mut waiting: Vec<_> = (0..4).map(|index| Box::pin(get(&client, &cx, ["a", "b", "c", "d"][index]))).collect();
    for request in &mut waiting {
        assert!(request.now_or_never().is_none());
    }
    // `a` looks at the time for all.
    drop(waiting.remove(0));
    let b = waiting.remove(0).await;
    b.unwrap();
    assert!(began.elapsed() < 61 * SECOND, "{:?}", began.elapsed());
    // `c` is served, and dropped before it knows.
    tokio::time::advance(MINUTE + SECOND).await;
    let (c, d) = (waiting.remove(0), waiting.remove(0));
    drop(c);
    d.await.unwrap();
    assert_eq!(vendor.paths(), ["first", "b", "d"]);
    assert!(began.elapsed() < 123 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_is_not_polled_holds_up_nobody_else() {
    let (vendor, began) = (Vendor::new(), Instant::now());
    let client = vendor.client(per_minute(2));
    let cx = agent("a");
    join_all([get(&client, &cx, "x"), get(&client, &cx, "x")]).await;
    // It looks at the time for all, and then its task does something else.
    let mut forgotten = Box::pin(get(&client, &cx, "forgotten"));
    assert!((&mut forgotten).now_or_never().is_none());
    for waits in [1, 2] {
        get(&client, &cx, "x").await.unwrap();
        assert!(began.elapsed() <= waits * (MINUTE + 2 * SECOND), "{:?}", began.elapsed());
    }
    forgotten.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_request_of_a_person_comes_before_the_second_of_an_agent_with_ten_thousand() {
    let (vendor, began) = (Vendor::new(), Instant::now());
    let client = vendor.client(per_minute(960));
    let flood = tokio::spawn({
        let client = client.clone();
        async move {
            let cx = agent("flood").timeout(3600 * SECOND);
            join_all((0..10_000).map(|_| get(&client, &cx, "flood"))).await.into_iter().filter(Result::is_ok).count()
        }
    });
    sleep(SECOND).await;
    for _ in 0..3 {
        let asked = Instant::now();
        get(&client, &Context::new(Actor::user("ada")), "person").await.unwrap();
        assert!(asked.elapsed() <= MINUTE, "{:?}", asked.elapsed());
    }
    assert_eq!(flood.await.unwrap(), 10_000);
    assert!(began.elapsed() < 11 * MINUTE, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_refused_before_it_leaves_no_place_to_others() {
    let vendor = Vendor::new();
    let client = vendor.client(per_minute(1));
    let (flood, other) = (agent("flood"), agent("other"));
    let mut waiting: Vec<_> = (0..10_001).map(|_| Box::pin(get(&client, &flood, "x"))).collect();
    for request in &mut waiting {
        assert!(request.now_or_never().is_none_or(|result| result.is_ok()));
    }
    let error = get(&client, &flood, "x").await.unwrap_err();
    assert!(!error.may_have_applied() && wait(&error).is_some(), "{error}");
    assert!(error.message().contains("10000 requests wait"), "{error}");
    assert!(Box::pin(get(&client, &other, "x")).now_or_never().is_none(), "another caller may wait");
    drop(waiting);
    let cx = agent("flood").timeout(2 * MINUTE);
    get(&client, &cx, "x").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_class_counts_to_its_limits_only_and_at_its_cost() {
    let vendor = Vendor::new();
    let budget = Budget::new()
        .limit(Limit::new("points", 10, MINUTE).cost("write", 5).cost("free", 0))
        .limit(Limit::new("searches", 1, MINUTE).only(["search"]))
        .classes(|method, path| match path.split('/').next() {
            Some("search") => "search",
            _ if *method == Method::GET => "read",
            _ => "write",
        });
    let (client, cx) = (vendor.client(budget), agent("a").timeout(SECOND));
    get(&client, &cx, "search/issues").await.unwrap();
    let error = get(&client, &cx, "search/issues").await.unwrap_err();
    assert!(error.to_string().contains("limit: searches"), "{error}");
    // Nine points are left.
    client.post("x").send(&cx).await.unwrap();
    let error = client.post("x").send(&cx).await.unwrap_err();
    assert!(error.to_string().contains("limit: points"), "{error}");
    for _ in 0..4 {
        get(&client, &cx, "x").await.unwrap();
    }
    assert!(get(&client, &cx, "x").await.is_err());
    client.post("x").class("free").send(&cx).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_key_has_its_own_count() {
    let (vendor, began) = (Vendor::new(), Instant::now());
    let client = vendor.client(Budget::new().limit(Limit::new("posts", 1, SECOND).each()));
    let cx = agent("a");
    let post = |channel: &'static str| client.post("post").key(channel).send(&cx);
    join_all([post("C1"), post("C2"), post("C1"), post("C3")]).await;
    client.post("post").send(&cx).await.unwrap();
    let times = vendor.times(began);
    assert_eq!(times.iter().filter(|time| time.is_zero()).count(), 3, "{times:?}");
    assert!(times.iter().all(|time| *time < SECOND * 2), "without a key it does not count: {times:?}");
}

#[tokio::test(start_paused = true)]
async fn what_costs_much_is_not_always_overtaken_by_what_costs_little() {
    let vendor = Vendor::new();
    let budget = Budget::new().limit(Limit::new("points", 10, MINUTE).cost("write", 10));
    let client = vendor.client(budget);
    let reads = async {
        for round in 0..20 {
            join_all((0..4).map(|index| {
                let cx = Context::new(Actor::user(format!("{round} {index}"))).timeout(3600 * SECOND);
                let client = client.clone();
                async move { get(&client, &cx, "read").await }
            }))
            .await;
        }
    };
    let write = async {
        sleep(SECOND).await;
        let began = Instant::now();
        client.post("write").send(&agent("b").timeout(3600 * SECOND)).await.unwrap();
        began.elapsed()
    };
    let ((), waited) = tokio::join!(reads, write);
    assert!(waited <= 2 * MINUTE + SECOND, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_period_of_zero_limits_how_many_are_under_way() {
    let vendor = Vendor::new();
    vendor.travel(SECOND);
    let client = vendor.client(Budget::new().limit(Limit::new("at once", 7, Duration::ZERO)));
    let cx = agent("a");
    let began = Instant::now();
    let results = join_all((0..70).map(|_| get(&client, &cx, "x"))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(vendor.most_under_way.load(Ordering::Relaxed), 7);
    assert!(began.elapsed() < 21 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_was_not_sent_does_not_count_and_what_was_lost_does() {
    let mut errors = vec![
        Error::new(ErrorKind::Unavailable, "no connection").not_applied(),
        Error::new(ErrorKind::Unavailable, "it broke"),
    ];
    let vendor = Vendor::answering(move |_| match errors.is_empty() {
        true => Ok(Reply::new(StatusCode::OK)),
        false => Err(errors.remove(0)),
    });
    let (client, cx) = (vendor.client(per_minute(1)), agent("a").timeout(SECOND));
    assert_eq!(*get(&client, &cx, "x").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(*get(&client, &cx, "x").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(wait(&get(&client, &cx, "x").await.unwrap_err()).is_some());
}

#[tokio::test(start_paused = true)]
async fn redirects_count_and_other_origins_do_not() {
    let vendor = Vendor::answering(|request| {
        let to = |target: &str| Ok(reply(307, &[("location", target)]));
        match request.url.as_str() {
            "https://vendor.example/api/near" => to("https://vendor.example/api/there"),
            "https://vendor.example/api/far" => to("https://other.example/"),
            _ => Ok(Reply::new(StatusCode::OK)),
        }
    });
    let (client, cx) = (vendor.client(per_minute(3)), agent("a").timeout(SECOND));
    get(&client, &cx, "near").await.unwrap();
    get(&client, &cx, "far").await.unwrap();
    assert_eq!(vendor.arrived().len(), 4);
    assert!(get(&client, &cx, "x").await.is_err(), "three were of this origin");

    let client = vendor.client(per_minute(1));
    let error = client.post("near").send(&cx).await.unwrap_err();
    assert!(
        wait(&error).is_some() && error.may_have_applied(),
        "the first answer was after the change was seen: {error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_configuration_lowers_the_budget_or_turns_it_off() {
    let vendor = Vendor::new();
    let cx = agent("a").timeout(SECOND);
    let client = |requests| vendor.client(Budget::new()).budget(per_minute(3).requests_per_minute(requests));
    for (requests, allowed) in [(None, 3), (Some(2), 2), (Some(9), 3), (Some(0), 20)] {
        let client = client(requests);
        let results = join_all((0..20).map(|_| get(&client, &cx, "x"))).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), allowed, "{requests:?}");
    }
}
