use std::time::Duration;

use opsorch::capability::{LogReader, MetricReader};
use opsorch::{
    AggregationLevel, Clock, Error, ErrorKind, LogEntry, LogOperatorLevel, LogQuery, LogSeverityLevel, ManualClock,
    MetricDescriptor, MetricKindLevel, MetricOperatorLevel, MetricPoint, MetricQuery, MetricSeries, Scope, Time,
};
use opsorch_testkit::MemoryProvider;

use crate::{assert_kind, cx, done, invalid};

fn minute(minutes: u64) -> Time {
    ManualClock::default().now() + Duration::from_secs(60 * minutes)
}

#[tokio::test]
async fn each_condition_on_logs_narrows_the_result() {
    let memory = MemoryProvider::new(ManualClock::default());
    let entries = [
        LogEntry::new(minute(0), "started").service("api").severity(LogSeverityLevel::Info),
        LogEntry::new(minute(1), "Timeout").service("api").severity("ERR").label("region", "eu").label("team", "core"),
        LogEntry::new(minute(2), "timeout").service("web").field("code", 504),
    ];
    entries.into_iter().for_each(|entry| memory.seed_log(entry));
    let all = || LogQuery::new(minute(0), minute(9));
    let (is, is_not, has) = (LogOperatorLevel::Equals, LogOperatorLevel::NotEquals, LogOperatorLevel::Contains);
    let cases = [
        (all(), "210"),
        (LogQuery::new(minute(0), minute(2)), "10"),
        (all().search("timeout"), "21"),
        (all().severity(LogSeverityLevel::Error), "1"),
        (all().filter("region", is, "eu"), "1"),
        (all().filter("region", is_not, "eu"), "20"),
        (all().filter("code", is, "504"), "2"),
        (all().filter("message", has, "time"), "2"),
        (all().filter("service", is, "api").search("timeout"), "1"),
        (all().filter("nothing", has, ""), ""),
        (all().service("api"), "10"),
        (all().team("core"), "1"),
    ];
    for (query, expected) in cases {
        let page = done(LogReader::query(&memory, &cx(), &query).await);
        let found: String =
            page.items.iter().map(|entry| (entry.timestamp - minute(0)).num_minutes().to_string()).collect();
        assert_eq!(found, expected, "{query:?}");
    }
    let regex = all().filter("message", LogOperatorLevel::Regex, "t.*");
    assert_kind(LogReader::query(&memory, &cx(), &regex).await, ErrorKind::Unsupported);
}

/// Two regions and two instances, with a gap in one.
fn requests() -> MemoryProvider {
    let memory = MemoryProvider::new(ManualClock::default());
    memory.seed_metric(MetricDescriptor::new("requests", MetricKindLevel::Counter).unit("1"));
    let series = |region: &str, values: &[(u64, f64)]| {
        let points = values.iter().filter_map(|(at, value)| MetricPoint::new(minute(*at), *value)).collect();
        MetricSeries::new("requests", points).service("api").label("region", region)
    };
    memory.seed_series(series("eu", &[(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0)]).label("instance", "1"));
    memory.seed_series(series("eu", &[(0, 10.0), (3, 40.0)]).label("instance", "2"));
    memory.seed_series(series("us", &[(0, 100.0), (1, f64::NAN), (9, 900.0)]));
    memory
}

/// Each series as its region and values by minute.
async fn read(query: MetricQuery) -> Result<Vec<String>, Error> {
    let page = MetricReader::query(&requests(), &cx(), &query).await?;
    let show = |series: &MetricSeries| {
        let region = series.labels.get("region").and_then(|region| region.as_str()).unwrap_or("-");
        let points = series
            .points
            .iter()
            .map(|point| format!(" {}={}", (point.timestamp() - minute(0)).num_minutes(), point.value()));
        region.to_owned() + &points.collect::<String>()
    };
    Ok(page.items.iter().map(show).collect())
}

#[tokio::test]
async fn a_metric_query_does_what_it_says() {
    let all = || MetricQuery::new("requests", minute(0), minute(3));
    let is_not = MetricOperatorLevel::NotEquals;
    let cases: [(MetricQuery, &[&str]); 10] = [
        (all(), &["eu 0=1 1=2 2=3 3=4", "eu 0=10 3=40", "us 0=100"]),
        (all().filter("region", is_not, "eu"), &["us 0=100"]),
        (all().filter("instance", is_not, "1"), &["eu 0=10 3=40", "us 0=100"]),
        (all().service("web"), &[]),
        (MetricQuery::new("nothing", minute(0), minute(3)), &[]),
        (all().step(120), &["eu 0=2 2=4", "eu 0=10 2=40", "us 0=100"]),
        (all().aggregation(AggregationLevel::Sum), &["- 0=111 1=2 2=3 3=44"]),
        (all().aggregation(AggregationLevel::Count).group_by("region"), &["eu 0=2 1=1 2=1 3=2", "us 0=1"]),
        (all().aggregation(AggregationLevel::Avg).step(240), &["- 0=48"]),
        (all().aggregation(AggregationLevel::Max).group_by("region").limit(1), &["eu 0=10 1=2 2=3 3=40"]),
    ];
    for (query, expected) in cases {
        assert_eq!(done(read(query.clone()).await), expected, "{query:?}");
    }
}

#[tokio::test]
async fn what_a_metric_query_cannot_do_is_refused() {
    let all = || MetricQuery::new("requests", minute(0), minute(3));
    assert_kind(read(all().filter("region", MetricOperatorLevel::Matches, "e.")).await, ErrorKind::Unsupported);
    assert_kind(read(all().aggregation("median")).await, ErrorKind::Unsupported);
    assert_kind(read(all().group_by("region")).await, invalid("expression.groupBy"));
    let mut without_expression = all();
    without_expression.expression = None;
    assert_kind(read(without_expression).await, ErrorKind::Unsupported);
}

#[tokio::test]
async fn metrics_are_described_by_name_in_their_scope() {
    let memory = requests();
    memory.seed_metric(MetricDescriptor::new("errors", MetricKindLevel::Counter));
    let describe = async |scope: Scope| {
        let page = done(memory.describe(&cx(), &scope).await);
        page.items.into_iter().map(|metric| metric.name).collect::<Vec<_>>()
    };
    assert_eq!(describe(Scope::new()).await, ["errors", "requests"]);
    assert_eq!(describe(Scope::new().service("api")).await, ["requests"]);
    assert!(describe(Scope::new().service("web")).await.is_empty());
}
