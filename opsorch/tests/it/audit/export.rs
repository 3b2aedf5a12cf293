//! Parts of a log that verify by themselves.

use opsorch::audit::{AuditLog, Bundle, Finding, verify};
use opsorch::gate::GateKeys;
use opsorch::store::MemoryStore;
use opsorch::{Context, ErrorKind, Event, GrantId};

use super::tampered::{Edit, Tampered};
use crate::support::{World, agent, one_sre, sre, ticket};

/// A log of two grants that were redeemed side by side: eight entries. The grant of the first.
async fn two_stories() -> (World, GrantId) {
    let world = World::new(one_sre()).await;
    let (one, other) = (world.ask(&agent()).await, world.ask(&agent()).await);
    for request in [&other, &one] {
        world.approve(request, &sre("ada")).await.unwrap();
    }
    for request in [&one, &other] {
        world.redeem(request, &agent()).await.unwrap();
    }
    (world, one.id)
}

fn findings(log: &AuditLog, bundle: &Bundle, anchors: &[String]) -> Vec<Finding> {
    verify(bundle, log.verifier_keys(), anchors).findings
}

fn sequences(bundle: &Bundle) -> Vec<u64> {
    bundle.entries.iter().map(|entry| entry.sequence).collect()
}

#[tokio::test]
async fn an_excerpt_of_any_range_verifies_by_itself() {
    let (world, _) = two_stories().await;
    let log = world.ops.audit();
    for start in 0..8 {
        for end in start + 1..=8 {
            let excerpt = log.excerpt(start..end).await.unwrap();
            assert_eq!(sequences(&excerpt), (start..end).collect::<Vec<_>>());
            assert!(excerpt.is_excerpt());
            assert_eq!(findings(log, &excerpt, &[]), []);
        }
    }
    assert_eq!(sequences(&log.excerpt(..).await.unwrap()).len(), 8);
    assert_eq!(sequences(&log.excerpt(6..=u64::MAX).await.unwrap()), [6, 7], "what is not there yet is left out");
}

#[tokio::test]
async fn a_range_without_entries_is_an_error_and_not_an_empty_excerpt() {
    let (world, _) = two_stories().await;
    for range in [8..9, 3..3, u64::MAX..u64::MAX] {
        assert_eq!(world.ops.audit().excerpt(range).await.unwrap_err().kind(), &ErrorKind::NotFound);
    }
    let empty = World::new(one_sre()).await;
    assert_eq!(empty.ops.audit().excerpt(..).await.unwrap_err().kind(), &ErrorKind::NotFound);
}

#[tokio::test]
async fn a_story_is_every_entry_of_one_grant_and_verifies() {
    let (world, grant) = two_stories().await;
    let log = world.ops.audit();
    let story = log.story(&grant).await.unwrap();
    assert_eq!(findings(log, &story, &[]), []);
    let told: Vec<opsorch::Entry> =
        story.entries.iter().map(|entry| serde_json::from_str(&entry.entry).unwrap()).collect();
    assert!(told.iter().all(|entry| entry.grant.as_ref() == Some(&grant)));
    let events: Vec<_> = told.iter().map(|entry| entry.event).collect();
    assert_eq!(events, [Event::Requested, Event::Approved, Event::Intent, Event::Outcome]);

    let unknown = log.story(&GrantId::new("\u{202e}unknown")).await.unwrap_err();
    assert_eq!(unknown.kind(), &ErrorKind::NotFound);
    assert!(!unknown.to_string().contains('\u{202e}'));
}

#[tokio::test]
async fn every_altered_byte_of_an_excerpt_or_a_story_is_found() {
    let (world, grant) = two_stories().await;
    let log = world.ops.audit();
    for bundle in [log.excerpt(3..5).await.unwrap(), log.story(&grant).await.unwrap()] {
        let json = bundle.to_json().unwrap();
        for place in 0..json.len() {
            let mut bytes = json.clone().into_bytes();
            bytes[place] ^= 1;
            let Ok(read) = Bundle::from_json(&String::from_utf8_lossy(&bytes)) else { continue };
            assert!(read != bundle, "there is no space to alter at {place}");
            assert!(!findings(log, &read, &[]).is_empty(), "byte {place} of {json}");
        }
    }
}

#[tokio::test]
async fn an_excerpt_verifies_with_older_and_newer_anchors_once_it_is_joined_to_them() {
    let (world, grant) = two_stories().await;
    let log = world.ops.audit();
    let older = log.bundle().await.unwrap().checkpoints[..3].to_vec();
    let story = log.story(&grant).await.unwrap();
    assert!(matches!(findings(log, &story, &older)[..], [Finding::Unconnected { from: 1, to: 8 }, ..]));
    let joined = log.join(story.clone(), &older).await.unwrap();
    assert_eq!(findings(log, &joined, &older), []);

    world.ask(&agent()).await;
    let newer = log.checkpoint().await.unwrap().into_iter().chain(older).collect::<Vec<_>>();
    assert!(!findings(log, &joined, &newer).is_empty());
    let joined = log.join(joined, &newer).await.unwrap();
    assert_eq!(findings(log, &joined, &newer), []);
    assert_eq!(joined.consistency.len(), 4, "one for each head but the newest");
}

