//! `local` keeps the rules of the contract.
#![allow(missing_docs, dead_code, unreachable_pub, clippy::unwrap_used)]

use std::fs;
use std::process::ExitCode;

use opsorch_providers::local::LocalConfig;
use opsorch_testkit::Conformance;
use opsorch_testkit::conformance::Place;
use serde_json::json;

fn main() -> ExitCode {
    suite().report_to(env!("CARGO_TARGET_TMPDIR")).main()
}

pub fn suite() -> Conformance {
    Conformance::of::<LocalConfig>(|place| {
        let folder = place.folder();
        json!({
            "path": folder.join("data"),
            "logs": [folder.join("*.log")],
            "catalog": folder.join("catalog.toml"),
            "plans": folder.join("plans"),
        })
    })
    .channel("#ops")
    .prepare(write_the_world)
}

/// What `local` reads and does not write: logs, the catalog and plans.
fn write_the_world(place: &Place) {
    let folder = place.folder();
    fs::create_dir_all(folder.join("plans")).unwrap();
    fs::write(folder.join("api.log"), LOG).unwrap();
    fs::write(folder.join("catalog.toml"), CATALOG).unwrap();
    for (name, steps) in [("failover", "freeze"), ("restore", "stop")] {
        fs::write(folder.join("plans").join(name).with_extension("yaml"), plan(name, steps)).unwrap();
    }
}

const LOG: &str = r#"{"time":"2025-12-31T23:00:00Z","level":"info","message":"started","service":"api","region":"eu"}
{"time":"2025-12-31T23:10:00Z","level":"error","message":"no space left","service":"api","region":"eu"}
{"time":"2025-12-31T23:20:00Z","level":"warn","message":"slow \"query\"","service":"db","region":"us"}
{"time":"2025-12-31T23:30:00Z","level":"error","message":"timeout","service":"db","region":"us"}
"#;

const CATALOG: &str = r#"
[teams.core]
name = "Core"
members = [{ id = "alice", name = "Alice", email = "alice@example.com" }, { id = "bob", name = "Bob", email = "bob@example.com" }]
on_call = { rotation = ["alice", "bob"], start = 2025-12-01T09:00:00Z, every = "7d" }

[teams.data]
name = "Data"
members = [{ id = "carol", name = "Carol", email = "carol@example.com" }]

[services.api]
name = "API"
team = "core"
environments = ["production"]

[services.db]
name = "Database"
team = "data"
environments = ["production", "staging"]
"#;

fn plan(name: &str, first: &str) -> String {
    format!(
        "title: {name} the database\ntags: {{ kind: {name} }}\nsteps:\n  - {{ id: {first}, title: first, type: manual }}\n  \
         - {{ id: check, title: then check, type: manual, depends_on: [{first}] }}\n"
    )
}
