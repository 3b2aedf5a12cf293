//! A command line over the control plane's HTTP surface, with a person's own credential.
//!
//! ```sh
//! export OPSORCH_URL=http://127.0.0.1:8080 OPSORCH_KEY=…
//! cargo run --example opsorch --features command-line -- query incidents --open
//! ```
//!
//! It never opens a store: what it may do is what its credential may do. Texts of vendors are shown with invisible and
//! control characters made visible; with `--json` they are what the server sent, where such characters are escaped.

// A field of JSON that is not there is null.
#![allow(clippy::indexing_slicing)]

#[path = "opsorch_query.rs"]
mod query;

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use opsorch::audit::{Bundle, VerifierKey, verify};
use opsorch::http::routes;
use opsorch::secret::Secret;
use opsorch::transport::{Auth, Client, Method, Path, Reply, ReqwestTransport, Url};
use opsorch::{Actor, Context, Operation, visible};
use query::{Find, input, things};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

type Done<T = ()> = Result<T, Box<dyn Error>>;

/// Reads every operational tool in one schema; changes pass the gate.
#[derive(Parser)]
struct Arguments {
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find things: incidents, alerts, logs, tickets, services, deployments, teams, plans, runs.
    Query(Find),
    /// Open tickets.
    #[command(subcommand)]
    Tickets(Tickets),
    /// Call any operation by its name, such as `ticket.comment`, with its input as JSON.
    Call {
        operation: String,
        input: String,
        #[arg(long)]
        on: Option<String>,
        #[arg(long)]
        reason: Option<String>,
    },
    /// Gather everything that is known about an incident.
    Investigate {
        incident: String,
        #[arg(long)]
        on: Option<String>,
    },
    /// What waits for people, and answers to it.
    #[command(subcommand)]
    Approvals(Approvals),
    /// The audit log.
    #[command(subcommand)]
    Audit(Audit),
    /// The providers, and whether they work.
    #[command(subcommand)]
    Providers(Providers),
}

#[derive(Subcommand)]
enum Tickets {
    Create {
        title: String,
        #[arg(long)]
        description: Option<String>,
        #[arg(long)]
        on: Option<String>,
        #[arg(long)]
        reason: Option<String>,
    },
}

#[derive(Subcommand)]
enum Approvals {
    List,
    Show {
        id: String,
    },
    /// Agree to exactly the action that is shown.
    Approve {
        id: String,
        /// The digest that was seen; without it the action is shown and a word asked for.
        #[arg(long)]
        digest: Option<String>,
    },
    Deny {
        id: String,
        reason: String,
    },
    Withdraw {
        id: String,
    },
    Revoke {
        id: String,
        reason: String,
    },
    /// Run what was approved.
    Redeem {
        id: String,
    },
}

#[derive(Subcommand)]
enum Audit {
    /// Check an exported bundle, offline.
    Verify {
        bundle: PathBuf,
        #[arg(long, required = true)]
        key: Vec<VerifierKey>,
    },
    /// Print the entries of a range with their proofs.
    Bundle {
        #[arg(long, default_value_t = 0)]
        from: u64,
        #[arg(long)]
        to: Option<u64>,
    },
}

