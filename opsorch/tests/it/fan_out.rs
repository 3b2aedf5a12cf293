//! Several providers, one page: the same whatever happens on the way, and honest about what is missing.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use opsorch::gate::Access;
use opsorch::layer::TimeoutLayer;
use opsorch::*;
use opsorch_testkit::{Fault, MemoryProvider};
use proptest::prelude::*;
use tokio::time::Instant;

use crate::support::agent;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Three sources of tickets, and the control plane over them.
struct Sources {
    ops: OpsOrch,
    vendors: Vec<MemoryProvider>,
    cx: Context,
}

impl Sources {
    /// Each source has a ticket for each of its ages, in seconds; one without an age has no time.
    async fn new(ages: [&[Option<u64>]; 3], adjust: impl FnOnce(Builder) -> Builder) -> Self {
        let now = ManualClock::default().now();
        let mut builder = OpsOrch::builder().without_layers();
        let mut vendors = Vec::new();
        for (name, ages) in NAMES.into_iter().zip(ages) {
            let vendor = MemoryProvider::new(ManualClock::default());
            for (index, age) in ages.iter().enumerate() {
                let mut ticket = Ticket::new(format!("{name}-{index}"), "disk full", TicketStatusLevel::Todo);
                ticket.created_at = age.map(|age| now - Duration::from_secs(age));
                vendor.seed_ticket(ticket);
            }
            builder = builder.provider(vendor.provider(name));
            vendors.push(vendor);
        }
        Self { ops: adjust(builder).build().await.unwrap(), vendors, cx: Context::new(agent()) }
    }

    /// Sources with two tickets each, of all different ages.
    async fn usual(adjust: impl FnOnce(Builder) -> Builder) -> Self {
        Self::new([&[Some(1), Some(6)], &[Some(2), Some(5)], &[Some(3), Some(4)]], adjust).await
    }

    fn fault(&self, name: &str, fault: Fault) {
        let index = NAMES.iter().position(|known| *known == name).unwrap();
        self.vendors[index].faults().next(Operation::TicketQuery, fault);
    }

    fn calls(&self) -> Vec<u64> {
        self.vendors.iter().map(|vendor| vendor.calls(Operation::TicketQuery)).collect()
    }

    async fn query(&self, query: TicketQuery) -> Result<Page<Ticket>> {
        self.ops.tickets(&self.cx).query(query).await
    }

    async fn ids(&self) -> String {
        ids(&self.query(TicketQuery::new()).await.unwrap())
    }
}

fn ids(page: &Page<Ticket>) -> String {
    page.items.iter().map(|ticket| ticket.id.as_str()).collect::<Vec<_>>().join(" ")
}

fn sources_of(page: &Page<Ticket>) -> Vec<(&str, &str, bool)> {
    let failures = page.failures.iter();
    failures.map(|failure| (failure.source.as_str(), failure.code.as_str(), failure.retryable)).collect()
}

#[tokio::test]
async fn pages_are_merged_newest_first_and_each_item_names_its_provider() {
    let sources = Sources::usual(|builder| builder).await;
    let page = sources.query(TicketQuery::new()).await.unwrap();
    assert_eq!(ids(&page), "a-0 b-0 c-0 c-1 b-1 a-1");
    for ticket in &page.items {
        assert!(ticket.id.as_str().starts_with(ticket.provider.as_ref().unwrap().as_str()), "{ticket:?}");
    }
    assert!(page.is_complete());
}

#[tokio::test]
async fn what_has_no_time_comes_last_and_names_settle_ties() {
    let sources = Sources::new([&[None, Some(1)], &[Some(1)], &[None, Some(0)]], |builder| builder).await;
    assert_eq!(sources.ids().await, "c-1 a-1 b-0 a-0 c-0");

    let sources = Sources::new([&[], &[], &[]], |builder| builder).await;
    for vendor in sources.vendors.iter().rev() {
        vendor.seed_ticket(Ticket::new("same", "disk full", TicketStatusLevel::Todo));
    }
    let page = sources.query(TicketQuery::new()).await.unwrap();
    let providers: Vec<_> = page.items.iter().map(|ticket| ticket.provider.as_ref().unwrap().as_str()).collect();
    assert_eq!(providers, NAMES);
}

