//! Puts lines together to entries: a line without a time continues the one above it.

use std::collections::VecDeque;
use std::io;

use opsorch::{LogEntry, Time};

use super::backward::{Backward, Line, ReadAt};
use super::json::broken;
use super::line::{Parsed, parse, plain};

/// How far above a line, in bytes, the beginning of its entry and the neighbour that knows its time are looked for.
///
/// Which lines belong together depends on this distance and on the file, not on where reading began: a search
/// that goes on at a cursor puts them together in the same way.
const WINDOW: u64 = 256 << 10;

/// An entry and where it stands in its file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    /// The offset of its first byte.
    pub(super) start: u64,
    /// The offset after its last line.
    pub(super) end: u64,
    pub(super) entry: LogEntry,
    pub(super) time_from: TimeFrom,
    /// Its lines as they stand in the file.
    pub(super) text: String,
}

/// The entries before an offset, the last first.
#[derive(Debug)]
pub(super) struct Records<S> {
    lines: Backward<S>,
    /// When the file was changed: the time of an entry of which nothing better is known.
    modified: Time,
    now: Time,
    /// What is not complete yet, the last of the file first.
    open: VecDeque<Open>,
    /// What is complete, the last of the file first.
    ready: VecDeque<Record>,
}

/// Lines whose entry, or whose time, is not known yet.
#[derive(Debug)]
enum Open {
    /// A line that continues one above.
    Continuing(Text),
    /// An entry that does not say its time, with the lines that continue it.
    Untimed(Parsed, Vec<Text>),
}

/// A line as text.
#[derive(Debug)]
struct Text {
    start: u64,
    end: u64,
    text: String,
    /// Whether its end was left out because it is too long.
    cut: bool,
    /// Whether bytes of it are not UTF-8.
    lossy: bool,
}

/// Where the time of an entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeFrom {
    Entry,
    EntryAbove,
    File,
}

impl<S: ReadAt> Records<S> {
    pub(super) fn new(lines: Backward<S>, modified: Time, now: Time) -> Self {
        Self { lines, modified, now, open: VecDeque::new(), ready: VecDeque::new() }
    }

    /// What the entries are read from.
    pub(super) fn source_mut(&mut self) -> &mut S {
        self.lines.source_mut()
    }

    /// Goes to an offset, to find the entries before it.
    pub(super) fn go_to(&mut self, end: u64) {
        self.lines.go_to(end);
        self.open.clear();
        self.ready.clear();
    }

    /// Leaves out a last line whose end is not written, and returns where the entries end then. For the beginning, before
    /// any entry was read.
    pub(super) fn skip_unfinished(&mut self) -> io::Result<u64> {
        self.lines.skip_unfinished()
    }

    /// The next entry towards the beginning of the file, `None` at the beginning.
    pub(super) fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Ok(Some(record));
            }
            match self.lines.next_line()? {
                Some(line) => self.take(Text::new(line)),
                None if self.open.is_empty() => return Ok(None),
                None => self.give_up_beyond(None),
            }
        }
    }

    fn take(&mut self, line: Text) {
        self.give_up_beyond(Some(line.start));
        let parsed = match parse(&line.text, self.now) {
            // What is left of a JSON object is no longer JSON, but it is an entry.
            None if line.cut && line.text.starts_with('{') => Some(broken(&line.text)),
            parsed => parsed,
        };
        let Some(parsed) = parsed else {
            return self.open.push_back(Open::Continuing(line));
        };
        let mut lines = self.continuing();
        lines.insert(0, line);
        let Some(time) = parsed.time else {
            return self.open.push_back(Open::Untimed(parsed, lines));
        };
        while let Some(open) = self.open.pop_front() {
            self.complete(open, time, TimeFrom::EntryAbove);
        }
        self.ready.push_back(record(parsed, lines, time, TimeFrom::Entry));
    }

    /// The lines at the top that continue what comes next, in the order of the file.
    fn continuing(&mut self) -> Vec<Text> {
        let mut lines = Vec::new();
        while let Some(open) = self.open.pop_back() {
            match open {
                Open::Continuing(line) => lines.push(line),
                untimed => {
                    self.open.push_back(untimed);
                    break;
                }
            }
        }
        lines
    }

    /// Completes what ends more than a window below this offset, or everything, with the time of the file.
    fn give_up_beyond(&mut self, offset: Option<u64>) {
        let is_beyond = |end: u64| offset.is_none_or(|offset| end.saturating_sub(offset) > WINDOW);
        while let Some(open) = self.open.pop_front_if(|open| is_beyond(open.end())) {
            self.complete(open, self.modified, TimeFrom::File);
        }
    }

    fn complete(&mut self, open: Open, time: Time, from: TimeFrom) {
        match open {
            // There is nothing in it to lose.
            Open::Continuing(line) if line.text.trim().is_empty() => {}
            Open::Continuing(line) => {
                let parsed = plain(None, &line.text);
                self.ready.push_back(record(parsed, vec![line], time, from));
            }
            Open::Untimed(parsed, lines) => self.ready.push_back(record(parsed, lines, time, from)),
        }
    }
}

impl Open {
    fn end(&self) -> u64 {
        match self {
            Self::Continuing(line) => line.end,
            Self::Untimed(_, lines) => lines.last().map_or(0, |line| line.end),
        }
    }
}

impl Text {
    fn new(line: Line) -> Self {
        let Line { start, end, mut bytes, cut } = line;
        if let Err(error) = std::str::from_utf8(&bytes)
            && cut
            && error.error_len().is_none()
        {
            // The cut went through a character.
            bytes.truncate(error.valid_up_to());
        }
        match String::from_utf8(bytes) {
            Ok(text) => Self { start, end, text, cut, lossy: false },
            Err(error) => {
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                Self { start, end, text, cut, lossy: true }
            }
        }
    }
}

