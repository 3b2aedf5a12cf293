//! One search: reads all files backwards at once and takes the newest entry each time.

use std::io;
use std::path::Path;
use std::sync::Arc;

use opsorch::{LogEntry, Page, ProviderName, SourceFailure, Time};

use super::backward::LONGEST_PASSED;
use super::cursor::Positions;
use super::filter::Filter;
use super::gzip::Budget;
use super::halt::Halt;
use super::open::{change_of, ends_page, find_again, is_change, is_in_the_making, open};
use super::stream::Stream;

/// How often one file is found again that was rotated, before an entry of it is read.
const MOST_MOVES: u32 = 20;

/// What a page says that ends early.
const LATE: &str = "the time of the call was nearly over; the next page goes on from there";

/// Where a page ends; its cursor goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many entries it has at most.
    pub(super) entries: usize,
    /// How many bytes its entries have at most, but for the last one.
    pub(super) bytes: u64,
    /// How many bytes of entries that are not wanted are passed over, but for the last one.
    pub(super) search: u64,
    /// How many bytes of one compressed file are decompressed at most.
    pub(super) decompressed: u64,
    /// How many bytes are decompressed at most, of all files and each time that it has to be done.
    pub(super) decompressing: u64,
}

impl Limits {
    /// A page of so many entries, unless they are very many.
    pub(super) fn of(entries: usize) -> Self {
        Self {
            entries: entries.min(10_000),
            bytes: 16 << 20,
            search: 256 << 20,
            decompressed: 2 << 30,
            decompressing: 8 << 30,
        }
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
    pub(super) halt: Arc<Halt>,
}

impl Search {
    /// Searches. Blocks.
    pub(super) fn run(&self) -> Page<LogEntry> {
        let mut merge = Merge::new(self);
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
    budget: Budget,
    /// Whether the next page will not begin where this one did.
    moved: bool,
}

impl<'a> Merge<'a> {
    fn new(search: &'a Search) -> Self {
        let (page, left) = (Page::new(Vec::new()), search.limits);
        Self {
            search,
            page,
            notes: Vec::new(),
            streams: Vec::new(),
            left,
            budget: Budget::new(left.decompressed, left.decompressing),
            moved: false,
        }
    }

    /// Opens the files, each where reading it goes on.
    fn open(&mut self) {
        let opened = open(self.search, &self.budget);
        (self.streams, self.notes) = (opened.streams, opened.notes);
        self.moved = !opened.failures.is_empty();
        for (path, error) in opened.failures {
            self.fail(&path, &error);
        }
    }

    /// Takes entries, the newest of all files each time.
    fn fill(&mut self) {
        let (begun, waiting): (Vec<_>, _) = std::mem::take(&mut self.streams).into_iter().partition(Stream::has_begun);
        self.streams = waiting;
        for stream in begun {
            self.advance(stream);
        }
        while self.left.entries > 0 && self.left.bytes > 0 && self.left.search > 0 && !self.search.halt.has_come() {
            let streams = self.streams.iter().enumerate();
            let newest = streams.max_by(|(_, one), (_, other)| one.order().cmp(&other.order()));
            let Some((index, _)) = newest else { return };
            let mut stream = self.streams.swap_remove(index);
            if !stream.has_begun() {
                self.begin(stream);
                continue;
            }
            if let Some(record) = stream.take() {
                self.moved = true;
                self.left.entries -= 1;
                self.left.bytes = self.left.bytes.saturating_sub(record.end - record.start);
                self.page.items.push(record.entry);
            }
            self.advance(stream);
        }
    }

    /// Begins to read a compressed file.
    fn begin(&mut self, mut stream: Stream) {
        match stream.begin(self.search.now) {
            Ok(end)
                if stream.file.compressed && is_in_the_making(&mut stream, end.offset, self.search, &self.budget) => {}
            Ok(end) => {
                if let Some(damage) = end.damage {
                    let message = format!("{damage}; only what is before that was read");
                    self.fail_with(&stream.file.path, "unexpected", message);
                }
                self.advance(stream);
            }
            Err(error) if is_change(&error) => {
                let found = self.find_again(stream);
                self.streams.extend(found);
            }
            Err(error) => self.stop(stream, &error),
        }
    }

    /// Reads a file on to its next head, and keeps it unless there is nothing more in it that is wanted.
    fn advance(&mut self, mut stream: Stream) {
        for _ in 0..MOST_MOVES {
            let left = self.left.search;
            let advanced = stream.advance(&self.search.filter, &mut self.left.search);
            self.moved |= self.left.search < left;
            match advanced {
                Ok(true) => return self.streams.push(stream),
                Ok(false) => return self.moved = true,
                Err(error) if is_change(&error) => match self.find_again(stream) {
                    Some(found) => stream = found,
                    None => return,
                },
                Err(error) => return self.stop(stream, &error),
            }
        }
        self.notes.push(change_of(&stream.file));
    }

    /// Finds a file that was rotated while it was read, or notes that it is lost.
    fn find_again(&mut self, mut stream: Stream) -> Option<Stream> {
        let position = stream.last_position();
        if let Some(source) = find_again(&position, self.search, &mut self.streams, &self.budget) {
            return Some(stream.moved(source, self.search.now));
        }
        self.notes.push(change_of(&stream.file));
        None
    }

    /// Ends the reading of a file. If only this page has spent what it may, the next one goes on with it.
    fn stop(&mut self, stream: Stream, error: &io::Error) {
        if ends_page(error) && self.moved {
            self.left.search = 0;
            self.streams.push(stream);
        } else {
            self.moved = true;
            self.fail(&stream.file.path, error);
        }
    }

