//! Vault against a double: tokens, leases, versions, refusals.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opsorch::secret::{Secret, SecretStore, VaultAuth, VaultSecrets};
use opsorch::transport::{ReqwestTransport, Url};
use opsorch::{ErrorKind, ManualClock};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::{CANARY, assert_hidden, printed};

/// A Vault of one mount, `kv`. Tokens are `token-N`.
#[derive(Clone, Default)]
struct Vault(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Each entry: its version, and its data unless that version was deleted.
    entries: BTreeMap<String, (u64, Option<Value>)>,
    good_tokens: Vec<String>,
    logins: u32,
    renewals: u32,
    lookups: u32,
    /// In seconds.
    lease: u64,
    renewed_lease: Option<u64>,
    renewable: bool,
    sealed: bool,
    /// Answers renewals with this status.
    renewals_fail: Option<u16>,
    namespaces: Vec<String>,
}

impl Vault {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn new(lease: u64, renewable: bool) -> Self {
        let vault = Self::default();
        {
            let mut state = vault.state();
            (state.lease, state.renewable) = (lease, renewable);
            state.good_tokens.push("static-hunter2".into());
        }
        vault
    }

    fn counts(&self) -> (u32, u32) {
        let state = self.state();
        (state.logins, state.renewals)
    }

    fn data(&self, name: &str) -> Option<Value> {
        self.state().entries[name].1.clone()
    }
}

fn errors(status: u16, errors: &[&str]) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({ "errors": errors }))
}

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

impl State {
    fn grant(&mut self, token: String, lease: u64) -> ResponseTemplate {
        let body = json!({ "auth": { "client_token": token, "lease_duration": lease, "renewable": self.renewable } });
        ok(body)
    }

    fn login(&mut self, body: &Value) -> ResponseTemplate {
        if body["role_id"] != "role" || body["secret_id"] != CANARY {
            return errors(400, &[&format!("invalid role or secret ID {}", body["secret_id"])]);
        }
        self.logins += 1;
        let token = format!("token-{}-hunter2", self.logins);
        self.good_tokens.push(token.clone());
        let lease = self.lease;
        self.grant(token, lease)
    }

    fn entry(&mut self, method: &str, name: &str, body: &Value) -> ResponseTemplate {
        let (version, data) = self.entries.get(name).cloned().unwrap_or_default();
        match method {
            "GET" if version == 0 => errors(404, &[]),
            "GET" => {
                let status = if data.is_some() { 200 } else { 404 };
                ResponseTemplate::new(status).set_body_json(
                    json!({ "data": { "data": data, "metadata": { "version": version, "deletion_time": "", "destroyed": false } } }),
                )
            }
            "POST" if body["options"]["cas"] != version => {
                errors(400, &["check-and-set parameter did not match the current version"])
            }
            "POST" => {
                self.entries.insert(name.into(), (version + 1, Some(body["data"].clone())));
                ok(json!({ "data": { "version": version + 1 } }))
            }
            _ => errors(405, &["unsupported operation"]),
        }
    }

    fn metadata(&mut self, request: &Request, name: &str) -> ResponseTemplate {
        let is_list = request.url.query() == Some("list=true");
        match request.method.as_str() {
            "GET" if is_list => {
                let folder = if name.is_empty() { String::new() } else { format!("{name}/") };
                let below = self.entries.keys().filter_map(|key| key.strip_prefix(&folder));
                let keys: std::collections::BTreeSet<String> = below
                    .map(|key| key.split_once('/').map_or(key.to_owned(), |(folder, _)| format!("{folder}/")))
                    .collect();
                if keys.is_empty() { errors(404, &[]) } else { ok(json!({ "data": { "keys": keys } })) }
            }
            "GET" if self.entries.contains_key(name) => ok(json!({ "data": { "current_version": 1 } })),
            "GET" => errors(404, &[]),
            "DELETE" => {
                self.entries.remove(name);
                ResponseTemplate::new(204)
            }
            _ => errors(405, &["unsupported operation"]),
        }
    }
}

