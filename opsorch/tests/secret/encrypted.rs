//! The encrypted file: keys, rotation, generations, and what is seen of a secret in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use opsorch::secret::{EncryptedFile, EncryptionKey, Key, Secret, SecretStore, StoredProvider};
use opsorch::{Capability, ErrorKind};
use serde_json::json;

use crate::{CANARY, assert_hidden, printed};

pub fn key() -> Key {
    Key::generate().unwrap()
}

fn passphrase(text: &str) -> EncryptionKey {
    EncryptionKey::from_passphrase_at_cost(Secret::new(text), 64, 1).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

struct Place {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets");
    Place { _directory: directory, path }
}

fn contains(path: &Path, needle: &str) -> bool {
    fs::read(path).unwrap().windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[tokio::test]
async fn a_secret_is_not_in_the_file_nor_in_anything_beside_it() {
    let place = place();
    let store = EncryptedFile::new(&place.path, key());
    store.put("token", &secret(CANARY)).await.unwrap();
    let config = json!({ "url": "https://jira.example.org", "token": CANARY });
    let provider = StoredProvider::new("jira").config(config.as_object().unwrap().clone());
    provider.save(&store, Capability::Ticket).await.unwrap();
    store.rotate().await.unwrap();

    let mut files = 0;
    for entry in fs::read_dir(place.path.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        for sign in ["canary", "hunter2", "jira.example", "Y2FuYXJ5", "63616e617279"] {
            assert!(!contains(&path, sign), "{sign} is in {}", path.display());
        }
        files += 1;
    }
    assert_eq!(files, 2, "the file and its lock");
    assert!(
        contains(&place.path, "providers/ticket/default"),
        "names are not secret, and the search finds what is there"
    );
    assert_eq!(StoredProvider::load(&store, Capability::Ticket).await.unwrap(), Some(provider));
    assert_hidden(&format!("{store:?} {:?}", passphrase("canary-canary-canary")));
}

#[tokio::test]
async fn every_write_of_the_same_secret_looks_different() {
    let place = place();
    let store = EncryptedFile::new(&place.path, key());
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        store.put("token", &secret(CANARY)).await.unwrap();
        let bytes = fs::read(&place.path).unwrap();
        // The nonce of the only entry: after its name and the length of the rest.
        let at = bytes.windows(5).position(|window| window == b"token").unwrap() + 5 + 4;
        assert!(seen.insert(bytes[at..at + 24].to_vec()), "a nonce came twice");
    }
}

#[tokio::test]
async fn a_wrong_key_is_told_from_damage_and_shows_nothing() {
    let place = place();
    let right = key();
    EncryptedFile::new(&place.path, right.clone()).put("token", &secret(CANARY)).await.unwrap();
    let before = fs::read(&place.path).unwrap();

    for (wrong, why) in
        [(key().into(), "it is locked with another one"), (passphrase("correct horse"), "it is locked with a key")]
    {
        let store = EncryptedFile::new(&place.path, wrong);
        let errors = [
            store.get("token").await.map(drop).unwrap_err(),
            store.names().await.map(drop).unwrap_err(),
            store.put("other", &secret("x")).await.unwrap_err(),
            store.delete("token").await.unwrap_err(),
            store.rotate().await.unwrap_err(),
        ];
        for error in errors {
            assert!(error.message().ends_with(why), "{error}");
            assert!(matches!(error.kind(), ErrorKind::Invalid { field } if field == "key"), "{error}");
            assert_hidden(&printed(&error));
        }
    }
    assert_eq!(fs::read(&place.path).unwrap(), before, "nobody without the key changed it");
    assert_eq!(EncryptedFile::new(&place.path, right).get("token").await.unwrap().expose(), CANARY);
}

#[tokio::test]
async fn a_passphrase_opens_what_it_locked_whatever_cost_is_asked_for_now() {
    let place = place();
    EncryptedFile::new(&place.path, passphrase("correct horse battery staple")).put("a", &secret("x")).await.unwrap();
    let dearer = EncryptionKey::from_passphrase_at_cost(secret("correct horse battery staple"), 128, 2).unwrap();
    let store = EncryptedFile::new(&place.path, dearer);
    assert_eq!(store.get("a").await.unwrap().expose(), "x");
    store.rotate().await.unwrap();
    assert_eq!(store.get("a").await.unwrap().expose(), "x");

    let error = EncryptedFile::new(&place.path, passphrase("correct horse battery stable")).get("a").await.unwrap_err();
    assert!(error.message().contains("this is not the key"), "{error}");
}

#[tokio::test]
async fn rotation_encrypts_all_anew_and_the_old_key_opens_nothing() {
    let place = place();
    let (old, new) = (key(), key());
    let before = EncryptedFile::new(&place.path, old.clone());
    for name in ["a", "b", "c"] {
        before.put(name, &secret(&format!("{CANARY} {name}"))).await.unwrap();
    }
    let bytes = fs::read(&place.path).unwrap();

    let store = EncryptedFile::new(&place.path, new.clone()).former_key(old.clone());
    assert_eq!(store.get("b").await.unwrap().expose(), format!("{CANARY} b"), "read before it is rotated");
    store.rotate().await.unwrap();
    let after = fs::read(&place.path).unwrap();
    // Nothing of what was encrypted is left: no run of 16 bytes but those of the layout, which are the first line.
    let common = bytes.windows(24).filter(|window| after.windows(24).any(|other| other == *window)).count();
    assert_eq!(common, 0, "a nonce or a value stayed");

    let only_new = EncryptedFile::new(&place.path, new);
    for name in ["a", "b", "c"] {
        assert_eq!(only_new.get(name).await.unwrap().expose(), format!("{CANARY} {name}"));
    }
    for stale in [before, EncryptedFile::new(&place.path, old)] {
        assert!(stale.get("a").await.unwrap_err().message().contains("this is not the key"));
    }
    assert_eq!(only_new.generation().await.unwrap(), 4);
}

#[tokio::test]
async fn a_change_under_a_new_key_rotates_what_a_former_one_locked() {
    let place = place();
    let (old, new) = (passphrase("correct horse battery"), key());
    EncryptedFile::new(&place.path, old.clone()).put("a", &secret("1")).await.unwrap();
    EncryptedFile::new(&place.path, new.clone()).former_key(old).put("b", &secret("2")).await.unwrap();
    let store = EncryptedFile::new(&place.path, new);
    assert_eq!(store.get("a").await.unwrap().expose(), "1");
    assert_eq!(store.get("b").await.unwrap().expose(), "2");
}

#[tokio::test]
async fn a_store_that_is_open_follows_the_rotation_of_another() {
    let place = place();
    let (old, new) = (key(), key());
    let one = EncryptedFile::new(&place.path, new.clone()).former_key(old.clone());
    let other = EncryptedFile::new(&place.path, new).former_key(old.clone());
    EncryptedFile::new(&place.path, old).put("a", &secret("1")).await.unwrap();
    assert_eq!(one.get("a").await.unwrap().expose(), "1");
    other.rotate().await.unwrap();
    assert_eq!(one.get("a").await.unwrap().expose(), "1");
    one.put("b", &secret("2")).await.unwrap();
    assert_eq!(other.names().await.unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn a_process_does_not_go_back_and_neither_does_one_that_knows_the_generation() {
    let place = place();
    let key = key();
    let store = EncryptedFile::new(&place.path, key.clone());
    assert_eq!(store.generation().await.unwrap(), 0);
    store.put("a", &secret("old")).await.unwrap();
    let old = fs::read(&place.path).unwrap();
    store.put("a", &secret("new")).await.unwrap();
    let generation = store.generation().await.unwrap();
    assert_eq!(generation, 2);

    fs::write(&place.path, &old).unwrap();
    let later = EncryptedFile::new(&place.path, key.clone()).at_least(generation);
    for store in [&store, &later] {
        let error = store.get("a").await.unwrap_err();
        assert!(error.message().contains("expected generation 2"), "{error}");
        assert_eq!(*error.kind(), ErrorKind::Unexpected);
        assert!(store.put("b", &secret("x")).await.is_err());
    }
    fs::remove_file(&place.path).unwrap();
    for store in [&store, &later] {
        assert!(store.get("a").await.unwrap_err().message().contains("got no file"));
        assert!(store.put("b", &secret("x")).await.is_err());
    }
    // One file cannot tell more: whoever knows nothing of a later one takes the older one.
    fs::write(&place.path, &old).unwrap();
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(EncryptedFile::new(&place.path, key).get("a").await.unwrap().expose(), "old");
}

#[tokio::test]
async fn the_file_is_private_and_an_open_one_is_refused() {
    let place = place();
    let store = EncryptedFile::new(&place.path, key());
    store.put("a", &secret("x")).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.path), 0o600);
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(store.get("a").await.unwrap_err().message().contains("got mode 0644"));
}

#[tokio::test]
async fn tasks_that_write_at_once_lose_nothing() {
    let place = place();
    let store = Arc::new(EncryptedFile::new(&place.path, key()));
    let writers = (0..24).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            store.put(&format!("n{number:02}"), &secret("x")).await.unwrap();
            store.get(&format!("n{number:02}")).await.unwrap();
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(store.names().await.unwrap().len(), 24);
    assert_eq!(store.generation().await.unwrap(), 24);
}
