//! Which tickets a query means.

use opsorch::{Context, Error, Fields, Result, Ticket, TicketQuery, TicketStatus, TicketStatusLevel, Time};

use crate::jira::jql::{Jql, phrase};
use crate::jira::map::categories;
use crate::jira::people::People;

/// The names in [`TicketQuery::metadata`] that are understood, and the fields in JQL that they ask for.
const METADATA: [(&str, &str); 5] = [
    ("labels", "labels"),
    ("components", "component"),
    ("priorities", "priority"),
    ("issueTypes", "issuetype"),
    ("parents", "parent"),
];

/// A query in JQL, and what has to be looked at again.
#[derive(Debug)]
pub(super) struct Search<'a> {
    pub(super) jql: Jql,
    pub(super) filter: Filter<'a>,
}

impl<'a> Search<'a> {
    /// `None` if it names somebody whom Jira does not know, so that nothing can be found.
    ///
    /// # Errors
    /// `Invalid` for what cannot be meant, `Unsupported` for what Jira cannot be asked, and those of [`People::id`].
    pub(super) async fn of(
        cx: &Context,
        people: &People,
        project: &str,
        query: &'a TicketQuery,
    ) -> Result<Option<Self>> {
        if query.limit == Some(0) {
            return Err(Error::invalid("limit", "expected at least 1, got 0"));
        }
        let mut jql = Jql::new(project);
        if let Some(text) = query.query.as_deref().filter(|text| !text.trim().is_empty()) {
            jql.text(phrase(text)?);
        }
        if !query.statuses.is_empty() {
            let mut all: Vec<u8> =
                query.statuses.iter().flat_map(|status| categories(status.level())).copied().collect();
            all.sort_unstable();
            all.dedup();
            let words = query.statuses.iter().filter(|status| is_word(status));
            jql.statuses(all, words.map(|word| word.as_str().to_owned()));
        }
        scope(&mut jql, query)?;
        metadata(&mut jql, &query.metadata)?;
        query.since.into_iter().for_each(|since| jql.since(since));
        query.until.into_iter().for_each(|until| jql.until(until));
        // People come last: they may take a request.
        for (field, wanted) in [("assignee", &query.assignees[..]), ("reporter", query.reporter.as_slice())] {
            if wanted.is_empty() {
                continue;
            }
            let path = if field == "assignee" { "assignees" } else { field };
            let mut ids = Vec::new();
            for person in wanted {
                ids.extend(people.id(cx, path, person).await?);
            }
            jql.any_of(field, ids);
        }
        Ok((!jql.finds_nothing()).then_some(Self { jql, filter: Filter { query } }))
    }
}

/// Whether a status is asked for by its own name.
fn is_word(status: &TicketStatus) -> bool {
    status.level() == TicketStatusLevel::Unknown
}

fn scope(jql: &mut Jql, query: &TicketQuery) -> Result<()> {
    if let Some(service) = &query.scope.service {
        jql.any_of("component", [service.clone()]);
    }
    for (name, value) in [("team", &query.scope.team), ("environment", &query.scope.environment)] {
        if value.is_some() {
            let message = format!("Jira knows no {name}: `scope.{name}` cannot be asked for; a service is a component");
            return Err(Error::unsupported(message));
        }
    }
    Ok(())
}

fn metadata(jql: &mut Jql, metadata: &Fields) -> Result<()> {
    for (name, value) in metadata {
        let Some((_, field)) = METADATA.iter().find(|(known, _)| known == name) else {
            let known = METADATA.map(|(name, _)| name).join(", ");
            return Err(Error::unsupported(format!(
                "`metadata.{name}` is no filter of this provider; known are: {known}"
            )));
        };
        let expected = || Error::invalid(format!("metadata.{name}"), "expected a list of texts");
        let values = value.as_array().ok_or_else(expected)?;
        let texts: Option<Vec<_>> = values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
        jql.any_of(field, texts.ok_or_else(expected)?);
    }
    Ok(())
}

/// What JQL cannot tell, or not exactly: levels of statuses, and times.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    query: &'a TicketQuery,
}

impl Filter<'_> {
    pub(super) fn matches(&self, ticket: &Ticket) -> bool {
        let statuses = &self.query.statuses;
        (statuses.is_empty() || statuses.iter().any(|status| same(status, ticket)))
            && self.query.since.is_none_or(|since| ticket.created_at.is_some_and(|at| since <= at))
            && self.query.until.is_none_or(|until| ticket.created_at.is_some_and(|at| at < until))
    }

    /// Whether everything after this ticket was opened before the span begins. Data Center orders by whole seconds.
    pub(super) fn is_past(&self, ticket: &Ticket) -> bool {
        let begins = |since: Time| since.checked_sub_signed(chrono::Duration::seconds(1)).unwrap_or(since);
        self.query.since.is_some_and(|since| ticket.created_at.is_some_and(|at| at < begins(since)))
    }
}

/// A known word stands for all statuses of its level; an unknown one for itself.
fn same(wanted: &TicketStatus, ticket: &Ticket) -> bool {
    match wanted.level() {
        TicketStatusLevel::Unknown => {
            let own = ticket.status_raw.as_deref().unwrap_or_default();
            own.trim().to_lowercase() == wanted.as_str().trim().to_lowercase()
        }
        level => ticket.status.level() == level,
    }
}
