//! Heads of the log that are kept elsewhere, and what is found against them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opsorch::audit::{Anchor, Checkpoint, FileAnchor, Finding, Frontier, SigningKey, leaf_hash, verify};
use opsorch::gate::GateKeys;
use opsorch::store::MemoryStore;
use opsorch::{Error, ErrorKind, OpsOrch, Result, async_trait};
use tempfile::TempDir;

use crate::support::{World, agent, one_sre};

const ORIGIN: &str = "example.com/ops";

fn keys() -> GateKeys {
    GateKeys::new([7; 32], SigningKey::from_seed(ORIGIN, &[1; 32]).unwrap())
}

fn elsewhere() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("anchors");
    (folder, path)
}

/// A control plane over a store, anchored in a file.
async fn anchored(store: &MemoryStore, path: &Path, every: u64) -> World {
    let anchor = FileAnchor::open(path).unwrap().every(every);
    World::with(one_sre(), |builder| builder.store(store.clone()).keys(keys()).anchor(anchor)).await
}

async fn unanchored(store: &MemoryStore) -> World {
    World::with(one_sre(), |builder| builder.store(store.clone()).keys(keys())).await
}

/// Commits entries, and waits for the anchors.
async fn commit(world: &World, count: usize) {
    for _ in 0..count {
        world.ask(&agent()).await;
        world.ops.idle().await;
    }
}

fn sizes(path: &Path) -> Vec<u64> {
    let open = |signed: &String| Checkpoint::open(signed, &keys().verifier_keys()).unwrap().size();
    FileAnchor::read(path).unwrap().iter().map(open).collect()
}

#[tokio::test]
async fn every_commit_is_anchored_and_the_log_verifies_against_what_was_read_back() {
    let (_folder, path) = elsewhere();
    let world = anchored(&MemoryStore::new(), &path, 1).await;
    commit(&world, 5).await;
    assert_eq!(sizes(&path), [1, 2, 3, 4, 5]);
    let anchors = FileAnchor::read(&path).unwrap();
    assert_eq!(anchors, world.ops.audit().bundle().await.unwrap().checkpoints);
    let report = verify(&world.ops.audit().bundle().await.unwrap(), world.ops.audit().verifier_keys(), &anchors);
    assert!(report.is_intact(), "{report}");
    assert_eq!(report.anchors, 5);
    assert_eq!(world.ops.audit().anchor_failures(), 0);
}

#[tokio::test]
async fn a_cut_tail_is_found_against_the_file() {
    let (_folder, path) = elsewhere();
    let world = anchored(&MemoryStore::new(), &path, 1).await;
    commit(&world, 5).await;
    let mut cut = world.ops.audit().bundle().await.unwrap();
    cut.entries.truncate(3);
    cut.checkpoints.truncate(3);
    let keys = world.ops.audit().verifier_keys();
    assert!(verify(&cut, keys, &[]).is_intact(), "by itself nothing is wrong with it");
    let found = verify(&cut, keys, &FileAnchor::read(&path).unwrap()).findings;
    assert_eq!(found, [Finding::TailCut { have: 3, anchored: 5 }]);
}

#[tokio::test]
async fn a_log_that_was_begun_afresh_with_the_right_key_is_found_against_the_file() {
    let (_folder, path) = elsewhere();
    commit(&anchored(&MemoryStore::new(), &path, 1).await, 2).await;
    let fresh = unanchored(&MemoryStore::new()).await;
    commit(&fresh, 6).await;
    let bundle = fresh.ops.audit().bundle().await.unwrap();
    let keys = fresh.ops.audit().verifier_keys();
    assert!(verify(&bundle, keys, &[]).is_intact(), "by itself nothing is wrong with it");
    let found = verify(&bundle, keys, &FileAnchor::read(&path).unwrap()).findings;
    assert_eq!(found, [Finding::Forked { size: 1 }, Finding::Forked { size: 2 }]);
}

async fn refused_start(store: &MemoryStore, path: &Path) -> Error {
    let anchor = FileAnchor::open(path).unwrap();
    let builder = OpsOrch::builder().store(store.clone()).keys(keys()).anchor(anchor);
    builder.build().await.unwrap_err()
}

