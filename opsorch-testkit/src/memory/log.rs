//! Log entries.

use async_trait::async_trait;
use opsorch::capability::LogReader;
use opsorch::{Context, LogEntry, LogExpression, LogQuery, Operation, Page, Result};

use super::MemoryProvider;
use super::matching::{among, log_comparison, mentions, text, within};
use super::table::{newest, page_of, wanted};
use super::world::Place;

impl MemoryProvider {
    /// Writes an entry into the log.
    pub fn seed_log(&self, entry: LogEntry) {
        self.world().logs.push(entry);
    }
}

#[async_trait]
impl LogReader for MemoryProvider {
    /// A filter looks at the label of that name, else the field, else `message`, `service` and `severity` themselves.
    /// It compares with `=`, `!=` and `contains`; a regular expression is `Unsupported`.
    async fn query(&self, _: &Context, query: &LogQuery) -> Result<Page<LogEntry>> {
        self.page(Operation::LogQuery, |world| {
            let matches = condition(query.expression.as_ref())?;
            page_of(&world.logs, wanted!(query), newest, |entry| {
                within(Some(entry.timestamp), Some(query.start), Some(query.end))
                    && matches(entry)
                    && world.in_scope(&query.scope, Place::in_tags(&entry.labels).at(&entry.service))
            })
        })
        .await
    }
}

/// The condition that an expression puts.
fn condition(expression: Option<&LogExpression>) -> Result<impl Fn(&LogEntry) -> bool> {
    let LogExpression { search, filters, severity_in, .. } = expression.cloned().unwrap_or_default();
    let filters = filters.into_iter().map(|filter| Ok((log_comparison(&filter.operator)?, filter)));
    let filters = filters.collect::<Result<Vec<_>>>()?;
    Ok(move |entry: &LogEntry| {
        mentions(&search, [Some(&entry.message)])
            && filters.iter().all(|(compare, filter)| compare(value(entry, &filter.field).as_deref(), &filter.value))
            && (severity_in.is_empty() || entry.severity.as_ref().is_some_and(|severity| among(&severity_in, severity)))
    })
}

fn value(entry: &LogEntry, name: &str) -> Option<String> {
    let own = || match name {
        "message" => Some(entry.message.clone()),
        "service" => entry.service.clone(),
        "severity" => entry.severity.as_ref().map(ToString::to_string),
        _ => None,
    };
    entry.labels.get(name).cloned().or_else(|| entry.fields.get(name).map(text)).or_else(own)
}