#[derive(Subcommand)]
enum Providers {
    List,
    /// Ask each provider what works and what is in the way.
    Doctor,
    /// Let another provider serve a capability from now on.
    Configure {
        capability: String,
        kind: String,
        /// A file with its configuration, a JSON object, so that no secret is on a command line; `-` for standard input.
        config: PathBuf,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", visible(&error.to_string()));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Done<ExitCode> {
    if let Command::Audit(Audit::Verify { bundle, key }) = arguments.command {
        let report = verify(&Bundle::from_json(&std::fs::read_to_string(bundle)?)?, &key, &[]);
        println!("{report}");
        return Ok(if report.is_intact() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let plane = Plane::from_environment(arguments.json)?;
    match arguments.command {
        Command::Query(find) => plane.find(find).await?,
        Command::Tickets(Tickets::Create { title, description, on, reason }) => {
            let input = json!({ "title": title, "description": description });
            plane.call(Operation::TicketCreate, &input, on, reason).await?;
        }
        Command::Call { operation, input, on, reason } => {
            plane.call(operation.parse()?, &serde_json::from_str(&input)?, on, reason).await?;
        }
        Command::Investigate { incident, on } => {
            let wanted = without_nulls(json!({ "incident": incident, "on": on }));
            plane.show(&plane.send(Method::POST, "investigate", Some(&wanted)).await?)?;
        }
        Command::Approvals(command) => plane.approvals(command).await?,
        Command::Audit(Audit::Bundle { from, to }) => {
            let to = to.map(|to| format!("&to={to}")).unwrap_or_default();
            plane.show(&plane.send(Method::GET, &format!("audit/bundle?from={from}{to}"), None).await?)?;
        }
        Command::Audit(Audit::Verify { .. }) => {}
        Command::Providers(Providers::List) => {
            plane.rows(&["name", "kind"], &plane.listed("providers").await?)?;
        }
        Command::Providers(Providers::Doctor) => return plane.doctor().await,
        Command::Providers(Providers::Configure { capability, kind, config }) => {
            let text = if config.as_os_str() == "-" {
                std::io::read_to_string(std::io::stdin())?
            } else {
                std::fs::read_to_string(config)?
            };
            let config: Value = serde_json::from_str(&text).map_err(|_| "the configuration is no JSON")?;
            let wanted = json!({ "kind": kind, "config": config });
            plane.show(&plane.send(Method::POST, &format!("providers/{capability}"), Some(&wanted)).await?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The control plane that is talked to.
struct Plane {
    client: Client,
    cx: Context,
    json: bool,
}

/// A page as the server wrote it: items keep the server's escapes.
#[derive(Deserialize)]
struct Page {
    items: Vec<Box<RawValue>>,
    next: Option<String>,
    truncated: Option<String>,
    #[serde(default)]
    failures: Vec<Value>,
}

impl Plane {
    fn from_environment(json: bool) -> Done<Self> {
        let variable = |name: &str| std::env::var(name).map_err(|_| format!("set {name}; see --help"));
        let base = Url::parse(&format!("{}/v1/", variable("OPSORCH_URL")?.trim_end_matches('/')))?;
        let key = Secret::new(variable("OPSORCH_KEY")?);
        let client = Client::new(Arc::new(ReqwestTransport::new()?), base)?.auth(Auth::bearer(key))?;
        // The server knows who calls by the credential; this is for the client's own errors.
        Ok(Self { client, cx: Context::new(Actor::user("me")), json })
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Done<Reply> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let pairs: Vec<_> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let mut request = self.client.request(method, below(path)).query(&pairs);
        if let Some(body) = body {
            request = request.json(body);
        }
        let reply = request.send_any(&self.cx).await?;
        succeeded(reply)
    }

    /// Calls an operation at its own route, with the parts of the input that the path names in the path.
    async fn call(&self, operation: Operation, input: &Value, on: Option<String>, reason: Option<String>) -> Done {
        let route =
            routes().into_iter().find(|route| route.operation == Some(operation) && route.path.starts_with("/v1/"));
        let route = route.ok_or("the operation has no route")?;
        let mut path = Vec::new();
        for segment in route.path.trim_start_matches("/v1/").split('/') {
            let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
            let value =
                name.map(|name| input.as_str().or_else(|| input[name].as_str()).ok_or(format!("give `{name}`")));
            path.push(value.transpose()?.unwrap_or(segment).to_owned());
        }
        let mut request = self.client.request(route.method.clone(), path);
        if let Some(on) = &on {
            request = request.query(&[("on", on)]);
        }
        if let Some(reason) = &reason {
            request = request.header("X-OpsOrch-Reason", reason);
        }
        if route.method != Method::GET {
            request = request.json(&without_nulls(input.clone()));
        }
        let reply = succeeded(request.send_any(&self.cx).await?)?;
        if reply.status.as_u16() == 202 && !self.json {
            let request: Value = reply.json()?;
            let said = |name: &str| visible(request[name].as_str().unwrap_or_default()).into_owned();
            println!(
                "waits for people: {}\ndigest: {}\nthen: opsorch approvals redeem {}",
                said("id"),
                said("digest"),
                said("id")
            );
            return Ok(());
        }
        self.show(&reply)
    }

    async fn find(&self, find: Find) -> Done {
        let (path, columns) = things(&find.things)?;
        let mut input = input(&find)?;
        let mut items = Vec::new();
        loop {
            input["limit"] = json!(find.limit.saturating_sub(items.len()).clamp(1, 1000));
            let query = find.on.as_ref().map(|on| format!("?on={on}")).unwrap_or_default();
            let reply = self.send(Method::POST, &format!("{path}/query{query}"), Some(&input)).await?;
            let page: Page = reply.json()?;
            items.extend(page.items);
            for failure in &page.failures {
                eprintln!("incomplete: {}", visible(failure["message"].as_str().unwrap_or_default()));
            }
            if let Some(reason) = page.truncated {
                eprintln!("incomplete: {}", visible(&reason));
            }
            let Some(next) = page.next else { break };
            if items.len() >= find.limit {
                eprintln!("there are more; --limit says how many are shown");
                break;
            }
            if std::io::stderr().is_terminal() {
                eprint!("\r{} so far …", items.len());
            }
            input["cursor"] = json!(next);
        }
        if std::io::stderr().is_terminal() {
            eprint!("\r");
        }
        self.rows(columns, &items)
    }

    async fn approvals(&self, command: Approvals) -> Done {
        let (id, verb, body) = match command {
            Approvals::List => {
                return self.rows(&["id", "state", "action.operation", "expiresAt"], &self.listed("approvals").await?);
            }
            Approvals::Show { id } => {
                return self.show(&self.send(Method::GET, &format!("approvals/{id}"), None).await?);
            }
            Approvals::Approve { id, digest: Some(digest) } => (id, "approve", json!({ "digest": digest })),
            Approvals::Approve { id, digest: None } => {
                let digest = self.ask(&id).await?;
                (id, "approve", json!({ "digest": digest }))
            }
            Approvals::Deny { id, reason } => {
                let seen: Value = self.send(Method::GET, &format!("approvals/{id}"), None).await?.json()?;
                (id, "deny", json!({ "digest": seen["digest"], "reason": reason }))
            }
            Approvals::Withdraw { id } => (id, "withdraw", Value::Null),
            Approvals::Revoke { id, reason } => (id, "revoke", json!({ "reason": reason })),
            Approvals::Redeem { id } => (id, "redeem", Value::Null),
        };
        let body = (!body.is_null()).then_some(&body);
        let reply = self.send(Method::POST, &format!("approvals/{id}/{verb}"), body).await?;
        if self.json || verb == "redeem" {
            return self.show(&reply);
        }
        let request: Value = reply.json()?;
        print(&format!("{id} is {}", visible(request["state"].as_str().unwrap_or("unknown"))))
    }

    /// Shows what would run and asks for a word; gives the digest of what was shown.
    async fn ask(&self, id: &str) -> Done<String> {
        let request: Value = self.send(Method::GET, &format!("approvals/{id}"), None).await?.json()?;
        pretty(&request)?;
        print!("approve exactly this? Type yes: ");
        std::io::stdout().flush()?;
        let mut word = String::new();
        std::io::stdin().read_line(&mut word)?;
        match word.trim() {
            "yes" => Ok(request["digest"].as_str().ok_or("the request has no digest")?.to_owned()),
            _ => Err("nothing was approved".into()),
        }
    }

    async fn doctor(&self) -> Done<ExitCode> {
        let mut all_work = true;
        for provider in self.listed("providers").await? {
            let provider: Value = serde_json::from_str(provider.get())?;
            let name = provider["name"].as_str().unwrap_or_default();
            let path = format!("providers/{name}/health");
            // 503 is an answer too: something is in the way.
            let health: Value = self.client.get(below(&path)).send_any(&self.cx).await?.json()?;
            all_work &= matches!(health["status"].as_str(), Some("healthy" | "unknown"));
            println!("{}: {}", visible(name), visible(health["status"].as_str().unwrap_or("no answer")));
            for problem in health["problems"].as_array().into_iter().flatten() {
                println!("  {}", visible(problem["message"].as_str().unwrap_or_default()));
            }
        }
        Ok(if all_work { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn listed(&self, path: &str) -> Done<Vec<Box<RawValue>>> {
        Ok(self.send(Method::GET, path, None).await?.json::<Page>()?.items)
    }

    /// Prints items: a table for people, a list for programs.
    fn rows(&self, columns: &[&str], items: &[Box<RawValue>]) -> Done {
        if self.json {
            return print(&serde_json::to_string(items)?);
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(columns.iter().map(|column| column.to_uppercase()));
        for item in items {
            let item: Value = serde_json::from_str(item.get())?;
            table.add_row(columns.iter().map(|column| cell(column.split('.').fold(&item, |value, name| &value[name]))));
        }
        print(&table.to_string())
    }

    /// Prints one thing as the server wrote it.
    fn show(&self, reply: &Reply) -> Done {
        let value: &RawValue = serde_json::from_slice(&reply.body)?;
        if self.json {
            return print(value.get());
        }
        let value: Value = serde_json::from_str(value.get())?;
        pretty(&value)
    }
}

/// The answer, or why there is none.
fn succeeded(reply: Reply) -> Done<Reply> {
    if reply.status.is_success() {
        return Ok(reply);
    }
    let problem: Value = reply.json().unwrap_or_default();
    let field = problem["field"].as_str().map(|field| format!("{field}: ")).unwrap_or_default();
    Err(format!("{} {field}{}", reply.status, problem["detail"].as_str().unwrap_or("no reason was given")).into())
}

/// A path whose segments are encoded one by one.
fn below(path: &str) -> Path {
    path.split('/').map(str::to_owned).collect::<Vec<_>>().into()
}

/// Prints a value line by line, so that no line holds anything a terminal would act on.
fn pretty(value: &Value) -> Done {
    serde_json::to_string_pretty(value)?.lines().try_for_each(|line| print(&visible(line)))
}

/// Prints a line. A reader that goes away, such as `head`, has seen enough.
fn print(text: &str) -> Done {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        printed => Ok(printed?),
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => visible(text).into_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => visible(&other.to_string()).into_owned(),
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect::<Map<_, _>>())
        }
        other => other,
    }
}
