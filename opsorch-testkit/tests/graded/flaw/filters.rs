//! Faults of filters.

use std::time::Duration;

use opsorch::{Incident, Page, Query, Response, Result, Service, SeverityLevel, TicketStatusLevel};
use opsorch_testkit::MemoryProvider;

use super::Fault::Read;
use super::Flaw;
use crate::tampered::{ask, tickets, tickets_of};

pub const FLAWS: &[Flaw] = &[
    Flaw { name: "takes a severity for a threshold", caught_by: &["TK-010"], fault: Read(takes_thresholds) },
    Flaw { name: "filters nothing by severity", caught_by: &["TK-010", "TK-016"], fault: Read(drops_log_severities) },
    Flaw { name: "knows severities by their spelling alone", caught_by: &["TK-011"], fault: Read(compares_spelling) },
    Flaw { name: "includes the end of a span", caught_by: &["TK-012"], fault: Read(includes_until) },
    Flaw { name: "ignores since", caught_by: &["TK-012"], fault: Read(ignores_since) },
    Flaw { name: "drops the end where there is a beginning", caught_by: &["TK-012"], fault: Read(drops_until) },
    Flaw { name: "looks at the first status alone", caught_by: &["TK-013"], fault: Read(looks_at_one_status) },
    Flaw { name: "drops one of two conditions", caught_by: &["TK-014"], fault: Read(drops_a_condition) },
    Flaw { name: "finds more than a service", caught_by: &["TK-015"], fault: Read(widens_a_scope) },
    Flaw { name: "finds everything of no team", caught_by: &["TK-016"], fault: Read(widens_an_unknown_team) },
    Flaw { name: "takes an unknown status for none", caught_by: &["TK-016"], fault: Read(drops_unknown_statuses) },
    Flaw { name: "searches the beginnings of titles", caught_by: &["TK-017"], fault: Read(searches_beginnings) },
    Flaw { name: "drops metadata", caught_by: &["TK-018"], fault: Read(drops_metadata) },
    Flaw { name: "finds nothing by its assignee", caught_by: &["TK-019"], fault: Read(finds_no_assignee) },
    Flaw { name: "takes one of several tags for enough", caught_by: &["TK-019"], fault: Read(takes_any_tag) },
    Flaw { name: "looks at the first tag alone", caught_by: &["TK-019"], fault: Read(looks_at_one_tag) },
];

/// Finds what is as bad or worse.
fn takes_thresholds(memory: &MemoryProvider, mut query: Query) -> Result<Response> {
    if let Query::AlertQuery(query) = &mut query {
        let asked = std::mem::take(&mut query.severities);
        let is_worse = |level: &SeverityLevel| asked.iter().any(|word| word.level() >= *level);
        let known = asked.iter().all(|word| word.level() != SeverityLevel::Unknown);
        query.severities = match known {
            true => SeverityLevel::ALL.iter().copied().filter(is_worse).map(Into::into).collect(),
            false => asked,
        };
    }
    ask(memory, query)
}

fn drops_log_severities(memory: &MemoryProvider, mut query: Query) -> Result<Response> {
    if let Query::LogQuery(query) = &mut query
        && let Some(expression) = &mut query.expression
    {
        expression.severity_in.clear();
    }
    ask(memory, query)
}

/// Finds `critical`, but not `sev1`.
fn compares_spelling(memory: &MemoryProvider, query: Query) -> Result<Response> {
    match query {
        Query::IncidentQuery(mut query) if !query.severities.is_empty() => {
            query.severities.retain(|word| word.as_str() == word.level().word());
            match query.severities.is_empty() {
                true => Ok(Page::<Incident>::new(Vec::new()).into()),
                false => ask(memory, query),
            }
        }
        query => ask(memory, query),
    }
}

fn includes_until(memory: &MemoryProvider, query: Query) -> Result<Response> {
    tickets(memory, query, |mut query| {
        query.until = query.until.map(|until| until + Duration::from_millis(1));
        tickets_of(memory, query)
    })
}

