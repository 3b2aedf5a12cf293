//! A file on its way to its beginning.

use std::cmp::Reverse;
use std::io;
use std::path::Path;

use chrono::TimeDelta;
use opsorch::Time;

use super::backward::{BLOCK, Backward};
use super::cursor::Position;
use super::files::LogFile;
use super::filter::Filter;
use super::records::{Record, Records, TimeFrom};
use super::source::{End, Source};

/// After how many old entries in a row a file is not read on. Entries are counted, not bytes, of which one line could
/// have as many as it takes; and only those that say their time, since one old line gives its own to all below that
/// do not.
const MOST_OLD: u32 = 1000;

/// How much later than the last change of a file a time in it can be: it may be the local time of any zone.
const AHEAD: TimeDelta = TimeDelta::days(1);

/// For how long after the last change of a file the end of its last line is waited for.
const UNFINISHED: TimeDelta = TimeDelta::minutes(5);

/// The time after which nothing is expected in a file, by its last change.
pub(super) fn latest(file: &LogFile) -> Time {
    file.modified.checked_add_signed(AHEAD).unwrap_or(Time::MAX_UTC)
}

/// A file that is read backwards.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) file: LogFile,
    records: Records<Source>,
    /// Everything from here on was seen, apart from the head. Absent as long as reading did not begin.
    seen: Option<u64>,
    /// The newest entry that is wanted and was not taken yet.
    head: Option<Record>,
    /// How many old entries were read in a row. A search that goes on at a cursor counts anew, and so reads more.
    old: u32,
}

impl Stream {
    /// A file to be read from a position, or from its end, once that is looked for.
    pub(super) fn new(source: Source, position: Option<u64>, now: Time) -> Self {
        let file = source.file.clone();
        // A year that is not written is one before the last change.
        let now = now.min(latest(&file));
        let lines = Backward::new(source, position.unwrap_or_default(), BLOCK);
        let records = Records::new(lines, file.modified, now);
        Self { file, records, seen: position, head: None, old: 0 }
    }

    /// The same file as it is found elsewhere, while there is no head.
    pub(super) fn moved(self, source: Source, now: Time) -> Self {
        Self { old: self.old, ..Self::new(source, self.seen, now) }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.seen.is_some()
    }

    /// Looks for the end, and returns where the content ends and why not later. A compressed file is decompressed for that.
    pub(super) fn begin(&mut self, now: Time) -> io::Result<End> {
        let end = self.records.source_mut().end()?;
        self.records.go_to(end.offset);
        let is_final = self.file.compressed || now.signed_duration_since(self.file.modified) > UNFINISHED;
        let is_whole = is_final && end.damage.is_none();
        self.seen = Some(if is_whole { end.offset } else { self.records.skip_unfinished()? });
        Ok(end)
    }

    /// Takes the newest entry that is wanted.
    pub(super) fn take(&mut self) -> Option<Record> {
        let record = self.head.take()?;
        self.seen = Some(record.start);
        Some(record)
    }

    /// Of several streams, the greatest has the newest head; of equal heads, that of the first path. One that has not begun
    /// has the latest that it can have.
    pub(super) fn order(&self) -> (Option<Time>, bool, Reverse<&Path>) {
        let head = self.head.as_ref().map(|head| head.entry.timestamp);
        let time = if self.has_begun() { head } else { Some(latest(&self.file)) };
        (time, !self.has_begun(), Reverse(&self.file.path))
    }

    /// Reads on until there is a head; `false` if there is nothing more that is wanted. Where the page has passed over
    /// enough, or its time is over, it stays where it is.
    pub(super) fn advance(&mut self, filter: &Filter, to_search: &mut u64) -> io::Result<bool> {
        while self.head.is_none() && *to_search > 0 && !self.file.halt.has_come() {
            let Some(mut record) = self.records.next_record()? else { return Ok(false) };
            if self.ends_at(&record, filter) {
                return Ok(false);
            }
            let may_match = filter.may_match(&record.entry);
            if may_match {
                record.entry.labels.insert("file".into(), self.file.path.to_string_lossy().into_owned());
                record.entry.metadata.insert("offset".into(), record.start.into());
            }
            if may_match && filter.matches(&record) {
                self.head = Some(record);
            } else {
                // Only what will not be read again is counted: otherwise a page could end where it began.
                self.seen = Some(record.start);
                *to_search = to_search.saturating_sub(record.end - record.start);
            }
        }
        Ok(true)
    }

    /// Counts the old entries up to this one; whether they are so many that everything above is taken for old.
    fn ends_at(&mut self, record: &Record, filter: &Filter) -> bool {
        if !filter.is_old(record.entry.timestamp) {
            self.old = 0;
        } else if record.time_from != TimeFrom::EntryAbove {
            self.old += 1;
        }
        self.old >= MOST_OLD
    }

    /// Where a later page goes on; absent at the beginning of the file.
    pub(super) fn position(&mut self) -> Option<Position> {
        (self.seen != Some(0)).then(|| Position::of(self.records.source_mut(), self.seen))
    }

    /// Where it was read last, to find it elsewhere.
    pub(super) fn last_position(&mut self) -> Position {
        Position::last_read(self.records.source_mut(), self.seen)
    }

    pub(super) fn source_mut(&mut self) -> &mut Source {
        self.records.source_mut()
    }
}
