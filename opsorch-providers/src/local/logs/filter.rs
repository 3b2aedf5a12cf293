//! Which entries a query wants.

use std::borrow::Cow;

use chrono::TimeDelta;
use opsorch::{Error, LogEntry, LogFilter, LogOperatorLevel, LogQuery, LogSeverity, LogSeverityLevel, Result, Time};
use serde_json::Value;

use super::records::Record;
use crate::local::query::{refuse_metadata, refuse_team_and_environment};

/// How far the lines of a file may be out of order: what is so much before the span is old.
const DISORDER: TimeDelta = TimeDelta::minutes(5);

/// The conditions of a query, all of which can be honoured.
#[derive(Debug)]
pub(super) struct Filter {
    start: Time,
    end: Time,
    /// In lower case.
    search: Option<String>,
    conditions: Vec<Condition>,
    /// As entries have them: the word of the closed set, where there is one.
    severities: Vec<LogSeverity>,
    service: Option<String>,
}

#[derive(Debug)]
struct Condition {
    field: String,
    comparison: Comparison,
    value: String,
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Equals,
    NotEquals,
    Contains,
}

impl Filter {
    /// Takes the conditions of a query.
    ///
    /// # Errors
    /// `Invalid` for a span that ends before it begins, `Unsupported` for what cannot be honoured.
    pub(super) fn new(query: &LogQuery) -> Result<Self> {
        if query.end < query.start {
            let message = format!("expected a time not before the start {}, got {}", query.start, query.end);
            return Err(Error::invalid("end", message));
        }
        refuse_metadata(&query.metadata)?;
        refuse_team_and_environment(&query.scope)?;
        let expression = query.expression.clone().unwrap_or_default();
        Ok(Self {
            start: query.start,
            end: query.end,
            search: expression.search.map(|text| text.to_lowercase()),
            conditions: expression.filters.into_iter().map(Condition::new).collect::<Result<_>>()?,
            severities: expression.severity_in.iter().map(normalized).collect(),
            service: query.scope.service.clone(),
        })
    }

    /// Whether an entry of this time is so far before the span that those above it can be expected to be, too. One
    /// alone proves nothing: anybody who gets one line into the log can give it any time.
    pub(super) fn is_old(&self, time: Time) -> bool {
        self.start.checked_sub_signed(DISORDER).is_some_and(|earliest| time < earliest)
    }

    /// Whether nothing up to this time is wanted.
    pub(super) fn begins_after(&self, time: Time) -> bool {
        time < self.start
    }

    /// Whether an entry can be wanted, by what is told quickly: most are not.
    pub(super) fn may_match(&self, entry: &LogEntry) -> bool {
        (self.start..self.end).contains(&entry.timestamp)
            && (self.service.is_none() || self.service == entry.service)
            && (self.severities.is_empty() || self.severities.iter().any(|wanted| has_severity(entry, wanted)))
    }

    /// Whether an entry is wanted.
    pub(super) fn matches(&self, record: &Record) -> bool {
        let entry = &record.entry;
        self.may_match(entry)
            && self.conditions.iter().all(|condition| condition.holds(entry))
            && self.search.as_deref().is_none_or(|text| {
                record.text.to_lowercase().contains(text) || entry.message.to_lowercase().contains(text)
            })
    }
}

impl Condition {
    fn new(filter: LogFilter) -> Result<Self> {
        let comparison = match filter.operator.level() {
            LogOperatorLevel::Equals => Comparison::Equals,
            LogOperatorLevel::NotEquals => Comparison::NotEquals,
            LogOperatorLevel::Contains => Comparison::Contains,
            _ => {
                let message = format!(
                    "a local provider cannot compare `{}` by `{}`; use `=`, `!=` or `contains`",
                    filter.field, filter.operator
                );
                return Err(Error::unsupported(message));
            }
        };
        Ok(Self { field: filter.field, comparison, value: filter.value })
    }

    /// Whether it holds. A field that is not there is not the value.
    fn holds(&self, entry: &LogEntry) -> bool {
        let field = field(entry, &self.field);
        match self.comparison {
            Comparison::Equals => field.is_some_and(|field| field == self.value.as_str()),
            Comparison::NotEquals => field.is_none_or(|field| field != self.value.as_str()),
            Comparison::Contains => field.is_some_and(|field| field.contains(&self.value)),
        }
    }
}

/// The text of a field or label, or of a part of the entry; `a.b` is also the member `b` of the field `a`.
fn field<'a>(entry: &'a LogEntry, name: &str) -> Option<Cow<'a, str>> {
    let given = entry.fields.get(name).or_else(|| {
        let mut parts = name.split('.');
        let first = entry.fields.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    });
    if let Some(value) = given {
        return Some(match value {
            Value::String(text) => Cow::Borrowed(text),
            other => Cow::Owned(other.to_string()),
        });
    }
    let text = entry.labels.get(name).map(String::as_str).or_else(|| match name {
        "message" => Some(&entry.message),
        "severity" => entry.severity.as_ref().map(LogSeverity::as_str),
        "service" => entry.service.as_deref(),
        _ => None,
    });
    text.map(Cow::Borrowed)
}

/// A known word stands for all words of its level; an unknown one for itself.
fn normalized(wanted: &LogSeverity) -> LogSeverity {
    match wanted.level() {
        LogSeverityLevel::Unknown => LogSeverity::new(wanted.as_str().trim()),
        level => LogSeverity::from(level),
    }
}

fn has_severity(entry: &LogEntry, wanted: &LogSeverity) -> bool {
    entry.severity.as_ref().is_some_and(|severity| severity.as_str().eq_ignore_ascii_case(wanted.as_str()))
}
