//! Files: what is read, and the words for what is not.

use opsorch::gate::{Decision, Policy};
use opsorch::{Action, Actor, CommentTicket, ErrorKind, Operation, ProviderEntry, Scope, Target};

use super::*;

#[tokio::test]
async fn a_whole_file_is_read() {
    let text = desk(
        r#"
        attributes = { environment = "production", service = "api", team = "core" }
        capabilities = ["ticket"]

        [routes]
        ticket = ["desk"]

        [[policy.rule]]
        name = "comments"
        operations = ["ticket.comment"]
        decision = "allow"

        [[access]]
        roles = ["operator"]
        operations = ["ticket.*"]

        [people]
        alice = [{ issuer = "https://id.example.org", subject = "alice" }, { issuer = "slack", subject = "U0123" }]

        [store]
        kind = "memory"

        [gate]
        request_ttl = "8h"
        grant_ttl = "30s"
        key_ttl = "2d"
        lease = "5m"
        policy_timeout = "1s"
        "#,
    );
    let config = Config::parse(&text).unwrap();
    config.check(&registry()).unwrap();
    let ops = build(config).await.unwrap();

    let provider = ops.providers().next().unwrap();
    let target = provider.target(None);
    assert_eq!(target.provider.as_str(), "desk");
    assert_eq!(target.kind, "desk");
    assert_eq!(target.scope, Scope::new().environment("production").service("api").team("core"));
    assert_eq!(provider.operations().to_string(), "ticket.query, ticket.get, ticket.comment");
}

#[tokio::test]
async fn an_empty_file_is_a_control_plane_without_providers() {
    let config = Config::parse("").unwrap();
    assert_eq!(config.provider_names().count(), 0);
    assert_eq!(build(config).await.unwrap().providers().count(), 0);
}

#[tokio::test]
async fn capabilities_and_read_only_take_away_what_a_provider_offers() {
    let all = build(Config::parse(&desk("")).unwrap()).await.unwrap();
    assert_eq!(
        all.providers().next().unwrap().operations().to_string(),
        "log.query, ticket.query, ticket.get, ticket.comment"
    );
    let few = build(Config::parse(&desk("read_only = true\ncapabilities = ['ticket']")).unwrap()).await.unwrap();
    let offered = few.providers().next().unwrap().operations();
    assert!(!offered.contains(Operation::TicketComment));
    assert_eq!(offered.to_string(), "ticket.query, ticket.get");
}

#[tokio::test]
async fn the_same_is_made_in_code() {
    let entry = ProviderEntry::new("desk")
        .config(serde_json::json!({ "url": "https://desk.example.org", "token": "env:DESK_TOKEN" }))
        .attributes(Scope::new().team("core"))
        .capabilities([opsorch::Capability::Ticket])
        .read_only();
    let config = Config::new().provider("desk", entry).route(opsorch::Capability::Ticket, ["desk"]);
    let ops = build(config).await.unwrap();
    let provider = ops.providers().next().unwrap();
    assert_eq!(provider.target(None).scope, Scope::new().team("core"));
    assert_eq!(provider.operations().to_string(), "ticket.query, ticket.get");
}

