//! Which redirects are followed, and what another origin is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use opsorch::secret::Secret;
use opsorch::transport::{Auth, Client, HeaderValue, Method, Reply, Request, StatusCode, Transport};
use opsorch::{Error, ErrorKind, Result};
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{Scripted, client, cx};

fn to(location: &str) -> Reply {
    redirect(302, location)
}

fn redirect(status: u16, location: &str) -> Reply {
    let headers = [("location".parse().unwrap(), location.parse().unwrap())].into_iter().collect();
    Reply::new(StatusCode::from_u16(status).unwrap()).headers(headers)
}

fn scripted(base: &str, replies: impl IntoIterator<Item = Reply>) -> (Arc<Scripted>, Client) {
    let transport = Scripted::new(replies);
    let client = Client::new(transport.clone(), base.parse().unwrap()).unwrap();
    (transport, client.auth(Auth::bearer(Secret::new("canary"))).unwrap())
}

async fn redirecting(status: u16, location: &str) -> MockServer {
    let server = MockServer::start().await;
    let response = ResponseTemplate::new(status).insert_header("location", location);
    Mock::given(path("/old")).respond_with(response).mount(&server).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    server
}

#[tokio::test]
async fn the_same_origin_gets_everything_again() {
    for (status, method) in [(301, "GET"), (302, "GET"), (303, "HEAD"), (307, "POST"), (308, "PATCH"), (308, "GET")] {
        let server = redirecting(status, "/new?page=2#top").await;
        let client = client(&server.uri()).auth(Auth::bearer(Secret::new("t0k"))).unwrap();
        let method: Method = method.parse().unwrap();
        let request = client.request(method.clone(), "old").header("cookie", "a=b").body("text/plain", "body");
        request.send(&cx()).await.unwrap();

        let requests = server.received_requests().await.unwrap();
        let [first, second] = requests.as_slice() else { panic!("{requests:?}") };
        assert_eq!((second.url.path(), second.url.query()), ("/new", Some("page=2")));
        assert_eq!(second.method, method);
        assert_eq!(second.body, first.body);
        for name in ["authorization", "cookie", "content-type", "accept"] {
            assert_eq!(second.headers[name], first.headers[name], "{status} {name}");
        }
    }
}

#[tokio::test]
async fn another_origin_gets_no_credential_no_body_and_no_header_of_the_vendors() {
    let other = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_string("{}")).mount(&other).await;
    for status in [301, 302, 303, 307, 308] {
        let server = redirecting(status, &format!("{}/signed?sig=1", other.uri())).await;
        let client = client(&server.uri())
            .auth(Auth::basic("user", Secret::new("canary")))
            .and_then(|client| client.auth(Auth::header("dd-api-key", Secret::new("canary"))))
            .and_then(|client| client.header("x-vendor", "canary"))
            .and_then(|client| client.header("cookie", "canary"))
            .unwrap();
        client.get("old").body("text/plain", "canary").header("x-request", "canary").send(&cx()).await.unwrap();
    }
    let requests = other.received_requests().await.unwrap();
    assert_eq!(requests.len(), 5);
    for request in requests {
        assert!(!format!("{:?}", request.headers).contains("canary"), "{:?}", request.headers);
        assert!(request.body.is_empty());
        assert_eq!(request.headers["accept"], "application/json");
        assert_eq!(request.url.query(), Some("sig=1"));
    }
}

#[tokio::test]
async fn scheme_host_and_port_make_an_origin() {
    let cases = [
        ("https://h/a", true),
        ("https://h:443/a", true),
        ("https://H/a", true),
        ("/a", true),
        ("a?b=c", true),
        ("//h/a", true),
        ("https://h:8443/a", false),
        ("https://h.evil.example/a", false),
        ("//evil.example/a", false),
        ("https://x.h/a", false),
        ("\\\\evil.example/a", false),
    ];
    for (location, same) in cases {
        let (transport, client) = scripted("https://h", [to(location), Reply::new(StatusCode::OK)]);
        client.get("x").send(&cx()).await.unwrap();
        assert_eq!(transport.sent()[1].headers.contains_key("authorization"), same, "{location}");
    }
    let (transport, client) = scripted("http://h", [to("https://h/x"), Reply::new(StatusCode::OK)]);
    client.get("x").send(&cx()).await.unwrap();
    assert!(!transport.sent()[1].headers.contains_key("authorization"), "a scheme more secure is another origin too");
}

