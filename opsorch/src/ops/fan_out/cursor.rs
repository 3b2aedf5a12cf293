//! A cursor over several providers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use opsorch_schema::{Cursor, ProviderName, Query, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::identity::IdentityRule;
use super::mark::Marked;
use super::source::Source;
use super::twins::{Known, Twins};
use crate::{Error, Provider, Result};

/// What the text begins with, so that the cursor of one provider is not taken for one.
const PREFIX: &str = "all1.";

/// What stands between the places and the things that were given, where there are any: neither has it.
const SEPARATOR: char = '.';

/// The longest text that is read: far above what 100 providers with cursors of 300 bytes each come to, and the 14 KB of all
/// the things that are remembered.
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
    /// What was given, to know its twins by.
    #[serde(skip)]
    known: Known,
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
    /// A digest of all that tells it from others, because the key of a log entry is its text.
    key: String,
    /// Whether it may have been given before, because the one before it had gone from the page.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    again: bool,
    /// Whether the next one may have been given before.
    #[serde(skip)]
    is_back: bool,
}

impl Places {
    /// Where a cursor says, or at the beginning of each without one.
    pub(super) fn of(
        query: &Query,
        providers: &[Arc<Provider>],
        identity: Option<&IdentityRule>,
        cursor: Option<&Cursor>,
    ) -> Result<Self> {
        let of = subject(query, providers, identity)?;
        let Some(cursor) = cursor else {
            let at = providers.iter().map(|provider| (provider.name().clone(), Place::default())).collect();
            return Ok(Self { of, at, lost: BTreeMap::new(), known: Known::default() });
        };
        match Self::read(cursor.as_str()) {
            Some(places) if places.of == of => Ok(places),
            _ => {
                let names: Vec<_> = providers.iter().map(|provider| provider.name().as_str()).collect();
                let by_rule = identity.map(|rule| format!(", by `{}`", rule.rule())).unwrap_or_default();
                let message = format!(
                    "it is not from this query to these providers: {}{by_rule}; a cursor of one provider needs its name",
                    names.join(", ")
                );
                Err(Error::invalid("cursor", message))
            }
        }
    }

    fn read(text: &str) -> Option<Self> {
        let text = text.strip_prefix(PREFIX).filter(|text| text.len() <= LONGEST)?;
        let (places, known) = text.split_once(SEPARATOR).unwrap_or((text, ""));
        let places: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(places).ok()?).ok()?;
        Some(Self { known: Known::read(known)?, ..places })
    }

    /// What tells the twins of what was given, where a rule says what they are.
    pub(super) fn twins<'a>(&self, identity: Option<&'a IdentityRule>) -> Option<Twins<'a>> {
        identity.map(|identity| Twins::new(identity, self.known.clone()))
    }

    pub(super) fn sources<T>(&self, providers: &[Arc<Provider>]) -> Vec<Source<T>> {
        let source = |provider: &Arc<Provider>| match (self.at.get(provider.name()), self.lost.get(provider.name())) {
            (_, Some(code)) => Source::lost(Arc::clone(provider), code),
            (place, None) => Source::new(Arc::clone(provider), place.cloned()),
        };
        providers.iter().map(source).collect()
    }

    /// The cursor to what is left; `None` if nothing is.
    pub(super) fn after<T>(self, sources: &[Source<T>], twins: Option<&Twins<'_>>) -> Result<Option<Cursor>> {
        let name = |source: &Source<T>| source.provider().name().clone();
        let places = Self {
            of: self.of,
            at: sources.iter().filter_map(|source| Some((name(source), source.place()?.clone()))).collect(),
            lost: sources.iter().filter_map(|source| Some((name(source), source.code()?.to_owned()))).collect(),
            known: Known::default(),
        };
        if places.at.is_empty() {
            return Ok(None);
        }
        let text = serde_json::to_vec(&places).map_err(|error| Error::unexpected("no cursor").with_source(error))?;
        let mut text = URL_SAFE_NO_PAD.encode(text);
        if let Some(known) = twins.map(Twins::known).filter(|known| !known.is_empty()) {
            text.push(SEPARATOR);
            text.push_str(&known.write());
        }
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
    /// The next item of a page, after what was given out of it.
    pub(super) fn next(before: Option<&Self>, item: &impl Marked) -> Self {
        let (count, again) = before.map_or((0, false), |before| (before.count, before.is_back));
        Self { count: count.saturating_add(1), time: item.time(), key: mark(item), again, is_back: false }
    }

    /// How many items of the page, asked for again, were given out before, and whether that is sure. Where nothing moved, that
    /// is the count. Else it goes by the last item.
    fn within<T: Marked>(&self, items: &VecDeque<T>) -> (usize, bool) {
        let is_last = |item: &T| item.time() == self.time && mark(item) == self.key;
        if self.count.checked_sub(1).and_then(|last| items.get(last)).is_some_and(is_last) {
            return (self.count, true);
        }
        let mut alike = items.iter().enumerate().filter(|(_, item)| is_last(item)).map(|(index, _)| index + 1);
        match alike.next() {
            Some(first) => (first, alike.next().is_none()),
            None => (self.without_last(items), false),
        }
    }

    /// The same where the last item has gone: all before it were given, of its time too. One more is given twice rather than not
    /// at all, but not over and over: a provider whose items are others each time would never come to an end.
    fn without_last<T: Marked>(&self, items: &VecDeque<T>) -> usize {
        let given = if self.again { self.count } else { self.count.saturating_sub(1) };
        if self.time.is_none() {
            return given.min(items.len());
        }
        let newer = items.iter().take_while(|item| item.time() > self.time).count();
        let same = items.iter().skip(newer).take_while(|item| item.time() == self.time).count();
        given.clamp(newer, newer + same)
    }

    /// Takes from the page, asked for again, what was given out before. What is left of it is within the next page, where there
    /// is one and this one is smaller than it was: the next request may have another limit. Tells too whether items moved, so
    /// that it is not sure what was given.
    pub(super) fn skip<T: Marked>(&mut self, items: &mut VecDeque<T>, is_end: bool) -> (Option<Self>, bool) {
        let (size, (given, is_sure)) = (items.len(), self.within(items));
        let is_within = is_sure || is_end || size == 0 || given < size;
        let beyond = self.count.checked_sub(size).filter(|beyond| *beyond > 0 && !is_within);
        items.drain(..given);
        let has_moved = !is_sure && beyond.is_none();
        self.is_back = has_moved && given < self.count;
        self.count = given;
        (beyond.map(|count| Self { count, ..self.clone() }), has_moved)
    }
}

/// A digest of what tells an item from others, beside its time.
fn mark(item: &impl Marked) -> String {
    digest(&[item.key().as_bytes(), &[0], &item.mark()].concat())
}

/// What a cursor belongs to: the query without its paging, who is asked, and what is the same thing.
fn subject(query: &Query, providers: &[Arc<Provider>], identity: Option<&IdentityRule>) -> Result<String> {
    let unexpected = |error| Error::unexpected("a query cannot be written as JSON").with_source(error);
    let mut query = serde_json::to_value(query).map_err(unexpected)?;
    if let Some(input) = query.get_mut("input").and_then(serde_json::Value::as_object_mut) {
        input.remove("cursor");
        input.remove("limit");
    }
    let names: Vec<_> = providers.iter().map(|provider| provider.name().as_str()).collect();
    Ok(digest(&serde_json::to_vec(&(query, names, identity.map(IdentityRule::rule))).map_err(unexpected)?))
}

/// Enough of a digest to tell the items of one page and the queries of one caller apart: 12 bytes.
fn digest(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(bytes).get(..12).unwrap_or_default())
}
