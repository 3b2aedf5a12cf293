//! Times as log lines spell them.

use std::ops::Range;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta};
use opsorch::Time;
use serde_json::Value;

/// RFC 3339, also with a blank instead of the `T` and without an offset, which then is that of UTC.
const ISO: &str = "Y-m-dTH:M:Sfz";

/// RFC 3164, which has no year.
const SYSLOG: &str = "b e H:M:S";

/// What stands in the brackets of the access log of Apache and nginx.
const ACCESS: &str = "d/b/Y:H:M:Sz";

/// How lines begin that have no other form: with RFC 3339, as of Go's `log` and nginx' error log, of Tomcat, and of
/// Apache's error log.
const PLAIN: [&str; 4] = [ISO, "Y/m/d H:M:Sfz", "d-b-Y H:M:Sfz", "a b e H:M:Sf Y"];

/// What follows the letter in lines of klog and glog, old and new.
const KLOG: [&str; 2] = ["md H:M:Sf", "Ymd H:M:Sf"];

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Names of zones that programs write behind a time.
const ZONES: [&str; 43] = [
    "ACDT", "ACST", "AEDT", "AEST", "AKDT", "AKST", "ART", "AST", "AWST", "BRT", "BST", "CAT", "CDT", "CEST", "CET",
    "CLT", "COT", "CST", "EAT", "EDT", "EEST", "EET", "EST", "HKT", "HST", "ICT", "IST", "JST", "KST", "MDT", "MSK",
    "MST", "NZDT", "NZST", "PDT", "PKT", "PST", "SAST", "SGT", "WAT", "WEST", "WET", "WIB",
];

/// Reads [`ISO`] at the beginning of a text, and returns what follows.
pub(super) fn leading(text: &str) -> Option<(Time, &str)> {
    // It has a year.
    spelled(text, ISO, Time::UNIX_EPOCH)
}

/// Reads [`SYSLOG`] at the beginning of a text, and returns what follows. The year is the last one in which this is not in
/// the future.
pub(super) fn leading_without_year(text: &str, now: Time) -> Option<(Time, &str)> {
    spelled(text, SYSLOG, now)
}

/// Reads the time at the beginning of a plain line, and returns what follows.
pub(super) fn of_plain(text: &str, now: Time) -> Option<(Time, &str)> {
    PLAIN.iter().find_map(|spelling| spelled(text, spelling, now)).or_else(|| leading_number(text, now))
}

/// Reads the time after the letter of klog.
pub(super) fn of_klog(text: &str, now: Time) -> Option<(Time, &str)> {
    KLOG.iter().find_map(|spelling| spelled(text, spelling, now))
}

/// Reads the time of an access log.
pub(super) fn of_access(text: &str) -> Option<(Time, &str)> {
    spelled(text, ACCESS, Time::UNIX_EPOCH)
}

/// Seconds since 1970, with ten digits and perhaps a fraction, or milliseconds, with thirteen. Another number can look
/// the same, but is likely to be in the future then.
fn leading_number(text: &str, now: Time) -> Option<(Time, &str)> {
    let end = text.find([' ', '\t', ']'])?;
    let (number, rest) = text.split_at_checked(end)?;
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    let can_be = match digits {
        10 => number.len() == digits || number.as_bytes().get(digits) == Some(&b'.'),
        13 => number.len() == digits,
        _ => false,
    };
    let time = can_be.then(|| of_number(number))??;
    (time.signed_duration_since(now) <= TimeDelta::days(1) && !number.starts_with('0')).then_some((time, rest))
}

/// Reads the time in a JSON value: a text as above, or the seconds, milliseconds, microseconds or nanoseconds since
/// 1970. They are told apart by their size: as seconds, the smallest number of milliseconds would be after the year 5000.
pub(super) fn of_value(value: &Value) -> Option<Time> {
    match value {
        Value::String(text) => leading(text).filter(|(_, rest)| rest.is_empty()).map(|(time, _)| time),
        // The decimal text is exact where the binary fraction is not.
        Value::Number(number) => of_number(&number.to_string()),
        _ => None,
    }
}

