//! A server that breaks connections: what a mock of HTTP cannot do.

mod wire;

use std::collections::VecDeque;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use opsorch::transport::{Reply, Request, StatusCode, Url};
use opsorch::{Error, ErrorKind, Result};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What happens on one connection.
///
/// A duration is time of the server's runtime. Where tokio's clock is paused it moves on by itself while the test waits
/// for a socket, so that timeouts of the client fire at once: use a clock that runs, and short timeouts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NetworkFault {
    /// No fault: this answer.
    Answer(Reply),
    /// The request is read, then the connection is reset (RST).
    Reset,
    /// The status and headers of this answer are sent, then the connection is reset.
    ResetAfterHeaders(Reply),
    /// Half of this answer's body is sent, then the connection is closed as if all were well (FIN). The body must not
    /// be empty.
    CutBody(Reply),
    /// As [`NetworkFault::CutBody`], in the middle of a chunk (`Transfer-Encoding: chunked`).
    CutChunk(Reply),
    /// This answer, its body one byte at a time.
    Trickle {
        /// The answer.
        reply: Reply,
        /// The time before each byte of the body.
        every: Duration,
    },
    /// A status line, then headers, one byte at a time and without end.
    SlowHeaders {
        /// The time before each byte.
        every: Duration,
    },
    /// An answer that is no HTTP, then the end of the connection.
    Garbage,
    /// The request is read, and nothing is answered. The connection stays open.
    Hang,
    /// 200 with so many bytes of spaces, without saying how many there will be.
    HugeBody {
        /// The length of the body in bytes.
        bytes: u64,
    },
}

/// A server on a port of its own that does one [`NetworkFault`] after the other, one for each connection, and keeps the
/// requests it saw.
///
/// A connection serves one request. When no fault is left the server answers 500 and says so. Requests that are not
/// complete, that are chunked or larger than 16 MiB are not kept and not answered. Everything ends when the server is
/// dropped.
///
/// ```
/// use std::sync::Arc;
/// use opsorch::transport::{Client, Reply, ReqwestTransport, StatusCode};
/// use opsorch::{Actor, Context, ErrorKind};
/// use opsorch_testkit::{FaultServer, NetworkFault};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let fine = Reply::new(StatusCode::OK).body(r#"{"id": 7}"#);
/// let server = FaultServer::start([NetworkFault::Reset, NetworkFault::Answer(fine)]).await?;
/// let client = Client::new(Arc::new(ReqwestTransport::new()?), server.url())?;
/// let cx = Context::new(Actor::agent("test"));
///
/// let error = client.post("incidents").json(&"disk full").send(&cx).await.unwrap_err();
/// assert_eq!(error.kind(), &ErrorKind::Unavailable);
/// assert!(error.may_have_applied(), "the server read the request before it died");
/// assert!(client.get("incidents").send(&cx).await.is_ok());
///
/// let seen = server.requests();
/// assert_eq!((seen[0].method.as_str(), seen[0].url.path(), &seen[0].body[..]), ("POST", "/incidents", &b"\"disk full\""[..]));
/// assert_eq!(seen.len(), 2, "each was sent once");
/// # Ok::<(), opsorch::Error>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct FaultServer {
    address: SocketAddr,
    seen: watch::Receiver<Vec<Request>>,
    accepting: JoinHandle<()>,
}

impl FaultServer {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// `Unavailable` where there is no such port.
    pub async fn start(faults: impl IntoIterator<Item = NetworkFault>) -> Result<Self> {
        let listener = TcpListener::bind(LOOPBACK).await.map_err(no_port)?;
        let address = listener.local_addr().map_err(no_port)?;
        let (sender, seen) = watch::channel(Vec::new());
        let faults = faults.into_iter().collect();
        let accepting = tokio::spawn(accept(listener, faults, url(address), Arc::new(sender)));
        Ok(Self { address, seen, accepting })
    }

    /// The address to give to a client: `http://127.0.0.1:PORT/`.
    pub fn url(&self) -> Url {
        url(self.address)
    }

    /// The requests that were read to their end, in that order: method, address, headers and body.
    pub fn requests(&self) -> Vec<Request> {
        self.seen.borrow().clone()
    }

    /// Waits, for as long as it takes, until so many requests were read: for tests that act while the server hangs.
    pub async fn received(&self, requests: usize) -> Vec<Request> {
        let mut seen = self.seen.clone();
        let found = seen.wait_for(|seen| seen.len() >= requests).await.map(|seen| seen.clone());
        // The sender lives as long as the server's task, and that as long as `self`.
        found.unwrap_or_else(|_| self.requests())
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for FaultServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultServer")
            .field("address", &self.address)
            .field("requests", &self.seen.borrow().len())
            .finish_non_exhaustive()
    }
}

/// A port that refuses connections, and that nobody else can take as long as this lives.
///
/// ```
/// use std::sync::Arc;
/// use opsorch::transport::{Client, ReqwestTransport};
/// use opsorch::{Actor, Context};
/// use opsorch_testkit::ClosedPort;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let closed = ClosedPort::reserve()?;
/// let client = Client::new(Arc::new(ReqwestTransport::new()?), closed.url())?;
/// let error = client.post("incidents").send(&Context::new(Actor::agent("test"))).await.unwrap_err();
/// assert!(!error.may_have_applied(), "nothing was sent");
/// # Ok::<(), opsorch::Error>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ClosedPort {
    address: SocketAddr,
    /// Bound and not listening.
    _socket: TcpSocket,
}

impl ClosedPort {
    /// Takes a free port of 127.0.0.1. Needs a runtime of tokio.
    ///
    /// # Errors
    /// `Unavailable` where there is no such port.
    pub fn reserve() -> Result<Self> {
        let socket = TcpSocket::new_v4().map_err(no_port)?;
        socket.bind(LOOPBACK.into()).map_err(no_port)?;
        Ok(Self { address: socket.local_addr().map_err(no_port)?, _socket: socket })
    }

    /// The address to give to a client: `http://127.0.0.1:PORT/`.
    pub fn url(&self) -> Url {
        url(self.address)
    }
}

/// Any free port of this machine, reached from this machine only.
const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

async fn accept(
    listener: TcpListener,
    mut faults: VecDeque<NetworkFault>,
    base: Url,
    seen: Arc<watch::Sender<Vec<Request>>>,
) {
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let fault = faults.pop_front().unwrap_or_else(|| NetworkFault::Answer(nothing_left()));
        connections.spawn(serve(stream, fault, base.clone(), Arc::clone(&seen)));
    }
}

/// A client that is gone is no failure of the server: what cannot be written is dropped.
async fn serve(mut stream: TcpStream, fault: NetworkFault, base: Url, seen: Arc<watch::Sender<Vec<Request>>>) {
    if let Some(request) = wire::read(&mut stream, &base).await {
        seen.send_modify(|seen| seen.push(request));
        _ = wire::answer(stream, fault).await;
    }
}

fn nothing_left() -> Reply {
    Reply::new(StatusCode::INTERNAL_SERVER_ERROR).body("the fault server was told nothing for this connection")
}

fn url(address: SocketAddr) -> Url {
    #[allow(clippy::expect_used)] // the address of a socket is a host and a port
    format!("http://{address}").parse().expect("an address of http")
}

fn no_port(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "no port of 127.0.0.1 can be used").with_source(error)
}
