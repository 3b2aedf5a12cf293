//! Configuring providers over HTTP, where there is a store to keep their configuration in.

use std::path::PathBuf;
use std::sync::Arc;

use opsorch::capability::{Health, HealthCheck};
use opsorch::gate::Decision;
use opsorch::http::{ApiKey, Authentication, Options, Role};
use opsorch::secret::{JsonSecrets, MemorySecrets, Secret, SecretRef, SecretStore, StoredProvider};
use opsorch::transport::Method;
use opsorch::{
    Action, Actor, BuildEnv, Capability, Config, Context, Error, ErrorKind, ManualClock, Operation, OperationSet,
    OpsOrch, Provider, ProviderConfig, ProviderName, Quorum, Registry, Result, RoutingRule, Scope, Target, async_trait,
};
use opsorch_testkit::MemoryProvider;
use serde_json::{Value, json};

use crate::support::{Api, Reply, World};

const ALLOWED: &str = "/usr/lib/opsorch/jira";
const CANARY: &str = "canary-5511";

/// A kind that offers everything, from memory.
#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeskConfig {
    url: String,
    token: Option<SecretRef>,
}

#[async_trait]
impl ProviderConfig for DeskConfig {
    const KIND: &'static str = "desk";

    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        if let Some(token) = &self.token {
            env.secret(token).await?;
        }
        let provider = MemoryProvider::seeded(7, ManualClock::default()).provider(name.as_str());
        Ok(provider.with_health_check(Arc::new(Says(self.url))))
    }
}

/// Tells which one it is, as the version.
#[derive(Debug)]
struct Says(String);

#[async_trait]
impl HealthCheck for Says {
    async fn check(&self, _: &Context) -> Result<Health> {
        Ok(Health::new(OperationSet::new()).version(&self.0))
    }
}

/// A store that is full.
#[derive(Debug)]
struct Full;

#[async_trait]
impl SecretStore for Full {
    async fn get(&self, _: &str) -> Result<Secret> {
        Err(Error::not_found("nothing is here"))
    }

    async fn put(&self, _: &str, _: &Secret) -> Result<()> {
        Err(Error::new(ErrorKind::Unavailable, "disk full"))
    }

    async fn names(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn delete(&self, _: &str) -> Result<()> {
        Err(Error::not_found("nothing is here"))
    }
}

struct Desk {
    world: World,
    api: Api,
    store: Arc<MemorySecrets>,
    admin: String,
    approver: String,
}

impl Desk {
    async fn new() -> Self {
        let store = Arc::new(MemorySecrets::new());
        Self::over(Arc::clone(&store), store).await
    }

    async fn over(keeps: impl SecretStore, store: Arc<MemorySecrets>) -> Self {
        Self::with(keeps, store, |options| options).await
    }

    async fn with(keeps: impl SecretStore, store: Arc<MemorySecrets>, adjust: impl FnOnce(Options) -> Options) -> Self {
        let policy = |_: &Context, _: &Target, action: &Action| match action.operation() {
            Operation::TicketCreate => Decision::require_approval(Quorum::of(1, "approver"), "a test"),
            _ => Decision::allow("a test"),
        };
        let secrets = Arc::clone(&store);
        let registry = Registry::new().register::<DeskConfig>();
        let world = World::with(policy, |builder| builder.registry(registry).secrets(secrets)).await;
        let (admin, admins) = ApiKey::generate(Actor::user("root").role(Role::Admin)).unwrap();
        let (approver, approvers) = ApiKey::generate(Actor::user("bob").role(Role::Approver)).unwrap();
        let auth = Authentication::builder().api_key(admins).api_key(approvers).build().unwrap();
        let api = world.api(auth, adjust(Options::new().configure(keeps, [PathBuf::from(ALLOWED)])));
        Self { world, api, store, admin: admin.expose().into(), approver: approver.expose().into() }
    }

