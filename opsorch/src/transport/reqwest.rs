//! HTTP over reqwest and rustls.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, Identity, Proxy, Response};
use url::Url;

use super::{Bytes, Reply, Request, Tls, Transport};
use crate::secret::Secret;
use crate::{Error, ErrorKind, Result};

const USER_AGENT: &str = concat!("opsorch/", env!("CARGO_PKG_VERSION"));

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections to one host that are kept open for the next request.
const IDLE_CONNECTIONS: usize = 16;

/// Ways to do TLS whose connections are kept: one for each vendor with its own, and what rotation leaves behind.
const TLS_CLIENTS: usize = 64;

/// The transport for production: HTTP/1.1 and HTTP/2 over rustls, with the certificates that the system trusts.
///
/// Names itself `opsorch/VERSION`, gives up connecting after 10 s and accepts gzip. Connections are pooled and shared
/// by clones. It reads no proxy from the environment: [`ReqwestTransport::through_proxy`] is told of one.
///
/// Each distinct [`Tls`] has connections of its own; those of the 64 that were used last are kept. A request with one is
/// refused for an `http` address, and through a proxy that is itself reached over `https`, which would be shown the
/// certificate.
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
pub struct ReqwestTransport {
    client: reqwest::Client,
    proxy: Option<Url>,
    /// reqwest does TLS one way per client; the one used last is at the end.
    with_tls: Arc<Mutex<Vec<(Tls, reqwest::Client)>>>,
}

impl ReqwestTransport {
    /// A transport that connects directly.
    ///
    /// # Errors
    /// `Invalid` where the system's certificates cannot be loaded.
    pub fn new() -> Result<Self> {
        Self::build(None)
    }

    /// A transport that connects through an HTTP proxy.
    ///
    /// # Errors
    /// As [`ReqwestTransport::new`], and for what is no address of a proxy. One with a user or password is refused.
    pub fn through_proxy(proxy: &Url) -> Result<Self> {
        if !proxy.username().is_empty() || proxy.password().is_some() {
            return Err(Error::invalid("proxy", "expected an address without user and password"));
        }
        Self::build(Some(proxy.clone()))
    }

    fn build(proxy: Option<Url>) -> Result<Self> {
        let client = finish(builder(proxy.as_ref())?)?;
        Ok(Self { client, proxy, with_tls: Arc::default() })
    }

    fn client_for(&self, request: &Request) -> Result<reqwest::Client> {
        let Some(tls) = &request.tls else { return Ok(self.client.clone()) };
        if request.url.scheme() != "https" {
            return Err(Error::unsupported(
                "TLS is set up for this client; expected an address that begins with https://",
            ));
        }
        if self.proxy.as_ref().is_some_and(|proxy| proxy.scheme() == "https") {
            return Err(Error::unsupported(
                "TLS that is set up for one vendor cannot go through an https proxy; use an http proxy or none",
            ));
        }
        let mut clients = self.with_tls.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match clients.iter().position(|(known, _)| known == tls) {
            Some(index) => clients.remove(index).1,
            None => finish(with_tls(builder(self.proxy.as_ref())?, tls)?)?,
        };
        if clients.len() == TLS_CLIENTS {
            clients.remove(0);
        }
        clients.push((tls.clone(), client.clone()));
        Ok(client)
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
        let client = self.client_for(&request).map_err(Error::not_applied)?;
        let mut outgoing = reqwest::Request::new(request.method, request.url);
        *outgoing.headers_mut() = request.headers;
        *outgoing.timeout_mut() = Some(request.timeout);
        if !request.body.is_empty() {
            *outgoing.body_mut() = Some(request.body.into());
        }
        let mut response = client.execute(outgoing).await.map_err(to_error)?;
        let headers = std::mem::take(response.headers_mut());
        let status = response.status();
        Ok(Reply::new(status).headers(headers).body(read_body(response, request.body_limit).await?))
    }
}

fn builder(proxy: Option<&Url>) -> Result<ClientBuilder> {
    let builder = reqwest::Client::builder()
        .no_proxy()
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS);
    let Some(proxy) = proxy else { return Ok(builder) };
    match Proxy::all(proxy.clone()) {
        Ok(proxy) => Ok(builder.proxy(proxy)),
        Err(error) => Err(Error::invalid("proxy", "expected the address of a proxy").with_source(error.without_url())),
    }
}

fn finish(builder: ClientBuilder) -> Result<reqwest::Client> {
    builder.build().map_err(|error| Error::invalid("transport", "the HTTP client cannot be built").with_source(error))
}

fn with_tls(mut builder: ClientBuilder, tls: &Tls) -> Result<ClientBuilder> {
    if let Some(pem) = tls.identity_pem() {
        builder = builder.identity(read_identity(pem)?);
    }
    if let Some(pem) = tls.roots_pem() {
        builder = builder.tls_certs_only(read_roots(pem)?);
    }
    Ok(builder)
}

/// Whether rustls takes this identity, said where it is configured and not at the first request.
pub(super) fn check_identity(pem: &Secret) -> Result<()> {
    // Without roots, so that the system's are not loaded for this.
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]).identity(read_identity(pem)?);
    match builder.build() {
        Ok(_) => Ok(()),
        Err(error) => {
            let message = "expected the client's own certificate before those of its chain, and the private key of it";
            Err(Error::invalid("identity", message).with_context("cause", root_cause(&error)))
        }
    }
}

/// Whether rustls takes these authorities.
pub(super) fn check_roots(pem: &str) -> Result<()> {
    match reqwest::Client::builder().no_proxy().tls_certs_only(read_roots(pem)?).build() {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::invalid("roots", "it holds something that is no X.509 certificate")),
    }
}

fn read_identity(pem: &Secret) -> Result<Identity> {
    Identity::from_pem(pem.expose().as_bytes()).map_err(|_| {
        Error::invalid(
            "identity",
            "expected certificates and one private key, each whole from its BEGIN to its END line",
        )
    })
}

fn read_roots(pem: &str) -> Result<Vec<Certificate>> {
    Certificate::from_pem_bundle(pem.as_bytes())
        .map_err(|_| Error::invalid("roots", "expected certificates, each whole from its BEGIN to its END line"))
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
