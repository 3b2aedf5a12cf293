//! The registry, and the canary: a secret in every wrong place.

use opsorch::{ErrorKind, ManualClock};
use serde_json::{Value, json};

use super::*;

fn env() -> BuildEnv {
    BuildEnv::new().with_secrets(Arc::new(secrets())).with_clock(Arc::new(ManualClock::default()))
}

fn right() -> Value {
    json!({ "url": "https://desk.example.org", "token": "env:DESK_TOKEN" })
}

async fn built(config: Value) -> Result<Provider> {
    registry().build(&"desk".into(), "desk", &config, &env()).await
}

async fn fingerprint(config: Value) -> String {
    built(config).await.unwrap().target(None).fingerprint
}

/// Another type under the name of the test's kind.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OtherDesk {}

#[async_trait]
impl ProviderConfig for OtherDesk {
    const KIND: &'static str = "desk";

    async fn build(self, _: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        env.transport()?;
        Ok(Provider::new("somebody-else"))
    }
}

#[tokio::test]
async fn a_provider_is_built_with_its_kind_and_a_fingerprint_of_its_configuration() {
    let target = built(right()).await.unwrap().target(None);
    assert_eq!((target.provider.as_str(), target.kind.as_str()), ("desk", "desk"));
    assert!(target.fingerprint.parse::<opsorch::Digest>().is_ok(), "{}", target.fingerprint);
}

#[tokio::test]
async fn a_fingerprint_changes_with_the_configuration_and_holds_no_secret() {
    let one = fingerprint(right()).await;
    let spelled_out =
        json!({ "token": "env:DESK_TOKEN", "mode": "cloud", "retries": 0, "url": "https://desk.example.org/" });
    assert_eq!(fingerprint(spelled_out).await, one, "the same meaning is the same configuration");

    let mut other = right();
    other["mode"] = json!("server");
    assert_ne!(fingerprint(other).await, one);

    let literal = |token| json!({ "url": "https://desk.example.org", "token": token });
    assert_eq!(fingerprint(literal("one")).await, fingerprint(literal("other")).await, "it tells nothing of a literal");
}

#[tokio::test]
async fn an_unknown_kind_lists_the_known_or_says_how_to_get_one() {
    let error = registry().build(&"x".into(), "jira", &right(), &env()).await.unwrap_err();
    assert_eq!(error.to_string(), "invalid providers.x.kind: unknown kind `jira`, expected one of: desk");
    let error = Registry::new().check(&"x".into(), "jira", &right()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid providers.x.kind: unknown kind `jira`, no kind is compiled in; enable a cargo feature of opsorch-providers"
    );
}

