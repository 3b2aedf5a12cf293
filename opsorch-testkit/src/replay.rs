//! Answers an adapter from a cassette.

mod difference;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use opsorch::transport::{Reply, Request, Transport};
use opsorch::{Error, Result};

use self::difference::Difference;
use crate::cassette::{Cassette, Exchange, RecordedRequest, Scrub, Scrubber};

/// A [`Transport`] that answers from a [`Cassette`] and sends nothing. Clones share what was asked.
///
/// A request is answered when method, path, query, headers and body are those of a recorded one: the query and a form
/// in any order, JSON by its values, everything else to the letter. Each exchange answers once, whenever it is asked
/// for; the same request twice gets the recorded answers in their order. The host is not compared, nor are the headers
/// that a recording leaves out.
///
/// Requests are scrubbed before they are compared, so that the secrets of a test need not be those of the recording:
/// give the same rules as when recording, and the secrets of the test.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use std::sync::Arc;
/// use opsorch::transport::Client;
/// use opsorch::{Actor, Context};
/// use opsorch_testkit::{Cassette, Replay, Scrub};
///
/// let cassette = Cassette::parse(r#"{
///     "cassette": { "recorded": "2026-01-01", "source": "example 1.0", "version": 1 },
///     "exchanges": [
///         {
///             "reply": { "body": { "json": { "title": "disk full" } }, "status": 200 },
///             "request": { "headers": { "accept": "application/json" }, "method": "GET", "path": "/incidents/7" }
///         }
///     ]
/// }"#)?;
/// let replay = Replay::new(cassette, Scrub::new());
/// let client = Client::new(Arc::new(replay.clone()), "https://api.example.org".parse().unwrap())?;
/// let cx = Context::new(Actor::agent("test"));
///
/// let error = client.get(["incidents", "8"]).send(&cx).await.unwrap_err();
/// assert!(error.to_string().contains("path: recorded \"/incidents/7\", asked \"/incidents/8\""), "{error}");
///
/// let incident: serde_json::Value = client.get(["incidents", "7"]).fetch(&cx).await?;
/// assert_eq!(incident["title"], "disk full");
/// assert!(replay.unused().is_empty());
/// assert!(replay.finish().is_err(), "one request had no answer");
/// # Ok::<(), opsorch::Error>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Replay(Arc<Mutex<State>>);

struct State {
    scrubber: Scrubber,
    recorded: Vec<Recorded>,
    missed: Vec<String>,
}

struct Recorded {
    exchange: Exchange,
    /// The request as it is compared: without numbers of placeholders.
    request: RecordedRequest,
    used: bool,
}

impl Replay {
    /// Plays this cassette to requests that are scrubbed by these rules.
    pub fn new(cassette: Cassette, scrub: Scrub) -> Self {
        let exchanges = cassette.into_exchanges();
        let mut scrubber = Scrubber::new(scrub.clone()).without_numbers();
        // As when recording: the first time finds the values, the second finds them elsewhere.
        exchanges.iter().for_each(|exchange| drop(scrubber.request(&exchange.request)));
        let recorded = exchanges.into_iter().map(|exchange| {
            let request = scrubber.request(&exchange.request);
            Recorded { exchange, request, used: false }
        });
        let recorded = recorded.collect();
        Self(Arc::new(Mutex::new(State {
            scrubber: Scrubber::new(scrub).without_numbers(),
            recorded,
            missed: Vec::new(),
        })))
    }

    /// The recorded requests that were not made, each with its number in the cassette, method and path.
    pub fn unused(&self) -> Vec<String> {
        let state = self.state();
        let unused = state.recorded.iter().enumerate().filter(|(_, recorded)| !recorded.used);
        unused.map(|(index, recorded)| recorded.name(index)).collect()
    }

    /// Ends a test: everything that was recorded was asked for, and nothing else was.
    ///
    /// # Errors
    /// `Unexpected`, with the requests that had no answer and the recorded ones that were not made.
    pub fn finish(&self) -> Result<()> {
        let missed = self.state().missed.clone();
        let unused = self.unused();
        if missed.is_empty() && unused.is_empty() {
            return Ok(());
        }
        let mut error = Error::unexpected("the requests are not those of the cassette");
        for request in missed {
            error = error.with_context("not recorded", request);
        }
        for request in unused {
            error = error.with_context("not asked for", request);
        }
        Err(error)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Transport for Replay {
    /// Answers as the cassette does.
    ///
    /// # Errors
    /// `Unexpected` for a request that is not recorded or not recorded so often, with the nearest one and what
    /// differs: unlike those of a transport for production this error shows headers and bodies, scrubbed. `Unexpected`
    /// for an answer above [`Request::body_limit`].
    async fn send(&self, request: Request) -> Result<Reply> {
        let reply = self.state().answer(&request)?;
        if reply.body.len() > request.body_limit {
            let message = format!("the recorded answer is larger than the limit of {} bytes", request.body_limit);
            return Err(Error::unexpected(message));
        }
        Ok(reply)
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Result<Reply> {
        let raw = RecordedRequest::of(request);
        drop(self.scrubber.request(&raw));
        let asked = self.scrubber.request(&raw);
        let same = self.recorded.iter_mut().filter(|recorded| difference::all(&recorded.request, &asked).is_empty());
        let mut times = 0;
        for recorded in same {
            if !recorded.used {
                recorded.used = true;
                return recorded.exchange.reply.to_reply();
            }
            times += 1;
        }
        let name = format!("{} {}", asked.method, asked.path);
        self.missed.push(name.clone());
        let message = match (times, self.nearest(&asked)) {
            (0, None) => format!("{name} is not recorded: the cassette is empty"),
            (0, Some(nearest)) => format!("{name} is not recorded; the nearest is {nearest}"),
            _ => format!("{name} is recorded {times} times and asked for once more"),
        };
        Err(Error::unexpected(message).not_applied())
    }

    /// The recorded request that differs least, and how. One that waits for its request is nearer than one that is used.
    fn nearest(&self, asked: &RecordedRequest) -> Option<String> {
        let candidates = self.recorded.iter().enumerate().map(|(index, recorded)| {
            let differences = difference::all(&recorded.request, asked);
            let distance: usize = differences.iter().map(Difference::weight).sum();
            (distance, recorded.used, index, differences, recorded)
        });
        let (_, used, index, differences, recorded) =
            candidates.min_by_key(|(distance, used, index, ..)| (*distance, *used, *index))?;
        let used = if used { ", answered already" } else { "" };
        Some(format!("{}{used}, which differs in {}", recorded.name(index), difference::list(&differences)))
    }
}

impl Recorded {
    fn name(&self, index: usize) -> String {
        format!("exchange {} ({} {})", index + 1, self.request.method, self.request.path)
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Replay")
            .field("exchanges", &state.recorded.len())
            .field("used", &state.recorded.iter().filter(|recorded| recorded.used).count())
            .field("missed", &state.missed.len())
            .finish()
    }
}
