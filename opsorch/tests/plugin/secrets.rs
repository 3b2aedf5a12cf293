//! A secret goes to a plugin that says everywhere what it knows, and is then searched for.

use std::io::Write;
use std::sync::{Arc, Mutex};

use opsorch::plugin::{PluginConfig, Protocol};
use opsorch::secret::SecretRef;
use serde_json::json;

use crate::support::{assert_gone, get, plane, plugin, processes, token};
use crate::trials;

/// With characters that JSON writes in another way.
pub(crate) const CANARY: &str = "canary/\"zw~q\"+<&>=\\ 41";

/// Parts of it as they may show.
const SIGNS: [&str; 3] = ["canary", "zw~q", "Y2FuYXJ5"];

trials!(
    nothing_is_inherited_and_a_secret_is_in_no_command_line_environment_or_log,
    a_secret_is_in_the_environment_of_those_who_asked_for_it_and_in_no_log,
    a_configuration_shows_no_secret,
);

#[track_caller]
pub(crate) fn assert_hidden(text: &str) {
    for sign in SIGNS {
        assert!(!text.contains(sign), "{sign} is seen in {text}");
    }
}

/// Everything that is traced on this thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traces(Arc<Mutex<Vec<u8>>>);

impl Traces {
    pub(crate) fn collect(&self) -> (tracing::subscriber::DefaultGuard, tracing::Dispatch) {
        let this = self.clone();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
        let guard = tracing::subscriber::set_default(subscriber.with_writer(move || this.clone()).finish());
        // With a second one, tracing asks both about each event, and not the thread that met it first.
        (guard, tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Traces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn with_canary(protocol: Protocol, token: &str) -> PluginConfig {
    let config = json!({ "url": "https://example.org", "token": "env:CANARY" });
    plugin(protocol, "stderr", token).config(config.as_object().unwrap().clone())
}

async fn nothing_is_inherited_and_a_secret_is_in_no_command_line_environment_or_log() {
    for protocol in [Protocol::Two, Protocol::Legacy] {
        let (token, traces) = (token(), Traces::default());
        let _guard = traces.collect();
        let ops = plane().configure("tracker", with_canary(protocol, &token)).build().await.unwrap();
        assert!(get(&ops, "T-1").await.is_ok());
        for process in processes(&token) {
            for file in ["cmdline", "environ"] {
                let bytes = std::fs::read(format!("/proc/{process}/{file}")).unwrap();
                assert_hidden(&String::from_utf8_lossy(&bytes));
                assert!(file != "environ" || bytes.is_empty(), "inherited: {}", String::from_utf8_lossy(&bytes));
            }
        }
        drop(ops);
        assert_gone(&token).await;
        // The last words of the plugin are read when it has ended.
        let seen = traces.clone();
        crate::support::eventually("nothing was logged", || seen.text().contains("got {")).await;
        assert!(traces.text().contains("opsorch::plugin::stderr"), "{}", traces.text());
        assert_hidden(&traces.text());
    }
}

async fn a_secret_is_in_the_environment_of_those_who_asked_for_it_and_in_no_log() {
    let (token, traces) = (token(), Traces::default());
    let _guard = traces.collect();
    let config = with_canary(Protocol::Two, &token).env("ASKED", SecretRef::env("CANARY"));
    let config = config.env("LANG", SecretRef::literal("C.UTF-8"));
    let ops = plane().configure("tracker", config).build().await.unwrap();
    assert!(get(&ops, "T-1").await.is_ok());
    let process = processes(&token)[0];
    let environment = std::fs::read_to_string(format!("/proc/{process}/environ")).unwrap();
    let mut variables: Vec<&str> = environment.split_terminator('\0').collect();
    variables.sort_unstable();
    assert_eq!(variables, [&format!("ASKED={CANARY}"), "LANG=C.UTF-8"]);
    drop(ops);
    assert_gone(&token).await;
    crate::support::eventually("nothing was logged", || traces.text().contains("arguments")).await;
    assert_hidden(&traces.text());
}

async fn a_configuration_shows_no_secret() {
    let config = json!({ "apiToken": CANARY, "nested": { "password": CANARY }, "x": format!("literal:{CANARY}") });
    let config = plugin(Protocol::Two, "well", "t").config(config.as_object().unwrap().clone());
    let config = config.env("TOKEN", SecretRef::literal(CANARY));
    assert_hidden(&format!("{config:?} {config:#?} {}", serde_json::to_string(&config).unwrap()));
    let error = plane().configure("tracker", config.operation("no.such")).build().await.unwrap_err();
    assert_hidden(&format!("{error} {error:?}"));
}