#[tokio::test]
async fn mistakes_are_named_by_their_path_and_say_what_was_expected() {
    let cases: &[(String, &str)] = &[
        ("[providers".into(), "invalid config: line 1, column 11: unclosed table, expected `]`"),
        ("a = 1\na = 2".into(), "invalid config: line 2, column 1: duplicate key"),
        (format!("{}\n{}", desk(""), desk("")), "invalid config: line 6, column 12: duplicate key"),
        (
            "[provider.desk]".into(),
            "invalid provider: unknown key `provider`, expected one of `providers`, `routes`, `routing`, `identity`, \
             `access`, `policy`, `people`, `store`, `secrets`, `gate`",
        ),
        ("providers = 1".into(), "invalid providers: expected a table, got an integer"),
        ("[providers.desk]".into(), "invalid providers.desk.kind: this key is missing"),
        ("[providers.desk]\nkind = 1".into(), "invalid providers.desk.kind: expected text, got an integer"),
        (
            "[providers.desk]\nkind = 'dask'".into(),
            "invalid providers.desk.kind: unknown kind `dask`, expected one of: desk",
        ),
        (
            "[providers.'a b']\nkind = 'desk'".into(),
            "invalid providers: expected a name of 1 to 100 printable characters without space, got `a b`",
        ),
        (
            "[providers.'']\nkind = 'desk'".into(),
            "invalid providers: expected a name of 1 to 100 printable characters without space, got ``",
        ),
        (
            "[providers.\"a\\u202eb\"]\nkind = 'desk'".into(),
            "invalid providers: expected a name of 1 to 100 printable characters without space, got `a\\u{202e}b`",
        ),
        (
            desk("urll = ''"),
            "invalid providers.desk.urll: unknown key `urll`, expected one of `url`, `token`, `mode`, `retries`, \
             `labels`, `approvers`",
        ),
        (
            "[providers.desk]\nkind = 'desk'\nurl = 'https://x'".into(),
            "invalid providers.desk.token: this key is missing",
        ),
        (
            "[providers.desk]\nkind = 'desk'\nurl = 'desk'\ntoken = 'env:A'".into(),
            "invalid providers.desk.url: relative URL without a base: \"***\"",
        ),
        (
            "[providers.desk]\nkind = 'desk'\nurl = 'http://desk'\ntoken = 'env:DESK_TOKEN'".into(),
            "invalid providers.desk.url: expected https, got http (provider: desk)",
        ),
        (
            "[providers.desk]\nkind = 'desk'\nurl = 'https://desk'\ntoken = 'env:OTHER'".into(),
            "invalid env:OTHER: there is no such secret; known are: DESK_TOKEN (provider: desk)",
        ),
        (desk("token.x = 1"), "invalid config: line 5, column 1: cannot extend value of type string with a dotted key"),
        (desk("retries = 256"), "invalid providers.desk.retries: expected u8, got an integer"),
        (desk("retries = nan"), "invalid providers.desk.retries: expected a finite number, got `nan` or `inf`"),
        (desk("labels.a = [1]"), "invalid providers.desk.labels.a: expected text, got a list"),
        (desk("mode = 'x'"), "invalid providers.desk.mode: expected `cloud` or `server`, got another word"),
        (desk("read_only = 'yes'"), "invalid providers.desk.read_only: expected a boolean, got text"),
        (
            desk("attributes = { enviroment = 'production' }"),
            "invalid providers.desk.attributes.enviroment: unknown key `enviroment`, expected one of `service`, `team`, \
             `environment`",
        ),
        (
            desk("attributes = { environment = ' production' }"),
            "invalid providers.desk.attributes.environment: expected text without space around it; leave the key out if \
             it is not known",
        ),
        (
            desk("capabilities = ['tickets']"),
            "invalid providers.desk.capabilities[0]: expected one of `incident`, `alert`, `log`, `metric`, `ticket`, \
             `messaging`, `service`, `deployment`, `team`, `orchestration`, got another word",
        ),
        (
            desk("capabilities = []"),
            "invalid providers.desk.capabilities: expected at least one capability; leave the key out to offer all",
        ),
        (
            desk("capabilities = ['ticket', 'alert']"),
            "invalid providers.desk.capabilities: provider `desk` offers nothing of `alert`; it offers: log.query, \
             ticket.query, ticket.get, ticket.comment",
        ),
        (
            desk("[routes]\ntickets = ['desk']"),
            "invalid routes.tickets: unknown capability `tickets`, expected one of: incident, alert, log, metric, ticket, \
             messaging, service, deployment, team, orchestration",
        ),
        (
            desk("[routes]\nticket = ['desk', 'dask']"),
            "invalid routes.ticket[1]: unknown provider `dask`, expected one of: desk",
        ),
        (
            "[routes]\nticket = ['dask']".into(),
            "invalid routes.ticket[0]: unknown provider `dask`; no provider is configured",
        ),
        (desk("[routes]\nticket = ['desk', 'desk']"), "invalid routes.ticket[1]: `desk` is there twice"),
        (
            desk("[routes]\nalert = ['desk']"),
            "invalid routes.alert: provider `desk` offers nothing of `alert`; it offers: log.query, ticket.query, \
             ticket.get, ticket.comment",
        ),
        (
            "[store]\nkind = 'redis'".into(),
            "invalid store.kind: expected one of `memory`, `sqlite`, `postgres`, got another word",
        ),
        ("[store]".into(), "invalid store.kind: this key is missing"),
        (
            "[store]\nkind = 'memory'\npath = 'x'".into(),
            "invalid store.path: a store in memory has no path; take it out",
        ),
        ("[store]\nkind = 'sqlite'".into(), "invalid store.path: this key is missing"),
        ("[store]\nkind = 'postgres'".into(), "invalid store.url: this key is missing"),
        (
            "[store]\nkind = 'sqlite'\npath = 'x'\nurl = 'env:X'".into(),
            "invalid store.url: a store in SQLite has no url; take it out",
        ),
        (
            "[store]\nkind = 'sqlite'\nfile = 'x'".into(),
            "invalid store.file: unknown key `file`, expected one of `kind`, `path`, `url`",
        ),
        (
            "[gate]\ngrant_ttl = '15 min'".into(),
            "invalid gate.grant_ttl: expected a duration such as `30s`, `5m`, `2h` or `1d`, at most ten years, got `***`",
        ),
        ("[gate]\ngrant_ttl = 15".into(), "invalid gate.grant_ttl: expected text, got an integer"),
        (
            "[gate]\ngrant = '15m'".into(),
            "invalid gate.grant: unknown key `grant`, expected one of `request_ttl`, `grant_ttl`, `key_ttl`, `lease`, \
             `policy_timeout`",
        ),
        (
            "[people]\nalice = [{ issuer = 'x', subject = 'a' }]\nbob = [{ issuer = 'x', subject = 'a' }]".into(),
            "invalid people.bob: a@x belongs to `alice` already; an identity is one person's",
        ),
        ("[people]\nalice = [{ issuer = 'x' }]".into(), "invalid people.alice[0].subject: this key is missing"),
        ("[policy]\nrules = []".into(), "invalid policy.rules: unknown key `rules`, expected `rule`"),
        (
            "[[policy.rule]]\nname = 'a'\noperations = ['*']\ndecision = 'require-approval'".into(),
            "invalid policy.rule[0].quorum: expected who must agree, such as `1 of sre`, because the decision is \
             require-approval",
        ),
        (
            "[[access]]\noperations = []".into(),
            "invalid access[0].operations: expected at least one operation; `*` means all",
        ),
        ("[[access]]".into(), "invalid access[0].operations: this key is missing"),
        (
            "[[access]]\noperations = ['*']\nrole = 'x'".into(),
            "invalid access[0].role: unknown key `role`, expected one of `roles`, `kinds`, `operations`, `providers`",
        ),
    ];
    for (text, expected) in cases {
        let error = refused(text).await;
        assert_eq!(error.to_string(), *expected, "{text}");
        assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{text}");
    }
}

