//! The entries of a page, as they come in from searches that order them by time alone.

use opsorch::{LogEntry, Time};

use super::cursor::Position;
use crate::elastic::map;

/// Gathers a page. Entries of one time come in whatever order, and some of them twice; they leave in the order of index
/// and id, once. Of a time with more of them than there is room for, only those that fit are kept.
#[derive(Debug)]
pub(super) struct Gather {
    limit: usize,
    after: Option<Position>,
    /// Entries of times that are complete, in their order.
    taken: Vec<LogEntry>,
    /// Entries of the last time, of which there may be more.
    group: Vec<LogEntry>,
    time: Option<Time>,
}

/// How many entries are kept beyond what there is room for, so that they are not sorted with every one.
const SLACK: usize = 1_000;

impl Gather {
    pub(super) fn new(limit: usize, after: Option<Position>) -> Self {
        Self { limit, after, taken: Vec::new(), group: Vec::new(), time: None }
    }

    /// Takes an entry; none of a later time comes after it.
    pub(super) fn push(&mut self, entry: LogEntry) {
        if self.time != Some(entry.timestamp) {
            self.close();
            self.time = Some(entry.timestamp);
        }
        if self.after.as_ref().is_none_or(|position| position.is_before(&entry)) {
            self.group.push(entry);
        }
        if self.group.len() / 2 > self.room().saturating_add(SLACK) {
            self.sort();
        }
    }

    /// Whether the page is full, and it is known that there is more.
    pub(super) fn is_full(&self) -> bool {
        self.taken.len() > self.limit || self.taken.len() == self.limit && !self.group.is_empty()
    }

    /// How many are to be found to fill the page and to know whether there is more.
    pub(super) fn wanted(&self) -> usize {
        self.room()
    }

    /// The time of which there may be more.
    pub(super) fn time(&self) -> Option<Time> {
        self.time
    }

    /// The page, and whether there is more.
    pub(super) fn finish(mut self) -> (Vec<LogEntry>, bool) {
        self.close();
        let has_more = self.taken.len() > self.limit;
        self.taken.truncate(self.limit);
        (self.taken, has_more)
    }

    /// Room for what is missing, and for one more.
    fn room(&self) -> usize {
        self.limit.saturating_sub(self.taken.len()).saturating_add(1)
    }

    fn close(&mut self) {
        self.sort();
        self.taken.append(&mut self.group);
    }

    fn sort(&mut self) {
        if self.group.len() > 1 {
            self.group.sort_by(|one, other| map::key(one).cmp(&map::key(other)));
            self.group.dedup_by(|one, other| map::key(one) == map::key(other));
            self.group.truncate(self.room());
        }
    }
}
