//! Metrics.

use async_trait::async_trait;
use opsorch::capability::MetricReader;
use opsorch::{Context, Cursor, Error, ErrorKind, MetricDescriptor, MetricQuery, MetricSeries, Page, Result, Scope};
use serde_json::Value;

use super::super::api::{Answer, Server, ask, ask_with};
use super::super::labels::ScopeLabels;
use super::super::map::metric as map;
use super::super::window::Plan;
use super::super::wire::discovery::{Metadata, Names};
use super::super::wire::matrix::{self, QueryResult, Series};
use super::super::{BODY_LIMIT, promql};

/// The most metrics that are described at once.
const DESCRIBED: usize = 10_000;

/// What a server warns of that cut its answer (Prometheus 3.5 and later).
const CUT: &str = "results truncated due to limit";

/// Reads the metrics of a Prometheus.
#[derive(Debug)]
pub(in crate::prometheus) struct Metrics {
    prometheus: Server,
    labels: ScopeLabels,
}

#[async_trait]
impl MetricReader for Metrics {
    async fn query(&self, cx: &Context, query: &MetricQuery) -> Result<Page<MetricSeries>> {
        let limit = page_size(query)?;
        let after = query.cursor.as_ref().map(Position::read).transpose()?;
        let asked = Asked::new(query, &self.labels)?;
        let Found { mut series, warnings, .. } = self.evaluate(cx, &asked).await?;
        if let Some(Position(name, labels)) = after {
            series.retain(|series| series.key() > (name.as_deref(), &labels));
        }
        let more = series.len() > limit;
        series.truncate(limit);
        let next = series.last().filter(|_| more).map(Position::write);
        let url = map::graph(&self.prometheus, &asked.promql, Some((query.start, query.end)));
        let histograms = series.iter().filter(|series| series.dropped.histograms > 0).count();
        let series = series.into_iter().map(|series| map::to_schema(series, &asked.name, &self.labels.service, &url));
        let mut page = Page::new(series.collect()).next(next).url(Some(url.clone()));
        if histograms > 0 {
            page = page.warning(format!(
                "{histograms} of the series have native histograms, which are no points; ask for \
                 histogram_quantile(…), histogram_sum(…) or histogram_count(…) of them"
            ));
        }
        Ok(asked.widened().into_iter().chain(warnings).fold(page, with_warning))
    }

    async fn describe(&self, cx: &Context, scope: &Scope) -> Result<Page<MetricDescriptor>> {
        let selector = promql::selector(&self.labels.wanted(scope)?);
        let matches: Vec<_> = selector.iter().map(|selector| ("match[]", selector.as_str())).collect();
        let names = self.prometheus.client.get("api/v1/label/__name__/values").query(&matches);
        let Answer { data: mut names, mut warnings, .. } = ask::<Names>(cx, names, "scope").await?;
        let (metadata, more_warnings) = self.metadata(cx).await?;
        warnings.extend(more_warnings);
        let found = names.len();
        names.sort_unstable();
        names.truncate(DESCRIBED);
        let described = names.into_iter().map(|name| map::descriptor(name, &metadata, &self.prometheus));
        let mut page = Page::new(described.collect());
        if found > DESCRIBED {
            page = page.truncated(format!("there are {found} metrics, of which the first {DESCRIBED} are described"));
        }
        Ok(warnings.into_iter().fold(page, with_warning))
    }
}

impl Metrics {
    pub(in crate::prometheus) fn new(prometheus: Server, labels: ScopeLabels) -> Self {
        Self { prometheus, labels }
    }