#[tokio::test]
async fn a_misspelt_operation_in_an_access_rule_lists_the_operations() {
    let error = refused("[[access]]\noperations = ['*.get', 'ticket.creat']").await.to_string();
    let beginning = "invalid access[0].operations[1]: it matches no operation; the operations are: incident.query, ";
    assert!(error.starts_with(beginning), "{error}");
    assert!(error.ends_with("orchestration.runs.cancel"), "{error}");
}

#[tokio::test]
async fn nothing_is_built_from_a_configuration_with_a_mistake_anywhere() {
    // The first provider's secret is missing, which building it would find; the mistake in the second is found first.
    let text = "[providers.a]\nkind = 'desk'\nurl = 'https://a'\ntoken = 'env:MISSING'\n[providers.b]\nkind = 'nope'";
    assert_eq!(refused(text).await.to_string(), "invalid providers.b.kind: unknown kind `nope`, expected one of: desk");
}

#[tokio::test]
async fn what_nests_too_deep_is_refused() {
    let deep = [
        format!("{}labels = {}{}", desk(""), "[".repeat(200), "]".repeat(200)),
        format!("{}labels = {}1{}", desk(""), "{ a = ".repeat(200), " }".repeat(200)),
        format!("{}labels.{} = 1", desk(""), vec!["a"; 200].join(".")),
        format!("[{}]", vec!["a"; 100_000].join(".")),
        format!("providers = {}", "[".repeat(500_000)),
    ];
    for text in deep {
        let error = refused(&text).await.to_string();
        assert!(error.starts_with("invalid config: "), "{error}");
        assert!(error.contains("recursion") || error.contains("unclosed"), "{error}");
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let error = Config::parse(&"#".repeat(1024 * 1024 + 1)).unwrap_err();
    assert_eq!(error.to_string(), "invalid config: expected at most 1 MiB of TOML, got 1048577 bytes");
    assert!(Config::parse(&"#".repeat(1024 * 1024)).is_ok());

    let provider = |number| format!("[providers.p{number}]\nkind = 'desk'\n");
    let text: String = (0..1001).map(provider).collect();
    assert_eq!(
        Config::parse(&text).unwrap_err().to_string(),
        "invalid providers: expected at most 1000 providers, got 1001"
    );
    assert!(Config::parse(&(0..1000).map(provider).collect::<String>()).is_ok());
}

#[test]
fn a_file_is_named_in_every_error_about_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("opsorch.toml");
    let file = path.display().to_string();
    let load = |content: &[u8]| {
        std::fs::write(&path, content).unwrap();
        Config::load(&path)
    };

    assert_eq!(load(desk("").as_bytes()).unwrap().provider_names().collect::<Vec<_>>(), ["desk"]);
    let cases: [(&[u8], &str); 3] = [
        (
            b"x = 1",
            "invalid x: unknown key `x`, expected one of `providers`, `routes`, `routing`, `identity`, `access`, `policy`, \
             `people`, `store`, `secrets`, `gate`",
        ),
        (b"# canary\xff", "invalid config: the file is not UTF-8"),
        (&vec![b'#'; 1024 * 1024 + 1], "invalid config: the file is larger than 1 MiB; is it the right one?"),
    ];
    for (content, expected) in cases {
        let error = load(content).unwrap_err();
        assert_eq!(error.to_string(), format!("{expected} (file: {file})"));
        assert!(!printed(&error).contains("canary"));
    }
    let error = Config::load(directory.path().join("other.toml")).unwrap_err();
    assert!(error.to_string().starts_with("invalid config: the file cannot be read: "), "{error}");
    assert!(error.to_string().contains("other.toml"), "{error}");
}

#[tokio::test]
async fn the_policy_of_a_file_decides_as_the_same_rules_alone() {
    let rule = "name = 'comments'\noperations = ['ticket.comment']\ndecision = 'allow'";
    let config = Config::parse(&format!("[[policy.rule]]\n{rule}")).unwrap();
    let rules = opsorch::gate::Rules::parse(&format!("[[rule]]\n{rule}")).unwrap();
    assert!(format!("{config:?}").contains(rules.revision().unwrap()));

    let action = Action::TicketComment(CommentTicket::new("T-1", "hello"));
    let target = Target::new("desk", "desk", "", Scope::new());
    let decided = rules.decide(&Context::new(Actor::agent("a")), &target, &action).await.unwrap();
    assert_eq!(decided, Decision::allow("comments"));
}
