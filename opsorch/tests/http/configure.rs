//! Configuring providers over HTTP, where an embedder allows it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use opsorch::http::{ApiKey, Authentication, Configure, ConfigureError, ConfigureProvider, Options, Role};
use opsorch::transport::Method;
use opsorch::{Actor, Context, Error, async_trait};
use serde_json::{Value, json};

use crate::support::{Api, Reply, World};

#[derive(Clone, Debug, Default)]
struct Applied(Arc<Mutex<Vec<ConfigureProvider>>>);

#[async_trait]
impl Configure for Applied {
    async fn configure(&self, cx: &Context, request: ConfigureProvider) -> Result<(), ConfigureError> {
        assert!(cx.actor().has_role("admin"));
        match request.kind.as_str() {
            "wrong" => Err(ConfigureError::Refused(Error::invalid("url", "log provider wrong not registered"))),
            "full" => Err(ConfigureError::NotStored(Error::unexpected("disk full"))),
            _ => {
                self.0.lock().unwrap().push(request);
                Ok(())
            }
        }
    }
}

struct Desk {
    api: Api,
    applied: Applied,
    admin: String,
    operator: String,
}

impl Desk {
    async fn new() -> Self {
        let (admin, admins) = ApiKey::generate(Actor::user("root").role(Role::Admin)).unwrap();
        let (operator, operators) = ApiKey::generate(Actor::user("bob").role(Role::Approver)).unwrap();
        let auth = Authentication::builder().api_key(admins).api_key(operators).build().unwrap();
        let applied = Applied::default();
        let options = Options::new().configure(applied.clone(), [PathBuf::from("/usr/lib/opsorch/jira")]);
        let api = World::new().await.api(auth, options);
        Self { api, applied, admin: admin.expose().into(), operator: operator.expose().into() }
    }

    async fn configure(&self, key: &str, capability: &str, body: &Value) -> Reply {
        let bearer = format!("Bearer {key}");
        let path = format!("/providers/{capability}");
        self.api.send(Method::POST, &path, &[("Authorization", &bearer)], &body.to_string()).await
    }
}

#[tokio::test]
async fn an_admin_configures_and_nobody_else() {
    let desk = Desk::new().await;
    let body = json!({ "provider": " Jira ", "config": { "url": "https://jira.example" } });
    desk.configure(&desk.operator, "tickets", &body).await.expect(403);
    assert!(desk.applied.0.lock().unwrap().is_empty());
    let reply = desk.configure(&desk.admin, "tickets", &body).await;
    assert_eq!(reply.expect(200).text(), "{\"status\":\"ok\"}\n");
    let applied = desk.applied.0.lock().unwrap();
    assert_eq!((applied[0].kind.as_str(), applied[0].config["url"].as_str()), ("jira", Some("https://jira.example")));
    assert!(!format!("{:?}", applied[0]).contains("jira.example"), "a configuration may hold secrets");
}

#[tokio::test]
async fn a_plugin_is_one_of_those_that_were_allowed_to_the_letter() {
    let desk = Desk::new().await;
    let with = |plugin: &str| json!({ "provider": "x", "config": {}, "plugin": plugin });
    for plugin in
        ["/bin/sh", "/usr/lib/opsorch/../opsorch/jira", "/usr/lib/opsorch//jira", "jira", "/usr/lib/opsorch/jira/"]
    {
        desk.configure(&desk.admin, "ticket", &with(plugin)).await.expect(403);
    }
    // The kind that runs a program names it in its configuration, where no list is looked at.
    for kind in ["plugin", " Plugin "] {
        let body = json!({ "provider": kind, "config": { "path": "/bin/sh" } });
        desk.configure(&desk.admin, "ticket", &body).await.expect(403);
    }
    assert!(desk.applied.0.lock().unwrap().is_empty());
    desk.configure(&desk.admin, "ticket", &with("/usr/lib/opsorch/jira")).await.expect(200);
    assert_eq!(desk.applied.0.lock().unwrap()[0].plugin, Some("/usr/lib/opsorch/jira".into()));
}

#[tokio::test]
async fn mistakes_are_found_in_opsorchs_order() {
    let desk = Desk::new().await;
    let configure = async |capability: &str, body: Value| desk.configure(&desk.admin, capability, &body).await;
    configure("nope", json!("rubbish")).await.expect_error(404, "not_found", "unknown capability");
    configure("log", json!({ "bogus": 1 })).await.expect(400);
    configure("log", json!({ "plugin": "/bin/sh" })).await.expect_error(400, "bad_request", "provider required");
    let wrong = configure("log", json!({ "provider": "wrong" })).await;
    wrong.expect_error(400, "bad_request", "log provider wrong not registered");
    configure("log", json!({ "provider": "full" })).await.expect_error(502, "secret_store_error", "disk full");
    configure("log", json!({ "provider": "x" })).await.expect(200);
    assert_eq!(desk.applied.0.lock().unwrap()[0].config, Value::Null, "an absent configuration is null");
}