/// Reads seconds and so on since 1970.
pub(super) fn of_number(text: &str) -> Option<Time> {
    let (whole, rest) = text.find('.').map_or((text, ""), |point| text.split_at(point));
    let (nanoseconds, rest) = fraction(rest);
    let whole: i64 = rest.is_empty().then(|| whole.parse().ok())??;
    match whole.unsigned_abs() {
        0..100_000_000_000 if whole >= 0 => {
            DateTime::from_timestamp(whole, 0)?.checked_add_signed(TimeDelta::nanoseconds(nanoseconds))
        }
        0..100_000_000_000 => DateTime::from_timestamp(whole, 0),
        100_000_000_000..100_000_000_000_000 => DateTime::from_timestamp_millis(whole),
        100_000_000_000_000..100_000_000_000_000_000 => DateTime::from_timestamp_micros(whole),
        _ => Some(DateTime::from_timestamp_nanos(whole)),
    }
}

/// What a spelling has read.
#[derive(Default)]
struct Parts {
    year: Option<i32>,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    nanoseconds: i64,
    offset: TimeDelta,
}

/// Reads a time at the beginning of a text, and returns what follows. In a spelling stand `Y`, `m`, `d`, `H`, `M` and `S`
/// for digits, `e` for a day that has a blank instead of a zero, `b` and `a` for the names of month and weekday, `T` for
/// itself or a blank, `f` for a fraction and `z` for an offset, which both may be missing; all else for itself.
fn spelled<'a>(text: &'a str, spelling: &str, now: Time) -> Option<(Time, &'a str)> {
    let mut parts = Parts::default();
    let mut rest = text;
    for part in spelling.bytes() {
        rest = match part {
            b'Y' => digits(rest, 4).map(|(year, rest)| keep(&mut parts.year, i32::try_from(year).ok(), rest)),
            b'm' => digits(rest, 2).map(|(month, rest)| keep(&mut parts.month, month, rest)),
            b'b' => name(rest, &MONTHS).map(|(month, rest)| keep(&mut parts.month, month, rest)),
            b'd' => digits(rest, 2).map(|(day, rest)| keep(&mut parts.day, day, rest)),
            b'e' => day(rest).map(|(day, rest)| keep(&mut parts.day, day, rest)),
            b'a' => name(rest, &WEEKDAYS).map(|(_, rest)| rest),
            b'T' => rest.strip_prefix(['T', 't', ' ']),
            b'H' => digits(rest, 2).map(|(hour, rest)| keep(&mut parts.hour, hour, rest)),
            b'M' => digits(rest, 2).map(|(minute, rest)| keep(&mut parts.minute, minute, rest)),
            b'S' => digits(rest, 2).map(|(second, rest)| keep(&mut parts.second, second, rest)),
            b'f' => Some(fraction(rest)).map(|(nanoseconds, rest)| keep(&mut parts.nanoseconds, nanoseconds, rest)),
            b'z' => offset(rest).map(|(offset, rest)| keep(&mut parts.offset, offset, rest)),
            other => rest.strip_prefix(char::from(other)),
        }?;
    }
    let is_whole = !rest.starts_with(|next: char| next.is_ascii_alphanumeric()) || zone(rest).is_some();
    Some((is_whole.then(|| parts.time(now))??, rest))
}

/// Keeps what was read, and returns what follows.
fn keep<'a, T>(part: &mut T, value: T, rest: &'a str) -> &'a str {
    *part = value;
    rest
}

impl Parts {
    /// The time. A leap second is the second 59 and one more. Without a year it is the last that is not in the future.
    fn time(&self, now: Time) -> Option<Time> {
        let leap = u32::from(self.second == 60);
        let clock = NaiveTime::from_hms_opt(self.hour, self.minute, self.second - leap)?;
        let more = TimeDelta::seconds(leap.into()) + TimeDelta::nanoseconds(self.nanoseconds) - self.offset;
        let at = |year| {
            NaiveDate::from_ymd_opt(year, self.month, self.day)?.and_time(clock).and_utc().checked_add_signed(more)
        };
        match self.year {
            Some(year) => at(year),
            // 29 February comes back after eight years at the latest.
            None => (0..=8).find_map(|back| at(now.year() - back).filter(|time| *time <= now)),
        }
    }
}

fn digits(text: &str, count: usize) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(count)?;
    let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number
        .then(|| digits.bytes().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
        .map(|value| (value, rest))
}

/// A day with a blank instead of a zero.
fn day(text: &str) -> Option<(u32, &str)> {
    text.strip_prefix(' ').map_or_else(|| digits(text, 2), |text| digits(text, 1))
}

/// The number of a name among these, from 1.
fn name<'a>(text: &'a str, names: &[&str]) -> Option<(u32, &'a str)> {
    let (name, rest) = text.split_at_checked(3)?;
    Some((u32::try_from(names.iter().position(|known| *known == name)? + 1).ok()?, rest))
}

