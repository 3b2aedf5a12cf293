//! Where a record stands among all of its kind, and which part of them a query wants.

use opsorch::{Cursor, Error, Result, Time};

use crate::local::query::page_size;

/// Where a record stands: by its time, and by its number among those of one time. A number is never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::local) struct Position {
    /// Nanoseconds since 1970; the nearest number for a time before 1677 or after 2262, the least for none.
    pub(in crate::local) at: i64,
    /// At least 1.
    pub(in crate::local) number: i64,
}

impl Position {
    /// Beyond the newest.
    pub(in crate::local) const TOP: Self = Self { at: i64::MAX, number: i64::MAX };

    /// The place of a time in this order.
    pub(in crate::local) fn at_time(time: Option<Time>) -> i64 {
        let nearest = |time: Time| if time < Time::UNIX_EPOCH { i64::MIN } else { i64::MAX };
        time.map_or(i64::MIN, |time| time.timestamp_nanos_opt().unwrap_or_else(|| nearest(time)))
    }

    pub(in crate::local) fn to_cursor(self) -> Cursor {
        Cursor::new(format!("{}/{}", self.at, self.number))
    }

    pub(in crate::local) fn parse(cursor: &Cursor) -> Result<Self> {
        let parse = || {
            let (at, number) = cursor.as_str().split_once('/')?;
            Some(Self { at: at.parse().ok()?, number: number.parse().ok()? })
        };
        parse().ok_or_else(|| Error::invalid("cursor", "expected a cursor that an earlier page of this query returned"))
    }
}

/// The part of the records that a query wants: so many, older than a position and within a span.
#[derive(Clone, Copy, Debug)]
pub(in crate::local) struct Part {
    pub(super) size: usize,
    pub(super) below: Position,
    pub(super) from: i64,
}

impl Part {
    /// So many from the newest on, or from the end of an earlier page on.
    ///
    /// # Errors
    /// `Invalid` for a limit of 0, or a cursor that no page has returned.
    pub(in crate::local) fn new(limit: u32, cursor: Option<&Cursor>) -> Result<Self> {
        Self::below(limit, cursor.map_or(Ok(Position::TOP), Position::parse)?)
    }

    /// So many that are older than a position.
    ///
    /// # Errors
    /// `Invalid` for a limit of 0.
    pub(in crate::local) fn below(limit: u32, below: Position) -> Result<Self> {
        Ok(Self { size: page_size(limit)?, below, from: i64::MIN })
    }

    /// Passes over what is outside a span without reading it. This only saves time: whoever selects must still look,
    /// because times far away are not told apart.
    pub(in crate::local) fn within(mut self, since: Option<Time>, until: Option<Time>) -> Self {
        if let Some(since) = since.and_then(|since| since.timestamp_nanos_opt()) {
            self.from = since;
        }
        if let Some(until) = until.and_then(|until| until.timestamp_nanos_opt()) {
            self.below = self.below.min(Position { at: until, number: 0 });
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for position in [Position::TOP, Position { at: i64::MIN, number: 1 }, Position { at: 7, number: 12 }] {
            assert_eq!(Position::parse(&position.to_cursor()).unwrap(), position);
        }
    }

    #[test]
    fn times_that_are_far_away_keep_to_their_end() {
        let at = |text: &str| Position::at_time(Some(text.parse().unwrap()));
        assert!(at("0001-01-01T00:00:00Z") < at("1970-01-01T00:00:00Z"));
        assert!(at("1970-01-01T00:00:00Z") < at("9999-01-01T00:00:00Z"));
        assert_eq!(Position::at_time(None), i64::MIN);
    }
}
