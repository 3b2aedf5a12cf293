//! Logs.

use async_trait::async_trait;
use opsorch::capability::LogReader;
use opsorch::transport::{Reply, Url};
use opsorch::{Context, Cursor, Error, ErrorKind, LogEntry, LogQuery, Page, Result, Time};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::datadog::api::{Datadog, read};
use crate::datadog::map::log as map;
use crate::datadog::search;
use crate::datadog::wire::log::{self as wire, Filter, LogSearch, Paging};
use crate::query::{page_size, refuse_metadata_but};

/// The most entries that Datadog gives at once.
const LARGEST_PAGE: usize = 1_000;

/// The most requests for one page of ours.
const REQUESTS: usize = 50;

/// The names in [`LogQuery::metadata`] that are understood.
const KNOWN: [&str; 3] = ["query", "indexes", "storage_tier"];

/// Where logs are kept. (<https://docs.datadoghq.com/api/latest/logs/#search-logs-post>)
const TIERS: [&str; 3] = ["indexes", "online-archives", "flex"];

/// Reads logs.
#[derive(Debug)]
pub(in crate::datadog) struct Logs {
    datadog: Datadog,
    indexes: Vec<String>,
}

impl Logs {
    pub(in crate::datadog) fn new(datadog: Datadog, indexes: Vec<String>) -> Self {
        Self { datadog, indexes }
    }
}

#[async_trait]
impl LogReader for Logs {
    async fn query(&self, cx: &Context, query: &LogQuery) -> Result<Page<LogEntry>> {
        let limit = page_size(query.page_size())?;
        let asked = Asked::new(query, self)?;
        let mut after = query.cursor.as_ref().map(|cursor| Position::parse(cursor, &asked)).transpose()?;
        let mut page = Page::new(Vec::new()).url(Some(self.page(&asked)));
        if asked.is_empty() {
            return Ok(page);
        }
        let mut timeless = 0;
        for _ in 0..REQUESTS {
            let size = (limit - page.items.len()).min(LARGEST_PAGE);
            let (found, next) = match self.ask(cx, &asked, after.as_ref(), size).await {
                Ok(reply) => found(&reply, &asked, &mut page, &self.datadog.source)?,
                // What was read is kept, and the cursor leads to the rest.
                Err(error) if after.is_some() && !page.items.is_empty() => {
                    page = page.failure(error.to_source_failure(format!("{}/logs", self.datadog.source)));
                    break;
                }
                Err(error) => return Err(error),
            };
            timeless += found;
            after = next;
            if after.is_none() || page.items.len() >= limit {
                break;
            }
        }
        if timeless > 0 {
            page = page.truncated(format!("{timeless} entries have no time, and are left out"));
        }
        Ok(page.next(after.map(|position| position.to_cursor(&asked))))
    }
}

/// Adds the entries of an answer to a page. Returns how many had no time, and where the next answer begins.
fn found(reply: &Reply, asked: &Asked, page: &mut Page<LogEntry>, source: &str) -> Result<(usize, Option<Position>)> {
    let mut timeless = 0;
    let each = |log| match map::entry(log, source) {
        Some(entry) if !asked.is_meant(&entry) => {}
        Some(entry) => page.items.push(entry),
        None => timeless += 1,
    };
    let mut meta = read(reply, "a list of logs", |text| wire::read(text, each))?;
    for failure in map::failures(&meta, source) {
        if !page.failures.contains(&failure) {
            page.failures.push(failure);
        }
    }
    Ok((timeless, meta.after().map(Position)))
}

impl Logs {
    async fn ask(&self, cx: &Context, asked: &Asked, after: Option<&Position>, limit: usize) -> Result<Reply> {
        let filter = Filter {
            query: &asked.search,
            from: &asked.from,
            to: &asked.to,
            indexes: &asked.indexes,
            storage_tier: asked.tier.as_deref(),
        };
        let cursor = after.map(|Position(after)| after.as_str());
        let body = LogSearch { filter, sort: "-timestamp", page: Paging { limit, cursor } };
        let reply = self.datadog.client.post("api/v2/logs/events/search").json(&body).send_any(cx).await?;
        // The search of a cursor was understood when it was asked for the first time.
        if cursor.is_some() && reply.status.as_u16() == 400 {
            return Err(reply.error(ErrorKind::Invalid { field: "cursor".to_owned() }));
        }
        self.datadog.answered(reply)
    }

