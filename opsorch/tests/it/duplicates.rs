//! What several providers report of the same thing: taken for one only by a rule, and every time it is said.

use std::collections::HashMap;
use std::time::Duration;

use opsorch::*;
use opsorch_testkit::MemoryProvider;
use proptest::prelude::*;

use crate::support::agent;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// A ticket: its age in seconds, and what it is in the other tools.
type Seed = (Option<u64>, Option<u8>);

/// Sources of tickets, and the control plane over them.
struct Sources {
    ops: OpsOrch,
    cx: Context,
}

impl Sources {
    async fn new(seeds: &[Vec<Seed>], adjust: impl FnOnce(Builder) -> Builder) -> Self {
        let now = ManualClock::default().now();
        let mut builder = OpsOrch::builder().without_layers();
        for (name, seeds) in NAMES.into_iter().zip(seeds) {
            let vendor = MemoryProvider::new(ManualClock::default());
            for (index, (age, same)) in seeds.iter().enumerate() {
                let mut ticket = Ticket::new(format!("{name}-{index}"), "disk full", TicketStatusLevel::Todo);
                ticket.created_at = age.map(|age| now - Duration::from_secs(age));
                ticket.key = same.map(|same| format!("OPS-{same}"));
                vendor.seed_ticket(ticket);
            }
            builder = builder.provider(vendor.provider(name));
        }
        Self { ops: adjust(builder).build().await.unwrap(), cx: Context::new(agent()) }
    }

    async fn query(&self, query: TicketQuery) -> Result<Page<Ticket>> {
        self.ops.tickets(&self.cx).query(query).await
    }

    /// All pages, of these sizes over and over.
    async fn pages(&self, limits: &[u32]) -> Vec<Page<Ticket>> {
        let (mut pages, mut query) = (Vec::new(), TicketQuery::new());
        for limit in limits.iter().copied().cycle() {
            let page = self.query(query.clone().limit(limit)).await.unwrap();
            let next = page.next.clone();
            pages.push(page);
            match next {
                Some(next) => query = query.after(next),
                None => break,
            }
        }
        pages
    }
}

fn by_key(builder: Builder) -> Builder {
    builder.identity(Capability::Ticket, ["key"])
}

fn ids(page: &Page<Ticket>) -> String {
    page.items.iter().map(|ticket| ticket.id.as_str()).collect::<Vec<_>>().join(" ")
}

/// Each as `kept = dropped`.
fn told(page: &Page<Ticket>) -> Vec<String> {
    let shown = |origin: &Origin| format!("{}:{}", origin.provider, origin.id.as_deref().unwrap_or("?"));
    page.duplicates.iter().map(|one| format!("{} = {}", shown(&one.kept), shown(&one.dropped))).collect()
}

fn twins() -> Vec<Vec<Seed>> {
    vec![vec![(Some(2), Some(1)), (Some(4), None)], vec![(Some(1), Some(1)), (Some(3), None)]]
}

#[tokio::test]
async fn nothing_is_taken_for_the_same_without_a_rule() {
    let page = Sources::new(&twins(), |builder| builder).await.query(TicketQuery::new()).await.unwrap();
    assert_eq!(ids(&page), "b-0 a-0 b-1 a-1");
    assert_eq!(page.duplicates, []);
    let other =
        |builder: Builder| builder.identity(Capability::Alert, ["title"]).identity(Capability::Service, ["name"]);
    let page = Sources::new(&twins(), other).await.query(TicketQuery::new()).await.unwrap();
    assert_eq!((ids(&page).as_str(), page.duplicates.len()), ("b-0 a-0 b-1 a-1", 0), "the rules of others");
}