#[tokio::test]
async fn a_control_plane_does_not_start_on_a_log_that_does_not_continue_what_was_anchored() {
    let (_folder, path) = elsewhere();
    commit(&anchored(&MemoryStore::new(), &path, 1).await, 4).await;
    let before = fs::read(&path).unwrap();

    let fresh = MemoryStore::new();
    let error = refused_start(&fresh, &path).await;
    assert_eq!(error.kind(), &ErrorKind::Unexpected);
    assert!(error.message().contains("its end was cut"), "{error}");
    commit(&unanchored(&fresh).await, 6).await;
    let error = refused_start(&fresh, &path).await;
    assert!(error.message().contains("begun afresh or rewritten"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before, "the anchors stay as they were");
}

#[tokio::test]
async fn a_forged_anchor_does_not_pass_as_one_at_the_start() {
    let (_folder, path) = elsewhere();
    let store = MemoryStore::new();
    commit(&anchored(&store, &path, 1).await, 2).await;
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\n2\n", "\n9\n", 1)).unwrap();
    let error = refused_start(&store, &path).await;
    assert!(error.message().contains("does not belong to this text"), "{error}");
}

#[tokio::test]
async fn after_a_restart_anchoring_goes_on_and_makes_up_for_what_was_missed() {
    let (_folder, path) = elsewhere();
    let store = MemoryStore::new();
    commit(&anchored(&store, &path, 1).await, 2).await;
    commit(&unanchored(&store).await, 3).await;
    let restarted = anchored(&store, &path, 1).await;
    assert_eq!(sizes(&path), [1, 2, 5]);
    commit(&restarted, 1).await;
    assert_eq!(sizes(&path), [1, 2, 5, 6]);
    anchored(&store, &path, 1).await;
    assert_eq!(sizes(&path), [1, 2, 5, 6], "nothing twice");
}

#[tokio::test]
async fn every_so_many_entries_are_counted_across_restarts() {
    let (_folder, path) = elsewhere();
    let store = MemoryStore::new();
    commit(&anchored(&store, &path, 3).await, 4).await;
    assert_eq!(sizes(&path), [3]);
    commit(&anchored(&store, &path, 3).await, 6).await;
    assert_eq!(sizes(&path), [3, 6, 9]);
}

#[tokio::test]
async fn commits_at_once_are_anchored_up_to_the_last() {
    let (_folder, path) = elsewhere();
    let world = anchored(&MemoryStore::new(), &path, 1).await;
    let triage = agent();
    futures_util::future::join_all((0..40).map(|_| world.ask(&triage))).await;
    world.ops.idle().await;
    let sizes = sizes(&path);
    assert!(sizes.is_sorted() && sizes.last() == Some(&40), "{sizes:?}");
    assert_eq!(world.ops.audit().anchor_failures(), 0);
}

fn head(size: u8) -> (Checkpoint, String) {
    let mut tree = Frontier::default();
    (0..size).for_each(|leaf| drop(tree.push(leaf_hash(&[leaf]))));
    let head = Checkpoint::new(ORIGIN, tree.size(), tree.root()).unwrap();
    let signed = keys().log().sign(&head);
    (head, signed)
}

#[tokio::test]
async fn a_file_that_a_crash_cut_anywhere_gives_the_whole_heads_and_takes_the_next() {
    let (_folder, path) = elsewhere();
    let anchor = FileAnchor::open(&path).unwrap();
    let heads = [head(1), head(2), head(3)];
    for (head, signed) in &heads[..2] {
        anchor.keep(head, signed).await.unwrap();
    }
    let whole = fs::read(&path).unwrap();
    let last = whole.len() / 2;
    assert_eq!(whole[..last], *format!("{}\n\n", heads[0].1).as_bytes());
    let [first, second, third] = heads.each_ref().map(|(_, signed)| signed.clone());
    for cut in last..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let second_is_whole = cut >= whole.len() - 2;
        let expected = if second_is_whole { vec![first.clone(), second.clone()] } else { vec![first.clone()] };
        assert_eq!(FileAnchor::read(&path).unwrap(), expected, "cut at {cut}");

        let anchor = FileAnchor::open(&path).unwrap();
        assert_eq!(anchor.newest().await.unwrap(), expected.last().cloned());
        anchor.keep(&heads[2].0, &heads[2].1).await.unwrap();
        let expected = [expected, vec![third.clone()]].concat();
        assert_eq!(FileAnchor::read(&path).unwrap(), expected, "cut at {cut}");
    }
}

#[test]
fn heads_are_read_from_a_file_that_a_person_put_together() {
    let (_folder, path) = elsewhere();
    let (one, other) = (head(1).1, head(2).1);
    for text in
        [format!("{one}\n{other}"), format!("\n\n\n{one}\n\n\n\n{other}\n"), format!("notes\n\n\n{one}\n{other}")]
    {
        fs::write(&path, text).unwrap();
        assert_eq!(FileAnchor::read(&path).unwrap(), [one.clone(), other.clone()]);
    }
    fs::write(&path, b"\xff\n\n\xe2\x80\x94 \xff\n").unwrap();
    assert_eq!(FileAnchor::read(&path).unwrap().len(), 1, "what is damaged is for the verification to name");
    assert_eq!(FileAnchor::read(path.with_extension("missing")).unwrap_err().kind(), &ErrorKind::Unavailable);
}

