//! A server for the router: for those who have none of their own.

mod idle;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use self::idle::{Activity, Watched};
use super::Authentication;
use super::places::{Place, Places};
use crate::{Error, ErrorKind, Result};

/// The port where none is given, as OpsOrch's.
const DEFAULT_PORT: u16 = 8080;

/// How long a client may take for a TLS handshake, or for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// The most connections at once; the next one waits.
const MOST_CONNECTIONS: usize = 1024;

/// The most connections of one address at once; the next one is closed. The machine's own are not counted: behind a proxy all
/// come from there.
const MOST_CONNECTIONS_EACH: usize = 256;

/// The largest head of a request, in bytes.
const LARGEST_HEAD: usize = 64 * 1024;

/// The most requests at once on a connection of HTTP/2.
const MOST_STREAMS: u32 = 100;

/// How long to wait when the system has no more connections to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds the address to serve on: `127.0.0.1:9090`, or `:8080` for all of the machine's, as OpsOrch writes it.
///
/// Without an address it is port 8080 of all of them; but where callers need no credential, of the loopback alone.
///
/// # Errors
/// `Invalid` for what is no address, `Unavailable` if it cannot be bound.
pub async fn listen(address: Option<&str>, auth: &Authentication) -> Result<TcpListener> {
    let addresses = addresses(address, auth.allows_anonymous())?;
    let unavailable = |error: io::Error| {
        let message = format!("the address cannot be bound: {error}");
        Error::new(ErrorKind::Unavailable, message).with_context("address", address.unwrap_or("the default"))
    };
    TcpListener::bind(&*addresses).await.map_err(unavailable)
}

fn addresses(address: Option<&str>, lets_everybody_in: bool) -> Result<Vec<SocketAddr>> {
    match address.map(str::trim).filter(|address| !address.is_empty()) {
        Some(address) => parse(address),
        None if lets_everybody_in => Ok(vec![SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT))]),
        None => Ok(every_address(DEFAULT_PORT)),
    }
}

fn parse(address: &str) -> Result<Vec<SocketAddr>> {
    let port_alone = address.strip_prefix(':').and_then(|port| port.parse().ok()).map(every_address);
    port_alone.or_else(|| address.parse().ok().map(|address| vec![address])).ok_or_else(|| {
        let message = format!("expected an address such as 127.0.0.1:8080 or :8080, got {address:?}");
        Error::invalid("address", message)
    })
}

/// Where there is IPv6 it serves IPv4 too.
fn every_address(port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::from(([0; 16], port)), SocketAddr::from(([0, 0, 0, 0], port))]
}

/// The certificate and the key that a server shows.
#[derive(Clone)]
pub struct ServerTls(Arc<ServerConfig>);

impl ServerTls {
    /// Reads a certificate chain, the server's own first, and its private key, both in PEM.
    ///
    /// # Errors
    /// `Invalid` for a file that cannot be read, that is no PEM, or a key of another certificate.
    pub fn from_files(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        let (certificate, key) = (certificate.as_ref(), key.as_ref());
        let bad = |field: &'static str, path: &Path| {
            let file = path.display().to_string();
            move |error: &dyn fmt::Display| Error::invalid(field, error.to_string()).with_context("file", file)
        };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
            .map_err(|error| bad("tls.certificate", certificate)(&error))?;
        if chain.is_empty() {
            return Err(bad("tls.certificate", certificate)(&"expected a certificate in PEM, got none"));
        }
        let private =
            PrivateKeyDer::from_pem_file(key).map_err(|_| bad("tls.key", key)(&"expected a private key in PEM"))?;
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
        let mut config = config.map_err(|error| bad("tls", certificate)(&error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}

/// Serves a router on a listener, until it is told to stop.
///
/// ```no_run
/// use opsorch::http::{self, Authentication, Server};
/// # async fn example(
/// #     ops: opsorch::OpsOrch, auth: Authentication, stop: impl Future<Output = ()>, // such as tokio::signal::ctrl_c()
/// # ) -> opsorch::Result<()> {
/// let listener = http::listen(None, &auth).await?;
/// Server::new(listener, http::router(&ops, auth)).run(stop).await;
/// ops.idle().await; // changes that had begun have their outcome
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a server does nothing until it runs"]
pub struct Server {
    listener: TcpListener,
    router: Router,
    tls: Option<ServerTls>,
    grace: Duration,
    idle: Duration,
    most_each: usize,
}

impl Server {
    /// Serves this router on this listener.
    pub fn new(listener: TcpListener, router: Router) -> Self {
        let (grace, idle) = (Duration::from_secs(30), Duration::from_secs(5 * 60));
        Self { listener, router, tls: None, grace, idle, most_each: MOST_CONNECTIONS_EACH }
    }

    /// Serves over TLS alone.
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets how long requests may go on when the server is told to stop: 30 s without a call.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets how long a connection may be open without a byte in either direction: 5 minutes without a call. It must be more than a
    /// request may take ([`Options::timeout`](super::Options::timeout)).
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Sets how many of the 1024 connections one address may have, or one network (/64) of IPv6: 256 without a call. Those of the
    /// machine itself are not counted; a proxy elsewhere may need more.
    pub fn connections_of_one_address(mut self, most: usize) -> Self {
        self.most_each = most;
        self
    }

    /// Serves until `stop` is done; then takes no connection more, lets the requests that are being answered end, and cuts
    /// off what is left after the [grace](Self::grace). Dropping this future ends everything at once.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let accept = Accept { router: self.router, tls: self.tls, graceful: GracefulShutdown::new(), idle: self.idle };
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let peers = Places::new(usize::MAX, self.most_each);
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let (stream, held) = tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                accepted = next(&self.listener, &places, &peers) => accepted,
            };
            connections.spawn(accept.connection(stream, held));
        }
        drop(self.listener);
        let ended = async {
            accept.graceful.shutdown().await;
            while connections.join_next().await.is_some() {}
        };
        if tokio::time::timeout(self.grace, ended).await.is_err() {
            tracing::warn!("connections were cut off that had not ended in time");
        }
    }
}