/// Makes an entry of its lines, in the order of the file, and says what is not as it stands there.
fn record(parsed: Parsed, lines: Vec<Text>, time: Time, time_from: TimeFrom) -> Record {
    let mut entry = parsed.into_entry(time, lines.iter().skip(1).map(|line| line.text.as_str()));
    for (name, is) in [("cut", lines.iter().any(|line| line.cut)), ("lossy", lines.iter().any(|line| line.lossy))] {
        if is {
            entry.metadata.insert(name.into(), true.into());
        }
    }
    match time_from {
        TimeFrom::Entry => None,
        TimeFrom::EntryAbove => entry.metadata.insert("timestampFrom".into(), "entry above".into()),
        TimeFrom::File => entry.metadata.insert("timestampFrom".into(), "file".into()),
    };
    let (start, end) = (lines.first().map_or(0, |line| line.start), lines.last().map_or(0, |line| line.end));
    let text = lines.into_iter().map(|line| line.text).reduce(|text, line| text + "\n" + &line).unwrap_or_default();
    Record { start, end, entry, time_from, text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn modified() -> Time {
        time("2026-01-02T00:00:00Z")
    }

    fn before(text: &[u8], end: u64, block: usize) -> Vec<Record> {
        let mut records = Records::new(Backward::new(text.to_vec(), end, block), modified(), modified());
        std::iter::from_fn(|| records.next_record().unwrap()).collect()
    }

    fn all(text: &[u8]) -> Vec<Record> {
        before(text, text.len() as u64, 64 << 10)
    }

    fn messages(records: &[Record]) -> Vec<&str> {
        records.iter().map(|record| record.entry.message.as_str()).collect()
    }

    #[test]
    fn a_stack_trace_belongs_to_the_line_above_it() {
        let records =
            all(b"2026-01-01 00:00:00 one\n2026-01-01 00:00:01 two\n  at a\n\n  at b\n2026-01-01 00:00:02 three\n");
        assert_eq!(messages(&records), ["three", "two\n  at a\n\n  at b", "one"]);
        assert_eq!(records[1].text, "2026-01-01 00:00:01 two\n  at a\n\n  at b");
    }

    #[test]
    fn an_entry_without_a_time_has_that_of_the_entry_above_and_says_so() {
        let records = all(b"{\"ts\":\"2026-01-01T00:00:00Z\",\"msg\":\"one\"}\n{\"msg\":\"two\"}\ntrace\n");
        assert_eq!(messages(&records), ["two\ntrace", "one"]);
        assert_eq!(records[0].entry.timestamp, records[1].entry.timestamp);
        assert_eq!(records[0].entry.metadata["timestampFrom"], "entry above");
        assert!(!records[1].entry.metadata.contains_key("timestampFrom"));
    }

    #[test]
    fn lines_of_a_file_without_times_are_entries_with_the_time_of_the_file() {
        let records = all(b"one\n\ntwo\n");
        assert_eq!(messages(&records), ["two", "one"]);
        for record in &records {
            assert_eq!(record.entry.timestamp, modified());
            assert_eq!(record.entry.metadata["timestampFrom"], "file");
        }
    }

    #[test]
    fn a_trace_is_bounded_and_what_is_beyond_is_not_lost() {
        let line = format!("{}\n", "x".repeat(1023));
        let count = 300;
        let text = format!("2026-01-01 00:00:00 head\n{}", line.repeat(count));
        let records = all(text.as_bytes());
        let head = records.last().unwrap();
        assert!(head.text.len() <= 256 << 10);
        assert_eq!(records.iter().map(|record| record.text.lines().count()).sum::<usize>(), count + 1);
        assert!(records.len() > 1 && records[0].entry.metadata["timestampFrom"] == "file");
    }

    #[test]
    fn what_is_cut_or_not_utf_8_says_so() {
        let mut text = b"2026-01-01 00:00:00 \xff\n{\"msg\":\"".to_vec();
        text.extend("é".repeat(64 << 10).into_bytes());
        text.extend(b"\"}\n");
        let records = all(&text);
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].entry.metadata["cut"], true);
        assert!(!records[0].entry.metadata.contains_key("lossy"), "a character that was cut through is left out");
        assert_eq!(records[1].entry.metadata["lossy"], true);
        assert_eq!(records[1].entry.message, "\u{fffd}");
    }

    fn lines() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            3 => (0_u32..60, "[a-z]{0,5}").prop_map(|(second, text)| format!("2026-01-01 00:00:{second:02} {text}\n")),
            2 => Just("  at trace\n".to_owned()),
            1 => Just("\n".to_owned()),
            1 => Just("{\"msg\":\"untimed\"}\n".to_owned()),
            1 => Just(format!("{}\n", "long ".repeat(20_000))),
        ];
        prop::collection::vec(line, 0..40).prop_map(|lines| lines.concat().into_bytes())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn entries_do_not_depend_on_where_reading_began_or_on_the_block(text in lines(), block in 1_usize..200_000) {
            let records = all(&text);
            for (index, record) in records.iter().enumerate() {
                prop_assert_eq!(&before(&text, record.start, block.max(500)), &records[index + 1..]);
            }
        }

        #[test]
        fn any_bytes_are_survived_and_entries_do_not_overlap(text in prop::collection::vec(any::<u8>(), 0..500)) {
            let records = all(&text);
            prop_assert!(records.iter().all(|record| record.start < record.end));
            prop_assert!(records.windows(2).all(|pair| pair[1].end <= pair[0].start));
        }
    }
}