#[tokio::test]
async fn the_limit_holds_for_the_merged_page_and_its_cursor_leads_on() {
    let sources = Sources::usual(|builder| builder).await;
    let page = sources.query(TicketQuery::new().limit(4)).await.unwrap();
    assert_eq!(ids(&page), "a-0 b-0 c-0 c-1");
    assert!(!page.is_complete() && page.truncated.is_none());
    let rest = sources.query(TicketQuery::new().limit(4).after(page.next.unwrap())).await.unwrap();
    assert_eq!(ids(&rest), "b-1 a-1");
    assert!(rest.is_complete());
    assert_eq!(sources.calls(), [2, 2, 1], "one that gave everything is not asked again");
    assert!(sources.query(TicketQuery::new().limit(6)).await.unwrap().is_complete());
}

#[tokio::test]
async fn a_source_that_cut_its_page_is_named() {
    let sources = Sources::new([&[Some(1), Some(2)], &[Some(3)], &[Some(4)]], |builder| builder).await;
    sources.fault("c", Fault::PartialPage(0));
    let page = sources.query(TicketQuery::new()).await.unwrap();
    assert_eq!(ids(&page), "a-0 a-1 b-0");
    assert_eq!(page.truncated.as_deref(), Some("`c`: the source cut the page after 0 items"));
}

#[tokio::test]
async fn what_comes_in_between_two_pages_moves_nothing() {
    let sources = Sources::usual(|builder| builder).await;
    let page = sources.query(TicketQuery::new().limit(3)).await.unwrap();
    assert_eq!(ids(&page), "a-0 b-0 c-0");
    for (index, name) in NAMES.into_iter().enumerate() {
        let mut ticket = Ticket::new(format!("{name}-new"), "disk full", TicketStatusLevel::Todo);
        ticket.created_at = Some(ManualClock::default().now());
        sources.vendors[index].seed_ticket(ticket);
    }
    let rest = sources.query(TicketQuery::new().limit(10).after(page.next.unwrap())).await.unwrap();
    assert_eq!(ids(&rest), "c-1 b-1 a-1");
}

#[tokio::test]
async fn a_cursor_belongs_to_its_query_and_its_providers() {
    let sources = Sources::usual(|builder| builder).await;
    let tickets = || sources.ops.tickets(&sources.cx).on("b");
    let of_one = tickets().query(TicketQuery::new().limit(1)).await.unwrap().next.unwrap();
    let of_all = sources.query(TicketQuery::new().limit(1)).await.unwrap().next.unwrap();
    let fewer = Sources::usual(|builder| builder.route(Capability::Ticket, ["a", "b"])).await;
    let other = TicketQuery::new().status(TicketStatusLevel::Done);
    let cut = Cursor::new(of_all.as_str().get(..20).unwrap());
    let calls = sources.calls();
    for (sources, query) in [
        (&sources, TicketQuery::new().after(of_one.clone())),
        (&sources, TicketQuery::new().after(cut)),
        (&sources, TicketQuery::new().after(Cursor::new(""))),
        (&sources, other.after(of_all.clone())),
        (&fewer, TicketQuery::new().after(of_all.clone())),
    ] {
        let error = sources.query(query).await.unwrap_err();
        assert!(error.to_string().starts_with("invalid cursor: it is not from this query to these providers: a, b"));
    }
    assert_eq!(sources.calls(), calls, "nobody was asked");
    assert_eq!(ids(&tickets().query(TicketQuery::new().limit(1).after(of_one)).await.unwrap()), "b-1");
    let two = sources.query(TicketQuery::new().limit(2).after(of_all)).await.unwrap();
    assert_eq!(ids(&two), "b-0 c-0", "the next page may have another size");
}

