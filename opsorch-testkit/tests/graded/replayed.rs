//! Suites from recordings.

use std::fs;
use std::path::Path;

use opsorch_testkit::conformance::{Outcome, Report};
use opsorch_testkit::double::SECRET;
use serde_json::Value;
use tempfile::TempDir;

use crate::desk;
use crate::live::Account;

/// Records the suite of the desk; answers what it found.
fn record(folder: &Path) -> Report {
    desk::sound().record_to(folder).run()
}

/// What was found, but for the reasons of what was ignored.
fn found(report: &Report) -> Vec<(&str, std::mem::Discriminant<Outcome>)> {
    report.results.iter().map(|result| (result.id.as_str(), std::mem::discriminant(&result.outcome))).collect()
}

/// Changes a recording.
fn tamper(folder: &Path, rule: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join(rule).with_extension("json");
    let mut cassette = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut cassette);
    fs::write(path, serde_json::to_vec_pretty(&cassette).unwrap()).unwrap();
}

fn outcome(folder: &Path, rule: &str) -> Outcome {
    let report = desk::sound().replay_from(folder).run();
    report.results.into_iter().find(|result| result.id == rule).unwrap().outcome
}

#[test]
fn a_replay_finds_what_the_recording_found_and_fails_where_one_answer_differs() {
    let folder = TempDir::new().unwrap();
    let recorded = record(folder.path());
    let replayed = desk::sound().replay_from(folder.path()).run();
    assert!(recorded.broken().is_empty(), "{recorded:#?}");
    assert_eq!(found(&replayed), found(&recorded));

    for entry in fs::read_dir(folder.path()).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains(SECRET), "{text}");
    }

    // TK-020 compares what is listed with what is read by its id: the last answer.
    tamper(folder.path(), "TK-020", |cassette| {
        let last = cassette["exchanges"].as_array_mut().unwrap().last_mut().unwrap();
        last["reply"]["body"]["json"]["subject"] = "Xrinter".into();
    });
    assert!(matches!(outcome(folder.path(), "TK-020"), Outcome::Broken(_)));

    tamper(folder.path(), "TK-050", |cassette| cassette["exchanges"][0]["request"]["path"] = "/elsewhere".into());
    let Outcome::Broken(how) = outcome(folder.path(), "TK-050") else { panic!("a request is missing") };
    assert!(how.contains("GET /tickets is not recorded; the nearest is exchange 1"), "{how}");

    fs::remove_file(folder.path().join("TK-001.json")).unwrap();
    let ignored = Outcome::Ignored("replayed, and there is no recording of this rule".to_owned());
    assert_eq!(outcome(folder.path(), "TK-001"), ignored);

    tamper(folder.path(), "TK-002", |cassette| cassette["cassette"]["note"] = "by hand".into());
    let Outcome::Broken(how) = outcome(folder.path(), "TK-002") else { panic!("the note is wrong") };
    assert!(how.contains("record it again"), "{how}");
}

#[test]
fn a_run_in_an_account_is_replayed_without_the_account() {
    let folder = TempDir::new().unwrap();
    let recorded = {
        let account = Account::open();
        desk::sound().live(account.live().allow_writes()).record_to(folder.path()).run()
    };
    assert!(recorded.broken().is_empty(), "{recorded:#?}");
    let replayed = desk::sound().replay_from(folder.path()).run();
    assert_eq!(found(&replayed), found(&recorded));
    let looked = replayed.results.iter().filter(|result| matches!(result.outcome, Outcome::Kept { .. }));
    assert!(looked.count() > 10);
}
