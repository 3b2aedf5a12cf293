//! The whole idea on this machine: read, propose, approve, run once, prove.
//!
//! `cargo run --example quickstart [-- [--yes] [LOG_FILE]]`: no set-up, no keys, no network.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use opsorch::audit::{Bundle, verify};
use opsorch::gate::Rules;
use opsorch::{
    Actor, ApprovalRequest, Clock, Context, CreateIncident, Entry, Incident, IncidentQuery, LogQuery, LogSeverity,
    LogSeverityLevel, MetricQuery, OpsOrch, Response, Result, Submitted, SystemClock, visible,
};
use opsorch_providers::local::LocalConfig;

/// Agents ask, and not the one they act for.
const POLICY: &str = r#"
[[rule]]
name = "an agent asks before it opens an incident"
operations = ["incident.create"]
actors = ["agent"]
decision = "require-approval"
quorum = "1 of operator; principal excluded"
"#;

/// Where errors are looked for, if no file is given.
const LOGS: [&str; 3] = ["/var/log/syslog", "/var/log/messages", "/var/log/*.log"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let yes = arguments.iter().any(|argument| argument == "--yes");
    let log_file = arguments.iter().find(|argument| !argument.starts_with("--"));
    let folder = std::env::temp_dir().join(format!("opsorch-quickstart-{}", std::process::id()));
    let shown = show_all(&folder, log_file.map(String::as_str), yes).await;
    // What was written was for show.
    let _ = std::fs::remove_dir_all(&folder);
    shown
}

async fn show_all(folder: &Path, log_file: Option<&str>, yes: bool) -> Result<()> {
    println!("{}", bold("opsorch: read everything, change only through a gate, prove it afterwards"));
    let ops =
        OpsOrch::builder().configure("here", local(folder, log_file)).policy(Rules::parse(POLICY)?).build().await?;
    let dana = Actor::user("dana").role("operator");
    let agent = Context::new(Actor::agent("triage").on_behalf_of(dana.clone()));

    heading("1. read", "any tool, one schema; here this host");
    let finding = read(&ops, &agent).await?;

    heading("2. propose", "the agent may not open an incident by itself: the change waits");
    let incident = CreateIncident::new(finding).severity("high");
    let request = match ops.incidents(&agent).reason("found while reading the logs").create(incident).await? {
        Submitted::Pending(request) => request,
        Submitted::Done(_) => unreachable!("the policy above asks somebody"),
    };
    show_request(&request);

    heading("3. approve", "one answer, for exactly this digest, by a person who did not ask");
    attempt(&ops, &agent, &request, "the agent").await;
    attempt(&ops, &Context::new(dana), &request, "dana, for whom it asked").await;
    if !decide(&ops, &request, yes).await? {
        println!("  {} nothing was changed; the log below says why", red("denied"));
    } else {
        heading("4. redeem", "approving ran nothing; redeeming runs it, once");
        redeem(&ops, &agent, &request).await?;
    }

    heading("5. prove", "every step is a leaf of a signed tree");
    prove(&ops).await
}

fn local(folder: &Path, log_file: Option<&str>) -> LocalConfig {
    let patterns = log_file.map_or(LOGS.to_vec(), |file| vec![file]);
    patterns.into_iter().fold(LocalConfig::new(PathBuf::from(folder)), LocalConfig::log)
}

/// Shows what the host says, and returns what an incident could be about.
async fn read(ops: &OpsOrch, cx: &Context) -> Result<String> {
    let now = SystemClock.now();
    for (metric, unit) in [("cpu.usage", "percent"), ("memory.available", "bytes"), ("load.5m", "tasks")] {
        let query = MetricQuery::new(metric, now - Duration::from_secs(60), now + Duration::from_secs(60));
        let page = ops.metrics(cx).query(query).await?;
        let point = page.items.first().and_then(|series| series.points.last());
        let value = point.map_or("unknown".into(), |point| readable(point.value(), unit));
        println!("  metric  {metric:<18} {value}");
    }
    let week = LogQuery::new(now - Duration::from_secs(7 * 24 * 60 * 60), now);
    let severe = [LogSeverityLevel::Critical, LogSeverityLevel::Error].map(LogSeverity::from);
    let errors = severe.into_iter().fold(week, LogQuery::severity).limit(3);
    let page = ops.logs(cx).query(errors).await?;
    for entry in &page.items {
        println!("  log     {}  {}", entry.timestamp.format("%m-%d %H:%M:%S"), red(&short(&entry.message, 80)));
    }
    if page.items.is_empty() {
        println!("  log     no errors in the last week");
    }
    Ok(match page.items.first() {
        Some(entry) => format!("error in the log: {}", short(&entry.message, 120)),
        None => "weekly check: the logs are quiet".into(),
    })
}

