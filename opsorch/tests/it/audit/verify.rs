//! What is found when a log was attacked, and that nothing is found when it was not.

use std::sync::LazyLock;

use opsorch::audit::{
    Bundle, BundleEntry, Checkpoint, ConsistencyProof, Finding, Hash, InclusionProof, MemoryNodes, Report, SigningKey,
    VerifierKey, consistency_proof, inclusion_proof, leaf_hash, root, verify,
};
use opsorch::{ErrorKind, Event};

mod bits;
mod random;

const ORIGIN: &str = "example.com/ops";

fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[1; 32]).unwrap()
}

fn keys() -> [VerifierKey; 1] {
    [key().verifier()]
}

/// A log of entries that say who wrote them, signed every `every` entries.
fn log(count: u64, every: usize, author: &str) -> Bundle {
    let entries: Vec<_> = (0..count).map(|sequence| entry(sequence, author)).collect();
    let signed: Vec<_> = (every as u64..=count).step_by(every).map(|size| sign(&entries, size)).collect();
    Bundle::new(ORIGIN).checkpoints(signed).entries(entries)
}

fn entry(sequence: u64, author: &str) -> BundleEntry {
    let stored = format!(r#"{{"sequence":{sequence},"event":"approved","actor":"{author}","trace":"{sequence:x}"}}"#);
    let leaf = leaf_hash(stored.as_bytes());
    BundleEntry::new(sequence, stored, leaf)
}

fn sign(entries: &[BundleEntry], size: u64) -> String {
    signed_by(&key(), size, root(size, &nodes(entries)).unwrap())
}

fn signed_by(key: &SigningKey, size: u64, root: Hash) -> String {
    key.sign(&Checkpoint::new(ORIGIN, size, root).unwrap())
}

fn nodes(entries: &[BundleEntry]) -> MemoryNodes {
    entries.iter().map(|entry| entry.leaf).collect()
}

/// Some entries of a log with their proofs against its newest checkpoint, and what joins the older checkpoints to it.
fn excerpt(log: &Bundle, sequences: &[usize]) -> Bundle {
    let (size, nodes) = (log.entries.len() as u64, nodes(&log.entries));
    let proven = sequences.iter().map(|sequence| {
        let hashes = inclusion_proof(*sequence as u64, size, &nodes).unwrap();
        log.entries[*sequence].clone().proof(InclusionProof::new(size, hashes))
    });
    let sizes = log.checkpoints.iter().map(|signed| Checkpoint::open(signed, &keys()).unwrap().size());
    let joined = sizes.filter(|old| *old < size).map(|old| {
        let hashes = consistency_proof(old, size, &nodes).unwrap();
        ConsistencyProof::new(old, size, hashes)
    });
    Bundle::new(ORIGIN).checkpoints(log.checkpoints.clone()).entries(proven).consistency(joined)
}

/// A log of 200 entries, signed at 50, 100, 150 and 200.
fn long_log() -> Bundle {
    static LOG: LazyLock<Bundle> = LazyLock::new(|| log(200, 50, "ada"));
    LOG.clone()
}

fn check(bundle: &Bundle) -> Report {
    verify(bundle, &keys(), &[])
}

fn findings(bundle: &Bundle) -> Vec<Finding> {
    check(bundle).findings
}

/// Changes an entry as somebody would who also knows how leaf hashes are made.
fn rewrite(entry: &mut BundleEntry, from: &str, to: &str) {
    assert!(entry.entry.contains(from));
    entry.entry = entry.entry.replace(from, to);
    entry.leaf = leaf_hash(entry.entry.as_bytes());
}

#[test]
fn an_untouched_log_is_intact() {
    let report = check(&long_log());
    assert!(report.is_intact(), "{report}");
    assert_eq!((report.entries, report.checkpoints, report.covered_size, report.excerpt), (200, 4, 200, false));
    let anchors = [long_log().checkpoints[1].clone()];
    assert!(verify(&long_log(), &keys(), &anchors).is_intact());
}

#[test]
fn one_damaged_leaf_hash_casts_no_doubt_on_other_entries() {
    let mut log = long_log();
    bits::flip_hash(&mut log.entries[17].leaf, 3);
    let report = check(&log);
    assert_eq!(report.findings, [Finding::EntryAltered { sequence: 17 }]);
    assert_eq!(report.covered_size, 200);
}

#[test]
fn an_entry_that_was_edited_with_its_leaf_hash_is_found_in_the_range_of_its_commits() {
    let mut log = long_log();
    rewrite(&mut log.entries[117], "ada", "eve");
    let report = check(&log);
    let altered = Finding::RangeAltered { from: 100, to: 149 };
    assert_eq!(report.findings, [altered, Finding::Uncovered { from: 150, to: 199 }]);
    assert_eq!(report.covered_size, 100);
}

#[test]
fn a_deleted_entry_is_named_once() {
    let mut log = long_log();
    log.entries.remove(60);
    let found = findings(&log);
    assert_eq!(found[0], Finding::SequenceMismatch { expected: 60, found: 61 });
    assert_eq!(found[0].to_string(), "entry 60 is missing: entry 61 stands in its place");
    assert!(found.contains(&Finding::RangeAltered { from: 50, to: 99 }));
    assert!(found.contains(&Finding::TailCut { have: 199, anchored: 200 }));
}

#[test]
fn a_deletion_that_renumbers_the_rest_is_found_in_its_range() {
    let mut log = long_log();
    log.entries.remove(60);
    for (place, entry) in log.entries.iter_mut().enumerate().skip(60) {
        rewrite(entry, &format!(r#""sequence":{}"#, place + 1), &format!(r#""sequence":{place}"#));
        entry.sequence = place as u64;
    }
    assert_eq!(findings(&log)[0], Finding::RangeAltered { from: 50, to: 99 });
}

#[test]
fn an_inserted_entry_is_named() {
    let mut log = long_log();
    log.entries.insert(60, entry(60, "eve"));
    let found = findings(&log);
    assert_eq!(found[0], Finding::SequenceMismatch { expected: 61, found: 60 });
    assert!(found.contains(&Finding::RangeAltered { from: 50, to: 99 }));
}

#[test]
fn an_appended_entry_is_uncovered() {
    let mut log = long_log();
    log.entries.push(entry(200, "eve"));
    assert_eq!(findings(&log), [Finding::Uncovered { from: 200, to: 200 }]);
}

#[test]
fn reordered_entries_are_named() {
    let mut log = long_log();
    log.entries.swap(60, 61);
    let found = findings(&log);
    assert_eq!(found[0], Finding::SequenceMismatch { expected: 60, found: 61 });
    assert_eq!(found[1], Finding::SequenceMismatch { expected: 62, found: 60 });
    assert!(found.contains(&Finding::RangeAltered { from: 50, to: 99 }));
}

#[test]
fn an_entry_that_says_another_sequence_than_its_label_is_named() {
    let mut log = long_log();
    rewrite(&mut log.entries[60], r#""sequence":60"#, r#""sequence":61"#);
    assert_eq!(findings(&log)[0], Finding::SequenceMismatch { expected: 60, found: 61 });
}

#[test]
fn a_signed_entry_without_a_sequence_is_unreadable() {
    for stored in ["", "{}", "[]", r#"{"sequence":-1}"#, r#"{"sequence":0,"sequence":0}"#, r#"{"sequence":0}}"#] {
        let entries = [BundleEntry::new(0, stored, leaf_hash(stored.as_bytes()))];
        let log = Bundle::new(ORIGIN).checkpoints([sign(&entries, 1)]).entries(entries);
        assert!(matches!(findings(&log)[..], [Finding::Unreadable { sequence: 0, .. }]), "{stored}");
    }
}

/// A signed log of what happened to grants.
fn story(events: &[(&str, &str)]) -> Bundle {
    let entries: Vec<_> = (0..)
        .zip(events)
        .map(|(sequence, (event, grant))| {
            let stored = format!(r#"{{"sequence":{sequence},"event":"{event}","grant":"{grant}"}}"#);
            BundleEntry::new(sequence, stored.clone(), leaf_hash(stored.as_bytes()))
        })
        .collect();
    Bundle::new(ORIGIN).checkpoints([sign(&entries, entries.len() as u64)]).entries(entries)
}

#[test]
fn a_grant_that_was_spent_twice_is_named_although_everything_is_signed() {
    let once = [("requested", "g"), ("intent", "g"), ("intent", "h"), ("outcome", "g"), ("outcome", "h")];
    let more = [("addendum", "g"), ("addendum", "g"), ("refused", "g"), ("refused", "g")];
    let fine = story(&[&once[..], &more].concat());
    assert!(check(&fine).is_intact(), "{}", check(&fine));
    for (event, first) in [(Event::Intent, 1), (Event::Outcome, 3)] {
        let twice = story(&[&once[..], &more, &[(event.word(), "g")]].concat());
        let repeated = Finding::Repeated { event, grant: "g".into(), first, second: 9 };
        assert_eq!(findings(&twice), std::slice::from_ref(&repeated));
        let both = excerpt(&twice, &[usize::try_from(first).unwrap(), 9]);
        assert_eq!(findings(&both), [repeated], "in an excerpt as well");
        let line = format!("entry 9 is a second {event} of grant \"g\", after entry {first}: a grant has one");
        assert!(check(&twice).to_string().contains(&line), "{}", check(&twice));
    }
}

#[test]
fn a_tail_cut_with_its_checkpoints_is_found_against_an_anchor_alone() {
    let mut cut = long_log();
    cut.entries.truncate(150);
    let anchor = cut.checkpoints.pop().unwrap();
    assert!(check(&cut).is_intact(), "what the module documentation says plainly");
    assert_eq!(verify(&cut, &keys(), &[anchor]).findings, [Finding::TailCut { have: 150, anchored: 200 }]);
}

#[test]
fn a_tail_cut_that_leaves_the_checkpoints_needs_no_anchor() {
    let mut cut = long_log();
    cut.entries.truncate(180);
    let uncovered = Finding::Uncovered { from: 150, to: 179 };
    assert_eq!(findings(&cut), [Finding::TailCut { have: 180, anchored: 200 }, uncovered]);
}

#[test]
fn a_log_started_afresh_with_the_same_key_is_found_against_an_anchor_alone() {
    let anchor = [long_log().checkpoints[0].clone()];
    let fresh = log(200, 50, "eve");
    assert!(check(&fresh).is_intact());
    assert_eq!(verify(&fresh, &keys(), &anchor).findings, [Finding::Forked { size: 50 }]);

    let shorter = log(40, 40, "eve");
    assert_eq!(verify(&shorter, &keys(), &anchor).findings, [Finding::TailCut { have: 40, anchored: 50 }]);
    let empty = Bundle::new(ORIGIN);
    assert_eq!(verify(&empty, &keys(), &anchor).findings, [Finding::TailCut { have: 0, anchored: 50 }]);
}

#[test]
fn two_histories_signed_with_one_key_are_a_fork() {
    let mut forked = long_log();
    forked.checkpoints.push(sign(&log(200, 200, "eve").entries, 100));
    assert_eq!(findings(&forked), [Finding::Forked { size: 100 }]);
}

#[test]
fn a_log_that_was_signed_again_with_another_key_is_refused() {
    let other = SigningKey::from_seed(ORIGIN, &[2; 32]).unwrap();
    let mut log = log(20, 10, "eve");
    let nodes = nodes(&log.entries);
    log.checkpoints = [10, 20].map(|size| signed_by(&other, size, root(size, &nodes).unwrap())).to_vec();
    let found = findings(&log);
    assert!(matches!(found[0], Finding::CheckpointInvalid { index: 0, .. }));
    assert!(matches!(found[1], Finding::CheckpointInvalid { index: 1, .. }));
    assert_eq!(found[2..], [Finding::Uncovered { from: 0, to: 19 }]);
    assert!(verify(&log, &[other.verifier()], &[]).is_intact());
    assert!(verify(&log, &[key().verifier(), other.verifier()], &[]).is_intact(), "after a rotation both are known");
}

#[test]
fn a_checkpoint_of_another_log_proves_nothing() {
    let mut log = log(10, 10, "ada");
    let anchor = log.checkpoints.clone();
    log.origin = "example.com/another".into();
    let report = verify(&log, &keys(), &anchor);
    assert!(matches!(report.findings[0], Finding::CheckpointInvalid { index: 0, .. }), "{report}");
    assert!(matches!(report.findings[1], Finding::AnchorInvalid { index: 0, .. }), "{report}");
    assert_eq!(report.covered_size, 0);
}

#[test]
fn an_anchor_that_cannot_be_read_is_named() {
    let found = verify(&long_log(), &keys(), &["not a checkpoint".to_owned()]).findings;
    assert!(matches!(found[..], [Finding::AnchorInvalid { index: 0, .. }]), "{found:?}");
}

#[test]
fn nothing_at_all_is_not_intact_and_a_signed_empty_log_is() {
    assert_eq!(findings(&Bundle::new(ORIGIN)), [Finding::Empty]);
    let empty = |root| Bundle::new(ORIGIN).checkpoints([signed_by(&key(), 0, root)]);
    assert!(check(&empty(Hash::EMPTY_ROOT)).is_intact());
    assert_eq!(findings(&empty(leaf_hash(b""))), [Finding::Forked { size: 0 }]);
}

#[test]
fn an_excerpt_proves_its_entries_without_the_rest() {
    let story = excerpt(&long_log(), &[3, 57, 58, 199]);
    let report = check(&story);
    assert!(report.is_intact() && report.excerpt, "{report}");
    assert_eq!((report.entries, report.covered_size), (4, 200));
    assert!(report.to_string().contains("excerpt"), "{report}");
}

#[test]
fn an_altered_entry_of_an_excerpt_is_named() {
    let story = excerpt(&long_log(), &[3, 57]);

    let mut edited = story.clone();
    bits::flip(&mut edited.entries[1].entry, 100);
    assert_eq!(findings(&edited), [Finding::EntryAltered { sequence: 57 }]);

    let mut edited = story.clone();
    bits::flip_hash(&mut edited.entries[1].leaf, 100);
    assert_eq!(findings(&edited), [Finding::EntryAltered { sequence: 57 }]);

    let mut edited = story.clone();
    rewrite(&mut edited.entries[1], "ada", "eve");
    assert_eq!(findings(&edited), [Finding::ProofInvalid { sequence: 57 }]);

    let mut edited = story.clone();
    edited.entries[1].proof = edited.entries[0].proof.clone();
    assert_eq!(findings(&edited), [Finding::ProofInvalid { sequence: 57 }]);

    let mut edited = story.clone();
    edited.entries[1].proof = None;
    assert_eq!(findings(&edited), [Finding::Uncovered { from: 57, to: 57 }]);

    let mut edited = story;
    edited.entries.swap(0, 1);
    assert_eq!(findings(&edited), [Finding::SequenceMismatch { expected: 58, found: 3 }]);
}

#[test]
fn a_whole_log_does_not_pass_as_an_excerpt_to_hide_a_deletion() {
    let log = long_log();
    let mut hiding = log.clone();
    hiding.entries[0] = excerpt(&log, &[0]).entries[0].clone();
    hiding.entries.remove(60);
    let found = findings(&hiding);
    assert!(found.contains(&Finding::Uncovered { from: 61, to: 61 }), "{found:?}");
}

#[test]
fn the_checkpoints_of_an_excerpt_must_be_of_one_history() {
    let mut torn = excerpt(&long_log(), &[3]);
    torn.consistency.remove(1);
    assert_eq!(findings(&torn), [Finding::Unconnected { from: 100, to: 200 }]);

    let story = excerpt(&long_log(), &[3]);
    let joined = [long_log().checkpoints[0].clone()];
    assert!(verify(&story, &keys(), &joined).is_intact());

    let eve = log(200, 50, "eve");
    let fresh = verify(&story, &keys(), &eve.checkpoints[3..]).findings;
    assert!(fresh.contains(&Finding::Forked { size: 200 }), "{fresh:?}");
    let mut single = excerpt(&long_log(), &[3]);
    single.checkpoints.drain(..3);
    assert!(check(&single).is_intact());
    let older = verify(&single, &keys(), &eve.checkpoints[..1]).findings;
    assert_eq!(older, [Finding::Unconnected { from: 50, to: 200 }]);
}

#[test]
fn a_bundle_survives_json_and_an_unknown_field_does_not() {
    for bundle in [long_log(), excerpt(&long_log(), &[3, 57]), Bundle::new(ORIGIN)] {
        let json = bundle.to_json().unwrap();
        let read = Bundle::from_json(&json).unwrap();
        assert_eq!(read, bundle);
        assert_eq!(read.to_json().unwrap(), json);
    }
    let json = log(2, 2, "ada").to_json().unwrap();
    assert!(Bundle::from_json(&json.replacen("\"leaf\"", "\"note\": 1, \"leaf\"", 1)).is_err());
    assert!(Bundle::from_json(&format!("{json} {{}}")).is_err());
    let error = Bundle::from_json(&json.replacen("\"leaf\": \"", "\"leaf\": \"A", 1)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Invalid { field: "bundle.entries[0].leaf".into() });
}

#[test]
fn a_report_is_for_a_person_to_read() {
    let mut log = log(4, 2, "ada");
    assert_eq!(
        check(&log).to_string(),
        "log \"example.com/ops\": 4 entries, 2 valid checkpoints, 0 valid anchors; \
         signatures cover the first 4 entries\nintact"
    );
    rewrite(&mut log.entries[2], "ada", "eve");
    bits::flip(&mut log.entries[1].entry, 1);
    assert_eq!(
        check(&log).to_string(),
        "log \"example.com/ops\": 4 entries, 2 valid checkpoints, 0 valid anchors; \
         signatures cover the first 2 entries\nnot intact, 2 findings:\n- entry 1 was altered\n\
         - something from entry 2 to entry 3 was altered: it is not what was signed"
    );
}

#[test]
fn a_report_prints_no_control_characters_of_a_bundle_and_no_endless_list() {
    let mut log = Bundle::new("\u{1b}[2Jintact").entries((0..500).map(|_| entry(7, "eve")));
    log.checkpoints = vec!["\u{1b}[2J\n\n— x y\n".into()];
    let printed = check(&log).to_string();
    assert!(!printed.contains('\u{1b}'));
    assert_eq!(printed.lines().count(), 103);
    assert!(printed.ends_with("more"), "{printed}");
}
