//! Which metrics there are.

use futures_util::future::join_all;
use opsorch::{Context, Error, ErrorKind, MetricDescriptor, Page, Result, Scope};

use super::Metrics;
use crate::datadog::map::metric as map;
use crate::datadog::metrics::{Filter, filter};
use crate::datadog::wire::metric::{Listed, Meaning, MetricList};

/// The most metrics that are described at once.
const DESCRIBED: usize = 10_000;

/// The most metrics of which unit, meaning and tags are told: each takes two requests, and Datadog allows some hundred in an
/// hour.
const EXPLAINED: usize = 20;

/// How many of these requests go out at the same time.
const AT_ONCE: usize = 5;

/// For how long a metric is there after it was reported, in seconds: a day.
const WINDOW: i64 = 24 * 60 * 60;

impl Metrics {
    /// The metrics that were reported in the last day, by name.
    pub(super) async fn discover(&self, cx: &Context, scope: &Scope) -> Result<Page<MetricDescriptor>> {
        let filter = match filter(&[], scope, &self.datadog.tags)? {
            Filter::When(filter) => filter,
            Filter::Never(why) => return Ok(Page::new(Vec::new()).warning(why)),
        };
        let (mut listed, is_more) = self.list(cx, &filter).await?;
        listed.sort_by(|one, other| one.id.cmp(&other.id));
        listed.dedup_by(|one, other| one.id == other.id);
        let page = listed.into_iter().take(DESCRIBED).map(|metric| {
            let url = self.datadog.page(&["metric", "summary"], &[("metric", &metric.id)]);
            map::listed(metric, &self.datadog.source, url)
        });
        let mut page = Page::new(page.collect());
        if is_more {
            page = page.truncated(format!("there are more metrics than the {DESCRIBED} that are described"));
        }
        if page.items.len() > EXPLAINED {
            let message =
                format!("unit, meaning and tags are told of at most {EXPLAINED} metrics; narrow the scope to see them");
            return Ok(page.warning(message));
        }
        match self.explain(cx, &mut page.items).await {
            Some(problem) => Ok(page.warning(problem)),
            None => Ok(page),
        }
    }

    /// The list of metrics, and whether it is longer.
    async fn list(&self, cx: &Context, filter: &str) -> Result<(Vec<Listed>, bool)> {
        let mut found = Vec::new();
        let mut cursor = None;
        loop {
            // Only with a size is the list given in pages.
            let mut parameters = vec![("window[seconds]", WINDOW.to_string()), ("page[size]", DESCRIBED.to_string())];
            if filter != "*" {
                parameters.push(("filter[tags]", filter.to_owned()));
            }
            parameters.extend(cursor.take().map(|cursor| ("page[cursor]", cursor)));
            let mut list: MetricList = self.datadog.get(cx, "api/v2/metrics", &parameters).await?;
            cursor = list.next().filter(|_| !list.data.is_empty());
            found.extend(list.data);
            if cursor.is_none() || found.len() > DESCRIBED {
                let is_more = cursor.is_some() || found.len() > DESCRIBED;
                return Ok((found, is_more));
            }
        }
    }

    /// Adds what else is known of metrics; returns what kept some of it from being known.
    async fn explain(&self, cx: &Context, metrics: &mut [MetricDescriptor]) -> Option<String> {
        for metrics in metrics.chunks_mut(AT_ONCE) {
            let answers = join_all(metrics.iter().map(|metric| self.meaning(cx, &metric.name))).await;
            for (metric, (meaning, tags)) in metrics.iter_mut().zip(answers) {
                match (known(meaning), known(tags)) {
                    (Ok(meaning), Ok(tags)) => {
                        map::explain(metric, meaning);
                        metric.labels = tags;
                    }
                    (Err(error), _) | (_, Err(error)) => {
                        return Some(format!("unit, meaning and tags are not told of all metrics: {error}"));
                    }
                }
            }
        }
        None
    }

    async fn meaning(&self, cx: &Context, metric: &str) -> (Result<Meaning>, Result<Vec<String>>) {
        let path = ["api", "v1", "metrics", metric];
        futures_util::join!(self.datadog.get::<Meaning>(cx, path, &[]), self.all_tags(cx, metric, WINDOW))
    }
}

/// A metric of which nothing is said is no error.
fn known<T: Default>(answer: Result<T>) -> Result<T, Error> {
    match answer {
        Err(error) if *error.kind() == ErrorKind::NotFound => Ok(T::default()),
        answer => answer,
    }
}