#[test]
fn registries_are_values_that_merge_and_the_last_of_a_name_stays() {
    let merged = Registry::new().merge(registry());
    assert_eq!(merged.kinds().collect::<Vec<_>>(), ["desk"]);
    assert!(merged.clone().register::<OtherDesk>().check(&"x".into(), "desk", &json!({})).is_ok());
    assert!(merged.check(&"x".into(), "desk", &json!({})).is_err(), "the clone was changed, not this one");
    assert_eq!(format!("{merged:?}"), r#"Registry(["desk"])"#);
}

#[test]
fn a_schema_says_what_a_kind_is_configured_with() {
    let schema = registry().schema("desk").unwrap();
    let schema = schema.as_value();
    assert_eq!(schema["required"], json!(["url", "token"]));
    assert_eq!(schema["additionalProperties"], json!(false));
    assert!(registry().schema("jira").is_none());
}

#[tokio::test]
async fn a_kind_without_a_transport_is_told_how_to_give_one() {
    let other = Registry::new().register::<OtherDesk>();
    let error = other.build(&"x".into(), "desk", &json!({}), &env()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "unsupported: there is no HTTP transport; give one to the builder, such as the `ReqwestTransport` of the cargo \
         feature `reqwest` (provider: x)"
    );
}

#[tokio::test]
async fn a_provider_cannot_take_another_name() {
    let other = Registry::new().register::<OtherDesk>();
    let env = env().with_transport(Arc::new(NoTransport));
    let error = other.build(&"x".into(), "desk", &json!({}), &env).await.unwrap_err();
    assert_eq!(error.to_string(), "unexpected: kind `desk` built a provider `somebody-else` instead of `x`");
}

#[derive(Debug)]
struct NoTransport;

#[async_trait]
impl opsorch::transport::Transport for NoTransport {
    async fn send(&self, _: opsorch::transport::Request) -> Result<opsorch::transport::Reply> {
        Err(Error::new(ErrorKind::Unavailable, "not in these tests").not_applied())
    }
}

#[tokio::test]
async fn a_configuration_must_be_a_table() {
    for (config, got) in [(json!(null), "nothing"), (json!("canary"), "text"), (json!(5511), "an integer")] {
        let error = built(config).await.unwrap_err();
        assert_eq!(error.to_string(), format!("invalid providers.desk: expected a table, got {got}"));
    }
}

/// A secret in every place where somebody could put it by mistake, and the text that says so.
fn misplaced() -> Vec<(Value, &'static str)> {
    let with = |key: &str, value: Value| {
        let mut config = right();
        config[key] = value;
        config
    };
    vec![
        (with("url", json!(CANARY)), "providers.desk.url: relative URL without a base: \"***\""),
        (with("url", json!(format!("https://{CANARY}:x"))), "providers.desk.url: invalid port number: \"***\""),
        (with("url", json!(["x", CANARY])), "providers.desk.url: expected a string representing an URL, got a list"),
        (
            with("token", json!({ "value": CANARY })),
            "providers.desk.token: expected text such as env:NAME or file:PATH, got a table",
        ),
        (
            with("token", json!([CANARY])),
            "providers.desk.token: expected text such as env:NAME or file:PATH, got a list",
        ),
        (
            with("token", json!(format!("redacted:{CANARY}"))),
            "providers.desk.token: a literal secret was redacted when this configuration was written; put a reference \
             such as env:NAME or file:PATH in its place",
        ),
        (
            with("token", json!(format!("env:A={CANARY}"))),
            "providers.desk.token: the name of an environment variable holds no `=` and no NUL",
        ),
        (with("mode", json!(CANARY)), "providers.desk.mode: expected `cloud` or `server`, got another word"),
        (with("mode", json!({ "x": CANARY })), "providers.desk.mode: expected `cloud` or `server`, got another word"),
        (with("mode", json!({ "cloud": CANARY })), "providers.desk.mode.cloud: expected unit, got text"),
        (with("retries", json!(CANARY)), "providers.desk.retries: expected u8, got text"),
        (with("labels", json!(CANARY)), "providers.desk.labels: expected a table, got text"),
        (with("labels", json!({ "a": [CANARY] })), "providers.desk.labels.a: expected text, got a list"),
        (
            with("approvers", json!(CANARY)),
            "providers.desk.approvers: expected a quorum such as `2 of sre and 1 of security` (1 to 32 people, one word \
             a role), got `***`",
        ),
        (with("approvers", json!(CANARY.repeat(20))), "providers.desk.approvers: the value is not accepted"),
        (
            with("password", json!(CANARY)),
            "providers.desk.password: unknown key `password`, expected one of `url`, `token`, `mode`, `retries`, \
             `labels`, `approvers`",
        ),
    ]
}

#[tokio::test]
async fn a_secret_in_a_wrong_place_is_not_shown() {
    for (config, expected) in misplaced() {
        let error = built(config.clone()).await.unwrap_err();
        assert!(!printed(&error).contains("canary"), "{}", printed(&error));
        assert_eq!(error.to_string(), format!("invalid {expected}"), "{config}");
    }
}

#[tokio::test]
async fn a_secret_in_a_wrong_place_of_a_file_is_not_shown() {
    let places = [
        format!("token = {CANARY}"),
        format!("token = '{CANARY}"),
        format!("token = \"{CANARY}\\q\""),
        format!("token '{CANARY}'"),
        format!("'{CANARY}'"),
        format!("token = '{CANARY}' x"),
        format!("token = '''\n{CANARY}"),
        format!("kind = ['{CANARY}']"),
        format!("read_only = '{CANARY}'"),
        format!("attributes = '{CANARY}'"),
        format!("attributes = {{ environment = ['{CANARY}'] }}"),
        format!("capabilities = '{CANARY}'"),
        format!("capabilities = ['{CANARY}']"),
        format!("x = '{CANARY}'"),
    ];
    let elsewhere = [
        format!("providers = '{CANARY}'"),
        format!("[providers]\nx = '{CANARY}'"),
        format!("[routes]\nticket = '{CANARY}'"),
        format!("[store]\nkind = '{CANARY}'"),
        format!("[store]\nkind = 'memory'\nurl = '{CANARY}'"),
        format!("[gate]\nlease = '{CANARY}'"),
        format!("access = '{CANARY}'"),
        format!("[[access]]\noperations = '{CANARY}'"),
        format!("[[access]]\noperations = ['{CANARY}']"),
        format!("[[policy.rule]]\nname = 'a'\noperations = ['*']\ndecision = '{CANARY}'"),
        format!("[[policy.rule]]\nname = 'a'\noperations = ['*']\ndecision = 'deny'\nquorum = '{CANARY}'"),
        format!("[people]\na = '{CANARY}'"),
        format!("token = '{CANARY}'"),
    ];
    let places = places.map(|line| format!("[providers.desk]\nkind = 'desk'\nurl = 'https://x'\n{line}"));
    for text in places.iter().chain(&elsewhere) {
        let error = refused(text).await;
        assert!(!printed(&error).contains("canary"), "{text}: {}", printed(&error));
    }
}

#[tokio::test]
async fn numbers_and_booleans_in_place_of_a_secret_are_not_shown() {
    for value in [json!(551_155), json!(-551_155), json!(55.1155), json!(true)] {
        let mut config = right();
        config["token"] = value;
        let error = built(config).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid providers.desk.token: expected text such as env:NAME or file:PATH; put the value in quotes"
        );
        assert!(!printed(&error).contains("55"), "{}", printed(&error));
    }
    let mut config = right();
    config["retries"] = json!(551_155);
    let error = built(config).await.unwrap_err();
    assert!(!printed(&error).contains("551155"), "{}", printed(&error));
}

