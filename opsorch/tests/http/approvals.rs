//! A change from the request to the result, by people over HTTP.

use opsorch::gate::Decision;
use opsorch::http::{ApiKey, Authentication, Options, Role};
use opsorch::transport::Method;
use opsorch::{Action, Actor, Context, OutcomeStatus, Quorum, Target};
use serde_json::{Value, json};

use crate::support::{Api, Reply, World};

/// Two people and an agent, before a policy that asks one of `sre`.
struct Team {
    api: Api,
    world: World,
    keys: Vec<(&'static str, String)>,
}

impl Team {
    async fn new() -> Self {
        let policy = |_: &Context, _: &Target, _: &Action| Decision::require_approval(Quorum::of(1, "sre"), "a test");
        let world = World::with(policy, |builder| builder).await;
        let mut auth = Authentication::builder();
        let mut keys = Vec::new();
        let people = [("alice", Actor::user("alice")), ("bob", Actor::user("bob"))];
        for (name, actor) in people.into_iter().chain([("agent", Actor::agent("triage"))]) {
            let (secret, key) = ApiKey::generate(actor.role("sre").role(Role::Approver)).unwrap();
            auth = auth.api_key(key);
            keys.push((name, secret.expose().to_owned()));
        }
        let api = world.api(auth.build().unwrap(), Options::new());
        Self { api, world, keys }
    }

    async fn call(&self, who: &str, method: Method, path: &str, body: Value) -> Reply {
        let key = &self.keys.iter().find(|(name, _)| *name == who).unwrap().1;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.api.send(method, path, &[("Authorization", &format!("Bearer {key}"))], &body).await
    }

    async fn post(&self, who: &str, path: &str, body: Value) -> Reply {
        self.call(who, Method::POST, path, body).await
    }

    /// What waits, after an agent asked for a ticket.
    async fn asked(&self) -> Value {
        self.post("agent", "/v1/tickets", json!({ "title": "disk full" })).await.expect(202).json()
    }
}

fn answer(request: &Value) -> (String, Value) {
    (format!("/v1/approvals/{}", request["id"].as_str().unwrap()), json!({ "digest": request["digest"] }))
}

#[tokio::test]
async fn a_change_is_asked_for_seen_approved_and_redeemed_once() {
    let team = Team::new().await;
    let request = team.asked().await;
    let (path, seen) = answer(&request);
    let listed = team.call("bob", Method::GET, "/v1/approvals", Value::Null).await.expect(200).json();
    assert_eq!(listed["items"], json!([request]));
    assert_eq!(team.call("bob", Method::GET, &path, Value::Null).await.expect(200).json(), request);
    assert!(request["action"].to_string().contains("disk full"), "what runs is what is seen: {request}");

    let refused = team.post("agent", &format!("{path}/redeem"), Value::Null).await;
    refused.expect(409);
    let approved = team.post("bob", &format!("{path}/approve"), seen).await.expect(200).json();
    assert_eq!(approved["state"], "active");
    let made = team.post("agent", &format!("{path}/redeem"), Value::Null).await.expect(200).json();
    assert_eq!(made["title"], "disk full");
    let again = team.post("agent", &format!("{path}/redeem"), Value::Null).await.expect(200).json();
    assert_eq!(made, again, "the first redemption made it; the others say what it made");
    let changes = team.world.vendor.requests().iter().filter(|request| request.idempotency_key.is_some()).count();
    assert_eq!(changes, 1);
}

#[tokio::test]
async fn nobody_answers_for_others_or_for_themselves() {
    let team = Team::new().await;
    let (path, seen) = answer(&team.asked().await);
    team.post("agent", &format!("{path}/approve"), seen).await.expect(403);
    let own = team.post("alice", "/v1/tickets", json!({ "title": "mine" })).await.expect(202).json();
    let (own, seen) = answer(&own);
    team.post("alice", &format!("{own}/approve"), seen.clone()).await.expect(403);
    team.post("bob", &format!("{own}/withdraw"), Value::Null).await.expect(403);
    team.post("alice", &format!("{own}/withdraw"), Value::Null).await.expect(200);
    team.post("bob", &format!("{own}/approve"), seen).await.expect(409);
}

#[tokio::test]
async fn an_answer_is_to_the_digest_that_was_seen() {
    let team = Team::new().await;
    let (path, seen) = answer(&team.asked().await);
    for body in [json!({}), json!({ "digest": "x" }), json!({ "digest": seen["digest"], "as": "bob" })] {
        team.post("bob", &format!("{path}/approve"), body).await.expect(400);
    }
    let other = team.post("agent", "/v1/tickets", json!({ "title": "another" })).await.json();
    let other = json!({ "digest": other["digest"] });
    team.post("bob", &format!("{path}/approve"), other).await.expect(403);
    team.post("bob", "/v1/approvals/grant-of-nobody/approve", seen).await.expect(404);
}

#[tokio::test]
async fn one_no_ends_it_and_a_grant_can_be_taken_away() {
    let team = Team::new().await;
    let (path, seen) = answer(&team.asked().await);
    team.post("bob", &format!("{path}/deny"), seen.clone()).await.expect(400);
    let no = json!({ "digest": seen["digest"], "reason": "not during the sale" });
    let denied = team.post("bob", &format!("{path}/deny"), no).await.expect(200).json();
    assert_eq!(denied["state"], "denied");

    let (path, seen) = answer(&team.asked().await);
    team.post("bob", &format!("{path}/approve"), seen).await.expect(200);
    let revoked = team.post("alice", &format!("{path}/revoke"), json!({ "reason": "wrong host" })).await;
    assert_eq!(revoked.expect(200).json()["state"], "revoked");
    team.post("agent", &format!("{path}/redeem"), Value::Null).await.expect(409);
    let entries = team.world.ops.audit().entries(0, 100).await.unwrap();
    assert!(entries.iter().filter_map(|entry| entry.outcome.as_ref()).all(|one| one.status != OutcomeStatus::Applied));
}
