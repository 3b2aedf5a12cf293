//! Finds and reads incidents, timelines and tickets.

use async_trait::async_trait;
use opsorch::capability::{IncidentReader, TicketReader, TimelineReader};
use opsorch::{
    Context, Incident, IncidentId, IncidentQuery, IncidentStatus, IncidentStatusLevel, Page, Result, Severity,
    SeverityLevel, Ticket, TicketId, TicketQuery, TicketStatus, TicketStatusLevel, Time, TimelineEntry,
};

use super::Tracker;
use crate::local::query::{refuse, refuse_metadata, refuse_team_and_environment};

#[async_trait]
impl IncidentReader for Tracker {
    async fn query(&self, _cx: &Context, query: &IncidentQuery) -> Result<Page<Incident>> {
        refuse_metadata(&query.metadata)?;
        refuse_team_and_environment(&query.scope)?;
        let text = query.query.as_ref().map(|text| text.to_lowercase());
        let matches = |incident: &Incident| {
            contains(text.as_deref(), &incident.title, incident.description.as_deref())
                && any(&query.statuses, |status| same_status(status, &incident.status))
                && any(&query.severities, |severity| same_severity(severity, &incident.severity))
                && (query.scope.service.is_none() || query.scope.service == incident.service)
                && is_within(incident.created_at, query.since, query.until)
        };
        let document = self.store.document();
        let cursor = query.cursor.as_ref();
        document.incidents.page(
            query.page_size(),
            cursor,
            |record| matches(&record.incident),
            |record| &record.incident,
        )
    }

    async fn get(&self, _cx: &Context, id: &IncidentId) -> Result<Incident> {
        Ok(self.store.document().incidents.get(id.as_str())?.incident.clone())
    }
}

#[async_trait]
impl TimelineReader for Tracker {
    async fn timeline(&self, _cx: &Context, id: &IncidentId) -> Result<Page<TimelineEntry>> {
        let mut entries = self.store.document().incidents.get(id.as_str())?.timeline.clone();
        entries.sort_by_key(|entry| entry.at);
        Ok(Page::new(entries))
    }
}

#[async_trait]
impl TicketReader for Tracker {
    async fn query(&self, _cx: &Context, query: &TicketQuery) -> Result<Page<Ticket>> {
        refuse_metadata(&query.metadata)?;
        refuse_team_and_environment(&query.scope)?;
        refuse("scope.service", query.scope.service.is_some())?;
        let text = query.query.as_ref().map(|text| text.to_lowercase());
        let matches = |ticket: &Ticket| {
            contains(text.as_deref(), &ticket.title, ticket.description.as_deref())
                && any(&query.statuses, |status| same_ticket_status(status, &ticket.status))
                && any(&query.assignees, |assignee| ticket.assignees.contains(assignee))
                && (query.reporter.is_none() || query.reporter == ticket.reporter)
                && is_within(ticket.created_at, query.since, query.until)
        };
        let document = self.store.document();
        let cursor = query.cursor.as_ref();
        document.tickets.page(query.page_size(), cursor, |record| matches(&record.ticket), |record| &record.ticket)
    }

    async fn get(&self, _cx: &Context, id: &TicketId) -> Result<Ticket> {
        Ok(self.store.document().tickets.get(id.as_str())?.ticket.clone())
    }
}

/// Whether a text in lower case occurs in the title or the description.
fn contains(text: Option<&str>, title: &str, description: Option<&str>) -> bool {
    let occurs = |text: &str| {
        title.to_lowercase().contains(text) || description.is_some_and(|it| it.to_lowercase().contains(text))
    };
    text.is_none_or(occurs)
}

/// Whether one of the wanted things is there; all are wanted where none is named.
fn any<T>(wanted: &[T], is: impl FnMut(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(is)
}

fn is_within(at: Option<Time>, since: Option<Time>, until: Option<Time>) -> bool {
    since.is_none_or(|since| at.is_some_and(|at| since <= at))
        && until.is_none_or(|until| at.is_some_and(|at| at < until))
}

// A known word stands for all words of its level; an unknown one for itself.

fn same_status(wanted: &IncidentStatus, status: &IncidentStatus) -> bool {
    match wanted.level() {
        IncidentStatusLevel::Unknown => same_word(wanted.as_str(), status.as_str()),
        level => level == status.level(),
    }
}

fn same_severity(wanted: &Severity, severity: &Severity) -> bool {
    match wanted.level() {
        SeverityLevel::Unknown => same_word(wanted.as_str(), severity.as_str()),
        level => level == severity.level(),
    }
}

fn same_ticket_status(wanted: &TicketStatus, status: &TicketStatus) -> bool {
    match wanted.level() {
        TicketStatusLevel::Unknown => same_word(wanted.as_str(), status.as_str()),
        level => level == status.level(),
    }
}

fn same_word(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}
