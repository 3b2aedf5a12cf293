//! Metrics.

use async_trait::async_trait;
use futures_util::future::try_join_all;
use opsorch::capability::MetricReader;
use opsorch::{Context, Cursor, Error, ErrorKind, MetricDescriptor, MetricQuery, MetricSeries, Page, Result, Scope};
use serde::Deserialize;
use serde_json::json;

use self::asked::{Asked, When, seconds};
use self::found::Found;
use crate::prometheus::api::Server;
use crate::prometheus::api::prometheus::{Answer, CUT, ask, ask_with};
use crate::prometheus::labels::ScopeLabels;
use crate::prometheus::map::metric as map;
use crate::prometheus::map::page::graph;
use crate::prometheus::promql::{self, NAME};
use crate::prometheus::wire::discovery::{Metadata, Names};
use crate::prometheus::wire::matrix::{self, QueryResult, Series};
use crate::query::page_size;

mod asked;
mod found;

/// The most metrics that are described at once.
const DESCRIBED: usize = 10_000;

/// The most metrics whose labels are told: each takes a request.
const LABELLED: usize = 64;

/// How many of these requests go out at the same time.
const AT_ONCE: usize = 8;

/// Reads the metrics of a Prometheus.
#[derive(Debug)]
pub(in crate::prometheus) struct Metrics {
    prometheus: Server,
    labels: ScopeLabels,
}

impl Metrics {
    pub(in crate::prometheus) fn new(prometheus: Server, labels: ScopeLabels) -> Self {
        Self { prometheus, labels }
    }
}

#[async_trait]
impl MetricReader for Metrics {
    async fn query(&self, cx: &Context, query: &MetricQuery) -> Result<Page<MetricSeries>> {
        let limit = page_size(query.page_size())?;
        let after = query.cursor.as_ref().map(Position::parse).transpose()?;
        let asked = Asked::new(query, &self.labels)?;
        let Found { mut series, warnings, .. } = self.evaluate(cx, &asked).await?;
        if let Some(Position(name, labels)) = after {
            series.retain(|series| series.key() > (name.as_deref(), &labels));
        }
        let more = series.len() > limit;
        series.truncate(limit);
        let next = series.last().filter(|_| more).map(Position::to_cursor);
        let url = graph(&self.prometheus.page, &asked.promql, Some((query.start, query.end)));
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
        let wanted = self.labels.wanted(scope)?;
        let selector = promql::scope_selector(&wanted);
        let matches: Vec<_> = selector.iter().map(|selector| ("match[]", selector.as_str())).collect();
        let names = self.prometheus.client.get("api/v1/label/__name__/values").query(&matches);
        let Answer { data: mut names, mut warnings, .. } = ask::<Names>(cx, names, "scope").await?;
        let (metadata, more_warnings) = self.metadata(cx).await?;
        warnings.extend(more_warnings);
        let found = names.len();
        names.sort_unstable();
        names.truncate(DESCRIBED);
        let labels = match found <= LABELLED {
            true => self.label_names(cx, &names, &wanted, &mut warnings).await?,
            false => Vec::new(),
        };
        let mut described: Vec<_> =
            names.into_iter().map(|name| map::descriptor(name, &metadata, &self.prometheus.page)).collect();
        for (descriptor, labels) in described.iter_mut().zip(labels) {
            descriptor.labels = labels;
        }
        let mut page = Page::new(described);
        if found > LABELLED {
            page = page.warning(format!("labels are told of at most {LABELLED} metrics; narrow the scope to see them"));
        }
        if found > DESCRIBED {
            page = page.truncated(format!("there are {found} metrics, of which the first {DESCRIBED} are described"));
        }
        Ok(warnings.into_iter().fold(page, with_warning))
    }
}

impl Metrics {
    /// Evaluates a query, window after window; the series are in order.
    async fn evaluate(&self, cx: &Context, asked: &Asked) -> Result<Found> {
        let mut found = Found::default();
        match &asked.when {
            When::At(time) => {
                let form = [("query", asked.promql.clone()), ("time", seconds(time.timestamp_millis()))];
                found.add(self.ask(cx, "api/v1/query", &form, asked).await?, asked)?;
            }
            When::Over(plan) => {
                for window in &plan.windows {
                    let form = [
                        ("query", asked.promql.clone()),
                        ("start", seconds(window.start().timestamp_millis())),
                        ("end", seconds(window.end().timestamp_millis())),
                        ("step", seconds(plan.step.as_millis())),
                    ];
                    found.add(self.ask(cx, "api/v1/query_range", &form, asked).await?, asked)?;
                }
            }
        }
        found.join();
        Ok(found)
    }

    /// The names of the labels of each metric. Where a server or a proxy does not tell, there is a warning in their place.
    async fn label_names(
        &self,
        cx: &Context,
        names: &[String],
        scope: &[(&str, &str)],
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Names>> {
        let mut found = Vec::with_capacity(names.len());
        for names in names.chunks(AT_ONCE) {
            let labels = names.iter().map(async |name| {
                let selector = promql::metric_selector(name, scope);
                let request = self.prometheus.client.get("api/v1/labels").query(&[("match[]", selector.as_str())]);
                ask::<Names>(cx, request, "scope").await
            });
            match try_join_all(labels).await {
                Ok(answers) => {
                    for Answer { data: mut labels, warnings: more, .. } in answers {
                        labels.retain(|label| label != NAME);
                        found.push(labels);
                        warnings
                            .extend(more.into_iter().filter(|warning| !warnings.contains(warning)).collect::<Vec<_>>());
                    }
                }
                Err(error) if is_missing(&error) => {
                    warnings.push(format!("the server does not say which labels the metrics have: {error}"));
                    return Ok(Vec::new());
                }
                Err(error) => return Err(error),
            }
        }
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
            Err(error) if is_missing(&error) => {
                let warning = format!("the server does not say what the metrics mean: {error}");
                Ok((Metadata::new(), vec![warning]))
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether a request says that there is no such thing here: a path that a server does not have or a proxy keeps back.
fn is_missing(error: &Error) -> bool {
    use ErrorKind::{Forbidden, NotFound, Unexpected, Unsupported};
    matches!(error.kind(), Forbidden | NotFound | Unexpected | Unsupported)
}

/// A server that says it cut its answer did not give all of it; whatever else it says is to be read.
fn with_warning<T>(page: Page<T>, warning: String) -> Page<T> {
    match warning.contains(CUT) {
        true => page.truncated(warning),
        false => page.warning(warning),
    }
}

/// Where a page ended: the name and the other labels of its last series.
#[derive(Deserialize)]
struct Position(Option<String>, Vec<(String, String)>);

impl Position {
    const PREFIX: &str = "series/";

    fn parse(cursor: &Cursor) -> Result<Self> {
        let json = cursor.as_str().strip_prefix(Self::PREFIX);
        json.and_then(|json| serde_json::from_str(json).ok())
            .ok_or_else(|| Error::invalid("cursor", "expected a cursor that an earlier page of this query returned"))
    }

    fn to_cursor(series: &Series) -> Cursor {
        Cursor::new(format!("{}{}", Self::PREFIX, json!(series.key())))
    }
}
