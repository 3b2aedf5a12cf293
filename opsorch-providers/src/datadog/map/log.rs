//! Log entries.

use std::collections::BTreeMap;

use opsorch::{Fields, LogEntry, LogSeverity, LogSeverityLevel, SourceFailure, Time};
use serde_json::Value;

use crate::datadog::wire::log::{Log, Meta, Text, Warning};

/// An entry as the schema has it; `None` for one without a time, which is in no span.
pub(in crate::datadog) fn entry(log: Log<'_>, source: &str) -> Option<LogEntry> {
    let Log { id, attributes } = log;
    let timestamp: Time = attributes.timestamp?.0.parse().ok()?;
    let mut entry = LogEntry::new(timestamp, attributes.message.unwrap_or_default().0);
    if let Some(Text(status)) = attributes.status.filter(|Text(status)| !status.trim().is_empty()) {
        entry.severity = Some(severity(&status));
        entry.severity_raw = Some(status.into_owned());
    }
    entry.service = attributes.service.map(|Text(service)| service.into_owned()).filter(|service| !service.is_empty());
    entry.fields = attributes.attributes;
    entry.metadata.insert("source".to_owned(), source.into());
    let mut note = |name: &str, value: Option<Text<'_>>| {
        if let Some(Text(value)) = value {
            entry.metadata.insert(name.to_owned(), Value::String(value.into_owned()));
        }
    };
    note("log_id", id);
    note("host", attributes.host);
    (entry.labels, entry.metadata) = labels(attributes.tags, entry.metadata);
    Some(entry)
}

/// The labels that tags are. Where a tag has several values, the first is the label; then all tags are in the metadata.
fn labels(tags: Vec<Text<'_>>, mut metadata: Fields) -> (BTreeMap<String, String>, Fields) {
    let mut labels = BTreeMap::new();
    let mut is_lossy = false;
    for Text(tag) in &tags {
        let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
        if let Some(first) = labels.insert(name.to_owned(), value.to_owned())
            && first != value
        {
            labels.insert(name.to_owned(), first);
            is_lossy = true;
        }
    }
    if is_lossy {
        let tags = tags.into_iter().map(|Text(tag)| Value::String(tag.into_owned()));
        metadata.insert("tags".to_owned(), tags.collect());
    }
    (labels, metadata)
}

/// The word of the closed set where Datadog's means one of them, else Datadog's own.
fn severity(status: &str) -> LogSeverity {
    match LogSeverityLevel::of(status) {
        LogSeverityLevel::Unknown => status.into(),
        level => level.into(),
    }
}

/// Whether an entry has a text somewhere; the text is in lower case.
pub(in crate::datadog) fn says(entry: &LogEntry, text: &str) -> bool {
    let has = |has: &str| has.to_lowercase().contains(text);
    has(&entry.message)
        || entry.service.as_deref().is_some_and(has)
        || entry.labels.values().any(|value| has(value))
        || entry.fields.values().chain(entry.metadata.get("host")).any(|value| occurs_in(value, &has))
}

fn occurs_in(value: &Value, has: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => has(text),
        Value::Array(values) => values.iter().any(|value| occurs_in(value, has)),
        Value::Object(members) => members.values().any(|value| occurs_in(value, has)),
        Value::Null => false,
        other => has(&other.to_string()),
    }
}

/// What Datadog did not look at, by its own account.
pub(in crate::datadog) fn failures(meta: &Meta, source: &str) -> Vec<SourceFailure> {
    let timeout = meta.status.as_deref().filter(|status| status.eq_ignore_ascii_case("timeout")).map(|_| {
        let message = "Datadog ran out of time and found only a part; ask for a shorter span";
        SourceFailure::new(format!("{source}/logs"), "timeout", message).retryable(true)
    });
    timeout.into_iter().chain(meta.warnings.iter().map(|warning| failure(warning, source))).collect()
}

fn failure(Warning { code, title, detail }: &Warning, source: &str) -> SourceFailure {
    const LONGEST: usize = 500;
    let said: Vec<_> = [title, detail].into_iter().flatten().map(String::as_str).collect();
    let message = match said.is_empty() {
        true => "Datadog warns without saying of what".to_owned(),
        false => opsorch::visible(&said.join(": ")).chars().take(LONGEST).collect(),
    };
    let code = match code.as_deref() {
        Some("unknown_index") => "not_found",
        _ => "unavailable",
    };
    SourceFailure::new(format!("{source}/logs"), code, message)
}
