//! How a control plane gets its store, and providers out of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use opsorch::secret::{
    EncryptedFile, JsonSecrets, Key, MemorySecrets, Secret, SecretRef, SecretStore, SecretsConfig, StoredProvider,
};
use opsorch::{
    BuildEnv, Capability, Config, Context, Error, ErrorKind, OpsOrch, Page, Provider, ProviderConfig, ProviderName,
    Registry, Result, Ticket, TicketId, TicketQuery, async_trait, capability::TicketReader,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{CANARY, assert_hidden, printed};

/// A kind of provider that notes the token it was built with.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeskConfig {
    token: SecretRef,
}

/// The tokens that desks were built with, by the name of the desk, which is unique to a test.
static SEEN: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

#[async_trait]
impl ProviderConfig for DeskConfig {
    const KIND: &'static str = "desk";

    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        let token = env.secret(&self.token).await?;
        SEEN.lock().unwrap().insert(token.expose().to_owned(), name.to_string());
        Ok(Provider::new(name).with_ticket_reader(Arc::new(Desk)))
    }
}

#[derive(Debug)]
struct Desk;

#[async_trait]
impl TicketReader for Desk {
    async fn query(&self, _: &Context, _: &TicketQuery) -> Result<Page<Ticket>> {
        Ok(Page::new(Vec::new()))
    }

    async fn get(&self, _: &Context, id: &TicketId) -> Result<Ticket> {
        Err(Error::not_found(id.to_string()))
    }
}

async fn build(config: Config) -> Result<OpsOrch> {
    OpsOrch::builder().registry(Registry::new().register::<DeskConfig>()).config(config).build().await
}

fn was_built_with(token: &str) -> Option<String> {
    SEEN.lock().unwrap().get(token).cloned()
}

fn desk(token: &str) -> StoredProvider {
    StoredProvider::new("desk").config(json!({ "token": token }).as_object().unwrap().clone())
}