#[tokio::test]
async fn of_twins_the_newest_stays_untouched_and_the_page_says_what_was_left_out_and_why() {
    let sources = Sources::new(&twins(), by_key).await;
    let page = sources.query(TicketQuery::new()).await.unwrap();
    assert_eq!(ids(&page), "b-0 b-1 a-1");
    assert_eq!(told(&page), ["b:b-0 = a:a-0"]);
    assert_eq!(page.duplicates[0].rule, "ticket: key");
    assert!(page.is_complete() && page.warnings.is_empty(), "nothing is missing: {page:?}");
    assert_eq!(page.items[0], sources.ops.tickets(&sources.cx).on("b").get("b-0").await.unwrap());

    let alone = sources.ops.tickets(&sources.cx).on("a").query(TicketQuery::new()).await.unwrap();
    assert_eq!((ids(&alone).as_str(), alone.duplicates.len()), ("a-0 a-1", 0), "one provider has no twins");
}

#[tokio::test]
async fn of_the_same_time_the_first_in_the_route_stays() {
    let seeds = vec![vec![(Some(1), Some(1)), (None, Some(2))], vec![(Some(1), Some(1)), (None, Some(2))]];
    for (route, kept, duplicates) in [
        (["a", "b"], "a-0 a-1", ["a:a-0 = b:b-0", "a:a-1 = b:b-1"]),
        (["b", "a"], "b-0 b-1", ["b:b-0 = a:a-0", "b:b-1 = a:a-1"]),
    ] {
        let sources = Sources::new(&seeds, |builder| by_key(builder).route(Capability::Ticket, route)).await;
        let page = sources.query(TicketQuery::new()).await.unwrap();
        assert_eq!((ids(&page).as_str(), told(&page)), (kept, duplicates.map(String::from).to_vec()));
    }
}

#[tokio::test]
async fn what_has_no_time_is_that_of_the_first_in_the_route() {
    let catalog = |names: [&str; 2], prefix: &str| {
        let vendor = MemoryProvider::new(SystemClock);
        for name in names {
            vendor.seed_service(Service::new(format!("{prefix}-{name}"), name));
        }
        vendor
    };
    let (pager, local) = (catalog(["api", "db"], "A"), catalog(["db", "web"], "Z"));
    let builder = OpsOrch::builder().provider(pager.provider("pager")).provider(local.provider("local"));
    let builder = builder.route(Capability::Service, ["local", "pager"]).identity(Capability::Service, ["name"]);
    let ops = builder.build().await.unwrap();
    let cx = Context::new(agent());
    let page = ops.services(&cx).query(ServiceQuery::new()).await.unwrap();
    assert_eq!(page.items.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["Z-db", "Z-web", "A-api"]);
    assert_eq!(page.duplicates[0].dropped, Origin::new("pager", Some("A-db".into())));
}

#[tokio::test]
async fn a_twin_is_known_on_a_later_page_and_pages_stay_full() {
    let same = |things: std::ops::Range<u8>| things.map(|n| (Some(n.into()), Some(n))).collect::<Vec<Seed>>();
    // All twins of the other's, four times as many as a source is asked for in vain, and one more thing behind them.
    let mut late: Vec<Seed> = same(0..40).into_iter().map(|(age, key)| (age.map(|age| age + 200), key)).collect();
    late.push((Some(400), None));
    let sources = Sources::new(&[same(0..40), late], by_key).await;
    let pages = sources.pages(&[1]).await;
    assert_eq!(pages.len(), 41, "each page but the last is full, and the last is not empty");
    assert!(pages.iter().all(|page| page.items.len() == 1));
    let last = pages.last().unwrap();
    assert_eq!((ids(last).as_str(), last.duplicates.len(), last.next.is_none()), ("b-40", 40, true));
    assert_eq!(last.duplicates[7].kept, Origin::new("a", None), "it was on an earlier page");
    assert_eq!(last.duplicates[7].dropped, Origin::new("b", Some("b-7".into())));
}