#[tokio::test]
async fn a_log_continues_its_own_heads_and_no_others() {
    let keys = GateKeys::generate("example.com/ops").unwrap();
    let long = World::with(one_sre(), |builder| builder.keys(keys.clone())).await;
    let short = World::with(one_sre(), |builder| builder.keys(keys.clone())).await;
    assert!(short.ops.audit().checkpoint().await.unwrap().is_none());
    for _ in 0..3 {
        long.ask(&agent()).await;
    }
    let heads = long.ops.audit().bundle().await.unwrap().checkpoints;
    for head in &heads {
        long.ops.audit().continues(head).await.unwrap();
        let error = short.ops.audit().continues(head).await.unwrap_err();
        assert!(error.message().contains("its end was cut"), "{error}");
    }
    for _ in 0..5 {
        short.ask(&agent()).await;
    }
    for head in &heads {
        let error = short.ops.audit().continues(head).await.unwrap_err();
        assert!(error.message().contains("begun afresh or rewritten"), "{error}");
    }
    let beyond = short.ops.audit().checkpoint().await.unwrap().into_iter().collect::<Vec<_>>();
    let excerpt = long.ops.audit().excerpt(..).await.unwrap();
    assert!(long.ops.audit().join(excerpt, &beyond).await.is_err());

    let stranger = World::new(one_sre()).await;
    stranger.ask(&agent()).await;
    let foreign = stranger.ops.audit().checkpoint().await.unwrap().unwrap();
    assert!(matches!(long.ops.audit().continues(&foreign).await.unwrap_err().kind(), ErrorKind::Invalid { .. }));
}

/// The same log, through a store that somebody tampered with.
async fn tampered(edit: Edit) -> (World, GrantId) {
    let (store, keys) = (MemoryStore::new(), GateKeys::generate("example.com/ops").unwrap());
    let honest = World::with(one_sre(), |builder| builder.store(store.clone()).keys(keys.clone())).await;
    let waiting = honest.ask(&agent()).await;
    honest.approve(&waiting, &sre("ada")).await.unwrap();
    honest.redeem(&waiting, &agent()).await.unwrap();
    let world = World::with(one_sre(), |builder| builder.store(Tampered(store, edit)).keys(keys)).await;
    (world, waiting.id)
}

#[tokio::test]
async fn no_story_is_told_from_a_log_that_was_edited() {
    for edit in [Edit::Lose(1), Edit::Rewrite("triage", "nobody"), Edit::Rewrite("\"grant\"", "\"grunt\"")] {
        let (world, grant) = tampered(edit).await;
        let error = world.ops.audit().story(&grant).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Unexpected, "{edit:?}: {error}");
    }
}

#[tokio::test]
async fn a_lost_entry_is_an_error_of_an_excerpt_and_a_finding_of_a_bundle() {
    let (world, _) = tampered(Edit::Lose(1)).await;
    let log = world.ops.audit();
    let error = log.excerpt(0..3).await.unwrap_err();
    assert!(error.to_string().contains("sequence: 1"), "{error}");
    assert_eq!(sequences(&log.excerpt(2..).await.unwrap()), [2, 3]);

    let bundle = log.bundle().await.unwrap();
    assert_eq!(sequences(&bundle), [0, 2, 3], "what is left");
    assert_eq!(findings(log, &bundle, &[])[0], Finding::SequenceMismatch { expected: 1, found: 2 });
}

#[tokio::test]
async fn an_edited_entry_goes_into_an_excerpt_and_its_proof_does_not_hold() {
    let (world, _) = tampered(Edit::Rewrite("triage", "nobody")).await;
    let excerpt = world.ops.audit().excerpt(0..1).await.unwrap();
    assert_eq!(findings(world.ops.audit(), &excerpt, &[]), [Finding::ProofInvalid { sequence: 0 }]);
}

#[tokio::test]
async fn an_export_beside_commits_verifies() {
    let world = World::new(one_sre()).await;
    world.ask(&agent()).await;
    let cx = Context::new(agent());
    let commits = async {
        for _ in 0..50 {
            let _ = world.ops.tickets(&cx).create(ticket()).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let exports = async {
        for _ in 0..50 {
            let (bundle, excerpt) = (world.ops.audit().bundle().await.unwrap(), world.ops.audit().excerpt(..).await);
            assert_eq!(findings(world.ops.audit(), &bundle, &[]), []);
            assert_eq!(findings(world.ops.audit(), &excerpt.unwrap(), &[]), []);
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(commits, exports);
}
