//! A control plane over a vendor in memory, and two ways to call it: over a socket, and without.

use axum::body::Body;
use opsorch::gate::{Decision, Policy};
use opsorch::http::{Authentication, Options, Role, Server, router_with};
use opsorch::secret::Secret;
use opsorch::transport::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use opsorch::{Action, Builder, Context, ManualClock, OpsOrch, Target};
use opsorch_testkit::MemoryProvider;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tower::ServiceExt;

/// The shared credential of these tests.
pub(crate) const TOKEN: &str = "a-shared-credential-of-a-test";

pub(crate) struct World {
    pub(crate) ops: OpsOrch,
    pub(crate) vendor: MemoryProvider,
    pub(crate) clock: ManualClock,
}

impl World {
    /// One vendor that offers everything, and a policy that allows everything.
    pub(crate) async fn new() -> Self {
        Self::with(allow, |builder| builder).await
    }

    pub(crate) async fn with(policy: impl Policy, adjust: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = ManualClock::default();
        let vendor = MemoryProvider::seeded(7, clock.clone());
        let builder = OpsOrch::builder().provider(vendor.provider("tracker")).policy(policy).clock(clock.clone());
        let ops = adjust(builder).build().await.expect("it is valid");
        Self { ops, vendor, clock }
    }

    /// A router that lets everybody in.
    pub(crate) fn open(&self) -> Api {
        self.api(Authentication::builder().allow_anonymous(Role::Admin).build().unwrap(), Options::new())
    }

    /// A router that asks for the shared credential.
    pub(crate) fn closed(&self) -> Api {
        self.api(shared(), Options::new())
    }

    pub(crate) fn api(&self, auth: Authentication, options: Options) -> Api {
        Api(router_with(&self.ops, auth, options))
    }
}

pub(crate) fn shared() -> Authentication {
    Authentication::builder().bearer_token(Secret::new(TOKEN)).build().unwrap()
}

pub(crate) fn allow(_: &Context, _: &Target, _: &Action) -> Decision {
    Decision::allow("a test")
}

/// A router, called without a socket.
#[derive(Clone)]
pub(crate) struct Api(pub(crate) axum::Router);

impl Api {
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Reply {
        self.send(Method::POST, path, &[], body).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.0.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        // A stream of events does not end by itself.
        let is_stream = parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let body = if is_stream { Body::empty() } else { body };
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Reply { status: parts.status, headers: parts.headers, body: body.to_vec() }
    }

    /// Serves it on a free port of the loopback.
    pub(crate) async fn serve(&self) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(Server::new(listener, self.0.clone()).run(std::future::pending()));
        Running { address, task }
    }
}

/// A server that runs, called byte for byte.
pub(crate) struct Running {
    pub(crate) address: String,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Reply {
        self.send("POST", path, &[], body).await
    }

    /// Sends exactly this, with a Host header unless one is given.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        Reply::parse(&answer)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn parse(answer: &[u8]) -> Self {
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head ends");
        let head = std::str::from_utf8(&answer[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        Self { status, headers, body: answer[end + 4..].to_vec() }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Fails unless it is this status; shows the body.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    /// Fails unless it is an error of OpsOrch's form.
    #[track_caller]
    pub(crate) fn expect_error(&self, status: u16, code: &str, message: &str) {
        self.expect(status);
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(self.text(), format!("{{\"code\":\"{code}\",\"message\":\"{message}\"}}\n"));
    }
}
