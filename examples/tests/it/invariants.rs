//! Invariants that the compiler does not keep: what the source must not contain.

use crate::{files, read};

/// Where one of these words stands outside comments, as `file: word`.
fn uses(folders: &[&str], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in folders.iter().flat_map(|folder| files(folder, "rs")) {
        let text = read(&file);
        let code = text.lines().map(|line| format!(" {}", line.trim_start())).filter(|line| !line.starts_with(" //"));
        let code: String = code.collect();
        let used = words.iter().filter(|word| code.contains(**word));
        found.extend(used.map(|word| format!("{}: {word}", file.display())));
    }
    found
}

const SOURCES: [&str; 4] = ["opsorch-schema/src", "opsorch/src", "opsorch-providers/src", "opsorch-testkit/src"];

#[test]
fn the_schema_has_no_async_no_clock_and_no_io() {
    let words =
        ["async ", ".await", "std::fs", "std::io", "std::net", "std::env", "std::thread", "std::time", "::now("];
    assert_eq!(uses(&["opsorch-schema/src"], &words), [""; 0]);
    assert!(!uses(&["opsorch/src"], &words).is_empty(), "the search finds what there is");
}

#[test]
fn the_environment_is_read_for_configurations_and_secrets_only() {
    let words = ["env::var(", "env::var_os(", "env::vars(", "env::vars_os("];
    let places = [
        "opsorch/src/config/environment.rs: env::vars_os(",
        "opsorch/src/secret/environment.rs: env::var_os(",
        "opsorch/src/secret/environment.rs: env::vars_os(",
        "opsorch/src/secret/source.rs: env::var(",
    ];
    assert_eq!(uses(&SOURCES, &words), places);
}

#[test]
fn there_is_no_global_state() {
    let words = [" static ", "thread_local!", "task_local!"];
    // What a plugin tells about the call that it is answering belongs to that call's task.
    let of_one_call = ["opsorch/src/plugin/serve/calls.rs:  static ", "opsorch/src/plugin/serve/calls.rs: task_local!"];
    assert_eq!(uses(&SOURCES, &words), of_one_call);
}

#[test]
fn only_the_gate_makes_an_approved_input() {
    let places = uses(&SOURCES, &["Approved::new(", "Approved {"]);
    assert!(!places.is_empty());
    assert!(places.iter().all(|place| place.starts_with("opsorch/src/gate/")), "{places:#?}");
}

#[test]
fn surfaces_call_providers_through_the_doors_only() {
    let doors = ["core.gate", "gate::Gate", ".answer(cx", "dispatch(", "Reader>", "Writer>"];
    assert_eq!(uses(&["opsorch/src/http", "opsorch/src/mcp"], &doors), [""; 0]);
    assert!(!uses(&["opsorch/src/ops"], &doors).is_empty(), "the search finds what there is");
}

#[test]
fn what_a_vendor_writes_is_private_to_its_kind() {
    let wires = files("opsorch-providers/src", "rs").into_iter().filter(|file| {
        let path = file.display().to_string();
        path.ends_with("/wire.rs") || path.contains("/wire/")
    });
    let wires: Vec<_> = wires.collect();
    assert!(wires.len() > 10, "{wires:?}");
    for file in wires {
        let text = read(&file);
        let exposed: Vec<_> = text.lines().filter(|line| line.starts_with("pub ")).collect();
        assert!(exposed.is_empty(), "{}: {exposed:#?}", file.display());
    }
    assert_eq!(uses(&["opsorch-providers/src"], &["pub mod wire", "pub use wire"]), [""; 0]);
}
