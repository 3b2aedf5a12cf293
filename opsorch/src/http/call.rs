//! A call of an operation: from a row of the table and its input through one of the two doors.

use opsorch_schema::{Action, Cursor, Effect, Operation, Page, ProviderName, Query, Response};
use serde::Deserializer;
use serde_json::{Map, Value};

use super::route::Match;
use crate::gate::Submitted;
use crate::ops::{Ask, Submission};
use crate::transport::HeaderMap;
use crate::{Context, Error, Observed, OpsOrch, Result};

/// A read or a change, ready to pass its door.
#[allow(clippy::large_enum_variant)] // it is moved once
pub(crate) enum Call {
    Read(Ask),
    Change(Submission),
}

impl Call {
    /// Reads the input of an operation.
    pub(super) fn read<'de, D: Deserializer<'de>>(operation: Operation, input: D) -> Result<Self, D::Error> {
        Ok(match operation.effect() {
            Effect::Write => Self::Change(Action::from_parts(operation, input)?.into()),
            _ => Self::Read(Query::from_parts(operation, input)?.into()),
        })
    }

    /// Names the provider.
    pub(crate) fn on(self, provider: Option<ProviderName>) -> Self {
        let Some(provider) = provider else { return self };
        match self {
            Self::Read(ask) => Self::Read(ask.on(provider)),
            Self::Change(submission) => Self::Change(submission.on(provider)),
        }
    }

    /// Takes the idempotency key and the reason of a change from the headers.
    pub(super) fn noted(self, headers: &HeaderMap) -> Result<Self> {
        let Self::Change(mut submission) = self else { return Ok(self) };
        if let Some(key) = text(headers, "idempotency-key")? {
            submission = submission.idempotency_key(key);
        }
        if let Some(reason) = text(headers, "x-opsorch-reason")? {
            submission = submission.reason(reason);
        }
        Ok(Self::Change(submission))
    }

    /// Passes the door. Of a read it is said how fresh the answer is.
    pub(crate) async fn pass(self, ops: &OpsOrch, cx: &Context) -> Result<(Submitted<Response>, Option<Observed>)> {
        match self {
            Self::Read(ask) => {
                let (response, observed) = ops.observe(cx, ask).await?;
                Ok((Submitted::Done(response), Some(observed)))
            }
            // A change has a long way to go: a read must not carry the room for it.
            Self::Change(submission) => Ok((Box::pin(ops.submit(cx, submission)).await?, None)),
        }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    value.to_str().map(Some).map_err(|_| Error::invalid(name, "expected visible ASCII characters"))
}

/// What a path says of an input: one text for a read by id, else fields to add to an object.
pub(super) fn placeholders(found: &Match<'_>) -> Result<Map<String, Value>> {
    found.fields.iter().map(|(name, text)| Ok((name.to_owned(), Value::String(decoded(name, text)?)))).collect()
}

/// A segment of a path, as it was before it was percent-encoded.
pub(crate) fn decoded(name: &str, segment: &str) -> Result<String> {
    if !segment.contains('%') {
        return Ok(segment.to_owned());
    }
    let malformed = || Error::invalid(name, "expected UTF-8, percent-encoded");
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        bytes.push(match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                rest = after;
                digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low).ok_or_else(malformed)?
            }
            (b'%', _) => return Err(malformed()),
            (byte, _) => *byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| malformed())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// How much of a page is there, for headers.
pub(super) struct Completeness<'a> {
    pub(super) is_complete: bool,
    pub(super) next: Option<&'a Cursor>,
}

/// How much of it is there, if the answer is a page.
pub(super) fn completeness(response: &Response) -> Option<Completeness<'_>> {
    fn of<T>(page: &Page<T>) -> Option<Completeness<'_>> {
        Some(Completeness { is_complete: page.is_complete(), next: page.next.as_ref() })
    }
    match response {
        Response::Incidents(page) => of(page),
        Response::Timeline(page) => of(page),
        Response::Alerts(page) => of(page),
        Response::Logs(page) => of(page),
        Response::Metrics(page) => of(page),
        Response::MetricDescriptors(page) => of(page),
        Response::Tickets(page) => of(page),
        Response::Services(page) => of(page),
        Response::Deployments(page) => of(page),
        Response::Teams(page) => of(page),
        Response::Members(page) => of(page),
        Response::Plans(page) => of(page),
        Response::Runs(page) => of(page),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_decoded_once_and_to_the_letter() {
        for (segment, text) in [("a%2Fb", "a/b"), ("%252F", "%2F"), ("a+b", "a+b"), ("%C3%A9", "é"), ("..", "..")] {
            assert_eq!(decoded("id", segment).unwrap(), text);
        }
        for wrong in ["%", "%2", "%zz", "%ff", "%+1"] {
            assert!(decoded("id", wrong).is_err(), "{wrong}");
        }
    }
}
