//! One call is the same call through Rust, HTTP and MCP, and with its provider in another process: the same decision, the same
//! result or kind of error, the same entries in the audit log, the same digest.
//!
//! The door of plugins leads out: nobody calls a control plane through it, but what a plugin is sent is the same value. It
//! makes a change only under an approval whose digest it has computed itself, from the input and the target that it was sent.
//! To be the same target it is given the kind and the fingerprint of the provider in memory, which is what it serves.

use std::sync::Arc;

use axum::body::Body;
use opsorch::gate::Decision;
use opsorch::http::{ApiKey, Authentication, Role, RoleAccess, router, routes};
use opsorch::transport::{Method, StatusCode};
use opsorch::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::samples::{self, arguments, is_write, tool};
#[cfg(feature = "plugin")]
use crate::support::vendor;
use crate::support::{Client, MODERN, World};

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
enum Came {
    Done(Value),
    Waiting(String),
    Refused(String),
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
enum Who {
    Person(Option<Role>),
    Agent(Role),
    Service(Role),
}

impl Who {
    fn actor(self) -> Actor {
        match self {
            Self::Person(role) => role.into_iter().fold(Actor::user("caller"), Actor::role),
            Self::Agent(role) => Actor::agent("caller").role(role),
            Self::Service(role) => Actor::service("caller").role(role),
        }
    }
}

/// What the policy says.
#[derive(Clone, Copy, Debug)]
enum Says {
    Allow,
    Ask,
    Deny,
    Nothing,
}

/// What is wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    None,
    /// It names something that does not exist.
    Missing,
    /// It names a provider that does not exist.
    Provider,
    /// It has a field that no input has.
    Field,
}

#[derive(Clone, Debug)]
struct Case {
    who: Who,
    says: Says,
    operation: Operation,
    flaw: Flaw,
}

impl Case {
    async fn world(&self) -> World {
        self.world_with(|builder| builder).await
    }

    async fn world_with(&self, adjust: impl FnOnce(Builder) -> Builder) -> World {
        let says = self.says;
        let policy = move |cx: &Context, _: &Target, _: &Action| match (cx.actor().identity.subject.as_str(), says) {
            ("setup", _) | (_, Says::Allow) => Decision::allow("the policy of a test"),
            (_, Says::Ask) => Decision::require_approval(Quorum::of(1, "sre"), "the policy of a test"),
            (_, Says::Deny) => Decision::deny("the policy of a test"),
            (_, Says::Nothing) => Decision::Abstain,
        };
        let world = World::with(policy, adjust).await;
        samples::prepare(&world.ops, &Context::new(Actor::service("setup"))).await;
        world
    }

    fn input(&self) -> Value {
        let mut input = samples::input(self.operation);
        match (&mut input, self.flaw) {
            (Value::String(id), Flaw::Missing) => "nope".clone_into(id),
            (Value::Object(fields), Flaw::Missing) => {
                let id = fields.iter_mut().find(|(name, _)| name.ends_with("Id") || *name == "id");
                id.into_iter().for_each(|(_, id)| *id = json!("nope"));
            }
            (Value::Object(fields), Flaw::Field) => drop(fields.insert("bogus".into(), json!(1))),
            _ => {}
        }
        input
    }

