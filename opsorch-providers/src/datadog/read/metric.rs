//! Metrics.

use async_trait::async_trait;
use opsorch::capability::MetricReader;
use opsorch::{
    AggregationLevel, Context, Cursor, Error, ErrorKind, MetricDescriptor, MetricExpression, MetricQuery, MetricSeries,
    Page, Result, Scope, Time,
};
use serde::de::DeserializeOwned;

use self::asked::{Asked, When};
use crate::datadog::api::Datadog;
use crate::datadog::map::metric::{self as map, Series};
use crate::datadog::metrics::{self, Filter, is_group, is_metric};
use crate::datadog::wire::metric::{AllTags, QueryRequest, QueryResponse, Scalars, Timeseries};
use crate::query::page_size;

mod asked;
mod discovery;

/// Reads metrics.
#[derive(Debug)]
pub(in crate::datadog) struct Metrics {
    datadog: Datadog,
}

impl Metrics {
    pub(in crate::datadog) fn new(datadog: Datadog) -> Self {
        Self { datadog }
    }
}

#[async_trait]
impl MetricReader for Metrics {
    async fn query(&self, cx: &Context, query: &MetricQuery) -> Result<Page<MetricSeries>> {
        let limit = page_size(query.page_size())?;
        let after = query.cursor.as_ref().map(Position::parse).transpose()?;
        let when = When::of(query)?;
        let asked = match asked::raw(query)? {
            Some(asked) => asked,
            None => match self.expression(cx, query).await? {
                Found::Query(asked) => asked,
                Found::Nothing(why) => return Ok(Page::new(Vec::new()).warning(why)),
            },
        };
        let (mut series, mut page) = self.evaluate(cx, &asked, &when).await?;
        // A group in which nothing was measured is none.
        series.retain(|series| !series.points.is_empty());
        if let Some(groups) = &asked.counted_by {
            series = map::counted(&series, groups);
        }
        let mut series: Vec<_> = series.into_iter().map(|series| (series.key(), series)).collect();
        series.sort_by(|(one, _), (other, _)| one.cmp(other));
        if let Some(Position(after)) = &after {
            series.retain(|(key, _)| key > after);
        }
        let is_more = series.len() > limit;
        series.truncate(limit);
        let next = series.last().filter(|_| is_more).map(|(key, _)| Position::to_cursor(key));
        let shown = asked.page(&when);
        let shown: Vec<_> = shown.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let url = self.datadog.page(&["metric", "explorer"], &shown);
        let Datadog { tags, source, .. } = &self.datadog;
        let series = series.into_iter().map(|(_, one)| one.into_schema(&asked.name, &tags.service, source, &url));
        page.items = series.collect();
        Ok(page.next(next).url(Some(url.clone())))
    }

    async fn describe(&self, cx: &Context, scope: &Scope) -> Result<Page<MetricDescriptor>> {
        self.discover(cx, scope).await
    }
}

/// What an expression asks for.
enum Found {
    Query(Asked),
    /// No series can have this, and why.
    Nothing(String),
}

impl Metrics {
    /// The query of an expression. What is kept apart, or counted, is asked by all tags that the metric has: Datadog always
    /// aggregates.
    async fn expression(&self, cx: &Context, query: &MetricQuery) -> Result<Found> {
        let expression = query.expression.as_ref().ok_or_else(|| {
            Error::invalid("expression", "expected an expression, or a query of Datadog as `query` in the metadata")
        })?;
        metrics::check_groups(expression)?;
        let filter = metrics::filter(&expression.filters, &query.scope, &self.datadog.tags)?;
        // What is wrong with an aggregation is said before anything is asked.
        metrics::query(expression, "*", &[])?;
        let filter = match filter {
            Filter::When(filter) => filter,
            Filter::Never(why) => return Ok(Found::Nothing(why)),
        };
        if !is_metric(&expression.metric_name) {
            return not_a_metric(expression);
        }
        let aggregation = expression.aggregation.as_ref().map(|aggregation| aggregation.level());
        let (groups, counted_by) = match aggregation {
            Some(level) if level != AggregationLevel::Count => (expression.group_by.clone(), None),
            _ => {
                let mut names = self.tag_names(cx, &expression.metric_name, query.start).await?;
                names.extend(expression.group_by.iter().cloned());
                names.sort_unstable();
                names.dedup();
                (names, aggregation.map(|_| expression.group_by.clone()))
            }
        };
        let text = metrics::query(expression, &filter, &groups)?;
        Ok(Found::Query(Asked::expression(expression, text, filter, counted_by)))
    }