#[tokio::test]
async fn one_that_fails_is_left_out_from_there_on_and_tried_again_with_the_same_page() {
    let sources = Sources::usual(|builder| builder).await;
    let first = sources.query(TicketQuery::new().limit(3)).await.unwrap().next.unwrap();
    sources.fault("b", Fault::Error(ErrorKind::Unavailable));
    let page = sources.query(TicketQuery::new().limit(1).after(first.clone())).await.unwrap();
    assert_eq!((ids(&page).as_str(), sources_of(&page)), ("c-1", vec![("b", "unavailable", true)]));
    let last = sources.query(TicketQuery::new().limit(9).after(page.next.unwrap())).await.unwrap();
    assert_eq!((ids(&last).as_str(), sources_of(&last)), ("a-1", vec![("b", "unavailable", false)]));
    assert!(last.next.is_none() && !last.is_complete(), "{last:?}");
    assert_eq!(ids(&sources.query(TicketQuery::new().after(first)).await.unwrap()), "c-1 b-1 a-1");
}

#[tokio::test]
async fn one_that_fails_is_listed_and_the_others_answer() {
    for (kind, code, retryable) in [
        (ErrorKind::Unavailable, "unavailable", true),
        (ErrorKind::RateLimited { retry_after: None }, "rate_limited", true),
        (ErrorKind::Forbidden, "forbidden", false),
        (ErrorKind::Unexpected, "unexpected", false),
    ] {
        let sources = Sources::usual(|builder| builder).await;
        sources.fault("b", Fault::Error(kind));
        let page = sources.query(TicketQuery::new()).await.unwrap();
        assert_eq!((ids(&page).as_str(), sources_of(&page)), ("a-0 c-0 c-1 a-1", vec![("b", code, retryable)]));
        assert!(page.failures[0].message.contains("the vendor answered with an error"), "{:?}", page.failures);
        assert!(!page.is_complete());
    }
}

#[tokio::test]
async fn one_that_panics_is_listed_and_the_others_answer() {
    let sources = Sources::usual(|builder| builder).await;
    sources.fault("a", Fault::Panic);
    let page = sources.query(TicketQuery::new()).await.unwrap();
    assert_eq!((ids(&page).as_str(), sources_of(&page)), ("b-0 c-0 c-1 b-1", vec![("a", "unexpected", false)]));

    sources.fault("a", Fault::Panic);
    let error = sources.ops.tickets(&sources.cx).on("a").query(TicketQuery::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "unexpected: the provider panicked (provider: a)");
}

#[tokio::test]
async fn when_all_fail_the_error_is_the_first_with_the_others_in_it() {
    let sources = Sources::usual(|builder| builder.route(Capability::Ticket, ["c", "a", "b"])).await;
    sources.fault("a", Fault::Error(ErrorKind::Forbidden));
    sources.fault("b", Fault::NotSent);
    sources.fault("c", Fault::Error(ErrorKind::RateLimited { retry_after: None }));
    let error = sources.query(TicketQuery::new()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::RateLimited { retry_after: None }, "the route begins with c");
    assert!(error.context().any(|part| part == ("provider", "c")), "{error}");
    let others: Vec<_> = error.context().filter(|(name, _)| *name == "also failed").map(|(_, text)| text).collect();
    assert_eq!(others.len(), 2, "{error}");
    assert!(others[0].starts_with("a: forbidden: ") && others[1].starts_with("b: unavailable: "), "{others:?}");
}

#[tokio::test]
async fn a_route_says_who_is_asked_and_in_which_order() {
    let sources = Sources::usual(|builder| builder.route(Capability::Ticket, ["c", "a"])).await;
    assert_eq!(sources.ids().await, "a-0 c-0 c-1 a-1");
    assert_eq!(sources.calls(), [1, 0, 1]);

    for name in ["a", "c"] {
        sources.fault(name, Fault::Error(ErrorKind::Unavailable));
    }
    let error = sources.query(TicketQuery::new()).await.unwrap_err();
    assert!(error.context().any(|part| part == ("provider", "c")), "the order is that of the route: {error}");

    let error = sources.query(TicketQuery::new().after(Cursor::new("1"))).await.unwrap_err();
    assert!(error.message().contains("these providers: c, a;"), "{error}");
    assert_eq!(ids(&sources.ops.tickets(&sources.cx).on("b").query(TicketQuery::new()).await.unwrap()), "b-0 b-1");
}