    /// Evaluates a query, window after window; the series are in order.
    async fn evaluate(&self, cx: &Context, asked: &Asked) -> Result<Found> {
        let mut found = Found::default();
        match &asked.when {
            When::At(time) => {
                let form = [("query", asked.promql.clone()), ("time", seconds(*time))];
                found.add(self.ask(cx, "api/v1/query", &form, asked).await?, asked)?;
            }
            When::Over(plan) => {
                for (start, end) in &plan.windows {
                    let form = [
                        ("query", asked.promql.clone()),
                        ("start", seconds(*start)),
                        ("end", seconds(*end)),
                        ("step", seconds(plan.step)),
                    ];
                    found.add(self.ask(cx, "api/v1/query_range", &form, asked).await?, asked)?;
                }
            }
        }
        found.join();
        Ok(found)
    }

    async fn ask(
        &self,
        cx: &Context,
        path: &'static str,
        form: &[(&str, String)],
        asked: &Asked,
    ) -> Result<Answer<QueryResult>> {
        let timeout = [("timeout", self.prometheus.patience(cx))];
        let form: Vec<_> = form.iter().chain(&timeout).map(|(name, value)| (*name, value.as_str())).collect();
        ask_with(cx, self.prometheus.client.post(path).form(&form), asked.field, matrix::read).await
    }

    /// What the targets say of their metrics. Some servers do not keep that: then there is a warning in its place.
    async fn metadata(&self, cx: &Context) -> Result<(Metadata, Vec<String>)> {
        match ask::<Metadata>(cx, self.prometheus.client.get("api/v1/metadata"), "scope").await {
            Ok(answer) => Ok((answer.data, answer.warnings)),
            Err(error)
                if matches!(error.kind(), ErrorKind::Unexpected | ErrorKind::Unsupported | ErrorKind::NotFound) =>
            {
                let warning = format!("the server does not say what the metrics mean: {error}");
                Ok((Metadata::new(), vec![warning]))
            }
            Err(error) => Err(error),
        }
    }
}

/// What is asked of the server.
struct Asked {
    promql: String,
    /// The name of series that have none of their own.
    name: String,
    /// The part of the query that its PromQL comes from.
    field: &'static str,
    when: When,
}

/// When it is evaluated, in milliseconds since 1970.
enum When {
    At(i64),
    Over(Plan),
}

impl Asked {
    fn new(query: &MetricQuery, labels: &ScopeLabels) -> Result<Self> {
        if query.end < query.start {
            let message = format!("expected a time not before the start {}, got {}", query.start, query.end);
            return Err(Error::invalid("end", message));
        }
        let (promql, name, field) = match raw(query)? {
            Some(promql) => {
                refuse_beside_raw(query)?;
                let name = query.expression.as_ref().map(|expression| expression.metric_name.as_str());
                (promql.to_owned(), name.filter(|name| !name.is_empty()).unwrap_or(promql), "metadata.query")
            }
            None => {
                let expression = query.expression.as_ref().ok_or_else(|| {
                    Error::invalid("expression", "expected an expression, or PromQL as `query` in the metadata")
                })?;
                let promql = promql::expression(expression, &labels.wanted(&query.scope)?)?;
                (promql, expression.metric_name.as_str(), "expression")
            }
        };
        let name = name.to_owned();
        let (start, end) = (query.start.timestamp_millis(), query.end.timestamp_millis());
        let when = match start == end {
            true => When::At(end),
            false => When::Over(Plan::new(start, end, query.step, promql::speaks_of_its_span(&promql))),
        };
        Ok(Self { promql, name, field, when })
    }

    /// What a caller must know about the step.
    fn widened(&self) -> Option<String> {
        let When::Over(Plan { step, widened_from: Some(asked), .. }) = &self.when else { return None };
        let (step, asked) = (seconds(*step), seconds(*asked));
        Some(format!("a step of {asked} s makes more points than the server returns; the step is {step} s"))
    }
}

/// The PromQL of a query that brings its own.
fn raw(query: &MetricQuery) -> Result<Option<&str>> {
    if let Some(unknown) = query.metadata.keys().find(|key| *key != "query") {
        return Err(Error::unsupported(format!("prometheus knows only `query` in the metadata, not {unknown:?}")));
    }
    match query.metadata.get("query") {
        None => Ok(None),
        Some(Value::String(promql)) if !promql.trim().is_empty() => Ok(Some(promql)),
        Some(_) => Err(Error::invalid("metadata.query", "expected PromQL as text")),
    }
}

