//! A store of log lines.

use std::ops::RangeBounds;

use opsorch::Time;
use serde_json::{Map, Value};

/// A log store in memory: lines with a time and fields.
///
/// ```
/// use opsorch::{Clock, ManualClock};
/// use opsorch_testkit::double::LogStore;
///
/// let now = ManualClock::default().now();
/// let mut store = LogStore::default();
/// store.append(now, "disk full").fields.insert("level".to_owned(), "error".into());
/// store.append(now, "disk is fine").fields.insert("level".to_owned(), "info".into());
///
/// let errors: Vec<_> = store.lines(now..=now).filter(|line| line.fields["level"] == "error").collect();
/// assert_eq!((errors.len(), errors[0].id.as_str()), (1, "LINE1"));
/// assert_eq!(store.lines(..now).count(), 0);
/// ```
#[derive(Debug, Default)]
pub struct LogStore {
    /// By time, and by arrival where times are equal.
    lines: Vec<Line>,
}

/// A line of a [`LogStore`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Line {
    /// The id, such as `LINE1`: it counts arrivals.
    pub id: String,
    /// How many lines had arrived with it, from 1: what tells lines of one time apart.
    pub sequence: usize,
    /// When it was written, as it says itself.
    pub time: Time,
    /// What it says.
    pub message: String,
    /// Everything else, as the vendor keeps it.
    pub fields: Map<String, Value>,
}

impl LogStore {
    /// Takes a line. Lines may arrive in any order.
    pub fn append(&mut self, time: Time, message: impl Into<String>) -> &mut Line {
        let sequence = self.lines.len() + 1;
        let line = Line { id: format!("LINE{sequence}"), sequence, time, message: message.into(), fields: Map::new() };
        let place = self.lines.partition_point(|known| known.time <= time);
        self.lines.insert(place, line);
        #[allow(clippy::indexing_slicing)] // it was just put there
        &mut self.lines[place]
    }

    /// The lines of a time, from the oldest, those of one time in the order of their arrival. Whether the ends count is
    /// the vendor's to say: `from..to`, `from..=to`.
    pub fn lines(&self, time: impl RangeBounds<Time>) -> impl DoubleEndedIterator<Item = &Line> {
        self.lines.iter().filter(move |line| time.contains(&line.time))
    }
}
