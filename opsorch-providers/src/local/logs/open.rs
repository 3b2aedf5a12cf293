//! Opens the files of a search, each where reading it goes on, and finds them again after they were rotated.
//!
//! A file that is renamed keeps its number in the file system. One that is copied or compressed gets another, and numbers
//! are used again: so a file is always known by its content, too, and one that is lost by its number is looked for by its
//! content among the files that it can have been rotated to.

use std::io;
use std::path::PathBuf;

use super::cursor::{Position, Positions};
use super::files::{Found, LogFile, MOST_FILES, find};
use super::gzip::Budget;
use super::search::Search;
use super::source::{REMEMBERED, Source};
use super::stream::{Stream, latest};

/// How often the files are looked at, if some are rotated each time: one rotation renames many, one after the other.
const MOST_LOOKS: u32 = 100;

/// How often they are opened, if some are rotated each time.
const MOST_OPENINGS: u32 = 10;

/// The files of a search, and what is missing.
#[derive(Debug, Default)]
pub(super) struct Opened {
    pub(super) streams: Vec<Stream>,
    pub(super) notes: Vec<String>,
    pub(super) failures: Vec<(PathBuf, io::Error)>,
}

/// Whether a file is no longer what it was when it was found.
pub(super) fn is_change(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof)
}

/// Whether it is not the file that cannot be read, but the page that has spent what it may, or its time is over.
pub(super) fn ends_page(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::QuotaExceeded | io::ErrorKind::TimedOut)
}

/// Opens the files. If some are rotated meanwhile, one could be missed under both of its names, so that it begins anew.
pub(super) fn open(search: &Search, budget: &Budget) -> Opened {
    for _ in 1..MOST_OPENINGS {
        let found = find_at_rest(search);
        let opened = open_found(search, &found, budget);
        let again = find(&search.patterns, &search.halt);
        let is_at_rest = found.has_the_files_of(&again);
        if is_at_rest && (opened.notes.is_empty() || found.has_the_lengths_of(&again)) {
            return opened.with_failures(found);
        }
    }
    let found = find_at_rest(search);
    open_found(search, &found, budget).with_failures(found)
}

/// Finds the files when none is just being rotated.
fn find_at_rest(search: &Search) -> Found {
    let mut found = find(&search.patterns, &search.halt);
    for _ in 1..MOST_LOOKS {
        let again = find(&search.patterns, &search.halt);
        if found.has_the_files_of(&again) {
            break;
        }
        found = again;
    }
    found
}

fn open_found(search: &Search, found: &Found, budget: &Budget) -> Opened {
    match &search.from {
        None => from_the_end(search, found, budget),
        Some(Positions(positions)) => from_positions(search, positions, found, budget),
    }
}

fn from_the_end(search: &Search, found: &Found, budget: &Budget) -> Opened {
    let mut opened = Opened::default();
    let mut sources = Vec::new();
    for file in &found.files {
        if file.compressed && search.filter.begins_after(latest(file)) {
            continue;
        }
        match Source::open(file.clone(), budget) {
            Ok(source) => sources.push(source),
            Err(error) => opened.fail(file, error),
        }
    }
    leave_out_copies(&mut sources);
    for source in sources {
        let is_compressed = source.file.compressed;
        let mut stream = Stream::new(source, None, search.now);
        match if is_compressed { Ok(()) } else { stream.begin(search.now).map(drop) } {
            Ok(()) => opened.streams.push(stream),
            // It is begun by a later page.
            Err(error) if ends_page(&error) => opened.streams.push(stream),
            Err(error) => opened.fail(&stream.file, error),
        }
    }
    opened
}

fn from_positions(search: &Search, positions: &[Position], found: &Found, budget: &Budget) -> Opened {
    let mut opened = Opened::default();
    let mut lost = Vec::new();
    for position in positions {
        let file = found.files.iter().find(|file| file.identity == position.file);
        let source = file.map(|file| open_if_same(position, file, budget)).transpose().map(Option::flatten);
        match source.and_then(|source| source.map(|source| go_on(source, position, search)).transpose()) {
            Ok(Some(stream)) => opened.streams.push(stream),
            Err(error) if !is_change(&error) => opened.failures.extend(file.map(|file| (file.path.clone(), error))),
            _ => lost.push((position, file)),
        }
    }
    for (position, file) in lost {
        let source = find_content(position, &found.files, &mut opened.streams, budget);
        if let Some(Ok(stream)) = source.map(|source| go_on(source, position, search)) {
            opened.streams.push(stream);
        } else {
            opened.notes.push(match file {
                Some(file) => change_of(file),
                None => "a log file went away between two pages".to_owned(),
            });
        }
    }
    opened
}

