//! Who may call what: every route, from the table, by everyone.

use opsorch::gate::Decision;
use opsorch::http::{ApiKey, Authentication, Guard, Options, Role, Route, routes};
use opsorch::transport::Method;
use opsorch::{Action, Actor, Context, Effect, Quorum, Target};

use crate::support::{Api, TOKEN, World};

/// Those who call. Each holds a role that the policy asks for, so that only the surface or the kind of actor stops it.
struct Cast {
    api: Api,
    world: World,
    keys: Vec<(&'static str, Option<Role>, String)>,
}

impl Cast {
    async fn new() -> Self {
        let policy = |_: &Context, _: &Target, _: &Action| Decision::require_approval(Quorum::of(1, "sre"), "a test");
        let world = World::with(policy, |builder| builder).await;
        let actors = [
            ("nobody", None, Actor::user("nobody")),
            ("viewer", Some(Role::Viewer), Actor::user("viewer")),
            ("operator", Some(Role::Operator), Actor::user("operator")),
            ("approver", Some(Role::Approver), Actor::user("approver")),
            ("admin", Some(Role::Admin), Actor::user("admin")),
            ("agent", Some(Role::Approver), Actor::agent("agent")),
        ];
        let mut auth = Authentication::builder().bearer_token(opsorch::secret::Secret::new(TOKEN));
        let mut keys = vec![("shared", Some(Role::Operator), TOKEN.to_owned())];
        for (name, role, actor) in actors {
            let actor = role.into_iter().fold(actor.role("sre"), |actor, role| actor.role(role));
            let (secret, key) = ApiKey::generate(actor).unwrap();
            auth = auth.api_key(key);
            keys.push((name, role, secret.expose().to_owned()));
        }
        let api = world.api(auth.build().unwrap(), Options::new());
        Self { api, world, keys }
    }

    async fn call(&self, route: &Route, key: Option<&str>) -> u16 {
        let path = route.path.replace("{provider}", "tracker").replace("{capability}", "ticket");
        let path = path.replace("{planId}", "plan-1").replace("{runId}", "run-1").replace("{stepId}", "s");
        let path = path.split('/').map(|part| if part.starts_with('{') { "x-1" } else { part }).collect::<Vec<_>>();
        let bearer = key.map(|key| format!("Bearer {key}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("Authorization", bearer.as_str())).collect();
        self.api.send(route.method.clone(), &path.join("/"), &headers, "{}").await.status.as_u16()
    }
}

#[tokio::test]
async fn a_stranger_gets_401_on_every_route() {
    let cast = Cast::new().await;
    for route in routes() {
        for key in [None, Some("wrong")] {
            assert_eq!(cast.call(&route, key).await, 401, "{} {}", route.method, route.path);
        }
    }
    let unknown = Route::clone(&routes()[0]);
    assert_eq!(cast.call(&unknown, None).await, 401);
}

#[tokio::test]
async fn everyone_gets_403_exactly_where_the_role_is_not_enough() {
    let cast = Cast::new().await;
    for route in routes() {
        for (name, role, key) in &cast.keys {
            let permitted = match (route.operation, route.guard) {
                (Some(operation), _) => role.is_some_and(|role| role.permits(operation)),
                (None, Guard::Role(least)) => *role >= Some(least),
                (None, Guard::Authenticated) => true,
                _ => continue,
            };
            let status = cast.call(&route, Some(key)).await;
            // Configuring is off: OpsOrch says so to everybody.
            let is_off = status == 501 && route.method == Method::POST && route.path.starts_with("/providers/");
            assert!(permitted == (status != 403) || is_off, "{name}: {} {}: {status}", route.method, route.path);
            assert!(status != 401, "{name}: {} {}", route.method, route.path);
        }
    }
}

#[tokio::test]
async fn every_write_asks_people_and_changes_nothing() {
    let cast = Cast::new().await;
    let before = cast.world.vendor.requests().len();
    for route in routes() {
        if route.operation.is_some_and(|operation| operation.effect() == Effect::Write) {
            for (_, _, key) in &cast.keys {
                let status = cast.call(&route, Some(key)).await;
                assert!([202, 400, 403].contains(&status), "{} {}: {status}", route.method, route.path);
            }
        }
    }
    assert_eq!(cast.world.vendor.requests().len(), before, "the vendor saw nothing");
}

#[tokio::test]
async fn the_gate_lets_neither_the_requester_nor_an_agent_nor_the_shared_credential_answer() {
    let cast = Cast::new().await;
    let key = |name: &str| cast.keys.iter().find(|(known, ..)| *known == name).unwrap().2.clone();
    let bearer = format!("Bearer {}", key("operator"));
    let reply = cast.api.send(Method::POST, "/tickets", &[("Authorization", &bearer)], "{\"title\":\"x\"}").await;
    let request: opsorch::ApprovalRequest = serde_json::from_slice(&reply.expect(202).body).unwrap();
    let actors = [
        Actor::user("operator").role("sre").role(Role::Approver),
        Actor::agent("agent").role("sre").role(Role::Approver),
        Actor::service("bearer-token").role("sre"),
    ];
    for actor in actors {
        let cx = Context::new(actor);
        let error = cast.world.ops.approvals(&cx).approve(&request.id, &request.digest).await.unwrap_err();
        assert_eq!(*error.kind(), opsorch::ErrorKind::Denied, "{error}");
    }
}