/// Refuses what would be ignored, because PromQL that a caller wrote is sent as it is.
fn refuse_beside_raw(query: &MetricQuery) -> Result<()> {
    let expression = query.expression.as_ref();
    let given = [
        ("expression.filters", expression.is_some_and(|expression| !expression.filters.is_empty())),
        ("expression.aggregation", expression.is_some_and(|expression| expression.aggregation.is_some())),
        ("expression.groupBy", expression.is_some_and(|expression| !expression.group_by.is_empty())),
        ("scope", !query.scope.is_empty()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((field, _)) => {
            let message =
                format!("`metadata.query` is sent as it is; say in it what `{field}` says, and leave that out");
            Err(Error::unsupported(message))
        }
        None => Ok(()),
    }
}

fn page_size(query: &MetricQuery) -> Result<usize> {
    match usize::try_from(query.page_size()) {
        Ok(size @ 1..) => Ok(size),
        _ => Err(Error::invalid("limit", format!("expected at least 1, got {}", query.page_size()))),
    }
}

/// What the windows of a query brought.
#[derive(Default)]
struct Found {
    series: Vec<Series>,
    warnings: Vec<String>,
    size: usize,
}

impl Found {
    fn add(&mut self, answer: Answer<QueryResult>, asked: &Asked) -> Result<()> {
        self.size += answer.size;
        if self.size > BODY_LIMIT {
            let message = "the answers are larger than 64 MiB; ask for fewer series, a shorter span or a larger step";
            return Err(Error::invalid(asked.field, message));
        }
        self.series.extend(map::series(answer.data, asked.field)?);
        for warning in answer.warnings {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        Ok(())
    }

    /// Puts the series in order, and the parts that a series has in several windows together. A point that is not after
    /// the one before is there already: some servers move a window's ends to multiples of the step.
    fn join(&mut self) {
        self.series.sort_by(|left, right| left.key().cmp(&right.key()));
        self.series.dedup_by(|later, earlier| {
            let same = later.key() == earlier.key();
            if same {
                let last = earlier.points.last().map(|point| point.timestamp());
                earlier.points.extend(later.points.iter().filter(|point| Some(point.timestamp()) > last));
                earlier.dropped.add(later.dropped);
            }
            same
        });
    }
}

/// A server that says it cut its answer did not give all of it; whatever else it says is to be read.
fn with_warning<T>(page: Page<T>, warning: String) -> Page<T> {
    match warning.contains(CUT) {
        true => page.truncated(warning),
        false => page.warning(warning),
    }
}

/// Where a page ended: the name and the other labels of its last series.
#[derive(serde::Deserialize)]
struct Position(Option<String>, Vec<(String, String)>);

impl Position {
    const PREFIX: &str = "series/";

    fn read(cursor: &Cursor) -> Result<Self> {
        let json = cursor.as_str().strip_prefix(Self::PREFIX);
        json.and_then(|json| serde_json::from_str(json).ok())
            .ok_or_else(|| Error::invalid("cursor", "expected a cursor that an earlier page of this query returned"))
    }

    fn write(series: &Series) -> Cursor {
        Cursor::new(format!("{}{}", Self::PREFIX, serde_json::json!(series.key())))
    }
}

/// Milliseconds as the seconds that Prometheus takes, to the last digit.
fn seconds(milliseconds: i64) -> String {
    let sign = if milliseconds < 0 { "-" } else { "" };
    match (milliseconds.unsigned_abs() / 1000, milliseconds.unsigned_abs() % 1000) {
        (whole, 0) => format!("{sign}{whole}"),
        (whole, part) => format!("{sign}{whole}.{part:03}"),
    }
}
