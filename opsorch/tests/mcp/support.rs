//! A control plane over a vendor in memory, and clients that speak both generations of the protocol over both transports.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use opsorch::gate::{Decision, Policy};
use opsorch::http::{ApiKey, Authentication, Options, Role};
use opsorch::mcp::McpServer;
use opsorch::transport::StatusCode;
use opsorch::{Action, Actor, Alert, AlertStatusLevel, Builder, Context, ManualClock, OpsOrch, SeverityLevel, Target};
use opsorch_testkit::MemoryProvider;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;
use tower::ServiceExt;

pub(crate) const LEGACY: &str = "2025-11-25";
pub(crate) const MODERN: &str = "2026-07-28";

pub(crate) struct World {
    pub(crate) ops: OpsOrch,
    pub(crate) vendor: MemoryProvider,
}

impl World {
    /// One vendor that offers everything, and a policy that allows everything.
    pub(crate) async fn new() -> Self {
        Self::with(allow, |builder| builder).await
    }

    pub(crate) async fn with(policy: impl Policy, adjust: impl FnOnce(Builder) -> Builder) -> Self {
        let vendor = vendor();
        let builder = OpsOrch::builder().provider(vendor.provider("tracker")).policy(policy);
        let builder = builder.clock(ManualClock::default());
        let ops = adjust(builder).build().await.expect("it is valid");
        Self { ops, vendor }
    }

    /// A client over HTTP who is this actor.
    pub(crate) fn http(&self, actor: Actor, version: &'static str) -> Http {
        let (secret, key) = ApiKey::generate(actor).unwrap();
        let auth = Authentication::builder().api_key(key).build().unwrap();
        let router = McpServer::new(&self.ops).router(auth, Options::new());
        Http { router, token: Some(secret.expose().to_owned()), version, next: AtomicU64::new(1) }
    }

    /// An admin over HTTP, by the newest revision.
    pub(crate) fn admin(&self) -> Http {
        self.http(user(Role::Admin), MODERN)
    }
}

/// The vendor, at a time that does not pass.
pub(crate) fn vendor() -> MemoryProvider {
    let vendor = MemoryProvider::seeded(7, ManualClock::default());
    vendor.seed_alert(Alert::new("alert-1", "disk full", AlertStatusLevel::Firing, SeverityLevel::High));
    vendor
}

pub(crate) fn allow(_: &Context, _: &Target, _: &Action) -> Decision {
    Decision::allow("a test")
}

/// A person named after a role.
pub(crate) fn user(role: Role) -> Actor {
    Actor::user(role.name()).role(role)
}

/// What every client does.
#[allow(async_fn_in_trait)]
pub(crate) trait Client {
    /// Sends a request, and returns the answer: a message of JSON-RPC.
    async fn send(&mut self, method: &str, params: Value) -> Value;

    /// The result of a request.
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        let answer = self.send(method, params).await;
        answer.get("result").cloned().unwrap_or_else(|| panic!("{method}: {answer}"))
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Called {
        Called(self.ask("tools/call", json!({ "name": tool, "arguments": arguments })).await)
    }

    async fn tools(&mut self) -> Vec<Value> {
        self.ask("tools/list", json!({})).await["tools"].as_array().unwrap().clone()
    }

    async fn tool_names(&mut self) -> Vec<String> {
        self.tools().await.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// The result of a call.
#[derive(Debug)]
pub(crate) struct Called(pub(crate) Value);

impl Called {
    /// The data of a call that went well.
    #[track_caller]
    pub(crate) fn data(&self) -> &Value {
        assert!(!self.is_error(), "{}", self.0);
        &self.0["structuredContent"]
    }

    pub(crate) fn is_error(&self) -> bool {
        self.0["isError"] == true
    }

    /// The problem of a call that failed.
    #[track_caller]
    pub(crate) fn problem(&self) -> Value {
        assert!(self.is_error(), "{}", self.0);
        serde_json::from_str(self.0["content"][0]["text"].as_str().unwrap()).unwrap()
    }

    /// All texts.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.0["content"].as_array().unwrap().iter().map(|block| block["text"].as_str().unwrap()).collect()
    }
}

/// What a request carries by itself since 2026-07-28.
fn modern(params: Value) -> Value {
    let Value::Object(mut params) = params else { panic!("params are an object") };
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": { "name": "a test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    params.insert("_meta".into(), meta);
    Value::Object(params)
}

pub(crate) fn hello() -> Value {
    json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "a test", "version": "1" } })
}

/// A client over HTTP, without a socket.
pub(crate) struct Http {
    pub(crate) router: axum::Router,
    pub(crate) token: Option<String>,
    pub(crate) version: &'static str,
    next: AtomicU64,
}

impl Http {
    /// Sends a request with these headers beside, or in place of, those it has by itself.
    pub(crate) async fn raw(&self, method: &str, params: Value, headers: &[(&str, &str)]) -> (StatusCode, String) {
        let params = if self.version == MODERN { modern(params) } else { params };
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let mut own = Map::from_iter([
            ("accept".to_owned(), json!("application/json, text/event-stream")),
            ("content-type".to_owned(), json!("application/json")),
            ("host".to_owned(), json!("localhost:7070")),
        ]);
        if let Some(token) = &self.token {
            own.insert("authorization".into(), format!("Bearer {token}").into());
        }
        if method != "initialize" {
            own.insert("mcp-protocol-version".into(), self.version.into());
        }
        if self.version == MODERN {
            own.insert("mcp-method".into(), method.into());
            let name = params.get("name").or_else(|| params.get("uri"));
            own.extend(name.map(|name| ("mcp-name".to_owned(), name.clone())));
        }
        own.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        let mut request = http::Request::builder().method("POST").uri("/mcp");
        for (name, value) in &own {
            request = request.header(name, value.as_str().unwrap());
        }
        self.pass(request.body(Body::from(message.to_string())).unwrap()).await
    }

    pub(crate) async fn pass(&self, request: http::Request<Body>) -> (StatusCode, String) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

impl Client for Http {
    async fn send(&mut self, method: &str, params: Value) -> Value {
        let (status, text) = self.raw(method, params, &[]).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status}: {error}: {text}"))
    }
}

/// A client on the other end of a stream, as one on stdin and stdout is.
pub(crate) struct Stream {
    input: WriteHalf<DuplexStream>,
    output: Lines<BufReader<ReadHalf<DuplexStream>>>,
    version: &'static str,
    next: u64,
    _server: JoinHandle<opsorch::Result<()>>,
}

impl Stream {
    /// Connects, as this revision has it.
    pub(crate) async fn connect(ops: &OpsOrch, actor: Actor, version: &'static str) -> Self {
        let (ours, theirs) = tokio::io::duplex(1024 * 1024);
        let (reader, writer) = tokio::io::split(theirs);
        let server = McpServer::new(ops);
        let server = tokio::spawn(async move { server.serve(actor, reader, writer).await });
        let (output, input) = tokio::io::split(ours);
        let mut client = Self { input, output: BufReader::new(output).lines(), version, next: 1, _server: server };
        if version == LEGACY {
            client.ask("initialize", hello()).await;
            client.write(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        }
        client
    }

    async fn write(&mut self, message: &Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }
}

impl Client for Stream {
    async fn send(&mut self, method: &str, params: Value) -> Value {
        let params = if self.version == MODERN { modern(params) } else { params };
        let id = self.next;
        self.next += 1;
        self.write(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        let line = self.output.next_line().await.unwrap().expect("the server answers");
        let answer: Value = serde_json::from_str(&line).expect("nothing but the protocol");
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(id)), "{line}");
        answer
    }
}