#[tokio::test]
async fn a_route_leaves_out_who_does_not_offer_the_operation() {
    let vendors = [MemoryProvider::seeded(1, SystemClock), MemoryProvider::seeded(2, SystemClock)];
    let builder = OpsOrch::builder().policy(crate::support::allow);
    let builder = builder.provider(vendors[0].provider("reads").read_only()).provider(vendors[1].provider("all"));
    let ops = builder.route(Capability::Ticket, ["reads", "all"]).build().await.unwrap();
    let cx = Context::new(agent());
    let created = ops.tickets(&cx).create(CreateTicket::new("disk full")).await.unwrap();
    assert!(matches!(created, Submitted::Done(ticket) if ticket.provider.as_ref().unwrap().as_str() == "all"));
}

#[tokio::test]
async fn a_route_that_cannot_be_meant_is_refused() {
    let build = |route: &[&'static str]| {
        let vendor = MemoryProvider::new(SystemClock);
        let builder = OpsOrch::builder().provider(vendor.provider("a")).provider(vendor.provider("b"));
        builder.route(Capability::Ticket, route.to_vec()).build()
    };
    let error = build(&["a", "d"]).await.unwrap_err();
    assert_eq!(error.to_string(), "invalid routes.ticket: unknown provider `d`, expected one of: a, b");
    let error = build(&["a", "b", "a"]).await.unwrap_err();
    assert_eq!(error.to_string(), "invalid routes.ticket: `a` is there twice");

    let nobody = build(&[]).await.unwrap();
    let error = nobody.tickets(&Context::new(agent())).query(TicketQuery::new()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported, "an empty route is nobody: {error}");
}

/// Lets nobody near one provider.
#[derive(Debug)]
struct NotFrom(&'static str);

impl Access for NotFrom {
    fn permits(&self, _: &Context, _: Operation, target: &Target) -> bool {
        target.provider.as_str() != self.0
    }
}

#[tokio::test]
async fn a_source_that_access_refuses_is_a_failure_and_is_not_asked() {
    let sources = Sources::usual(|builder| builder.access(NotFrom("b"))).await;
    let page = sources.query(TicketQuery::new()).await.unwrap();
    assert_eq!((ids(&page).as_str(), sources_of(&page)), ("a-0 c-0 c-1 a-1", vec![("b", "denied", false)]));
    assert_eq!(sources.calls(), [1, 0, 1]);
    let entries = sources.ops.audit().entries(0, 10).await.unwrap();
    let refused: Vec<_> =
        entries.iter().map(|entry| (entry.event, entry.provider.as_ref().unwrap().as_str())).collect();
    assert_eq!(refused, [(Event::Refused, "b")]);
}

#[tokio::test]
async fn descriptions_of_metrics_are_merged_too() {
    let vendors = [1, 2].map(|seed| MemoryProvider::seeded(seed, SystemClock));
    vendors[1].seed_metric(MetricDescriptor::new("cpu_seconds_total", MetricKindLevel::Counter));
    let builder = OpsOrch::builder().provider(vendors[0].provider("one")).provider(vendors[1].provider("two"));
    let ops = builder.without_layers().build().await.unwrap();
    let cx = Context::new(agent());
    let describe = || async { ops.metrics(&cx).describe(Scope::new()).await.unwrap() };
    let page = describe().await;
    let name_and_provider = |metric: &MetricDescriptor| (metric.name.clone(), metric.provider.clone().unwrap());
    let found: Vec<_> = page.items.iter().map(name_and_provider).collect();
    let expected =
        [("cpu_seconds_total", "two"), ("request_duration_seconds", "one"), ("request_duration_seconds", "two")];
    assert_eq!(found, expected.map(|(name, provider)| (name.to_owned(), provider.into())));

    vendors[0].faults().next(Operation::MetricDescribe, Fault::Error(ErrorKind::Forbidden));
    let page = describe().await;
    assert_eq!((page.items.len(), page.failures[0].source.as_str()), (2, "one"));
}

#[tokio::test(start_paused = true)]
async fn sources_are_asked_side_by_side() {
    let sources = Sources::usual(|builder| builder).await;
    for (name, seconds) in NAMES.into_iter().zip([1, 3, 2]) {
        sources.fault(name, Fault::Delay(Duration::from_secs(seconds)));
    }
    let started = Instant::now();
    assert_eq!(sources.ids().await, "a-0 b-0 c-0 c-1 b-1 a-1");
    assert_eq!(started.elapsed(), Duration::from_secs(3), "the slowest one's time");
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_costs_its_timeout_and_nothing_else() {
    let sources = Sources::usual(|builder| builder.layer(TimeoutLayer::new(Duration::from_secs(2)))).await;
    sources.fault("b", Fault::Hang);
    let started = Instant::now();
    let page = sources.query(TicketQuery::new()).await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(2));
    assert_eq!((ids(&page).as_str(), sources_of(&page)), ("a-0 c-0 c-1 a-1", vec![("b", "timeout", true)]));

    sources.fault("b", Fault::Hang);
    let cx = Context::new(agent()).timeout(Duration::from_millis(500));
    let started = Instant::now();
    let page = sources.ops.tickets(&cx).query(TicketQuery::new()).await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_millis(500), "the caller's deadline, if it is earlier");
    assert_eq!(sources_of(&page), [("b", "timeout", true)]);
}

