//! What Alertmanager and Grafana post about a group of alerts: what is the same in the messages of both.

use std::fmt;
use std::marker::PhantomData;

use opsorch::signal::labels::Labels;
use opsorch::transport::Url;
use opsorch::{Alert, Error, Result, Time};
use serde::de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) use map::alert;

mod map;

/// The largest message that is read: 4 MiB, some thousands of alerts.
pub(crate) const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// How many alerts of a message are read.
const MOST_ALERTS: usize = 10_000;

/// Refuses a message that is too large.
///
/// # Errors
/// `Invalid`.
pub(crate) fn check_size(body: &[u8]) -> Result<()> {
    match body.len() {
        0..=BODY_LIMIT => Ok(()),
        size => Err(invalid(format!("expected at most {BODY_LIMIT} bytes, got {size}"))),
    }
}

/// Reads a message. The error tells the place and nothing of the body.
///
/// # Errors
/// `Invalid` for what is no JSON or has another shape than `sender` gives it.
pub(crate) fn read_json<T: DeserializeOwned>(body: &[u8], sender: &str) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        let problem = match error.is_data() {
            true => format!("expected a message as {sender} sends it, got another shape"),
            false => "expected JSON".to_owned(),
        };
        invalid(format!("{problem}: line {} column {}", error.line(), error.column()))
    })
}

pub(crate) fn invalid(message: String) -> Error {
    Error::invalid("body", message)
}

/// The first alerts of a message. Those beyond the limit are counted and take no memory.
#[derive(Debug)]
pub(crate) struct Alerts<A> {
    first: Vec<A>,
    beyond: usize,
}

impl<A> Default for Alerts<A> {
    fn default() -> Self {
        Self { first: Vec::new(), beyond: 0 }
    }
}

impl<A> Alerts<A> {
    /// All of them.
    ///
    /// # Errors
    /// `Invalid` if there are more than are read; `hint` says how to get fewer.
    pub(crate) fn all(self, hint: &str) -> Result<Vec<A>> {
        match self.beyond {
            0 => Ok(self.first),
            beyond => {
                let found = MOST_ALERTS + beyond;
                Err(invalid(format!("expected at most {MOST_ALERTS} alerts, got {found}; {hint}")))
            }
        }
    }
}

/// That an alert says who it is: by its labels or by its fingerprint.
///
/// # Errors
/// `Invalid`.
pub(crate) fn check_identity(index: usize, labels: &Labels, fingerprint: &str) -> Result<()> {
    match labels.is_empty() && fingerprint.is_empty() {
        true => Err(invalid(format!("alerts[{index}] has neither labels nor a fingerprint"))),
        false => Ok(()),
    }
}

/// What may be opened by a person. Anything else is only shown as text.
pub(crate) fn web_address(text: &str) -> Option<Url> {
    let is_fit = |url: &Url| {
        // One with a password would carry it into every link.
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
    };
    text.parse().ok().filter(is_fit)
}

/// An id of what a message says of its group, since neither sender gives one: the same when it is sent again, also as
/// the reminder that nothing has changed, and another one as soon as an alert begins, changes or ends.
pub(crate) fn content_id(group: &Value, alerts: &[Alert]) -> String {
    let mut said: Vec<Value> = alerts
        .iter()
        .map(|alert| {
            json!([alert.id, alert.status, alert.created_at, alert.updated_at, alert.fields.get("annotations")])
        })
        .collect();
    said.sort_by_cached_key(Value::to_string);
    let digest: [u8; 32] = Sha256::digest(json!([group, said]).to_string()).into();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads `null`, which Go writes for a list or a map that was never made, as if the field were absent.
pub(crate) fn lenient<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a time; `0001-01-01T00:00:00Z`, which Go writes for a time that was never set, is none.
pub(crate) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    /// The first second of the year 1, in seconds since 1970.
    const NEVER: i64 = -62_135_596_800;
    let time = Option::<Time>::deserialize(deserializer)?;
    Ok(time.filter(|time| time.timestamp() != NEVER))
}

impl<'de, A: Deserialize<'de>> Deserialize<'de> for Alerts<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FirstAlerts(PhantomData))
    }
}

struct FirstAlerts<A>(PhantomData<A>);

impl<'de, A: Deserialize<'de>> Visitor<'de> for FirstAlerts<A> {
    type Value = Alerts<A>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of alerts")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Alerts<A>, S::Error> {
        let mut alerts = Alerts::default();
        while alerts.first.len() < MOST_ALERTS {
            match list.next_element()? {
                Some(alert) => alerts.first.push(alert),
                None => return Ok(alerts),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {
            alerts.beyond += 1;
        }
        Ok(alerts)
    }
}
