//! The ways in which vendors cut a list into pages.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// One page of a list, and where the next one begins: what [`by_offset`], [`by_number`], [`by_cursor`] and [`by_key`]
/// make of the whole list, as the vendor would answer it without pages.
///
/// Following [`next`](Self::next) to its end gives the list, without gap and without repeat, as long as nothing changes
/// meanwhile. Where something does, they differ as vendors do: an offset, a page's number and a cursor count places, so
/// that what is put in before them repeats an item and what is taken out hides one; a key goes on after the last item.
///
/// ```
/// use opsorch_testkit::double::{by_key, by_offset};
///
/// let part = by_offset(["a", "b", "c"], 0, 2);
/// assert_eq!((part.items, part.next, part.total), (vec!["a", "b"], Some(2), 3));
///
/// let part = by_key([(7, "a"), (3, "b"), (5, "c")], |item| item.0, Some(3), 10);
/// assert_eq!((part.items, part.next), (vec![(5, "c"), (7, "a")], None));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Part<T, N> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last one, which a full page may be.
    pub next: Option<N>,
    /// How many items the whole list has.
    pub total: usize,
}

/// From a place in the list, counted from 0: `offset` and `limit` of PagerDuty, `startAt` and `maxResults` of Jira.
///
/// A limit of 0 gives no items and no next page, as there is no way on.
pub fn by_offset<T>(list: impl IntoIterator<Item = T>, offset: usize, limit: usize) -> Part<T, usize> {
    let mut list = list.into_iter();
    let mut total = list.by_ref().take(offset).count();
    let items: Vec<T> = list.by_ref().take(limit).collect();
    total += items.len();
    let end = total;
    total += list.count();
    let next = (limit > 0 && end < total).then_some(end);
    Part { items, next, total }
}

/// By the number of a page, counted from 1: `page` and `per_page` of GitHub. Page 0 is page 1.
pub fn by_number<T>(list: impl IntoIterator<Item = T>, number: usize, size: usize) -> Part<T, usize> {
    let number = number.max(1);
    let part = by_offset(list, (number - 1).saturating_mul(size), size);
    Part { next: part.next.map(|_| number + 1), items: part.items, total: part.total }
}

/// By a cursor whose text says nothing: `nextPageToken` of Jira, `next_cursor` of Slack, `page[cursor]` of Datadog.
///
/// A cursor belongs to the query that it was given for: `query` is whatever must stay the same from page to page.
///
/// # Errors
/// [`UnknownCursor`] for a text that was not given out, or for another query. Vendors answer it with 400.
pub fn by_cursor<T>(
    list: impl IntoIterator<Item = T>,
    query: &str,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Part<T, String>, UnknownCursor> {
    let mark = mark(query);
    let offset = cursor.map_or(Some(0), |cursor| read(cursor, mark)).ok_or(UnknownCursor)?;
    let part = by_offset(list, offset, limit);
    let next = part.next.map(|offset| URL_SAFE_NO_PAD.encode(format!("{offset}.{mark:016x}")));
    Ok(Part { items: part.items, next, total: part.total })
}

/// In the order of a key, after the key of the last item: `search_after` of Elasticsearch, `after=` of GitHub.
///
/// What is put in or taken out between two pages neither repeats nor hides anything else. Keys must be distinct: of
/// items with one key that lie across the end of a page, the rest is lost, as it is at the vendors. For a list that
/// descends, the key is a [`Reverse`](std::cmp::Reverse).
pub fn by_key<T, K: Ord>(
    list: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> K,
    after: Option<K>,
    limit: usize,
) -> Part<T, K> {
    let mut items: Vec<T> = list.into_iter().collect();
    let total = items.len();
    items.sort_by_cached_key(&key);
    items.retain(|item| after.as_ref().is_none_or(|after| key(item) > *after));
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(key);
    Part { items, next, total }
}

/// A cursor that was not given out for this query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownCursor;

impl std::fmt::Display for UnknownCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("this cursor was not given out for this query")
    }
}

impl std::error::Error for UnknownCursor {}

fn mark(query: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    query.hash(&mut hasher);
    hasher.finish()
}

fn read(cursor: &str, mark: u64) -> Option<usize> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (offset, found) = text.split_once('.')?;
    (found == format!("{mark:016x}")).then(|| offset.parse().ok())?
}
