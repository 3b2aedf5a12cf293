//! Eyes on what passes between a control plane and a provider, and between a provider and its vendor.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opsorch::layer::{Call, Layer, Next};
use opsorch::transport::{Method, Reply, Request, StatusCode, Transport, Url};
use opsorch::{Error, ErrorKind, OperationSet, Response, Result, async_trait};
use serde_json::json;

use super::live::{Limits, Made};
use super::session::Session;
use crate::double::{self, Server};

/// Counts the calls of a provider and notes what they make. In a real account it stops what may not be done there.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) observed: Arc<AtomicU64>,
    pub(super) made: Arc<Made>,
    /// What may be done of what is offered, in a real account.
    pub(super) limits: Option<(Limits, OperationSet)>,
}

#[async_trait]
impl Layer for Watch {
    async fn call(&self, call: Call<'_>, next: Next<'_>) -> Result<Response> {
        self.observed.fetch_add(1, Ordering::Relaxed);
        if let Some((limits, offered)) = &self.limits {
            let is_allowed = limits.allow(call.operation(), offered);
            if !is_allowed || call.action().is_some_and(|action| !self.made.is_ours(action)) {
                let message = format!("{} of what the suite did not make in this account", call.operation());
                return Err(Error::new(ErrorKind::Forbidden, message).not_applied());
            }
        }
        let response = next.run().await?;
        if let (Some(action), Some(_)) = (call.action(), &self.limits) {
            self.made.note(action, &response);
        }
        Ok(response)
    }
}

/// Brings requests to the vendor, and keeps them. On demand something else becomes of them.
#[derive(Debug)]
pub(super) struct Tap {
    to_vendor: Arc<dyn Transport>,
    network: Arc<dyn Transport>,
    /// A double that is asked without a connection.
    direct: Option<Arc<Server>>,
    state: Mutex<State>,
    under_way: AtomicUsize,
    observed: Arc<AtomicU64>,
}

#[derive(Debug)]
struct State {
    seen: Vec<Request>,
    loses: Option<Lost>,
    trouble: Option<Trouble>,
    /// Requests since the trouble began, and those of them that it met.
    since: usize,
    met: usize,
}

/// What is lost of a request that is not a GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Itself: the vendor never sees it.
    Request,
    /// Its answer: the vendor does what it asks for.
    Answer,
}

/// What becomes of requests in place of an answer of the vendor.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    of: Of,
    what: What,
}

/// Which requests.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    All,
    /// Those that are neither GET nor HEAD.
    Changes,
    /// All but so many at the beginning.
    After(usize),
}

/// What becomes of them.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// This is the answer; the vendor sees nothing.
    Answer(Reply),
    /// They go to another server.
    Detour(Url),
    /// They come back: the answer of this status repeats their headers.
    Echo(StatusCode),
    /// No answer ever comes.
    Silence,
}

impl Trouble {
    pub(super) fn new(of: Of, what: What) -> Self {
        Self { of, what }
    }

    /// Everything is answered in this way.
    pub(super) fn answer(reply: Reply) -> Self {
        Self::new(Of::All, What::Answer(reply))
    }
}

impl Tap {
    pub(super) fn new(session: &Session, direct: Option<Arc<Server>>) -> Self {
        let state = State { seen: Vec::new(), loses: None, trouble: None, since: 0, met: 0 };
        Self {
            to_vendor: session.to_vendor(),
            network: session.network(),
            direct,
            state: Mutex::new(state),
            under_way: AtomicUsize::new(0),
            observed: Arc::clone(&session.observed),
        }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.state().seen.clone()
    }

    /// Loses the next request that is not a GET, or its answer.
    pub(super) fn lose(&self, lost: Lost) {
        self.state().loses = Some(lost);
    }

    /// Begins a trouble, or ends it.
    pub(super) fn trouble(&self, trouble: Option<Trouble>) {
        let mut state = self.state();
        (state.trouble, state.since, state.met) = (trouble, 0, 0);
    }

    /// How many requests the present trouble met.
    pub(super) fn met(&self) -> usize {
        self.state().met
    }

    /// How many requests wait for an answer.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Keeps a request; what becomes of it, where that is not what it asks for, and what of it is lost.
    fn take(&self, request: &Request) -> (Option<What>, Option<Lost>) {
        let mut state = self.state();
        state.seen.push(request.clone());
        state.since += 1;
        let is_change = !matches!(request.method, Method::GET | Method::HEAD);
        let since = state.since;
        let what = state.trouble.as_ref().and_then(|trouble| {
            let meets = match trouble.of {
                Of::All => true,
                Of::Changes => is_change,
                Of::After(spared) => since > spared,
            };
            meets.then(|| trouble.what.clone())
        });
        state.met += usize::from(what.is_some());
        let loses = if request.method == Method::GET { None } else { state.loses.take() };
        (what, loses)
    }

    async fn forward(&self, request: Request) -> Result<Reply> {
        match self.direct.as_ref().filter(|vendor| vendor.url().origin() == request.url.origin()) {
            Some(vendor) => Ok(vendor.answer(&request)),
            None => self.to_vendor.send(request).await,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Transport for Tap {
    async fn send(&self, mut request: Request) -> Result<Reply> {
        self.observed.fetch_add(1, Ordering::Relaxed);
        let (what, loses) = self.take(&request);
        let _under_way = UnderWay::new(&self.under_way);
        match what {
            Some(What::Answer(reply)) => return Ok(reply),
            Some(What::Echo(status)) => return Ok(echo(status, &request)),
            Some(What::Silence) => std::future::pending().await,
            Some(What::Detour(to)) => {
                request.url = at(&request.url, to);
                return self.network.send(request).await;
            }
            None => {}
        }
        let lost = |what| Err(Error::new(ErrorKind::Unavailable, what));
        if loses == Some(Lost::Request) {
            return lost("the request was lost, as the suite wanted it");
        }
        let reply = self.forward(request).await?;
        match loses {
            Some(_) => lost("the answer was lost, as the suite wanted it"),
            None => Ok(reply),
        }
    }
}

/// What a vendor answers that shows people their own requests.
fn echo(status: StatusCode, request: &Request) -> Reply {
    let headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let headers: Vec<_> =
        headers.into_iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value))).collect();
    double::json(status, &json!({ "message": "what was sent makes no sense", "request": headers }))
}

/// The same address at another server.
fn at(url: &Url, mut server: Url) -> Url {
    server.set_path(url.path());
    server.set_query(url.query());
    server
}

/// A request that waits for its answer, until it is dropped.
struct UnderWay<'a>(&'a AtomicUsize);

impl<'a> UnderWay<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
