//! Metrics of this host: measured in the background, and kept for some time.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::MetricReader;
use opsorch::{
    Clock, Context, Cursor, Error, Fields, MetricDescriptor, MetricExpression, MetricKindLevel, MetricPoint,
    MetricQuery, MetricSeries, Page, Result, Scope, Time,
};
use tokio::sync::watch;

use self::sampler::Sampler;
use self::select::{Key, Points, Selection};
use self::source::{Reader, Source};
use super::query::{page_size, refuse, refuse_metadata, refuse_team_and_environment};

pub(super) use self::sampler::Rhythm;

#[cfg(test)]
pub(super) mod fake;
mod history;
mod mounts;
mod proc;
mod sampler;
mod select;
mod source;

/// The points of one page. A page ends with the series that reaches them; its cursor goes on.
const PAGE_POINTS: usize = 100_000;

/// Reads the metrics of the host.
#[derive(Debug)]
pub(super) struct Host {
    sampler: Sampler,
    rhythm: Rhythm,
}

/// The newest value of a series.
#[derive(Debug)]
pub(super) struct Newest {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
    pub(super) at: Time,
}

/// What can be asked for.
#[derive(Debug)]
struct Metric {
    name: &'static str,
    source: Source,
    kind: MetricKindLevel,
    unit: &'static str,
    meaning: &'static str,
    labels: &'static [&'static str],
}

const INTERFACE: &[&str] = &["interface"];
const DEVICE: &[&str] = &["device"];
const MOUNT: &[&str] = &["device", "filesystem", "mount"];

/// The metrics, by name. Counters are totals since the host started, of which differences of two points make rates.
const METRICS: &[Metric] = {
    use Source::*;
    &[
        gauge("cpu.core.usage", Cpu, "percent", "how busy a processor was since the sample before", &["core"]),
        gauge("cpu.usage", Cpu, "percent", "how busy all processors together were since the sample before", &[]),
        gauge("disk.available", Space, "bytes", "the space that programs can still get", MOUNT),
        counter("disk.busy", DiskUse, "seconds", "how long the disk was at work since the host started", DEVICE),
        counter("disk.read", DiskUse, "bytes", "what was read since the host started", DEVICE),
        gauge("disk.total", Space, "bytes", "the space there is", MOUNT),
        gauge("disk.usage", Space, "percent", "how much of the space that programs can get is in use", MOUNT),
        gauge("disk.used", Space, "bytes", "the space that is in use", MOUNT),
        counter("disk.write", DiskUse, "bytes", "what was written since the host started", DEVICE),
        gauge("load.15m", Load, "tasks", "the tasks that ran or waited, on average over 15 minutes", &[]),
        gauge("load.1m", Load, "tasks", "the tasks that ran or waited, on average over a minute", &[]),
        gauge("load.5m", Load, "tasks", "the tasks that ran or waited, on average over 5 minutes", &[]),
        gauge("memory.available", Memory, "bytes", "the memory that programs can still get", &[]),
        gauge("memory.total", Memory, "bytes", "the memory there is", &[]),
        gauge("memory.usage", Memory, "percent", "how much of the memory is not available", &[]),
        gauge("memory.used", Memory, "bytes", "the memory that is not available", &[]),
        counter("network.receive", Network, "bytes", "what came in since the host started", INTERFACE),
        counter("network.transmit", Network, "bytes", "what went out since the host started", INTERFACE),
        gauge("uptime", Uptime, "seconds", "the time since the host started", &[]),
    ]
};

const fn gauge(
    name: &'static str,
    source: Source,
    unit: &'static str,
    meaning: &'static str,
    labels: &'static [&'static str],
) -> Metric {
    Metric { name, source, kind: MetricKindLevel::Gauge, unit, meaning, labels }
}

const fn counter(
    name: &'static str,
    source: Source,
    unit: &'static str,
    meaning: &'static str,
    labels: &'static [&'static str],
) -> Metric {
    Metric { name, source, kind: MetricKindLevel::Counter, unit, meaning, labels }
}

