//! Plugins from `OPSORCH_*` variables.

use opsorch::plugin::PluginConfig;
use opsorch::{Config, OpsOrch, Registry};

use crate::support::{agent, script};
use crate::trials;

trials!(a_plugin_wins_over_a_provider, the_timeout_is_that_of_all_plugins, a_plugin_that_is_missing_fails_at_the_start);

async fn build(variables: &[(&str, &str)]) -> opsorch::Result<OpsOrch> {
    let config = Config::from_vars(variables.iter().copied())?;
    OpsOrch::builder().registry(Registry::new().register::<PluginConfig>()).config(config).build().await
}

async fn a_plugin_wins_over_a_provider() {
    let (_keep, path) = script("well");
    let ops = build(&[
        ("OPSORCH_TICKET_PLUGIN", &path),
        ("OPSORCH_TICKET_PROVIDER", "nope"),
        ("OPSORCH_TICKET_CONFIG", r#"{"url":"https://example.org"}"#),
    ])
    .await
    .unwrap();
    assert_eq!(ops.tickets(&agent()).on("ticket").get("T-1").await.unwrap().title, "title of T-1");
    assert!(ops.incidents(&agent()).query(opsorch::IncidentQuery::new()).await.is_err(), "tickets alone");
}

async fn the_timeout_is_that_of_all_plugins() {
    let (_keep, path) = script("hang");
    let ops = build(&[("OPSORCH_TICKET_PLUGIN", &path), ("OPSORCH_PLUGIN_TIMEOUT", "300ms")]).await.unwrap();
    let start = std::time::Instant::now();
    let error = ops.tickets(&agent()).get("bad").await.unwrap_err();
    assert_eq!(*error.kind(), opsorch::ErrorKind::Timeout, "{error}");
    assert!(start.elapsed() < std::time::Duration::from_secs(10));
    let error = build(&[("OPSORCH_TICKET_PLUGIN", &path), ("OPSORCH_PLUGIN_TIMEOUT", "soon")]).await.unwrap_err();
    assert!(error.to_string().contains("ticket.timeout") && error.to_string().contains("OPSORCH_TICKET_*"), "{error}");
}

async fn a_plugin_that_is_missing_fails_at_the_start() {
    let error = build(&[("OPSORCH_LOG_PLUGIN", "/no/such/plugin")]).await.unwrap_err();
    assert!(error.to_string().contains("/no/such/plugin"), "{error}");
}
