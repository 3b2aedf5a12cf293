//! `GET /v1/events`: what is written to the audit log and what vendors send, as Server-Sent Events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::HeaderMap;
use opsorch_schema::{Entry, Identity};
use serde::Serialize;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::hooks::WebhookDelivery;
use super::input::numbers;
use crate::http::app::{App, Caller};
use crate::http::json;
use crate::http::places::Place;
use crate::http::respond::Problem;
use crate::{Context, Error, ErrorKind, Result};

/// How often the log is looked at beside the commits of this process, of which it hears at once: the store may be shared, and
/// what other processes write is part of the log too.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long one stream lives. The client comes back with the last id that it saw, and with its credential, which may be gone
/// by then.
const LIFE: Duration = Duration::from_secs(600);

/// How many entries are read at a time.
const BLOCK: u32 = 100;

/// Streams from `from`, else from after `Last-Event-ID`, else what comes from here on. Entries of the log carry their sequence
/// as id, so that a client that comes back misses none; what vendors send carries none, and is told to those who listen and
/// may read of that provider.
pub(super) async fn stream(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    match open(&app, caller.cx, &headers, query.as_deref()).await {
        Ok(tail) => {
            let events =
                stream::unfold(tail, |mut tail| async { Some((Ok::<_, Infallible>(tail.next().await?), tail)) });
            Sse::new(events).keep_alive(KeepAlive::default()).into_response()
        }
        Err(error) => Problem(error).into_response(),
    }
}

async fn open(app: &Arc<App>, cx: Context, headers: &HeaderMap, query: Option<&str>) -> Result<Tail> {
    let [from] = numbers(query, ["from"])?;
    let last = headers.get("last-event-id").map(|id| {
        let number = id.to_str().ok().and_then(|id| id.parse::<u64>().ok()).and_then(|last| last.checked_add(1));
        number.ok_or_else(|| Error::invalid("Last-Event-ID", "expected the id of an event of this stream"))
    });
    let next = match last.transpose()?.or(from) {
        Some(next) => next,
        None => app.ops.audit().size().await?,
    };
    let busy = || Error::new(ErrorKind::Unavailable, "too many streams are open; try again later");
    let place = app.streams.take(&cx.actor().identity).ok_or_else(busy)?;
    Ok(Tail {
        app: Arc::clone(app),
        cx,
        next,
        read: VecDeque::new(),
        commits: app.ops.commits(),
        deliveries: app.deliveries.listen(),
        until: Instant::now() + LIFE,
        _place: place,
    })
}

/// One listener.
struct Tail {
    app: Arc<App>,
    /// Who listens.
    cx: Context,
    /// The sequence that is read next.
    next: u64,
    read: VecDeque<Entry>,
    commits: watch::Receiver<u64>,
    deliveries: broadcast::Receiver<Arc<WebhookDelivery>>,
    until: Instant,
    _place: Place<Identity>,
}

impl Tail {
    fn may_hear(&self, delivery: &WebhookDelivery) -> bool {
        let provider = self.app.ops.providers().find(|provider| *provider.name() == delivery.provider);
        provider.is_some_and(|provider| self.app.ops.may_read(&self.cx, &provider))
    }

    /// The next event; `None` at the end of the stream's life.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(entry) = self.read.pop_front() {
                return Some(event("audit", &entry).id(entry.sequence.to_string()));
            }
            if Instant::now() >= self.until {
                return None;
            }
            // Before the log is read: a commit in between is heard of after it.
            self.commits.mark_unchanged();
            match self.app.ops.audit().entries(self.next, BLOCK).await {
                Ok(entries) if !entries.is_empty() => {
                    self.next = entries.last().map_or(self.next, |last| last.sequence + 1);
                    self.read.extend(entries);
                    continue;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "the log could not be read for a stream of events");
                    return None;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                Ok(()) = self.commits.changed() => {}
                delivery = self.deliveries.recv() => match delivery {
                    Ok(delivery) if self.may_hear(&delivery) => return Some(event("delivery", &*delivery)),
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(missed)) => return Some(event("missed", &missed)),
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
            }
        }
    }
}

fn event<T: Serialize>(kind: &'static str, value: &T) -> Event {
    let mut body = json::to_vec(value, 512).unwrap_or_default();
    body.pop(); // the newline that ends a body
    Event::default().event(kind).data(String::from_utf8(body).unwrap_or_default())
}
