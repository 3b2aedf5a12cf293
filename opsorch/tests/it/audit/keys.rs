//! Keys on disk, and their rotation.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Barrier;

use opsorch::audit::{Finding, VerifierKey, verify};
use opsorch::gate::GateKeys;
use opsorch::secret::Secret;
use opsorch::store::MemoryStore;
use opsorch::{ErrorKind, Result};
use tempfile::TempDir;

use crate::support::{World, agent, one_sre, sre};

const ORIGIN: &str = "example.com/ops";

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate.keys");
    (folder, path)
}

/// Everything about keys, as the file that they are saved in.
fn text(keys: &GateKeys) -> String {
    let (_folder, path) = folder();
    keys.save(&path).unwrap();
    fs::read_to_string(path).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn the_first_use_makes_the_file_and_the_next_reads_it() {
    let (folder, path) = folder();
    let keys = GateKeys::open(&path, ORIGIN).unwrap();
    assert_eq!(text(&GateKeys::open(&path, ORIGIN).unwrap()), text(&keys));
    assert_eq!(fs::read_to_string(&path).unwrap(), text(&keys));
    assert_eq!(names(folder.path()), ["gate.keys"], "nothing else is left");
    #[cfg(unix)]
    assert_eq!(mode(&path), 0o600);
}

#[cfg(unix)]
#[test]
fn a_key_file_that_others_can_read_or_write_is_refused() {
    let (_folder, path) = folder();
    GateKeys::open(&path, ORIGIN).unwrap();
    for bits in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666] {
        set_mode(&path, bits);
        let error = GateKeys::open(&path, ORIGIN).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Invalid { field: "keys".into() });
        assert!(error.message().contains(&format!("got mode {bits:04o}")), "{error}");
    }
    set_mode(&path, 0o400);
    GateKeys::open(&path, ORIGIN).unwrap();
}

