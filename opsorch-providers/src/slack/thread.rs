//! The ids of messages, and the thread that a message belongs to.

use std::time::Duration;

use opsorch::{Context, Error, ErrorKind, Result, Time, visible};

use super::api::Slack;
use super::wire::History;

/// Whether a text is the id of a message: seconds, a dot and six digits. It is never read as a number.
pub(super) fn is_ts(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.')
        .is_some_and(|(seconds, rest)| seconds.len() <= 12 && digits(seconds) && rest.len() == 6 && digits(rest))
}

/// The id of a message that is named by an input.
pub(super) fn ts(text: &str) -> Result<&str> {
    match is_ts(text) {
        true => Ok(text),
        false => {
            let shown: String = text.chars().take(50).collect();
            let message = format!("there is no message `{}`; ids are like 1503435956.000247", visible(&shown));
            Err(Error::not_found(message))
        }
    }
}

/// When the message of an id was sent.
pub(super) fn sent_at(ts: &str) -> Option<Time> {
    let (seconds, micros) = ts.split_once('.').filter(|_| is_ts(ts))?;
    Time::UNIX_EPOCH
        .checked_add_signed(chrono::TimeDelta::seconds(seconds.parse().ok()?))?
        .checked_add_signed(chrono::TimeDelta::from_std(Duration::from_micros(micros.parse().ok()?)).ok()?)
}

/// The first message of the thread that a message is in. A reply to a reply has to name it, or it would be lost.
///
/// A token that may not read the channel cannot ask; then the message is taken to be the first of its thread.
pub(super) async fn root(cx: &Context, slack: &Slack, channel: &str, ts: &str) -> Result<String> {
    let arguments = [("channel", channel), ("ts", ts), ("limit", "1")];
    let history = match slack.read::<History>(cx, "conversations.replies", &arguments).await {
        Ok(said) => said.answer,
        Err(error) if *error.kind() == ErrorKind::Forbidden => return Ok(ts.to_owned()),
        Err(error) => return Err(error),
    };
    match history.messages.into_iter().next() {
        Some(message) => Ok(message.thread_ts.unwrap_or(message.ts)),
        None => Err(Error::not_found(format!("there is no message `{ts}` in this channel"))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_text_with_six_decimals() {
        for right in ["1503435956.000247", "1503435956.000100", "0.000000"] {
            assert_eq!(ts(right).unwrap(), right);
        }
        for wrong in
            ["", "1503435956", "1503435956.0001", "1503435956.0001000", "x.000247", "15 3435956.000247", "-1.000000"]
        {
            assert_eq!(*ts(wrong).unwrap_err().kind(), ErrorKind::NotFound, "{wrong}");
        }
        assert_eq!(sent_at("1503435956.000247").unwrap().to_rfc3339(), "2017-08-22T21:05:56.000247+00:00");
    }
}
