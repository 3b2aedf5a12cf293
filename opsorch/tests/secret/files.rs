//! Stores in clear: their files, and who may read them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use opsorch::ErrorKind;
use opsorch::secret::{DirectorySecrets, JsonSecrets, Secret, SecretStore};
use serde_json::{Value, json};

use crate::{CANARY, assert_hidden, printed};

fn write(path: &Path, content: impl AsRef<[u8]>, mode: u32) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_file_that_others_can_read_is_refused_unless_that_is_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let (strict, lax) =
        (DirectorySecrets::new(directory.path()), DirectorySecrets::new(directory.path()).readable_by_others());
    for (bits, is_private) in
        [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false), (0o644, false)]
    {
        write(&path, CANARY, bits);
        assert_eq!(lax.get("token").await.unwrap().expose(), CANARY);
        match strict.get("token").await {
            Ok(secret) => assert!(is_private && secret.matches(CANARY), "{bits:o}"),
            Err(error) => {
                assert!(!is_private && error.to_string().contains(&format!("got mode {bits:04o}")), "{error}");
                assert_hidden(&printed(&error));
            }
        }
    }
}

#[tokio::test]
async fn what_is_put_is_private_also_its_folders() {
    let directory = tempfile::tempdir().unwrap();
    let store = DirectorySecrets::new(directory.path());
    store.put("jira/token", &Secret::new(CANARY)).await.unwrap();
    assert_eq!(mode(&directory.path().join("jira/token")), 0o600);
    assert_eq!(mode(&directory.path().join("jira")), 0o700);

    let missing = DirectorySecrets::new(directory.path().join("missing"));
    assert!(
        missing
            .put("a", &Secret::new("x"))
            .await
            .unwrap_err()
            .to_string()
            .contains("a directory for secrets that is there")
    );
    assert_eq!(missing.names().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_volume_of_kubernetes_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("..2026_01_01");
    fs::create_dir(&data).unwrap();
    write(&data.join("token"), "s3cr3t\n", 0o644);
    symlink("..2026_01_01", directory.path().join("..data")).unwrap();
    symlink("..data/token", directory.path().join("token")).unwrap();
    symlink(".", directory.path().join("loop")).unwrap();
    fs::remove_file(directory.path().join("loop")).unwrap();

    let store = DirectorySecrets::new(directory.path()).readable_by_others();
    assert_eq!(store.names().await.unwrap(), ["token"]);
    assert_eq!(store.get("token").await.unwrap().expose(), "s3cr3t");
    for hidden in ["..data/token", ".hidden", "a/.b"] {
        assert!(store.get(hidden).await.is_err(), "{hidden}");
    }
}

#[tokio::test]
async fn a_link_that_leads_back_does_not_hang_a_listing() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("a")).unwrap();
    symlink("..", directory.path().join("a/back")).unwrap();
    write(&directory.path().join("token"), "x", 0o600);
    let names = DirectorySecrets::new(directory.path()).names().await.unwrap();
    assert!(names.contains(&"token".to_owned()) && names.len() < 100, "{names:?}");
}

#[tokio::test]
async fn both_shapes_of_opsorchs_json_are_read_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.json");
    let object = json!({ "provider": "jira", "config": { "z": 1, "a": [true, null, "<&>"] } });
    write(
        &path,
        json!({ "token": CANARY, "providers/ticket/default": object, "n": 5, "empty": "" }).to_string(),
        0o600,
    );
    let store = JsonSecrets::new(&path);

    assert_eq!(store.get("token").await.unwrap().expose(), CANARY);
    assert_eq!(
        store.get("providers/ticket/default").await.unwrap().expose(),
        r#"{"config":{"a":[true,null,"<&>"],"z":1},"provider":"jira"}"#
    );
    assert_eq!(
        store.get("n").await.unwrap_err().to_string(),
        "invalid secret: expected text or an object, got another value (name: n)"
    );
    assert!(matches!(store.get("empty").await.unwrap_err().kind(), ErrorKind::Invalid { .. }));

    store.put("new", &Secret::new("value")).await.unwrap();
    let written: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        written,
        json!({ "token": CANARY, "providers/ticket/default": object, "n": 5, "empty": "", "new": "value" })
    );
    assert_eq!(
        JsonSecrets::new(&path).names().await.unwrap(),
        ["empty", "n", "new", "providers/ticket/default", "token"]
    );
}

#[tokio::test]
async fn an_open_json_file_is_read_as_opsorch_does_and_closed_by_a_change() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.json");
    write(&path, r#"{"a":"x"}"#, 0o644);
    let store = JsonSecrets::new(&path);
    assert_eq!(store.get("a").await.unwrap().expose(), "x");
    store.put("b", &Secret::new("y")).await.unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[tokio::test]
async fn a_bad_json_file_is_refused_unread_and_unwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.json");
    let store = JsonSecrets::new(&path);
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(5 * 1024 * 1024));
    for content in ["", "{", "[]", "\"canary\"", "{\"a\": canary}", "{\"a\":\"canary\"} x", &large] {
        write(&path, content, 0o600);
        for error in [store.get("a").await.map(drop).unwrap_err(), store.put("b", &Secret::new("y")).await.unwrap_err()]
        {
            assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error}");
            assert_hidden(&printed(&error));
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(store.get("a").await.unwrap_err().to_string().contains("expected a file"));
}

#[tokio::test]
async fn a_link_to_a_file_stays_a_link() {
    let directory = tempfile::tempdir().unwrap();
    let (real, link) = (directory.path().join("real.json"), directory.path().join("link.json"));
    write(&real, "{}", 0o600);
    symlink(&real, &link).unwrap();
    JsonSecrets::new(&link).put("a", &Secret::new("x")).await.unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(JsonSecrets::new(&real).get("a").await.unwrap().expose(), "x");
}
