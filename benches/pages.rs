//! What it costs to make normalized pages of what vendors answer: CPU time for each 1 000 items, bytes per second and
//! allocations, from the bytes of the answers through the provider. Beside it, in the same run, `serde_json` decodes the
//! same bytes into typed structs, which are nobody's schema yet. The goal is a ratio of 1.4 at most.
//!
//! `cargo bench -p opsorch-benches --bench pages`. The payloads are made from a seed
//! ([`payload`](opsorch_benches::payload)), in pages of 100 items as the vendors give them, and of 1 000 log entries;
//! nothing is sent over a network, and nothing waits for a vendor's budget. A vendor is a row in [`vendors`]; `-- jira` measures that one alone, and keeps no results.
#![allow(missing_docs, clippy::unwrap_used)]

use std::any::Any;
use std::hint::black_box;
use std::sync::Arc;

use allocation_counter::measure;
use opsorch::secret::SecretRef;
use opsorch::transport::{Bytes, Request};
use opsorch::{Actor, BuildEnv, Context, IncidentQuery, LogQuery, OpsOrch, ProviderConfig, TicketQuery, Time};
use opsorch_benches::payload::{LOG_PAGE, datadog_logs, elastic_hits, github_issues, jira_issues, pagerduty_incidents};
use opsorch_benches::results::{Goal, Number, Results};
use opsorch_benches::{Canned, cpu_seconds, plain};
use opsorch_providers::datadog::DatadogConfig;
use opsorch_providers::elastic::{Distribution, ElasticConfig};
use opsorch_providers::github::GitHubConfig;
use opsorch_providers::jira::{self, JiraConfig};
use opsorch_providers::pagerduty::PagerDutyConfig;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// How many items are read at once.
const SIZES: [usize; 2] = [1_000, 10_000];

/// How often each measurement is made, and how many items each reads at least.
const ROUNDS: usize = 7;
const WORK: usize = 20_000;

/// The ratio that is aimed at.
const GOAL: f64 = 1.4;

/// Reads all items, and hands over what holds them.
type Read = Box<dyn FnMut() -> Box<dyn Any>>;

/// A vendor: how its answers are made, read through its provider, and decoded plainly.
struct Vendor {
    name: &'static str,
    pages: fn(usize) -> Vec<Bytes>,
    provider: fn(Vec<Bytes>, u32) -> Read,
    plain: fn(&[Bytes], usize) -> Box<dyn Any>,
}

fn vendors() -> Vec<Vendor> {
    vec![
        Vendor {
            name: "pagerduty",
            pages: pagerduty_incidents,
            provider: pagerduty,
            plain: |pages, items| decode::<plain::PagerDuty>(pages, items, |it| it.incidents.len()),
        },
        Vendor {
            name: "jira",
            pages: jira_issues,
            provider: jira,
            plain: |pages, items| decode::<plain::Jira>(pages, items, |it| it.issues.len()),
        },
        Vendor {
            name: "github",
            pages: github_issues,
            provider: github,
            plain: |pages, items| decode::<Vec<plain::GitHubIssue>>(pages, items, Vec::len),
        },
        Vendor {
            name: "elastic",
            pages: elastic_hits,
            provider: elastic,
            plain: |pages, items| decode::<plain::Elastic>(pages, items, |it| it.hits.hits.len()),
        },
        Vendor {
            name: "datadog",
            pages: datadog_logs,
            provider: datadog,
            plain: |pages, items| decode::<plain::Datadog>(pages, items, |it| it.data.len()),
        },
    ]
}

fn main() {
    println!("least CPU time of {ROUNDS} rounds until the items are there; MB/s of JSON; allocations for each item");
    println!("ratio: provider to plain, {GOAL} at most is the goal; beside it with the time to give the memory back\n");
    println!("{:>10} {:>7} {:>6} | {:^29} | {:^29} |", "", "", "", "provider", "plain serde_json");
    println!(
        "{:>10} {:>7} {:>6} | {:>9} {:>9} {:>9} | {:>9} {:>9} {:>9} | {:>5} {:>10}",
        "vendor", "items", "MB", "ms/1 000", "MB/s", "allocs", "ms/1 000", "MB/s", "allocs", "ratio", "with drop"
    );
    let named: Vec<_> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let mut results = Results::of("pages");
    for vendor in vendors().into_iter().filter(|it| named.is_empty() || named.iter().any(|name| name == it.name)) {
        SIZES.iter().for_each(|items| results.add(report(&vendor, *items)));
    }
    if named.is_empty() {
        results.write();
    }
}

