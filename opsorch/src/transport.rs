//! HTTP to vendors: one trait with one method, and the client that providers use on top of it.
//!
//! [`Transport`] is the contract for those who bring their own HTTP: recording, fault injection, limits on where a
//! process may connect. `ReqwestTransport` (feature `reqwest`) is the one for production. [`Client`] is what adapters use: it knows a base
//! address, a credential and limits, keeps to what the vendor allows ([`Budget`]), and turns what vendors answer into the one
//! [`Error`](crate::Error).
//!
//! ```
//! # use std::sync::Arc;
//! # use opsorch::transport::Transport;
//! # async fn example(
//! #     transport: Arc<dyn Transport>, key: opsorch::secret::Secret, cx: &opsorch::Context, id: &str,
//! # ) -> opsorch::Result<()> {
//! use opsorch::transport::{Auth, Client};
//!
//! #[derive(serde::Deserialize)]
//! struct Issue {
//!     key: String,
//! }
//!
//! let client = Client::new(transport, "https://jira.example.org/jira".parse().unwrap())?
//!     .auth(Auth::bearer(key))?
//!     .header("x-atlassian-token", "no-check")?;
//!
//! // GET https://jira.example.org/jira/rest/api/2/issue/…?expand=names
//! let issue: Issue = client.get(["rest", "api", "2", "issue", id]).query(&[("expand", "names")]).fetch(cx).await?;
//! # let _ = issue.key;
//! # Ok(())
//! # }
//! ```

mod auth;
mod budget;
mod client;
mod path;
mod redact;
mod redirect;
mod reply;
mod request;
#[cfg(feature = "reqwest")]
mod reqwest;
mod shape;
mod tls;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
pub use bytes::Bytes;
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
pub use url::Url;

pub use self::auth::Auth;
pub use self::budget::{Budget, Limit, RateHeaders, Reset};
pub use self::client::Client;
pub use self::path::Path;
#[cfg(feature = "plugin")]
pub(crate) use self::redact::Redactor;
pub use self::reply::Reply;
pub use self::request::RequestBuilder;
#[cfg(feature = "reqwest")]
pub use self::reqwest::ReqwestTransport;
pub use self::tls::Tls;
use crate::Result;

/// The time a request has where nothing else is said: 30 s.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest answer that is read where nothing else is said: 8 MiB.
pub const DEFAULT_BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Sends requests. The contract for implementations:
///
/// * One call sends one request. It does not follow redirects and does not repeat: [`Client`] and layers do that.
/// * An answer of any status is `Ok`; only the absence of an answer is an error.
/// * The whole body is read, up to [`Request::body_limit`] bytes after decompression; a longer one is an error.
/// * All of it within [`Request::timeout`]; after that the error is `Timeout`.
/// * An error raised before anything was sent is marked [`not_applied`](crate::Error::not_applied). Every other error
///   leaves open whether the other side acted.
/// * A request with [`Request::tls`] goes out with it or not at all: an implementation that cannot honour it refuses the
///   request (`Unsupported`, `not_applied`), and never sends it without.
/// * No error holds a header's value, a body or the URL's query.
/// * Dropping the future stops the exchange.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends this request and reads the answer.
    async fn send(&self, request: Request) -> Result<Reply>;
}

/// One HTTP request, complete and ready to be sent.
///
/// `Debug` shows neither the values of headers nor the body nor the query.
#[derive(Clone)]
#[non_exhaustive]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The absolute address, `http` or `https`.
    pub url: Url,
    /// The headers; values that are secret are marked sensitive.
    pub headers: HeaderMap,
    /// The body, empty where there is none.
    pub body: Bytes,
    /// The time for the whole exchange, from connecting to the last byte of the answer.
    pub timeout: Duration,
    /// The largest body of the answer, in bytes after decompression.
    pub body_limit: usize,
    /// The certificate to show and the authorities to trust; `None` for no certificate and what the system trusts.
    pub tls: Option<Tls>,
}

impl Request {
    /// A request without headers and body, with [`DEFAULT_TIMEOUT`] and [`DEFAULT_BODY_LIMIT`].
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: DEFAULT_TIMEOUT,
            body_limit: DEFAULT_BODY_LIMIT,
            tls: None,
        }
    }

    /// Sets the headers.
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the time for the whole exchange.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the largest body of the answer, in bytes.
    pub fn body_limit(mut self, limit: usize) -> Self {
        self.body_limit = limit;
        self
    }

    /// Sets the certificate to show and the authorities to trust.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &format_args!("{}{}", self.url.origin().ascii_serialization(), self.url.path()))
            .field("query", &self.url.query().map(|_| "***"))
            .field("headers", &HeaderNames(&self.headers))
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("timeout", &self.timeout)
            .field("body_limit", &self.body_limit)
            .field("tls", &self.tls)
            .finish()
    }
}

/// Shows the names of headers: whose values are secret is known to the vendor only.
struct HeaderNames<'a>(&'a HeaderMap);

impl fmt::Debug for HeaderNames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys().map(HeaderName::as_str)).finish()
    }
}
