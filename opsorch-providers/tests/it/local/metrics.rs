//! Metrics of the host that runs the tests.
#![cfg(target_os = "linux")]

use std::time::Duration;

use opsorch::{AggregationLevel, Clock, MetricOperatorLevel, MetricQuery, Scope, Time};
use opsorch_providers::local::LocalConfig;

use super::{Desk, assert_invalid, assert_unsupported, folder};

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
        assert!(!page.items.is_empty() || descriptor.name.starts_with("network."), "{}", descriptor.name);
        assert!(page.truncated.unwrap().contains("history"));
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
async fn a_span_without_the_present_has_no_points_and_says_so() {
    let folder = folder();
    let desk = desk(folder.path()).await;
    let mut query = lately("uptime", &desk);
    query.end = query.start + Duration::from_secs(1);
    let page = desk.ops.metrics(&desk.cx).query(query).await.unwrap();
    assert!(page.items.is_empty() && page.truncated.is_some());
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
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused() {
    let folder = folder();
    let desk = desk(folder.path()).await;
    let metrics = desk.ops.metrics(&desk.cx);
    let query = || lately("uptime", &desk);
    assert_unsupported(metrics.query(query().filter("a", "=~", "b")).await, "=~");
    assert_unsupported(metrics.query(query().filter("a", "!~", "b")).await, "!~");
    assert_unsupported(metrics.query(query().aggregation(AggregationLevel::Sum)).await, "aggregation");
    assert_unsupported(metrics.query(query().group_by("a")).await, "groupBy");
    assert_unsupported(metrics.query(query().service("db")).await, "scope.service");
    assert_unsupported(metrics.query(query().metadata("promql", "up")).await, "metadata");
    assert_unsupported(metrics.describe(Scope::new().team("sre")).await, "scope.team");
    assert_invalid(metrics.query(lately(" ", &desk)).await, "expression.metricName");
    let mut backwards = query();
    backwards.end = backwards.start - Duration::from_secs(1);
    assert_invalid(metrics.query(backwards).await, "end");
    assert_invalid(metrics.query(query().after(opsorch::Cursor::new("eth0"))).await, "cursor");
}
