//! The transcripts and the schema of `docs/plugin-protocol.md`, replayed.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::process::ExitCode;

use opsorch::gate::digest;
use opsorch::plugin::{PluginConfig, Protocol, protocol_schema};
use opsorch::{
    Action, Config, Context, CreateTicket, ErrorKind, OpsOrch, OutcomeStatus, Registry, Scope, Submitted, Target,
    TicketQuery, TicketStatusLevel,
};
use serde_json::{Value, json};

use crate::served::Raw;
use crate::support::{agent, plane_over, this_program};
use crate::trials;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/plugin-protocol.md");
const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/plugin-protocol.schema.json");

/// What differs from run to run.
const VOLATILE: [&str; 5] = ["timeoutMs", "grant", "fingerprint", "digest", "idempotencyKey"];

trials!(
    the_host_says_what_the_transcripts_say,
    a_served_provider_says_what_the_transcripts_say,
    the_schema_is_that_of_the_code,
    the_transcripts_fit_the_schema,
    the_digest_is_computed_as_the_page_says,
    the_configuration_of_the_page_is_accepted,
);

/// The transcripts by name: lines with their direction.
fn transcripts() -> BTreeMap<String, Vec<(char, String)>> {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let blocks = page.split("```transcript ").skip(1).map(|block| block.split("```").next().unwrap());
    let found: BTreeMap<_, _> = blocks
        .map(|block| {
            let (name, lines) = block.split_once('\n').unwrap();
            let lines = lines.lines().map(|line| (line.chars().next().unwrap(), line[2..].to_owned()));
            (name.to_owned(), lines.collect())
        })
        .collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["change", "legacy", "protocol-2", "reconcile"]);
    found
}

/// A line without what differs from run to run.
fn comparable(line: &str) -> Value {
    fn blank(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match VOLATILE.contains(&name.as_str()) {
                        true => *member = "…".into(),
                        false => blank(member),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(blank),
            _ => {}
        }
    }
    let mut value: Value = serde_json::from_str(line).unwrap();
    blank(&mut value);
    if let Some(host) = value.pointer_mut("/params/host/version") {
        *host = "…".into();
    }
    value
}

/// `child transcript NAME FILE`: a plugin that says what the transcript says, and notes what the host says otherwise.
pub(crate) fn child(name: &str, file: &str) -> ExitCode {
    let mut lines = std::io::stdin().lock().lines();
    let mut verdict = String::new();
    for (direction, line) in &transcripts()[name] {
        if *direction == '<' {
            println!("{line}");
            std::io::stdout().flush().unwrap();
            continue;
        }
        let Some(Ok(said)) = lines.next() else {
            verdict += &format!("nothing instead of {line}\n");
            break;
        };
        if comparable(&said) != comparable(line) {
            verdict += &format!("{said}\ninstead of\n{line}\n");
        }
    }
    let rest: Vec<_> = lines.map_while(Result::ok).filter(|line| !line.contains("shutdown")).collect();
    std::fs::write(file, format!("{verdict}{}end", rest.concat())).unwrap();
    ExitCode::SUCCESS
}

async fn host(name: &str, protocol: Protocol, url: bool, talk: impl AsyncFnOnce(&OpsOrch)) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("verdict");
    let config = PluginConfig::new(this_program()).arg("child").arg("transcript").arg(name).arg("transcript");
    let mut config = config.arg(file.to_str().unwrap()).protocol(protocol).operation("ticket.*");
    if url {
        config = config.config(json!({ "url": "https://tracker.example.org" }).as_object().unwrap().clone());
    }
    let ops = plane_over(config).await.unwrap();
    talk(&ops).await;
    drop(ops);
    crate::support::eventually("no verdict", || std::fs::read_to_string(&file).is_ok_and(|text| text.ends_with("end")))
        .await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "end");
}

fn request(id: &str) -> Context {
    agent().request_id(id)
}

async fn the_host_says_what_the_transcripts_say() {
    async fn reads(ops: &OpsOrch, complete: bool) {
        assert_eq!(ops.tickets(&request("r-1")).get("T-1").await.unwrap().title, "disk full");
        let query = TicketQuery::new().status(TicketStatusLevel::Todo).limit(2);
        let page = ops.tickets(&request("r-2")).query(query).await.unwrap();
        assert_eq!((page.items.len(), page.is_complete()), (1, complete));
        let error = ops.tickets(&request("r-3")).get("T-9").await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (&ErrorKind::NotFound, "there is no ticket T-9"));
    }
    host("protocol-2", Protocol::Auto, true, async |ops| reads(ops, false).await).await;
    host("legacy", Protocol::Auto, true, async |ops| reads(ops, true).await).await;
    host("change", Protocol::Two, false, async |ops| {
        let created = ops.tickets(&request("r-1")).create(CreateTicket::new("disk full")).await.unwrap();
        assert!(matches!(created, Submitted::Done(ticket) if ticket.id.as_str() == "T-2"));
    })
    .await;
    host("reconcile", Protocol::Two, false, async |ops| {
        let error = ops.tickets(&request("r-1")).create(CreateTicket::new("lost")).await.unwrap_err();
        assert!(error.may_have_applied(), "{error}");
        let entries = ops.audit().entries(0, 100).await.unwrap();
        let grant = entries.iter().find_map(|entry| entry.grant.clone()).unwrap();
        let found = ops.reconcile(&request("r-2"), &grant).await.unwrap().unwrap();
        assert_eq!(found.outcome.unwrap().status, OutcomeStatus::Applied);
    })
    .await;
}