#[tokio::test]
async fn one_page_takes_no_more_than_fifty_requests_of_a_source_however_many_twins_it_has() {
    let twins = |age: u64| (0..120).map(|n| (Some(age + u64::from(n)), Some(n))).collect::<Vec<Seed>>();
    let vendor = MemoryProvider::new(ManualClock::default());
    let now = ManualClock::default().now();
    for index in 0..=120 {
        let mut ticket = Ticket::new(format!("x-{index}"), "disk full", TicketStatusLevel::Todo);
        ticket.created_at = Some(now - Duration::from_secs(500 + index));
        ticket.key = Some(format!("OPS-{index}"));
        vendor.seed_ticket(ticket);
    }
    let sources = Sources::new(&[twins(0)], |builder| by_key(builder).provider(vendor.provider("x"))).await;
    let (mut query, mut given, mut short) = (TicketQuery::new().limit(1), Vec::new(), 0);
    loop {
        let before = vendor.calls(Operation::TicketQuery);
        let page = sources.query(query.clone()).await.unwrap();
        let asked = vendor.calls(Operation::TicketQuery) - before;
        assert!(asked <= 50, "{asked} requests for one page");
        if page.items.is_empty() {
            short += 1;
            assert!(page.warnings.iter().any(|text| text.contains("50 times in a row")), "{:?}", page.warnings);
        }
        given.extend(page.items.into_iter().map(|ticket| ticket.id));
        match page.next {
            Some(next) => query = query.after(next),
            None => break,
        }
    }
    assert_eq!((given.len(), given.last().unwrap().as_str(), short), (121, "x-120", 2), "nothing is lost by it");
}

#[tokio::test]
async fn a_cursor_belongs_to_the_rule_it_was_made_by() {
    let sources = Sources::new(&twins(), by_key).await;
    let cursor = sources.query(TicketQuery::new().limit(1)).await.unwrap().next.unwrap();
    let others = [
        Sources::new(&twins(), |builder| builder).await,
        Sources::new(&twins(), |builder| builder.identity(Capability::Ticket, ["title"])).await,
        Sources::new(&twins(), |builder| by_key(builder).route(Capability::Ticket, ["b", "a"])).await,
    ];
    for other in &others {
        let error = other.query(TicketQuery::new().after(cursor.clone())).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "cursor".into() }, "{error}");
        assert!(error.message().starts_with("it is not from this query to these providers"), "{error}");
    }
    let without = others[0].query(TicketQuery::new().limit(1)).await.unwrap().next.unwrap();
    let error = sources.query(TicketQuery::new().after(without)).await.unwrap_err();
    assert!(error.message().contains("these providers: a, b, by `ticket: key`;"), "{error}");
    let other = TicketQuery::new().status(TicketStatusLevel::Done).after(cursor.clone());
    assert!(sources.query(other).await.is_err());
    assert_eq!(ids(&sources.query(TicketQuery::new().after(cursor)).await.unwrap()), "b-1 a-1");
}

#[tokio::test]
async fn what_a_cursor_remembers_is_read_or_refused_and_never_more_than_it_may_hold() {
    let sources = Sources::new(&twins(), by_key).await;
    let cursor = sources.query(TicketQuery::new().limit(1)).await.unwrap().next.unwrap();
    let (places, _) = cursor.as_str().rsplit_once('.').unwrap();
    for known in ["A", "*", ".", "AAAA", &"A".repeat(20_000), &"A".repeat(70_000)] {
        let error =
            sources.query(TicketQuery::new().after(Cursor::new(format!("{places}.{known}")))).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "cursor".into() }, "{} characters", known.len());
    }
    // Who alters a cursor harms nobody else: a source that is not there, a thing that nobody gave.
    for known in ["", "__8AAAAAAAAAAQ"] {
        let page = sources.query(TicketQuery::new().after(Cursor::new(format!("{places}.{known}")))).await.unwrap();
        assert_eq!(ids(&page), "a-0 b-1 a-1");
    }
}

