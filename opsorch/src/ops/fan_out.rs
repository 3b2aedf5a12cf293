//! Several providers, one page.

use std::sync::Arc;

use opsorch_schema::{Cursor, Item, Page, ProviderName, Query, Response};

use crate::{Error, Provider, Result};

/// How a query pages; only queries that do are asked of several providers.
pub(super) struct Paging {
    limit: Option<u32>,
    cursor: Option<Cursor>,
}

/// How a query pages; `None` for one that asks for something by its id.
pub(super) fn paging(query: &Query) -> Option<Paging> {
    macro_rules! paged {
        ($query:expr) => {
            Some(Paging { limit: Some($query.page_size()), cursor: $query.cursor.clone() })
        };
    }
    match query {
        Query::IncidentQuery(query) => paged!(query),
        Query::AlertQuery(query) => paged!(query),
        Query::LogQuery(query) => paged!(query),
        Query::MetricQuery(query) => paged!(query),
        Query::MetricDescribe(_) => Some(Paging { limit: None, cursor: None }),
        Query::TicketQuery(query) => paged!(query),
        Query::ServiceQuery(query) => paged!(query),
        Query::DeploymentQuery(query) => paged!(query),
        Query::TeamQuery(query) => paged!(query),
        Query::OrchestrationPlansQuery(query) => paged!(query),
        Query::OrchestrationRunsQuery(query) => paged!(query),
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
        | Query::OrchestrationRunsGet(_) => None,
    }
}

impl Paging {
    /// A cursor is one provider's; which one, the caller must say.
    pub(super) fn refuse_cursor(&self, providers: &[Arc<Provider>]) -> Result<()> {
        if self.cursor.is_none() {
            return Ok(());
        }
        let names: Vec<_> = providers.iter().map(|provider| provider.name().as_str()).collect();
        let message = format!("a cursor belongs to one provider; name the one it came from: {}", names.join(", "));
        Err(Error::invalid("cursor", message))
    }
}

/// Merges the answers of several providers. The result does not depend on the order in which they came.
pub(super) fn merge(answers: Vec<(ProviderName, Result<Response>)>, paging: &Paging) -> Result<Response> {
    macro_rules! merge_as {
        ($($variant:ident),+) => {
            match answers.iter().find_map(|(_, answer)| answer.as_ref().ok()) {
                $(Some(Response::$variant(_)) => merge_pages(answers, paging).map(Response::$variant),)+
                Some(other) => Err(Error::unexpected(format!("expected a page, got {}", other.name()))),
                None => Err(all_failed(answers)),
            }
        };
    }
    merge_as!(Incidents, Alerts, Logs, Metrics, MetricDescriptors, Tickets, Services, Deployments, Teams, Plans, Runs)
}

fn merge_pages<T>(answers: Vec<(ProviderName, Result<Response>)>, paging: &Paging) -> Result<Page<T>>
where
    T: Item,
    Page<T>: TryFrom<Response, Error = opsorch_schema::WrongResponse>,
{
    let mut merged = Page::new(Vec::new());
    for (name, answer) in answers {
        match answer.and_then(|response| Page::<T>::try_from(response).map_err(Error::from)) {
            Ok(page) => {
                if page.next.is_some() {
                    merged = merged.truncated(format!("`{name}` has more; ask it alone to page through it"));
                }
                if let Some(reason) = page.truncated {
                    merged = merged.truncated(format!("`{name}`: {reason}"));
                }
                merged.failures.extend(page.failures);
                merged.warnings.extend(page.warnings.into_iter().map(|warning| format!("`{name}`: {warning}")));
                merged.items.extend(page.items);
            }
            Err(error) => merged.failures.push(error.to_source_failure(name.as_str())),
        }
    }
    // Newest first; what has no time comes last, by its key. The provider's name settles ties.
    merged.items.sort_by(|one, other| {
        let newest_first = other.time().cmp(&one.time());
        newest_first.then_with(|| one.key().cmp(other.key())).then_with(|| one.provider().cmp(&other.provider()))
    });
    let found = merged.items.len();
    let limit = paging.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    if found > limit {
        merged.items.truncate(limit);
        merged =
            merged.truncated(format!("cut to {limit} of {found} items; ask one provider alone to page through it"));
    }
    Ok(merged)
}

/// The first error, with those of the others.
fn all_failed(answers: Vec<(ProviderName, Result<Response>)>) -> Error {
    let mut errors = answers.into_iter().filter_map(|(name, answer)| Some((name, answer.err()?)));
    let Some((_, mut first)) = errors.next() else { return Error::unexpected("no provider was asked") };
    for (name, error) in errors {
        first = first.with_context("also failed", format!("{name}: {error}"));
    }
    first
}
