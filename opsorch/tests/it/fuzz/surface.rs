//! What strangers send over HTTP: bodies, and credentials.

use std::sync::{Arc, OnceLock};

use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use opsorch::gate::Decision;
use opsorch::http::{Authentication, Jwt, Options, RateLimit, Role, router_with};
use opsorch::secret::Secret;
use opsorch::transport::{Bytes, HeaderMap, HeaderValue, Reply, Request, StatusCode, Transport};
use opsorch::*;
use opsorch_testkit::MemoryProvider;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::document::{document, text};
use super::{owned, runtime, settings, soon};

const ISSUER: &str = "https://id.example";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// An issuer that publishes this.
#[derive(Debug)]
struct Publishes(Vec<u8>);

#[async_trait]
impl Transport for Publishes {
    async fn send(&self, _: Request) -> Result<Reply> {
        Ok(Reply::new(StatusCode::OK).body(Bytes::from(self.0.clone())))
    }
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn signed(header: &[u8], claims: &[u8]) -> String {
    let parts = format!("{}.{}", encoded(header), encoded(claims));
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let signature = jsonwebtoken::crypto::sign(parts.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
    format!("{parts}.{signature}")
}

fn claims() -> String {
    let now = ManualClock::default().now().timestamp();
    json!({
        "iss": ISSUER, "aud": ["ops"], "sub": "alice", "exp": now + 300, "iat": now, "nbf": now, "gty": "password",
        "realm": { "roles": ["viewer", "sre"] }, "act": { "sub": "agent" }, "azp": "app",
    })
    .to_string()
}

fn keys() -> String {
    let rsa = encoded(&[0xc5; 256]);
    json!({ "keys": [
        { "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one", "n": rsa, "e": "AQAB" },
        { "kty": "OKP", "crv": "Ed25519", "kid": "two", "x": encoded(&[7; 32]), "key_ops": ["verify"] },
        { "kty": "oct", "k": "c2VjcmV0" },
    ] })
    .to_string()
}

/// Whom a token vouches for.
async fn who(jwt: Jwt, token: &str) -> Result<Actor> {
    let auth = Authentication::builder().jwt(jwt).build().unwrap();
    let value = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes());
    let headers = HeaderMap::from_iter(value.ok().map(|value| (::http::header::AUTHORIZATION, value)));
    let principal = auth.authenticate(&headers, ManualClock::default().now()).await;
    principal.map(|principal| principal.actor().clone())
}

fn shared() -> Jwt {
    Jwt::people(ISSUER, "ops").hs256(&Secret::new(SECRET)).unwrap().roles_claim(["realm", "roles"])
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn the_claims_of_a_signed_token_are_any_document(claims in document(vec![claims()]), header in document(owned(&[r#"{"alg":"HS256","typ":"JWT","kid":"one"}"#]))) {
        soon(|| runtime().block_on(async {
            for token in [signed(br#"{"alg":"HS256"}"#, &claims), signed(&header, &claims)] {
                if let Ok(actor) = who(shared(), &token).await {
                    assert_eq!(actor.on_behalf_of.as_deref().unwrap_or(&actor).identity.issuer, ISSUER);
                }
            }
        }));
    }

    #[test]
    fn nobody_is_let_in_with_a_token_that_was_changed(token in text(vec![signed(br#"{"alg":"HS256"}"#, claims().as_bytes())])) {
        let good = signed(br#"{"alg":"HS256"}"#, claims().as_bytes());
        soon(|| runtime().block_on(async {
            if who(shared(), &token).await.is_ok() {
                assert_eq!(token.trim(), good);
            }
        }));
    }

    #[test]
    fn an_issuer_publishes_any_document(set in document(vec![keys()])) {
        let header = |alg: &str, kid: &str| json!({ "alg": alg, "kid": kid }).to_string();
        soon(|| runtime().block_on(async {
            let published = Arc::new(Publishes(set));
            for (alg, kid) in [("EdDSA", "two"), ("RS256", "one"), ("HS256", "three")] {
                let url = "https://id.example/keys".parse().unwrap();
                let jwt = Jwt::people(ISSUER, "ops").jwks(url, published.clone()).unwrap();
                let token = format!("{}.{}.{}", encoded(header(alg, kid).as_bytes()), encoded(claims().as_bytes()), encoded(&[1; 64]));
                assert!(who(jwt, &token).await.is_err(), "nobody signed it");
            }
        }));
    }
}

/// The surface of a vendor in memory that everybody may change, as it was made.
async fn router() -> axum::Router {
    let vendor = MemoryProvider::seeded(7, ManualClock::default());
    let allow = |_: &Context, _: &Target, _: &Action| Decision::allow("a test");
    let ops = OpsOrch::builder().provider(vendor.provider("tracker")).policy(allow).build().await.unwrap();
    let auth = Authentication::builder().allow_anonymous(Role::Admin).build().unwrap();
    let unreached = RateLimit::new(1_000_000, std::time::Duration::from_secs(1)).unwrap();
    router_with(&ops, auth, Options::new().rate_limit(unreached))
}

async fn post(path: &str, body: Vec<u8>) -> (StatusCode, Bytes) {
    let request = ::http::Request::post(path).header("content-type", "application/json").header("host", "localhost");
    let reply = router().await.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let status = reply.status();
    (status, to_bytes(reply.into_body(), usize::MAX).await.unwrap())
}

/// The paths that take a body: those of the description, with any id in them, and those of OpsOrch.
fn paths() -> &'static [String] {
    static PATHS: OnceLock<Vec<String>> = OnceLock::new();
    PATHS.get_or_init(|| {
        let description: Value = runtime().block_on(async {
            let request =
                ::http::Request::get("/v1/openapi.json").header("host", "localhost").body(Body::empty()).unwrap();
            let reply = router().await.oneshot(request).await.unwrap();
            serde_json::from_slice(&to_bytes(reply.into_body(), usize::MAX).await.unwrap()).unwrap()
        });
        let all = description["paths"].as_object().unwrap().iter().filter(|(_, methods)| methods.get("post").is_some());
        let mut paths: Vec<_> = all.map(|(path, _)| path.replace(['{', '}'], "")).collect();
        let of_opsorch = [
            "/incidents/query",
            "/incidents",
            "/alerts/query",
            "/logs/query",
            "/metrics/query",
            "/tickets",
            "/messages",
        ];
        paths.extend(of_opsorch.map(str::to_owned));
        assert!(paths.len() > 20, "{paths:?}");
        paths
    })
}

const BODIES: [&str; 5] = [
    r#"{"title":"disk full","description":"at 3","status":"open","severity":"high","labels":["a"],"fields":{"n":1.5,"deep":[{}]}}"#,
    r#"{"start":"2026-01-01T00:00:00Z","end":"2026-01-02T00:00:00Z","expression":{"search":"x","filters":[{"field":"a","operator":"=","value":"b"}]},"limit":5}"#,
    r#"{"statuses":["open"],"severities":["high"],"scope":{"service":"api"},"limit":3,"cursor":"x","metadata":{"a":{"b":null}}}"#,
    r#"{"id":"inc-1","incidentId":"inc-1","kind":"note","at":"2026-01-01T00:00:00Z","body":"x","actor":{"name":"n"}}"#,
    r#"{"channel":"ops","body":"hello *you*","blocks":[{"type":"text","text":"x"}],"threadRef":"t"}"#,
];

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn no_body_is_the_servers_fault(body in document(owned(&BODIES)), at in any::<Index>(), extra in select(vec!["", "?cursor=x", "?limit=1e9", "?%00=%ff"])) {
        let path = at.get(paths());
        soon(|| runtime().block_on(async {
            let (status, reply) = post(&format!("{path}{extra}"), body).await;
            // As OpsOrch does, its own routes pass on with 502 what a provider refuses, with the code of the refusal.
            let is_refusal = status == StatusCode::BAD_GATEWAY && reply.starts_with(br#"{"code":"unsupported""#);
            let is_fault = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED && !is_refusal;
            assert!(!is_fault, "{path}: {status} {}", String::from_utf8_lossy(&reply));
        }));
    }
}
