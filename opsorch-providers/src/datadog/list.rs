//! Lists that are read whole and put in order here, and where a page of them begins.
//!
//! Datadog orders most lists in no way that it promises. What is put in order here keeps its place while a list grows and
//! shrinks, so that following a cursor leaves nothing out and repeats nothing.

use std::cmp::Reverse;
use std::collections::HashSet;

use opsorch::{Context, Cursor, Error, ErrorKind, Item, Page, Result, Time};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::api::{Datadog, Parameters};
use super::wire::alert::{Downtime, Monitor};
use super::wire::resource::User;
use super::wire::service::Entity;
use super::wire::team::{Membership, Schedule, Team};

/// The most items that are read of one list.
const MOST: usize = 100_000;

/// How often a list is read that changes while it is read.
const READINGS: usize = 3;

/// An item of a list.
pub(super) trait Keyed {
    /// What tells it from the others.
    fn key(&self) -> String;
}

/// Items that have an id.
macro_rules! by_id {
    ($($item:ty),+) => {$(
        impl Keyed for $item {
            fn key(&self) -> String {
                self.id.to_string()
            }
        }
    )+};
}
by_id!(Monitor, Downtime, Entity, Team, Schedule, User);

impl Keyed for Membership {
    fn key(&self) -> String {
        self.relationships.user.id().unwrap_or_default().to_owned()
    }
}

/// A part of a list as Datadog sends it.
pub(super) trait Part: DeserializeOwned {
    type Item: Keyed;
    /// How many there are in all, where the part says so.
    fn total(&self) -> Option<usize> {
        None
    }
    fn items(&self) -> &[Self::Item];
    fn into_items(self) -> Vec<Self::Item>;
}

/// The names of the two parameters that choose a part.
#[derive(Clone, Copy, Debug)]
pub(super) enum Paging {
    /// The number of the part, and its size.
    Number(&'static str, &'static str),
    /// How many come before it, and its size.
    Offset(&'static str, &'static str),
}

/// A list.
#[derive(Debug)]
pub(super) struct List<'a> {
    pub(super) datadog: &'a Datadog,
    pub(super) path: &'a [&'a str],
    pub(super) parameters: Parameters,
    pub(super) paging: Paging,
    /// How many are asked for at once.
    pub(super) size: usize,
}

impl List<'_> {
    /// All parts. What leaves a list while it is read moves others into a part that was read before: then it is read anew.
    ///
    /// # Errors
    /// Also `Unavailable`, where that happens each time.
    pub(super) async fn parts<P: Part>(&self, cx: &Context) -> Result<Vec<P>> {
        for _ in 0..READINGS {
            if let Some(parts) = self.reading(cx).await? {
                return Ok(parts);
            }
        }
        let message =
            format!("`{}` changed each of {READINGS} times while it was read; ask again", self.path.join("/"));
        Err(Error::new(ErrorKind::Unavailable, message))
    }

    /// All parts, unless something moved. It ends with a part that is not full, or where as many were read as there are.
    async fn reading<P: Part>(&self, cx: &Context) -> Result<Option<Vec<P>>> {
        let (mut parts, mut count) = (Vec::<P>::new(), 0);
        loop {
            let part: P = self.part(cx, parts.len(), count, self.size).await?;
            if let Some(last) = parts.last().and_then(|before| before.items().last())
                && !self.is_still_at::<P>(cx, count - 1, &last.key()).await?
            {
                return Ok(None);
            }
            let found = part.items().len();
            count += found;
            let is_last = part.total().map_or(found < self.size, |total| count >= total);
            parts.push(part);
            if is_last || found == 0 {
                return Ok(Some(parts));
            }
            if count >= MOST {
                return Err(Error::unexpected(format!("the list has more than {MOST} items")));
            }
        }
    }

    /// Whether an item has as many before it as it had. A part of one item says so, whether parts are counted or items.
    async fn is_still_at<P: Part>(&self, cx: &Context, place: usize, key: &str) -> Result<bool> {
        let part: P = self.part(cx, place, place, 1).await?;
        Ok(part.items().first().is_some_and(|item| item.key() == key))
    }

    async fn part<P: Part>(&self, cx: &Context, number: usize, offset: usize, size: usize) -> Result<P> {
        let (name, place, size_name) = match self.paging {
            Paging::Number(name, size_name) => (name, number, size_name),
            Paging::Offset(name, size_name) => (name, offset, size_name),
        };
        let mut parameters = self.parameters.clone();
        parameters.extend([(name, place.to_string()), (size_name, size.to_string())]);
        self.datadog.get(cx, self.path, &parameters).await
    }

    /// All items. One that moved from one part to the next while they were read comes once.
    pub(super) async fn all<P: Part>(&self, cx: &Context) -> Result<Vec<P::Item>> {
        let mut seen = HashSet::new();
        let items = self.parts::<P>(cx).await?.into_iter().flat_map(P::into_items);
        Ok(items.filter(|item| seen.insert(item.key())).collect())
    }
}

/// The place of an item: the newest first, then by name, then by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Time>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    id: String,
}

impl Place {
    /// Of what is ordered by time.
    pub(super) fn in_time(item: &impl Item) -> Self {
        Self { at: item.time(), name: String::new(), id: item.key().to_owned() }
    }

    /// Of what is ordered by name.
    pub(super) fn by_name(name: &str, id: &str) -> Self {
        Self { at: None, name: name.to_lowercase(), id: id.to_owned() }
    }

    pub(super) fn at(&self) -> Option<Time> {
        self.at
    }

    /// # Errors
    /// `Invalid` for what is no place.
    pub(super) fn parse(cursor: &Cursor) -> Result<Self> {
        serde_json::from_str(cursor.as_str()).map_err(|_| foreign())
    }

    pub(super) fn cursor(&self) -> Cursor {
        Cursor::new(serde_json::json!(self).to_string())
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let order = |place: &Self| Reverse(place.at);
        order(self).cmp(&order(other)).then_with(|| (&self.name, &self.id).cmp(&(&other.name, &other.id)))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

pub(super) fn foreign() -> Error {
    Error::invalid("cursor", "expected the `next` of a page of this provider, got something else")
}

/// What comes after a cursor, in order, up to a size.
pub(super) fn page<T>(mut items: Vec<T>, size: usize, after: Option<&Place>, place: impl Fn(&T) -> Place) -> Page<T> {
    items.retain(|item| after.is_none_or(|after| place(item) > *after));
    items.sort_by_cached_key(&place);
    let has_more = items.len() > size;
    items.truncate(size);
    let next = items.last().filter(|_| has_more).map(|last| place(last).cursor());
    Page::new(items).next(next)
}