/// What a connection holds while it is open.
struct Held {
    _place: Option<OwnedSemaphorePermit>,
    _of_peer: Option<Place<IpAddr>>,
}

/// The next connection, when there is a place for it. One that is its peer's too many is closed.
async fn next(listener: &TcpListener, places: &Arc<Semaphore>, peers: &Places<IpAddr>) -> (TcpStream, Held) {
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok((stream, address)) => (stream, counted(address.ip())),
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        match peer.map(|peer| peers.take(&peer)) {
            Some(None) => tracing::debug!("a connection too many of one address was closed"),
            of_peer => return (stream, Held { _place: place, _of_peer: of_peer.flatten() }),
        }
    }
}

/// Under which address a peer's connections are counted; `None` for those of this machine.
fn counted(peer: IpAddr) -> Option<IpAddr> {
    match peer.to_canonical() {
        peer if peer.is_loopback() => None,
        IpAddr::V6(peer) => Some(Ipv6Addr::from_bits(peer.to_bits() >> 64 << 64).into()),
        peer @ IpAddr::V4(_) => Some(peer),
    }
}

/// What every connection needs.
struct Accept {
    router: Router,
    tls: Option<ServerTls>,
    graceful: GracefulShutdown,
    idle: Duration,
}

impl Accept {
    /// One connection, from its first byte to its last.
    fn connection(&self, stream: TcpStream, held: Held) -> impl Future<Output = ()> + Send + 'static {
        let (router, tls, watcher) = (self.router.clone(), self.tls.clone(), self.graceful.watcher());
        let idle = self.idle;
        async move {
            let _held = held;
            // Answers are written whole; waiting for more would only delay them.
            let _ = stream.set_nodelay(true);
            let Some(tls) = tls else { return serve(stream, false, router, watcher, idle).await };
            match tokio::time::timeout(HEAD_TIMEOUT, TlsAcceptor::from(tls.0).accept(stream)).await {
                Ok(Ok(stream)) => {
                    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    serve(stream, is_http2, router, watcher, idle).await;
                }
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        }
    }
}

async fn serve<S>(stream: S, is_http2: bool, router: Router, watcher: Watcher, idle: Duration)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(LARGEST_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        // No pings of ours: with them no connection would ever be silent.
        .max_header_list_size(u32::try_from(LARGEST_HEAD).unwrap_or(u32::MAX));
    // The protocol is known, so nobody can keep us guessing.
    let builder = if is_http2 { builder.http2_only() } else { builder.http1_only() };
    let activity = Activity::now();
    let stream = Watched { stream, activity: activity.clone() };
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::select! {
        ended = watcher.watch(connection.into_owned()) => if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        },
        () = activity.is_idle_for(idle) => tracing::debug!("a connection was closed over which nothing came"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_by_address_and_network_but_for_those_of_this_machine() {
        let counted = |peer: &str| counted(peer.parse().unwrap()).map(|peer| peer.to_string());
        for own in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(counted(own), None, "{own}");
        }
        assert_eq!(counted("192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(counted("::ffff:192.0.2.7").as_deref(), Some("192.0.2.7"), "it is the same peer");
        assert_eq!(counted("2001:db8:1:2:3:4:5:6").as_deref(), Some("2001:db8:1:2::"));
    }

    #[test]
    fn the_address_is_opsorchs_unless_nobody_needs_a_credential() {
        let shown = |address: Option<&str>, anonymous| {
            addresses(address, anonymous).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        for everything in [None, Some(""), Some("  "), Some(":8080")] {
            assert_eq!(shown(everything, false).unwrap(), ["[::]:8080", "0.0.0.0:8080"], "{everything:?}");
        }
        assert_eq!(shown(None, true).unwrap(), ["127.0.0.1:8080"]);
        assert_eq!(shown(Some(":8080"), true).unwrap(), ["[::]:8080", "0.0.0.0:8080"], "it was said");
        assert_eq!(shown(Some(" 10.0.0.7:1 "), false).unwrap(), ["10.0.0.7:1"]);
        for none in ["8080", "host:8080", ":x", ":70000", "10.0.0.7"] {
            assert!(shown(Some(none), false).is_err(), "{none}");
        }
    }
}