/// Changes what a provider answered, as odd providers would.
#[derive(Debug)]
struct Odd<F>(&'static str, F);

#[opsorch::async_trait]
impl<F: Fn(Response) -> Response + std::fmt::Debug + Send + Sync + 'static> layer::Layer for Odd<F> {
    async fn call(&self, call: layer::Call<'_>, next: layer::Next<'_>) -> Result<Response> {
        let is_odd = call.provider().as_str() == self.0;
        let response = next.run().await?;
        Ok(if is_odd { (self.1)(response) } else { response })
    }
}

fn with_cursor(page: Page<Ticket>, cursor: &str) -> Page<Ticket> {
    page.next(Some(Cursor::new(cursor)))
}

fn empty_for_ever(_: Response) -> Response {
    Response::Tickets(with_cursor(Page::new(Vec::new()), "0"))
}

#[tokio::test]
async fn one_that_gives_empty_pages_for_ever_does_not_hold_up_the_others() {
    let sources = Sources::usual(|builder| builder.layer(Odd("a", empty_for_ever as fn(_) -> _))).await;
    let page = sources.query(TicketQuery::new().limit(3)).await.unwrap();
    assert_eq!(ids(&page), "b-0 c-0 c-1");
    assert!(page.warnings[0].starts_with("`a`: it gave nothing but empty pages"), "{:?}", page.warnings);
    let rest = sources.query(TicketQuery::new().limit(3).after(page.next.unwrap())).await.unwrap();
    assert_eq!(ids(&rest), "b-1");
    assert!(!rest.is_complete());
}

fn pages_without_a_cursor(response: Response) -> Response {
    match response {
        Response::MetricDescriptors(page) => Response::MetricDescriptors(page.next(Some(Cursor::new("more")))),
        other => other,
    }
}

#[tokio::test]
async fn what_has_no_cursor_is_asked_for_once_whatever_a_source_says() {
    let vendors = [1, 2].map(|seed| MemoryProvider::seeded(seed, SystemClock));
    let builder = OpsOrch::builder().provider(vendors[0].provider("one")).provider(vendors[1].provider("two"));
    let odd = Odd("one", pages_without_a_cursor as fn(_) -> _);
    let ops = builder.without_layers().layer(odd).build().await.unwrap();
    let cx = Context::new(agent());
    let page = ops.metrics(&cx).describe(Scope::new()).await.unwrap();
    assert_eq!(page.items.len(), 2, "each once");
    assert_eq!(vendors[0].calls(Operation::MetricDescribe), 1);
    assert_eq!(page.truncated.as_deref(), Some("`one`: it has more, and this query does not page"));
}

