//! Plugins keep the rules of the contract over the wire, whatever their language: the one in Python under `examples/`, which
//! begins empty, and a provider in memory that this program serves when it is called with `child`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use opsorch::gate::digest;
use opsorch::plugin::{self, PluginConfig};
use opsorch::{Action, Actor, CreateTicket, Scope, SystemClock, Target};
use opsorch_testkit::conformance::{Outcome, Place};
use opsorch_testkit::{Conformance, MemoryProvider};
use serde_json::{Map, Value, json};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("child") {
        return child();
    }
    let trials = vec![
        Trial::test("the_example_is_short_and_its_sections_exist", the_example_is_short_and_its_sections_exist),
        Trial::test("the_guide_shows_the_loop_of_the_example", the_guide_shows_the_loop_of_the_example),
        Trial::test("the_example_makes_what_was_approved_and_once", the_example_makes_what_was_approved_and_once),
        Trial::test("a_plugin_in_python_keeps_the_rules", || {
            keeps_the_rules(&python(at("examples/plugin.py")), 41, 54)
        }),
        Trial::test("a_fault_in_the_plugin_in_python_is_found", a_fault_in_the_plugin_in_python_is_found),
        Trial::test("a_plugin_in_rust_keeps_the_rules", || keeps_the_rules(&rust(), 66, 29)),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn python(script: PathBuf) -> Conformance {
    let interpreter = interpreter();
    let plugin =
        move |place: &Place| PluginConfig::new(&interpreter).arg(script.to_str().unwrap()).config(settings(place));
    Conformance::plugin("python", plugin)
}

fn rust() -> Conformance {
    let this_program = std::env::current_exe().unwrap();
    let plugin = move |place: &Place| PluginConfig::new(&this_program).arg("child").config(settings(place));
    Conformance::plugin("rust", plugin).channel("#ops")
}

/// A secret, which none of them may show.
fn settings(place: &Place) -> Map<String, Value> {
    Map::from_iter([("token".to_owned(), place.secret("TRACKER_TOKEN"))])
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
fn keeps_the_rules(suite: &Conformance, kept: usize, skipped: usize) -> Result<(), Failed> {
    let report = suite.run();
    let count = |is: fn(&Outcome) -> bool| report.results.iter().filter(|result| is(&result.outcome)).count();
    let found = (
        count(|outcome| matches!(outcome, Outcome::Kept { .. } | Outcome::Deviates { .. })),
        count(|outcome| matches!(outcome, Outcome::Ignored(_))),
    );
    match report.broken().is_empty() && found == (kept, skipped) {
        true => Ok(()),
        false => Err(format!(
            "expected {:?} rules kept and skipped, found {found:?}\n{}",
            (kept, skipped),
            report.to_markdown()
        )
        .into()),
    }
}

/// A plugin that looks at the first value of a list alone, though all it has is alike.
fn a_fault_in_the_plugin_in_python_is_found() -> Result<(), Failed> {
    let (right, wrong) = (r#"(given.get("statuses") or STATUSES)"#, r#"(given.get("statuses", [])[:1] or STATUSES)"#);
    let example = read("examples/plugin.py");
    assert!(example.contains(right), "the line of the statuses is another");
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("plugin.py");
    std::fs::write(&script, example.replace(right, wrong)).unwrap();
    let report = python(script).run();
    match report.broken().as_slice() {
        ["TK-013"] => Ok(()),
        broken => Err(format!("expected TK-013 to be broken, found {broken:?}").into()),
    }
}

fn the_example_is_short_and_its_sections_exist() -> Result<(), Failed> {
    let (example, protocol) = (read("examples/plugin.py"), read("docs/plugin-protocol.md"));
    assert!(example.lines().count() < 80, "{} lines", example.lines().count());
    let imports: Vec<_> =
        example.lines().filter(|line| line.starts_with("import ") || line.starts_with("from ")).collect();
    assert_eq!(imports, ["import hashlib, json, sys", "from datetime import UTC, datetime"]);
    let number =
        |text: &str| text.chars().take_while(|letter| letter.is_ascii_digit() || *letter == '.').collect::<String>();
    let cited: Vec<_> = example.split('§').skip(1).map(number).filter(|number| !number.is_empty()).collect();
    assert!(cited.len() > 20, "{cited:?}");
    for section in cited {
        let there =
            [format!("\n{section}. "), format!("\n## {section}. ")].iter().any(|begin| protocol.contains(begin));
        assert!(there, "section {section} does not exist");
    }
    Ok(())
}

fn the_guide_shows_the_loop_of_the_example() -> Result<(), Failed> {
    let (example, guide) = (read("examples/plugin.py"), read("docs/adapter-guide.md"));
    let shown = guide.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block of Python");
    assert!(example.contains(shown), "{shown}");
    Ok(())
}

/// What no rule can look at, because the host does not send it: what was not approved, and a change under a key that was used.
fn the_example_makes_what_was_approved_and_once() -> Result<(), Failed> {
    let mut tracker = Raw::start();
    tracker.ask("initialize", json!({ "versions": [2] }));
    assert_eq!(tracker.ask("ping", json!({})), json!({ "result": {} }));
    let denied = |answer: Value| assert_eq!(answer["error"]["data"]["code"], "denied", "{answer}");
    denied(tracker.create("disk full", None));
    denied(tracker.create("something else", Some(("disk full", "k-1"))));
    let made = tracker.create("disk full", Some(("disk full", "k-1")));
    assert_eq!(made["result"]["id"], "T-1", "{made}");
    tracker.tell("cancel", json!({ "id": 1 }));
    assert_eq!(tracker.create("disk full", Some(("disk full", "k-1"))), made);
    assert_eq!(tracker.create("disk full", Some(("disk full", "k-2")))["result"]["id"], "T-2");
    assert_eq!(tracker.ask("team.get", json!({ "input": "sre" }))["error"]["code"], -32601);
    tracker.tell("shutdown", json!({}));
    assert!(tracker.process.wait().unwrap().success());
    Ok(())
}

/// The example as a process, spoken to without the host.
struct Raw {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    id: u64,
}

impl Raw {
    fn start() -> Self {
        let mut command = Command::new(interpreter());
        command.arg(at("examples/plugin.py")).env_clear().current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, input, output: BufReader::new(output).lines(), id: 0 }
    }

    fn tell(&mut self, method: &str, params: Value) {
        writeln!(self.input, "{}", json!({ "jsonrpc": "2.0", "method": method, "params": params })).unwrap();
    }

    /// What is answered, without what every reply has.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": params });
        writeln!(self.input, "{request}").unwrap();
        let mut reply: Value = serde_json::from_str(&self.output.next().unwrap().unwrap()).unwrap();
        let reply = reply.as_object_mut().unwrap();
        assert_eq!((reply.remove("jsonrpc"), reply.remove("id")), (Some(json!("2.0")), Some(json!(self.id))));
        self.id += 1;
        json!(reply)
    }

    /// Asks for a ticket, under the approval of one with this title and an idempotency key.
    fn create(&mut self, title: &str, approved: Option<(&str, &str)>) -> Value {
        let mut params = json!({ "input": { "title": title }, "context": { "actor": Actor::agent("triage") } });
        if let Some((title, key)) = approved {
            let target = Target::new("tracker", "plugin", "f", Scope::new());
            let (digest, _) = digest(&target, &Action::TicketCreate(CreateTicket::new(title))).unwrap();
            params["approval"] = json!({ "grant": "g", "digest": digest, "target": target, "idempotencyKey": key });
        }
        self.ask("ticket.create", params)
    }
}

/// The interpreter itself: a plugin has no `PATH` for a wrapper to look in.
fn interpreter() -> PathBuf {
    let asked = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    let asked = asked.expect("this test needs python3; without it nothing is known about plugins in other languages");
    assert!(asked.status.success(), "python3 does not run: {}", String::from_utf8_lossy(&asked.stderr));
    PathBuf::from(String::from_utf8(asked.stdout).unwrap().trim())
}

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path).canonicalize().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(at(path)).unwrap()
}
