//! Durations in a configuration.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Error, Result};

/// The longest: one day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A duration; in a configuration a whole number and a unit, such as `300ms`, `30s`, `5m` or `1h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub(in crate::plugin) Duration);

impl Span {
    /// The duration.
    pub fn duration(self) -> Duration {
        self.0
    }

    /// Refuses what no configuration could say, whoever made it in code.
    pub(in crate::plugin) fn check(self, field: &str) -> Result<()> {
        match self.is_sound() {
            true => Ok(()),
            false => Err(Error::invalid(field, format!("expected a duration of at most one day, got {:?}", self.0))),
        }
    }

    fn is_sound(self) -> bool {
        !self.0.is_zero() && self.0 <= LONGEST
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|character: char| !character.is_ascii_digit())?;
        let (number, unit) = text.split_at_checked(digits)?;
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60 * 1000,
            "h" => 60 * 60 * 1000,
            _ => return None,
        };
        let span = Self(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(milliseconds)?));
        span.is_sound().then_some(span)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            seconds if seconds % 1000 == 0 => write!(f, "{}s", seconds / 1000),
            milliseconds => write!(f, "{milliseconds}ms"),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom("expected a duration such as `300ms`, `30s` or `5m`, at most one day"))
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, milliseconds) in [("300ms", 300), ("2s", 2000), ("5m", 300_000), ("1h", 3_600_000)] {
            assert_eq!(Span::parse(text), Some(Span(Duration::from_millis(milliseconds))), "{text}");
        }
        for text in ["", "s", "0s", "-1s", "1.5s", "30", "30 s", "25h", "1d", "99999999999999999999s", "é"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }
}