    fn on(&self) -> Option<&'static str> {
        (self.flaw == Flaw::Provider).then_some("nowhere")
    }

    async fn by_rust(&self) -> (Came, Vec<Value>) {
        self.in_rust(self.world().await).await
    }

    /// By Rust too, but that the provider is another process.
    #[cfg(feature = "plugin")]
    async fn by_plugin(&self) -> (Came, Vec<Value>) {
        let plugin = plugin().await;
        self.in_rust(self.world_with(|builder| builder.provider(plugin)).await).await
    }

    async fn in_rust(&self, world: World) -> (Came, Vec<Value>) {
        let cx = Context::new(self.who.actor()).within(Arc::new(RoleAccess));
        let before = length(&world).await;
        let submitted = if is_write(self.operation) {
            let mut submission = Submission::from(Action::from_parts(self.operation, self.input()).unwrap());
            submission.on = self.on().map(Into::into);
            world.ops.submit(&cx, submission).await
        } else {
            let mut ask = Ask::from(Query::from_parts(self.operation, self.input()).unwrap());
            ask.on = self.on().map(Into::into);
            world.ops.query(&cx, ask).await.map(Submitted::Done)
        };
        let came = match submitted {
            Ok(Submitted::Done(response)) => match serde_json::to_value(&response).unwrap()["value"].take() {
                Value::Null => Came::Done(json!({})),
                value => Came::Done(plain(value)),
            },
            Ok(Submitted::Pending(request)) => Came::Waiting(request.digest.to_string()),
            Err(error) => Came::Refused(error.kind().code().to_owned()),
        };
        (came, entries(&world, before, &self.who.actor()).await)
    }

    async fn by_http(&self) -> (Came, Vec<Value>) {
        let world = self.world().await;
        let (secret, key) = ApiKey::generate(self.who.actor()).unwrap();
        let auth = Authentication::builder().api_key(key).build().unwrap();
        let router = router(&world.ops, auth);
        let before = length(&world).await;
        let route = routes().into_iter().filter(|route| route.operation == Some(self.operation));
        // Of two addresses, the one with a body.
        let route =
            route.filter(|route| route.path.starts_with("/v1")).max_by_key(|route| route.method == Method::POST);
        let route = route.expect("every operation has one");
        let mut input = self.input();
        let mut path = route.path;
        match &mut input {
            Value::String(id) => path = path.replace("{id}", id).replace("{planId}", id).replace("{runId}", id),
            Value::Object(fields) => {
                for name in ["id", "runId", "stepId"] {
                    let place = format!("{{{name}}}");
                    if path.contains(&place) {
                        path = path.replace(&place, fields.remove(name).unwrap().as_str().unwrap());
                    }
                }
            }
            _ => {}
        }
        if let Some(on) = self.on() {
            path += &format!("?on={on}");
        }
        let body = if route.method == Method::GET { String::new() } else { input.to_string() };
        let request = ::http::Request::builder().method(route.method).uri(path);
        let request = request.header("authorization", format!("Bearer {}", secret.expose()));
        let response = router.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let value: Value = serde_json::from_slice(&body).unwrap();
        let came = match status {
            StatusCode::ACCEPTED => Came::Waiting(value["digest"].as_str().unwrap().to_owned()),
            status if status.is_success() => Came::Done(plain(value)),
            _ => Came::Refused(value["code"].as_str().unwrap().to_owned()),
        };
        (came, entries(&world, before, &self.who.actor()).await)
    }

    async fn by_mcp(&self) -> (Came, Vec<Value>) {
        let world = self.world().await;
        let mut client = world.http(self.who.actor(), MODERN);
        let before = length(&world).await;
        let mut arguments = arguments(self.operation, self.input());
        if let Some(on) = self.on() {
            arguments["on"] = on.into();
        }
        let called = client.call(tool(self.operation), arguments).await;
        let came = if called.is_error() {
            Came::Refused(called.problem()["code"].as_str().unwrap().to_owned())
        } else {
            let data = called.data();
            match data["status"].as_str().filter(|_| is_write(self.operation)) {
                Some("waiting") => Came::Waiting(data["approval"]["digest"].as_str().unwrap().to_owned()),
                Some(_) => Came::Done(plain(data["result"].clone())),
                None => Came::Done(plain(data.clone())),
            }
        };
        let actor = self.who.actor();
        let entries = entries(&world, before, &actor).await;
        (came, entries)
    }
}

/// Whole floats may be written without a point.
fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, plain(value))).collect(),
        other => other,
    }
}

async fn length(world: &World) -> u64 {
    world.ops.audit().entries(0, 1000).await.unwrap().len() as u64
}

/// The entries that a call wrote, without what differs from one call to the next: ids, and that an agent acted for the one who
/// was authenticated.
async fn entries(world: &World, before: u64, caller: &Actor) -> Vec<Value> {
    world.ops.idle().await;
    let entries = world.ops.audit().entries(before, 1000).await.unwrap();
    let shown = entries.into_iter().map(|entry| {
        let mut actor = entry.actor.clone();
        if let Some(principal) = actor.on_behalf_of.take() {
            assert_eq!(actor.roles, principal.roles, "it has the roles of whom it acts for");
            actor = *principal;
        }
        assert_eq!(actor.identity, caller.identity);
        let mut entry = serde_json::to_value(&entry).unwrap();
        let fields = entry.as_object_mut().unwrap();
        fields.retain(|name, _| !["actor", "requestId", "time", "grant", "traceId"].contains(&name.as_str()));
        if let Some(Value::Object(outcome)) = fields.get_mut("outcome") {
            outcome.remove("durationMs");
            outcome.remove("duration");
        }
        entry
    });
    shown.collect()
}

