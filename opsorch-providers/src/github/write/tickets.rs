//! Opens and changes issues, and comments on them.

mod fields;

use async_trait::async_trait;
use opsorch::capability::{TicketCommenter, TicketWriter};
use opsorch::gate::Approved;
use opsorch::transport::Method;
use opsorch::{
    Comment, CommentTicket, Context, CreateTicket, Error, ErrorKind, Result, Ticket, TicketStatus, UpdateTicket,
};
use serde::Serialize;

use self::fields::{IssueFields, MilestoneNumber};
use super::{Writer, marker, refuse_but};
use crate::github::map;
use crate::github::map::ticket::{State, state_of};
use crate::github::repository::Repository;
use crate::github::wire;

/// The longest title, in characters.
const LONGEST_TITLE: usize = 256;

/// What is said of an issue that is made or changed. What is absent stays as it is.
#[derive(Debug, Default, Serialize)]
struct Change<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignees: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    milestone: Option<MilestoneNumber>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
}

#[async_trait]
impl TicketWriter for Writer {
    async fn create(&self, cx: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket> {
        refuse_but(&["repository"], "metadata", &input.metadata)?;
        let fields = IssueFields::of_new(&input.fields)?;
        check_title(&input.title)?;
        let text = input.description.as_deref().unwrap_or_default();
        let body = marker::mark("description", text, input.idempotency_key())?;
        let repository = self.destination(&input)?;
        let change = Change {
            title: Some(&input.title),
            body: Some(body),
            milestone: self.milestone(cx, repository, &fields).await?,
            assignees: fields.assignees.as_deref(),
            labels: fields.labels.as_deref(),
            kind: fields.kind.as_deref(),
            ..Change::default()
        };
        let reply = self.issues.api.send(cx, Method::POST, repository.path(&["issues"]), &change).await?;
        let issue: wire::Issue = self.made(&reply, 201)?;
        fields.check(repository, &issue, "opened")?;
        Ok(self.issues.mapped(repository, issue))
    }

    async fn update(&self, cx: &Context, input: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        refuse_but(&[], "metadata", &input.metadata)?;
        let mut fields = IssueFields::of_known(&input.fields)?;
        input.title.as_deref().map_or(Ok(()), check_title)?;
        let state = input.status.as_ref().map(wanted_state).transpose()?;
        // It also keeps a pull request of this number from being changed.
        let (repository, present) = self.issues.find(cx, &input.id).await.map_err(Error::not_applied)?;
        let body = input.description.as_deref().map(|text| described(text, &present)).transpose()?;
        let state = state.filter(|state| !is_in(&present, *state));
        let change = Change {
            title: input.title.as_deref(),
            body,
            state: state.map(|state| state.state),
            state_reason: state.and_then(|state| state.reason),
            milestone: self.milestone(cx, repository, &fields).await?,
            assignees: input.assignees.as_deref(),
            labels: fields.labels.as_deref(),
            kind: fields.kind.as_deref(),
        };
        let path = repository.path(&["issues", &present.number.to_string()]);
        let reply = self.issues.api.send(cx, Method::PATCH, path, &change).await?;
        let issue: wire::Issue = self.made(&reply, 200)?;
        if state.is_some_and(|state| !is_in(&issue, state)) {
            let message = format!("{repository}#{} did not change its state, whatever else changed", issue.number);
            let hint = "the reason for which an issue is closed is set when it is closed; open it before";
            return Err(Error::conflict(message).with_context("hint", hint).maybe_applied());
        }
        fields.assignees = input.assignees.clone();
        fields.check(repository, &issue, "changed")?;
        Ok(self.issues.mapped(repository, issue))
    }
}

#[async_trait]
impl TicketCommenter for Writer {
    async fn comment(&self, cx: &Context, input: Approved<'_, CommentTicket>) -> Result<Comment> {
        refuse_but(&[], "metadata", &input.metadata)?;
        if input.body.trim().is_empty() {
            return Err(Error::invalid("body", "expected something to say, got nothing"));
        }
        /// A comment to add.
        #[derive(Serialize)]
        struct NewComment {
            body: String,
        }
        let new = NewComment { body: marker::mark("body", &input.body, input.idempotency_key())? };
        let (repository, issue) = self.issues.find(cx, &input.id).await.map_err(Error::not_applied)?;
        let path = repository.path(&["issues", &issue.number.to_string(), "comments"]);
        let reply = self.issues.api.send(cx, Method::POST, path, &new).await?;
        Ok(map::ticket::comment(input.id.as_str(), self.made(&reply, 201)?))
    }
}

impl Writer {
    /// Where an issue is opened. Of several repositories none is guessed.
    pub(super) fn destination(&self, input: &CreateTicket) -> Result<&Repository> {
        let repositories = &self.issues.repositories;
        let all: Vec<_> = repositories.iter().collect();
        let named = input.metadata.get("repository").map(|name| repositories.find(name.as_str()?));
        match (named, all.as_slice()) {
            (None, [only]) => Ok(only),
            (Some(Some(found)), _) => Ok(found),
            _ => {
                let names: Vec<_> = all.iter().map(|repository| format!("`{repository}`")).collect();
                Err(Error::invalid("metadata.repository", format!("expected one of: {}", names.join(", "))))
            }
        }
    }

    /// The number of the milestone of this title. GitHub takes nothing else.
    async fn milestone(
        &self,
        cx: &Context,
        repository: &Repository,
        fields: &IssueFields,
    ) -> Result<Option<MilestoneNumber>> {
        match &fields.milestone {
            None => Ok(None),
            Some(milestone) => {
                milestone.number(cx, &self.issues.api, repository).await.map_err(Error::not_applied).map(Some)
            }
        }
    }
}

fn check_title(title: &str) -> Result<()> {
    if title.trim().is_empty() {
        return Err(Error::invalid("title", "expected a title, got nothing"));
    }
    if title.contains(char::is_control) || title.trim() != title {
        let message = "expected one line without tabs, and without blanks around it; GitHub keeps nothing else";
        return Err(Error::invalid("title", message));
    }
    match title.chars().count() {
        0..=LONGEST_TITLE => Ok(()),
        length => Err(Error::invalid("title", format!("expected at most {LONGEST_TITLE} characters, got {length}"))),
    }
}

fn wanted_state(status: &TicketStatus) -> Result<State> {
    state_of(status).ok_or_else(|| {
        let known = "`todo`, `done`, `cancelled`, or `duplicate`";
        let message = format!("an issue is open or closed, and cannot be `{status}`; expected {known}");
        Error::new(ErrorKind::Unsupported, message)
    })
}

/// Whether an issue is so already. That an open one is opened again would tell everybody that it had been closed.
fn is_in(issue: &wire::Issue, state: State) -> bool {
    issue.state == state.state && (state.reason.is_none() || issue.state_reason.as_deref() == state.reason)
}

/// A new text with the mark of the change that opened the issue, which stays.
fn described(text: &str, present: &wire::Issue) -> Result<String> {
    match present.body.as_deref().and_then(marker::key) {
        Some(key) => marker::mark("description", text, key),
        None => Ok(text.to_owned()),
    }
}
