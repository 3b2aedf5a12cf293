//! A GitHub App: the token that says who it is, and the tokens of its installation.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use opsorch::secret::{SecretRef, StaticSecrets};
use opsorch::transport::{Reply, Request, StatusCode, Transport};
use opsorch::{Actor, Clock, Context, ErrorKind, ManualClock, OpsOrch, Result};
use opsorch_providers::github::{GitHubApp, GitHubConfig};
use opsorch_testkit::double::{Double, json};
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use serde_json::{Value, json};

use super::simulated::github::GitHub;

/// A GitHub that gives an App tokens of an hour, which are `canary-token-1` and so on.
#[derive(Clone)]
struct Apps(Arc<Mutex<Inner>>);

struct Inner {
    github: GitHub,
    clock: ManualClock,
    key: DecodingKey,
    given: usize,
    claims: Vec<Value>,
    requests: usize,
    fails: Option<StatusCode>,
}

impl std::fmt::Debug for Apps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Apps")
    }
}

#[async_trait]
impl Transport for Apps {
    async fn send(&self, request: Request) -> Result<Reply> {
        // Others come meanwhile.
        tokio::task::yield_now().await;
        let mut inner = self.0.lock().unwrap();
        if request.url.path() != "/api/v3/app/installations/4711/access_tokens" {
            inner.requests += 1;
            return Ok(inner.github.answer(&request));
        }
        assert_eq!(request.method, "POST");
        if let Some(status) = inner.fails {
            return Ok(json(status, &json!({ "message": "no" })));
        }
        let token = request.headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
        let mut validation = Validation::new(Algorithm::RS256);
        // Time stands where the test's clock does, and is looked at in the test.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Value>(&token, &inner.key, &validation).unwrap().claims;
        inner.claims.push(claims);
        inner.given += 1;
        inner.github.token = format!("canary-token-{}", inner.given);
        let expires = inner.clock.now() + Duration::from_secs(3_600);
        let body = json!({ "token": inner.github.token, "expires_at": expires, "permissions": { "issues": "write" } });
        Ok(json(StatusCode::CREATED, &body))
    }
}

struct Desk {
    ops: OpsOrch,
    cx: Context,
    apps: Apps,
    clock: ManualClock,
}

impl Desk {
    async fn open() -> Self {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let clock = ManualClock::default();
        let inner = Inner {
            github: GitHub::new(Arc::new(clock.clone())),
            clock: clock.clone(),
            key: DecodingKey::from_rsa_pem(key.public_key_pem().as_bytes()).unwrap(),
            given: 0,
            claims: Vec::new(),
            requests: 0,
            fails: None,
        };
        let apps = Apps(Arc::new(Mutex::new(inner)));
        let app = GitHubApp::new("Iv23canary", 4711, SecretRef::env("KEY"));
        let config = GitHubConfig::of_app(app).url("https://github.example.org/api/v3".parse().unwrap());
        let secrets = StaticSecrets::new([("KEY", key.serialize_pem())]);
        let builder = OpsOrch::builder().configure("github", config.repository("acme/api")).clock(clock.clone());
        let ops = builder.secrets(secrets).transport(apps.clone()).without_layers().build().await.unwrap();
        Self { ops, cx: Context::new(Actor::agent("triage")), apps, clock }
    }

    async fn read(&self) -> Result<opsorch::Ticket> {
        self.ops.tickets(&self.cx).get("1").await
    }

    fn given(&self) -> usize {
        self.apps.0.lock().unwrap().given
    }

    fn pass(&self, minutes: u64) {
        self.clock.advance(Duration::from_secs(60 * minutes));
    }
}

#[tokio::test]
async fn an_app_says_who_it_is_for_less_than_ten_minutes() {
    let desk = Desk::open().await;
    assert_eq!(desk.given(), 0, "making a provider asks for nothing");
    desk.read().await.unwrap();
    let now = desk.clock.now().timestamp();
    let claims = desk.apps.0.lock().unwrap().claims.clone();
    assert_eq!(claims, [json!({ "iat": now - 60, "exp": now + 540, "iss": "Iv23canary" })]);
}

#[tokio::test]
async fn a_token_is_used_until_five_minutes_before_it_ends() {
    let desk = Desk::open().await;
    for (minutes, given) in [(0, 1), (30, 1), (24, 1), (1, 2), (54, 2), (6, 3)] {
        desk.pass(minutes);
        desk.read().await.unwrap();
        assert_eq!(desk.given(), given, "after {minutes} minutes more");
    }
}

#[tokio::test]
async fn of_many_who_come_while_it_is_renewed_one_renews_it() {
    let desk = Desk::open().await;
    desk.read().await.unwrap();
    desk.pass(56);
    // The old token stays good until it ends.
    let old = desk.apps.0.lock().unwrap().github.token.clone();
    let calls: Vec<_> = (0..8).map(|_| desk.read()).collect();
    let all = futures_util::future::join_all(calls).await;
    assert_eq!(desk.given(), 2);
    assert!(all.iter().any(Result::is_ok) && old == "canary-token-1");
}

#[tokio::test]
async fn a_renewal_that_is_dropped_is_taken_up_by_the_next() {
    let desk = Desk::open().await;
    desk.read().await.unwrap();
    desk.pass(56);
    {
        let mut call = Box::pin(desk.read());
        assert!(futures_util::poll!(&mut call).is_pending());
    }
    desk.read().await.unwrap();
    assert_eq!(desk.given(), 2);
}

#[tokio::test]
async fn what_cannot_be_renewed_says_so_and_shows_nothing() {
    let desk = Desk::open().await;
    for (status, kind) in [
        (StatusCode::NOT_FOUND, ErrorKind::Unauthenticated),
        (StatusCode::UNAUTHORIZED, ErrorKind::Unauthenticated),
        (StatusCode::FORBIDDEN, ErrorKind::Forbidden),
        (StatusCode::BAD_GATEWAY, ErrorKind::Unavailable),
    ] {
        desk.apps.0.lock().unwrap().fails = Some(status);
        let error = desk.read().await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{error}");
    }
    assert_eq!(desk.apps.0.lock().unwrap().requests, 0, "nothing is asked without a token");
    desk.apps.0.lock().unwrap().fails = None;
    desk.read().await.unwrap();
    let shown = format!("{:?}", desk.ops);
    assert!(!shown.contains("canary-token") && !shown.contains("PRIVATE KEY"));
}

#[tokio::test]
async fn an_answer_that_one_token_was_given_is_not_asked_for_with_the_next() {
    let desk = Desk::open().await;
    desk.read().await.unwrap();
    desk.pass(58);
    // A new token sees what it sees: nothing is taken from what the old one saw.
    desk.apps.0.lock().unwrap().github.issues.clear();
    assert_eq!(*desk.read().await.unwrap_err().kind(), ErrorKind::NotFound);
}