fn show_request(request: &ApprovalRequest) {
    println!("  asked by {}", request.requester);
    println!("  needs    {}", request.quorum);
    println!("  digest   {}", request.digest);
    println!("  exactly  {}", dim(&request.shown));
}

/// An approval by someone who must not give it.
async fn attempt(ops: &OpsOrch, cx: &Context, request: &ApprovalRequest, who: &str) {
    match ops.approvals(cx).approve(&request.id, &request.digest).await {
        Ok(_) => println!("  {} {who} approved, which is a bug", red("!")),
        Err(error) => println!("  {} {who}: {}", red("refused"), error.message()),
    }
}

/// Lets the operator decide: you, on a terminal; else one of this example's own.
async fn decide(ops: &OpsOrch, request: &ApprovalRequest, yes: bool) -> Result<bool> {
    let asked = std::io::stdin().is_terminal() && !yes;
    let operator = Context::new(Actor::user(if asked { "you" } else { "olga" }).role("operator"));
    let approve = if asked {
        print!("  you are an operator. Open this incident? [y/N] ");
        let _ = std::io::stdout().flush();
        let mut answer = String::new();
        let _ = std::io::stdin().read_line(&mut answer);
        matches!(answer.trim(), "y" | "Y" | "yes")
    } else {
        println!("  nobody is asked here: the example's own operator, olga, answers");
        true
    };
    let approvals = ops.approvals(&operator);
    let request = match approve {
        true => approvals.approve(&request.id, &request.digest).await?,
        false => approvals.deny(&request.id, &request.digest, "not needed").await?,
    };
    println!("  {} by {}: the grant is {}", green("answered"), operator.actor(), request.state);
    Ok(approve)
}

async fn redeem(ops: &OpsOrch, cx: &Context, request: &ApprovalRequest) -> Result<()> {
    let first = ops.approvals(cx).redeem(&request.id).await?;
    let again = ops.approvals(cx).redeem(&request.id).await?;
    let Response::Incident(Incident { id, title, .. }) = &first else { return Ok(()) };
    let open = ops.incidents(cx).query(IncidentQuery::open()).await?.items.len();
    println!("  {} {id}: {}", green("opened"), short(title, 80));
    let same = if first == again { "the same incident" } else { "another incident, which is a bug" };
    println!("  redeemed again: {same}; incidents open now: {open}");
    Ok(())
}

async fn prove(ops: &OpsOrch) -> Result<()> {
    for entry in ops.audit().entries(0, 100).await? {
        println!("  {}", row(&entry));
    }
    let bundle = ops.audit().bundle().await?;
    let keys = ops.audit().verifier_keys();
    let report = verify(&bundle, keys, &[]);
    let verdict = if report.is_intact() { green("intact") } else { red("not intact") };
    println!("  the log:             {verdict}, {} entries under one signed head", report.entries);
    for finding in verify(&with_one_byte_changed(bundle), keys, &[]).findings {
        println!("  a copy, changed:     {}", red(&finding.to_string()));
    }
    Ok(())
}

/// A copy of the log in which somebody else asked.
fn with_one_byte_changed(mut bundle: Bundle) -> Bundle {
    if let Some(first) = bundle.entries.first_mut() {
        first.entry = first.entry.replacen("triage", "triagf", 1);
    }
    bundle
}

fn row(entry: &Entry) -> String {
    let what = match (&entry.outcome, &entry.reason) {
        (Some(outcome), _) => format!("{} {}", outcome.status, outcome.resource.as_ref().map_or("", |made| &made.id)),
        (None, Some(reason)) => short(reason, 60),
        (None, None) => String::new(),
    };
    let (sequence, event, who) = (entry.sequence, entry.event.word(), entry.actor.identity.to_string());
    format!("{sequence:>2}  {event:<9}  {who:<13}  {:<15}  {what}", entry.operation.name())
}

fn readable(value: f64, unit: &str) -> String {
    match unit {
        "bytes" => format!("{:.1} GiB", value / f64::from(1 << 30)),
        "percent" => format!("{value:.0} %"),
        _ => format!("{value:.2}"),
    }
}

/// One line of it, without characters that a terminal would obey.
fn short(text: &str, length: usize) -> String {
    let line = visible(text.lines().next().unwrap_or_default()).into_owned();
    match line.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn heading(title: &str, idea: &str) {
    println!("\n{}  {}", bold(title), dim(idea));
}

fn bold(text: &str) -> String {
    paint("1", text)
}

fn dim(text: &str) -> String {
    paint("2", text)
}

fn red(text: &str) -> String {
    paint("31", text)
}

fn green(text: &str) -> String {
    paint("32", text)
}

/// Colour, on a terminal only, and not for those who do not want any.
fn paint(code: &str, text: &str) -> String {
    let wanted = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if wanted { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