impl Respond for Vault {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.state();
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!(header("x-vault-request"), "true");
        state.namespaces.push(header("x-vault-namespace").to_owned());
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if state.sealed {
            return errors(503, &["Vault is sealed"]);
        }
        let path = request.url.path();
        if path == "/v1/auth/approle/login" {
            return state.login(&body);
        }
        let token = header("x-vault-token").to_owned();
        if !state.good_tokens.contains(&token) {
            return errors(403, &["permission denied", "bad token", &token]);
        }
        match path {
            "/v1/auth/token/lookup-self" => {
                state.lookups += 1;
                ok(json!({ "data": { "ttl": state.lease, "renewable": state.renewable, "id": token } }))
            }
            "/v1/auth/token/renew-self" => {
                state.renewals += 1;
                match state.renewals_fail {
                    Some(status) => errors(status, &["lease is not renewable"]),
                    None => {
                        let lease = state.renewed_lease.unwrap_or(state.lease);
                        state.grant(token, lease)
                    }
                }
            }
            _ => {
                if let Some(name) = path.strip_prefix("/v1/kv/data/") {
                    return state.entry(request.method.as_str(), name, &body);
                }
                if let Some(name) = path.strip_prefix("/v1/kv/metadata") {
                    return state.metadata(request, name.trim_matches('/'));
                }
                errors(404, &["no handler for route \"other/\". route entry not found."])
            }
        }
    }
}

async fn serve(vault: &Vault) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(vault.clone()).mount(&server).await;
    server
}

fn open(server: &MockServer, auth: VaultAuth, clock: &ManualClock) -> VaultSecrets {
    let transport = Arc::new(ReqwestTransport::new().unwrap());
    let vault = VaultSecrets::new(transport, Url::parse(&server.uri()).unwrap(), auth).unwrap();
    vault.mount("kv").clock(Arc::new(clock.clone()))
}

fn app_role() -> VaultAuth {
    VaultAuth::app_role("role", Some(Secret::new(CANARY)))
}

