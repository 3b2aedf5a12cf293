//! One search: reads all files backwards at once and takes the newest entry each time.

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

/// How many bytes of entries a page has at most; its cursor goes on.
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

/// A file on its way to its beginning.
#[derive(Debug)]
struct Stream {
    file: LogFile,
    records: Records<LogFile>,
    /// Everything from here on was seen, apart from the head.
    seen: u64,
    /// The newest entry that is wanted and was not taken yet.
    head: Option<Record>,
}

/// How far a stream came.
enum Progress {
    /// It has a head.
    Head,
    /// There is nothing more in it that is wanted.
    End,
    /// The page has looked through enough.
    Pause,
}

impl Search {
    /// Searches. Blocks.
    pub(super) fn run(&self) -> Page<LogEntry> {
        let mut page = Page::new(Vec::new());
        let (streams, mut page_notes) = self.streams(&mut page);
        let mut unread = BYTES_OF_SEARCH;
        let mut paused = false;
        let mut open = Vec::with_capacity(streams.len());
        for mut stream in streams {
            // After a pause nothing is read any more: the others stay where they are.
            let progress = if paused { Ok(Progress::Pause) } else { stream.advance(&self.filter, &mut unread) };
            paused |= matches!(progress, Ok(Progress::Pause));
            self.keep(progress, stream, &mut open, &mut page, &mut page_notes);
        }
        let mut room = BYTES_OF_PAGE;
        while !paused && page.items.len() < self.limit && room > 0 && !open.is_empty() {
            let mut stream = open.remove(newest(&open));
            if let Some(record) = stream.take() {
                room = room.saturating_sub(record.end - record.start);
                page.items.push(labelled(record.entry, &stream.file.path));
            }
            let progress = stream.advance(&self.filter, &mut unread);
            paused |= matches!(progress, Ok(Progress::Pause));
            self.keep(progress, stream, &mut open, &mut page, &mut page_notes);
        }
        let positions = self.positions(&open, &mut page, &mut page_notes);
        page = page_notes.into_iter().fold(page, Page::truncated);
        page.next((!positions.0.is_empty()).then(|| positions.to_cursor()))
    }

    /// The files to read, each from where it goes on, and what is to be said about those that are not read.
    fn streams(&self, page: &mut Page<LogEntry>) -> (Vec<Stream>, Vec<String>) {
        let found = find(&self.patterns, &self.cancelled);
        let mut notes = Vec::new();
        if found.more {
            notes.push(format!("there are more than {MOST_FILES} log files; only those that changed last were read"));
        }
        for (path, error) in found.failures {
            page.failures.push(self.failure(&path, &error));
        }
        let Some(Positions(positions)) = &self.from else {
            let streams = found.files.into_iter().map(|file| (file.length, file));
            return (streams.map(|(end, file)| self.stream(file, end)).collect(), notes);
        };
        let mut streams = Vec::new();
        for position in positions {
            let Some(file) = found.files.iter().find(|file| file.identity == position.file) else {
                notes.push("a log file went away between two pages".to_owned());
                continue;
            };
            match position.is_still_in(file) {
                Ok(true) => streams.push(self.stream(file.clone(), position.offset)),
                Ok(false) => notes.push(changed(&file.path)),
                Err(error) => self.fail(&file.path, &error, page, &mut notes),
            }
        }
        streams.sort_by(|one, other| one.file.path.cmp(&other.file.path));
        (streams, notes)
    }

    fn stream(&self, file: LogFile, end: u64) -> Stream {
        let records = Records::new(Backward::new(file.clone(), end, BLOCK), file.modified, self.now);
        Stream { file, records, seen: end, head: None }
    }

    /// Keeps a stream that is not at its end, in the order of the paths.
    fn keep(
        &self,
        progress: io::Result<Progress>,
        stream: Stream,
        open: &mut Vec<Stream>,
        page: &mut Page<LogEntry>,
        notes: &mut Vec<String>,
    ) {
        match progress {
            Ok(Progress::End) => {}
            Ok(Progress::Head | Progress::Pause) => {
                let place = open.partition_point(|other| other.file.path < stream.file.path);
                open.insert(place, stream);
            }
            Err(error) => self.fail(&stream.file.path, &error, page, notes),
        }
    }

    /// Where the next page goes on in each file.
    fn positions(&self, open: &[Stream], page: &mut Page<LogEntry>, notes: &mut Vec<String>) -> Positions {
        let mut positions = Vec::new();
        for stream in open {
            match Position::new(&stream.file, stream.resume_at()) {
                Ok(position) => positions.push(position),
                Err(error) => self.fail(&stream.file.path, &error, page, notes),
            }
        }
        Positions(positions)
    }

    fn fail(&self, path: &Path, error: &io::Error, page: &mut Page<LogEntry>, notes: &mut Vec<String>) {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => notes.push(changed(path)),
            _ => page.failures.push(self.failure(path, error)),
        }
    }

    fn failure(&self, path: &Path, error: &io::Error) -> SourceFailure {
        let code = match error.kind() {
            io::ErrorKind::PermissionDenied => "forbidden",
            _ => "unavailable",
        };
        let source = format!("{}: {}", self.provider, path.display());
        SourceFailure::new(source, code, format!("could not read it: {}", error.kind())).retryable(code == "unavailable")
    }
}

impl Stream {
    /// Reads on until there is a head.
    fn advance(&mut self, filter: &Filter, unread: &mut u64) -> io::Result<Progress> {
        while self.head.is_none() {
            // Not between the lines of an entry: then a page could end where it began.
            if *unread == 0 {
                return Ok(Progress::Pause);
            }
            let Some(record) = self.records.next_record()? else { return Ok(Progress::End) };
            *unread = unread.saturating_sub(record.end - record.start);
            if filter.ends_at(record.entry.timestamp) {
                return Ok(Progress::End);
            }
            if filter.matches(&record) {
                self.head = Some(record);
            } else {
                self.seen = record.start;
            }
        }
        Ok(Progress::Head)
    }

    fn take(&mut self) -> Option<Record> {
        let record = self.head.take()?;
        self.seen = record.start;
        Some(record)
    }

    /// Where a later search finds the head again.
    fn resume_at(&self) -> u64 {
        self.seen
    }
}

/// The stream with the newest head; of equal ones the first.
fn newest(open: &[Stream]) -> usize {
    let time = |stream: &Stream| stream.head.as_ref().map(|head| head.entry.timestamp);
    let heads = open.iter().enumerate().map(|(index, stream)| (time(stream), std::cmp::Reverse(index)));
    heads.max().map_or(0, |(_, std::cmp::Reverse(index))| index)
}

fn labelled(mut entry: LogEntry, path: &Path) -> LogEntry {
    entry.labels.insert("file".into(), path.to_string_lossy().into_owned());
    entry
}

fn changed(path: &Path) -> String {
    format!("{} was rotated or truncated while it was read", path.display())
}
