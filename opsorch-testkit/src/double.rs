//! Doubles: small vendors that behave, behind real HTTP.
//!
//! A [`Double`] answers requests in its vendor's own words, over a state that is its own: what is created through it is
//! there to be read, updated and listed. [`Server`] puts it on a port of this machine.
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

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use opsorch::transport::{HeaderMap, HeaderName, HeaderValue, Reply, Request, StatusCode, Url};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Respond, ResponseTemplate};

/// A vendor in memory, in its own words.
pub trait Double: Send + 'static {
    /// Answers a request as the vendor would.
    fn answer(&mut self, request: &Request) -> Reply;

    /// How the vendor says what others say with this status, such as 401 for a wrong credential. For vendors that have
    /// their own way, such as 200 and `{"ok": false}`; most say it with the status and JSON with a `message`.
    fn refusal(&self, status: StatusCode) -> Reply {
        json(status, &serde_json::json!({ "message": status.canonical_reason().unwrap_or("no") }))
    }
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
}

impl Server {
    /// Serves a double.
    pub async fn start(double: impl Double) -> Self {
        let server = MockServer::start().await;
        let double = Served(Arc::new(Mutex::new(Box::new(double))));
        Mock::given(any()).respond_with(double).mount(&server).await;
        Self { server }
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

struct Served(Arc<Mutex<Box<dyn Double>>>);

impl Respond for Served {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        let asked = Request::new(request.method.clone(), request.url.clone());
        let asked = asked.headers(request.headers.clone()).body(request.body.clone());
        let reply = self.0.lock().unwrap_or_else(PoisonError::into_inner).answer(&asked);
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