impl Metric {
    fn find(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    /// Where it has a label.
    fn label(&self, name: &str) -> Option<usize> {
        self.labels.iter().position(|label| *label == name)
    }
}

#[async_trait]
impl MetricReader for Host {
    /// A point stands at the beginning of its step, and is the last sample in it. Without a step every sample is one.
    async fn query(&self, _cx: &Context, query: &MetricQuery) -> Result<Page<MetricSeries>> {
        let expression = check(query)?;
        let limit = page_size(query.page_size())?;
        let after = query.cursor.as_ref().map(|cursor| parse_cursor(cursor, expression)).transpose()?;
        let Some(metric) = Metric::find(&expression.metric_name) else {
            return Ok(Page::new(Vec::new()));
        };
        let selection = Selection::new(query, expression, metric)?;
        let (histories, interval) = (self.sampler.histories(), self.rhythm.interval);
        let work = tokio::task::spawn_blocking(move || {
            histories.look(metric.source, |history, now| {
                let found = selection.evaluate(history.sweeps(selection.start, selection.end));
                let gaps = history.gaps(selection.start, selection.end, now, interval);
                let page = page(metric.name, &selection.labels(), found, after.as_ref(), limit);
                gaps.into_iter().fold(page, Page::truncated)
            })
        });
        let page = work.await.map_err(|error| Error::unexpected("the query was interrupted").with_source(error))?;
        page.ok_or_else(|| Error::unexpected(format!("nobody measures `{}`", metric.name)))
    }

    async fn describe(&self, _cx: &Context, scope: &Scope) -> Result<Page<MetricDescriptor>> {
        refuse_scope(scope)?;
        let described = METRICS.iter().map(|metric| {
            let descriptor = MetricDescriptor::new(metric.name, metric.kind).unit(metric.unit);
            metric
                .labels
                .iter()
                .fold(descriptor.description(metric.meaning), |descriptor, label| descriptor.label(*label))
        });
        Ok(Page::new(described.collect()))
    }
}

impl Host {
    /// Begins to measure this host, until the value is dropped.
    pub(super) async fn start(rhythm: Rhythm, clock: Arc<dyn Clock>) -> Self {
        Self::over(Path::new("/proc"), Path::new("/sys/block"), rhythm, clock).await
    }

    async fn over(proc: &Path, devices: &Path, rhythm: Rhythm, clock: Arc<dyn Clock>) -> Self {
        let readers = [Reader::new(proc, devices), Reader::new(proc, devices)];
        Self { sampler: Sampler::start(readers, rhythm, clock).await, rhythm }
    }

    /// The newest values of a metric, of every series that was measured last. It blocks.
    pub(super) fn newest(&self, metric: &str) -> Vec<Newest> {
        let Some(metric) = Metric::find(metric) else { return Vec::new() };
        let newest = self.sampler.histories().look(metric.source, |history, _| {
            let Some(sweep) = history.newest() else { return Vec::new() };
            let values = sweep.values.iter().filter(|(series, _)| series.metric == metric.name);
            let named =
                |labels: &[String]| metric.labels.iter().map(|name| (*name).to_owned()).zip(labels.to_vec()).collect();
            values
                .map(|(series, value)| Newest { labels: named(&series.labels), value: *value, at: sweep.at })
                .collect()
        });
        newest.unwrap_or_default()
    }

    /// Tells when there are newer values.
    pub(super) fn measured(&self) -> [watch::Receiver<u64>; 2] {
        self.sampler.sweeps()
    }

    /// What is wrong with the name of a metric or of its labels: the field, and what is expected there.
    pub(super) fn problem_with<'a>(
        metric: &str,
        mut labels: impl Iterator<Item = &'a String>,
    ) -> Option<(&'static str, String)> {
        let Some(known) = Metric::find(metric) else {
            let known = METRICS.iter().map(|metric| metric.name).collect::<Vec<_>>().join(", ");
            return Some(("metric", format!("expected the name of a metric, got `{metric}`; there are: {known}")));
        };
        let unknown = labels.find(|label| known.label(label).is_none())?;
        let known = known.labels.join(", ");
        Some(("labels", format!("expected labels of `{metric}`, got `{unknown}`; there are: {known}")))
    }
}

/// One page of the series that were found.
fn page(
    name: &str,
    labels: &[&str],
    found: BTreeMap<Key, Points>,
    after: Option<&Key>,
    limit: usize,
) -> Page<MetricSeries> {
    let mut found = found.into_iter().filter(|(key, _)| after.is_none_or(|after| key > after)).peekable();
    let (mut items, mut points, mut last) = (Vec::new(), 0, None);
    while items.len() < limit && points < PAGE_POINTS {
        let Some((key, values)) = found.next() else { break };
        points += values.len();
        items.push(series(name, labels, &key, values));
        last = Some(key);
    }
    let next = last.filter(|_| found.peek().is_some()).map(|key| cursor(name, &key));
    Page::new(items).next(next)
}

