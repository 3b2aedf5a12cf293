//! How the server starts from OpsOrch's variables, rule by rule, and that it does not start otherwise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use opsorch::Capability;
use opsorch::secret::{JsonSecrets, StoredProvider};
use tokio::task::JoinHandle;

use super::*;

const KEYLESS: (&str, &str) = ("OPSORCH_ALLOW_ANONYMOUS", "1");
const HERE: (&str, &str) = ("OPSORCH_ADDR", "127.0.0.1:0");

async fn start(pairs: &[(&str, &str)]) -> Done<Plane> {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Plane::start(&Variables::of(pairs.clone()), Config::from_vars(pairs)?).await
}

async fn refused(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = [HERE, KEYLESS].into_iter().chain(pairs.iter().copied()).collect();
    match start(&pairs).await {
        Ok(_) => panic!("it starts with {pairs:?}"),
        Err(error) => error.to_string(),
    }
}

/// A server that runs.
struct Running {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Running {
    async fn with(pairs: &[(&str, &str)]) -> Self {
        let pairs: Vec<_> = [HERE].into_iter().chain(pairs.iter().copied()).collect();
        let plane = start(&pairs).await.unwrap();
        Self { address: plane.address, task: tokio::spawn(plane.server.run(std::future::pending())) }
    }