    async fn send(&self, key: &str, method: Method, path: &str, body: &str) -> Reply {
        self.api.send(method, path, &[("Authorization", &format!("Bearer {key}"))], body).await
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(&self.admin, Method::POST, path, &body.to_string()).await
    }

    async fn kept(&self) -> Vec<String> {
        self.store.names().await.unwrap()
    }

    /// Which provider of this name answers.
    async fn who(&self, name: &str) -> Value {
        self.send(&self.admin, Method::GET, &format!("/v1/providers/{name}/health"), "").await.json()["version"].clone()
    }

    async fn providers(&self, capability: &str) -> Value {
        self.send(&self.admin, Method::GET, &format!("/providers/{capability}"), "").await.json()["providers"].clone()
    }
}

fn desk() -> Value {
    json!({ "provider": " Desk ", "config": { "url": "https://desk.example", "token": CANARY } })
}

#[tokio::test]
async fn what_an_admin_configures_serves_at_once_and_is_kept_for_the_next_start() {
    let desk_ = Desk::new().await;
    let before = desk_.post("/v1/services/query?on=service", &json!({})).await;
    before.expect(400);
    let reply = desk_.post("/providers/services", &desk()).await;
    assert_eq!(reply.expect(200).text(), "{\"status\":\"ok\"}\n");
    assert_eq!(desk_.providers("service").await, json!(["service", "tracker"]));
    let served = desk_.post("/v1/services/query", &json!({ "limit": 1 })).await;
    assert_eq!(served.expect(200).json()["items"][0]["provider"], "service", "it is the only one that is asked");
    assert_eq!(desk_.world.vendor.calls(Operation::ServiceQuery), 0);
    desk_.post("/services/query", &json!({})).await.expect(200);
    assert_eq!(desk_.world.vendor.calls(Operation::ServiceQuery), 0, "nor by OpsOrch's routes");

    assert_eq!(desk_.kept().await, ["providers/service/default"]);
    let kept = StoredProvider::load(&desk_.store, Capability::Service).await.unwrap().unwrap();
    assert_eq!((kept.kind.as_str(), &kept.config["token"]), ("desk", &json!(CANARY)));
    let config = Config::new().with_stored(&desk_.store).await.unwrap();
    let registry = Registry::new().register::<DeskConfig>();
    let again = OpsOrch::builder().registry(registry).config(config).build().await.unwrap();
    assert_eq!(again.providers().map(|provider| provider.name().to_string()).collect::<Vec<_>>(), ["service"]);
}

#[tokio::test]
async fn v1_answers_with_what_serves_now() {
    let desk = Desk::new().await;
    let body = json!({ "kind": "desk", "config": { "url": "https://desk.example", "token": CANARY } });
    let reply = desk.post("/v1/providers/team", &body).await;
    let value = reply.expect(200).json();
    assert_eq!((&value["name"], &value["kind"]), (&json!("team"), &json!("desk")));
    assert_eq!(value["operations"], json!(["team.query", "team.get", "team.members", "team.oncall"]));
    assert!(!reply.text().contains(CANARY));
    // And once more: it replaces itself.
    desk.post("/v1/providers/team", &body).await.expect(200);
    assert_eq!(desk.providers("team").await, json!(["team", "tracker"]));
}

#[tokio::test]
async fn only_an_admin_configures_and_only_where_there_is_a_store() {
    let desk_ = Desk::new().await;
    for (path, body) in [("/providers/log", desk()), ("/v1/providers/log", json!({ "kind": "desk" }))] {
        desk_.send(&desk_.approver, Method::POST, path, &body.to_string()).await.expect(403);
    }
    assert!(desk_.kept().await.is_empty());
    assert_eq!(desk_.providers("log").await, json!(["tracker"]));

    let api = World::new().await.open();
    let problem = api.post("/v1/providers/log", "{}").await;
    assert_eq!(problem.expect(501).header("content-type"), "application/problem+json");
    assert!(problem.json()["detail"].as_str().unwrap().contains("secret store"), "{}", problem.text());
}

#[tokio::test]
async fn a_plugin_is_one_of_those_that_were_allowed_to_the_letter() {
    let desk = Desk::new().await;
    let spellings =
        ["/bin/sh", "/usr/lib/opsorch/../opsorch/jira", "/usr/lib/opsorch//jira", "jira", "/usr/lib/opsorch/jira/"];
    for plugin in spellings {
        desk.post("/providers/ticket", &json!({ "provider": "x", "config": {}, "plugin": plugin })).await.expect(403);
        desk.post("/v1/providers/ticket", &json!({ "plugin": plugin })).await.expect(403);
    }
    // The kind that runs a program names it in its configuration, where no list is looked at.
    for kind in ["plugin", " Plugin "] {
        let config = json!({ "path": "/bin/sh" });
        desk.post("/providers/ticket", &json!({ "provider": kind, "config": config })).await.expect(403);
        desk.post("/v1/providers/ticket", &json!({ "kind": kind, "config": config })).await.expect(403);
    }
    // The one that is allowed gets as far as the kind `plugin`, which is not registered here.
    let reply = desk.post("/providers/ticket", &json!({ "provider": "x", "config": {}, "plugin": ALLOWED })).await;
    assert!(reply.expect(400).text().contains("plugin not registered"), "{}", reply.text());
    assert!(desk.kept().await.is_empty());
}

#[tokio::test]
async fn no_variable_and_no_file_of_the_server_leaves_it_by_a_configuration() {
    let desk = Desk::new().await;
    for reference in ["env:PATH", "file:/etc/passwd"] {
        let config = json!({ "url": "https://elsewhere.example", "token": reference });
        for nested in [config.clone(), json!({ "url": [{ "deep": config }] })] {
            let reply = desk.post("/v1/providers/ticket", &json!({ "kind": "desk", "config": nested })).await;
            assert!(reply.expect(403).text().contains("secret:NAME"), "{}", reply.text());
            desk.post("/providers/ticket", &json!({ "provider": "desk", "config": nested })).await.expect(403);
        }
    }
}

#[tokio::test]
async fn a_secret_of_the_store_leaves_it_by_a_configuration_only_where_the_server_allows_it() {
    let names = ["shared/desk/token", "shared", "sharedness/x", "gate/seal", "providers/log/default", "Providers/x"];
    let store = Arc::new(MemorySecrets::new());
    for name in names {
        store.put(name, &Secret::new("x")).await.unwrap();
    }
    let closed = Desk::over(Arc::clone(&store), Arc::clone(&store)).await;
    let places = ["shared/", "", "/", "providers", "Providers"];
    let open = Desk::with(Arc::clone(&store), store, |options| {
        places.into_iter().fold(options, Options::configurable_secrets)
    });
    let open = open.await;
    for (desk, allowed) in [(closed, None), (open, Some(names[0]))] {
        for name in names {
            let config = json!({ "url": "https://elsewhere.example", "token": format!("secret:{name}") });
            let expected = if allowed == Some(name) { 200 } else { 403 };
            for (path, kind) in [("/v1/providers/ticket", "kind"), ("/providers/ticket", "provider")] {
                let reply = desk.post(path, &json!({ kind: "desk", "config": config })).await;
                assert_eq!(reply.status.as_u16(), expected, "{name}: {}", reply.text());
            }
        }
    }
}

#[tokio::test]
async fn mistakes_are_found_in_opsorchs_order_and_change_nothing() {
    let desk_ = Desk::new().await;
    desk_.post("/providers/nope", &json!("rubbish")).await.expect_error(404, "not_found", "unknown capability");
    desk_.post("/providers/log", &json!({ "bogus": 1 })).await.expect(400);
    let nobody = desk_.post("/providers/log", &json!({ "plugin": "/bin/sh" })).await;
    nobody.expect_error(400, "bad_request", "provider required");
    let wrong = desk_.post("/providers/log", &json!({ "provider": "wrong" })).await;
    assert!(wrong.expect(400).text().contains("log provider wrong not registered"), "{}", wrong.text());
    for config in [json!(CANARY), json!([CANARY]), json!({ "token": CANARY }), json!({ "url": 1, "token": CANARY })] {
        let reply = desk_.post("/providers/log", &json!({ "provider": "desk", "config": config })).await;
        assert_eq!(reply.expect(400).json()["code"], "bad_request");
        assert!(!reply.text().contains(CANARY), "{}", reply.text());
    }
    for body in [json!({}), json!({ "kind": "desk", "bogus": 1 }), json!({ "kind": "nope" }), json!([])] {
        let reply = desk_.post("/v1/providers/log", &body).await;
        assert_eq!(reply.expect(400).header("content-type"), "application/problem+json");
    }
    desk_.post("/v1/providers/nope", &json!({ "kind": "desk" })).await.expect(400);
    assert!(desk_.kept().await.is_empty());
    assert_eq!(desk_.providers("log").await, json!(["tracker"]));
}

#[tokio::test]
async fn what_cannot_be_kept_does_not_serve() {
    let desk_ = Desk::over(Full, Arc::default()).await;
    desk_.post("/providers/ticket", &desk()).await.expect_error(502, "secret_store_error", "disk full");
    let body = json!({ "kind": "desk", "config": { "url": "https://desk.example" } });
    desk_.post("/v1/providers/ticket", &body).await.expect(503);
    assert_eq!(desk_.providers("ticket").await, json!(["tracker"]));
}

#[tokio::test]
async fn a_name_that_serves_something_else_is_not_taken() {
    let desk = Desk::new().await;
    let other = MemoryProvider::new(ManualClock::default()).provider("log");
    desk.world.ops.install(Capability::Alert, other).unwrap();
    let body = json!({ "kind": "desk", "config": { "url": "https://desk.example" } });
    let reply = desk.post("/v1/providers/log", &body).await;
    assert!(reply.expect(400).text().contains("serves more than `log`"), "{}", reply.text());
    assert!(desk.kept().await.is_empty());
}

#[tokio::test]
async fn what_was_approved_for_the_former_provider_is_not_made_by_the_next() {
    let with = |url: &str, token: &str| json!({ "kind": "desk", "config": { "url": url, "token": token } });
    let (url, account) = ("https://one.example", "account-one");
    // Another address; another account, which is nothing but another secret; and the same once more, which nobody can tell.
    for next in [with("https://two.example", account), with(url, "account-two"), with(url, account)] {
        let desk = Desk::new().await;
        desk.post("/v1/providers/ticket", &with(url, account)).await.expect(200);
        let asked = desk.post("/v1/tickets", &json!({ "title": "disk full" })).await;
        let asked = asked.expect(202).json();
        let path = format!("/v1/approvals/{}", asked["id"].as_str().unwrap());
        let answer = json!({ "digest": asked["digest"] }).to_string();
        desk.send(&desk.approver, Method::POST, &format!("{path}/approve"), &answer).await.expect(200);
        desk.post("/v1/providers/ticket", &next).await.expect(200);
        let redeemed = desk.post(&format!("{path}/redeem"), &json!({})).await;
        assert!(redeemed.text().contains("configuration has changed"), "{next}: {}", redeemed.text());
        assert!(!redeemed.status.is_success());
    }
}

#[tokio::test]
async fn what_the_operator_said_of_a_name_holds_for_the_next_provider_of_it() {
    let desk = Desk::new().await;
    let file = "[providers.ticket]\nkind = 'desk'\nurl = 'https://one.example'\ncapabilities = ['ticket']\nread_only = true\n\
                attributes = { environment = 'production' }";
    let builder = OpsOrch::builder().registry(Registry::new().register::<DeskConfig>());
    let of_file = builder.config(Config::parse(file).unwrap()).build().await.unwrap();
    let former = of_file.providers().next().unwrap();
    desk.world.ops.install(Capability::Ticket, Provider::clone(&former)).unwrap();
    for url in ["https://two.example", "https://three.example"] {
        let reply = desk.post("/v1/providers/ticket", &json!({ "kind": "desk", "config": { "url": url } })).await;
        let listed = reply.expect(200).json();
        assert_eq!(listed["operations"], json!(["ticket.query", "ticket.get"]));
        assert_eq!(listed["scope"], json!(Scope::new().environment("production")));
        assert_eq!(desk.who("ticket").await, json!(url));
        desk.post("/v1/tickets?on=ticket", &json!({ "title": "disk full" })).await.expect(501);
    }
}

#[tokio::test]
async fn a_stored_provider_leaves_alone_what_is_spoken_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets.json");
    let store = JsonSecrets::new(&path);
    let config = json!({ "url": "https://desk.example" }).as_object().unwrap().clone();
    for capability in [Capability::Ticket, Capability::Team] {
        StoredProvider::new("desk").config(config.clone()).save(&store, capability).await.unwrap();
    }
    let builder = || OpsOrch::builder().registry(Registry::new().register::<DeskConfig>());
    let names = |ops: &OpsOrch| ops.providers().map(|one| one.name().to_string()).collect::<Vec<_>>();
    let file = "[providers.jira]\nkind = 'desk'\nurl = 'https://jira.example'\n";
    for (spoken, expected) in [
        ("", &["jira", "team", "ticket"][..]),
        ("capabilities = ['ticket']", &["jira", "team"]),
        ("[routes]\nticket = ['jira']", &["jira", "team"]),
        ("[[routing]]\ncapability = 'ticket'\nprovider = 'jira'", &["jira", "team"]),
    ] {
        let config = Config::parse(&format!("{file}{spoken}")).unwrap().with_stored(&store).await.unwrap();
        assert_eq!(names(&builder().config(config).build().await.unwrap()), expected, "{spoken}");
    }

