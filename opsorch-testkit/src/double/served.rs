//! A state and a vendor's way to speak about it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use opsorch::transport::{Reply, Request, StatusCode};

use super::{Double, refusal};

/// How a vendor speaks about a state: reads its requests, asks or changes the state, and writes its answers.
///
/// A function with these arguments is one. A type of its own is for a wire that remembers something, or that refuses in
/// its own words.
pub trait Wire<S>: Send + 'static {
    /// Answers a request as the vendor would.
    fn answer(&mut self, state: &mut S, request: &Request) -> Reply;

    /// As [`Double::refusal`].
    fn refusal(&self, status: StatusCode) -> Reply {
        refusal(status)
    }
}

impl<S, F: FnMut(&mut S, &Request) -> Reply + Send + 'static> Wire<S> for F {
    fn answer(&mut self, state: &mut S, request: &Request) -> Reply {
        self(state, request)
    }
}

/// A [`Double`] made of a state, such as a [`Tracker`](super::Tracker), and the [`Wire`] of a vendor.
///
/// ```
/// use opsorch::ManualClock;
/// use opsorch::transport::{Client, Reply, ReqwestTransport, Request, StatusCode};
/// use opsorch::{Actor, Context};
/// use opsorch_testkit::double::{Served, Server, Tracker, body, json, path};
/// use serde_json::{Value, json};
///
/// /// Jira, as far as this test needs it.
/// fn jira(tracker: &mut Tracker, request: &Request) -> Reply {
///     let path = path(request);
///     let path: Vec<&str> = path.iter().map(String::as_str).collect();
///     match (request.method.as_str(), &path[3..]) {
///         ("POST", ["issue"]) => {
///             let summary = body(request)["fields"]["summary"].as_str().unwrap_or_default().to_owned();
///             let issue = tracker.create(summary);
///             json(StatusCode::CREATED, &json!({ "id": issue.id, "key": issue.key }))
///         }
///         ("GET", ["issue", id]) => match tracker.issue(id) {
///             Some(issue) => json(StatusCode::OK, &json!({ "key": issue.key, "fields": { "summary": issue.title } })),
///             None => json(StatusCode::NOT_FOUND, &json!({ "errorMessages": ["Issue does not exist"], "errors": {} })),
///         },
///         _ => Reply::new(StatusCode::METHOD_NOT_ALLOWED),
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let double = Served::new(Tracker::new(ManualClock::default()), jira);
/// let tracker = double.state();
/// let server = Server::start(double).await;
///
/// let client = Client::new(std::sync::Arc::new(ReqwestTransport::new()?), server.url())?;
/// let cx = Context::new(Actor::agent("test"));
/// let issue = json!({ "fields": { "summary": "disk full" } });
/// client.post(["rest", "api", "3", "issue"]).json(&issue).send(&cx).await?;
/// let read: Value = client.get(["rest", "api", "3", "issue", "OPS-1"]).fetch(&cx).await?;
/// assert_eq!(read["fields"]["summary"], "disk full");
/// assert_eq!(tracker.with(|tracker| tracker.issues().count()), 1);
/// # Ok::<(), opsorch::Error>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Served<S, W> {
    state: Shared<S>,
    wire: W,
}

impl<S: Send + 'static, W: Wire<S>> Served<S, W> {
    /// This state in the words of this wire.
    pub fn new(state: S, wire: W) -> Self {
        Self { state: Shared(Arc::new(Mutex::new(state))), wire }
    }

    /// A handle of the state: for a test that prepares it, or looks at what came of a call.
    pub fn state(&self) -> Shared<S> {
        self.state.clone()
    }
}

impl<S: Send + 'static, W: Wire<S>> Double for Served<S, W> {
    fn answer(&mut self, request: &Request) -> Reply {
        self.state.with(|state| self.wire.answer(state, request))
    }

    fn refusal(&self, status: StatusCode) -> Reply {
        self.wire.refusal(status)
    }
}

/// A handle of the state of a [`Served`] double. Clones are handles of the same state.
pub struct Shared<S>(Arc<Mutex<S>>);

impl<S> Shared<S> {
    /// Looks at the state or changes it, while no request does.
    pub fn with<R>(&self, look: impl FnOnce(&mut S) -> R) -> R {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: fmt::Debug> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|state| state.fmt(f))
    }
}
