//! Tickets and their comments.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::page::item;
use crate::setters::setters;
use crate::wire::{null_as_default, optional_time, optional_url};
use crate::{CommentId, Cursor, Fields, ProviderName, Scope, TicketId, TicketStatus, TicketStatusLevel, Time};

/// A piece of work that somebody tracks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Ticket {
    /// Its id.
    pub id: TicketId,
    /// The short name that people use, such as `OPS-12`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What it is about, in a line.
    pub title: String,
    /// What it is about, at length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How far it is.
    pub status: TicketStatus,
    /// Who works on it, by the ids of the provider.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub assignees: Vec<String>,
    /// Who opened it, by the id of the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reporter: Option<String>,
    /// The page a person would open.
    #[serde(default, deserialize_with = "optional_url", skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// When it was opened.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    /// When it was last changed.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Time>,
    /// The vendor's fields that have no place above.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// What the provider says about the item itself, such as other ids it has.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
    /// The vendor's own word for the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_raw: Option<String>,
    /// The provider it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
}

impl Ticket {
    /// A ticket with what every ticket has.
    pub fn new(id: impl Into<TicketId>, title: impl Into<String>, status: impl Into<TicketStatus>) -> Self {
        Self {
            id: id.into(),
            key: None,
            title: title.into(),
            description: None,
            status: status.into(),
            assignees: Vec::new(),
            reporter: None,
            url: None,
            created_at: None,
            updated_at: None,
            fields: Fields::new(),
            metadata: Fields::new(),
            status_raw: None,
            provider: None,
        }
    }

    setters! {
        some key: String;
        some description: String;
        each assignees as assignee: String;
        some reporter: String;
        some url: Url;
        some created_at: Time;
        some updated_at: Time;
        entry fields as field: Value;
        entry metadata as metadata: Value;
        some status_raw: String;
    }
}

item!(Ticket { key: id, time: created_at, url: url });

/// Which tickets to find. Conditions of different kinds must all hold; within a list one is enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct TicketQuery {
    /// Text to search for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Any of these statuses; empty for all.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<TicketStatus>,
    /// Any of these people work on it; empty for all.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub assignees: Vec<String>,
    /// Who opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reporter: Option<String>,
    /// The part of the world to look at.
    #[serde(default, deserialize_with = "null_as_default")]
    pub scope: Scope,
    /// Opened at this time or later.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Opened before this time.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// How many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where the previous page ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// What only one kind of provider understands.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl TicketQuery {
    /// All tickets.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tickets that are neither done nor cancelled.
    pub fn open() -> Self {
        Self::new()
            .status(TicketStatusLevel::Todo)
            .status(TicketStatusLevel::InProgress)
            .status(TicketStatusLevel::InReview)
            .status(TicketStatusLevel::Blocked)
    }

    setters! {
        some query: String;
        each statuses as status: TicketStatus;
        each assignees as assignee: String;
        some reporter: String;
        scope;
        some since: Time;
        some until: Time;
        page;
        entry metadata as metadata: Value;
    }
}

/// A ticket to open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct CreateTicket {
    /// What it is about, in a line.
    pub title: String,
    /// What it is about, at length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The vendor's fields that have no place above.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// What only one kind of provider understands.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl CreateTicket {
    /// A ticket with a title.
    ///
    /// ```
    /// use opsorch_schema::CreateTicket;
    ///
    /// let ticket = CreateTicket::new("disk full on db-1").field("priority", "High");
    /// assert_eq!(ticket.fields["priority"], "High");
    /// ```
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), description: None, fields: Fields::new(), metadata: Fields::new() }
    }

    setters! {
        some description: String;
        entry fields as field: Value;
        entry metadata as metadata: Value;
    }
}

/// What to change in a ticket. What is absent stays as it is; an empty text or list makes it empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct UpdateTicket {
    /// The ticket.
    pub id: TicketId,
    /// The new title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The new description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The new status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TicketStatus>,
    /// All who work on it from now on; an empty list leaves nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignees: Option<Vec<String>>,
    /// The vendor's fields to set; fields that are not named stay as they are.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// What only one kind of provider understands.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl UpdateTicket {
    /// A change of this ticket that changes nothing yet.
    pub fn new(id: impl Into<TicketId>) -> Self {
        Self {
            id: id.into(),
            title: None,
            description: None,
            status: None,
            assignees: None,
            fields: Fields::new(),
            metadata: Fields::new(),
        }
    }

    /// Replaces all who work on it.
    ///
    /// ```
    /// use opsorch_schema::{TicketStatusLevel, UpdateTicket};
    ///
    /// let update = UpdateTicket::new("OPS-12").status(TicketStatusLevel::Done).assignees::<String>([]);
    /// assert_eq!(serde_json::to_string(&update)?, r#"{"id":"OPS-12","status":"done","assignees":[]}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn assignees<A: Into<String>>(mut self, assignees: impl IntoIterator<Item = A>) -> Self {
        self.assignees = Some(assignees.into_iter().map(Into::into).collect());
        self
    }

    setters! {
        some title: String;
        some description: String;
        some status: TicketStatus;
        entry fields as field: Value;
        entry metadata as metadata: Value;
    }
}

/// What somebody wrote under a ticket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Comment {
    /// Its id.
    pub id: CommentId,
    /// The ticket it belongs to.
    pub ticket_id: TicketId,
    /// What it says.
    pub body: String,
    /// Who wrote it, by the id of the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// When it was written.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    /// The page a person would open.
    #[serde(default, deserialize_with = "optional_url", skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// What the provider says about the item itself.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
    /// The provider it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
}

impl Comment {
    /// A comment with what every comment has.
    pub fn new(id: impl Into<CommentId>, ticket_id: impl Into<TicketId>, body: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ticket_id: ticket_id.into(),
            body: body.into(),
            author: None,
            created_at: None,
            url: None,
            metadata: Fields::new(),
            provider: None,
        }
    }

    setters! {
        some author: String;
        some created_at: Time;
        some url: Url;
        entry metadata as metadata: Value;
    }
}

item!(Comment { key: id, time: created_at, url: url });

/// A comment to add to a ticket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct CommentTicket {
    /// The ticket.
    pub id: TicketId,
    /// What to say.
    pub body: String,
    /// What only one kind of provider understands.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl CommentTicket {
    /// A comment for this ticket.
    pub fn new(id: impl Into<TicketId>, body: impl Into<String>) -> Self {
        Self { id: id.into(), body: body.into(), metadata: Fields::new() }
    }

    setters! { entry metadata as metadata: Value; }
}
