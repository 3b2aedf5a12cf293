//! What holds for every store.

use std::sync::Arc;

use opsorch::ErrorKind;
use opsorch::secret::{
    DirectorySecrets, EncryptedFile, EnvironmentSecrets, JsonSecrets, Key, MemorySecrets, Secret, SecretRef,
    SecretSource, SecretStore,
};

use crate::{CANARY, assert_hidden, printed};

/// The rules of [`SecretStore`], on a store that is empty.
pub async fn check(store: &dyn SecretStore) {
    assert_eq!(store.names().await.unwrap(), Vec::<String>::new());
    for error in [store.get("a").await.map(drop).unwrap_err(), store.delete("a").await.unwrap_err()] {
        assert_eq!(*error.kind(), ErrorKind::NotFound, "{error}");
    }

    let text = "zwölf €\n\"quoted\" \\ \u{1F511}";
    for (name, value) in
        [("b/c", text), ("a", CANARY), ("providers/ticket/default", "{\"provider\":\"jira\"}"), ("B", " ")]
    {
        store.put(name, &Secret::new(value)).await.unwrap();
        assert_eq!(store.get(name).await.unwrap().expose(), value, "{name}");
    }
    assert_eq!(store.names().await.unwrap(), ["B", "a", "b/c", "providers/ticket/default"]);
    assert_eq!(store.get("a").await.unwrap().expose(), CANARY, "others stay as they are");

    store.put("a", &Secret::new("another")).await.unwrap();
    assert_eq!(store.get("a").await.unwrap().expose(), "another");

    store.delete("b/c").await.unwrap();
    assert_eq!(store.names().await.unwrap(), ["B", "a", "providers/ticket/default"]);
    for gone in ["b/c", "b", "providers", "A"] {
        assert_eq!(*store.get(gone).await.unwrap_err().kind(), ErrorKind::NotFound, "{gone}");
    }

    let long = "x".repeat(64 * 1024);
    store.put("long", &Secret::new(long.clone())).await.unwrap();
    assert!(store.get("long").await.unwrap().matches(&long));
    for (name, value) in
        [("a", ""), ("a", &*format!("{long}x")), ("", "x"), ("../a", "x"), ("a//b", "x"), ("a\nb", "x")]
    {
        let error = store.put(name, &Secret::new(value)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{name:?}: {error}");
    }
    for outside in ["", "../a", "/a", "a/../a", "."] {
        assert!(store.get(outside).await.is_err(), "{outside:?}");
        assert!(store.delete(outside).await.is_err(), "{outside:?}");
    }
    assert_eq!(store.get("a").await.unwrap().expose(), "another", "what was refused changed nothing");
    assert_hidden(&format!("{store:?} {store:#?}"));
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    check(&MemorySecrets::new()).await;
    check(&Arc::new(MemorySecrets::new())).await;
}

#[tokio::test]
async fn a_directory_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    check(&DirectorySecrets::new(directory.path())).await;
}

#[tokio::test]
async fn the_json_file_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    check(&JsonSecrets::new(directory.path().join("secrets.json"))).await;
}

#[tokio::test]
async fn the_encrypted_file_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    check(&EncryptedFile::new(directory.path().join("secrets"), Key::generate().unwrap())).await;
}

#[tokio::test]
async fn the_environment_is_read_and_not_changed() {
    let store = EnvironmentSecrets::new("CARGO_MANIFEST_");
    assert!(store.get("DIR").await.unwrap().matches(env!("CARGO_MANIFEST_DIR")));
    assert!(store.names().await.unwrap().contains(&"DIR".to_owned()));
    assert_eq!(*store.get("NO_SUCH").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(*store.get("A=B").await.unwrap_err().kind(), ErrorKind::NotFound);
    for error in [store.put("DIR", &Secret::new("x")).await.unwrap_err(), store.delete("DIR").await.unwrap_err()] {
        assert_eq!(*error.kind(), ErrorKind::Unsupported);
    }
}

#[tokio::test]
async fn a_store_is_a_source_of_its_names_and_of_what_the_system_has() {
    let store = MemorySecrets::new();
    store.put("jira/token", &Secret::new(CANARY)).await.unwrap();
    let resolve = async |text: &str| store.resolve(&text.parse::<SecretRef>().unwrap()).await;

    assert_eq!(resolve("secret:jira/token").await.unwrap().expose(), CANARY);
    assert_eq!(resolve("env:CARGO_MANIFEST_DIR").await.unwrap().expose(), env!("CARGO_MANIFEST_DIR"));
    assert_eq!(resolve("literal:secret:jira").await.unwrap().expose(), "secret:jira");

    let error = resolve("secret:other").await.unwrap_err();
    assert_eq!(error.to_string(), "invalid secret:other: there is no such secret in the store");
    assert_hidden(&printed(&error));
}
