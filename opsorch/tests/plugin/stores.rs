//! Secrets that a plugin keeps.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use opsorch::plugin::{PluginConfig, Protocol};
use opsorch::secret::{PluginSecrets, Secret, SecretRef, SecretSource, SecretStore};
use opsorch::{BuildEnv, Config, ErrorKind, OpsOrch, Registry, Result};
use serde_json::json;

use crate::languages::python;
use crate::secrets::{Traces, assert_hidden};
use crate::support::{CALL, agent, assert_gone, get, processes, script, token};
use crate::trials;

trials!(
    a_plugin_of_the_line_protocol_gets_and_puts,
    a_plugin_of_protocol_two_lists_and_deletes_too,
    a_secret_is_in_no_log_error_command_line_or_environment,
    a_store_that_fails_is_not_taken_for_an_empty_one,
    a_plugin_that_keeps_no_secrets_is_refused,
    a_plugin_that_crashes_is_started_again,
    a_control_plane_takes_its_store_and_its_providers_from_a_plugin,
);

const CANARY: &str = "canary/\"zw~q\"+<&>=\\ 42";

/// OpsOrch's own plugin for secrets, in Python: errors are text, a secret that is not there is `NAME not found`.
const LINE: &str = r#"
import json, sys
store = {}
for line in sys.stdin:
    call = json.loads(line)
    method, payload = call["method"], call["payload"]
    print("asked for", payload, file=sys.stderr, flush=True)
    if method == "secret.put":
        if payload["value"] == "refuse":
            reply = {"error": "cannot keep " + payload["value"]}
        else:
            store[payload["key"]] = payload["value"]
            reply = {"result": {"status": "ok"}}
    elif method == "secret.get" and payload["key"] == "crash":
        sys.exit(3)
    elif method == "secret.get" and payload["key"] == "sealed":
        reply = {"error": "the host vault.example.org was not found"}
    elif method == "secret.get" and payload["key"] == "ticket/default":
        reply = {"error": "get ticket/default: lookup vault.internal: host not found"}
    elif method == "secret.get" and payload["key"] == "named":
        reply = {"error": "secret 'named' not found"}
    elif method == "secret.get" and payload["key"] == "odd":
        reply = {"result": {"canary": 5}}
    elif method == "secret.get" and payload["key"] == "empty":
        reply = {"result": ""}
    elif method == "secret.get" and payload["key"] == "nothing":
        reply = {"result": None}
    elif method == "secret.get":
        print("the value is", store.get(payload["key"]), flush=True)
        reply = {"result": store[payload["key"]]} if payload["key"] in store else {"error": payload["key"] + " not found"}
    else:
        reply = {"error": "unknown method " + method}
    print(json.dumps(reply), flush=True)
"#;

/// The same in protocol 2.
const TWO: &str = r#"
import json, sys
store, methods = {}, ["secret.get", "secret.put", "secret.names", "secret.delete"]
for line in sys.stdin:
    call = json.loads(line)
    if "id" not in call:
        continue
    method, params = call["method"], call.get("params", {})
    given = params.get("input", {})
    print("asked for", given, file=sys.stderr, flush=True)
    reply = {"result": None}
    missing = {"error": {"code": -32000, "message": "no", "data": {"code": "not_found"}}}
    if method == "initialize":
        reply = {"result": {"version": 2, "operations": methods}}
    elif method == "secret.put":
        store[given["key"]] = given["value"]
    elif method == "secret.names":
        reply = {"result": list(store)}
    elif given.get("key") not in store:
        reply = missing
    elif method == "secret.get":
        reply = {"result": store[given["key"]]}
    elif method == "secret.delete":
        del store[given["key"]]
    print(json.dumps({"jsonrpc": "2.0", "id": call["id"], **reply}), flush=True)
"#;

fn config(directory: &Path, token: &str, text: &str) -> PluginConfig {
    let path = directory.join(format!("{token}.py"));
    std::fs::write(&path, text).unwrap();
    PluginConfig::new(python()).arg(path.to_str().unwrap()).timeout(CALL)
}

async fn store(directory: &Path, token: &str, text: &str) -> PluginSecrets {
    PluginSecrets::start(config(directory, token, text), &BuildEnv::new()).await.unwrap()
}

async fn assert_kept(store: &PluginSecrets) {
    let canary = Secret::new(CANARY);
    assert_eq!(*store.get("jira/token").await.unwrap_err().kind(), ErrorKind::NotFound);
    store.put("jira/token", &canary).await.unwrap();
    assert!(store.get("jira/token").await.unwrap().matches(CANARY));
    let reference = SecretRef::stored("jira/token");
    assert!(store.resolve(&reference).await.unwrap().matches(CANARY), "a store is a source");
    let large = Secret::new("x".repeat(64 * 1024));
    store.put("large", &large).await.unwrap();
    assert!(store.get("large").await.unwrap().matches(large.expose()));
    for (name, secret) in [("../a", CANARY), ("", CANARY), ("a", "")] {
        assert!(store.put(name, &Secret::new(secret)).await.is_err(), "{name}");
    }
}

async fn a_plugin_of_the_line_protocol_gets_and_puts() {
    for protocol in [Protocol::Auto, Protocol::Legacy] {
        let (token, directory) = (token(), tempfile::tempdir().unwrap());
        let config = config(directory.path(), &token, LINE).protocol(protocol);
        let store = PluginSecrets::start(config, &BuildEnv::new()).await.unwrap();
        assert_kept(&store).await;
        assert_eq!(*store.get("nothing").await.unwrap_err().kind(), ErrorKind::NotFound);
        for error in [store.names().await.unwrap_err(), store.delete("jira/token").await.unwrap_err()] {
            assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
        }
        drop(store);
        assert_gone(&token).await;
    }
}

