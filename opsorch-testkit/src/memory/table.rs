//! Rows, their ids, and pages of them.

use std::cmp::Reverse;

use opsorch::{Cursor, Error, Fields, Item, Page, Result};

/// Rows in the order in which they were put in, each with an id of its own. No row ever leaves.
#[derive(Debug)]
pub(super) struct Table<T> {
    noun: &'static str,
    prefix: &'static str,
    rows: Vec<T>,
}

impl<T: Item + Clone> Table<T> {
    pub(super) fn new(noun: &'static str, prefix: &'static str) -> Self {
        Self { noun, prefix, rows: Vec::new() }
    }

    pub(super) fn rows(&self) -> &[T] {
        &self.rows
    }

    pub(super) fn rows_mut(&mut self) -> &mut [T] {
        &mut self.rows
    }

    /// Puts an item in, or in the place of the one with its id.
    pub(super) fn put(&mut self, item: T) {
        match self.rows.iter_mut().find(|row| row.key() == item.key()) {
            Some(row) => *row = item,
            None => self.rows.push(item),
        }
    }

    /// Adds the item that is made for a new id.
    pub(super) fn add(&mut self, make: impl FnOnce(String) -> T) -> T {
        let id = |number| format!("{}-{number}", self.prefix);
        let mut number = self.rows.len() + 1;
        while self.index_of(&id(number)).is_some() {
            number += 1;
        }
        let item = make(id(number));
        self.rows.push(item.clone());
        item
    }

    pub(super) fn get(&self, id: impl AsRef<str>) -> Result<&T> {
        let id = id.as_ref();
        self.rows.iter().find(|row| row.key() == id).ok_or_else(|| self.lacks(id))
    }

    pub(super) fn get_mut(&mut self, id: impl AsRef<str>) -> Result<&mut T> {
        let index = self.position(id)?;
        // The position was found in these rows; this error cannot happen.
        self.rows.get_mut(index).ok_or_else(|| Error::unexpected("a row is gone"))
    }

    pub(super) fn position(&self, id: impl AsRef<str>) -> Result<usize> {
        let id = id.as_ref();
        self.index_of(id).ok_or_else(|| self.lacks(id))
    }

    fn index_of(&self, id: &str) -> Option<usize> {
        self.rows.iter().position(|row| row.key() == id)
    }

    fn lacks(&self, id: &str) -> Error {
        unknown(self.noun, id, self.rows.iter().map(Item::key))
    }
}

/// The error for a name that stands for nothing; it lists the first of those that stand for something.
pub(super) fn unknown<'a>(noun: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Error {
    let known = known.take(10).collect::<Vec<_>>().join(", ");
    let known = if known.is_empty() { String::new() } else { format!("; there are: {known}") };
    Error::not_found(format!("there is no {noun} `{name}`{known}"))
}

/// Which part of the result a query wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) limit: u32,
    pub(super) cursor: Option<&'a Cursor>,
    pub(super) metadata: &'a Fields,
}

/// The part of the result that a query wants; every query has the same three fields.
macro_rules! wanted {
    ($query:expr) => {
        crate::memory::table::Wanted {
            limit: $query.page_size(),
            cursor: $query.cursor.as_ref(),
            metadata: &$query.metadata,
        }
    };
}
pub(super) use wanted;

/// The order of things that happen: the newest first, and of two at one time the later row.
pub(super) fn newest<T: Item>(item: &T, index: usize) -> impl Ord + use<T> {
    Reverse((item.time(), index))
}

/// One page of the rows that pass a filter, in an order without ties.
///
/// A cursor is the index of the last row of the page before: rows that come in meanwhile do not move it.
pub(super) fn page_of<T: Clone, K: Ord>(
    rows: &[T],
    wanted: Wanted<'_>,
    order: impl Fn(&T, usize) -> K,
    keep: impl Fn(&T) -> bool,
) -> Result<Page<T>> {
    if let Some(name) = wanted.metadata.keys().next() {
        return Err(Error::unsupported(format!("metadata `{name}` means nothing to this provider; leave it out")));
    }
    if wanted.limit == 0 {
        return Err(Error::invalid("limit", "expected at least 1, got 0"));
    }
    let after = match wanted.cursor {
        Some(cursor) => Some(position(rows, cursor).map(|(index, row)| order(row, index))?),
        None => None,
    };
    let kept = rows.iter().enumerate().filter(|(_, row)| keep(row));
    let mut found: Vec<_> = kept
        .map(|(index, row)| (order(row, index), index, row))
        .filter(|(key, ..)| after.as_ref().is_none_or(|after| key > after))
        .collect();
    found.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let limit = wanted.limit as usize;
    let is_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| is_more).map(|(_, index, _)| Cursor::new(index.to_string()));
    Ok(Page::new(found.into_iter().map(|(.., row)| row.clone()).collect()).next(next))
}

fn position<'a, T>(rows: &'a [T], cursor: &Cursor) -> Result<(usize, &'a T)> {
    let index = cursor.as_str().parse().ok();
    index
        .and_then(|index| rows.get(index).map(|row| (index, row)))
        .ok_or_else(|| Error::invalid("cursor", format!("expected a cursor of this provider, got `{cursor}`")))
}
