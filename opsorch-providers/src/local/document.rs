//! What the file holds: incidents with their timelines, tickets with their comments, and the changes made of late.

use std::collections::{BTreeMap, VecDeque};

use opsorch::{Comment, Cursor, Error, Incident, Operation, Page, Result, Ticket, Time, TimelineEntry};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::query::page_size;

/// The version of the format; a file with a later one is refused.
pub(super) const VERSION: u32 = 1;

/// For how many changes their idempotency key is remembered.
const REMEMBERED_CHANGES: usize = 10_000;

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document {
    version: u32,
    pub(super) incidents: Shelf<IncidentRecord>,
    pub(super) tickets: Shelf<TicketRecord>,
    changes: VecDeque<Change>,
}

/// A change that was made, so that a repetition of it is recognised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Change {
    pub(super) key: String,
    pub(super) operation: Operation,
    /// The SHA-256 of the input in canonical JSON.
    pub(super) input: String,
    /// The id of what was made or changed.
    pub(super) id: String,
}

/// Records by number. A number is never given twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Shelf<R> {
    last: u64,
    records: BTreeMap<u64, R>,
}

/// An incident and its timeline, in the order it was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct IncidentRecord {
    pub(super) incident: Incident,
    pub(super) timeline: Vec<TimelineEntry>,
}

/// A ticket and its comments, in the order they were written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TicketRecord {
    pub(super) ticket: Ticket,
    pub(super) comments: Vec<Comment>,
}

/// Something that is kept under a number.
pub(super) trait Record {
    /// What it is called in an error.
    const NOUN: &'static str;
    /// What its id begins with; the number follows.
    const PREFIX: &'static str;

    fn id(&self) -> &str;
    fn created_at(&self) -> Option<Time>;
}

impl Record for IncidentRecord {
    const NOUN: &'static str = "incident";
    const PREFIX: &'static str = "INC-";

    fn id(&self) -> &str {
        self.incident.id.as_str()
    }

    fn created_at(&self) -> Option<Time> {
        self.incident.created_at
    }
}

impl Record for TicketRecord {
    const NOUN: &'static str = "ticket";
    const PREFIX: &'static str = "TCK-";

    fn id(&self) -> &str {
        self.ticket.id.as_str()
    }

    fn created_at(&self) -> Option<Time> {
        self.ticket.created_at
    }
}

impl Document {
    pub(super) fn new() -> Self {
        Self { version: VERSION, incidents: Shelf::new(), tickets: Shelf::new(), changes: VecDeque::new() }
    }

    /// Reads a document and checks that it holds together; the error says what is wrong with it.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let Version { version } = from_json(text)?;
        if version != VERSION {
            return Err(format!("it has version {version}; this release reads version {VERSION}"));
        }
        let document: Self = from_json(text)?;
        document.incidents.check()?;
        document.tickets.check()?;
        Ok(document)
    }

    /// The change that was made under a key, if it is remembered.
    pub(super) fn change(&self, key: &str) -> Option<&Change> {
        self.changes.iter().rev().find(|change| change.key == key)
    }

    /// Remembers a change, and forgets the oldest when there are many.
    pub(super) fn remember(&mut self, change: Change) {
        self.changes.push_back(change);
        if self.changes.len() > REMEMBERED_CHANGES {
            self.changes.pop_front();
        }
    }
}

/// The part of the file that every version has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

fn from_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| format!("it is damaged: {error}"))
}

impl<R: Record> Shelf<R> {
    fn new() -> Self {
        Self { last: 0, records: BTreeMap::new() }
    }

    fn check(&self) -> Result<(), String> {
        for (&number, record) in &self.records {
            if number > self.last || Self::number(record.id()) != Some(number) || record.created_at().is_none() {
                return Err(format!("it is damaged: the {} of number {number} contradicts the rest", R::NOUN));
            }
        }
        Ok(())
    }

    /// The number in an id that was made here.
    fn number(id: &str) -> Option<u64> {
        let number = id.strip_prefix(R::PREFIX)?.parse().ok()?;
        (Self::id(number) == id).then_some(number)
    }