fn token() -> VaultAuth {
    VaultAuth::token(Secret::new("static-hunter2"))
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn vault_keeps_the_contract() {
    for auth in [token(), app_role()] {
        let server = serve(&Vault::new(3600, true)).await;
        crate::contract::check(&open(&server, auth, &ManualClock::default())).await;
    }
}

#[tokio::test]
async fn a_prefix_and_a_namespace_are_honoured() {
    let vault = Vault::new(0, false);
    let server = serve(&vault).await;
    let store = open(&server, token(), &ManualClock::default()).prefix("/ops/prod/").namespace("team-a").unwrap();
    store.put("jira/token", &Secret::new("x")).await.unwrap();
    assert_eq!(vault.data("ops/prod/jira/token"), Some(json!({ "value": "x" })));
    assert_eq!(store.names().await.unwrap(), ["jira/token"]);
    assert!(vault.state().namespaces.iter().all(|namespace| namespace == "team-a"));
}

#[tokio::test]
async fn a_field_is_named_and_the_others_stay() {
    let vault = Vault::new(0, false);
    vault.state().entries.insert("jira".into(), (3, Some(json!({ "user": "bot", "password": "old", "port": 8080 }))));
    let server = serve(&vault).await;
    let store = open(&server, token(), &ManualClock::default());

    assert_eq!(store.get("jira#password").await.unwrap().expose(), "old");
    assert_eq!(store.get("jira#port").await.unwrap().expose(), "8080");
    let error = store.get("jira").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().ends_with("(fields: password, port, user)"), "{error}");

    store.put("jira#password", &Secret::new("new")).await.unwrap();
    assert_eq!(vault.data("jira"), Some(json!({ "user": "bot", "password": "new", "port": 8080 })));
    assert_eq!(*store.delete("jira#password").await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_deleted_version_is_absent_and_can_be_followed_by_another() {
    let vault = Vault::new(0, false);
    vault.state().entries.insert("a".into(), (7, None));
    let server = serve(&vault).await;
    let store = open(&server, token(), &ManualClock::default());
    assert_eq!(*store.get("a").await.unwrap_err().kind(), ErrorKind::NotFound);
    store.put("a", &Secret::new("x")).await.unwrap();
    assert_eq!(vault.state().entries["a"].0, 8);
}

/// Changes the entry between the reading and the writing of a `put`.
struct Racing(Vault);

impl Respond for Racing {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let answer = self.0.respond(request);
        if request.method.as_str() == "GET" && request.url.path() == "/v1/kv/data/a" {
            self.0.state().entries.insert("a".into(), (9, Some(json!({ "value": "theirs" }))));
        }
        answer
    }
}

#[tokio::test]
async fn of_two_who_write_at_once_one_gets_a_conflict() {
    let vault = Vault::new(0, false);
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(Racing(vault.clone())).mount(&server).await;
    let store = open(&server, token(), &ManualClock::default());
    let error = store.put("a", &Secret::new(CANARY)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Conflict, "{error}");
    assert_hidden(&printed(&error));
    assert_eq!(vault.data("a"), Some(json!({ "value": "theirs" })), "the other's stays");
    store.put("a", &Secret::new("mine")).await.unwrap();
}

#[tokio::test]
async fn a_token_is_renewed_in_the_last_third_of_its_lease() {
    let vault = Vault::new(3600, true);
    let server = serve(&vault).await;
    let clock = ManualClock::default();
    let store = open(&server, app_role(), &clock);
    store.names().await.unwrap();
    assert_eq!(store.renew().await.unwrap(), Some(40 * MINUTE));
    clock.advance(39 * MINUTE);
    store.names().await.unwrap();
    assert_eq!(vault.counts(), (1, 0));
    clock.advance(2 * MINUTE);
    store.names().await.unwrap();
    store.names().await.unwrap();
    assert_eq!(vault.counts(), (1, 1));
    for round in 2..10 {
        clock.advance(store.renew().await.unwrap().unwrap());
        store.names().await.unwrap();
        assert_eq!(vault.counts(), (1, round));
    }
}

#[tokio::test]
async fn a_token_made_elsewhere_is_renewed_too_and_its_end_is_told() {
    let vault = Vault::new(3600, true);
    let server = serve(&vault).await;
    let clock = ManualClock::default();
    let store = open(&server, token(), &clock);
    store.names().await.unwrap();
    clock.advance(41 * MINUTE);
    assert_eq!(store.renew().await.unwrap(), Some(40 * MINUTE));
    assert_eq!((vault.counts(), vault.state().lookups), ((0, 1), 1));

    vault.state().good_tokens.clear();
    clock.advance(61 * MINUTE);
    let error = store.names().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unauthenticated, "{error}");
    assert_hidden(&printed(&error));
}

#[tokio::test]
async fn a_lease_that_is_not_renewable_is_followed_by_a_login() {
    let vault = Vault::new(3600, false);
    let server = serve(&vault).await;
    let clock = ManualClock::default();
    let store = open(&server, app_role(), &clock);
    store.names().await.unwrap();
    clock.advance(41 * MINUTE);
    store.names().await.unwrap();
    assert_eq!(vault.counts(), (2, 0));
    clock.advance(61 * MINUTE);
    store.names().await.unwrap();
    assert_eq!(vault.counts(), (3, 0));

    let fixed = open(&server, token(), &clock);
    assert_eq!(fixed.renew().await.unwrap(), None, "nothing can be done for it");
    clock.advance(59 * MINUTE);
    fixed.names().await.unwrap();
}

