//! What a client makes of a server that breaks.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use opsorch::transport::{Client, Reply, ReqwestTransport, StatusCode, Url};
use opsorch::{Error, ErrorKind};
use opsorch_testkit::{ClosedPort, FaultServer, NetworkFault};

use crate::{cx, done, failed};

/// Long enough for a busy machine, and short enough to wait for where a server never answers.
const TIMEOUT: Duration = Duration::from_millis(250);

/// Far above what any answer here takes.
const LONG: Duration = Duration::from_secs(60);

fn client(url: Url, timeout: Duration) -> Client {
    let transport = Arc::new(done(ReqwestTransport::new()));
    done(Client::new(transport, url)).timeout(timeout).body_limit(64 * 1024)
}

fn hello() -> Reply {
    Reply::new(StatusCode::OK).body(r#"{"greeting": "hello"}"#)
}

async fn server(faults: impl IntoIterator<Item = NetworkFault>) -> FaultServer {
    done(FaultServer::start(faults).await)
}

/// The errors of a GET and of a POST that both meet this fault, each sent once.
async fn errors(fault: NetworkFault, timeout: Duration) -> [Error; 2] {
    let server = server([fault.clone(), fault]).await;
    let client = client(server.url(), timeout);
    let get = failed(client.get("x").send(&cx()).await);
    let post = failed(client.post("x").json(&17).send(&cx()).await);
    let seen = server.received(2).await;
    let seen: Vec<_> = seen.iter().map(|request| (request.method.as_str(), &request.body[..])).collect();
    assert_eq!(seen, [("GET", &b""[..]), ("POST", b"17")], "each request is sent once");
    [get, post]
}

async fn assert_breaks(fault: NetworkFault, kind: ErrorKind, timeout: Duration) {
    for error in errors(fault.clone(), timeout).await {
        assert_eq!(error.kind(), &kind, "{fault:?}: {error}");
        assert!(error.may_have_applied(), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn a_broken_connection_is_unavailable_and_may_have_applied() {
    for fault in [
        NetworkFault::Reset,
        NetworkFault::ResetAfterHeaders(hello()),
        NetworkFault::CutBody(hello()),
        NetworkFault::CutChunk(hello()),
        NetworkFault::Garbage,
    ] {
        assert_breaks(fault, ErrorKind::Unavailable, LONG).await;
    }
}

#[tokio::test]
async fn a_server_that_is_too_slow_is_a_timeout_and_may_have_applied() {
    let every = Duration::from_millis(20);
    let reply = Reply::new(StatusCode::OK).body("x".repeat(10_000));
    for fault in [NetworkFault::Hang, NetworkFault::Trickle { reply, every }, NetworkFault::SlowHeaders { every }] {
        assert_breaks(fault, ErrorKind::Timeout, TIMEOUT).await;
    }
}

#[tokio::test]
async fn a_body_above_any_limit_is_not_read_to_its_end() {
    let fault = NetworkFault::HugeBody { bytes: u64::MAX };
    assert_breaks(fault, ErrorKind::Unexpected, LONG).await;
}

#[tokio::test]
async fn a_closed_port_refuses_and_nothing_was_applied() {
    let closed = done(ClosedPort::reserve());
    let client = client(closed.url(), LONG);
    for request in [client.get("x"), client.post("x")] {
        let error = failed(request.send(&cx()).await);
        assert_eq!(error.kind(), &ErrorKind::Unavailable, "{error}");
        assert!(!error.may_have_applied(), "{error}");
    }
}

#[tokio::test]
async fn faults_come_in_their_order_and_what_follows_is_said() {
    let server = server([
        NetworkFault::Answer(hello()),
        NetworkFault::Reset,
        NetworkFault::Trickle { reply: hello(), every: Duration::ZERO },
        NetworkFault::HugeBody { bytes: 20_000 },
    ])
    .await;
    let client = client(server.url(), LONG);
    assert_eq!(done(client.get("1").send(&cx()).await).body, hello().body);
    failed(client.get("2").send(&cx()).await);
    assert_eq!(done(client.get("3").send(&cx()).await).body, hello().body);
    assert_eq!(done(client.get("4").send(&cx()).await).body, vec![b' '; 20_000]);
    let error = failed(client.get("5").send(&cx()).await);
    assert!(error.to_string().contains("was told nothing for this connection"), "{error}");
}

#[tokio::test]
async fn an_answer_arrives_as_it_was_given() {
    let mut headers = opsorch::transport::HeaderMap::new();
    headers.insert("x-total", 7.into());
    headers.insert("content-length", 99.into());
    let reply = Reply::new(StatusCode::TOO_MANY_REQUESTS).headers(headers).body(vec![0, 159, 255]);
    let server = server([NetworkFault::Answer(reply)]).await;
    let reply = done(client(server.url(), LONG).get("x").send_any(&cx()).await);
    assert_eq!((reply.status, reply.header("x-total")), (StatusCode::TOO_MANY_REQUESTS, Some("7")));
    assert_eq!(reply.body, &[0, 159, 255][..]);
}

#[tokio::test]
async fn a_request_is_kept_as_it_was_sent() {
    let server = server([NetworkFault::Answer(hello())]).await;
    let body = vec![b'x'; 300_000];
    let client = client(server.url(), LONG);
    let request = client.put(["a b", "c/d"]).query(&[("q", "é&")]).header("x-note", "n");
    done(request.body("text/plain", body.clone()).send(&cx()).await);
    let [seen] = &server.requests()[..] else { panic!("one request") };
    assert_eq!(seen.method.as_str(), "PUT");
    assert_eq!((seen.url.path(), seen.url.query()), ("/a%20b/c%2Fd", Some("q=%C3%A9%26")));
    assert_eq!(seen.headers["x-note"], "n");
    assert_eq!(seen.body, body);
}

#[tokio::test]
async fn a_cancelled_request_was_seen_all_the_same() {
    let server = server([NetworkFault::Hang]).await;
    let (client, cx) = (client(server.url(), LONG), cx());
    tokio::select! {
        result = client.post("x").send(&cx) => panic!("the server hangs: {result:?}"),
        seen = server.received(1) => assert_eq!(seen[0].method.as_str(), "POST"),
    }
}

#[tokio::test]
async fn everything_ends_with_the_server() {
    let server = server([NetworkFault::Hang]).await;
    let (client, url) = (client(server.url(), LONG), server.url());
    let asking = tokio::spawn(async move { client.get("x").send(&cx()).await });
    server.received(1).await;
    drop(server);
    let error = failed(asking.await.unwrap());
    assert_eq!(error.kind(), &ErrorKind::Unavailable, "the open connection is closed: {error}");
    let error = failed(self::client(url, LONG).get("x").send(&crate::cx()).await);
    assert!(!error.may_have_applied(), "nobody listens any more: {error}");
}
