//! Log entries.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::page::item;
use crate::setters::setters;
use crate::wire::null_as_default;
use crate::{Cursor, Fields, LogOperator, LogSeverity, ProviderName, Scope, Time};

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LogEntry {
    /// When it was written.
    pub timestamp: Time,
    /// What it says.
    pub message: String,
    /// How bad it says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<LogSeverity>,
    /// The service that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What the log is indexed by.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The fields of the entry that have no place above.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// What the provider says about the item itself, such as its id.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
    /// The vendor's own word for the severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity_raw: Option<String>,
    /// The provider it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
}

impl LogEntry {
    /// A message at a time.
    pub fn new(timestamp: Time, message: impl Into<String>) -> Self {
        Self {
            timestamp,
            message: message.into(),
            severity: None,
            service: None,
            labels: BTreeMap::new(),
            fields: Fields::new(),
            metadata: Fields::new(),
            severity_raw: None,
            provider: None,
        }
    }

    setters! {
        some severity: LogSeverity;
        some service: String;
        entry labels as label: String;
        entry fields as field: Value;
        entry metadata as metadata: Value;
        some severity_raw: String;
    }
}

item!(LogEntry { key: message, time: timestamp });

/// Which log entries to find: those of a span of time for which every condition holds, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct LogQuery {
    /// What to look for; absent for everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<LogExpression>,
    /// The first moment of the span.
    pub start: Time,
    /// The end of the span; an entry of exactly this moment is not in it.
    pub end: Time,
    /// The part of the world to look at.
    #[serde(default, deserialize_with = "null_as_default")]
    pub scope: Scope,
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

impl LogQuery {
    /// Everything in a span of time.
    ///
    /// ```
    /// use opsorch_schema::{LogOperatorLevel, LogQuery, LogSeverityLevel, Time};
    ///
    /// let start: Time = "2026-01-01T00:00:00Z".parse().unwrap();
    /// let end: Time = "2026-01-01T01:00:00Z".parse().unwrap();
    /// let query = LogQuery::new(start, end)
    ///     .search("timeout")
    ///     .severity(LogSeverityLevel::Error)
    ///     .filter("region", LogOperatorLevel::Equals, "eu")
    ///     .service("api");
    /// assert_eq!(query.expression.unwrap().filters[0].operator.as_str(), "=");
    /// ```
    pub fn new(start: Time, end: Time) -> Self {
        Self { expression: None, start, end, scope: Scope::new(), limit: None, cursor: None, metadata: Fields::new() }
    }

    /// Sets the text to search for.
    pub fn search(mut self, text: impl Into<String>) -> Self {
        self.expression.get_or_insert_default().search = Some(text.into());
        self
    }

    /// Adds a condition on a field.
    pub fn filter(
        mut self,
        field: impl Into<String>,
        operator: impl Into<LogOperator>,
        value: impl Into<String>,
    ) -> Self {
        self.expression.get_or_insert_default().filters.push(LogFilter::new(field, operator, value));
        self
    }

    /// Adds a severity; an entry must have one of those that were added.
    pub fn severity(mut self, severity: impl Into<LogSeverity>) -> Self {
        self.expression.get_or_insert_default().severity_in.push(severity.into());
        self
    }

    setters! {
        scope;
        page;
        entry metadata as metadata: Value;
    }
}

/// What to look for in logs. All conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct LogExpression {
    /// Text to search for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Conditions on fields.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<LogFilter>,
    /// Any of these severities; empty for all.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub severity_in: Vec<LogSeverity>,
}

impl LogExpression {
    /// Everything.
    pub fn new() -> Self {
        Self::default()
    }
}

/// A condition on a field of a log entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct LogFilter {
    /// The name of the field.
    pub field: String,
    /// How to compare.
    pub operator: LogOperator,
    /// What to compare with.
    pub value: String,
}

impl LogFilter {
    /// Compares a field with a value.
    pub fn new(field: impl Into<String>, operator: impl Into<LogOperator>, value: impl Into<String>) -> Self {
        Self { field: field.into(), operator: operator.into(), value: value.into() }
    }
}