    fn id(number: u64) -> String {
        format!("{}{number}", R::PREFIX)
    }

    /// Puts a new record, made from its id, on the shelf.
    pub(super) fn add(&mut self, make: impl FnOnce(&str) -> R) -> Result<String> {
        let number = self.last.checked_add(1).ok_or_else(|| Error::conflict("there are no more numbers"))?;
        let id = Self::id(number);
        self.last = number;
        self.records.insert(number, make(&id));
        Ok(id)
    }

    /// Finds a record.
    ///
    /// # Errors
    /// `NotFound`, which names the id.
    pub(super) fn get(&self, id: &str) -> Result<&R> {
        let record = Self::number(id).and_then(|number| self.records.get(&number));
        record.ok_or_else(|| Self::unknown(id))
    }

    /// Finds a record to change it.
    ///
    /// # Errors
    /// `NotFound`, which names the id.
    pub(super) fn get_mut(&mut self, id: &str) -> Result<&mut R> {
        let record = Self::number(id).and_then(|number| self.records.get_mut(&number));
        record.ok_or_else(|| Self::unknown(id))
    }

    fn unknown(id: &str) -> Error {
        Error::not_found(format!("there is no {} `{id}`", R::NOUN))
    }

    /// A page of the records that match, the newest first.
    ///
    /// The cursor is the time and number of the last record of the page, so that records made meanwhile are
    /// neither found twice nor push others out of sight.
    pub(super) fn page<'a, T: Clone + 'a>(
        &'a self,
        limit: u32,
        cursor: Option<&Cursor>,
        matches: impl Fn(&R) -> bool,
        item: impl Fn(&'a R) -> &'a T,
    ) -> Result<Page<T>> {
        let limit = page_size(limit)?;
        let before = cursor.map(Position::parse).transpose()?;
        let mut found: Vec<(Position, &R)> = self
            .records
            .iter()
            .filter_map(|(&number, record)| Some((Position { created_at: record.created_at()?, number }, record)))
            .filter(|(position, record)| before.is_none_or(|before| *position < before) && matches(record))
            .collect();
        found.sort_unstable_by_key(|(position, _)| std::cmp::Reverse(*position));
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more).map(|(position, _)| position.to_cursor());
        Ok(Page::new(found.into_iter().map(|(_, record)| item(record).clone()).collect()).next(last))
    }
}

/// Where a record stands among all records of its shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    created_at: Time,
    number: u64,
}

impl Position {
    fn to_cursor(self) -> Cursor {
        Cursor::new(format!("{}/{}", self.created_at.to_rfc3339(), self.number))
    }

    fn parse(cursor: &Cursor) -> Result<Self> {
        let parse = || {
            let (created_at, number) = cursor.as_str().split_once('/')?;
            Some(Self { created_at: created_at.parse().ok()?, number: number.parse().ok()? })
        };
        parse().ok_or_else(|| Error::invalid("cursor", "expected a cursor that an earlier page of this query returned"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_changes_are_remembered() {
        let change = |index: usize| Change {
            key: format!("key {index}"),
            operation: Operation::TicketCreate,
            input: String::new(),
            id: format!("TCK-{index}"),
        };
        let mut document = Document::new();
        (0..=REMEMBERED_CHANGES).for_each(|index| document.remember(change(index)));
        assert!(document.change("key 0").is_none());
        assert_eq!(document.change("key 1").unwrap().id, "TCK-1");
        assert_eq!(document.changes.len(), REMEMBERED_CHANGES);
    }

    #[test]
    fn an_id_is_spelled_in_one_way() {
        assert_eq!(Shelf::<TicketRecord>::number("TCK-7"), Some(7));
        for other in ["TCK-07", "TCK-+7", "tck-7", "7", "INC-7", "TCK-", "TCK-18446744073709551616"] {
            assert_eq!(Shelf::<TicketRecord>::number(other), None, "{other}");
        }
    }
}