    /// The page, which goes on where the files that are left were not read.
    fn finish(mut self) -> Page<LogEntry> {
        let positions: Vec<_> = self.streams.iter_mut().filter_map(Stream::position).collect();
        let next = (!positions.is_empty()).then(|| Positions(positions).to_cursor());
        let page = self.notes.into_iter().fold(self.page, Page::truncated);
        match &next {
            Some(_) if self.search.halt.is_late() => page.warning(LATE).next(next),
            _ => page.next(next),
        }
    }

    fn fail(&mut self, path: &Path, error: &io::Error) {
        let code = match error.kind() {
            io::ErrorKind::PermissionDenied => "forbidden",
            io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => "unexpected",
            _ => "unavailable",
        };
        let message = match error.kind() {
            io::ErrorKind::QuotaExceeded => "reading it takes more than one page may spend".to_owned(),
            io::ErrorKind::FileTooLarge => {
                format!("a line of it is longer than {} MiB; what is above that was not read", LONGEST_PASSED >> 20)
            }
            io::ErrorKind::TimedOut => "reading it takes more time than the caller waits".to_owned(),
            kind => format!("could not read it: {kind}"),
        };
        self.fail_with(path, code, message);
    }

    fn fail_with(&mut self, path: &Path, code: &str, message: String) {
        let source = format!("{}: {}", self.search.provider, path.display());
        self.page.failures.push(SourceFailure::new(source, code, message).retryable(code == "unavailable"));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

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
            halt: Arc::default(),
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
            let mut search = search(folder.path(), Limits { bytes, search: searched, ..Limits::of(1000) });
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

    /// All pages of a search for everything, from beginning to end, and their failures.
    fn pages(mut search: Search) -> (Vec<String>, Vec<String>) {
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        loop {
            let page = search.run();
            found.extend(page.items.into_iter().map(|entry| entry.message));
            failures.extend(page.failures.into_iter().map(|failure| failure.message));
            let Some(next) = page.next else { return (found, failures) };
            let next = Positions::parse(&next).unwrap();
            assert_ne!(search.from.replace(next.clone()), Some(next), "every page comes further");
        }
    }

    /// Compressed files of so many entries, which take nearly 8 KiB each.
    fn compressed(files: u32, entries: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in 0..files {
            let line =
                |second| format!("2025-12-01 00:{file:02}:{second:02} wanted {file} {second} {}\n", "x".repeat(8150));
            let text = (0..entries).map(line).collect::<String>();
            let to = fs::File::create(folder.path().join(format!("{file}.log.gz"))).unwrap();
            let mut encoder = flate2::write::GzEncoder::new(to, flate2::Compression::fast());
            io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
            encoder.finish().unwrap();
        }
        folder
    }

    fn of_compressed(folder: &Path, limits: Limits) -> Search {
        Search { patterns: Arc::new([folder.join("*.gz").to_string_lossy().into_owned()]), ..search(folder, limits) }
    }

    #[test]
    fn a_compressed_file_is_read_up_to_its_limit_and_named() {
        let folder = compressed(1, 50);
        let limits = Limits { decompressed: 128 << 10, ..Limits::of(5) };
        let (found, failures) = pages(of_compressed(folder.path(), limits));
        assert_eq!(found.len(), 16, "as many as are whole in 128 KiB");
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert!(failures[0].contains("when decompressed"));
    }

    #[test]
    fn a_page_that_has_decompressed_enough_ends_and_the_next_goes_on() {
        let folder = compressed(3, 50);
        let whole = pages(of_compressed(folder.path(), Limits::of(1000)));
        assert_eq!((whole.0.len(), whole.1.len()), (150, 0));
        // Each file has 400 KiB, and each page verifies and reads all three, as long as they are not read to the end.
        for decompressing in [3 << 20, 4 << 20] {
            let limits = Limits { decompressing, ..Limits::of(20) };
            assert_eq!(pages(of_compressed(folder.path(), limits)), whole);
        }
        let (found, failures) =
            pages(of_compressed(folder.path(), Limits { decompressing: 1 << 20, ..Limits::of(1000) }));
        assert!(found.len() < 150 && failures.iter().all(|failure| failure.contains("one page")), "{failures:?}");
        assert!(!failures.is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_listed() {
        let folder = files();
        let search = search(folder.path(), Limits::of(10));
        let mut merge = Merge::new(&search);
        merge.fail(Path::new("/logs/a.log"), &io::ErrorKind::PermissionDenied.into());
        let page = merge.finish();
        assert_eq!((page.failures[0].code.as_str(), page.failures[0].retryable), ("forbidden", false));
        assert_eq!(page.failures[0].source, "here: /logs/a.log");
        assert!(page.truncated.is_none());
    }

    #[test]
    fn a_page_whose_time_is_over_says_so_and_leads_on() {
        let folder = files();
        let limits = Limits::of(1000);
        let halt = Arc::new(Halt::within(Some(std::time::Duration::ZERO)));
        let page = Search { halt, ..search(folder.path(), limits) }.run();
        assert!(page.items.is_empty() && page.failures.is_empty() && page.warnings == [LATE], "{page:?}");
        let from = Some(Positions::parse(&page.next.unwrap()).unwrap());
        let page = Search { from, ..search(folder.path(), limits) }.run();
        assert_eq!((page.items.len(), page.warnings.len()), (20, 0));
    }

    #[test]
    fn a_search_that_nobody_waits_for_ends() {
        let folder = files();
        let search = search(folder.path(), Limits::of(10));
        search.halt.cancel();
        assert!(search.run().items.is_empty());
    }
}