#[tokio::test]
async fn things_that_are_too_far_apart_are_given_twice_and_the_page_says_so() {
    for (between, kept) in [(999, false), (1000, true)] {
        let mut many: Vec<Seed> = vec![(Some(0), Some(1))];
        many.extend((0..between).map(|_| (Some(1), None)));
        let vendor = MemoryProvider::new(ManualClock::default());
        let now = ManualClock::default().now();
        for (index, (age, same)) in many.iter().enumerate() {
            let mut ticket = Ticket::new(format!("x-{index}"), format!("{index}"), TicketStatusLevel::Todo);
            ticket.created_at = age.map(|age| now - Duration::from_secs(age));
            ticket.key = Some(same.map_or_else(|| format!("X-{index}"), |same| format!("OPS-{same}")));
            vendor.seed_ticket(ticket);
        }
        let adjust = |builder: Builder| by_key(builder).provider(vendor.provider("x"));
        let sources = Sources::new(&[vec![(Some(2), Some(1))]], adjust).await;
        for limits in [&[2000][..], &[300, 7]] {
            let pages = sources.pages(limits).await;
            let given = pages.iter().any(|page| ids(page).contains("a-0"));
            assert_eq!(given, kept, "{between} things between, pages of {limits:?}");
            let warns = pages.iter().flat_map(|page| &page.warnings).any(|text| text.contains("1000 things"));
            assert_eq!(warns, kept, "{between} things between, pages of {limits:?}");
            let longest = pages.iter().filter_map(|page| Some(page.next.as_ref()?.as_str().len())).max();
            assert!(longest.is_none_or(|longest| longest < 14_000), "{longest:?}");
        }
    }
}

#[tokio::test]
async fn an_identity_stands_in_a_configuration_and_the_builder_beats_it() {
    let config = || Config::parse("[identity]\nticket = ['key']").unwrap();
    let sources = Sources::new(&twins(), |builder| builder.config(config())).await;
    assert_eq!(ids(&sources.query(TicketQuery::new()).await.unwrap()), "b-0 b-1 a-1");
    let adjust = |builder: Builder| builder.config(config()).identity(Capability::Ticket, ["id", "title"]);
    let sources = Sources::new(&twins(), adjust).await;
    assert_eq!(ids(&sources.query(TicketQuery::new()).await.unwrap()), "b-0 a-0 b-1 a-1");

    for (text, message) in [
        (
            "[identity]\nticket = ['kee']",
            "invalid identity.ticket[0]: unknown field `kee`, expected one of: id, key, title",
        ),
        ("[identity]\ntickets = ['key']", "invalid identity.tickets: unknown capability `tickets`, expected one of: "),
        ("[identity]\nticket = 'key'", "invalid identity.ticket: expected a list, got text"),
        ("[identity]\nmessaging = ['id']", "invalid identity.messaging: `messaging` has no lists"),
    ] {
        let error = Config::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    let error = OpsOrch::builder().identity(Capability::Log, ["level"]).build().await.unwrap_err();
    assert!(error.to_string().starts_with("invalid identity.log[0]: unknown field `level`"), "{error}");
}

/// Holds each provider's answer back for so many milliseconds.
#[derive(Debug)]
struct Late(Vec<u64>);

#[opsorch::async_trait]
impl layer::Layer for Late {
    async fn call(&self, call: layer::Call<'_>, next: layer::Next<'_>) -> Result<Response> {
        let index = NAMES.iter().position(|name| *name == call.provider().as_str()).unwrap();
        tokio::time::sleep(Duration::from_millis(self.0[index])).await;
        next.run().await
    }
}

/// What is to come of all pages together, by the definition: everything in one list, newest first and then in the order of the
/// route; of each thing, the items of the source that is first.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    kept: Vec<TicketId>,
    /// The first source and its last item until then, and what is left out.
    dropped: Vec<(ProviderName, String, Origin)>,
}