fn who() -> impl Strategy<Value = Who> {
    let role = prop::sample::select(Role::ALL);
    prop_oneof![
        1 => Just(Who::Person(None)),
        4 => role.clone().prop_map(|role| Who::Person(Some(role))),
        1 => role.clone().prop_map(Who::Agent),
        1 => role.prop_map(Who::Service),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let says = prop::sample::select(vec![Says::Allow, Says::Allow, Says::Ask, Says::Deny, Says::Nothing]);
    let flaw = prop::sample::select(vec![Flaw::None, Flaw::None, Flaw::Missing, Flaw::Provider, Flaw::Field]);
    (who(), says, prop::sample::select(Operation::ALL), flaw).prop_map(|(who, says, operation, flaw)| Case {
        who,
        says,
        operation,
        flaw,
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The name by which this program knows that it is the plugin.
#[cfg(feature = "plugin")]
const IS_PLUGIN: &str = "OPSORCH_TEST_IS_PLUGIN";

/// The provider of every other world, in a process of its own.
#[cfg(feature = "plugin")]
async fn plugin() -> Provider {
    let arguments = ["same::what_other_tests_start_as_a_plugin", "--exact", "--nocapture"];
    let config = opsorch::plugin::PluginConfig::new(std::env::current_exe().unwrap());
    let config = arguments.into_iter().fold(config, |config, argument| config.arg(argument));
    let config = config.env(IS_PLUGIN, opsorch::secret::SecretRef::literal("yes"));
    let provider = config.build(&"tracker".into(), &BuildEnv::new()).await.unwrap();
    let same = vendor().provider("tracker").target(None);
    provider.kind(same.kind).fingerprint(same.fingerprint).scope(same.scope)
}

#[cfg(feature = "plugin")]
#[test]
fn what_other_tests_start_as_a_plugin() {
    if std::env::var_os(IS_PLUGIN).is_some() {
        runtime().block_on(opsorch::plugin::serve(vendor().provider("tracker"))).unwrap();
    }
}

/// Fails unless all doors say the same; answers what they say.
async fn check(case: &Case) -> (Came, Vec<Value>) {
    let by_http = case.by_http().await;
    let by_mcp = case.by_mcp().await;
    // By its address nobody can send an id and a field beside it.
    let is_by_id = samples::input(case.operation).is_string();
    if case.flaw == Flaw::Field && !is_by_id {
        // A malformed input is no value in Rust.
        assert_eq!(by_http, by_mcp, "{case:?}: HTTP and MCP");
        return by_mcp;
    }
    let by_rust = case.by_rust().await;
    assert_eq!(by_rust, by_http, "{case:?}: Rust and HTTP");
    assert_eq!(by_rust, by_mcp, "{case:?}: Rust and MCP");
    #[cfg(feature = "plugin")]
    assert_eq!(by_rust, case.by_plugin().await, "{case:?}: Rust and a plugin");
    by_mcp
}

#[test]
fn every_operation_comes_to_the_same_by_every_door() {
    runtime().block_on(async {
        for operation in Operation::ALL {
            for says in [Says::Allow, Says::Ask] {
                let case =
                    Case { who: Who::Person(Some(Role::Operator)), says, operation: *operation, flaw: Flaw::None };
                let (came, entries) = check(&case).await;
                assert!(!matches!(came, Came::Refused(_)), "{case:?}: {came:?}");
                assert_eq!(entries.is_empty(), !is_write(*operation), "{case:?}: {entries:?}");
            }
        }
    });
}

#[test]
fn one_action_has_one_digest() {
    runtime().block_on(async {
        let mut digests = std::collections::BTreeSet::new();
        for operation in Operation::ALL.iter().filter(|operation| is_write(**operation)) {
            let who = Who::Person(Some(Role::Operator));
            let case = Case { who, says: Says::Ask, operation: *operation, flaw: Flaw::None };
            let (Came::Waiting(digest), _) = check(&case).await else { panic!("{operation} asks") };
            assert!(digests.insert(digest), "{operation} has the digest of another");
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn whoever_calls_whatever_how_it_comes_is_the_same(case in case()) {
        runtime().block_on(check(&case));
    }
}
