//! One search: reads all files backwards at once and takes the newest entry each time.

use std::cmp::Reverse;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use opsorch::{LogEntry, Page, ProviderName, SourceFailure, Time};

use super::backward::Backward;
use super::cursor::{Position, Positions};
use super::files::{LogFile, MOST_FILES, find};
use super::filter::Filter;
use super::records::{Record, Records};

/// How many bytes are read at a time.
const BLOCK: usize = 64 << 10;

/// How many bytes of entries a page looks through before it ends, however few it found; its cursor goes on.
const BYTES_OF_SEARCH: u64 = 256 << 20;

/// How many bytes of entries a page has at most, but for its last entry; its cursor goes on.
const BYTES_OF_PAGE: u64 = 16 << 20;

/// What a search is given.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) provider: ProviderName,
    pub(super) patterns: Arc<[String]>,
    pub(super) filter: Filter,
    pub(super) limit: usize,
    pub(super) from: Option<Positions>,
    pub(super) now: Time,
    pub(super) cancelled: Arc<AtomicBool>,
}

impl Search {
    /// Searches. Blocks.
    pub(super) fn run(&self) -> Page<LogEntry> {
        let mut merge = Merge {
            search: self,
            page: Page::new(Vec::new()),
            notes: Vec::new(),
            streams: Vec::new(),
            to_search: BYTES_OF_SEARCH,
            room: BYTES_OF_PAGE,
        };
        merge.open();
        merge.fill();
        merge.finish()
    }
}

/// The search while it runs.
struct Merge<'a> {
    search: &'a Search,
    page: Page<LogEntry>,
    /// Why entries are missing.
    notes: Vec<String>,
    /// The files that are not read to the end.
    streams: Vec<Stream>,
    to_search: u64,
    room: u64,
}

/// A file on its way to its beginning.
struct Stream {
    file: LogFile,
    records: Records<LogFile>,
    /// Everything from here on was seen, apart from the head.
    seen: u64,
    /// The newest entry that is wanted and was not taken yet.
    head: Option<Record>,
}

impl Merge<'_> {
    /// Opens the files, each where reading it goes on.
    fn open(&mut self) {
        let found = find(&self.search.patterns, &self.search.cancelled);
        if found.more {
            self.notes.push(format!("there are more than {MOST_FILES} log files; only those changed last were read"));
        }
        for (path, error) in found.failures {
            self.fail(&path, &error);
        }
        let Some(Positions(positions)) = &self.search.from else {
            self.streams.extend(found.files.into_iter().map(|file| Stream::new(file.clone(), file.length, self.search.now)));
            return;
        };
        for position in positions {
            let Some(file) = found.files.iter().find(|file| file.identity == position.file) else {
                self.notes.push("a log file went away between two pages".to_owned());
                continue;
            };
            match position.is_still_in(file) {
                Ok(true) => self.streams.push(Stream::new(file.clone(), position.offset, self.search.now)),
                Ok(false) => self.note_change(&file.path),
                Err(error) => self.fail(&file.path, &error),
            }
        }
    }

    /// Takes entries, the newest of all files each time.
    fn fill(&mut self) {
        for stream in std::mem::take(&mut self.streams) {
            self.advance(stream);
        }
        while self.page.items.len() < self.search.limit && self.room > 0 && self.to_search > 0 {
            let streams = self.streams.iter().enumerate();
            let newest = streams.max_by(|(_, one), (_, other)| one.order().cmp(&other.order()));
            let Some((index, _)) = newest else { return };
            let mut stream = self.streams.swap_remove(index);
            if let Some(record) = stream.head.take() {
                stream.seen = record.start;
                self.room = self.room.saturating_sub(record.end - record.start);
                self.page.items.push(labelled(record.entry, &stream.file.path));
            }
            self.advance(stream);
        }
    }

    /// Reads a file on to its next head, and keeps it unless there is nothing more in it that is wanted.
    fn advance(&mut self, mut stream: Stream) {
        match stream.advance(&self.search.filter, &mut self.to_search) {
            Ok(true) => self.streams.push(stream),
            Ok(false) => {}
            Err(error) => self.fail(&stream.file.path, &error),
        }
    }

    /// The page, which goes on where the files that are left were not read.
    fn finish(mut self) -> Page<LogEntry> {
        let mut positions = Vec::new();
        for stream in std::mem::take(&mut self.streams) {
            match Position::new(&stream.file, stream.seen) {
                Ok(position) => positions.push(position),
                Err(error) => self.fail(&stream.file.path, &error),
            }
        }
        let next = (!positions.is_empty()).then(|| Positions(positions).to_cursor());
        self.notes.into_iter().fold(self.page, Page::truncated).next(next)
    }

    fn fail(&mut self, path: &Path, error: &io::Error) {
        let code = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => return self.note_change(path),
            io::ErrorKind::PermissionDenied => "forbidden",
            _ => "unavailable",
        };
        let source = format!("{}: {}", self.search.provider, path.display());
        let failure = SourceFailure::new(source, code, format!("could not read it: {}", error.kind()));
        self.page.failures.push(failure.retryable(code == "unavailable"));
    }

    fn note_change(&mut self, path: &Path) {
        self.notes.push(format!("{} was rotated or truncated while it was read", path.display()));
    }
}

impl Stream {
    fn new(file: LogFile, end: u64, now: Time) -> Self {
        let records = Records::new(Backward::new(file.clone(), end, BLOCK), file.modified, now);
        Self { file, records, seen: end, head: None }
    }

    /// Of several streams, the greatest has the newest head; of equal heads, that of the first path.
    fn order(&self) -> (Option<Time>, Reverse<&Path>) {
        (self.head.as_ref().map(|head| head.entry.timestamp), Reverse(&self.file.path))
    }

    /// Reads on until there is a head; `false` if there is nothing more that is wanted. Where the search has looked
    /// through enough, it stays where it is.
    fn advance(&mut self, filter: &Filter, to_search: &mut u64) -> io::Result<bool> {
        // Only whole entries are counted: otherwise a page could end where it began.
        while self.head.is_none() && *to_search > 0 {
            let Some(record) = self.records.next_record()? else { return Ok(false) };
            *to_search = to_search.saturating_sub(record.end - record.start);
            if filter.ends_at(record.entry.timestamp) {
                return Ok(false);
            }
            match filter.matches(&record) {
                true => self.head = Some(record),
                false => self.seen = record.start,
            }
        }
        Ok(true)
    }
}

fn labelled(mut entry: LogEntry, path: &Path) -> LogEntry {
    entry.labels.insert("file".into(), path.to_string_lossy().into_owned());
    entry
}
