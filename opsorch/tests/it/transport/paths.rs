//! Whatever an id holds, it stays one segment of the path.

use opsorch::ErrorKind;
use opsorch::transport::{Client, Path, Reply, StatusCode};
use proptest::prelude::*;

use super::server::{RawServer, Then};
use super::{Scripted, client, cx};

async fn address(base: &str, path: impl Into<Path>) -> String {
    let transport = Scripted::new([Reply::new(StatusCode::OK)]);
    let client = Client::new(transport.clone(), base.parse().unwrap()).unwrap();
    client.get(path).send(&cx()).await.unwrap();
    transport.sent()[0].url.to_string()
}

#[tokio::test]
async fn the_path_of_the_base_is_kept() {
    for base in ["https://h/prefix", "https://h/prefix/"] {
        for path in ["api/v1/query", "/api/v1/query", "api/v1/query/", "/api/v1/query/"] {
            assert_eq!(address(base, path).await, "https://h/prefix/api/v1/query");
        }
        assert_eq!(address(base, ["incidents", "P1"]).await, "https://h/prefix/incidents/P1");
        assert_eq!(address(base, "").await, base);
        assert_eq!(address(base, "/").await, base);
    }
    assert_eq!(address("https://h", "x").await, "https://h/x");
    assert_eq!(address("https://h:8443/a%20b/c", "x").await, "https://h:8443/a%20b/c/x");
    assert_eq!(address("https://h", vec!["a".to_owned(), "b".to_owned()]).await, "https://h/a/b");
}

#[tokio::test]
async fn an_id_cannot_change_the_path() {
    let cases = [
        ("a/b", "a%2Fb"),
        ("../users", "..%2Fusers"),
        ("a\\..\\b", "a%5C..%5Cb"),
        ("?admin=1", "%3Fadmin%3D1"),
        ("#x", "%23x"),
        ("%2e%2e", "%252e%252e"),
        ("%", "%25"),
        ("..;", "..%3B"),
        ("...", "..."),
        (".hidden", ".hidden"),
        ("a b+c", "a%20b%2Bc"),
        ("ü-☃", "%C3%BC-%E2%98%83"),
        ("a\tb\r\nc\0", "a%09b%0D%0Ac%00"),
        ("//evil.example", "%2F%2Fevil.example"),
        ("https://evil.example", "https%3A%2F%2Fevil.example"),
        ("@evil.example", "%40evil.example"),
        (" ", "%20"),
        ("~a_b-c.d9", "~a_b-c.d9"),
    ];
    for (id, expected) in cases {
        assert_eq!(address("https://h/p", ["x", id, "y"]).await, format!("https://h/p/x/{expected}/y"));
    }
}

#[tokio::test]
async fn an_id_that_names_another_resource_is_refused() {
    let transport = Scripted::new([]);
    let client = Client::new(transport.clone(), "https://h".parse().unwrap()).unwrap();
    for id in ["", ".", ".."] {
        let error = client.delete(["x", id]).send(&cx()).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Invalid { field: "path".into() });
        assert!(!error.may_have_applied());
    }
    assert!(client.get("a//b").send(&cx()).await.is_err());
    assert!(client.get("a/../b").send(&cx()).await.is_err());
    assert!(transport.sent().is_empty());
}

/// An independent reading of percent-encoding, as a server does it.
fn decoded(segment: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => u8::from_str_radix(
                &[rest.next(), rest.next()].map(|digit| char::from(digit.unwrap())).iter().collect::<String>(),
                16,
            )
            .unwrap(),
            byte => byte,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn any_id_arrives_as_one_segment_or_is_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server =
        runtime.block_on(RawServer::start("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n", Then::Close));
    let client = client(&format!("{}/base", server.uri));
    let nasty = prop::collection::vec(
        prop::sample::select(vec!["/", "\\", ".", "..", "%", "2e", "?", "#", ";", "\n", "\0", "ü", "a", "%2F"]),
        0..6,
    );
    let id = prop_oneof![any::<String>(), nasty.prop_map(|parts| parts.concat())];

    proptest!(ProptestConfig::with_cases(200), |(id in id)| {
        let result = runtime.block_on(client.get(["ids", &id, "notes"]).send(&cx()));
        let lines = server.take_lines();
        if matches!(id.as_str(), "" | "." | "..") {
            prop_assert!(result.is_err() && lines.is_empty());
        } else {
            prop_assert!(result.is_ok());
            let path = lines[0].strip_prefix("GET ").and_then(|line| line.strip_suffix(" HTTP/1.1")).unwrap();
            let segments: Vec<&str> = path.split('/').collect();
            prop_assert_eq!(segments.len(), 5);
            prop_assert_eq!(&segments[..3], &["", "base", "ids"]);
            prop_assert_eq!(decoded(segments[3]), id);
            prop_assert_eq!(segments[4], "notes");
        }
    });
}