    /// The names of the tags that a metric has had since a time. One that Datadog does not know has none.
    async fn tag_names(&self, cx: &Context, metric: &str, since: Time) -> Result<Vec<String>> {
        let seconds = (self.datadog.clock.now() - since).num_seconds();
        match self.all_tags(cx, metric, seconds).await {
            Ok(names) => Ok(names.into_iter().filter(|name| is_group(name)).collect()),
            Err(error) if *error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn all_tags(&self, cx: &Context, metric: &str, seconds: i64) -> Result<Vec<String>> {
        let seconds = seconds.clamp(SHORTEST_WINDOW, LONGEST_WINDOW).to_string();
        let parameters = [("window[seconds]", seconds), ("filter[include_tag_values]", "false".to_owned())];
        let path = ["api", "v2", "metrics", metric, "all-tags"];
        Ok(self.datadog.get::<AllTags>(cx, path, &parameters).await?.into_names())
    }

    /// Evaluates a query. The page has what is to be said of it, and no series yet.
    async fn evaluate(&self, cx: &Context, asked: &Asked, when: &When) -> Result<(Vec<Series>, Page<MetricSeries>)> {
        let page = Page::new(Vec::new());
        match when {
            When::Over(over) => {
                let body = QueryRequest::timeseries(asked.span(when));
                let (answer, page) = self.ask::<Timeseries>(cx, "api/v2/query/timeseries", &body, asked, page).await?;
                let Some(answer) = answer else { return Ok((Vec::new(), page)) };
                let page = over.notes(&answer.times).into_iter().fold(page, Page::warning);
                Ok((map::timeseries(answer, |time| over.is_in(time))?, page))
            }
            When::Once { at, .. } => {
                let body = QueryRequest::scalar(asked.span(when));
                let (answer, page) = self.ask::<Scalars>(cx, "api/v2/query/scalar", &body, asked, page).await?;
                let series = answer.map(|answer| map::scalars(answer, *at)).transpose()?;
                Ok((series.unwrap_or_default(), page))
            }
        }
    }

    /// Sends a query. What Datadog found although a part of it failed is kept, and the failure is told.
    async fn ask<T: DeserializeOwned>(
        &self,
        cx: &Context,
        path: &'static str,
        body: &QueryRequest<'_>,
        asked: &Asked,
        page: Page<MetricSeries>,
    ) -> Result<(Option<T>, Page<MetricSeries>)> {
        let reply = self.datadog.client.post(path).json(body).send_any(cx).await?;
        if reply.status.as_u16() == 400 {
            return Err(reply.error(ErrorKind::Invalid { field: asked.field.to_owned() }));
        }
        let reply = self.datadog.answered(reply)?;
        let QueryResponse { data, errors } = reply.json::<QueryResponse<T>>()?;
        match (data, errors.and_then(|errors| errors.text())) {
            (Some(data), None) => Ok((Some(data.attributes), page)),
            (Some(data), Some(problem)) => {
                let problem: String = opsorch::visible(&problem).chars().take(500).collect();
                let error = Error::new(ErrorKind::Unavailable, problem);
                let source = format!("{}/metrics", self.datadog.source);
                Ok((Some(data.attributes), page.failure(error.to_source_failure(source))))
            }
            (None, Some(_)) => Err(reply.error(ErrorKind::Invalid { field: asked.field.to_owned() })),
            (None, None) => Err(Error::unexpected("expected `data` or `errors`, got neither")),
        }
    }
}

/// The spans in which Datadog looks for tags, in seconds: 4 hours, and 30 days.
const SHORTEST_WINDOW: i64 = 4 * 60 * 60;
const LONGEST_WINDOW: i64 = 30 * 24 * 60 * 60;

fn not_a_metric(expression: &MetricExpression) -> Result<Found> {
    match expression.metric_name.trim() {
        "" => Err(Error::invalid("expression.metricName", "expected the name of a metric, got an empty one")),
        name => {
            let name: String = opsorch::visible(name).chars().take(100).collect();
            let why = format!("no metric can be called `{name}`: names are of letters, digits, `_` and `.`");
            Ok(Found::Nothing(why))
        }
    }
}

/// Where a page ended: the labels of its last series.
struct Position(String);

impl Position {
    const PREFIX: &str = "series/";

    fn parse(cursor: &Cursor) -> Result<Self> {
        let key = cursor.as_str().strip_prefix(Self::PREFIX).filter(|key| key.starts_with('{') && key.ends_with('}'));
        key.map(|key| Self(key.to_owned()))
            .ok_or_else(|| Error::invalid("cursor", "expected a cursor that an earlier page of this query returned"))
    }

    fn to_cursor(key: &str) -> Cursor {
        Cursor::new(format!("{}{key}", Self::PREFIX))
    }
}