#[tokio::test]
async fn several_anchors_can_share_a_file() {
    let (_folder, path) = elsewhere();
    let anchors: Vec<_> = (0..8).map(|_| FileAnchor::open(&path).unwrap()).collect();
    let kept = anchors.into_iter().map(|anchor| {
        tokio::spawn(async move {
            for size in 1..=8 {
                let (head, signed) = head(size);
                anchor.keep(&head, &signed).await.unwrap();
            }
        })
    });
    for anchor in kept.collect::<Vec<_>>() {
        anchor.await.unwrap();
    }
    assert_eq!(sizes(&path).len(), 64);
}

#[tokio::test]
async fn an_anchor_file_that_was_moved_away_is_a_failure_and_not_made_anew() {
    let (_folder, path) = elsewhere();
    let world = anchored(&MemoryStore::new(), &path, 1).await;
    commit(&world, 1).await;
    let moved = path.with_extension("1");
    fs::rename(&path, &moved).unwrap();
    commit(&world, 2).await;
    assert!(!path.exists());
    assert_eq!(world.ops.audit().anchor_failures(), 2);
    fs::rename(&moved, &path).unwrap();
    commit(&world, 1).await;
    assert_eq!(sizes(&path), [1, 4], "the next head covers what was missed");
}

#[tokio::test]
async fn the_file_is_only_appended_to() {
    let (_folder, path) = elsewhere();
    let store = MemoryStore::new();
    commit(&anchored(&store, &path, 1).await, 2).await;
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"torn").unwrap();
    let before = fs::read(&path).unwrap();
    commit(&anchored(&store, &path, 1).await, 2).await;
    assert!(fs::read(&path).unwrap().starts_with(&before));
    assert_eq!(sizes(&path), [1, 2, 3, 4]);
}

/// A place of the embedder's own.
#[derive(Clone, Debug, Default)]
struct Ledger {
    heads: Arc<Mutex<Vec<(u64, String)>>>,
    /// How many of the next calls fail.
    failing: Arc<AtomicUsize>,
    hangs: bool,
}

#[async_trait]
impl Anchor for Ledger {
    async fn keep(&self, head: &Checkpoint, signed: &str) -> Result<()> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        let failing = self.failing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if failing.is_ok() {
            return Err(Error::new(ErrorKind::Unavailable, "the ledger is closed"));
        }
        self.heads.lock().unwrap().push((head.size(), signed.to_owned()));
        Ok(())
    }

    async fn newest(&self) -> Result<Option<String>> {
        Ok(self.heads.lock().unwrap().last().map(|(_, signed)| signed.clone()))
    }
}

#[tokio::test]
async fn a_failure_is_counted_and_the_next_commit_offers_its_head() {
    let ledger = Ledger { failing: Arc::new(AtomicUsize::new(2)), ..Ledger::default() };
    let world = World::with(one_sre(), |builder| builder.anchor(ledger.clone())).await;
    commit(&world, 3).await;
    assert_eq!(world.ops.audit().anchor_failures(), 2);
    let heads = ledger.heads.lock().unwrap().clone();
    assert_eq!(heads, [(3, world.ops.audit().checkpoint().await.unwrap().unwrap())]);
}

#[tokio::test(start_paused = true)]
async fn an_anchor_that_hangs_delays_no_commit_and_is_given_up_and_counted() {
    let (hanging, good) = (Ledger { hangs: true, ..Ledger::default() }, Ledger::default());
    let world = World::with(one_sre(), |builder| builder.anchor(hanging).anchor(good.clone())).await;
    let started = tokio::time::Instant::now();
    world.ask(&agent()).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    world.ops.idle().await;
    assert_eq!(started.elapsed().as_secs(), 20);
    assert_eq!(world.ops.audit().anchor_failures(), 1);
    assert_eq!(good.heads.lock().unwrap().len(), 1, "the other one kept it");
}

#[tokio::test]
async fn an_anchor_that_cannot_say_what_it_kept_stops_the_start() {
    #[derive(Debug)]
    struct Unreachable;

    #[async_trait]
    impl Anchor for Unreachable {
        async fn keep(&self, _: &Checkpoint, _: &str) -> Result<()> {
            Ok(())
        }

        async fn newest(&self) -> Result<Option<String>> {
            Err(Error::new(ErrorKind::Unavailable, "the place is away"))
        }
    }

    let error = OpsOrch::builder().anchor(Unreachable).build().await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unavailable);
}
