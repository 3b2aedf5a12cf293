//! Issues and their comments.

use opsorch::{Comment, Ticket, TicketStatus, TicketStatusLevel};
use serde_json::{Value, json};

use super::web_address;
use crate::github::repository::{Repositories, Repository};
use crate::github::wire::{self, put};
use crate::github::write::marker;

/// What the reasons mean for which an issue is closed.
const REASONS: &[(&str, TicketStatusLevel)] = &[
    ("completed", TicketStatusLevel::Done),
    ("not_planned", TicketStatusLevel::Cancelled),
    ("duplicate", TicketStatusLevel::Cancelled),
];

/// A state to give an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::github) struct State {
    pub(in crate::github) state: &'static str,
    pub(in crate::github) reason: Option<&'static str>,
}

/// The state that a status means; `None` for a status that issues do not have.
pub(in crate::github) fn state_of(status: &TicketStatus) -> Option<State> {
    if let Some((reason, _)) = REASONS.iter().find(|(reason, _)| *reason == status.as_str()) {
        return Some(State { state: "closed", reason: Some(reason) });
    }
    match status.level() {
        TicketStatusLevel::Todo => Some(State { state: "open", reason: None }),
        TicketStatusLevel::Done => Some(State { state: "closed", reason: Some("completed") }),
        TicketStatusLevel::Cancelled => Some(State { state: "closed", reason: Some("not_planned") }),
        _ => None,
    }
}

/// The status of an issue, and GitHub's own word for it. A reason that is not known is a word that is not known.
pub(in crate::github) fn status_of(issue: &wire::Issue) -> (TicketStatus, String) {
    let reason = issue.state_reason.as_deref();
    match (issue.state.as_str(), reason) {
        ("open", reason) => (TicketStatusLevel::Todo.into(), reason.unwrap_or("open").to_owned()),
        ("closed", None) => (TicketStatusLevel::Done.into(), "closed".to_owned()),
        ("closed", Some(reason)) => {
            let known = REASONS.iter().find(|(known, _)| *known == reason).map(|(_, level)| (*level).into());
            (known.unwrap_or_else(|| reason.into()), reason.to_owned())
        }
        (state, _) => (state.into(), state.to_owned()),
    }
}

pub(in crate::github) fn ticket(repositories: &Repositories, repository: &Repository, issue: wire::Issue) -> Ticket {
    let (status, raw) = status_of(&issue);
    let mut ticket = Ticket::new(repositories.id(repository, issue.number), issue.title, status)
        .key(format!("{repository}#{}", issue.number))
        .status_raw(raw)
        .created_at(issue.created_at);
    ticket.description = issue.body.map(marker::stripped).filter(|text| !text.is_empty());
    ticket.assignees = issue.assignees.into_iter().map(|user| user.login).collect();
    ticket.reporter = issue.user.map(|user| user.login);
    ticket.url = web_address(issue.html_url.as_deref());
    ticket.updated_at = issue.updated_at;
    let labels: Vec<Value> =
        issue.labels.into_iter().filter_map(|label| label.into_name().map(Value::String)).collect();
    if !labels.is_empty() {
        ticket.fields.insert("labels".to_owned(), labels.into());
    }
    let fields = &mut ticket.fields;
    put(fields, "milestone", issue.milestone.map(|milestone| milestone.title));
    put(fields, "type", issue.kind.map(|kind| kind.name));
    put(fields, "closed_at", issue.closed_at.map(|time| json!(time)));
    put(fields, "closed_by", issue.closed_by.map(|user| user.login));
    put(fields, "comments", issue.comments);
    put(fields, "locked", issue.locked.then_some(true));
    put(&mut ticket.metadata, "repository", Some(repository.to_string()));
    put(&mut ticket.metadata, "author_association", issue.author_association);
    ticket
}

pub(in crate::github) fn comment(ticket: &str, comment: wire::Comment) -> Comment {
    let body = comment.body.unwrap_or_default();
    let mut mapped = Comment::new(comment.id.to_string(), ticket, marker::strip(&body));
    mapped.author = comment.user.map(|user| user.login);
    mapped.created_at = comment.created_at;
    mapped.url = web_address(comment.html_url.as_deref());
    mapped
}
