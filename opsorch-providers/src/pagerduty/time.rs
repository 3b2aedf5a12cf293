//! How moments are read.

use std::fmt;

use chrono::NaiveDate;
use opsorch::Time;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

/// Reads a moment that may be absent, as `Option<Time>` does, in less time where it is in the usual form.
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    Ok(Option::<Moment>::deserialize(deserializer)?.map(|Moment(time)| time))
}

struct Moment(Time);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Rfc3339)
    }
}

struct Rfc3339;

impl Visitor<'_> for Rfc3339 {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an RFC 3339 formatted date and time string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Moment, E> {
        usual(text).map_or_else(|| text.parse().map_err(E::custom), Ok).map(Moment)
    }
}

/// A moment in the form that most vendors write: `2026-11-21T03:15:00Z`. What is in no such form may still be a moment.
fn usual(text: &str) -> Option<Time> {
    let &[a, b, c, d, b'-', e, f, b'-', g, h, b'T', i, j, b':', k, l, b':', m, n, b'Z'] = text.as_bytes() else {
        return None;
    };
    let year = number([a, b])? * 100 + number([c, d])?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, number([e, f])?, number([g, h])?)?;
    Some(date.and_hms_opt(number([i, j])?, number([k, l])?, number([m, n])?)?.and_utc())
}

fn number(digits: [u8; 2]) -> Option<u32> {
    let [tens, ones] = digits.map(|digit| digit.is_ascii_digit().then(|| u32::from(digit - b'0')));
    Some(tens? * 10 + ones?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_moment_reads_as_it_always_did(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](Z|\\.5Z|\\+02:00| Z|)|[-0-9TZ:]{0,21}"
        ) {
            let read = Rfc3339.visit_str::<serde_json::Error>(&text).map(|Moment(time)| time);
            prop_assert_eq!(read.ok(), text.parse::<Time>().ok());
        }
    }

    #[test]
    fn the_usual_form_is_that_of_times_in_json() {
        let text = "2024-02-29T23:59:59Z";
        assert_eq!(usual(text), text.parse().ok());
        assert!(usual(text).is_some());
        for other in
            ["2023-02-29T00:00:00Z", "2024-02-29T24:00:00Z", "2024-02-29T23:59:59+00:00", "+024-02-29T23:59:59Z"]
        {
            assert_eq!(usual(other), None, "{other}");
        }
    }
}
