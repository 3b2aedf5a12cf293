//! Who may do what: the same credentials, roles, hosts and origins as over HTTP.

use opsorch::http::{Authentication, Options, RateLimit, Role, RoleAccess};
use opsorch::mcp::{self, McpServer};
use opsorch::secret::Secret;
use opsorch::transport::StatusCode;
use opsorch::{Actor, Context, Effect, Event, Operation};
use serde_json::json;

use crate::samples::{self, arguments, is_write, tool};
use crate::support::{Client, LEGACY, MODERN, Stream, World, user};

const OTHERS: [&str; 4] = ["list-providers", "investigate-incident", "list-approvals", "get-approval"];
const WRITING_OTHERS: [&str; 2] = ["redeem-approval", "withdraw-approval"];

#[tokio::test]
async fn a_stranger_gets_401_whatever_is_asked() {
    let world = World::new().await;
    for version in [LEGACY, MODERN] {
        let mut client = world.http(user(Role::Viewer), version);
        for token in [None, Some("wrong".to_owned()), Some(String::new())] {
            client.token = token;
            for method in ["initialize", "server/discover", "tools/list", "tools/call", "nonsense"] {
                let (status, text) = client.raw(method, json!({ "name": "query-incidents" }), &[]).await;
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{method}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn each_role_sees_what_it_may_use_and_nobody_sees_a_tool_that_answers() {
    let world = World::new().await;
    let tools = |writes: bool| {
        let operations = Operation::ALL.iter().filter(move |operation| writes || !is_write(**operation));
        let others = OTHERS.iter().chain(if writes { WRITING_OTHERS.iter() } else { [].iter() });
        let mut names: Vec<_> = operations.map(|operation| tool(*operation)).chain(others.copied()).collect();
        names.sort_unstable();
        names
    };
    for role in Role::ALL {
        for version in [LEGACY, MODERN] {
            let mut listed = world.http(user(*role), version).tool_names().await;
            listed.sort();
            assert_eq!(listed, tools(*role >= Role::Operator), "{role}");
        }
    }
    let nobody = Actor::user("nobody").role("sre");
    assert!(world.http(nobody.clone(), MODERN).tool_names().await.is_empty());
    assert!(Stream::connect(&world.ops, nobody, LEGACY).await.tool_names().await.is_empty());
    let answering = ["approve", "deny", "revoke", "answer"];
    let listed = tools(true);
    assert!(listed.iter().all(|name| !answering.iter().any(|word| name.contains(word))), "{listed:?}");
}

#[tokio::test]
async fn what_is_not_listed_is_not_done_either() {
    let world = World::new().await;
    samples::prepare(&world.ops, &Context::new(Actor::service("setup"))).await;
    let before = world.vendor.requests().len();
    let mut viewer = world.http(user(Role::Viewer), MODERN);
    for operation in Operation::ALL.iter().filter(|operation| is_write(**operation)) {
        for input in [samples::input(*operation), json!({})] {
            let problem = viewer.call(tool(*operation), arguments(*operation, input)).await.problem();
            assert_eq!(problem["code"], "denied", "{operation}");
        }
    }
    for name in WRITING_OTHERS {
        assert_eq!(viewer.call(name, json!({ "id": "x" })).await.problem()["code"], "denied", "{name}");
    }
    let mut nobody = world.http(Actor::user("nobody"), MODERN);
    for name in Operation::ALL.iter().map(|operation| tool(*operation)).chain(OTHERS).chain(WRITING_OTHERS) {
        assert_eq!(nobody.call(name, json!({ "id": "x" })).await.problem()["code"], "denied", "{name}");
    }
    assert_eq!(world.vendor.requests().len(), before, "the vendor saw nothing");
}

#[tokio::test]
async fn an_operation_that_no_provider_offers_has_no_tool() {
    let ops = opsorch::OpsOrch::builder().build().await.unwrap();
    let mut listed = Stream::connect(&ops, user(Role::Admin), LEGACY).await.tool_names().await;
    listed.sort();
    let mut others: Vec<_> = OTHERS.into_iter().chain(WRITING_OTHERS).collect();
    others.sort_unstable();
    assert_eq!(listed, others);
}

#[tokio::test]
async fn callers_are_agents_of_who_was_authenticated() {
    let world = World::new().await;
    let person = user(Role::Operator).issuer("https://id.example.org");
    let service = Actor::service("ci").role(Role::Operator);
    let agent = Actor::agent("triage").role(Role::Operator);
    for actor in [person, service, agent.clone()] {
        world.http(actor.clone(), MODERN).call("create-ticket", json!({ "title": "x" })).await.data();
        let entries = world.ops.audit().entries(0, 1000).await.unwrap();
        let entry = entries.iter().rfind(|entry| entry.event == Event::Intent).unwrap();
        assert_eq!(entry.actor.kind, opsorch::ActorKind::Agent);
        if actor == agent {
            assert_eq!(entry.actor, agent.clone().authenticated_by("api-key"), "an agent stays itself");
        } else {
            let actor = actor.authenticated_by("api-key");
            assert_eq!(entry.actor.on_behalf_of.as_deref(), Some(&actor));
            assert_ne!(entry.actor.identity, actor.identity, "it is not the one it acts for");
            assert_eq!(entry.actor.roles, actor.roles);
        }
    }
}

#[tokio::test]
async fn hosts_and_origins_of_others_are_refused() {
    let world = World::new().await;
    let client = world.admin();
    let cases = [
        ("host", "evil.example", StatusCode::FORBIDDEN),
        ("host", "localhost.evil.example:7070", StatusCode::FORBIDDEN),
        ("host", "127.0.0.1:7070", StatusCode::OK),
        ("origin", "http://localhost:7070", StatusCode::OK),
        // A page of another origin has no credential by itself; this one was given one.
        ("origin", "https://evil.example", StatusCode::OK),
    ];
    for (name, value, expected) in cases {
        let (status, text) = client.raw("tools/list", json!({}), &[(name, value)]).await;
        assert_eq!(status, expected, "{name}: {value}: {text}");
    }
    let one = Options::new().cors_origin("https://console.example").unwrap();
    let open = Authentication::builder().allow_anonymous(Role::Viewer).build().unwrap();
    for options in [one, Options::new()] {
        let mut client = world.admin();
        (client.router, client.token) = (mcp::router(&world.ops, open.clone(), options), None);
        let (status, _) = client.raw("tools/list", json!({}), &[("origin", "https://evil.example")]).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert_eq!(client.raw("tools/list", json!({}), &[]).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn bodies_and_requests_are_limited() {
    let world = World::new().await;
    let auth = Authentication::builder().bearer_token(Secret::new("a-shared-credential")).build().unwrap();
    let limit = RateLimit::new(2, std::time::Duration::from_secs(60)).unwrap();
    let options = Options::new().body_limit(4096).rate_limit(limit);
    let mut client = world.admin();
    client.router = McpServer::new(&world.ops).router(auth, options);
    client.token = Some("a-shared-credential".into());
    let long = json!({ "name": "create-ticket", "arguments": { "title": "x".repeat(5000) } });
    assert_eq!(client.raw("tools/call", long, &[]).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(client.raw("tools/list", json!({}), &[]).await.0, StatusCode::OK);
    assert_eq!(client.raw("tools/list", json!({}), &[]).await.0, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn the_role_bounds_a_client_on_a_stream_too() {
    let world = World::new().await;
    let mut viewer = Stream::connect(&world.ops, user(Role::Viewer), LEGACY).await;
    assert_eq!(viewer.call("create-ticket", json!({ "title": "x" })).await.problem()["code"], "denied");
    viewer.call("query-tickets", json!({})).await.data();
    let cx = Context::new(user(Role::Viewer)).within(std::sync::Arc::new(RoleAccess));
    let denied = world.ops.submit(&cx, opsorch::CreateTicket::new("x")).await.unwrap_err();
    assert_eq!(*denied.kind(), opsorch::ErrorKind::Denied);
    assert_eq!(Operation::TicketCreate.effect(), Effect::Write);
}