#[test]
fn a_configuration_round_trips_with_its_references_and_never_with_clear_text() {
    let config: DeskConfig = serde_json::from_value(right()).unwrap();
    let written = toml::to_string(&config).unwrap();
    assert!(written.contains(r#"token = "env:DESK_TOKEN""#), "{written}");
    let read: DeskConfig = toml::from_str(&written).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::to_value(&config).unwrap());

    let literal: DeskConfig = serde_json::from_value(json!({ "url": "https://x", "token": CANARY })).unwrap();
    let shown = format!("{literal:?} {literal:#?} {}", toml::to_string(&literal).unwrap());
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn neither_a_config_nor_its_builder_shows_a_literal() {
    let text = format!("[providers.desk]\nkind = 'desk'\nurl = 'https://x'\ntoken = '{CANARY}'");
    let config = Config::parse(&text).unwrap();
    let shown = format!("{config:?} {config:#?}");
    assert!(shown.contains("\"token\""), "the key is shown: {shown}");
    assert!(!shown.contains("canary"), "{shown}");

    let builder = OpsOrch::builder().registry(registry()).config(config);
    assert!(!format!("{builder:?}").contains("canary"));
    let ops = builder.build().await.unwrap();
    assert!(!format!("{ops:?}").contains("canary"));
}