fn series(name: &str, labels: &[&str], key: &Key, points: Points) -> MetricSeries {
    let labels = labels.iter().zip(key).filter_map(|(label, value)| Some(((*label).to_owned(), value.clone()?.into())));
    let points = points.into_iter().filter_map(|(at, value)| MetricPoint::new(at, value));
    let mut series = MetricSeries::new(name, points.collect());
    series.labels = labels.collect::<Fields>();
    series
}

/// A cursor is the key of the last series of the page, and the metric that it is of.
fn cursor(name: &str, key: &Key) -> Cursor {
    Cursor::new(serde_json::json!([name, key]).to_string())
}

fn parse_cursor(cursor: &Cursor, expression: &MetricExpression) -> Result<Key> {
    let parsed = serde_json::from_str::<(String, Key)>(cursor.as_str()).ok();
    parsed
        .filter(|(name, _)| *name == expression.metric_name)
        .map(|(_, key)| key)
        .ok_or_else(|| Error::invalid("cursor", "expected a cursor that an earlier page of this query returned"))
}

/// Refuses what cannot be honoured, and returns what is asked for.
fn check(query: &MetricQuery) -> Result<&MetricExpression> {
    refuse_metadata(&query.metadata)?;
    refuse_scope(&query.scope)?;
    let expression = query.expression.as_ref().filter(|expression| !expression.metric_name.trim().is_empty());
    let expression = expression.ok_or_else(|| {
        let known = METRICS.iter().map(|metric| metric.name).collect::<Vec<_>>().join(", ");
        Error::invalid("expression.metricName", format!("expected the name of a metric: {known}"))
    })?;
    if query.end < query.start {
        let message = format!("expected a time not before the start {}, got {}", query.start, query.end);
        return Err(Error::invalid("end", message));
    }
    Ok(expression)
}

