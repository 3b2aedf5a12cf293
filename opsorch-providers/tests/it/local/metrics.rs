//! Metrics of the host that runs the tests.
#![cfg(target_os = "linux")]

use std::time::Duration;

use opsorch::{AggregationLevel, Clock, ManualClock, MetricOperatorLevel, MetricQuery, Scope, Time};
use opsorch_providers::local::LocalConfig;

use super::{Desk, assert_invalid, assert_unsupported, build, folder};

async fn desk(path: &std::path::Path) -> Desk {
    Desk::of(LocalConfig::new(path)).await
}

fn lately(name: &str, desk: &Desk) -> MetricQuery {
    let now: Time = desk.clock.now();
    MetricQuery::new(name, now - Duration::from_secs(60), now)
}

#[tokio::test]
async fn every_metric_that_is_described_has_a_present_value() {
    let folder = folder();
    let desk = desk(folder.path()).await;
    let metrics = desk.ops.metrics(&desk.cx);
    let described = metrics.describe(Scope::new()).await.unwrap().items;
    assert!(described.is_sorted_by_key(|descriptor| descriptor.name.clone()));
    for name in ["cpu.usage", "memory.used", "load.1m", "network.receive", "uptime"] {
        assert!(described.iter().any(|descriptor| descriptor.name == name), "{name}");
    }
    for descriptor in described {
        let page = metrics.query(lately(&descriptor.name, &desk)).await.unwrap();
        // A host may have no network and no disks of its own.
        let may_lack = descriptor.name.starts_with("network.") || descriptor.name.starts_with("disk.");
        assert!(!page.items.is_empty() || may_lack, "{}", descriptor.name);
        assert!(page.truncated.unwrap().starts_with("history begins at 2026-01-01T00:00:00Z"));
        for series in page.items {
            assert_eq!(series.name, descriptor.name);
            assert!(series.labels.keys().eq(descriptor.labels.iter()), "{series:?}");
            let [point] = series.points.as_slice() else { panic!("{series:?}") };
            assert_eq!(point.timestamp(), desk.clock.now());
            assert!(point.value() >= 0.0);
        }
    }
}

#[tokio::test]
async fn a_span_before_the_first_sample_has_no_points_and_says_so() {
    let folder = folder();
    let desk = desk(folder.path()).await;
    let mut query = lately("uptime", &desk);
    query.end = query.start + Duration::from_secs(1);
    let page = desk.ops.metrics(&desk.cx).query(query).await.unwrap();
    assert!(page.items.is_empty() && page.truncated.unwrap().contains("history begins"));
}

#[tokio::test]
async fn an_unknown_metric_yields_nothing() {
    let folder = folder();
    let desk = desk(folder.path()).await;
    let page = desk.ops.metrics(&desk.cx).query(lately("cpu", &desk)).await.unwrap();
    assert!(page.items.is_empty() && page.is_complete());
}

