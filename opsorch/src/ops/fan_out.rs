//! Several providers, one page.

mod cursor;
mod identity;
mod mark;
mod merge;
mod source;
mod twins;

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use opsorch_schema::{Cursor, Page, Query, Response, WrongResponse};
use serde::Serialize;

use self::cursor::Places;
pub(crate) use self::identity::IdentityRule;
use self::mark::Marked;
use self::merge::Merge;
use self::source::Source;
use super::OpsOrch;
use crate::{Context, Error, Provider, Result};

/// How many sources are asked at the same time.
const AT_ONCE: usize = 16;

/// How often sources are asked for one page: one that answers with empty pages for ever does not hold up the others.
const ROUNDS: u32 = 10;

/// How often at all: one that gives nothing but twins does not either.
const MOST_ROUNDS: u32 = 50;

/// What is said of a source that did so.
const EMPTY: &str = "it gave nothing but empty pages so far; what comes of it on later pages may be newer";

/// What is said of a page that ends so.
const SHORT: &str =
    "the sources were asked 50 times in a row for this page, for the sake of duplicates; the next page goes on";

/// How a query pages; only queries that do are asked of several providers.
pub(super) struct Paging {
    limit: Option<u32>,
    cursor: Option<Cursor>,
}

/// Hands a field of every query that pages to a body; the other arm is for what is asked for by its id.
macro_rules! each_paged {
    ($query:expr, $bound:ident => $body:expr, scope => $scope:expr, one => $one:expr) => {
        match $query {
            Query::IncidentQuery($bound) => $body,
            Query::AlertQuery($bound) => $body,
            Query::LogQuery($bound) => $body,
            Query::MetricQuery($bound) => $body,
            Query::TicketQuery($bound) => $body,
            Query::ServiceQuery($bound) => $body,
            Query::DeploymentQuery($bound) => $body,
            Query::TeamQuery($bound) => $body,
            Query::OrchestrationPlansQuery($bound) => $body,
            Query::OrchestrationRunsQuery($bound) => $body,
            Query::MetricDescribe(_) => $scope,
            Query::IncidentGet(_)
            | Query::IncidentTimelineGet(_)
            | Query::AlertGet(_)
            | Query::TicketGet(_)
            | Query::ServiceGet(_)
            | Query::DeploymentGet(_)
            | Query::TeamGet(_)
            | Query::TeamMembers(_)
            | Query::TeamOncall(_)
            | Query::OrchestrationPlansGet(_)
            | Query::OrchestrationRunsGet(_) => $one,
        }
    };
}

/// How a query pages; `None` for one that asks for something by its id.
pub(super) fn paging(query: &Query) -> Option<Paging> {
    each_paged!(
        query,
        paged => Some(Paging { limit: Some(paged.page_size()), cursor: paged.cursor.clone() }),
        scope => Some(Paging { limit: None, cursor: None }),
        one => None
    )
}

/// The same query from another place on.
fn from(query: &Query, cursor: Option<Cursor>) -> Query {
    let mut query = query.clone();
    each_paged!(&mut query, paged => paged.cursor = cursor, scope => {}, one => {});
    query
}

impl OpsOrch {
    /// Asks several providers side by side, and merges what they find, newest first. The page does not depend on the order
    /// in which they answer, and its cursor leads on through all of them.
    pub(super) async fn ask_all(
        &self,
        cx: &Context,
        query: &Query,
        providers: &[Arc<Provider>],
        paging: &Paging,
    ) -> Result<Response> {
        macro_rules! pages_of {
            ($($query:ident => $response:ident),+ $(,)?) => {
                match query {
                    $(Query::$query(_) => self.merged(cx, query, providers, paging).await.map(Response::$response),)+
                    other => Err(Error::unexpected(format!("{} has no pages to merge", other.operation()))),
                }
            };
        }
        pages_of! {
            IncidentQuery => Incidents, AlertQuery => Alerts, LogQuery => Logs, MetricQuery => Metrics,
            MetricDescribe => MetricDescriptors, TicketQuery => Tickets, ServiceQuery => Services,
            DeploymentQuery => Deployments, TeamQuery => Teams, OrchestrationPlansQuery => Plans,
            OrchestrationRunsQuery => Runs,
        }
    }

