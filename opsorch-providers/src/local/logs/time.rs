//! Times as log lines spell them.

use std::ops::Range;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta};
use opsorch::Time;
use serde_json::{Number, Value};

/// Reads RFC 3339 or `YYYY-MM-DD HH:MM:SS[.fff]` at the beginning of a text, and returns what follows. Without an
/// offset it is UTC.
pub(super) fn leading(text: &str) -> Option<(Time, &str)> {
    let (date, rest) = text.split_at_checked(10)?;
    let date = spelled(date, "0000-00-00").then(|| NaiveDate::parse_from_str(date, "%Y-%m-%d").ok())??;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let (clock, leap) = clock_time(clock)?;
    let (nanoseconds, rest) = fraction(rest);
    let (offset, rest) = offset(rest)?;
    if rest.starts_with(|next: char| next.is_ascii_alphanumeric()) {
        return None;
    }
    let time = date.and_time(clock).and_utc();
    Some((time.checked_add_signed(leap + TimeDelta::nanoseconds(nanoseconds) - offset)?, rest))
}

/// Reads `Mmm dd HH:MM:SS`, as RFC 3164 has it, at the beginning of a text, and returns what follows. The year is the
/// last one in which this is not in the future.
pub(super) fn leading_without_year(text: &str, now: Time) -> Option<(Time, &str)> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (month, rest) = text.split_at_checked(3)?;
    let month = u32::try_from(MONTHS.iter().position(|name| *name == month)? + 1).ok()?;
    let (day, rest) = rest.strip_prefix(' ')?.split_at_checked(2)?;
    let day = day.trim_start().parse().ok()?;
    let (clock, rest) = rest.strip_prefix(' ')?.split_at_checked(8)?;
    let (clock, leap) = clock_time(clock)?;
    // 29 February comes back after eight years at the latest.
    let time = (0..=8).find_map(|back| {
        let date = NaiveDate::from_ymd_opt(now.year() - back, month, day)?;
        date.and_time(clock).and_utc().checked_add_signed(leap).filter(|time| *time <= now)
    });
    Some((time?, rest))
}

/// Reads the time in a JSON value: a text as above, or the seconds, milliseconds, microseconds or nanoseconds since
/// 1970. They are told apart by their size: as seconds, the smallest number of milliseconds would be after the year 5000.
pub(super) fn of_value(value: &Value) -> Option<Time> {
    match value {
        Value::String(text) => leading(text).filter(|(_, rest)| rest.is_empty()).map(|(time, _)| time),
        Value::Number(number) => since_1970(number),
        _ => None,
    }
}

fn since_1970(number: &Number) -> Option<Time> {
    // The decimal text is exact where the binary fraction is not.
    let text = number.to_string();
    let (whole, rest) = text.find('.').map_or((text.as_str(), ""), |point| text.split_at(point));
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

/// `HH:MM:SS`; a leap second is the second 59 and one more.
fn clock_time(text: &str) -> Option<(NaiveTime, TimeDelta)> {
    if !spelled(text, "00:00:00") {
        return None;
    }
    let part = |range: Range<usize>| text.get(range)?.parse::<u32>().ok();
    let (hour, minute, second) = (part(0..2)?, part(3..5)?, part(6..8)?);
    let leap = u32::from(second == 60);
    Some((NaiveTime::from_hms_opt(hour, minute, second - leap)?, TimeDelta::seconds(leap.into())))
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

/// `Z`, `+02:00`, `+0200`, either after a blank, or nothing.
fn offset(text: &str) -> Option<(TimeDelta, &str)> {
    if let Some(rest) = text.strip_prefix(['Z', 'z']) {
        return Some((TimeDelta::zero(), rest));
    }
    let signed = text.strip_prefix(' ').unwrap_or(text);
    let sign = if signed.starts_with('+') { 1 } else { -1 };
    for (shape, minutes) in [("+00:00", 4..6), ("+0000", 3..5)] {
        if let Some((zone, rest)) = signed.split_at_checked(shape.len())
            && spelled(zone, shape)
        {
            let part = |range: Range<usize>| zone.get(range)?.parse::<i64>().ok();
            let (hours, minutes) = (part(1..3)?, part(minutes)?);
            let valid = hours < 24 && minutes < 60;
            return valid.then(|| (TimeDelta::minutes(sign * (hours * 60 + minutes)), rest));
        }
    }
    Some((TimeDelta::zero(), text))
}

/// Whether a text has a shape: a digit for each `0`, a sign for `+`, and everything else as it is.
fn spelled(text: &str, shape: &str) -> bool {
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
        fn any_text_is_survived(text in "\\PC*|[0-9TZ:., +-]{0,40}", number in any::<f64>()) {
            let now = time("2026-03-04T05:06:07Z");
            let _ = leading(&text);
            let _ = leading_without_year(&text, now);
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
