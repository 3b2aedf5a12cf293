//! Servers that break, stall, lie or talk too much.

use std::time::Duration;

use opsorch::{Error, ErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::server::{RawServer, Then};
use super::{client, cx};

const MEGABYTE: usize = 1024 * 1024;

async fn error_of(answer: impl Into<Vec<u8>>, then: Then) -> Error {
    let server = RawServer::start(answer, then).await;
    let error = client(&server.uri)
        .timeout(Duration::from_millis(200))
        .post("x")
        .query(&[("q", "canary")])
        .send(&cx())
        .await
        .unwrap_err();
    let shown = format!("{error} {error:?} {error:#?}");
    assert!(!shown.contains("canary") && !shown.contains("http://"), "{shown}");
    assert!(shown.contains("/x"), "{shown}");
    assert_eq!(server.take_lines(), ["POST /x?q=canary HTTP/1.1"], "one call sends one request");
    error
}

#[tokio::test]
async fn a_refused_connection_did_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = client(&format!("http://{address}")).post("x").query(&[("q", "canary")]).send(&cx()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unavailable);
    assert!(!error.may_have_applied() && error.is_retryable());
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

#[tokio::test]
async fn a_failed_tls_handshake_did_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer_in_clear = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        // The client's greeting, and its end of the connection.
        _ = stream.read_to_end(&mut Vec::new()).await;
    };
    let client = client(&format!("https://{address}"));
    let cx = cx();
    let (result, ()) = tokio::join!(client.post("x").send(&cx), answer_in_clear);
    let error = result.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unavailable);
    assert!(!error.may_have_applied(), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_ends_early_leaves_the_outcome_open() {
    let cases = [
        "",
        "HTTP/1.1 2",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n",
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 8\r\n\r\nnot gzip",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "\0\x01\x02garbage\r\n\r\n",
    ];
    for answer in cases {
        let error = error_of(answer, Then::Close).await;
        assert_eq!(error.kind(), &ErrorKind::Unavailable, "{answer}");
        assert!(error.may_have_applied(), "{answer}");
    }
}

#[tokio::test]
async fn silence_and_trickle_end_at_the_timeout() {
    let trickle = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
    for (answer, then) in
        [("", Then::Hang), ("HTTP/1.1 200 OK\r\n", Then::Hang), (trickle, Then::Hang), (trickle, Then::Trickle)]
    {
        let error = error_of(answer, then).await;
        assert_eq!(error.kind(), &ErrorKind::Timeout, "{answer}");
        assert!(error.may_have_applied());
    }
}

#[tokio::test]
async fn an_answer_above_the_limit_is_refused_however_it_is_announced() {
    let body = "x".repeat(10 * MEGABYTE);
    let announced = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    let until_close = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
    let chunked =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    // The first is refused by its announcement: its body never comes.
    for (answer, then) in [(announced, Then::Hang), (until_close, Then::Close), (chunked, Then::Close)] {
        let server = RawServer::start(answer, then).await;
        let error = client(&server.uri).get("x").send(&cx()).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Unexpected);
        assert!(error.message().contains("larger than the limit of 8388608 bytes"), "{error}");
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn an_answer_of_exactly_the_limit_is_read() {
    for head in ["HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"] {
        let server = RawServer::start(format!("{head}{}", "x".repeat(100)), Then::Close).await;
        assert_eq!(client(&server.uri).body_limit(100).get("x").send(&cx()).await.unwrap().body.len(), 100);
        assert!(client(&server.uri).body_limit(99).get("x").send(&cx()).await.is_err());
    }
}

#[tokio::test]
async fn a_small_gzip_that_becomes_large_is_refused() {
    let bomb = gzip_of_zeros(10 * MEGABYTE);
    assert!(bomb.len() < 128 * 1024);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
    let server = RawServer::start([head.as_bytes(), &bomb].concat(), Then::Close).await;
    let error = client(&server.uri).get("x").send(&cx()).await.unwrap_err();
    assert!(error.message().contains("larger than the limit"), "{error}");
}

/// One zero, then copies of 258 bytes from one byte back: fixed Huffman codes (RFC 1951, section 3.2.6).
fn gzip_of_zeros(length: usize) -> Vec<u8> {
    let mut bits = vec![true, true, false];
    bits.extend([false, false, true, true, false, false, false, false]);
    for _ in 0..length / 258 {
        bits.extend([true, true, false, false, false, true, false, true]);
        bits.extend([false; 5]);
    }
    let packed =
        bits.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |sum, (index, bit)| sum | u8::from(*bit) << index));
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff".iter().copied().chain(packed).collect()
}
