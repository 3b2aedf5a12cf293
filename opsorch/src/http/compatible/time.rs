//! Times, as Go writes them.

use chrono::{Datelike, Timelike};
use opsorch_schema::Time;

/// A time in RFC 3339, with as many digits of a second as it has, up to nine. Lists have two times for each item, so that
/// the digits are written without the formatting machinery.
pub(super) struct Written {
    text: [u8; "2026-01-01T00:00:00.123456789Z".len()],
    length: usize,
}

impl Written {
    /// Writes a time; `None` for a year that has no four digits.
    pub(super) fn new(time: Time) -> Option<Self> {
        // Each part of a time with a zone moves it into the zone first.
        let time = time.naive_utc();
        let year = u32::try_from(time.year()).ok().filter(|year| *year <= 9999)?;
        let mut written = Self { text: [0; 30], length: 0 };
        written.digits(year, 4);
        for (before, part) in [(b'-', time.month()), (b'-', time.day()), (b'T', time.hour())] {
            written.byte(before);
            written.digits(part, 2);
        }
        for part in [time.minute(), time.second()] {
            written.byte(b':');
            written.digits(part, 2);
        }
        let nanos = time.nanosecond() % 1_000_000_000;
        if nanos > 0 {
            written.byte(b'.');
            written.digits(nanos, 9);
            while written.length > 0 && written.text.get(written.length - 1) == Some(&b'0') {
                written.length -= 1;
            }
        }
        written.byte(b'Z');
        Some(written)
    }

    fn byte(&mut self, byte: u8) {
        if let Some(place) = self.text.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    /// So many digits of a number, zeros before it.
    fn digits(&mut self, mut number: u32, count: usize) {
        let end = self.length + count;
        for place in self.text.get_mut(self.length..end).unwrap_or_default().iter_mut().rev() {
            *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
        }
        self.length = end.min(self.text.len());
    }

    pub(super) fn as_str(&self) -> &str {
        self.text.get(..self.length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_writes_them() {
        for text in [
            "2026-01-01T00:00:00Z",
            "2026-12-31T23:59:59.123456789Z",
            "0001-01-01T00:00:00.5Z",
            "2026-10-20T10:20:30.1Z",
        ] {
            assert_eq!(Written::new(text.parse().unwrap()).unwrap().as_str(), text);
        }
    }
}