    /// Where a person sees the same.
    fn page(&self, asked: &Asked) -> Url {
        let query = [
            ("query", asked.search.as_str()),
            ("from_ts", asked.from.as_str()),
            ("to_ts", asked.to.as_str()),
            ("live", "false"),
        ];
        self.datadog.page(&["logs"], &query)
    }
}

/// What is asked of Datadog.
struct Asked {
    search: String,
    /// In milliseconds since 1970: the span that is asked for, which is wider by what is finer than that.
    from: String,
    to: String,
    indexes: Vec<String>,
    tier: Option<String>,
    start: Time,
    end: Time,
    /// What an entry must say to the letter.
    literally: Option<String>,
}

impl Asked {
    fn new(query: &LogQuery, logs: &Logs) -> Result<Self> {
        if query.end < query.start {
            let message = format!("expected a time not before the start {}, got {}", query.start, query.end);
            return Err(Error::invalid("end", message));
        }
        refuse_metadata_but(&KNOWN, &query.metadata)?;
        // Nothing is older than 1970, and Datadog knows no negative time.
        let [from, to] = [query.start.timestamp_millis(), query.end.timestamp_millis().saturating_add(1)];
        Ok(Self {
            search: search::query(query, &logs.datadog.tags)?,
            from: from.max(0).to_string(),
            to: to.max(0).to_string(),
            indexes: indexes(query)?.unwrap_or_else(|| logs.indexes.clone()),
            tier: tier(query)?,
            start: query.start,
            end: query.end,
            literally: search::literally(query),
        })
    }

    fn is_empty(&self) -> bool {
        self.start == self.end || self.end <= Time::UNIX_EPOCH
    }

    /// What tells it from what else is asked.
    fn mark(&self) -> String {
        let Self { search, from: _, to: _, indexes, tier, start, end, literally } = self;
        let asked = serde_json::json!([search, indexes, tier, start, end, literally]).to_string();
        Sha256::digest(asked).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Datadog has milliseconds, does not say whether it counts the end in, and looks for nothing but words.
    fn is_meant(&self, entry: &LogEntry) -> bool {
        (self.start..self.end).contains(&entry.timestamp)
            && self.literally.as_ref().is_none_or(|text| map::says(entry, text))
    }
}

fn indexes(query: &LogQuery) -> Result<Option<Vec<String>>> {
    let Some(value) = query.metadata.get("indexes") else { return Ok(None) };
    let name = |value: &Value| value.as_str().filter(|name| !name.trim().is_empty()).map(str::to_owned);
    let names: Option<Vec<_>> = value.as_array().and_then(|values| values.iter().map(name).collect());
    match names {
        Some(names) if !names.is_empty() => Ok(Some(names)),
        _ => Err(Error::invalid("metadata.indexes", "expected a list of names of indexes, such as [\"main\"]")),
    }
}

fn tier(query: &LogQuery) -> Result<Option<String>> {
    let Some(value) = query.metadata.get("storage_tier") else { return Ok(None) };
    match value.as_str().filter(|tier| TIERS.contains(tier)) {
        Some(tier) => Ok(Some(tier.to_owned())),
        None => Err(Error::invalid("metadata.storage_tier", format!("expected one of {}", TIERS.join(", ")))),
    }
}

/// Where a page ends: Datadog's own position, which means nothing in another search.
#[derive(Debug)]
struct Position(String);

impl Position {
    const PREFIX: &str = "logs/";

    /// Datadog's positions are in Base64; an address is none.
    fn parse(cursor: &Cursor, asked: &Asked) -> Result<Self> {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
        let rest = cursor.as_str().strip_prefix(Self::PREFIX).and_then(|rest| rest.strip_prefix(&asked.mark()));
        rest.and_then(|rest| rest.strip_prefix('/'))
            .filter(|after| !after.is_empty() && after.bytes().all(is_part))
            .map(|after| Self(after.to_owned()))
            .ok_or_else(|| Error::invalid("cursor", "expected a cursor that an earlier page of this query returned"))
    }

    fn to_cursor(&self, asked: &Asked) -> Cursor {
        Cursor::new(format!("{}{}/{}", Self::PREFIX, asked.mark(), self.0))
    }
}
