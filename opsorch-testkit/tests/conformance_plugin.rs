//! Plugins keep the rules of the contract over the wire, whatever their language: the one in Python under `examples/`, which
//! begins empty, and a provider in memory that this program serves when it is called with `child`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Trial};
use opsorch::SystemClock;
use opsorch::plugin::{self, PluginConfig};
use opsorch_testkit::conformance::Outcome;
use opsorch_testkit::{Conformance, MemoryProvider};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("child") {
        return child();
    }
    let trials = vec![
        Trial::test("a_plugin_in_python_keeps_the_rules", || keeps_the_rules(&python(), 50, 43)),
        Trial::test("a_plugin_in_rust_keeps_the_rules", || keeps_the_rules(&rust(), 60, 33)),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The example, in the interpreter itself: a plugin has no `PATH` for a wrapper to look in.
fn python() -> Conformance {
    let asked = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    let asked = asked.expect("this test needs python3; without it nothing is known about plugins in other languages");
    assert!(asked.status.success(), "python3 does not run: {}", String::from_utf8_lossy(&asked.stderr));
    let interpreter = PathBuf::from(String::from_utf8(asked.stdout).unwrap().trim());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/plugin.py").canonicalize().unwrap();
    let script = script.to_str().unwrap().to_owned();
    Conformance::plugin("python", move |_| PluginConfig::new(&interpreter).arg(&script))
}

fn rust() -> Conformance {
    let this_program = std::env::current_exe().unwrap();
    Conformance::plugin("rust", move |_| PluginConfig::new(&this_program).arg("child")).channel("#ops")
}

/// The plugin in Rust: a world with things in it.
fn child() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(plugin::serve(MemoryProvider::seeded(7, SystemClock).provider("memory"))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs every rule. The numbers are pinned, so that no rule that was looked at is skipped one day without notice.
fn keeps_the_rules(suite: &Conformance, kept: usize, skipped: usize) -> Result<(), libtest_mimic::Failed> {
    let report = suite.run();
    let count = |is: fn(&Outcome) -> bool| report.results.iter().filter(|result| is(&result.outcome)).count();
    let found = (
        count(|outcome| matches!(outcome, Outcome::Kept { .. } | Outcome::Deviates { .. })),
        count(|outcome| matches!(outcome, Outcome::Ignored(_))),
    );
    match report.broken().is_empty() && found == (kept, skipped) {
        true => Ok(()),
        false => Err(format!("expected {kept} rules kept and {skipped} skipped\n{}", report.to_markdown()).into()),
    }
}