#[tokio::test]
async fn what_was_dropped_stays_dropped_on_the_way_back() {
    let (transport, client) =
        scripted("https://h", [to("https://other/"), to("https://h/y"), Reply::new(StatusCode::OK)]);
    client.get("x").send(&cx()).await.unwrap();
    assert!(!transport.sent()[2].headers.contains_key("authorization"));
}

#[tokio::test]
async fn a_change_is_not_turned_into_a_read_and_does_not_leave_its_origin() {
    let elsewhere = "https://other/new?sig=canary";
    let cases =
        [(301, "/new"), (302, "/new"), (303, "/new"), (307, elsewhere), (308, elsewhere), (307, "http://h/new")];
    for (status, location) in cases {
        let (transport, client) = scripted("https://h", [redirect(status, location)]);
        let error = client.post("x").body("text/plain", "body").send(&cx()).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Unexpected, "{status} {location}");
        assert!(error.may_have_applied());
        assert!(error.to_string().contains("this redirect is not followed"), "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        assert_eq!(transport.sent().len(), 1);
    }
}

#[tokio::test]
async fn five_redirects_are_followed_and_no_more() {
    let hops = |count: usize| (1..=count).map(|hop| to(&format!("/{hop}"))).chain([Reply::new(StatusCode::OK)]);
    let (transport, client) = scripted("https://h", hops(5));
    client.get("x").send(&cx()).await.unwrap();
    assert_eq!(transport.sent().len(), 6);

    let (transport, client) = scripted("https://h", hops(6));
    let error = client.get("x").send(&cx()).await.unwrap_err();
    assert!(error.message().contains("more than 5 times"), "{error}");
    assert_eq!(transport.sent().len(), 6);
}

#[tokio::test]
async fn a_redirect_that_leads_nowhere_is_an_error_that_hides_the_query() {
    let no_location = Reply::new(StatusCode::FOUND);
    let not_utf8 = {
        let value = HeaderValue::from_bytes(b"/\xff").unwrap();
        Reply::new(StatusCode::FOUND).headers([("location".parse().unwrap(), value)].into_iter().collect())
    };
    let cases = [
        (vec![no_location], "without saying where"),
        (vec![not_utf8], "no address"),
        (vec![to("https://[nonsense?sig=canary")], "no address"),
        (vec![to("https://")], "no address"),
        (vec![to("ftp://h/x?sig=canary")], "not http or https"),
        (vec![to("javascript:canary")], "not http or https"),
        (vec![to("http://h/x?sig=canary")], "from https to http"),
        (vec![to("https://user:canary@h/y")], "with credentials"),
        (vec![to("/x")], "in a loop"),
        (vec![to("/y?sig=canary"), to("/z"), to("/y?sig=canary")], "in a loop"),
        (vec![to("/y/canary?sig=canary"), to("/y/canary?sig=canary")], "in a loop"),
    ];
    for (replies, expected) in cases {
        let count = replies.len();
        let (transport, client) = scripted("https://h", replies);
        let error = client.get("x").send(&cx()).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Unexpected, "{expected}");
        assert!(error.message().contains(expected), "{expected}: {error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        assert_eq!(transport.sent().len(), count, "{expected}");
    }
}

/// Redirects once, and then cannot be reached.
#[derive(Debug, Default)]
struct Vanishing(AtomicBool);

#[async_trait]
impl Transport for Vanishing {
    async fn send(&self, _: Request) -> Result<Reply> {
        match self.0.swap(true, Ordering::Relaxed) {
            false => Ok(redirect(307, "/new")),
            true => Err(Error::new(ErrorKind::Unavailable, "no connection").not_applied()),
        }
    }
}

#[tokio::test]
async fn a_change_that_one_server_saw_may_have_applied_although_the_next_was_not_reached() {
    let client = || Client::new(Arc::new(Vanishing::default()), "https://h".parse().unwrap()).unwrap();
    assert!(client().post("x").send(&cx()).await.unwrap_err().may_have_applied());
    assert!(!client().get("x").send(&cx()).await.unwrap_err().may_have_applied());
}

#[tokio::test(start_paused = true)]
async fn redirects_share_the_time_of_one_request() {
    let (transport, client) = scripted("https://h", [to("/y")]);
    let start = tokio::time::Instant::now();
    let error = client.timeout(std::time::Duration::from_secs(3)).get("x").send(&cx()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Timeout);
    assert_eq!((start.elapsed().as_secs(), transport.sent().len()), (3, 2));
}
