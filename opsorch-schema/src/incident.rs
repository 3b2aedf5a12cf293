//! Incidents and their timelines.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::page::item;
use crate::setters::setters;
use crate::wire::{null_as_default, optional_time, optional_url};
use crate::{
    Cursor, Fields, IncidentId, IncidentStatus, IncidentStatusLevel, ProviderName, Scope, Severity, Time,
    TimelineEntryId,
};

/// Something that is wrong and that people work on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// What is wrong, in a line.
    pub title: String,
    /// What is wrong, at length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How far it is.
    pub status: IncidentStatus,
    /// How bad it is.
    pub severity: Severity,
    /// The service that is affected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
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
    /// The vendor's own word for the severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity_raw: Option<String>,
    /// The provider it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
}

impl Incident {
    /// An incident with what every incident has.
    pub fn new(
        id: impl Into<IncidentId>,
        title: impl Into<String>,
        status: impl Into<IncidentStatus>,
        severity: impl Into<Severity>,
    ) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            description: None,
            status: status.into(),
            severity: severity.into(),
            service: None,
            url: None,
            created_at: None,
            updated_at: None,
            fields: Fields::new(),
            metadata: Fields::new(),
            status_raw: None,
            severity_raw: None,
            provider: None,
        }
    }

    setters! {
        some description: String;
        some service: String;
        some url: Url;
        some created_at: Time;
        some updated_at: Time;
        entry fields as field: Value;
        entry metadata as metadata: Value;
        some status_raw: String;
        some severity_raw: String;
    }
}

item!(Incident { key: id, time: created_at, url: url });

/// Which incidents to find. Conditions of different kinds must all hold; within a list one is enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct IncidentQuery {
    /// Text to search for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Any of these statuses; empty for all.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<IncidentStatus>,
    /// Any of these severities; empty for all.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub severities: Vec<Severity>,
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

impl IncidentQuery {
    /// All incidents.
    pub fn new() -> Self {
        Self::default()
    }

    /// The incidents that people should care about now: open or acknowledged.
    ///
    /// ```
    /// use opsorch_schema::{IncidentQuery, SeverityLevel};
    ///
    /// let query = IncidentQuery::open().severity(SeverityLevel::Critical).service("api").limit(20);
    /// assert_eq!(query.page_size(), 20);
    /// let text = serde_json::to_string(&query)?;
    /// assert_eq!(
    ///     text,
    ///     r#"{"statuses":["open","acknowledged"],"severities":["critical"],"scope":{"service":"api"},"limit":20}"#
    /// );
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn open() -> Self {
        Self::new().status(IncidentStatusLevel::Open).status(IncidentStatusLevel::Acknowledged)
    }

    setters! {
        some query: String;
        each statuses as status: IncidentStatus;
        each severities as severity: Severity;
        scope;
        some since: Time;
        some until: Time;
        page;
        entry metadata as metadata: Value;
    }
}

/// An incident to open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct CreateIncident {
    /// What is wrong, in a line.
    pub title: String,
    /// What is wrong, at length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The status it starts in; absent for the vendor's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<IncidentStatus>,
    /// How bad it is; absent for the default of the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The service that is affected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The vendor's fields that have no place above.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// What only one kind of provider understands.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl CreateIncident {
    /// An incident with a title.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            description: None,
            status: None,
            severity: None,
            service: None,
            fields: Fields::new(),
            metadata: Fields::new(),
        }
    }

    setters! {
        some description: String;
        some status: IncidentStatus;
        some severity: Severity;
        some service: String;
        entry fields as field: Value;
        entry metadata as metadata: Value;
    }
}

/// What to change in an incident. What is absent stays as it is; an empty text makes it empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct UpdateIncident {
    /// The incident.
    pub id: IncidentId,
    /// The new title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The new description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The new status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<IncidentStatus>,
    /// The new severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The service that is affected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The vendor's fields to set; fields that are not named stay as they are.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// What only one kind of provider understands.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl UpdateIncident {
    /// A change of this incident that changes nothing yet.
    pub fn new(id: impl Into<IncidentId>) -> Self {
        Self {
            id: id.into(),
            title: None,
            description: None,
            status: None,
            severity: None,
            service: None,
            fields: Fields::new(),
            metadata: Fields::new(),
        }
    }

    setters! {
        some title: String;
        some description: String;
        some status: IncidentStatus;
        some severity: Severity;
        some service: String;
        entry fields as field: Value;
        entry metadata as metadata: Value;
    }
}

/// Something that happened to an incident, or that somebody wrote about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TimelineEntry {
    /// Its id.
    pub id: TimelineEntryId,
    /// The incident it belongs to.
    pub incident_id: IncidentId,
    /// When it happened.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// What it is, in the provider's words: `note`, `status_change`, …
    pub kind: String,
    /// What happened, to be read.
    pub body: String,
    /// Who did it, as far as the provider says.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub actor: Fields,
    /// What the provider says about the item itself, such as other ids it has.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
    /// The provider it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
}

impl TimelineEntry {
    /// An entry with what every entry has.
    pub fn new(
        id: impl Into<TimelineEntryId>,
        incident_id: impl Into<IncidentId>,
        kind: impl Into<String>,
        body: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            incident_id: incident_id.into(),
            at: None,
            kind: kind.into(),
            body: body.into(),
            actor: Fields::new(),
            metadata: Fields::new(),
            provider: None,
        }
    }

    setters! {
        some at: Time;
        entry actor as actor: Value;
        entry metadata as metadata: Value;
    }
}

item!(TimelineEntry { key: id, time: at });

/// Something to add to an incident's timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct TimelineAppend {
    /// The incident.
    pub id: IncidentId,
    /// When it happened; absent for now.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// What it is: `note`, `status_change`, …
    pub kind: String,
    /// What happened, to be read.
    pub body: String,
    /// Who did it, in the words of the caller: a remark, not an identity.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub actor: Fields,
    /// What only one kind of provider understands.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl TimelineAppend {
    /// An entry of a kind for an incident.
    pub fn new(id: impl Into<IncidentId>, kind: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            at: None,
            kind: kind.into(),
            body: body.into(),
            actor: Fields::new(),
            metadata: Fields::new(),
        }
    }

    setters! {
        some at: Time;
        entry actor as actor: Value;
        entry metadata as metadata: Value;
    }
}