#[cfg(unix)]
#[test]
fn saving_over_a_file_that_others_can_read_makes_it_private() {
    let (_folder, path) = folder();
    fs::write(&path, "").unwrap();
    set_mode(&path, 0o644);
    GateKeys::generate(ORIGIN).unwrap().save(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn sixteen_threads_that_open_a_new_path_get_the_same_keys() {
    let (folder, path) = folder();
    let start = Barrier::new(16);
    let opened: Vec<String> = std::thread::scope(|scope| {
        let open = || {
            start.wait();
            text(&GateKeys::open(&path, ORIGIN).unwrap())
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let stored = fs::read_to_string(&path).unwrap();
    assert!(opened.iter().all(|keys| *keys == stored));
    assert_eq!(names(folder.path()), ["gate.keys"]);
}

#[test]
fn the_keys_of_another_log_are_refused() {
    let (_folder, path) = folder();
    GateKeys::open(&path, ORIGIN).unwrap();
    let error = GateKeys::open(&path, "example.com/other").unwrap_err();
    assert!(error.message().contains(r#"of the log "example.com/ops", expected "example.com/other""#), "{error}");
}

#[test]
fn a_path_that_cannot_be_used_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing/gate.keys");
    let keys = GateKeys::generate(ORIGIN).unwrap();
    for error in [GateKeys::open(&missing, ORIGIN).unwrap_err(), keys.save(&missing).unwrap_err()] {
        assert_eq!(error.kind(), &ErrorKind::Unavailable);
        assert!(error.to_string().contains("missing/gate.keys"), "{error}");
    }
    assert!(keys.save(folder.path()).is_err(), "a directory");
    assert_eq!(names(folder.path()), [""; 0], "no draft is left");
}

/// Writes a key file, private, and opens it.
fn open_text(text: &str) -> Result<GateKeys> {
    let (_folder, path) = folder();
    GateKeys::generate(ORIGIN).unwrap().save(&path).unwrap();
    fs::write(&path, text).unwrap();
    GateKeys::open(&path, ORIGIN)
}

fn line<'a>(text: &'a str, word: &str) -> &'a str {
    let prefix = format!("{word} ");
    text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap()
}

#[test]
fn what_is_no_key_file_is_refused_by_its_line_and_never_shown() {
    let good = text(&GateKeys::generate(ORIGIN).unwrap().rotate().unwrap());
    let (log, seal) = (line(&good, "log"), line(&good, "seal"));
    let stranger = GateKeys::generate("example.com/other").unwrap();
    let wrong = [
        ("", "in the first line"),
        (&good.replacen("keys 1", "keys 2", 1), "expected `opsorch gate keys 1` in the first line"),
        (&good.replacen(&format!("log {log}\n"), "", 1), "no line `log`"),
        (&good.replacen(&format!("seal {seal}\n"), "", 1), "no line `seal`"),
        (&format!("{good}log {log}\n"), "line 7 of the key file: expected `log` once"),
        (&format!("{good}seal {seal}\n"), "line 7 of the key file: expected `seal` once"),
        (&format!("{good}salt {seal}\n"), "line 7 of the key file: expected `log`, `seal`, `former-log`"),
        (&format!("{good}former-log {log}\n"), "this is a private key"),
        (&format!("{good}former-log {}\n", stranger.verifier_keys()[0]), "expected a former key of the log"),
        (&good.replacen(seal, &seal[1..], 1), "line 4 of the key file: expected 32 bytes"),
        (&good.replacen(log, &log[..log.len() - 1], 1), "line 3 of the key file: expected `PRIVATE+KEY"),
        (&"#".repeat(64 * 1024 + 1), "larger than 64 KiB"),
    ];
    for (text, expected) in wrong {
        let error = open_text(text).unwrap_err();
        let printed = format!("{error} {error:?}");
        assert!(printed.contains(expected), "{expected}: {printed}");
        for secret in [&log[30..], &seal[1..20]] {
            assert!(!printed.contains(secret), "{expected}: {printed}");
        }
    }
    assert_eq!(text(&open_text(&good.replace('\n', "\r\n\n# a note\n")).unwrap()), good);
}

#[test]
fn keys_come_from_a_secret_store_as_well() {
    let old = text(&GateKeys::generate(ORIGIN).unwrap());
    let secret = |word| Secret::new(line(&old, word));
    let keys = GateKeys::from_secrets(&secret("log"), &secret("seal")).unwrap();
    assert_eq!(text(&keys), old);
    assert!(GateKeys::from_secrets(&secret("seal"), &secret("log")).is_err());

    let new = text(&keys.rotate().unwrap());
    let again = GateKeys::from_secrets(&Secret::new(line(&new, "log")), &Secret::new(line(&new, "seal"))).unwrap();
    let former: VerifierKey = line(&new, "former-log").parse().unwrap();
    let again = again.former_log(former).unwrap().former_seal(&secret("seal")).unwrap();
    assert_eq!(text(&again), new);
}

#[test]
fn nothing_prints_a_key() {
    let keys = GateKeys::generate(ORIGIN).unwrap().rotate().unwrap();
    let (printed, text) = (format!("{keys:?} {keys:#?}"), text(&keys));
    for secret in [&line(&text, "log")["PRIVATE+KEY+example.com/ops+".len()..], line(&text, "former-seal")] {
        assert!(!printed.contains(&secret[9..]), "{printed}");
    }
    assert!(!printed.contains("PRIVATE") && !printed.contains(line(&text, "seal")), "{printed}");
}

#[test]
fn rotated_keys_remember_every_former_one_and_forget_the_private_half() {
    let (_folder, path) = folder();
    let first = GateKeys::open(&path, ORIGIN).unwrap();
    let third = first.rotate().unwrap().rotate().unwrap();
    third.save(&path).unwrap();
    let read = GateKeys::open(&path, ORIGIN).unwrap();
    assert_eq!(text(&read), text(&third));
    assert_eq!(read.verifier_keys().len(), 3);
    assert_eq!(read.verifier_keys()[2], first.log().verifier());
    assert_eq!(read.log().name(), ORIGIN);
    assert!(!text(&third).contains(line(&text(&first), "log")));
    assert!(text(&third).contains(line(&text(&first), "seal")));
}

#[test]
fn more_former_keys_than_a_file_holds_are_refused_and_the_file_stays() {
    let (folder, path) = folder();
    let mut keys = GateKeys::open(&path, ORIGIN).unwrap();
    let before = fs::read_to_string(&path).unwrap();
    let former = keys.log().verifier();
    for _ in 0..1000 {
        keys = keys.former_log(former.clone()).unwrap();
    }
    assert!(keys.save(&path).unwrap_err().message().contains("64 KiB"));
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    assert_eq!(names(folder.path()), ["gate.keys"]);
}

async fn world(store: &MemoryStore, keys: &GateKeys) -> World {
    World::with(one_sre(), |builder| builder.store(store.clone()).keys(keys.clone())).await
}

#[tokio::test]
async fn a_grant_that_waits_survives_a_rotation_and_the_log_goes_on_under_its_name() {
    let store = MemoryStore::new();
    let old = GateKeys::generate(ORIGIN).unwrap();
    let before = world(&store, &old).await;
    let waiting = before.ask(&agent()).await;

    let new = old.rotate().unwrap();
    let after = world(&store, &new).await;
    after.approve(&waiting, &sre("ada")).await.unwrap();
    after.redeem(&waiting, &agent()).await.unwrap();
    assert_eq!(after.changes(), 1);
    after.assert_log_verifies().await;

    let bundle = after.ops.audit().bundle().await.unwrap();
    assert_eq!(bundle.origin, ORIGIN);
    let [new_key, old_key] = after.ops.audit().verifier_keys() else { panic!("there are two keys") };
    assert_eq!((new_key, old_key), (&new.log().verifier(), &old.log().verifier()));
    let invalid = |keys: &VerifierKey| {
        let found = verify(&bundle, std::slice::from_ref(keys), &[]).findings;
        let indexes = found.iter().filter_map(|finding| match finding {
            Finding::CheckpointInvalid { index, .. } => Some(*index),
            _ => None,
        });
        indexes.collect::<Vec<_>>()
    };
    assert_eq!(invalid(new_key), [0], "what the old key signed");
    assert_eq!(invalid(old_key), [1, 2, 3], "what the new key signed");
}

#[tokio::test]
async fn a_process_that_does_not_know_the_rotated_keys_refuses_changes() {
    let store = MemoryStore::new();
    let old = GateKeys::generate(ORIGIN).unwrap();
    let late = world(&store, &old).await;
    let waiting = late.ask(&agent()).await;
    let rotated = world(&store, &old.rotate().unwrap()).await;
    rotated.approve(&waiting, &sre("ada")).await.unwrap();
    assert!(late.redeem(&waiting, &agent()).await.is_err());
    assert_eq!(late.changes(), 0);
    rotated.redeem(&waiting, &agent()).await.unwrap();
}

#[tokio::test]
async fn keys_that_were_not_rotated_from_those_of_the_store_neither_redeem_nor_sign() {
    let store = MemoryStore::new();
    let owner = world(&store, &GateKeys::generate(ORIGIN).unwrap()).await;
    let waiting = owner.ask(&agent()).await;
    owner.approve(&waiting, &sre("ada")).await.unwrap();

    let stranger = world(&store, &GateKeys::generate(ORIGIN).unwrap()).await;
    assert_eq!(stranger.redeem(&waiting, &agent()).await.unwrap_err().kind(), &ErrorKind::Denied);
    let error =
        stranger.ops.tickets(&opsorch::Context::new(agent())).create(crate::support::ticket()).await.unwrap_err();
    assert!(error.message().contains("the signature of its head is not ours"), "{error}");
    assert_eq!(stranger.changes(), 0);
    owner.redeem(&waiting, &agent()).await.unwrap();
}

#[tokio::test]
async fn without_the_former_seal_what_waits_does_not_redeem() {
    let store = MemoryStore::new();
    let old = GateKeys::generate(ORIGIN).unwrap();
    let waiting = world(&store, &old).await.ask(&agent()).await;
    let rotated = text(&old.rotate().unwrap());
    let (_, seal) = rotated.split_once("former-seal ").unwrap();
    let forgotten = open_text(&rotated.replace(&format!("former-seal {seal}"), "")).unwrap();
    let world = world(&store, &forgotten).await;
    let error = world.approve(&waiting, &sre("ada")).await.unwrap_err();
    assert!(error.message().contains("not what the gate wrote"), "{error}");
}