    // Rules in code speak too, and so do variables that are wrong: they are told, and it starts without them.
    let secrets = json!({ "path": path }).to_string();
    let variables =
        [("OPSORCH_SECRET_PROVIDER", "json"), ("OPSORCH_SECRET_CONFIG", &secrets), ("OPSORCH_TEAM_CONFIG", "{")];
    let builder = builder().config(Config::from_vars(variables).unwrap());
    let jira = MemoryProvider::new(ManualClock::default()).provider("jira");
    let ops = builder.provider(jira).routing(RoutingRule::new(Capability::Ticket, "jira")).build().await.unwrap();
    assert_eq!(names(&ops), ["jira"]);
}

#[tokio::test]
async fn who_was_configured_by_either_route_is_asked_anew_whether_it_works() {
    let desk = Desk::new().await;
    for (path, kind) in [("/v1/providers/team", "kind"), ("/providers/team", "provider")].repeat(2) {
        for url in ["https://one.example", "https://two.example"] {
            desk.post(path, &json!({ kind: "desk", "config": { "url": url } })).await.expect(200);
            assert_eq!(desk.who("team").await, json!(url), "{path}");
        }
    }
}

#[tokio::test]
async fn of_many_at_once_the_one_that_is_kept_is_the_one_that_serves() {
    let desk = Desk::new().await;
    let sent: Vec<_> = (0..16)
        .map(|number| json!({ "kind": "desk", "config": { "url": format!("https://{number}.example") } }))
        .collect();
    let all = sent.iter().map(|body| desk.post("/v1/providers/ticket", body));
    for reply in futures_util::future::join_all(all).await {
        reply.expect(200);
    }
    let kept = StoredProvider::load(&desk.store, Capability::Ticket).await.unwrap().unwrap();
    assert_eq!(desk.who("ticket").await, kept.config["url"]);
}
