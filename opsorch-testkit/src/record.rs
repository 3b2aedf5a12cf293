//! Records what an adapter and its vendor say to each other.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use opsorch::transport::{Reply, Request, Transport};
use opsorch::{Clock, Result, SystemClock};

use crate::cassette::{Cassette, Exchange, Head, RecordedReply, RecordedRequest, Scrub};

/// A [`Transport`] that passes requests on to another one and keeps every exchange for a [`Cassette`]. Clones share
/// what they keep.
///
/// A request without an answer is passed on like the others and not kept. Exchanges stand in the order in which their
/// requests were made. Until they are scrubbed they are in memory as they are.
///
/// ```
/// # use std::sync::Arc;
/// # use opsorch::transport::{Reply, Request, StatusCode, Transport};
/// # #[derive(Debug)]
/// # struct Vendor;
/// # #[async_trait::async_trait]
/// # impl Transport for Vendor {
/// #     async fn send(&self, _: Request) -> opsorch::Result<Reply> {
/// #         Ok(Reply::new(StatusCode::OK).body(r#"{"id": 7, "token": "s3cr3t-token"}"#))
/// #     }
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let (vendor, folder) = (Arc::new(Vendor), tempfile::tempdir().unwrap());
/// use opsorch::secret::Secret;
/// use opsorch::transport::{Auth, Client};
/// use opsorch::{Actor, Context};
/// use opsorch_testkit::{Recorder, Scrub};
///
/// let key = Secret::new("api-key-of-the-sandbox");
/// // `vendor` is a `ReqwestTransport` for a real recording.
/// let recorder = Recorder::new(vendor, "example 1.0, sandbox", Scrub::new().secret(&key)?);
///
/// let client = Client::new(Arc::new(recorder.clone()), "https://api.example.org".parse().unwrap())?;
/// let client = client.auth(Auth::bearer(key))?;
/// client.get(["incidents", "7"]).send(&Context::new(Actor::agent("recording"))).await?;
///
/// let cassette = recorder.cassette()?;
/// assert!(cassette.to_json()?.contains(r#""token": "<scrubbed-2>""#));
/// cassette.write(folder.path().join("incident.json"))?;
/// # Ok::<(), opsorch::Error>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Recorder {
    transport: Arc<dyn Transport>,
    source: String,
    note: Option<String>,
    scrub: Scrub,
    clock: Arc<dyn Clock>,
    kept: Arc<Mutex<Kept>>,
}

/// One place for each request that was made, empty until it is answered.
type Kept = Vec<Option<Exchange>>;

impl Recorder {
    /// Records what goes through this transport. The source says where the answers come from, such as the vendor's
    /// product and version.
    pub fn new(transport: Arc<dyn Transport>, source: impl Into<String>, scrub: Scrub) -> Self {
        let clock = Arc::new(SystemClock);
        Self { transport, source: source.into(), note: None, scrub, clock, kept: Arc::default() }
    }

    /// Says what a reader of the cassette should know, such as how to record it again.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Scrubs by these rules instead: those of secrets that were not known when the recording began.
    pub(crate) fn scrubbed_by(mut self, scrub: Scrub) -> Self {
        self.scrub = scrub;
        self
    }

    /// Dates the cassette by this clock instead of the system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// What was recorded so far, scrubbed.
    ///
    /// # Errors
    /// `Invalid` where a secret that was given would still be in the file, with the place: in the source or the note,
    /// where nothing is scrubbed, or as a name that cannot be.
    pub fn cassette(&self) -> Result<Cassette> {
        let exchanges: Vec<Exchange> = self.kept().iter().flatten().cloned().collect();
        let head = Head::new(self.source.clone(), self.clock.now().date_naive(), self.note.clone());
        Cassette::record(head, &exchanges, self.scrub.clone())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for the exchange that begins.
    fn begin(&self) -> usize {
        let mut kept = self.kept();
        kept.push(None);
        kept.len() - 1
    }
}

#[async_trait]
impl Transport for Recorder {
    async fn send(&self, request: Request) -> Result<Reply> {
        let (place, recorded) = (self.begin(), RecordedRequest::of(&request));
        let reply = self.transport.send(request).await?;
        if let Some(place) = self.kept().get_mut(place) {
            *place = Some(Exchange { reply: RecordedReply::of(&reply), request: recorded });
        }
        Ok(reply)
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("source", &self.source)
            .field("transport", &self.transport)
            .field("exchanges", &self.kept().iter().flatten().count())
            .finish_non_exhaustive()
    }
}