fn report(vendor: &Vendor, items: usize) -> Number {
    let pages = (vendor.pages)(items);
    let megabytes = pages.iter().map(Bytes::len).sum::<usize>() as f64 / 1e6;
    let mut provider = (vendor.provider)(pages.clone(), u32::try_from(items).unwrap());
    let mut plain = || (vendor.plain)(black_box(&pages), items);
    let (provider, plain) = (cost(items, &mut *provider), cost(items, &mut plain));
    let of = |cost: &Cost| {
        let milliseconds = cost.read / items as f64 * 1e6;
        format!("{milliseconds:>9.2} {:>9.0} {:>9.1}", megabytes / cost.read, cost.allocations / items as f64)
    };
    let ratio = provider.read / plain.read;
    let (missed, with_drop) = (if ratio > GOAL { "!" } else { " " }, provider.whole / plain.whole);
    let name = vendor.name;
    print!("{name:>10} {items:>7} {megabytes:>6.1} | {} | {} ", of(&provider), of(&plain));
    println!("| {ratio:>5.2}{missed} {with_drop:>9.2}");
    let each = |cost: &Cost| cost.read / items as f64 * 1e6;
    let what = format!("{name}, {items} items in pages, processor time for 1 000");
    Number::new(what, each(&provider), "ms").beside("plain `serde_json`", each(&plain)).goal(Goal::MostTimes(GOAL))
}

/// What it costs to read all items once: the seconds until they are there, and those with giving the memory back.
struct Cost {
    read: f64,
    whole: f64,
    allocations: f64,
}

fn cost(items: usize, read: &mut dyn FnMut() -> Box<dyn Any>) -> Cost {
    let repeats = WORK.div_ceil(items);
    let allocations = measure(|| _ = read()).count_total as f64;
    let mut least = Cost { read: f64::INFINITY, whole: f64::INFINITY, allocations };
    for _ in 0..ROUNDS {
        let (mut until_read, mut whole) = (0.0, 0.0);
        for _ in 0..repeats {
            let before = cpu_seconds();
            let items = black_box(read());
            until_read += cpu_seconds() - before;
            drop(items);
            whole += cpu_seconds() - before;
        }
        least.read = least.read.min(until_read / repeats as f64);
        least.whole = least.whole.min(whole / repeats as f64);
    }
    least
}

/// Decodes all pages, and holds them until all are there, as a caller of a provider does.
fn decode<T: DeserializeOwned + 'static>(pages: &[Bytes], items: usize, count: fn(&T) -> usize) -> Box<dyn Any> {
    let decoded: Vec<T> = pages.iter().map(|page| serde_json::from_slice(page).unwrap()).collect();
    assert_eq!(decoded.iter().map(count).sum::<usize>(), items);
    Box::new(decoded)
}

fn pagerduty(pages: Vec<Bytes>, items: u32) -> Read {
    let config = PagerDutyConfig::new(SecretRef::literal("token")).requests_per_minute(0);
    let (runtime, ops) = control_plane(config, Canned::new(pages));
    let cx = Context::new(Actor::service("bench"));
    // With a beginning nobody asks whether there is something older.
    let count = usize::try_from(items).unwrap();
    let query = IncidentQuery::new().since("2025-12-01T00:00:00Z".parse::<Time>().unwrap()).limit(items);
    Box::new(move || {
        let page = runtime.block_on(ops.incidents(&cx).query(black_box(query.clone()))).unwrap();
        assert!(page.is_complete() && page.items.iter().all(|incident| incident.description.is_some()));
        assert_eq!(page.items.len(), count);
        Box::new(page.items)
    })
}

fn jira(pages: Vec<Bytes>, items: u32) -> Read {
    let site = "https://acme.atlassian.net".parse().unwrap();
    let token = SecretRef::literal("token");
    let config =
        JiraConfig::new(jira::Deployment::Cloud, site, "OPS", token).email("ada@example.org").requests_per_minute(0);
    tickets(config, Canned::new(pages), items)
}