/// `.123` or `,123` as nanoseconds; what is finer is left out. Nothing is 0.
fn fraction(text: &str) -> (i64, &str) {
    let digits = text.strip_prefix(['.', ',']).unwrap_or_default();
    let rest = digits.trim_start_matches(|next: char| next.is_ascii_digit());
    let count = digits.len() - rest.len();
    if count == 0 {
        return (0, text);
    }
    let digits = digits.bytes().take(count).chain(std::iter::repeat(b'0')).take(9);
    (digits.fold(0, |value, digit| value * 10 + i64::from(digit - b'0')), rest)
}

/// The name of a zone behind a time, which says nothing of its offset: several zones have the same name.
pub(super) fn zone(rest: &str) -> Option<&str> {
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let end = rest.find(|next: char| !next.is_ascii_alphanumeric()).unwrap_or(rest.len());
    rest.get(..end).filter(|name| ZONES.contains(name))
}

/// `Z`, ` UTC`, `+02:00`, `+0200`, either after a blank, `+02`, or nothing.
fn offset(text: &str) -> Option<(TimeDelta, &str)> {
    for utc in ["Z", "z", " UTC", " GMT"] {
        if let Some(rest) = text.strip_prefix(utc) {
            return Some((TimeDelta::zero(), rest));
        }
    }
    let signed = text.strip_prefix(' ').unwrap_or(text);
    let is_attached = signed.len() == text.len();
    let sign = if signed.starts_with('+') { 1 } else { -1 };
    for (shape, minutes) in [("+00:00", 4..6), ("+0000", 3..5)] {
        if let Some((zone, rest)) = signed.split_at_checked(shape.len())
            && has_shape(zone, shape)
        {
            let part = |range: Range<usize>| zone.get(range)?.parse::<i64>().ok();
            let (hours, minutes) = (part(1..3)?, part(minutes)?);
            let total = hours * 60 + minutes;
            let is_one = hours < 24 && minutes < 60;
            // After a blank, it may be the message: then only what a zone can have is an offset.
            let can_be = is_attached || total <= 14 * 60 && minutes % 15 == 0;
            if is_one && can_be {
                return Some((TimeDelta::minutes(sign * total), rest));
            } else if is_attached {
                return None;
            }
        }
    }
    let zone = text.split_at_checked("+00".len()).filter(|(zone, _)| has_shape(zone, "+00"));
    let hours = |zone: &str| zone.get(1..)?.parse::<i64>().ok().filter(|hours| *hours < 24);
    Some(match zone.and_then(|(zone, rest)| Some((hours(zone)?, rest))) {
        Some((hours, rest)) => (TimeDelta::hours(sign * hours), rest),
        None => (TimeDelta::zero(), text),
    })
}

