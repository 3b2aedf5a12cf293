//! Alerts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::page::item;
use crate::setters::setters;
use crate::wire::{null_as_default, optional_time, optional_url};
use crate::{AlertId, AlertStatus, AlertStatusLevel, Cursor, Fields, ProviderName, Scope, Severity, Time};

/// A condition that a tool watches, and what it is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// What is wrong, in a line.
    pub title: String,
    /// What is wrong, at length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it is doing.
    pub status: AlertStatus,
    /// How bad it is.
    pub severity: Severity,
    /// The service that is affected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The page a person would open.
    #[serde(default, deserialize_with = "optional_url", skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// When it began.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    /// When it last changed.
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

impl Alert {
    /// An alert with what every alert has.
    pub fn new(
        id: impl Into<AlertId>,
        title: impl Into<String>,
        status: impl Into<AlertStatus>,
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

item!(Alert { key: id, time: created_at, url: url });

/// Which alerts to find. Conditions of different kinds must all hold; within a list one is enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct AlertQuery {
    /// Text to search for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Any of these statuses; empty for all.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<AlertStatus>,
    /// Any of these severities; empty for all.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub severities: Vec<Severity>,
    /// The part of the world to look at.
    #[serde(default, deserialize_with = "null_as_default")]
    pub scope: Scope,
    /// Began at this time or later.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Began before this time.
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

impl AlertQuery {
    /// All alerts.
    pub fn new() -> Self {
        Self::default()
    }

    /// The alerts whose condition holds, and that nobody has acknowledged or silenced.
    pub fn firing() -> Self {
        Self::new().status(AlertStatusLevel::Firing)
    }

    setters! {
        some query: String;
        each statuses as status: AlertStatus;
        each severities as severity: Severity;
        scope;
        some since: Time;
        some until: Time;
        page;
        entry metadata as metadata: Value;
    }
}

/// An alert to raise. Raising it again under the same deduplication key does not make a second one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct RaiseAlert {
    /// What makes two raises the same alert.
    pub dedup_key: String,
    /// What is wrong, in a line.
    pub title: String,
    /// What is wrong, at length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// The service that is affected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What noticed it, such as a host or a check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The vendor's fields that have no place above.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// What only one kind of provider understands.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl RaiseAlert {
    /// An alert under a deduplication key.
    ///
    /// ```
    /// use opsorch_schema::{RaiseAlert, SeverityLevel};
    ///
    /// let alert = RaiseAlert::new("disk/db-1", "disk full on db-1", SeverityLevel::Critical).service("db");
    /// assert_eq!(alert.dedup_key, "disk/db-1");
    /// ```
    pub fn new(dedup_key: impl Into<String>, title: impl Into<String>, severity: impl Into<Severity>) -> Self {
        Self {
            dedup_key: dedup_key.into(),
            title: title.into(),
            description: None,
            severity: severity.into(),
            service: None,
            source: None,
            fields: Fields::new(),
            metadata: Fields::new(),
        }
    }

    setters! {
        some description: String;
        some service: String;
        some source: String;
        entry fields as field: Value;
        entry metadata as metadata: Value;
    }
}

/// Says that somebody has seen an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct AcknowledgeAlert {
    /// The alert.
    pub id: AlertId,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl AcknowledgeAlert {
    /// Acknowledges this alert.
    pub fn new(id: impl Into<AlertId>) -> Self {
        Self { id: id.into(), reason: None }
    }

    setters! { some reason: String; }
}

/// Says that an alert is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct ResolveAlert {
    /// The alert.
    pub id: AlertId,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl ResolveAlert {
    /// Resolves this alert.
    pub fn new(id: impl Into<AlertId>) -> Self {
        Self { id: id.into(), reason: None }
    }

    setters! { some reason: String; }
}

/// Keeps an alert quiet until a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct SilenceAlert {
    /// The alert.
    pub id: AlertId,
    /// When the silence ends.
    pub until: Time,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl SilenceAlert {
    /// Silences this alert until a time.
    pub fn new(id: impl Into<AlertId>, until: Time) -> Self {
        Self { id: id.into(), until, reason: None }
    }

    setters! { some reason: String; }
}
