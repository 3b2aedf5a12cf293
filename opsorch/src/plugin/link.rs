//! A plugin as those have it who call it: its processes, how it is called, and what its replies mean.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::call::{Body, Caller, Reply};
use super::changes::{Changes, Place};
use super::line::{self, Answer, Ask};
use crate::secret::Secret;
use crate::transport::Redactor;
use crate::{Error, Result};

/// The way to a plugin. Its processes end when it is dropped.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) name: String,
    /// One for each process; at least one.
    pub(super) callers: Vec<Caller>,
    pub(super) timeout: Duration,
    pub(super) redactor: Arc<Redactor>,
    /// The configuration that goes with every line; `None` in protocol 2.
    pub(super) line_config: Option<Secret>,
    pub(super) changes: Changes,
}

impl Link {
    /// When a call is given up that has so much time, and how long that is from now.
    pub(super) fn deadline(&self, time: Option<Duration>) -> (Instant, Duration) {
        let left = time.map_or(self.timeout, |time| time.min(self.timeout));
        (Instant::now() + left, left)
    }

    /// Calls a plugin of protocol 2; the text of the result.
    pub(super) async fn rpc(&self, method: &'static str, params: Bytes, deadline: Instant) -> Result<Bytes> {
        self.rpc_of(self.idlest()?, method, params, deadline).await
    }

    /// Sends a change to a plugin of protocol 2, and remembers where while its outcome is not known.
    pub(super) async fn change(
        &self,
        method: &'static str,
        key: &str,
        params: Bytes,
        deadline: Instant,
    ) -> Result<Bytes> {
        let (number, caller) = self.idlest()?;
        // Read before the call is sent: a process that starts in between is then another one, and not believed.
        let is_first = self.changes.send(key, Place { number, generation: caller.generation() });
        let result = self.rpc_of((number, caller), method, params, deadline).await;
        // That one attempt was not made says nothing of the others.
        let is_known = result.as_ref().map_or_else(|error| is_first && !error.may_have_applied(), |_| true);
        if is_known {
            self.changes.forget(key);
        }
        result
    }

    /// Asks what became of a change: the process that got it, or any other if that is gone. Gives the text of the result, and
    /// whether it is certain that the one that answered got every attempt of the change.
    pub(super) async fn reconcile(&self, key: &str, params: Bytes, deadline: Instant) -> Result<(Bytes, bool)> {
        let place = self.changes.place(key);
        let (process, got_it) = match place.and_then(|place| self.alive(place)) {
            Some(process) => (process, true),
            None => (self.idlest()?, false),
        };
        let text = self.rpc_of(process, "reconcile", params, deadline).await?;
        let is_still_there = place.is_some_and(|place| self.alive(place).is_some());
        Ok((text, got_it && is_still_there && self.changes.place(key) == place))
    }

    async fn rpc_of(
        &self,
        (_, caller): (usize, &Caller),
        method: &'static str,
        params: Bytes,
        deadline: Instant,
    ) -> Result<Bytes> {
        match caller.call(Body::Rpc { method, params }, deadline).await? {
            Reply::Rpc(text) => Ok(text),
            Reply::RpcError(failure) => {
                let shown = self.redactor.line(&failure.message);
                Err(failure.into_error(shown))
            }
            Reply::Line(_) => Err(Error::unexpected("a reply of another protocol")),
        }
    }

    /// Calls a plugin of the line protocol; what `result` holds.
    pub(super) async fn line(&self, ask: &Ask, config: &Secret, deadline: Instant) -> Result<Option<Value>> {
        let (_, caller) = self.idlest()?;
        match caller.call(Body::Line(line_of(ask, config)?), deadline).await? {
            Reply::Line(Answer::Result(result)) => Ok(result),
            Reply::Line(Answer::Error(code, message)) => {
                let kind = line::kind(code.as_deref(), &message);
                Err(Error::new(kind, self.redactor.line(&message)))
            }
            _ => Err(Error::unexpected("a reply of another protocol")),
        }
    }

    /// The process that has the least to do.
    fn idlest(&self) -> Result<(usize, &Caller)> {
        let idlest = self.callers.iter().enumerate().min_by_key(|(_, caller)| caller.waiting());
        idlest.ok_or_else(|| Error::unexpected("a plugin without a process"))
    }

    /// A process that has not ended.
    fn alive(&self, place: Place) -> Option<(usize, &Caller)> {
        let caller = self.callers.get(place.number)?;
        (caller.generation() == place.generation).then_some((place.number, caller))
    }

    /// The error for an answer that cannot be read.
    pub(super) fn misshapen(&self, what: &str, error: &serde_json::Error) -> Error {
        // The words of the error may repeat what the plugin wrote.
        let why = self.redactor.line(&error.to_string());
        Error::unexpected(format!("the plugin's answer to {what} makes no sense: {why}"))
    }
}

/// A line of the line protocol, which is wiped after use, because it holds the configuration; the order of its members is
/// OpsOrch's.
fn line_of(ask: &Ask, config: &Secret) -> Result<Bytes> {
    #[derive(Serialize)]
    struct Line<'a> {
        method: &'a str,
        config: &'a RawValue,
        payload: &'a Value,
        params: &'a Value,
    }
    let config = serde_json::from_str(config.expose()).map_err(unwritable)?;
    let line = Line { method: ask.method, config, payload: &ask.payload, params: &ask.payload };
    wiped(&line)
}

/// Writes something as JSON that is wiped after use.
pub(super) fn wiped(value: &impl Serialize) -> Result<Bytes> {
    serde_json::to_vec(value).map(|text| Bytes::from_owner(Zeroizing::new(text))).map_err(unwritable)
}

pub(super) fn unwritable(error: serde_json::Error) -> Error {
    Error::invalid("input", "it cannot be written as JSON").with_source(error).not_applied()
}