    async fn merged<T>(
        &self,
        cx: &Context,
        query: &Query,
        providers: &[Arc<Provider>],
        paging: &Paging,
    ) -> Result<Page<T>>
    where
        T: Marked + Serialize + Send,
        Page<T>: TryFrom<Response, Error = WrongResponse>,
    {
        let identity = self.core.identities.get(&query.operation().capability());
        let places = Places::of(query, providers, identity, paging.cursor.as_ref())?;
        let limit = paging.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let mut merge: Merge<'_, T> = Merge::new(places.sources(providers), limit, places.twins(identity));
        let (mut rounds, mut in_vain) = (0, 0);
        while rounds < MOST_ROUNDS && in_vain < ROUNDS {
            self.ask_wanting(cx, query, paging, &mut merge.sources).await;
            rounds += 1;
            // A page is as long as it can be: a round that met twins was not in vain.
            in_vain += u32::from(merge.take(true) == 0);
            if merge.is_full() || !merge.sources.iter().any(Source::is_wanting) {
                break;
            }
        }
        let is_short = rounds == MOST_ROUNDS && !merge.is_full() && merge.sources.iter().any(Source::is_wanting);
        let mut warnings = Vec::from_iter(is_short.then(|| SHORT.to_owned()));
        if merge.items.is_empty() && !is_short && !merge.sources.iter().any(Source::is_behind) {
            let empty = merge.sources.iter().filter(|source| source.is_wanting());
            warnings.extend(empty.map(|source| format!("`{}`: {EMPTY}", source.provider().name())));
            merge.take(false);
            warnings.retain(|_| !merge.items.is_empty());
        }
        if let (true, Some(error)) = (merge.items.is_empty(), all_failed(&merge.sources)) {
            return Err(error);
        }
        let next = places.after(&merge.sources, merge.twins.as_ref())?;
        Ok(merge.page(warnings).next(next))
    }

    /// Asks every source that has more to give and nothing at hand.
    async fn ask_wanting<T>(&self, cx: &Context, query: &Query, paging: &Paging, sources: &mut [Source<T>])
    where
        T: Marked + Send,
        Page<T>: TryFrom<Response, Error = WrongResponse>,
    {
        // A list, and no closures that live across the await: surfaces need a future that can be sent to other threads,
        // and the compiler does not see through them.
        let mut asked = Vec::new();
        for source in sources {
            if source.is_wanting() {
                asked.push(async move {
                    let answer = self.ask(cx, source.provider(), &from(query, source.cursor())).await;
                    let page = answer.and_then(|response| Page::<T>::try_from(response).map_err(Error::from));
                    source.take(if paging.limit.is_some() { page } else { page.map(whole) });
                });
            }
        }
        stream::iter(asked).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    }
}

/// The page of a query that has no cursor: with one it would be asked for again and again.
fn whole<T>(mut page: Page<T>) -> Page<T> {
    match page.next.take() {
        Some(_) => page.truncated("it has more, and this query does not page"),
        None => page,
    }
}

/// The first error, with those of the others, if none of the sources answered.
fn all_failed<T>(sources: &[Source<T>]) -> Option<Error> {
    if sources.iter().any(|source| source.error().is_none()) {
        return None;
    }
    let mut errors = sources.iter().filter_map(|source| Some((source.provider().name(), source.error()?)));
    let (_, first) = errors.next()?;
    let mut first = first.clone();
    for (name, error) in errors {
        first = first.with_context("also failed", format!("{name}: {error}"));
    }
    Some(first)
}
