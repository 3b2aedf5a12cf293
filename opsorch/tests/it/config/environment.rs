//! Variables: the wire contract of `OPSORCH_<CAPABILITY>_*`.

use opsorch::Capability;

use super::*;

const CONFIG: &str = r#"{ "url": "https://desk.example.org", "token": "env:DESK_TOKEN" }"#;

fn refused(variables: &[(&str, &str)]) -> Error {
    Config::from_vars(variables.iter().copied()).unwrap_err()
}

#[tokio::test]
async fn an_instance_is_named_after_its_capability_and_offers_it_alone() {
    let variables = [
        ("OPSORCH_TICKET_PROVIDER", "  DESK "),
        ("OPSORCH_TICKET_CONFIG", CONFIG),
        ("OPSORCH_LOG_PROVIDER", "desk"),
        ("OPSORCH_LOG_CONFIG", CONFIG),
        ("OPSORCH_ADDR", ":8080"),
        ("HOME", "/root"),
    ];
    let ops = build(Config::from_vars(variables).unwrap()).await.unwrap();
    let offered: Vec<_> = ops.providers().map(|p| (p.name().to_string(), p.operations().to_string())).collect();
    assert_eq!(
        offered,
        [("log".into(), "log.query".into()), ("ticket".into(), "ticket.query, ticket.get, ticket.comment".into())]
    );
}

#[test]
fn every_capability_has_its_variables() {
    for capability in Capability::ALL {
        let name = format!("OPSORCH_{}_PROVIDER", capability.name().to_uppercase());
        let config = Config::from_vars([(name, "desk")]).unwrap();
        assert_eq!(config.provider_names().collect::<Vec<_>>(), [capability.name()]);
    }
}

#[test]
fn what_is_absent_empty_or_null_is_an_empty_configuration() {
    for config in ["", "  ", "null", "{}"] {
        let variables = [("OPSORCH_TICKET_PROVIDER", "desk"), ("OPSORCH_TICKET_CONFIG", config)];
        let error = Config::from_vars(variables).unwrap().check(&registry()).unwrap_err();
        assert_eq!(error.to_string(), "invalid providers.ticket.url: this key is missing (from: OPSORCH_TICKET_*)");
    }
    for provider in ["", "  "] {
        assert_eq!(Config::from_vars([("OPSORCH_TICKET_PROVIDER", provider)]).unwrap().provider_names().count(), 0);
    }
}

#[test]
fn a_configuration_is_read_even_if_no_provider_is_named() {
    assert_eq!(Config::from_vars([("OPSORCH_LOG_CONFIG", CONFIG)]).unwrap().provider_names().count(), 0);
    let cases = [
        ("{", "malformed JSON at line 1, column 1"),
        ("{}{}", "malformed JSON at line 1, column 3"),
        ("{\n  \"token\": canary }", "malformed JSON at line 2, column 12"),
        ("\"canary\"", "text"),
        ("[\"canary\"]", "a list"),
        ("5511", "a number"),
        ("true", "a boolean"),
    ];
    for (content, got) in cases {
        let error = refused(&[("OPSORCH_LOG_CONFIG", content)]);
        assert_eq!(
            error.to_string(),
            format!("invalid config in OPSORCH_LOG_CONFIG: expected a JSON object, got {got}")
        );
        assert!(!printed(&error).contains("canary") && !printed(&error).contains("5511"));
    }
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    let error = refused(&[("OPSORCH_LOG_CONFIG", &deep)]).to_string();
    assert!(error.contains("malformed JSON"), "{error}");
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1024 * 1024));
    let error = refused(&[("OPSORCH_LOG_CONFIG", &large)]).to_string();
    assert_eq!(
        error,
        "invalid config in OPSORCH_LOG_CONFIG: expected a JSON object, got 1048584 bytes; the most are 1 MiB"
    );
}

#[test]
fn a_secret_plugin_is_refused_where_there_are_no_plugins_and_not_ignored() {
    let variables = [("OPSORCH_SECRET_PLUGIN", "/opt/plugin"), ("OPSORCH_TICKET_PROVIDER", "desk")];
    if cfg!(feature = "plugin") {
        assert!(Config::from_vars(variables).unwrap().secrets().is_some());
    } else {
        let error = refused(&variables);
        assert_eq!(
            error.to_string(),
            "unsupported: OPSORCH_SECRET_PLUGIN needs the cargo feature `plugin` of the crate opsorch"
        );
    }
    assert!(Config::from_vars([("OPSORCH_SECRET_PLUGIN", "")]).is_ok());
}

#[tokio::test]
async fn errors_of_an_instance_name_its_variables() {
    let unknown = Config::from_vars([("OPSORCH_LOG_PROVIDER", "nope")]).unwrap();
    assert_eq!(
        build(unknown).await.unwrap_err().to_string(),
        "invalid providers.log.kind: log provider nope not registered: unknown kind `nope`, expected one of: desk (from: \
         OPSORCH_LOG_*)"
    );
    let wrong = Config::from_vars([("OPSORCH_ALERT_PROVIDER", "desk"), ("OPSORCH_ALERT_CONFIG", CONFIG)]).unwrap();
    assert_eq!(
        build(wrong).await.unwrap_err().to_string(),
        "invalid providers.alert.capabilities: provider `alert` offers nothing of `alert`; it offers: log.query, \
         ticket.query, ticket.get, ticket.comment (from: OPSORCH_ALERT_*)"
    );
    let missing = CONFIG.replace("DESK_TOKEN", "OTHER");
    let missing = [("OPSORCH_LOG_PROVIDER", "desk"), ("OPSORCH_LOG_CONFIG", missing.as_str())];
    assert_eq!(
        build(Config::from_vars(missing).unwrap()).await.unwrap_err().to_string(),
        "invalid env:OTHER: there is no such secret; known are: DESK_TOKEN (provider: log, from: OPSORCH_LOG_*)"
    );
}
