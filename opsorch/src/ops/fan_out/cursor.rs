//! A cursor over several providers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use opsorch_schema::{Cursor, Item, ProviderName, Query, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::source::Source;
use crate::{Error, Provider, Result};

/// What the text begins with, so that the cursor of one provider is not taken for one.
const PREFIX: &str = "all1.";

/// The longest text that is read: far above what 100 providers with cursors of 300 bytes each come to.
const LONGEST: usize = 64 * 1024;

/// Where each provider goes on with a query. Those that have given everything are left out.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Places {
    /// Of which query and which providers.
    of: String,
    at: BTreeMap<ProviderName, Place>,
    /// Those that failed on an earlier page, and the code of the error: what comes after is never complete.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    lost: BTreeMap<ProviderName, String>,
}

/// Where one provider goes on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// The page of the provider, by its own cursor; the first without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<Cursor>,
    /// How much of that page was given out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seen: Option<Seen>,
}

/// The last item of a page that was given out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seen {
    count: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<Time>,
    /// A digest, because the key of a log entry is its text.
    key: String,
}

impl Places {
    /// Where a cursor says, or at the beginning of each without one.
    pub(super) fn of(query: &Query, providers: &[Arc<Provider>], cursor: Option<&Cursor>) -> Result<Self> {
        let of = subject(query, providers)?;
        let Some(cursor) = cursor else {
            let at = providers.iter().map(|provider| (provider.name().clone(), Place::default())).collect();
            return Ok(Self { of, at, lost: BTreeMap::new() });
        };
        match Self::read(cursor.as_str()) {
            Some(places) if places.of == of => Ok(places),
            _ => {
                let names: Vec<_> = providers.iter().map(|provider| provider.name().as_str()).collect();
                let message = format!(
                    "it is not from this query to these providers: {}; a cursor of one provider needs its name",
                    names.join(", ")
                );
                Err(Error::invalid("cursor", message))
            }
        }
    }

    fn read(text: &str) -> Option<Self> {
        let text = text.strip_prefix(PREFIX).filter(|text| text.len() <= LONGEST)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }

    pub(super) fn sources<T>(&self, providers: &[Arc<Provider>]) -> Vec<Source<T>> {
        let source = |provider: &Arc<Provider>| match (self.at.get(provider.name()), self.lost.get(provider.name())) {
            (_, Some(code)) => Source::lost(Arc::clone(provider), code),
            (place, None) => Source::new(Arc::clone(provider), place.cloned()),
        };
        providers.iter().map(source).collect()
    }

    /// The cursor to what is left; `None` if nothing is.
    pub(super) fn after<T>(self, sources: &[Source<T>]) -> Result<Option<Cursor>> {
        let name = |source: &Source<T>| source.provider().name().clone();
        let places = Self {
            of: self.of,
            at: sources.iter().filter_map(|source| Some((name(source), source.place()?.clone()))).collect(),
            lost: sources.iter().filter_map(|source| Some((name(source), source.code()?.to_owned()))).collect(),
        };
        if places.at.is_empty() {
            return Ok(None);
        }
        let text = serde_json::to_vec(&places).map_err(|error| Error::unexpected("no cursor").with_source(error))?;
        let text = URL_SAFE_NO_PAD.encode(text);
        if text.len() > LONGEST {
            // Nobody could come back with it.
            let message =
                format!("the cursors of the providers come to more than {LONGEST} bytes; ask each by its name");
            return Err(Error::unexpected(message));
        }
        Ok(Some(Cursor::new(format!("{PREFIX}{text}"))))
    }
}

impl Seen {
    pub(super) fn new(count: usize, last: &impl Item) -> Self {
        Self { count, time: last.time(), key: digest(last.key().as_bytes()) }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// How many items of the page, asked for again, were given out before. Where nothing moved, that is the count. Else it
    /// goes by the last item; where that is gone, by its time.
    fn within<T: Item>(&self, items: &VecDeque<T>) -> (usize, bool) {
        let is_last = |item: &T| item.time() == self.time && digest(item.key().as_bytes()) == self.key;
        if self.count.checked_sub(1).and_then(|last| items.get(last)).is_some_and(is_last) {
            return (self.count, true);
        }
        match (items.iter().rposition(is_last), self.time) {
            (Some(last), _) => (last + 1, true),
            (None, Some(_)) => (items.iter().take_while(|item| item.time() >= self.time).count(), false),
            (None, None) => (self.count.min(items.len()), false),
        }
    }

    /// Takes from the page, asked for again, what was given out before. What is left of it is within the next page, where
    /// this one is smaller than it was: the next request may have another limit.
    pub(super) fn skip<T: Item>(&mut self, items: &mut VecDeque<T>) -> Option<Self> {
        let (size, (given, is_found)) = (items.len(), self.within(items));
        let beyond =
            self.count.checked_sub(size).filter(|beyond| *beyond > 0 && size > 0 && given == size && !is_found);
        items.drain(..given);
        self.count = given;
        beyond.map(|count| Self { count, ..self.clone() })
    }
}

/// What a cursor belongs to: the query without its paging, and who is asked.
fn subject(query: &Query, providers: &[Arc<Provider>]) -> Result<String> {
    let unexpected = |error| Error::unexpected("a query cannot be written as JSON").with_source(error);
    let mut query = serde_json::to_value(query).map_err(unexpected)?;
    if let Some(input) = query.get_mut("input").and_then(serde_json::Value::as_object_mut) {
        input.remove("cursor");
        input.remove("limit");
    }
    let names: Vec<_> = providers.iter().map(|provider| provider.name().as_str()).collect();
    Ok(digest(&serde_json::to_vec(&(query, names)).map_err(unexpected)?))
}

/// Enough of a digest to tell the items of one page and the queries of one caller apart: 12 bytes.
fn digest(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(bytes).get(..12).unwrap_or_default())
}