/// Whether a text has a shape: a digit for each `0`, a sign for `+`, and everything else as it is.
fn has_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            b'+' => matches!(byte, b'+' | b'-'),
            other => byte == other,
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn a_time_is_read_in_every_spelling() {
        let expected = time("2026-03-04T05:06:07.089Z");
        for text in [
            "2026-03-04T05:06:07.089Z",
            "2026-03-04t05:06:07.089z",
            "2026-03-04 05:06:07.089",
            "2026-03-04 05:06:07,089",
            "2026-03-04T07:06:07.089+02:00",
            "2026-03-04T00:36:07.089-0430",
            "2026-03-04 07:06:07.089000000999 +0200",
        ] {
            assert_eq!(leading(text), Some((expected, "")), "{text}");
        }
        assert_eq!(leading("2026-03-04 05:06:07 - root").unwrap().1, " - root");
    }

    #[test]
    fn what_only_looks_like_a_time_is_none() {
        for text in [
            "2026-13-04 05:06:07",
            "2026-02-30 05:06:07",
            "2026-03-04 25:06:07",
            "2026-03-04",
            "2026-03-04 05:06",
            "2026-03-04 05:06:07abc",
            "+026-03-04 05:06:07",
            "2026-03-04 05:06:07+99:00",
            "2026-03-04 05:06:0é",
        ] {
            assert_eq!(leading(text), None, "{text}");
        }
    }

    #[test]
    fn plain_lines_begin_with_many_spellings() {
        let now = time("2026-11-21T14:00:00Z");
        for (text, expected) in [
            ("2026/11/21 13:00:00 x", "2026-11-21T13:00:00Z"),
            ("2026/11/21 13:00:00.123456 x", "2026-11-21T13:00:00.123456Z"),
            ("2026-11-21 13:00:00.250 UTC x", "2026-11-21T13:00:00.25Z"),
            ("21-Nov-2026 13:00:00.500 x", "2026-11-21T13:00:00.5Z"),
            ("Sat Nov 21 13:00:00.902022 2026 x", "2026-11-21T13:00:00.902022Z"),
            ("Tue Nov  3 13:00:00 2026 x", "2026-11-03T13:00:00Z"),
            ("1795266000 x", "2026-11-21T13:00:00Z"),
            ("1795266000.25 x", "2026-11-21T13:00:00.25Z"),
            ("1795266000250\tx", "2026-11-21T13:00:00.25Z"),
        ] {
            let (at, rest) = of_plain(text, now).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((at, rest.trim_start()), (time(expected), "x"), "{text}");
        }
        for (text, expected) in [("1121 13:00:00.5", 2026), ("1121 14:00:00.5", 2025), ("20241121 13:00:00.5", 2024)] {
            assert_eq!(of_klog(text, now).unwrap().0.year(), expected, "{text}");
        }
        let (at, rest) = of_access("10/Oct/2000:13:55:36 -0700] x").unwrap();
        assert_eq!((at, rest), (time("2000-10-10T20:55:36Z"), "] x"));
    }

    #[test]
    fn other_numbers_are_no_times() {
        let now = time("2026-11-21T14:00:00Z");
        for text in [
            "1895266000 in the future",
            "0123456789 x",
            "179526600 x",
            "17952660000 x",
            "1795266000x",
            "1795266000",
            "1795266000.x x",
            "1795266000:1 x",
        ] {
            assert_eq!(of_plain(text, now), None, "{text}");
        }
    }

    #[test]
    fn a_leap_second_is_the_next_second() {
        assert_eq!(leading("2016-12-31T23:59:60Z").unwrap().0, time("2017-01-01T00:00:00Z"));
    }

    #[test]
    fn a_year_that_is_not_written_is_the_last_one_that_is_not_in_the_future() {
        let now = time("2026-03-04T05:06:07Z");
        let read = |text| leading_without_year(text, now).map(|(time, _)| time);
        assert_eq!(read("Mar  4 05:06:07"), Some(now));
        assert_eq!(read("Mar  4 05:06:08"), Some(time("2025-03-04T05:06:08Z")));
        assert_eq!(read("Dec 31 23:59:59"), Some(time("2025-12-31T23:59:59Z")));
        assert_eq!(read("Feb 29 00:00:00"), Some(time("2024-02-29T00:00:00Z")));
        assert_eq!(read("Feb 30 00:00:00"), None);
    }

    #[test]
    fn seconds_since_1970_are_told_from_milliseconds_by_their_size() {
        let expected = time("2026-03-04T05:06:07Z");
        let fine = expected + TimeDelta::milliseconds(89);
        assert_eq!(of_value(&json!(1_772_600_767)), Some(expected));
        assert_eq!(of_value(&json!(1_772_600_767.089)), Some(fine));
        assert_eq!(of_value(&json!(1_772_600_767_089_u64)), Some(fine));
        assert_eq!(of_value(&json!(1_772_600_767_089_000_u64)), Some(fine));
        assert_eq!(of_value(&json!(1_772_600_767_089_000_000_u64)), Some(fine));
        for other in [json!("soon"), json!(null), json!(1e300), json!(u64::MAX), json!("2026-03-04T05:06:07Z.")] {
            assert_eq!(of_value(&other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC*|[0-9TZ:., +-]{0,40}|[0-9 :/-]{0,12}(Nov)?[0-9 :/]{0,20}", number in any::<f64>()) {
            let now = time("2026-03-04T05:06:07Z");
            let _ = leading(&text);
            let _ = leading_without_year(&text, now);
            let _ = (of_plain(&text, now), of_klog(&text, now), of_access(&text));
            let _ = of_value(&json!(number));
        }

        #[test]
        fn a_time_without_a_year_is_never_in_the_future(seconds in 0_i64..4_000_000_000, offset in -40_000_000_i64..40_000_000) {
            let now = DateTime::from_timestamp(seconds, 0).unwrap();
            let written = (now + TimeDelta::seconds(offset)).format("%b %e %H:%M:%S").to_string();
            if let Some((time, _)) = leading_without_year(&written, now) {
                prop_assert!(time <= now);
            }
        }
    }
}
