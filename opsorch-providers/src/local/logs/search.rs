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
use super::records::{Record, Records, TimeFrom};

/// How many bytes are read at a time.
const BLOCK: usize = 64 << 10;

/// After how many old entries in a row a file is not read on. Entries are counted, not bytes, of which one line could
/// have as many as it takes; and only those that say their time, since one old line gives its own to all below that
/// do not.
const MOST_OLD: u32 = 1000;

/// Where a page ends; its cursor goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many entries it has at most.
    pub(super) entries: usize,
    /// How many bytes its entries have at most, but for the last one.
    pub(super) bytes: u64,
    /// How many bytes of entries that are not wanted are passed over, but for the last one.
    pub(super) search: u64,
}

impl Limits {
    /// A page of so many entries, unless they are very many.
    pub(super) fn of(entries: usize) -> Self {
        Self { entries: entries.min(10_000), bytes: 16 << 20, search: 256 << 20 }
    }
}

/// What a search is given.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) provider: ProviderName,
    pub(super) patterns: Arc<[String]>,
    pub(super) filter: Filter,
    pub(super) limits: Limits,
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
            left: self.limits,
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
    /// What is left of the limits.
    left: Limits,
}

/// A file on its way to its beginning.
struct Stream {
    file: LogFile,
    records: Records<LogFile>,
    /// Everything from here on was seen, apart from the head.
    seen: u64,
    /// The newest entry that is wanted and was not taken yet.
    head: Option<Record>,
    /// How many old entries were read in a row. A search that goes on at a cursor counts anew, and so reads more.
    old: u32,
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
            self.streams
                .extend(found.files.into_iter().map(|file| Stream::new(file.clone(), file.length, self.search.now)));
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
        while self.left.entries > 0 && self.left.bytes > 0 && self.left.search > 0 {
            let streams = self.streams.iter().enumerate();
            let newest = streams.max_by(|(_, one), (_, other)| one.order().cmp(&other.order()));
            let Some((index, _)) = newest else { return };
            let mut stream = self.streams.swap_remove(index);
            if let Some(record) = stream.head.take() {
                stream.seen = record.start;
                self.left.entries -= 1;
                self.left.bytes = self.left.bytes.saturating_sub(record.end - record.start);
                self.page.items.push(record.entry);
            }
            self.advance(stream);
        }
    }

    /// Reads a file on to its next head, and keeps it unless there is nothing more in it that is wanted.
    fn advance(&mut self, mut stream: Stream) {
        match stream.advance(&self.search.filter, &mut self.left.search) {
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
        Self { file, records, seen: end, head: None, old: 0 }
    }

    /// Of several streams, the greatest has the newest head; of equal heads, that of the first path.
    fn order(&self) -> (Option<Time>, Reverse<&Path>) {
        (self.head.as_ref().map(|head| head.entry.timestamp), Reverse(&self.file.path))
    }

    /// Reads on until there is a head; `false` if there is nothing more that is wanted. Where the page has passed over
    /// enough, it stays where it is.
    fn advance(&mut self, filter: &Filter, to_search: &mut u64) -> io::Result<bool> {
        while self.head.is_none() && *to_search > 0 {
            let Some(mut record) = self.records.next_record()? else { return Ok(false) };
            if self.ends_at(&record, filter) {
                return Ok(false);
            }
            record.entry.labels.insert("file".into(), self.file.path.to_string_lossy().into_owned());
            if filter.matches(&record) {
                self.head = Some(record);
            } else {
                // Only what will not be read again is counted: otherwise a page could end where it began.
                self.seen = record.start;
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
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::Ordering;

    use opsorch::LogQuery;

    use super::*;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn search(folder: &Path, limits: Limits) -> Search {
        let everything = LogQuery::new(Time::UNIX_EPOCH, time("2100-01-01T00:00:00Z")).search("wanted");
        Search {
            provider: "here".into(),
            patterns: Arc::new([folder.join("*.log").to_string_lossy().into_owned()]),
            filter: Filter::new(&everything).unwrap(),
            limits,
            from: None,
            now: time("2026-01-01T00:00:00Z"),
            cancelled: Arc::default(),
        }
    }

    /// Two files with entries of several lines, of which every third is wanted.
    fn files() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in 0..2 {
            let line = |second| {
                let word = if second % 3 == file { "wanted" } else { "other" };
                format!("2025-12-01 00:00:{second:02} {word} {file}\n  more\n")
            };
            fs::write(folder.path().join(format!("{file}.log")), (0..30).map(line).collect::<String>()).unwrap();
        }
        folder
    }

    #[test]
    fn however_early_pages_end_nothing_is_lost_or_repeated() {
        let folder = files();
        let all = search(folder.path(), Limits::of(1000)).run();
        assert!(all.is_complete() && all.items.len() == 20);
        for (bytes, searched) in [(1, 1 << 20), (100, 1 << 20), (1 << 20, 1), (1 << 20, 200), (1, 1)] {
            let mut search = search(folder.path(), Limits { entries: 1000, bytes, search: searched });
            let mut found = Vec::new();
            loop {
                let page = search.run();
                assert!(page.truncated.is_none() && page.failures.is_empty());
                found.extend(page.items);
                let Some(next) = page.next else { break };
                let next = Positions::parse(&next).unwrap();
                assert_ne!(search.from.replace(next.clone()), Some(next), "every page comes further");
            }
            assert_eq!(found, all.items, "{bytes} {searched}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_listed() {
        let folder = files();
        let search = search(folder.path(), Limits::of(10));
        let mut merge = Merge {
            search: &search,
            page: Page::new(Vec::new()),
            notes: Vec::new(),
            streams: Vec::new(),
            left: search.limits,
        };
        merge.fail(Path::new("/logs/a.log"), &io::ErrorKind::PermissionDenied.into());
        let page = merge.finish();
        assert_eq!((page.failures[0].code.as_str(), page.failures[0].retryable), ("forbidden", false));
        assert_eq!(page.failures[0].source, "here: /logs/a.log");
        assert!(page.truncated.is_none());
    }

    #[test]
    fn a_search_that_nobody_waits_for_ends() {
        let folder = files();
        let search = search(folder.path(), Limits::of(10));
        search.cancelled.store(true, Ordering::Relaxed);
        assert!(search.run().items.is_empty());
    }
}