/// The line of the host in the transcript of a change, with the digest that belongs to it.
fn with_digest(line: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap();
    let Some(target) = value.pointer("/params/approval/target") else { return line.to_owned() };
    let target: Target = serde_json::from_value(target.clone()).unwrap();
    let input: CreateTicket = serde_json::from_value(value["params"]["input"].clone()).unwrap();
    let (digest, _) = digest(&target, &Action::TicketCreate(input)).unwrap();
    line.replace("sha256:DIGEST", digest.as_str())
}

async fn a_served_provider_says_what_the_transcripts_say() {
    for (name, lines) in transcripts() {
        // Our own plugin accepts what a plugin of the line protocol alone does not know.
        let lines = if name == "legacy" { &lines[2..] } else { &lines[..] };
        let mut raw = Raw::start();
        for pair in lines.chunks(2) {
            match pair {
                [('>', said), ('<', expected)] => {
                    assert_eq!(raw.ask(&with_digest(said)), serde_json::from_str::<Value>(expected).unwrap(), "{name}");
                }
                [('>', said)] => raw.say(said),
                other => panic!("{name}: {other:?}"),
            }
        }
        raw.close();
    }
}

async fn the_schema_is_that_of_the_code() {
    let schema = format!("{:#}\n", protocol_schema());
    if std::env::var_os("OPSORCH_BLESS").is_some() {
        std::fs::write(SCHEMA, &schema).unwrap();
    }
    let stored = std::fs::read_to_string(SCHEMA).unwrap_or_default();
    let same = serde_json::from_str::<Value>(&stored).is_ok_and(|stored| stored == protocol_schema());
    assert!(same, "docs/plugin-protocol.schema.json is stale: run this test with OPSORCH_BLESS=1");
}

async fn the_transcripts_fit_the_schema() {
    let validator = |pointer: &str| {
        let mut schema = protocol_schema();
        if !pointer.is_empty() {
            schema["oneOf"] = json!([{ "$ref": pointer }]);
        }
        jsonschema::validator_for(&schema).unwrap()
    };
    let frame = validator("");
    for (name, lines) in transcripts().into_iter().filter(|(name, _)| name != "legacy") {
        let mut outputs = Vec::new();
        for (direction, line) in lines {
            let line: Value = serde_json::from_str(&with_digest(&line)).unwrap();
            assert!(frame.is_valid(&line), "{name}: {line}");
            match (direction, line["method"].as_str(), line.get("result"), line.get("error")) {
                ('>', Some("initialize"), ..) => {
                    assert!(validator("#/$defs/messages/initialize").is_valid(&line["params"]));
                    outputs.push("#/$defs/messages/initialized".to_owned());
                }
                ('>', Some("shutdown"), ..) => {}
                ('>', Some("reconcile"), ..) => {
                    assert!(validator("#/$defs/messages/reconcile").is_valid(&line["params"]), "{line}");
                    outputs.push("#/$defs/messages/reconciled".to_owned());
                }
                ('>', Some(operation), ..) => {
                    assert!(validator("#/$defs/messages/call").is_valid(&line["params"]), "{line}");
                    let input = &line["params"]["input"];
                    assert!(validator(&format!("#/$defs/inputs/{operation}")).is_valid(input), "{line}");
                    outputs.push(format!("#/$defs/outputs/{operation}"));
                }
                (_, _, Some(result), _) => assert!(validator(outputs.last().unwrap()).is_valid(result), "{line}"),
                (_, _, _, Some(error)) => assert!(validator("#/$defs/messages/error").is_valid(error)),
                _ => panic!("{line}"),
            }
        }
    }
    assert!(!frame.is_valid(&json!({ "jsonrpc": "2.0", "id": 1 })), "a schema that takes everything says nothing");
    assert!(!validator("#/$defs/inputs/ticket.create").is_valid(&json!({ "no": "title" })));
}

async fn the_digest_is_computed_as_the_page_says() {
    let target = Target::new("tracker", "plugin", "f", Scope::new().environment("production"));
    let action = Action::TicketCreate(CreateTicket::new("é \u{1} \"").field("x", 0.5));
    let (digest, canonical) = digest(&target, &action).unwrap();
    let by_page = json!({
        "version": 1, "target": target,
        "action": { "operation": "ticket.create", "input": { "title": "é \u{1} \"", "fields": { "x": 0.5 } } },
    });
    let script = "import hashlib, json, sys\n\
        text = json.dumps(json.load(sys.stdin), sort_keys=True, separators=(',', ':'), ensure_ascii=False)\n\
        sys.stdout.write('sha256:' + hashlib.sha256(text.encode()).hexdigest())";
    let mut command = std::process::Command::new("python3");
    let piped = std::process::Stdio::piped;
    let mut python =
        command.args(["-c", script]).stdin(piped()).stdout(piped()).spawn().expect("these tests need python3");
    python.stdin.take().unwrap().write_all(by_page.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), digest.as_str(), "{canonical}");
}

async fn the_configuration_of_the_page_is_accepted() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let toml = page.split("```toml").nth(1).unwrap().split("```").next().unwrap();
    let registry = Registry::new().register::<PluginConfig>();
    Config::parse(toml).unwrap().check(&registry).unwrap();
    let known = registry.schema("plugin").unwrap();
    for key in known.as_value()["properties"].as_object().unwrap().keys() {
        let is_there =
            [format!("\n{key} = "), format!("[providers.tracker.{key}]")].iter().any(|form| toml.contains(form));
        assert!(is_there, "the page has no `{key}`");
    }
}
