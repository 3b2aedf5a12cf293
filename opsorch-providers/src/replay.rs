//! Signed requests that say when they were made: those that are too old, from the future, or were received before.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use opsorch::{Error, ErrorKind, Result};

/// How old a request may be, in seconds: what the documentation of Slack says, and of most others.
const OLDEST: i64 = 5 * 60;

/// How far the sender's clock may be ahead of this one, in seconds.
const EARLIEST: i64 = 60;

/// How many requests are remembered at once.
const MOST_REMEMBERED: usize = 10_000;

/// Reads a time stamp in seconds since 1970, in plain digits.
pub(crate) fn seconds(stamp: &str) -> Option<i64> {
    let is_plain = (1..=12).contains(&stamp.len()) && stamp.bytes().all(|byte| byte.is_ascii_digit());
    stamp.parse().ok().filter(|_| is_plain)
}

/// Whether a request that was made at one time may be received at another.
///
/// # Errors
/// `Unauthenticated` for one that is too old, or from the future.
pub(crate) fn check_age(at: i64, now: i64) -> Result<()> {
    let age = now - at;
    if age > OLDEST {
        return Err(refusal("the request is older than 5 minutes"));
    }
    if age < -EARLIEST {
        return Err(refusal("the request is from the future; is this clock right?"));
    }
    Ok(())
}

/// The requests that were received, by their signatures, until they are too old to be received again.
///
/// It never forgets one that is not: when there are too many, new ones are refused. Only what is signed gets here.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<BTreeMap<String, i64>>);

impl Seen {
    /// Remembers a request that was made at this time.
    ///
    /// # Errors
    /// `Unauthenticated` for one that was received before; `Unavailable` when too many are remembered.
    pub(crate) fn once(&self, signature: &str, at: i64, now: i64) -> Result<()> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The same bytes have two spellings in hexadecimal digits.
        let signature = signature.to_ascii_lowercase();
        if seen.contains_key(&signature) {
            return Err(refusal("the request was received before"));
        }
        if seen.len() >= MOST_REMEMBERED {
            seen.retain(|_, at| now - *at <= OLDEST);
        }
        if seen.len() >= MOST_REMEMBERED {
            let message = format!("{MOST_REMEMBERED} requests came within 5 minutes; try again later");
            return Err(Error::new(ErrorKind::Unavailable, message).not_applied());
        }
        seen.insert(signature, at);
        Ok(())
    }
}

fn refusal(message: &'static str) -> Error {
    Error::new(ErrorKind::Unauthenticated, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_received_within_its_minutes_and_once() {
        for (at, now, is_good) in [(0, 300, true), (0, 301, false), (60, 0, true), (61, 0, false)] {
            assert_eq!(check_age(at, now).is_ok(), is_good, "made at {at}, received at {now}");
        }
        let seen = Seen::default();
        seen.once("ab", 0, 0).unwrap();
        assert!(seen.once("AB", 0, 0).is_err());
        seen.once("ac", 0, 0).unwrap();
    }

    #[test]
    fn when_too_many_are_remembered_new_ones_are_refused_until_old_ones_lapse() {
        let seen = Seen::default();
        for number in 0..MOST_REMEMBERED {
            seen.once(&number.to_string(), 0, 0).unwrap();
        }
        assert_eq!(*seen.once("new", 300, 300).unwrap_err().kind(), ErrorKind::Unavailable);
        seen.once("new", 301, 301).unwrap();
    }

    #[test]
    fn a_stamp_is_plain_digits() {
        assert_eq!(seconds("1700000000"), Some(1_700_000_000));
        for stamp in ["", "-1", "+1", "1.5", " 1", "1e9", "9999999999999"] {
            assert_eq!(seconds(stamp), None, "{stamp}");
        }
    }
}