fn expected(streams: Vec<Vec<Ticket>>) -> Expected {
    let mut all: Vec<Ticket> = streams.into_iter().flatten().collect();
    all.sort_by_key(|ticket| std::cmp::Reverse(ticket.created_at)); // stable
    let mut first: HashMap<String, (ProviderName, String)> = HashMap::new();
    let mut expected = Expected::default();
    for ticket in all {
        let (provider, id) = (ticket.provider.clone().unwrap(), ticket.id.as_str().to_owned());
        let known = ticket.key.as_ref().and_then(|key| first.get(key));
        match known.filter(|(first, _)| *first != provider) {
            Some((first, last)) => {
                expected.dropped.push((first.clone(), last.clone(), Origin::new(provider, Some(id))));
            }
            None => {
                expected.kept.push(ticket.id);
                if let Some(key) = ticket.key {
                    first.insert(key, (provider, id));
                }
            }
        }
    }
    expected
}

/// Checks that every page is full and every drop explained, and gives all pages as one.
fn as_one(pages: &[Page<Ticket>], limits: &[u32]) -> Expected {
    let mut all = Expected::default();
    for (page, limit) in pages.iter().zip(limits.iter().cycle()) {
        assert!(page.items.len() == *limit as usize || page.next.is_none(), "a short page: {page:#?}");
        assert!(page.failures.is_empty() && page.truncated.is_none() && page.warnings.is_empty(), "{page:#?}");
        for duplicate in &page.duplicates {
            assert_eq!(duplicate.rule, "ticket: key");
            let Origin { provider, id, .. } = &duplicate.kept;
            // Said where it is on this page, and absent where it is not.
            let given = id.clone().unwrap_or_default();
            assert!(id.is_none() || page.items.iter().any(|item| item.id.as_str() == given), "{duplicate:?} {page:#?}");
            all.dropped.push((provider.clone(), given, duplicate.dropped.clone()));
        }
        all.kept.extend(page.items.iter().map(|item| item.id.clone()));
    }
    all
}

fn seeds() -> impl Strategy<Value = Vec<Vec<Seed>>> {
    let seed = (prop::option::weighted(0.9, 0..5_u64), prop::option::weighted(0.8, 0..4_u8));
    prop::collection::vec(prop::collection::vec(seed, 0..7), 2..=4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]
    /// Whatever the sizes of the pages, the order of the route and who answers first.
    #[test]
    fn all_pages_together_are_the_union_without_twins(
        seeds in seeds(),
        route in Just(vec![0, 1, 2, 3]).prop_shuffle(),
        limits in prop::collection::vec(1..6_u32, 1..4),
        delays in prop::collection::vec(0..50_u64, 4),
    ) {
        let route: Vec<&str> = route.into_iter().filter(|index| *index < seeds.len()).map(|index| NAMES[index]).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (expected, pages, whole) = runtime.block_on(async {
            let adjust = |builder: Builder| by_key(builder).route(Capability::Ticket, route.clone()).layer(Late(delays));
            let sources = Sources::new(&seeds, adjust).await;
            let mut streams = Vec::new();
            for name in &route {
                let tickets = sources.ops.tickets(&sources.cx).on(*name);
                streams.push(tickets.query(TicketQuery::new().limit(100)).await.unwrap().items);
            }
            (expected(streams), sources.pages(&limits).await, sources.pages(&[100]).await)
        });
        let all = as_one(&pages, &limits);
        prop_assert_eq!(&all.kept, &expected.kept);
        prop_assert_eq!(all.dropped.len(), expected.dropped.len());
        for ((kept, id, dropped), (first, last, twin)) in all.dropped.iter().zip(&expected.dropped) {
            prop_assert_eq!((kept, dropped), (first, twin));
            prop_assert!(id.is_empty() || id == last);
        }
        prop_assert_eq!(&as_one(&whole, &[100]), &expected, "on one page every id is known");
    }
}