fn refuse_scope(scope: &Scope) -> Result<()> {
    refuse("scope.service", scope.service.is_some())?;
    refuse_team_and_environment(scope)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use opsorch::Actor;
    use opsorch::signal::unit;

    use super::fake::{Fake, INTERVAL};
    use super::*;

    impl Fake {
        fn ago(&self, ago: Duration) -> Time {
            self.clock.now() - ago
        }

        async fn read(&self, host: &Host, query: MetricQuery) -> Page<MetricSeries> {
            host.query(&Context::new(Actor::service("test")), &query).await.unwrap()
        }

        /// The points of a metric in the last hour, by seconds before the present.
        async fn points(&self, host: &Host, name: &str) -> Vec<(i64, f64)> {
            let now = self.clock.now();
            let page = self.read(host, MetricQuery::new(name, self.ago(INTERVAL * 240), now)).await;
            let [series] = page.items.as_slice() else { panic!("{page:?}") };
            let point = |point: &MetricPoint| ((now - point.timestamp()).num_seconds(), point.value());
            series.points.iter().map(point).collect()
        }
    }

    #[test]
    fn units_have_the_names_that_all_providers_use() {
        for metric in METRICS {
            assert_eq!(unit::name(metric.unit), metric.unit, "{}", metric.name);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn everything_is_measured_at_once_and_then_at_each_interval() {
        let fake = Fake::new();
        let host = fake.start(INTERVAL * 100).await;
        assert_eq!(fake.points(&host, "memory.used").await, [(0, 3072.0)]);
        assert_eq!(fake.points(&host, "load.5m").await, [(0, 2.0)]);
        assert_eq!(fake.points(&host, "uptime").await, [(0, 10.5)]);
        assert_eq!(fake.points(&host, "disk.read").await, [(0, 1024.0)], "what is put together is left out");
        assert_eq!(fake.points(&host, "disk.write").await, [(0, 2048.0)]);
        assert_eq!(fake.points(&host, "disk.busy").await, [(0, 1.5)]);
        fake.write("meminfo", "MemTotal: 4 kB\nMemAvailable: 2 kB\n");
        fake.sweep(&host, 2).await;
        fake.sweep(&host, 3).await;
        assert_eq!(fake.points(&host, "memory.used").await, [(30, 3072.0), (15, 2048.0), (0, 2048.0)]);

        let now = fake.clock.now();
        let page = fake.read(&host, MetricQuery::new("disk.total", now, now)).await;
        assert!(page.is_complete());
        let mount = fake.folder.path().to_str().unwrap();
        assert!(page.items[0].labels["mount"] == mount && page.items[0].labels["filesystem"] == "ext4", "{page:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_use_of_the_processors_is_measured_from_sweep_to_sweep() {
        let fake = Fake::new();
        let host = fake.start(INTERVAL * 100).await;
        fake.cpu(125, 175);
        fake.sweep(&host, 2).await;
        fake.cpu(225, 175);
        fake.sweep(&host, 3).await;
        assert_eq!(fake.points(&host, "cpu.usage").await, [(15, 25.0), (0, 100.0)]);
        let query = MetricQuery::new("cpu.core.usage", fake.ago(INTERVAL), fake.clock.now());
        let page = fake.read(&host, query.clone()).await;
        assert_eq!(page.items.len(), 2);
        let all = fake.read(&host, query.aggregation("sum").step(60)).await;
        assert_eq!(all.items[0].points.iter().map(MetricPoint::value).collect::<Vec<_>>(), [200.0]);
        assert_eq!(all.items[0].points[0].timestamp(), fake.ago(INTERVAL));
    }

    #[tokio::test(start_paused = true)]
    async fn history_is_bounded_and_a_page_says_where_it_begins() {
        let fake = Fake::new();
        let host = fake.start(INTERVAL * 4).await;
        for sweeps in 2..10 {
            fake.sweep(&host, sweeps).await;
        }
        assert_eq!(fake.points(&host, "uptime").await.len(), 4);
        let since = |ago| MetricQuery::new("uptime", fake.ago(ago), fake.clock.now());
        assert!(fake.read(&host, since(INTERVAL * 3)).await.is_complete());
        let early = fake.read(&host, since(INTERVAL * 3 + Duration::from_millis(1))).await;
        assert_eq!(early.truncated.unwrap(), "history begins at 2026-01-01T00:01:15Z");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_put_back_leaves_points_in_order() {
        let fake = Fake::new();
        let host = fake.start(INTERVAL * 100).await;
        for sweeps in 2..6 {
            fake.sweep(&host, sweeps).await;
        }
        fake.clock.set(fake.ago(INTERVAL * 3));
        fake.sweep(&host, 6).await;
        assert_eq!(fake.points(&host, "uptime").await, [(30, 10.5), (15, 10.5), (0, 10.5)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_is_a_gap_and_the_page_says_so() {
        let fake = Fake::new();
        let host = fake.start(INTERVAL * 100).await;
        fs::remove_file(fake.folder.path().join("uptime")).unwrap();
        fake.sweep(&host, 2).await;
        assert_eq!(fake.points(&host, "uptime").await, [(15, 10.5)]);
        let now = fake.clock.now();
        let said = fake.read(&host, MetricQuery::new("uptime", now, now)).await.truncated.unwrap();
        assert!(said.contains("uptime") && said.contains("since 2026-01-01T00:00:15Z"), "{said}");
        assert_eq!(fake.points(&host, "memory.used").await.len(), 2, "the others are measured");
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_ends_with_its_owner() {
        let fake = Fake::new();
        let host = fake.start(INTERVAL * 100).await;
        let histories = host.sampler.histories();
        let measured = |histories: &Arc<sampler::Histories>| {
            let all = |history: &history::History, now| history.sweeps(now - INTERVAL * 100, now).count();
            histories.look(Source::Uptime, all)
        };
        assert_eq!(Arc::strong_count(&histories), 3, "the owner, the task and this test");
        drop(host);
        tokio::time::sleep(INTERVAL * 3).await;
        assert_eq!(Arc::strong_count(&histories), 1);
        assert_eq!(measured(&histories), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn when_nobody_measures_any_more_the_page_says_so() {
        let fake = Fake::new();
        let host = fake.start(INTERVAL * 100).await;
        fake.clock.advance(INTERVAL * 4);
        let page = fake.read(&host, MetricQuery::new("uptime", fake.ago(INTERVAL * 4), fake.clock.now())).await;
        assert_eq!(page.truncated.unwrap(), "nothing was measured since 2026-01-01T00:00:00Z");
    }

    #[test]
    fn a_page_ends_with_the_series_that_reaches_its_points() {
        let points: Points = (0..40_000).map(|second| (Time::UNIX_EPOCH + Duration::from_secs(second), 1.0)).collect();
        let found: BTreeMap<_, _> = (0..5).map(|number| (vec![Some(number.to_string())], points.clone())).collect();
        let first = page("network.receive", INTERFACE, found.clone(), None, 100);
        assert_eq!(first.items.len(), 3);
        let after = vec![Some("2".to_owned())];
        assert_eq!(first.next, Some(cursor("network.receive", &after)));
        let second = page("network.receive", INTERFACE, found, Some(&after), 100);
        assert!(second.items.len() == 2 && second.is_complete());
    }
}
