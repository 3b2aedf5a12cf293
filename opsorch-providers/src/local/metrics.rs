//! Metrics of this host, as they are now.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use opsorch::capability::MetricReader;
use opsorch::{
    Clock, Context, Cursor, Error, MetricDescriptor, MetricExpression, MetricFilter, MetricKindLevel,
    MetricOperatorLevel, MetricPoint, MetricQuery, MetricSeries, Page, Result, Scope, Time,
};
use tokio::time::Instant;

use self::proc::{CpuTime, Proc};
use super::query::{page_size, refuse, refuse_metadata, refuse_team_and_environment};

mod proc;

/// How long the use of the processors is measured when there is no earlier measurement.
const SAMPLE: Duration = Duration::from_millis(100);

/// For how long a measurement serves as the beginning of the next.
const SAMPLE_LASTS: Duration = Duration::from_secs(60);

/// Reads the metrics of the host.
#[derive(Debug)]
pub(super) struct Host {
    proc: Proc,
    clock: Arc<dyn Clock>,
    /// The last measurement of the processors.
    last: Mutex<Option<(Instant, CpuTime)>>,
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    CpuUsage,
    Load(usize),
    Memory(&'static str),
    Network(Direction),
    Uptime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Receive,
    Transmit,
}

/// A value, and the interface it is of.
type Value = (Option<String>, f64);

/// Name, metric, kind, unit, meaning; by name.
const METRICS: [(&str, Metric, MetricKindLevel, &str, &str); 10] = {
    use MetricKindLevel::{Counter, Gauge};
    [
        ("cpu.usage", Metric::CpuUsage, Gauge, "percent", "how busy all processors together are, from 0 to 100"),
        ("load.15m", Metric::Load(2), Gauge, "tasks", "the tasks that ran or waited, on average over 15 minutes"),
        ("load.1m", Metric::Load(0), Gauge, "tasks", "the tasks that ran or waited, on average over a minute"),
        ("load.5m", Metric::Load(1), Gauge, "tasks", "the tasks that ran or waited, on average over 5 minutes"),
        ("memory.available", Metric::Memory("available"), Gauge, "bytes", "the memory that programs can still get"),
        ("memory.total", Metric::Memory("total"), Gauge, "bytes", "the memory there is"),
        ("memory.used", Metric::Memory("used"), Gauge, "bytes", "the memory that is not available"),
        (
            "network.receive",
            Metric::Network(Direction::Receive),
            Counter,
            "bytes",
            "what came in since the host started",
        ),
        (
            "network.transmit",
            Metric::Network(Direction::Transmit),
            Counter,
            "bytes",
            "what went out since the host started",
        ),
        ("uptime", Metric::Uptime, Gauge, "seconds", "the time since the host started"),
    ]
};

#[async_trait]
impl MetricReader for Host {
    async fn query(&self, _cx: &Context, query: &MetricQuery) -> Result<Page<MetricSeries>> {
        let expression = check(query)?;
        let limit = page_size(query.page_size())?;
        let filters = expression.filters.iter().map(Condition::new).collect::<Result<Vec<_>>>()?;
        let after = query.cursor.as_ref().map(parse_cursor).transpose()?;
        let Some((name, metric, ..)) = METRICS.iter().find(|(name, ..)| *name == expression.metric_name) else {
            return Ok(Page::new(Vec::new()));
        };
        let now = self.clock.now();
        let mut page = Page::new(Vec::new());
        if query.start != now || query.end != now {
            page = page.truncated("only the present value is known; history is not kept");
        }
        if !(query.start..=query.end).contains(&now) {
            return Ok(page);
        }
        let mut values = self.values(*metric).await?;
        values.retain(|(interface, _)| {
            filters.iter().all(|filter| filter.holds(interface.as_deref()))
                && after.as_ref().is_none_or(|after| interface.as_deref().is_some_and(|interface| interface > *after))
        });
        let more = values.len() > limit;
        values.truncate(limit);
        let last = values.last().filter(|_| more).and_then(|(interface, _)| interface.as_deref()).map(cursor);
        page.items = values.into_iter().map(|value| series(name, now, value)).collect();
        Ok(page.next(last))
    }

    async fn describe(&self, _cx: &Context, scope: &Scope) -> Result<Page<MetricDescriptor>> {
        refuse_scope(scope)?;
        let described = METRICS.iter().map(|(name, metric, kind, unit, meaning)| {
            let descriptor = MetricDescriptor::new(*name, *kind).unit(*unit).description(*meaning);
            match metric {
                Metric::Network(_) => descriptor.label("interface"),
                _ => descriptor,
            }
        });
        Ok(Page::new(described.collect()))
    }
}

impl Host {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self::over("/proc", clock)
    }

    fn over(proc: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self { proc: Proc::new(proc.into()), clock, last: Mutex::new(None) }
    }

    /// The values of a metric, by interface.
    async fn values(&self, metric: Metric) -> Result<Vec<Value>> {
        if metric == Metric::CpuUsage {
            return Ok(vec![(None, self.cpu_usage().await?)]);
        }
        let proc = self.proc.clone();
        blocking(move || match metric {
            Metric::CpuUsage => Ok(Vec::new()),
            Metric::Load(index) => Ok(vec![(None, proc.load(index)?)]),
            Metric::Memory(part) => {
                let (total, available) = proc.memory()?;
                let value = match part {
                    "total" => total,
                    "available" => available,
                    _ => total.saturating_sub(available),
                };
                Ok(vec![(None, value as f64)])
            }
            Metric::Network(direction) => {
                let interfaces =
                    proc.network()?.into_iter().map(|(interface, received, transmitted)| match direction {
                        Direction::Receive => (Some(interface), received as f64),
                        Direction::Transmit => (Some(interface), transmitted as f64),
                    });
                Ok(interfaces.collect())
            }
            Metric::Uptime => Ok(vec![(None, proc.uptime()?)]),
        })
        .await
    }

