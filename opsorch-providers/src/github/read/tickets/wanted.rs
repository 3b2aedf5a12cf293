//! What a query wants of an issue.

use opsorch::{Error, Result, TicketQuery, TicketStatusLevel};
use serde_json::Value;

use crate::github::map::is_login;
use crate::github::map::ticket::status_of;
use crate::github::read::{refuse, text};
use crate::github::wire::{Issue, Label};
use crate::query::{among, is_within, refuse_metadata_but};

/// The longest text that GitHub's search takes.
const LONGEST_TEXT: usize = 256;

/// The conditions of a query. Whatever GitHub is asked for, they are looked at again in what it answers.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) query: &'a TicketQuery,
    pub(super) labels: Vec<&'a str>,
    pub(super) milestone: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// # Errors
    /// `Unsupported` for a condition that cannot be honoured, `Invalid` for one that cannot be meant.
    pub(super) fn new(query: &'a TicketQuery) -> Result<Self> {
        refuse("scope.team", query.scope.team.is_some())?;
        refuse("scope.environment", query.scope.environment.is_some())?;
        refuse_metadata_but(&["labels", "milestone"], &query.metadata)?;
        let labels = match query.metadata.get("labels") {
            None => Vec::new(),
            Some(Value::String(label)) => vec![label.as_str()],
            Some(Value::Array(labels)) => {
                labels.iter().map(|label| label.as_str().ok_or_else(wrong_labels)).collect::<Result<_>>()?
            }
            Some(_) => return Err(wrong_labels()),
        };
        Ok(Self { query, labels, milestone: text(&query.metadata, "milestone")? })
    }

    /// Whether there may be such an issue at all. GitHub takes some names that nobody can have for something else.
    pub(super) fn is_possible(&self) -> bool {
        let query = self.query;
        let somebody = query.assignees.is_empty() || query.assignees.iter().any(|name| is_login(name));
        let reporter = query.reporter.as_ref().is_none_or(|name| is_login(name));
        somebody && reporter && (query.statuses.is_empty() || self.open() || self.closed())
    }

    fn open(&self) -> bool {
        self.query.statuses.iter().any(|status| status.level() == TicketStatusLevel::Todo)
    }

    /// A word that is not known may be a reason for which issues are closed.
    fn closed(&self) -> bool {
        use TicketStatusLevel::{Cancelled, Done, Unknown};
        self.query.statuses.iter().any(|status| matches!(status.level(), Done | Cancelled | Unknown))
    }

    /// The state to ask for, where one is enough.
    pub(super) fn state(&self) -> Option<&'static str> {
        match (self.open(), self.closed()) {
            (true, false) => Some("open"),
            (false, true) => Some("closed"),
            _ => None,
        }
    }

    /// The one who works on it, where GitHub can be asked for that: it takes one name, and `none` for nobody.
    pub(super) fn assignee(&self) -> Option<&'a str> {
        match self.query.assignees.as_slice() {
            [only] if is_login(only) && only != "none" => Some(only),
            _ => None,
        }
    }

    /// The text to search for. GitHub compares words; of a text without one it would find everything.
    pub(super) fn text(&self) -> Result<Option<&'a str>> {
        let Some(text) = self.query.query.as_deref().map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let length = text.chars().count();
        if length > LONGEST_TEXT {
            let message = format!("expected at most {LONGEST_TEXT} characters, got {length}");
            return Err(Error::invalid("query", message));
        }
        match text.contains(char::is_alphanumeric) {
            true => Ok(Some(text)),
            false => Err(Error::unsupported("GitHub searches for words, and `query` has none")),
        }
    }

    pub(super) fn keeps(&self, issue: &Issue) -> bool {
        let query = self.query;
        let labels = || issue.labels.iter().filter_map(Label::name);
        let is_assigned = |name: &String| issue.assignees.iter().any(|user| user.login.eq_ignore_ascii_case(name));
        let is_reporter = |name: &String| issue.user.as_ref().is_some_and(|user| user.login.eq_ignore_ascii_case(name));
        issue.pull_request.is_none()
            && among(&query.statuses, &status_of(issue).0)
            && (query.assignees.is_empty() || query.assignees.iter().any(is_assigned))
            && query.reporter.as_ref().is_none_or(is_reporter)
            && is_within(Some(issue.created_at), query.since, query.until)
            && self.labels.iter().all(|wanted| labels().any(|label| label.eq_ignore_ascii_case(wanted)))
            && self.milestone.is_none_or(|title| issue.milestone.as_ref().is_some_and(|it| it.title == title))
    }
}

fn wrong_labels() -> Error {
    Error::invalid("metadata.labels", "expected a list of the names of labels")
}
