//! Doubles: small vendors that behave, behind real HTTP.
//!
//! A [`Double`] answers requests in its vendor's own words, over a state that is its own: what is created through it is
//! there to be read, updated and listed. [`Server`] puts it on a port of this machine.
//!
//! [`Tracker`], [`IncidentTool`], [`LogStore`], [`MetricStore`] and [`Chat`] are such states without words: [`Served`]
//! gives one the words of a vendor, a [`Wire`], and [`by_offset`], [`by_number`], [`by_cursor`] and [`by_key`] cut
//! listings into pages as vendors do.
//!
//! ```
//! use opsorch::transport::{Client, Reply, ReqwestTransport, Request, StatusCode};
//! use opsorch::{Actor, Context};
//! use opsorch_testkit::double::{Double, Server};
//!
//! /// A vendor that keeps one text.
//! #[derive(Default)]
//! struct Memo(Vec<u8>);
//!
//! impl Double for Memo {
//!     fn answer(&mut self, request: &Request) -> Reply {
//!         if request.method == "PUT" {
//!             self.0 = request.body.to_vec();
//!         }
//!         Reply::new(StatusCode::OK).body(self.0.clone())
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let server = Server::start(Memo::default()).await;
//! let client = Client::new(std::sync::Arc::new(ReqwestTransport::new()?), server.url())?;
//! let cx = Context::new(Actor::agent("test"));
//! client.put("memo").json(&"disk full").send(&cx).await?;
//! assert_eq!(&client.get("memo").send(&cx).await?.body[..], b"\"disk full\"");
//! # Ok::<(), opsorch::Error>(())
//! # }).unwrap();
//! # Ok::<(), std::io::Error>(())
//! ```

mod chat;
mod collection;
mod incident_tool;
mod log_store;
mod metric_store;
mod request;
mod served;
mod tracker;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use opsorch::transport::{HeaderMap, HeaderName, HeaderValue, Reply, Request, StatusCode, Url};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Respond, ResponseTemplate};

pub use self::chat::{Channel, Chat, Posted};
pub use self::collection::{Part, UnknownCursor, by_cursor, by_key, by_number, by_offset};
pub use self::incident_tool::{Alert, Incident, IncidentTool, Note};
pub use self::log_store::{Line, LogStore};
pub use self::metric_store::{MOST_STEPS, MetricStore, Series};
pub use self::request::{body, parameter, parameters, path};
pub(crate) use self::request::{decode, form_pairs};
pub use self::served::{Served, Shared, Wire};
pub use self::tracker::{Comment, Issue, Tracker, Transition};

/// A vendor in memory, in its own words.
pub trait Double: Send + 'static {
    /// Answers a request as the vendor would.
    fn answer(&mut self, request: &Request) -> Reply;

    /// How the vendor says what others say with this status, such as 401 for a wrong credential. For vendors that have
    /// their own way, such as 200 and `{"ok": false}`; most say it with the status and JSON with a `message`.
    fn refusal(&self, status: StatusCode) -> Reply {
        refusal(status)
    }
}

/// How most vendors refuse.
fn refusal(status: StatusCode) -> Reply {
    json(status, &serde_json::json!({ "message": status.canonical_reason().unwrap_or("no") }))
}

impl<D: Double + ?Sized> Double for Box<D> {
    fn answer(&mut self, request: &Request) -> Reply {
        (**self).answer(request)
    }

    fn refusal(&self, status: StatusCode) -> Reply {
        (**self).refusal(status)
    }
}

/// The text of every secret in the conformance suite: what a double lets in, and what must show nowhere.
pub const SECRET: &str = "canary-7d1f0a-secret";

/// A double on a free port of 127.0.0.1, until it is dropped.
pub struct Server {
    server: MockServer,
    double: Responder,
}

impl Server {
    /// Serves a double.
    pub async fn start(double: impl Double) -> Self {
        let server = MockServer::start().await;
        let double = Responder(Arc::new(Mutex::new(Box::new(double))));
        Mock::given(any()).respond_with(double.clone()).mount(&server).await;
        Self { server, double }
    }

    /// The double's answer without a connection: many times as fast.
    pub(crate) fn answer(&self, request: &Request) -> Reply {
        self.double.answer(request)
    }

    /// The address to give to a client: `http://127.0.0.1:PORT/`.
    #[allow(clippy::expect_used)]
    pub fn url(&self) -> Url {
        self.server.uri().parse().expect("the address of a server of our own is one")
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &self.server.uri()).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Responder(Arc<Mutex<Box<dyn Double>>>);

impl Responder {
    fn answer(&self, request: &Request) -> Reply {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).answer(request)
    }
}

impl Respond for Responder {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        let asked = Request::new(request.method.clone(), request.url.clone());
        let asked = asked.headers(request.headers.clone()).body(request.body.clone());
        let reply = self.answer(&asked);
        let mut response = ResponseTemplate::new(reply.status.as_u16()).set_body_bytes(reply.body.to_vec());
        for (name, value) in &reply.headers {
            response = response.append_header(name, value);
        }
        response
    }
}

/// Answers everything in the same way.
impl Double for Reply {
    fn answer(&mut self, _: &Request) -> Reply {
        self.clone()
    }
}

const CONTENT_TYPE: HeaderName = HeaderName::from_static("content-type");

/// A JSON answer.
pub fn json(status: StatusCode, body: &impl serde::Serialize) -> Reply {
    let body = serde_json::to_vec(body).unwrap_or_default();
    let kind = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Reply::new(status).headers(HeaderMap::from_iter([kind])).body(body)
}