#[tokio::test]
async fn a_renewal_that_is_refused_or_short_ends_in_a_login_and_one_that_fails_in_patience() {
    for (fail, renewed_lease, logins) in
        [(Some(400), None, 2), (Some(403), None, 2), (None, Some(60), 2), (Some(503), None, 1)]
    {
        let vault = Vault::new(3600, true);
        let server = serve(&vault).await;
        let clock = ManualClock::default();
        let store = open(&server, app_role(), &clock);
        store.names().await.unwrap();
        {
            let mut state = vault.state();
            (state.renewals_fail, state.renewed_lease) = (fail, renewed_lease);
        }
        clock.advance(45 * MINUTE);
        store.names().await.unwrap();
        assert_eq!(vault.counts(), (logins, 1), "{fail:?} {renewed_lease:?}");
    }
}

#[tokio::test]
async fn a_token_that_was_revoked_is_followed_by_a_login_once() {
    let vault = Vault::new(3600, true);
    let server = serve(&vault).await;
    let store = open(&server, app_role(), &ManualClock::default());
    store.put("a", &Secret::new("x")).await.unwrap();
    vault.state().good_tokens.clear();
    assert_eq!(store.get("a").await.unwrap().expose(), "x");
    assert_eq!(vault.counts(), (2, 0));

    let fixed = open(&server, token(), &ManualClock::default());
    let error = fixed.get("a").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unauthenticated, "{error}");
    assert_hidden(&printed(&error));
}

#[tokio::test]
async fn a_login_that_is_refused_is_no_missing_secret_and_shows_nothing() {
    let server = serve(&Vault::new(3600, true)).await;
    let store = open(&server, VaultAuth::app_role("other", Some(Secret::new(CANARY))), &ManualClock::default());
    let error = store.get("a").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unauthenticated, "{error}");
    assert_hidden(&printed(&error));
}

#[tokio::test]
async fn a_sealed_vault_is_unavailable() {
    let vault = Vault::new(3600, true);
    let server = serve(&vault).await;
    let store = open(&server, app_role(), &ManualClock::default());
    store.names().await.unwrap();
    vault.state().sealed = true;
    for error in [
        store.get("a").await.map(drop).unwrap_err(),
        store.put("a", &Secret::new(CANARY)).await.unwrap_err(),
        store.delete("a").await.unwrap_err(),
        store.names().await.map(drop).unwrap_err(),
        open(&server, token(), &ManualClock::default()).get("a").await.map(drop).unwrap_err(),
    ] {
        assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.is_retryable() && error.to_string().contains("Vault is sealed"), "{error}");
        assert_hidden(&printed(&error));
    }
}

#[tokio::test]
async fn a_wrong_mount_is_no_missing_secret() {
    let server = serve(&Vault::new(0, false)).await;
    let store = open(&server, token(), &ManualClock::default()).mount("other");
    for error in [
        store.get("a").await.map(drop).unwrap_err(),
        store.names().await.map(drop).unwrap_err(),
        store.delete("a").await.unwrap_err(),
        store.put("a", &Secret::new("x")).await.unwrap_err(),
    ] {
        assert!(matches!(error.kind(), ErrorKind::Invalid { field } if field == "secrets.mount"), "{error}");
    }
}

#[tokio::test]
async fn names_with_odd_characters_stay_one_segment_each() {
    let vault = Vault::new(0, false);
    let server = serve(&vault).await;
    let store = open(&server, token(), &ManualClock::default());
    store.put("a b/c?d%2F", &Secret::new("x")).await.unwrap();
    assert!(vault.state().entries.contains_key("a%20b/c%3Fd%252F"));
    assert!(store.get("a/../../sys/seal").await.is_err());
}

#[tokio::test]
async fn many_callers_at_once_need_few_logins_and_nothing_is_printed() {
    let vault = Vault::new(3600, true);
    let server = serve(&vault).await;
    let clock = ManualClock::default();
    let store = Arc::new(open(&server, app_role(), &clock));
    store.put("a", &Secret::new("x")).await.unwrap();
    clock.advance(45 * MINUTE);
    let calls = (0..16).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.get("a").await.map(drop) })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    let (logins, renewals) = vault.counts();
    assert_eq!(logins, 1);
    assert!((1..16).contains(&renewals), "{renewals}");
    assert_hidden(&format!("{store:?} {store:#?} {:?}", app_role()));
}
