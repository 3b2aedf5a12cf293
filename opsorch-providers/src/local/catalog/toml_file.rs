//! The file as it is written: what TOML can say, before it is known to make sense.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, TimeDelta};
use opsorch::Time;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use url::Url;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlFile {
    #[serde(default)]
    pub(super) services: BTreeMap<String, TomlService>,
    #[serde(default)]
    pub(super) teams: BTreeMap<String, TomlTeam>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlService {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) url: Option<Url>,
    pub(super) team: Option<String>,
    #[serde(default)]
    pub(super) environments: Vec<String>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlTeam {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) url: Option<Url>,
    pub(super) parent: Option<String>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) members: Vec<TomlMember>,
    pub(super) on_call: Option<TomlOnCall>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlMember {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) handle: Option<String>,
    pub(super) role: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlOnCall {
    pub(super) rotation: Vec<String>,
    pub(super) start: Moment,
    pub(super) every: Length,
    #[serde(default)]
    pub(super) overrides: Vec<TomlOverride>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlOverride {
    pub(super) from: Moment,
    pub(super) until: Moment,
    pub(super) member: String,
}

/// A time of TOML, which must have an offset: without one nobody knows when it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(pub(super) Time);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = toml::value::Datetime::deserialize(deserializer)?.to_string();
        DateTime::parse_from_rfc3339(&text).map(|time| Self(time.to_utc())).map_err(|_| {
            D::Error::custom(format!("expected a time with an offset, such as 2026-01-05T09:00:00Z, got {text}"))
        })
    }
}

/// How long a turn is, such as `7d`: a number of weeks, days, hours or minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Length(pub(super) TimeDelta);

impl Length {
    /// From a minute to 52 weeks.
    fn parse(text: &str) -> Option<Self> {
        let unit = text.chars().next_back()?;
        let number: i64 = text.strip_suffix(unit)?.parse().ok().filter(|number| *number > 0)?;
        let minutes = number.checked_mul(match unit {
            'w' => 7 * 24 * 60,
            'd' => 24 * 60,
            'h' => 60,
            'm' => 1,
            _ => return None,
        })?;
        (minutes <= 52 * 7 * 24 * 60).then(|| Self(TimeDelta::minutes(minutes)))
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Length;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length such as \"7d\" or \"12h\", in w, d, h or m, of at most 52 weeks")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Length, E> {
                Length::parse(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Reads the text. An error says where it is wrong.
pub(super) fn parse(text: &str) -> Result<TomlFile, String> {
    toml::from_str(text).map_err(|error| {
        let message = error.message().replace('\n', ", ");
        match error.span() {
            Some(span) => {
                let before = text.get(..span.start).unwrap_or(text);
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
                format!("line {line}, column {column}: {message}")
            }
            None => message,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_a_number_and_a_unit() {
        for (text, minutes) in [("1m", 1), ("12h", 720), ("7d", 10_080), ("1w", 10_080), ("52w", 524_160)] {
            assert_eq!(Length::parse(text), Some(Length(TimeDelta::minutes(minutes))), "{text}");
        }
        for text in ["", "d", "7", "0d", "-1d", "1.5d", "7 d", "53w", "1y", "9223372036854775807w", "7ß"] {
            assert_eq!(Length::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_error_says_where_it_is() {
        let error = parse("[teams.core]\nname = \"Ä\"\n[services.api]\nnam = \"API\"\n").unwrap_err();
        assert!(error.starts_with("line 4, column 1: unknown field `nam`, expected one of `name`"), "{error}");
        let error = parse("[teams.core]\nname = 1\n").unwrap_err();
        assert!(error.starts_with("line 2, column 8: "), "{error}");
        assert!(parse("[teams.core\n").unwrap_err().starts_with("line 1, column "));
        let on_call = |start: &str, every: &str| {
            parse(&format!("[teams.a.on_call]\nrotation = []\nstart = {start}\nevery = {every}")).map(|_| ())
        };
        assert_eq!(on_call("2026-01-05T09:00:00+01:00", "'7d'"), Ok(()));
        let error = on_call("2026-01-05T09:00:00", "'7d'").unwrap_err();
        assert!(error.starts_with("line 3") && error.contains("offset"), "{error}");
        let error = on_call("2026-01-05T09:00:00Z", "'7 days'").unwrap_err();
        assert!(error.starts_with("line 4") && error.contains("\"7d\""), "{error}");
    }
}
