//! Who is let in, and as whom.

use std::time::Duration;

use opsorch::http::{ApiKey, Authentication, Jwt, Role, listen};
use opsorch::secret::Secret;
use opsorch::transport::Method;
use opsorch::{Actor, Clock};

use crate::support::{TOKEN, World, shared};

#[test]
fn without_a_credential_or_a_word_there_is_no_authentication() {
    let error = Authentication::builder().build().unwrap_err();
    assert!(error.to_string().contains("no authentication is configured"), "{error}");
    assert!(Authentication::builder().bearer_token(Secret::new("  ")).build().is_err(), "an empty token lets all in");
    assert!(Authentication::builder().jwt(Jwt::people("https://id.example", "ops")).build().is_err(), "no key");
}

#[tokio::test]
async fn without_credentials_it_is_served_on_the_loopback_alone() {
    let open = Authentication::builder().allow_anonymous(Role::Operator).build().unwrap();
    // The port may be taken, by another test or anybody; where it is bound is what matters.
    match listen(None, &open).await {
        Ok(listener) => assert!(listener.local_addr().unwrap().ip().is_loopback()),
        Err(error) => assert!(error.to_string().contains("cannot be bound"), "{error}"),
    }
    let listener = listen(Some("127.0.0.1:0"), &shared()).await.unwrap();
    assert!(listener.local_addr().unwrap().ip().is_loopback());
    let everywhere = listen(Some(":0"), &shared()).await.unwrap();
    assert!(everywhere.local_addr().unwrap().ip().is_unspecified());
    for wrong in ["8080", "example.org", "127.0.0.1", ":99999", "localhost:"] {
        assert!(listen(Some(wrong), &shared()).await.is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_wrong_credential_is_not_anonymous() {
    let auth =
        Authentication::builder().bearer_token(Secret::new(TOKEN)).allow_anonymous(Role::Viewer).build().unwrap();
    let api = World::new().await.api(auth, opsorch::http::Options::new());
    api.get("/health").await.expect(200);
    api.send(Method::GET, "/health", &[("Authorization", "Bearer wrong")], "").await.expect(401);
}

#[tokio::test]
async fn of_two_credentials_neither_counts() {
    let api = World::new().await.closed();
    let right = format!("Bearer {TOKEN}");
    let both = [("Authorization", right.as_str()), ("Authorization", "Bearer wrong")];
    api.send(Method::GET, "/health", &both, "").await.expect(401);
}

#[tokio::test]
async fn an_api_key_is_its_holder_until_it_ends() {
    let world = World::new().await;
    let (secret, key) = ApiKey::generate(Actor::user("alice").role(Role::Operator)).unwrap();
    let auth =
        Authentication::builder().api_key(key.expires_at(world.clock.now() + Duration::from_secs(60))).build().unwrap();
    let api = world.api(auth, opsorch::http::Options::new());
    let bearer = format!("Bearer {}", secret.expose());
    let headers = [("Authorization", bearer.as_str()), ("X-User-Id", "mallory")];
    api.send(Method::POST, "/tickets", &headers, "{\"title\":\"x\"}").await.expect(201);
    let entries = world.ops.audit().entries(0, 1).await.unwrap();
    assert_eq!(entries[0].actor.to_string(), "user alice@local");
    assert_eq!(entries[0].actor.authentication, "api-key");
    world.clock.advance(Duration::from_secs(60));
    api.send(Method::GET, "/health", &headers, "").await.expect(401);
}

#[tokio::test]
async fn whoever_has_no_role_may_do_nothing_and_a_refusal_is_written_down() {
    let world = World::new().await;
    let (secret, key) = ApiKey::generate(Actor::user("alice").role("sre")).unwrap();
    let api = world.api(Authentication::builder().api_key(key).build().unwrap(), opsorch::http::Options::new());
    let bearer = format!("Bearer {}", secret.expose());
    let headers = [("Authorization", bearer.as_str())];
    api.send(Method::GET, "/health", &headers, "").await.expect(200);
    api.send(Method::POST, "/incidents/query", &headers, "{}").await.expect(403);
    api.send(Method::GET, "/providers/incident", &headers, "").await.expect(403);
    let entries = world.ops.audit().entries(0, 10).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.event).collect::<Vec<_>>(), [opsorch::Event::Refused]);
}

#[tokio::test]
async fn no_credential_is_shown() {
    let (secret, key) = ApiKey::generate(Actor::user("alice")).unwrap();
    let jwt = Jwt::people("https://id.example", "ops").hs256(&Secret::new("0123456789abcdef0123456789abcdef")).unwrap();
    let builder = Authentication::builder().api_key(key).jwt(jwt).bearer_token(Secret::new(TOKEN));
    let shown = format!("{builder:?}") + &format!("{:?}", builder.build().unwrap());
    for canary in [secret.expose(), TOKEN, "0123456789abcdef", "sha256:"] {
        assert!(!shown.contains(canary), "{shown}");
    }
}