    /// The answer, head and body.
    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let address = self.address;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        answer.await.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A folder, and a configuration of the kind `local` that keeps everything in it.
fn local() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(r#"{{ "path": {:?} }}"#, folder.path());
    (folder, config)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_credential_it_does_not_start_and_says_what_to_set() {
    let error = start(&[HERE]).await.err().unwrap().to_string();
    assert!(error.contains("no authentication is configured") && error.contains("OPSORCH_KEYS"), "{error}");
    for not_one in ["0", "true", "yes"] {
        assert!(start(&[HERE, ("OPSORCH_ALLOW_ANONYMOUS", not_one)]).await.is_err(), "{not_one}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_is_a_port_of_all_addresses_or_one_address() {
    for (given, of_all) in [(":0", true), ("127.0.0.1:0", false), (" 127.0.0.1:0 ", false)] {
        let plane = start(&[("OPSORCH_ADDR", given), KEYLESS]).await.unwrap();
        assert_eq!(plane.address.ip().is_unspecified(), of_all, "{given}: {}", plane.address);
    }
    assert!(start(&[("OPSORCH_ADDR", "nowhere"), KEYLESS]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_trimmed_and_the_origin_echoed_verbatim() {
    let token = ("OPSORCH_BEARER_TOKEN", "  t0ken \n");
    let server = Running::with(&[token]).await;
    let answer = server.send("GET", "/health", "", "").await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.ends_with("\r\n\r\nunauthorized\n"), "{answer}");
    let answer = server.send("GET", "/health", "Authorization: Bearer t0ken\r\n", "").await;
    assert!(answer.ends_with("{\"status\":\"ok\"}\n"), "{answer}");
    assert!(answer.contains("access-control-allow-origin: *\r\n"), "{answer}");
    let server = Running::with(&[token, ("OPSORCH_CORS_ORIGIN", "https://console.example")]).await;
    let answer = server.send("OPTIONS", "/anything", "", "").await;
    assert!(answer.contains("access-control-allow-origin: https://console.example\r\n"), "{answer}");
}

#[tokio::test]
async fn a_certificate_and_its_key_are_set_together() {
    for name in ["OPSORCH_TLS_CERT_FILE", "OPSORCH_TLS_KEY_FILE"] {
        let error = refused(&[(name, "/nowhere.pem")]).await;
        assert_eq!(error, "both OPSORCH_TLS_CERT_FILE and OPSORCH_TLS_KEY_FILE must be set together");
    }
}

#[tokio::test]
async fn errors_are_told_in_opsorchs_words() {
    let log = refused(&[("OPSORCH_LOG_PROVIDER", "Nope")]).await;
    assert!(log.contains("log provider nope not registered"), "{log}");
    for (name, words) in [
        ("OPSORCH_LOG_CONFIG", "invalid config in OPSORCH_LOG_CONFIG: "),
        ("OPSORCH_SECRET_CONFIG", "invalid OPSORCH_SECRET_CONFIG: "),
    ] {
        let error = refused(&[(name, "{ canary")]).await;
        assert!(error.starts_with(words) && !error.contains("canary"), "{error}");
    }
    let secret = refused(&[("OPSORCH_SECRET_PROVIDER", "NOPE")]).await;
    assert!(secret.contains("secret provider nope not registered"), "{secret}");
    let pathless = refused(&[("OPSORCH_SECRET_PROVIDER", "json")]).await;
    assert!(pathless.contains("basic provider requires 'path' in config"), "{pathless}");
}

#[tokio::test]
async fn it_starts_without_deployments_teams_and_orchestration_and_without_nothing_else() {
    for capability in Capability::ALL {
        let variable = |what: &str| format!("OPSORCH_{}_{what}", capability.name().to_uppercase());
        let (provider, config) = (variable("PROVIDER"), variable("CONFIG"));
        let may_miss = matches!(capability, Capability::Deployment | Capability::Team | Capability::Orchestration);
        for wrong in [(provider.as_str(), "nope"), (config.as_str(), "[]")] {
            let started = start(&[HERE, KEYLESS, wrong]).await;
            assert_eq!(started.is_ok(), may_miss, "{wrong:?}");
            if let Ok(plane) = started {
                assert_eq!(plane.ops.providers().count(), 0);
            }
        }
    }
}

#[tokio::test]
async fn what_the_variables_say_wins_and_the_secret_store_says_the_rest() {
    let (folder, local) = local();
    let path = folder.path().join("secrets.json");
    let store = JsonSecrets::new(&path);
    let kept = |kind: &str| StoredProvider::new(kind).config(serde_json::from_str(&local).unwrap());
    kept("local").save(&store, Capability::Ticket).await.unwrap();
    kept("nope").save(&store, Capability::Alert).await.unwrap();
    let config = format!(r#"{{ "path": {path:?} }}"#);
    let secrets = [("OPSORCH_SECRET_PROVIDER", "json"), ("OPSORCH_SECRET_CONFIG", config.as_str())];
    let alert = [("OPSORCH_ALERT_PROVIDER", "local"), ("OPSORCH_ALERT_CONFIG", local.as_str())];
    let all = [&[HERE, KEYLESS][..], &secrets, &alert].concat();
    let plane = start(&all).await.unwrap();
    assert_eq!(plane.ops.providers().map(|one| one.name().to_string()).collect::<Vec<_>>(), ["alert", "ticket"]);

    store.put(&StoredProvider::name(Capability::Ticket), &Secret::new("not json")).await.unwrap();
    let error = start(&all).await.err().unwrap().to_string();
    assert!(error.contains("providers/ticket/default") && !error.contains("not json"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_configures_a_provider_that_is_there_after_a_restart() {
    let (folder, local) = local();
    let (secret, key) = Key::new("root", &["admin"]).unwrap();
    let keys = folder.path().join("keys.toml");
    std::fs::write(&keys, toml::to_string(&KeyFile { key: vec![key] }).unwrap()).unwrap();
    let file = folder.path().join("secrets.json");
    let config = format!(r#"{{ "path": {file:?} }}"#);
    let mut variables = vec![
        ("OPSORCH_KEYS", keys.to_str().unwrap()),
        ("OPSORCH_SECRET_PROVIDER", "json"),
        ("OPSORCH_SECRET_CONFIG", config.as_str()),
    ];
    let bearer = format!("Authorization: Bearer {}\r\n", secret.expose());
    let server = Running::with(&variables).await;
    let missing = server.send("POST", "/tickets/query", &bearer, "{}").await;
    assert!(missing.starts_with("HTTP/1.1 501"), "{missing}");
    let body = format!(r#"{{ "provider": "local", "config": {local} }}"#);
    let done = server.send("POST", "/providers/ticket", &bearer, &body).await;
    assert!(done.ends_with("{\"status\":\"ok\"}\n"), "{done}");
    let plugin = server.send("POST", "/v1/providers/log", &bearer, r#"{ "plugin": "/bin/sh" }"#).await;
    assert!(plugin.starts_with("HTTP/1.1 403"), "{plugin}");
    for _ in 0..2 {
        let server = Running::with(&variables).await;
        let found = server.send("POST", "/tickets/query", &bearer, "{}").await;
        assert!(found.ends_with("[]\n"), "{found}");
    }
    variables.truncate(1);
    let server = Running::with(&variables).await;
    let nowhere = server.send("POST", "/providers/ticket", &bearer, &body).await;
    assert!(nowhere.contains("secret provider not configured"), "{nowhere}");
    let error = refused(&[("OPSORCH_CONFIGURABLE_PLUGINS", "/bin/sh")]).await;
    assert!(error.contains("OPSORCH_SECRET_PROVIDER"), "{error}");
}

#[test]
fn a_key_is_written_as_toml_whatever_the_name_is() {
    for name in ["alice", "O\u{7}'B\"r\\ien\u{1b}", "\u{202e}\n[[key]]", "ä"] {
        let (_, key) = Key::new(name, &["approver", "team \"a\""]).unwrap();
        let digest = key.digest.clone();
        let text = toml::to_string(&KeyFile { key: vec![key] }).unwrap();
        // As `>>` makes it of two.
        let file: KeyFile = toml::from_str(&format!("{text}{text}")).unwrap();
        assert_eq!(file.key.len(), 2);
        assert_eq!((file.key[1].name.as_str(), &file.key[1].digest), (name, &digest));
        assert_eq!(file.key[1].roles, ["approver", "team \"a\""]);
    }
}