    /// How busy the processors were since the last measurement, or, if there is none of late, for a moment from now.
    async fn cpu_usage(&self) -> Result<f64> {
        let now = self.cpu_time().await?;
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.filter(|(at, _)| at.elapsed() < SAMPLE_LASTS);
        let (now, usage) = match last.and_then(|(_, last)| now.usage_since(last)) {
            Some(usage) => (now, usage),
            None => {
                tokio::time::sleep(SAMPLE).await;
                let later = self.cpu_time().await?;
                // Processors that did not count a tick meanwhile did nothing.
                (later, later.usage_since(now).unwrap_or(0.0))
            }
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), now));
        Ok(usage)
    }

    async fn cpu_time(&self) -> Result<CpuTime> {
        let proc = self.proc.clone();
        blocking(move || proc.cpu_time()).await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let task = tokio::task::spawn_blocking(work);
    task.await.map_err(|error| Error::unexpected("reading the metric was interrupted").with_source(error))?
}

/// Refuses what cannot be honoured, and returns what is asked for.
fn check(query: &MetricQuery) -> Result<&MetricExpression> {
    refuse_metadata(&query.metadata)?;
    refuse_scope(&query.scope)?;
    let expression = query.expression.as_ref().filter(|expression| !expression.metric_name.trim().is_empty());
    let expression = expression.ok_or_else(|| {
        let known = METRICS.map(|(name, ..)| name).join(", ");
        Error::invalid("expression.metricName", format!("expected the name of a metric: {known}"))
    })?;
    if query.end < query.start {
        let message = format!("expected a time not before the start {}, got {}", query.start, query.end);
        return Err(Error::invalid("end", message));
    }
    if expression.aggregation.is_some() || !expression.group_by.is_empty() {
        return Err(Error::unsupported("a local provider does not aggregate; leave out `aggregation` and `groupBy`"));
    }
    Ok(expression)
}

fn refuse_scope(scope: &Scope) -> Result<()> {
    refuse("scope.service", scope.service.is_some())?;
    refuse_team_and_environment(scope)
}

fn series(name: &str, now: Time, (interface, value): Value) -> MetricSeries {
    let series = MetricSeries::new(name, MetricPoint::new(now, value).into_iter().collect());
    match interface {
        Some(interface) => series.label("interface", interface),
        None => series,
    }
}

fn cursor(interface: &str) -> Cursor {
    Cursor::new(format!("interface/{interface}"))
}

fn parse_cursor(cursor: &Cursor) -> Result<&str> {
    cursor
        .as_str()
        .strip_prefix("interface/")
        .ok_or_else(|| Error::invalid("cursor", "expected a cursor that an earlier page of this query returned"))
}

/// A condition on a label.
struct Condition<'a> {
    label: &'a str,
    is: bool,
    value: &'a str,
}

impl<'a> Condition<'a> {
    fn new(filter: &'a MetricFilter) -> Result<Self> {
        let is = match filter.operator.level() {
            MetricOperatorLevel::Equals => true,
            MetricOperatorLevel::NotEquals => false,
            _ => {
                let message = format!(
                    "a local provider cannot compare `{}` by `{}`; use `=` or `!=`",
                    filter.label, filter.operator
                );
                return Err(Error::unsupported(message));
            }
        };
        Ok(Self { label: &filter.label, is, value: &filter.value })
    }

    /// Whether it holds. A label that is not there is not the value.
    fn holds(&self, interface: Option<&str>) -> bool {
        let label = interface.filter(|_| self.label == "interface");
        (label == Some(self.value)) == self.is
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use opsorch::{Actor, ManualClock};

    use super::*;

    /// Says that the processors were busy and idle for so many ticks.
    fn set(folder: &tempfile::TempDir, busy: u64, idle: u64) {
        fs::write(folder.path().join("stat"), format!("cpu  {busy} 0 0 {idle} 0 0 0 0\n")).unwrap();
    }

    async fn usage(host: &Host) -> f64 {
        let now = host.clock.now();
        let cx = Context::new(Actor::service("test"));
        let page = host.query(&cx, &MetricQuery::new("cpu.usage", now, now)).await.unwrap();
        assert!(page.is_complete());
        page.items[0].points[0].value()
    }

    #[tokio::test(start_paused = true)]
    async fn the_use_of_the_processors_is_measured_from_query_to_query_or_for_a_moment() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::over(folder.path(), Arc::new(ManualClock::default()));
        set(&folder, 100, 100);
        let meanwhile = async {
            tokio::time::sleep(SAMPLE / 2).await;
            set(&folder, 125, 175);
        };
        let (first, ()) = tokio::join!(usage(&host), meanwhile);
        assert_eq!(first, 25.0);

        set(&folder, 225, 175);
        let before = Instant::now();
        assert_eq!(usage(&host).await, 100.0, "since the query before");
        assert_eq!(before.elapsed(), Duration::ZERO);

        tokio::time::advance(SAMPLE_LASTS).await;
        set(&folder, 1000, 1000);
        let before = Instant::now();
        assert_eq!(usage(&host).await, 0.0, "what was long ago is not now");
        assert!(before.elapsed() >= SAMPLE);
    }
}