async fn a_plugin_of_protocol_two_lists_and_deletes_too() {
    let (token, directory) = (token(), tempfile::tempdir().unwrap());
    let store = store(directory.path(), &token, TWO).await;
    assert_kept(&store).await;
    assert_eq!(store.names().await.unwrap(), ["jira/token", "large"]);
    store.delete("large").await.unwrap();
    assert_eq!(*store.delete("large").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.names().await.unwrap(), ["jira/token"]);
    drop(store);
    assert_gone(&token).await;
}

async fn a_secret_is_in_no_log_error_command_line_or_environment() {
    for text in [LINE, TWO] {
        let (token, directory, traces) = (token(), tempfile::tempdir().unwrap(), Traces::default());
        let _guard = traces.collect();
        let store = store(directory.path(), &token, text).await;
        store.put("jira/token", &Secret::new(CANARY)).await.unwrap();
        assert!(store.get("jira/token").await.unwrap().matches(CANARY));
        assert_hidden(&format!("{store:?} {store:#?}"));
        for process in processes(&token) {
            for file in ["cmdline", "environ"] {
                let bytes = std::fs::read(format!("/proc/{process}/{file}")).unwrap();
                assert_hidden(&String::from_utf8_lossy(&bytes));
            }
        }
        drop(store);
        assert_gone(&token).await;
        // What the plugin wrote beside its replies is counted and not shown.
        let seen = traces.clone();
        crate::support::eventually("nothing was logged", || seen.text().contains("may hold secrets")).await;
        assert_hidden(&traces.text());
    }
}

async fn a_store_that_fails_is_not_taken_for_an_empty_one() {
    let (token, directory) = (token(), tempfile::tempdir().unwrap());
    let store = store(directory.path(), &token, LINE).await;
    for name in ["sealed", "ticket/default", "odd", "empty"] {
        let error = store.get(name).await.unwrap_err();
        assert_ne!(*error.kind(), ErrorKind::NotFound, "{name}: {error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
    for name in ["nobody", "named"] {
        assert_eq!(*store.get(name).await.unwrap_err().kind(), ErrorKind::NotFound, "{name}");
    }
    let error = store.put("jira/token", &Secret::new("refuse")).await.unwrap_err();
    assert!(error.message().contains("cannot keep") && !format!("{error:?}").contains("refuse"), "{error:?}");
    drop(store);
    assert_gone(&token).await;
}

async fn a_plugin_that_keeps_no_secrets_is_refused() {
    let (token, directory) = (token(), tempfile::tempdir().unwrap());
    let no_secrets = TWO.replace("\"operations\": methods", "\"operations\": [\"ticket.get\"]");
    let error =
        PluginSecrets::start(config(directory.path(), &token, &no_secrets), &BuildEnv::new()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
    let config = config(directory.path(), &token, TWO).operation("ticket.*");
    let error = PluginSecrets::start(config, &BuildEnv::new()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "operations".into() }, "{error}");
    assert_gone(&token).await;
}

async fn a_plugin_that_crashes_is_started_again() {
    let (token, directory) = (token(), tempfile::tempdir().unwrap());
    let store = store(directory.path(), &token, LINE).await;
    let error = store.get("crash").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");
    assert_kept(&store).await;
    drop(store);
    assert_gone(&token).await;
}

/// `OPSORCH_SECRET_PLUGIN`: where secrets are, and where the providers are kept that no variable names.
async fn a_control_plane_takes_its_store_and_its_providers_from_a_plugin() {
    let (token, directory) = (token(), tempfile::tempdir().unwrap());
    let (_keep, tracker) = script("well");
    let stored = json!({ "provider": "ignored", "plugin": tracker, "config": { "url": "https://example.org" } });
    let path = directory.path().join(format!("{token}.py"));
    let kept = json!({ "providers/ticket/default": stored.to_string() });
    let text = LINE.replace("store = {}", &format!("store = {kept}"));
    std::fs::write(&path, format!("#!{}\n{text}", python().display())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    let build = async |variables: &[(&str, &str)]| -> Result<OpsOrch> {
        let config = Config::from_vars(variables.iter().copied())?;
        OpsOrch::builder().registry(Registry::new().register::<PluginConfig>()).config(config).build().await
    };
    let program = path.to_str().unwrap();
    let ops = build(&[("OPSORCH_SECRET_PLUGIN", program), ("OPSORCH_SECRET_PROVIDER", "nope")]).await.unwrap();
    assert_eq!(get(&ops, "T-1").await.unwrap().title, "title of T-1");
    assert!(ops.tickets(&agent()).on("ticket").get("T-1").await.is_ok());
    drop(ops);
    assert_gone(&token).await;
    let error = build(&[("OPSORCH_SECRET_PLUGIN", "/no/such/plugin")]).await.unwrap_err();
    assert!(error.to_string().contains("/no/such/plugin"), "{error}");
    let slow = [("OPSORCH_SECRET_PLUGIN", program), ("OPSORCH_PLUGIN_TIMEOUT", "soon")];
    let error = build(&slow).await.unwrap_err();
    assert!(error.to_string().contains("secrets") && error.to_string().contains("OPSORCH_SECRET_*"), "{error}");
}