fn long_cursor(response: Response) -> Response {
    match response {
        Response::Tickets(page) => Response::Tickets(with_cursor(page, &"x".repeat(60_000))),
        other => other,
    }
}

#[tokio::test]
async fn a_cursor_that_nobody_could_come_back_with_is_not_given() {
    let sources = Sources::usual(|builder| builder.layer(Odd("a", long_cursor as fn(_) -> _))).await;
    let error = sources.query(TicketQuery::new().limit(6)).await.unwrap_err();
    assert!(error.to_string().contains("ask each by its name"), "{error}");
}

#[tokio::test]
async fn a_cursor_that_was_tampered_with_does_not_panic() {
    let sources = Sources::usual(|builder| builder).await;
    let cursor = sources.query(TicketQuery::new().limit(4)).await.unwrap().next.unwrap();
    let mut places: serde_json::Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor.as_str().strip_prefix("all1.").unwrap()).unwrap())
            .unwrap();
    for time in [serde_json::json!("2999-01-01T00:00:00Z"), serde_json::json!("1999-01-01T00:00:00Z"), ().into()] {
        for count in [0, 1, u64::MAX] {
            places["at"]["a"]["seen"] = serde_json::json!({ "count": count, "time": time, "key": "x" });
            let cursor = Cursor::new(format!("all1.{}", URL_SAFE_NO_PAD.encode(places.to_string())));
            let page = sources.query(TicketQuery::new().limit(9).after(cursor)).await.unwrap();
            assert!(ids(&page).contains("b-1"), "{count} {time}: what the others have is given");
        }
    }
}

#[tokio::test]
async fn a_smaller_page_than_the_last_gives_nothing_twice() {
    let ages = [[1, 3, 5, 7, 9, 11], [2, 4, 6, 8, 10, 12]].map(|ages| ages.map(Some));
    let sources = Sources::new([&ages[0], &ages[1], &[]], |builder| builder).await;
    let page = sources.query(TicketQuery::new().limit(8)).await.unwrap();
    assert_eq!(ids(&page), "a-0 b-0 a-1 b-1 a-2 b-2 a-3 b-3");
    let rest = sources.query(TicketQuery::new().limit(1).after(page.next.unwrap())).await.unwrap();
    assert_eq!(ids(&rest), "a-4");
    let rest = sources.query(TicketQuery::new().limit(9).after(rest.next.unwrap())).await.unwrap();
    assert_eq!(ids(&rest), "b-4 a-5 b-5");
}

/// A source: the ages of its tickets, how long it takes, and whether it then fails.
fn source() -> impl Strategy<Value = (Vec<Option<u64>>, u64, bool)> {
    (prop::collection::vec(prop::option::weighted(0.9, 0..5_u64), 0..6), 0..50_u64, prop::bool::weighted(0.2))
}

async fn page_of(sources: &[(Vec<Option<u64>>, u64, bool)], limit: u32, delayed: bool) -> Result<Page<Ticket>, String> {
    let world = Sources::new([0, 1, 2].map(|index| sources[index].0.as_slice()), |builder| {
        if delayed { builder.layer(Late(sources.iter().map(|source| source.1).collect())) } else { builder }
    })
    .await;
    for (name, (.., fails)) in NAMES.into_iter().zip(sources) {
        if *fails {
            world.fault(name, Fault::Error(ErrorKind::Unavailable));
        }
    }
    world.query(TicketQuery::new().limit(limit)).await.map_err(|error| error.to_string())
}

/// Holds each provider's answer back for so many milliseconds.
#[derive(Debug)]
struct Late(Vec<u64>);

#[opsorch::async_trait]
impl layer::Layer for Late {
    async fn call(&self, call: layer::Call<'_>, next: layer::Next<'_>) -> Result<Response> {
        let result = next.run().await;
        let index = NAMES.iter().position(|name| *name == call.provider().as_str()).unwrap();
        tokio::time::sleep(Duration::from_millis(self.0[index])).await;
        result
    }
}

