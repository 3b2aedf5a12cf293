//! What a recording holds, and what it must not.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use opsorch::secret::Secret;
use opsorch::transport::{
    Auth, Bytes, Client, HeaderMap, HeaderValue, Method, Reply, Request, StatusCode, Transport, Url,
};
use opsorch::{ErrorKind, ManualClock, Result};
use opsorch_testkit::{Cassette, Recorder, Scrub};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{cx, done, failed};

/// A vendor that answers what the test gives it, in order; with nothing left it is gone.
#[derive(Debug, Default)]
pub(crate) struct Scripted(Mutex<Vec<Reply>>);

impl Scripted {
    pub(crate) fn new(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(replies.into_iter().collect())))
    }
}

#[async_trait::async_trait]
impl Transport for Scripted {
    async fn send(&self, _: Request) -> Result<Reply> {
        let mut replies = self.0.lock().unwrap();
        if replies.is_empty() {
            return Err(opsorch::Error::new(ErrorKind::Unavailable, "gone"));
        }
        Ok(replies.remove(0))
    }
}

pub(crate) fn reply(headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Reply {
    Reply::new(StatusCode::OK).headers(headers_of(headers)).body(body)
}

pub(crate) fn request(
    method: Method,
    address: &str,
    headers: &[(&'static str, &str)],
    body: impl Into<Bytes>,
) -> Request {
    let url: Url = format!("https://api.example.org{address}").parse().unwrap();
    Request::new(method, url).headers(headers_of(headers)).body(body)
}

fn headers_of(headers: &[(&'static str, &str)]) -> HeaderMap {
    headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
}

/// A recording of these exchanges on the first day of 2026.
pub(crate) async fn record(scrub: Scrub, exchanges: impl IntoIterator<Item = (Request, Reply)>) -> Result<Cassette> {
    let (requests, replies): (Vec<_>, Vec<_>) = exchanges.into_iter().unzip();
    let recorder = Recorder::new(Scripted::new(replies), "example 1.0", scrub).clock(ManualClock::default());
    for request in requests {
        done(recorder.send(request).await);
    }
    recorder.cassette()
}

async fn recorded(scrub: Scrub, exchanges: impl IntoIterator<Item = (Request, Reply)>) -> Value {
    serde_json::from_str(&done(done(record(scrub, exchanges).await).to_json())).unwrap()
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_cassette_is_json_that_people_can_read() {
    let asked = request(
        Method::POST,
        "/search?b=2&a=1&b=1",
        &[JSON, ("Accept", "application/json"), ("x-request-id", "r-1")],
        r#"{"title": "disk full", "at": [1.5, null]}"#,
    );
    let answer = reply(&[JSON, ("date", "Thu, 01 Jan 2026 00:00:00 GMT"), ("etag", "7")], vec![0, 255]);
    let cassette = done(record(Scrub::new(), [(asked, answer)]).await);
    let expected = r#"{
  "cassette": {
    "recorded": "2026-01-01",
    "source": "example 1.0",
    "version": 1
  },
  "exchanges": [
    {
      "reply": {
        "body": {
          "base64": "AP8="
        },
        "headers": {
          "content-type": "application/json",
          "etag": "7"
        },
        "status": 200
      },
      "request": {
        "body": {
          "json": {
            "at": [
              1.5,
              null
            ],
            "title": "disk full"
          }
        },
        "headers": {
          "accept": "application/json",
          "content-type": "application/json"
        },
        "method": "POST",
        "path": "/search",
        "query": {
          "a": "1",
          "b": [
            "1",
            "2"
          ]
        }
      }
    }
  ]
}
"#;
    assert_eq!(done(cassette.to_json()), expected);
    assert_eq!(done(Cassette::parse(expected)), cassette);
}

#[tokio::test]
async fn rules_find_credentials_by_the_name_of_what_holds_them() {
    let asked = request(
        Method::POST,
        "/login?API-Key=k-12345678&page=2",
        &[
            JSON,
            ("authorization", "Bearer token-of-the-user"),
            ("dd-api-key", "dd-1234567"),
            ("x-hub-signature-256", "sha256=0badcafe"),
        ],
        r#"{"clientSecret": "cs-12345678", "user": "ada", "credentials": {"pin": 12345678, "kind": null}}"#,
    );
    let answer = reply(
        &[JSON, ("set-cookie", "session=1"), ("link", "<https://h/x?token=t-12345678&page=3>; rel=\"next\"")],
        r#"{"access_token": "token-of-the-user", "scope": "token-of-the-user as text", "next": "https://h/?sig=s%2B1&page=3"}"#,
    );
    let value = recorded(Scrub::new(), [(asked, answer)]).await;
    let exchange = &value["exchanges"][0];
    let (asked, answer) = (&exchange["request"], &exchange["reply"]);
    assert_eq!(asked["headers"]["authorization"], "Bearer <scrubbed-2>");
    assert_eq!(asked["query"]["page"], "2");
    assert_eq!(asked["body"]["json"]["user"], "ada");
    assert_eq!(asked["body"]["json"]["credentials"]["kind"], Value::Null);
    assert_eq!(answer["body"]["json"]["access_token"], "<scrubbed-2>", "one number for one value");
    assert_eq!(answer["body"]["json"]["scope"], "<scrubbed-2> as text", "what a rule found is scrubbed elsewhere too");
    assert!(answer["headers"]["link"].as_str().unwrap().ends_with("&page=3>; rel=\"next\""));
    let text = value.to_string();
    for secret in ["k-1234", "token-of", "dd-12", "0bad", "cs-12", "12345678", "session=", "t-12", "s%2B1", "s+1"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[tokio::test]
async fn what_is_secret_within_another_value_is_found_too() {
    let form = "payload=%7B%22token%22%3A%22form-token-1234%22%2C%22user%22%3A%22ada%22%7D";
    let basic = "Basic YWRhOm9wZW4tc2VzYW1lLTEyMzQ="; // ada:open-sesame-1234
    let asked = request(
        Method::POST,
        "/sessions/cookie-value-1234",
        &[
            ("content-type", "application/x-www-form-urlencoded"),
            ("authorization", basic),
            ("x-goog-api-key", "g-123456"),
        ],
        form,
    );
    let answer = reply(
        &[JSON, ("set-cookie", "sid=cookie-value-1234; Path=/; HttpOnly")],
        r#"{"echo": "open-sesame-1234", "log": "{\"secret_access_key\": \"nested-1234\", \"kept\": 1}"}"#,
    );
    let again = request(Method::GET, "/sessions/cookie-value-1234", &[], "");
    let value = recorded(Scrub::new(), [(asked, answer), (again, reply(&[], "ok"))]).await;
    let asked = &value["exchanges"][0]["request"];
    assert!(asked["body"]["form"]["payload"].as_str().unwrap().ends_with(r#""user":"ada"}"#), "{value}");
    assert!(value["exchanges"][0]["reply"]["body"]["json"]["log"].as_str().unwrap().contains("\"kept\":1"), "{value}");
    let text = value.to_string();
    for secret in ["form-token-1234", "open-sesame-1234", "cookie-value-1234", "nested-1234", "g-123456", "YWRhOm9"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[tokio::test]
async fn a_header_that_the_client_marks_as_secret_is_scrubbed_without_a_rule() {
    let recorder = Recorder::new(Scripted::new([reply(&[], "ok")]), "example", Scrub::new());
    let client = done(Client::new(Arc::new(recorder.clone()), "https://h.example.org".parse().unwrap()));
    let client = done(client.auth(Auth::header("x-own-key", Secret::new("short"))));
    done(client.get("x").send(&cx()).await);
    assert!(done(done(recorder.cassette()).to_json()).contains(r#""x-own-key": "<scrubbed-1>""#));
}

#[tokio::test]
async fn an_authors_own_rules_are_kept() {
    let scrub = Scrub::new().header("X-Tenant").header("x-acme-*").field("Room-Id").volatile_header("ETag");
    let headers = [("x-tenant", "t"), ("x-acme-one", "a"), ("x-other", "o"), ("etag", "e")];
    let value =
        recorded(scrub, [(request(Method::GET, "/?roomId=r&x=room_id%3D5", &headers, ""), reply(&headers, ""))]).await;
    for side in ["request", "reply"] {
        let headers = &value["exchanges"][0][side]["headers"];
        assert_eq!(headers, &json!({"x-tenant": "<scrubbed-4>", "x-acme-one": "<scrubbed-3>", "x-other": "o"}));
    }
    let query = &value["exchanges"][0]["request"]["query"];
    assert_eq!(query, &json!({"roomId": "<scrubbed-1>", "x": "room_id=<scrubbed-2>"}));
}

#[tokio::test]
async fn json_that_would_change_stays_text_and_is_scrubbed_all_the_same() {
    let exact = r#"{"id": 123456789012345678901234567890, "rate": 1.50}"#;
    let secret = r#"{"id": 1e400000, "password": "hunter2hunter2"}"#;
    let mixed = r#"{"rate": 1.50, "password": "hunter2hunter2"}"#;
    let get = || request(Method::GET, "/", &[], "");
    let replies = [exact, mixed].map(|body| (get(), reply(&[JSON], body)));
    let value = recorded(Scrub::new(), replies).await;
    assert_eq!(value["exchanges"][0]["reply"]["body"]["text"], exact);
    assert_eq!(value["exchanges"][1]["reply"]["body"]["text"], r#"{"password":"<scrubbed-1>","rate":1.5}"#);
    // What is no JSON for us has no fields: only the value is found.
    let scrub = done(Scrub::new().secret(&Secret::new("hunter2hunter2")));
    let value = recorded(scrub, [(get(), reply(&[JSON], secret))]).await;
    assert!(!value.to_string().contains("hunter2"), "{value}");
}

#[tokio::test]
async fn the_same_exchanges_make_the_same_bytes() {
    let exchanges = |id: &str, pairs: &str| {
        let headers = [("x-b", "1"), ("x-a", "2"), ("x-request-id", id)];
        let form = [("content-type", "application/x-www-form-urlencoded"), ("date", id)];
        [
            (
                request(Method::GET, &format!("/?{pairs}"), &headers, ""),
                reply(&headers, r#"{"b":1,"a":{"d":1,"c":2}}"#),
            ),
            (request(Method::POST, "/", &form, pairs.to_owned()), reply(&[], "password=one-12345678")),
        ]
    };
    let one = done(record(Scrub::new(), exchanges("1", "a=1&b=2&a=3")).await);
    let other = done(record(Scrub::new(), exchanges("2", "a=3&b=2&a=1")).await);
    assert_eq!(done(one.to_json()), done(other.to_json()));
}

#[tokio::test]
async fn a_wait_until_a_date_keeps_the_date_that_it_counts_from() {
    let date = ("date", "Thu, 01 Jan 2026 00:00:00 GMT");
    let until = reply(&[date, ("retry-after", "Thu, 01 Jan 2026 00:01:00 GMT")], "");
    let seconds = reply(&[date, ("retry-after", "60")], "");
    let get = || request(Method::GET, "/", &[], "");
    let value = recorded(Scrub::new(), [(get(), until), (get(), seconds)]).await;
    assert_eq!(value["exchanges"][0]["reply"]["headers"]["date"], date.1);
    assert_eq!(value["exchanges"][1]["reply"]["headers"], json!({"retry-after": "60"}));
}

#[tokio::test]
async fn a_request_without_an_answer_is_passed_on_and_not_kept() {
    let recorder = Recorder::new(Scripted::new([reply(&[], "ok")]), "example", Scrub::new());
    done(recorder.send(request(Method::GET, "/1", &[], "")).await);
    assert_eq!(failed(recorder.send(request(Method::GET, "/2", &[], "")).await).message(), "gone");
    assert_eq!(done(recorder.cassette()).len(), 1);
    assert!(format!("{recorder:?}").contains("exchanges: 1"), "{recorder:?}");
}

#[tokio::test]
async fn a_secret_where_nothing_is_scrubbed_refuses_the_cassette() {
    let secret = Secret::new("canary-5f1d");
    let scrub = || done(Scrub::new().secret(&secret));
    let inner = || Scripted::new([]);
    let recorder = Recorder::new(inner(), "example", scrub()).note("made with Canary-5f1d");
    let error = failed(recorder.cassette());
    assert!(error.to_string().contains("a secret would be written in the note"), "{error}");
    assert!(!format!("{error:?}").to_lowercase().contains("canary"), "{error:?}");
    let error = failed(Recorder::new(inner(), STANDARD.encode("x canary-5f1d y"), scrub()).cassette());
    assert!(error.to_string().contains("the source"), "{error}");
    // A secret that our own words hold cannot be told from them.
    let error =
        failed(Recorder::new(inner(), "example", done(Scrub::new().secret(&Secret::new("exchanges")))).cassette());
    assert!(error.to_string().contains("the file"), "{error}");
    // Nor can it be scrubbed where only certain words may stand.
    let method = Method::from_bytes(b"CANARY-5F1D").unwrap();
    let error = failed(record(scrub(), [(request(method, "/", &[], ""), reply(&[], ""))]).await);
    assert!(error.to_string().contains("exchange 1"), "{error}");
}

#[test]
fn a_secret_that_is_part_of_ordinary_words_is_refused() {
    for text in ["", "a", "five5"] {
        let error = failed(Scrub::new().secret(&Secret::new(text)));
        assert!(error.to_string().contains("at least 6 bytes") && !error.to_string().contains("five5"), "{error}");
    }
    assert!(!format!("{:?}", done(Scrub::new().secret(&Secret::new("canary")))).contains("canary"));
}

#[tokio::test]
async fn a_file_is_written_whole_for_its_owner_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json");
    let cassette = done(record(Scrub::new(), [(request(Method::GET, "/", &[], ""), reply(&[], "ok"))]).await);
    std::fs::write(&path, "earlier").unwrap();
    done(cassette.write(&path));
    assert_eq!(done(Cassette::read(&path)), cassette);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let error = failed(cassette.write(folder.path().join("missing/x.json")));
    assert!(error.to_string().contains("missing/x.json"), "{error}");
}

#[test]
fn what_is_no_cassette_is_refused_with_the_place() {
    let cassette = |version: u32, exchanges: Value| {
        json!({"cassette": {"recorded": "2026-01-01", "source": "s", "version": version}, "exchanges": exchanges})
            .to_string()
    };
    let request = json!({"method": "GET", "path": "/"});
    for (text, expected) in [
        ("[]".to_owned(), "expected a cassette"),
        (cassette(2, json!([])), "expected version 1, got 2"),
        (cassette(1, json!([{"request": request, "reply": {"status": 99}}])), "got 99"),
        (cassette(1, json!([{"request": request, "reply": {"status": 200, "headers": {"a b": "c"}}}])), "\"a b\""),
        (cassette(1, json!([{"request": request, "reply": {"status": 200, "body": {"base64": "?"}}}])), "base64"),
        (cassette(1, json!([{"request": request, "reply": {"status": 200, "bodi": "x"}}])), "bodi"),
        (cassette(1, json!([{"request": request, "reply": {"status": 200, "body": {"xml": "x"}}}])), "xml"),
    ] {
        let error = failed(Cassette::parse(&text));
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = failed(Cassette::read("/nonexistent/x.json"));
    assert!(error.to_string().contains("/nonexistent/x.json"), "{error}");
}

/// A secret in each spelling that it may take on the wire.
fn spellings(secret: &str) -> Vec<String> {
    let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let json = Value::from(secret).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let units: String = secret.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let mut all = vec![secret.to_owned(), percent.to_lowercase(), percent, json, units, form];
    for before in ["", "u", "us"] {
        all.push(STANDARD.encode(format!("{before}{secret}:tail")));
        all.push(URL_SAFE_NO_PAD.encode(format!("{before}{secret}")));
    }
    all
}

/// The parts of these spellings that nothing but the secret decides.
fn traces(secret: &str) -> Vec<String> {
    let mut traces: Vec<String> = spellings(secret).into_iter().take(6).collect();
    for before in ["", "u", "us"] {
        let encoded = STANDARD.encode(format!("{before}{secret}"));
        traces.push(encoded[4..(before.len() + secret.len()) / 3 * 4].to_owned());
    }
    traces
}

fn arbitrary_secret() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9+/=%&\"\\\\ é€😀._~-]{9,24}".prop_filter("not part of what is always there", |secret| {
        !secret.trim_matches(|character| " %+".contains(character)).is_empty() && secret.len() > 8
    })
}

proptest! {
    // Each case has some forty exchanges.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_secret_that_was_given_survives_anywhere(secret in arbitrary_secret(), noise in "[a-z]{0,5}", name in "[a-z]{9}") {
        let exchanges = spellings(&secret).into_iter().map(|spelling| {
            let text = format!("{noise}{spelling}{noise}");
            // Unencoded where that can be: each place decodes in its own way.
            let mut url: Url = "https://api.example.org".parse().unwrap();
            url.path_segments_mut().unwrap().push(&text);
            url.query_pairs_mut().append_pair(&name, &text).append_pair(&text, "x");
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
                headers.insert("x-echo", value);
            }
            let json = json!({"echo": text, text.clone(): [{"inside": Value::from(text.clone()).to_string()}]});
            let binary = [&[0, 255], text.as_bytes(), &[254]].concat();
            let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("echo", &text).finish();
            let mut form_headers = headers.clone();
            form_headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
            let asked = |body: Bytes, headers: &HeaderMap| Request::new(Method::PUT, url.clone()).headers(headers.clone()).body(body);
            let answer = |body: Bytes| Reply::new(StatusCode::OK).headers(headers.clone()).body(body);
            [
                (asked(json.to_string().into(), &headers), answer(binary.clone().into())),
                (asked(form.into(), &form_headers), answer(json.to_string().into())),
                (asked(binary.into(), &headers), answer(text.into())),
            ]
        });
        let exchanges: Vec<_> = exchanges.flatten().collect();
        let scrub = done(Scrub::new().secret(&Secret::new(&secret)));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let cassette = done(runtime.block_on(record(scrub, exchanges)));
        let file = done(cassette.to_json());
        let mut texts = vec![file.clone()];
        collect(&serde_json::from_str(&file).unwrap(), &mut texts);
        for trace in traces(&secret) {
            for text in &texts {
                prop_assert!(!text.contains(&trace), "{trace:?} in {text}");
            }
        }
    }
}

/// Every text in a value, decoded as far as a reader could.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => {
            for (name, value) in fields {
                texts.push(name.clone());
                match (name.as_str(), value.as_str()) {
                    ("base64", Some(text)) => {
                        texts.push(String::from_utf8_lossy(&STANDARD.decode(text).unwrap()).into_owned());
                    }
                    _ => collect(value, texts),
                }
            }
        }
        _ => {}
    }
}