#[tokio::test]
async fn labels_are_compared_and_pages_resume() {
    let folder = folder();
    let desk = desk(folder.path()).await;
    let metrics = desk.ops.metrics(&desk.cx);
    let query = || lately("network.receive", &desk);
    let label = |series: &opsorch::MetricSeries| series.labels["interface"].as_str().unwrap().to_owned();
    let all: Vec<_> = metrics.query(query()).await.unwrap().items.iter().map(label).collect();

    let mut paged = Vec::new();
    let mut next = None;
    while paged.len() < all.len() {
        let mut query = query().limit(1);
        query.cursor = next;
        let page = metrics.query(query).await.unwrap();
        paged.extend(page.items.iter().map(label));
        next = page.next;
    }
    assert!(next.is_none());
    assert_eq!(paged, all);

    for name in &all {
        let only =
            metrics.query(query().filter("interface", MetricOperatorLevel::Equals, name.as_str())).await.unwrap();
        assert!(only.items.iter().map(label).eq([name.as_str()]), "{name}");
        let others = metrics.query(query().filter("interface", "!=", name.as_str())).await.unwrap();
        assert_eq!(others.items.len(), all.len() - 1);
    }
    let none = metrics.query(query().filter("interface", "=", "no such interface")).await.unwrap();
    assert!(none.items.is_empty());
    let matching = metrics.query(query().filter("interface", "=~", "lo|.*")).await.unwrap();
    assert_eq!(matching.items.len(), all.len());
    assert!(metrics.query(query().filter("interface", "!~", ".*")).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn series_are_aggregated() {
    let folder = folder();
    let desk = desk(folder.path()).await;
    let metrics = desk.ops.metrics(&desk.cx);
    let query = || lately("load.1m", &desk);
    let value = |page: opsorch::Page<opsorch::MetricSeries>| page.items[0].points[0].value();
    let load = value(metrics.query(query()).await.unwrap());
    for word in [AggregationLevel::Avg, AggregationLevel::Sum, AggregationLevel::Min, AggregationLevel::Max] {
        assert_eq!(value(metrics.query(query().aggregation(word)).await.unwrap()), load);
    }
    let counted = metrics.query(query().aggregation(AggregationLevel::Count).group_by("host")).await.unwrap();
    assert!(counted.items[0].labels.is_empty(), "a label that is not there is not made up");
    assert_eq!(value(counted), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_sample_is_added_at_each_interval() {
    let folder = folder();
    let desk = Desk::of(LocalConfig::new(folder.path()).metrics_interval(60).metrics_history(600)).await;
    let start = desk.clock.now();
    desk.clock.advance(Duration::from_secs(60));
    let query = || MetricQuery::new("uptime", start, desk.clock.now());
    let mut times = Vec::new();
    while times.len() < 2 {
        // The sample is taken by a thread, which the time of the test does not wait for.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let page = desk.ops.metrics(&desk.cx).query(query()).await.unwrap();
        times = page.items[0].points.iter().map(|point| point.timestamp()).collect();
    }
    assert_eq!(times, [start, desk.clock.now()]);
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused() {
    let folder = folder();
    let desk = desk(folder.path()).await;
    let metrics = desk.ops.metrics(&desk.cx);
    let query = || lately("uptime", &desk);
    assert_unsupported(metrics.query(query().filter("a", "~~", "b")).await, "~~");
    assert_unsupported(metrics.query(query().aggregation("median")).await, "median");
    assert_invalid(metrics.query(query().group_by("a")).await, "expression.groupBy");
    let odd = query().filter("a", "=", "b").filter("a", "=~", "b)|(c");
    assert_invalid(metrics.query(odd).await, "expression.filters[1].value");
    assert_unsupported(metrics.query(query().service("db")).await, "scope.service");
    assert_unsupported(metrics.query(query().metadata("promql", "up")).await, "metadata");
    assert_unsupported(metrics.describe(Scope::new().team("sre")).await, "scope.team");
    assert_invalid(metrics.query(lately(" ", &desk)).await, "expression.metricName");
    let mut backwards = query();
    backwards.end = backwards.start - Duration::from_secs(1);
    assert_invalid(metrics.query(backwards).await, "end");
    assert_invalid(metrics.query(query().after(opsorch::Cursor::new("eth0"))).await, "cursor");
    assert_invalid(metrics.query(query().after(opsorch::Cursor::new("[\"load.1m\",[]]"))).await, "cursor");
}

#[tokio::test]
async fn an_interval_and_a_history_that_make_no_sense_are_refused() {
    let folder = folder();
    let clock = ManualClock::default();
    let config = || LocalConfig::new(folder.path());
    for interval in [0, 3601] {
        assert_invalid(build(config().metrics_interval(interval), &clock).await, "metrics_interval");
    }
    for history in [14, 150_015] {
        assert_invalid(build(config().metrics_history(history), &clock).await, "metrics_history");
    }
    build(config().metrics_history(150_000), &clock).await.unwrap();
}