/// Goes on at a position. It is the beginning of a line, unless the cursor was made up, or the last line had no end.
fn go_on(mut source: Source, position: &Position, search: &Search) -> io::Result<Stream> {
    let offset = position.offset.map(|offset| source.line_start(offset)).transpose()?;
    Ok(Stream::new(source, offset, search.now))
}

/// Finds a file again that cannot be read any more under its name, while the others are being read.
pub(super) fn find_again(
    position: &Position,
    search: &Search,
    others: &mut Vec<Stream>,
    budget: &Budget,
) -> Option<Source> {
    for _ in 0..MOST_OPENINGS {
        let found = find_at_rest(search);
        let renamed = found.files.iter().find(|file| file.identity == position.file);
        if let Some(Ok(Some(source))) = renamed.map(|file| open_if_same(position, file, budget)) {
            return Some(source);
        }
        if let Some(source) = find_content(position, &found.files, others, budget) {
            return Some(source);
        }
        if found.has_the_lengths_of(&find(&search.patterns, &search.halt)) {
            break;
        }
    }
    None
}

fn open_if_same(position: &Position, file: &LogFile, budget: &Budget) -> io::Result<Option<Source>> {
    let mut source = Source::open(file.clone(), budget)?;
    Ok(position.is_in(&mut source)?.then_some(source))
}

/// Finds a file by its content, among those that are not being read. One that is to be read, but has not begun, is read
/// from here on instead.
fn find_content(position: &Position, files: &[LogFile], others: &mut Vec<Stream>, budget: &Budget) -> Option<Source> {
    let is_free = |file: &&LogFile| {
        let mut readers = others.iter().filter(|other| other.file.identity == file.identity);
        position.is_related_to(file) && readers.all(|other| !other.has_begun())
    };
    let mut candidates: Vec<_> = files.iter().filter(is_free).collect();
    candidates.sort_by_key(|file| file.compressed);
    let source = candidates.into_iter().find_map(|file| open_if_same(position, file, budget).ok().flatten())?;
    others.retain(|other| other.file.identity != source.file.identity);
    Some(source)
}

/// Leaves out files that are being made of another one of their family, to rotate it.
fn leave_out_copies(sources: &mut Vec<Source>) {
    let families: Vec<_> = sources.iter().map(|source| source.file.family()).collect();
    let mut copies = Vec::new();
    for (index, family) in families.iter().enumerate() {
        let others = families.iter().enumerate().filter(|(other, of)| *other != index && *of == family);
        for (other, _) in others {
            if let Ok([copy, original]) = sources.get_disjoint_mut([index, other])
                && !original.file.compressed
                && is_made_of(copy, original, other < index)
            {
                copies.push(copy.file.identity);
                break;
            }
        }
    }
    sources.retain(|source| !copies.contains(&source.file.identity));
}

/// Whether a file is being copied or compressed to another. A copy of a few bytes says nothing; they may be a title with
/// which all files begin.
fn is_made_of(copy: &mut Source, original: &mut Source, original_is_first: bool) -> bool {
    let (end, whole) = (copy.file.length, original.file.length);
    if copy.file.compressed {
        return copy.file.path.with_extension("") == original.file.path && original.has_head_of(copy);
    }
    let is_smaller = end < whole || (end == whole && original_is_first);
    end >= REMEMBERED && is_smaller && original.begins_with(copy, end).unwrap_or(false)
}

/// Whether a compressed file, whose content ends here, is just being made of a file that is still there.
pub(super) fn is_in_the_making(stream: &mut Stream, end: u64, search: &Search, budget: &Budget) -> bool {
    let (family, path) = (stream.file.family(), stream.file.path.with_extension(""));
    let files = find(&search.patterns, &search.halt).files.into_iter();
    let mut originals = files.filter(|file| !file.compressed && file.family() == family);
    originals.any(|file| {
        let says_something = end >= REMEMBERED || file.path == path;
        let original = Source::open(file, budget);
        says_something && original.and_then(|mut it| it.begins_with(stream.source_mut(), end)).unwrap_or(false)
    })
}

pub(super) fn change_of(file: &LogFile) -> String {
    format!("{} was rotated or truncated while it was read", file.path.display())
}

impl Opened {
    fn fail(&mut self, file: &LogFile, error: io::Error) {
        if is_change(&error) {
            self.notes.push(change_of(file));
        } else {
            self.failures.push((file.path.clone(), error));
        }
    }

    fn with_failures(mut self, found: Found) -> Self {
        if found.more {
            let note = format!("there are more than {MOST_FILES} log files; only those changed last were read");
            self.notes.insert(0, note);
        }
        self.failures.splice(..0, found.failures);
        self
    }
}