fn ignores_since(memory: &MemoryProvider, mut query: Query) -> Result<Response> {
    if let Query::DeploymentQuery(query) = &mut query {
        query.since = None;
    }
    ask(memory, query)
}

fn drops_until(memory: &MemoryProvider, query: Query) -> Result<Response> {
    tickets(memory, query, |mut query| {
        query.until.take_if(|_| query.since.is_some());
        tickets_of(memory, query)
    })
}

/// Finds services that have any of the tags, each once.
fn takes_any_tag(memory: &MemoryProvider, query: Query) -> Result<Response> {
    match query {
        Query::ServiceQuery(mut query) if query.tags.len() > 1 => {
            let wanted = std::mem::take(&mut query.tags);
            let mut all: Page<Service> = ask(memory, query)?.try_into()?;
            all.items.retain(|service| wanted.iter().any(|(name, value)| service.tags.get(name) == Some(value)));
            Ok(all.into())
        }
        query => ask(memory, query),
    }
}

fn looks_at_one_tag(memory: &MemoryProvider, mut query: Query) -> Result<Response> {
    if let Query::ServiceQuery(query) = &mut query {
        while query.tags.len() > 1 {
            query.tags.pop_last();
        }
    }
    ask(memory, query)
}

fn looks_at_one_status(memory: &MemoryProvider, query: Query) -> Result<Response> {
    tickets(memory, query, |mut query| {
        query.statuses.truncate(1);
        tickets_of(memory, query)
    })
}

/// Looks at severities where no status is given.
fn drops_a_condition(memory: &MemoryProvider, mut query: Query) -> Result<Response> {
    if let Query::IncidentQuery(query) = &mut query
        && !query.statuses.is_empty()
    {
        query.severities.clear();
    }
    ask(memory, query)
}

/// Looks at the service of a scope only where it does not know it.
fn widens_a_scope(memory: &MemoryProvider, mut query: Query) -> Result<Response> {
    if let Query::DeploymentQuery(query) = &mut query {
        query.scope.service.take_if(|service| ["api", "checkout", "search"].contains(&service.as_str()));
    }
    ask(memory, query)
}

/// Looks no team up whose name cannot be one, and forgets the others that it does not find.
fn widens_an_unknown_team(memory: &MemoryProvider, mut query: Query) -> Result<Response> {
    if let Query::AlertQuery(query) = &mut query {
        let is_name = |team: &str| team.chars().all(char::is_alphanumeric);
        query.scope.team.take_if(|team| is_name(team) && !["platform", "payments"].contains(&team.as_str()));
    }
    ask(memory, query)
}

fn drops_unknown_statuses(memory: &MemoryProvider, query: Query) -> Result<Response> {
    tickets(memory, query, |mut query| {
        query.statuses.retain(|status| status.level() != TicketStatusLevel::Unknown);
        tickets_of(memory, query)
    })
}

fn searches_beginnings(memory: &MemoryProvider, query: Query) -> Result<Response> {
    let text = match &query {
        Query::IncidentQuery(query) => query.query.clone(),
        _ => None,
    };
    let mut response = ask(memory, query)?;
    if let (Response::Incidents(page), Some(text)) = (&mut response, text) {
        page.items.retain(|incident| incident.title.starts_with(&text));
    }
    Ok(response)
}

fn drops_metadata(memory: &MemoryProvider, mut query: Query) -> Result<Response> {
    if let Query::DeploymentQuery(query) = &mut query {
        query.metadata.clear();
    }
    ask(memory, query)
}

fn finds_no_assignee(memory: &MemoryProvider, query: Query) -> Result<Response> {
    tickets(memory, query, |query| match query.assignees.is_empty() {
        true => tickets_of(memory, query),
        false => Ok(Page::new(Vec::new())),
    })
}
