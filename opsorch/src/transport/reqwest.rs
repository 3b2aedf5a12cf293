//! HTTP over reqwest and rustls.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Proxy, Response};
use url::Url;

use super::{Bytes, Reply, Request, Transport};
use crate::{Error, ErrorKind, Result};

const USER_AGENT: &str = concat!("opsorch/", env!("CARGO_PKG_VERSION"));

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections to one host that are kept open for the next request.
const IDLE_CONNECTIONS: usize = 16;

/// The transport for production: HTTP/1.1 and HTTP/2 over rustls, with the certificates that the system trusts.
///
/// Names itself `opsorch/VERSION`, gives up connecting after 10 s and accepts gzip. Connections are pooled and shared
/// by clones. It reads no proxy from the environment: [`ReqwestTransport::through_proxy`] is told of one.
///
/// A request that the other side declares unprocessed (an HTTP/2 stream refused, as when a server restarts) is sent
/// again on a new connection; nothing else is ever repeated.
///
/// ```
/// use std::sync::Arc;
/// use opsorch::transport::{Client, ReqwestTransport};
///
/// let transport = Arc::new(ReqwestTransport::new()?);
/// let client = Client::new(transport, "https://api.example.org".parse().unwrap())?;
/// # let _ = client;
/// # Ok::<(), opsorch::Error>(())
/// ```
#[derive(Clone)]
pub struct ReqwestTransport(reqwest::Client);

impl ReqwestTransport {
    /// A transport that connects directly.
    ///
    /// # Errors
    /// `Invalid` where the system's certificates cannot be loaded.
    pub fn new() -> Result<Self> {
        Self::build(reqwest::Client::builder().no_proxy())
    }

    /// A transport that connects through an HTTP proxy.
    ///
    /// # Errors
    /// As [`ReqwestTransport::new`], and for what is no address of a proxy. One with a user or password is refused.
    pub fn through_proxy(proxy: &Url) -> Result<Self> {
        if !proxy.username().is_empty() || proxy.password().is_some() {
            return Err(Error::invalid("proxy", "expected an address without user and password"));
        }
        let proxy = Proxy::all(proxy.clone()).map_err(|error| {
            Error::invalid("proxy", "expected the address of a proxy").with_source(error.without_url())
        })?;
        Self::build(reqwest::Client::builder().no_proxy().proxy(proxy))
    }

    fn build(builder: ClientBuilder) -> Result<Self> {
        let client = builder
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build();
        match client {
            Ok(client) => Ok(Self(client)),
            Err(error) => Err(Error::invalid("transport", "the HTTP client cannot be built").with_source(error)),
        }
    }
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReqwestTransport")
    }
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(&self, request: Request) -> Result<Reply> {
        let mut outgoing = reqwest::Request::new(request.method, request.url);
        *outgoing.headers_mut() = request.headers;
        *outgoing.timeout_mut() = Some(request.timeout);
        if !request.body.is_empty() {
            *outgoing.body_mut() = Some(request.body.into());
        }
        let mut response = self.0.execute(outgoing).await.map_err(to_error)?;
        let headers = std::mem::take(response.headers_mut());
        let status = response.status();
        Ok(Reply::new(status).headers(headers).body(read_body(response, request.body_limit).await?))
    }
}

/// The length that is announced is only the first check: it may be missing, and gzip makes more of it.
async fn read_body(mut response: Response, limit: usize) -> Result<Bytes> {
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(to_error)? {
        if chunk.len() > limit - body.len() {
            return Err(too_large(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

fn too_large(limit: usize) -> Error {
    Error::unexpected(format!("the answer is larger than the limit of {limit} bytes; ask for less at once"))
}

/// reqwest's errors name the URL, and its query may hold what nobody should read.
fn to_error(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let mapped = if error.is_builder() {
        Error::invalid("request", "it cannot be sent as it is").not_applied()
    } else if error.is_connect() {
        let kind = if error.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Unavailable };
        Error::new(kind, "no connection to the server").not_applied()
    } else if error.is_timeout() {
        Error::new(ErrorKind::Timeout, "no complete answer in time")
    } else {
        Error::new(ErrorKind::Unavailable, "the connection broke before the answer was complete")
    };
    mapped.with_context("cause", root_cause(&error)).with_source(error)
}

fn root_cause(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