fn github(pages: Vec<Bytes>, items: u32) -> Read {
    let config = GitHubConfig::new(SecretRef::literal("token")).repository("acme/shop").requests_per_minute(0);
    let place = |request: &Request| {
        let page = request.url.query_pairs().find(|(name, _)| name == "page")?.1.parse::<usize>().unwrap();
        Some(page - 1)
    };
    tickets(config, Canned::by(place, pages), items)
}

/// Reads tickets to the end: a provider that asks for so much at once only is asked again.
fn tickets(config: impl ProviderConfig, transport: Canned, items: u32) -> Read {
    let (runtime, ops) = control_plane(config, transport);
    let count = usize::try_from(items).unwrap();
    let cx = Context::new(Actor::service("bench"));
    Box::new(move || {
        let (mut query, mut read) = (TicketQuery::new().limit(items), Vec::new());
        loop {
            let page = runtime.block_on(ops.tickets(&cx).query(black_box(query.clone()))).unwrap();
            assert!(page.truncated.is_none() && page.items.iter().all(|ticket| ticket.description.is_some()));
            read.push(page.items);
            query.cursor = page.next;
            if query.cursor.is_none() {
                assert_eq!(read.iter().map(Vec::len).sum::<usize>(), count);
                return Box::new(read) as Box<dyn Any>;
            }
        }
    })
}

fn elastic(pages: Vec<Bytes>, items: u32) -> Read {
    let date = json!({ "date": { "type": "date", "metadata_field": false, "searchable": true, "aggregatable": true } });
    let fields = json!({ "indices": [".ds-logs-shop-default-2026.01.01-000042"], "fields": { "@timestamp": date } });
    let opened = json!({ "id": "46ToAwMDaWR5BXV1aWQyKwZub2RlXzM=", "_shards": { "total": 3, "failed": 0 } });
    let first = [fields, opened].map(|answer| Bytes::from(answer.to_string()));
    // A search goes on after the last hit of the one before, which is ordered by its number too.
    let place = |request: &Request| match request.url.path() {
        "/_search" => {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let last = body.pointer("/search_after/1").and_then(Value::as_u64);
            Some(last.map_or(2, |last| 3 + usize::try_from(last).unwrap() / LOG_PAGE))
        }
        path => Some(usize::from(path.ends_with("/_pit"))),
    };
    let url = "https://es.example.org:9200".parse().unwrap();
    let config = ElasticConfig::new(url).distribution(Distribution::Elasticsearch).requests_per_minute(0);
    logs(config, Canned::by(place, first.into_iter().chain(pages).collect()), items)
}

fn datadog(pages: Vec<Bytes>, items: u32) -> Read {
    let config =
        DatadogConfig::new(SecretRef::literal("api key"), SecretRef::literal("application key")).requests_per_minute(0);
    logs(config, Canned::new(pages), items)
}

/// Reads log entries, all at once.
fn logs(config: impl ProviderConfig, transport: Canned, items: u32) -> Read {
    let (runtime, ops) = control_plane(config, transport);
    let count = usize::try_from(items).unwrap();
    let cx = Context::new(Actor::service("bench"));
    let [start, end] = ["2025-12-31T00:00:00Z", "2026-01-02T00:00:00Z"].map(|time| time.parse::<Time>().unwrap());
    let query = LogQuery::new(start, end).limit(items);
    Box::new(move || {
        let page = runtime.block_on(ops.logs(&cx).query(black_box(query.clone()))).unwrap();
        assert!(
            page.is_complete() && page.items.iter().all(|entry| entry.service.is_some() && entry.severity.is_some())
        );
        assert_eq!(page.items.len(), count);
        Box::new(page.items)
    })
}

fn control_plane(config: impl ProviderConfig, transport: Canned) -> (Runtime, OpsOrch) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let env = BuildEnv::new().with_transport(Arc::new(transport));
    let ops = runtime.block_on(async {
        let provider = config.build(&"vendor".into(), &env).await.unwrap();
        OpsOrch::builder().provider(provider).without_layers().build().await.unwrap()
    });
    (runtime, ops)
}