#[tokio::test]
async fn a_stored_provider_is_the_json_of_the_wire_contract() {
    let store = MemorySecrets::new();
    let text = async || store.get("providers/ticket/default").await.unwrap().expose().to_owned();
    desk("t").save(&store, Capability::Ticket).await.unwrap();
    assert_eq!(text().await, r#"{"provider":"desk","config":{"token":"t"}}"#);
    desk("t").plugin("/opt/desk").save(&store, Capability::Ticket).await.unwrap();
    assert_eq!(text().await, r#"{"provider":"desk","config":{"token":"t"},"plugin":"/opt/desk"}"#);

    for (text, expected) in [
        (r#"{"provider":" Desk ","config":null}"#, StoredProvider::new("desk")),
        (r#"{"provider":"desk"}"#, StoredProvider::new("desk")),
        (r#"{"provider":"","config":{},"plugin":"/opt/x","later":1}"#, StoredProvider::new("").plugin("/opt/x")),
    ] {
        store.put("providers/ticket/default", &Secret::new(text)).await.unwrap();
        assert_eq!(StoredProvider::load(&store, Capability::Ticket).await.unwrap(), Some(expected));
    }
    assert_eq!(StoredProvider::load(&store, Capability::Log).await.unwrap(), None);
    for name in Capability::ALL.iter().map(|capability| StoredProvider::name(*capability)) {
        assert!(name.starts_with("providers/") && name.ends_with("/default"));
    }
}

#[tokio::test]
async fn a_bad_stored_provider_is_an_error_that_does_not_show_it() {
    let store = MemorySecrets::new();
    for text in [
        "canary",
        "{\"provider\":\"canary\"",
        "[]",
        "{\"provider\":5,\"config\":\"canary\"}",
        "{\"config\":{\"a\":\"canary\"}}",
    ] {
        store.put("providers/log/default", &Secret::new(text)).await.unwrap();
        let error = Config::new().with_stored(&store).await.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Invalid { field } if field == "secret:providers/log/default"),
            "{error}"
        );
        assert_hidden(&printed(&error));
    }
    assert_hidden(&format!("{:?}", desk(CANARY)));
}

#[tokio::test]
async fn variables_win_over_the_store_and_the_store_fills_the_rest() {
    let store = MemorySecrets::new();
    desk("literal:stored-ticket").save(&store, Capability::Ticket).await.unwrap();
    desk("literal:stored-alert").save(&store, Capability::Alert).await.unwrap();
    let variables =
        [("OPSORCH_TICKET_PROVIDER", "desk"), ("OPSORCH_TICKET_CONFIG", r#"{"token":"literal:variable-ticket"}"#)];
    let config = Config::from_vars(variables).unwrap().with_stored(&store).await.unwrap();
    assert_eq!(config.provider_names().collect::<Vec<_>>(), ["alert", "ticket"]);

    // It offers its capability alone, as one from variables does.
    let error = build(config).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid providers.alert.capabilities: provider `alert` offers nothing of `alert`; it offers: ticket.query, \
         ticket.get (from: secret:providers/alert/default)"
    );
    store.delete("providers/alert/default").await.unwrap();
    build(Config::from_vars(variables).unwrap().with_stored(&store).await.unwrap()).await.unwrap();
    assert_eq!((was_built_with("variable-ticket").as_deref(), was_built_with("stored-ticket")), (Some("ticket"), None));
}

#[tokio::test]
async fn a_plugin_in_the_store_is_of_the_kind_plugin_and_not_ignored() {
    let store = MemorySecrets::new();
    desk("x").plugin("/opt/desk").save(&store, Capability::Ticket).await.unwrap();
    let error = build(Config::new().with_stored(&store).await.unwrap()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid providers.ticket.kind: ticket provider plugin not registered: unknown kind `plugin`, expected one of: desk \
         (from: secret:providers/ticket/default)"
    );
}

/// A store that cannot be read.
#[derive(Debug)]
struct Broken;

#[async_trait]
impl SecretStore for Broken {
    async fn get(&self, _: &str) -> Result<Secret> {
        Err(Error::new(ErrorKind::Unavailable, "sealed"))
    }

    async fn put(&self, _: &str, _: &Secret) -> Result<()> {
        Err(Error::new(ErrorKind::Unavailable, "sealed"))
    }

    async fn names(&self) -> Result<Vec<String>> {
        Err(Error::new(ErrorKind::Unavailable, "sealed"))
    }

    async fn delete(&self, _: &str) -> Result<()> {
        Err(Error::new(ErrorKind::Unavailable, "sealed"))
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_an_error_and_not_an_empty_configuration() {
    let error = Config::new().with_stored(&Broken).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("providers/incident/default"), "{error}");
}

#[tokio::test]
async fn the_variables_name_the_store_and_the_plane_starts_from_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.json");
    let store = JsonSecrets::new(&path);
    desk("secret:desk/token").save(&store, Capability::Ticket).await.unwrap();
    store.put("desk/token", &Secret::new("from-json")).await.unwrap();

    let config = json!({ "path": path }).to_string();
    let config =
        Config::from_vars([("OPSORCH_SECRET_PROVIDER", " JSON "), ("OPSORCH_SECRET_CONFIG", &config)]).unwrap();
    assert!(matches!(config.secrets(), Some(SecretsConfig::Json { .. })));
    let ops = build(config).await.unwrap();
    assert_eq!(ops.providers().map(|provider| provider.name().to_string()).collect::<Vec<_>>(), ["ticket"]);
    assert_eq!(was_built_with("from-json").as_deref(), Some("ticket"));
}

#[tokio::test]
async fn a_store_in_code_beats_that_of_the_configuration() {
    let store = MemorySecrets::new();
    store.put("desk", &Secret::new("from-memory")).await.unwrap();
    let config = Config::parse(
        "[secrets]\nkind = \"json\"\npath = \"/nonexistent/x\"\n[providers.tickets]\nkind = \"desk\"\ntoken = \"secret:desk\"",
    );
    let registry = Registry::new().register::<DeskConfig>();
    OpsOrch::builder().registry(registry).config(config.unwrap()).secrets(store).build().await.unwrap();
    assert_eq!(was_built_with("from-memory").as_deref(), Some("tickets"));
}

#[tokio::test]
async fn a_configuration_file_names_an_encrypted_file() {
    let directory = tempfile::tempdir().unwrap();
    let (path, key_path) = (directory.path().join("secrets"), directory.path().join("key"));
    let (old, key) = (Key::generate().unwrap(), Key::generate().unwrap());
    EncryptedFile::new(&path, old.clone()).put("desk", &Secret::new("from-encrypted")).await.unwrap();
    std::fs::write(&key_path, key.to_secret().expose()).unwrap();
    std::fs::write(directory.path().join("old"), old.to_secret().expose()).unwrap();

    let toml = |keys: &str| {
        format!(
            "[secrets]\nkind = \"encrypted-file\"\npath = {path:?}\n{keys}\n[providers.desk]\nkind = \"desk\"\ntoken = \"secret:desk\""
        )
    };
    let keys = format!(
        "key = \"file:{}\"\nformer_keys = [\"file:{}\"]",
        key_path.display(),
        directory.path().join("old").display()
    );
    build(Config::parse(&toml(&keys)).unwrap()).await.unwrap();
    assert_eq!(was_built_with("from-encrypted").as_deref(), Some("desk"));

    for (keys, expected) in [
        (
            format!("key = \"file:{}\"", key_path.display()),
            "invalid secret:desk: this is not the key of the file of secrets",
        ),
        ("key = \"canary\"".into(), "invalid key: expected the base64 of 32 random bytes"),
        ("key = \"secret:x\"".into(), "invalid secret:x: there is no secret store here"),
        (String::new(), "invalid secrets.key: expected exactly one of"),
        ("passphrase = \"canary\"".into(), "invalid passphrase: expected at least 12 characters"),
        ("key = \"env:OPSORCH_NO_SUCH\"".into(), "invalid env:OPSORCH_NO_SUCH: the environment variable is not set"),
    ] {
        let error = build(Config::parse(&toml(&keys)).unwrap()).await.unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_hidden(&printed(&error));
    }
}

#[test]
fn a_bad_secrets_table_is_named_without_its_values() {
    for (toml, expected) in [
        ("kind = \"nope\"", "expected one of `environment`, `directory`, `json`, `encrypted-file`, `vault`"),
        ("path = \"x\"", "invalid secrets.kind: this key is missing"),
        ("kind = \"json\"", "invalid secrets.path: this key is missing"),
        ("kind = \"json\"\npath = \"x\"\ntoken = \"canary\"", "unknown key `token`"),
        ("kind = \"vault\"\nurl = \"https://v\"\ntoken = 5511", "expected text"),
    ] {
        let error = Config::parse(&format!("[secrets]\n{toml}")).unwrap_err();
        assert!(error.to_string().contains(expected), "{toml}: {error}");
        assert_hidden(&printed(&error));
        assert!(!printed(&error).contains("5511"));
    }
    let config = |kind: &str, config: &str| {
        Config::from_vars([("OPSORCH_SECRET_PROVIDER", kind), ("OPSORCH_SECRET_CONFIG", config)])
            .unwrap_err()
            .to_string()
    };
    assert!(config("nope", "{}").contains("expected one of `environment`"), "{}", config("nope", "{}"));
    assert!(config("json", "{}").contains("basic provider requires 'path' in config"), "{}", config("json", "{}"));
    assert!(config("", "[]").contains("OPSORCH_SECRET_CONFIG"), "checked even if no store is named");
}

#[tokio::test]
async fn every_kind_of_store_can_be_configured() {
    let parse = |toml: &str| Config::parse(&format!("[secrets]\n{toml}")).unwrap();
    let env = BuildEnv::new();
    let open = async |toml: &str| parse(toml).secrets().unwrap().open(&env).await;
    let store = open("kind = \"environment\"\nprefix = \"CARGO_MANIFEST_\"").await.unwrap();
    assert!(store.get("DIR").await.is_ok());
    assert!(open("kind = \"directory\"\npath = \"/nonexistent\"\nreadable_by_others = true").await.is_ok());
    let vault = "kind = \"vault\"\nurl = \"https://vault.example.org\"";
    let error = open(&format!("{vault}\ntoken = \"literal:t\"")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported, "no transport: {error}");
    for bad in ["", "secret_id = \"x\"", "token = \"t\"\nrole_id = \"r\"", "token = \"t\"\nsecret_id = \"s\""] {
        let error = open(&format!("{vault}\n{bad}")).await.unwrap_err();
        assert!(error.to_string().contains("expected either `token`"), "{bad}: {error}");
    }
}
