//! How long things last at the gate.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// The longest setting: ten years, so that no sum of a time and a setting leaves the calendar.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How long things last at the gate. The defaults are what most teams want.
///
/// In a configuration each is a whole number and a unit, `s`, `m`, `h` or `d`:
///
/// ```toml
/// [gate]
/// request_ttl = "8h"
/// grant_ttl = "10m"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GateSettings {
    /// How long a request waits for people: 24 h.
    #[serde(deserialize_with = "duration")]
    pub request_ttl: Duration,
    /// How long an active grant can be redeemed: 15 min.
    #[serde(deserialize_with = "duration")]
    pub grant_ttl: Duration,
    /// How long an idempotency key is remembered: 24 h.
    #[serde(deserialize_with = "duration")]
    pub key_ttl: Duration,
    /// How long a process vouches for a change at a time; a change of a process that died is `unknown` after it: 60 s.
    #[serde(deserialize_with = "duration")]
    pub lease: Duration,
    /// How long one policy may take to decide: 5 s.
    #[serde(deserialize_with = "duration")]
    pub policy_timeout: Duration,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            request_ttl: Duration::from_secs(24 * 60 * 60),
            grant_ttl: Duration::from_secs(15 * 60),
            key_ttl: Duration::from_secs(24 * 60 * 60),
            lease: Duration::from_secs(60),
            policy_timeout: Duration::from_secs(5),
        }
    }
}

impl GateSettings {
    /// Sets how long a request waits for people.
    pub fn request_ttl(mut self, ttl: Duration) -> Self {
        self.request_ttl = ttl;
        self
    }

    /// Sets how long an active grant can be redeemed.
    pub fn grant_ttl(mut self, ttl: Duration) -> Self {
        self.grant_ttl = ttl;
        self
    }

    /// Sets how long an idempotency key is remembered.
    pub fn key_ttl(mut self, ttl: Duration) -> Self {
        self.key_ttl = ttl;
        self
    }

    /// Sets how long a process vouches for a change at a time.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets how long one policy may take to decide.
    pub fn policy_timeout(mut self, timeout: Duration) -> Self {
        self.policy_timeout = timeout;
        self
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| {
        de::Error::custom(format!(
            "expected a duration such as `30s`, `5m`, `2h` or `1d`, at most ten years, got `{text}`"
        ))
    })
}

fn parse(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    if !number.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let duration = Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?);
    (!duration.is_zero() && duration <= LONGEST).then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86_400), ("3650d", 315_360_000)] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        let wrong = [
            "",
            "s",
            "5",
            "5 m",
            "+5m",
            "-5m",
            "1.5h",
            "0s",
            "5M",
            "5ms",
            "1h30m",
            "3651d",
            "99999999999999999999d",
            "5ä",
        ];
        for text in wrong {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