fn check(page: &Page<Ticket>, sources: &[(Vec<Option<u64>>, u64, bool)], limit: usize) {
    let answering = sources.iter().filter(|(.., fails)| !fails);
    let there: usize = answering.map(|(ages, ..)| ages.len()).sum();
    assert_eq!(page.items.len(), there.min(limit));
    assert!(page.items.is_sorted_by(|one, other| one.created_at >= other.created_at), "newest first: {page:#?}");
    assert!(page.items.iter().all(|ticket| ticket.provider.is_some()));
    let failing = NAMES.iter().zip(sources).filter(|(_, (.., fails))| *fails).map(|(name, _)| *name);
    assert_eq!(
        page.failures.iter().map(|failure| failure.source.as_str()).collect::<Vec<_>>(),
        failing.collect::<Vec<_>>()
    );
    assert_eq!(page.next.is_some(), there > limit, "{page:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_merged_page_does_not_depend_on_who_answers_first(
        sources in prop::collection::vec(source(), 3),
        limit in 1..20_u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (at_once, delayed) = runtime.block_on(async {
            (page_of(&sources, limit, false).await, page_of(&sources, limit, true).await)
        });
        prop_assert_eq!(&at_once, &delayed);
        match delayed {
            Ok(page) => check(&page, &sources, limit as usize),
            Err(_) => prop_assert!(sources.iter().all(|(.., fails)| *fails)),
        }
    }

    #[test]
    fn pages_one_after_the_other_are_the_whole_list(
        ages in prop::collection::vec(prop::collection::vec(prop::option::weighted(0.9, 0..5_u64), 0..9), 3),
        limits in prop::collection::vec(1..7_u32, 1..4),
        delays in prop::collection::vec(0..50_u64, 3),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (whole, pages) = runtime.block_on(async {
            let ages = [0, 1, 2].map(|index| ages[index].as_slice());
            let whole = Sources::new(ages, |builder| builder).await.query(TicketQuery::new().limit(1_000)).await.unwrap();
            let sources = Sources::new(ages, |builder| builder.layer(Late(delays))).await;
            let (mut pages, mut query) = (Vec::new(), TicketQuery::new());
            for limit in limits.iter().copied().cycle() {
                let page = sources.query(query.clone().limit(limit)).await.unwrap();
                assert!(page.items.len() == limit as usize || page.next.is_none(), "{page:?}");
                pages.extend(page.items);
                match page.next {
                    Some(next) => query = query.after(next),
                    None => break,
                }
            }
            (whole.items, pages)
        });
        prop_assert_eq!(whole, pages);
    }

    #[test]
    fn a_dead_source_costs_its_deadline_and_is_named_whenever_the_others_answer(
        ages in prop::collection::vec(prop::collection::vec(0..5_u64, 0..6), 3),
        dead in 0..3_usize,
        delays in prop::collection::vec(0..1_900_u64, 3),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let ages: Vec<Vec<_>> = ages.into_iter().map(|ages| ages.into_iter().map(Some).collect()).collect();
        let (page, elapsed) = runtime.block_on(async {
            let late = |builder: Builder| builder.layer(TimeoutLayer::new(Duration::from_secs(2))).layer(Late(delays));
            let sources = Sources::new([0, 1, 2].map(|index| ages[index].as_slice()), late).await;
            sources.fault(NAMES[dead], Fault::Hang);
            let started = Instant::now();
            (sources.query(TicketQuery::new()).await.unwrap(), started.elapsed())
        });
        prop_assert_eq!(elapsed, Duration::from_secs(2));
        prop_assert_eq!(sources_of(&page), [(NAMES[dead], "timeout", true)]);
        let alive: usize = (0..3).filter(|index| *index != dead).map(|index| ages[index].len()).sum();
        prop_assert_eq!(page.items.len(), alive);
        prop_assert!(page.items.is_sorted_by(|one, other| one.created_at >= other.created_at), "{:#?}", page);
    }
}

#[test]
fn the_future_of_a_query_may_move_between_threads() {
    fn may_move<T: Send>(_: T) {}
    let _ = |ops: &OpsOrch, cx: &Context| may_move(ops.query(cx, TicketQuery::new()));
}
