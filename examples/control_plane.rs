//! The whole server: HTTP, and MCP at `/mcp`, over one control plane, from a configuration file or from OpsOrch's variables alone.
//!
//! ```sh
//! cargo run --example control_plane --features control-plane -- opsorch.toml
//! cargo run --example control_plane --features control-plane -- new-key alice approver sre >> keys.toml
//! ```
//!
//! | variable | means |
//! |---|---|
//! | `OPSORCH_ADDR` | where to listen; `:8080`, or the loopback alone where callers need no credential |
//! | `OPSORCH_BEARER_TOKEN` | a shared credential: it reads and submits, and never answers an approval |
//! | `OPSORCH_KEYS` | a file of keys of people, services and agents, made by `new-key` |
//! | `OPSORCH_ALLOW_ANONYMOUS` | `1` lets everybody in who can reach it |
//! | `OPSORCH_POLICY` | a file of rules, or `allow-all`; without it changes are refused |
//! | `OPSORCH_STORE` | the SQLite file of grants and the audit log; without it they end with the process |
//! | `OPSORCH_TLS_CERT_FILE`, `OPSORCH_TLS_KEY_FILE` | a certificate chain and its key, both or neither |
//! | `OPSORCH_CORS_ORIGIN`, `OPSORCH_HOST` | the origin whose pages may call; the name that it answers to beside addresses |
//! | `OPSORCH_<CAPABILITY>_PROVIDER`, `_PLUGIN`, `_CONFIG`, `OPSORCH_SECRET_…` | providers: see `Config::from_env` |

use std::env;
use std::error::Error;
use std::process::ExitCode;

use opsorch::gate::{Decision, Rules};
use opsorch::http::{self, ApiKey, Authentication, Options, Role, Server, ServerTls};
use opsorch::layer::{MetricsLayer, RetryLayer, TimeoutLayer, TraceLayer};
use opsorch::mcp;
use opsorch::plugin::PluginConfig;
use opsorch::secret::Secret;
use opsorch::store::SqliteStore;
use opsorch::{Action, Actor, Builder, Config, Context, Digest, OpsOrch, Target};
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["new-key", name, roles @ ..] => new_key(name, roles),
        [] => serve(Config::from_env()?).await,
        [path] => serve(Config::load(path)?).await,
        _ => Err("expected nothing, the path of a configuration, or: new-key NAME ROLE…".into()),
    }
}

async fn serve(config: Config) -> Result<(), Box<dyn Error>> {
    let metrics = MetricsLayer::new();
    let builder = OpsOrch::builder()
        .registry(opsorch_providers::registry().register::<PluginConfig>())
        .config(config)
        .layer(TraceLayer)
        .layer(metrics.clone())
        .layer(TimeoutLayer::default())
        .layer(RetryLayer::default())
        .audit_sink(metrics.clone());
    let ops = with_store(with_policy(builder)?)?.build().await?;
    let auth = authentication()?;
    let mut options = Options::new().metrics(metrics);
    if let Some(origin) = variable("OPSORCH_CORS_ORIGIN") {
        options = options.cors_origin(&origin)?;
    }
    if let Some(name) = variable("OPSORCH_HOST") {
        options = options.host(name);
    }
    let listener = http::listen(variable("OPSORCH_ADDR").as_deref(), &auth).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    let agents = mcp::router(&ops, auth.clone(), options.clone());
    let mut server = Server::new(listener, http::router_with(&ops, auth, options).route_service("/mcp", agents));
    if let Some(tls) = tls()? {
        server = server.tls(tls);
    }
    server.run(told_to_stop()?).await;
    ops.idle().await; // changes that had begun have their outcome
    Ok(())
}

/// Without a policy every change is refused; the refusal says how to allow it.
fn with_policy(builder: Builder) -> Result<Builder, Box<dyn Error>> {
    Ok(match variable("OPSORCH_POLICY").as_deref() {
        None => builder,
        Some("allow-all") => {
            eprintln!("WARNING: OPSORCH_POLICY=allow-all lets every caller make every change, and asks nobody");
            builder.policy(|_: &Context, _: &Target, _: &Action| Decision::allow("allow-all"))
        }
        Some(path) => builder.policy(Rules::load(path)?),
    })
}

fn with_store(builder: Builder) -> Result<Builder, Box<dyn Error>> {
    Ok(match variable("OPSORCH_STORE") {
        Some(path) => builder.store(SqliteStore::open(path)?),
        None => {
            eprintln!(
                "grants and the audit log end with this process, unless the configuration or OPSORCH_STORE names a file"
            );
            builder
        }
    })
}

fn authentication() -> Result<Authentication, Box<dyn Error>> {
    let mut auth = Authentication::builder();
    if let Some(token) = variable("OPSORCH_BEARER_TOKEN") {
        auth = auth.bearer_token(Secret::new(token));
    }
    if let Some(path) = variable("OPSORCH_KEYS") {
        let file: KeyFile = toml::from_str(&std::fs::read_to_string(path)?)?;
        for key in file.key {
            auth = auth.api_key(key.into_api_key());
        }
    }
    if variable("OPSORCH_ALLOW_ANONYMOUS").as_deref() == Some("1") {
        auth = auth.allow_anonymous(Role::Operator);
    }
    Ok(auth.build()?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    #[serde(default)]
    key: Vec<Key>,
}

/// A key: whose it is, and the digest of its text, which is kept nowhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    kind: opsorch::ActorKind,
    name: String,
    #[serde(default)]
    roles: Vec<String>,
    digest: Digest,
}

impl Key {
    fn into_api_key(self) -> ApiKey {
        let actor = match self.kind {
            opsorch::ActorKind::User => Actor::user(self.name),
            opsorch::ActorKind::Agent => Actor::agent(self.name),
            _ => Actor::service(self.name),
        };
        ApiKey::hashed(self.digest, self.roles.into_iter().fold(actor, Actor::role))
    }
}

/// Shows the text to a person once, and writes what goes into the file of keys.
fn new_key(name: &str, roles: &[&str]) -> Result<(), Box<dyn Error>> {
    let (secret, _) = ApiKey::generate(Actor::user(name))?;
    eprintln!("the key of {name}, shown this once: {}", secret.expose());
    println!("[[key]]\nkind = \"user\"\nname = {name:?}\nroles = {roles:?}\ndigest = \"{}\"", ApiKey::hash(&secret));
    Ok(())
}

fn tls() -> Result<Option<ServerTls>, Box<dyn Error>> {
    match (variable("OPSORCH_TLS_CERT_FILE"), variable("OPSORCH_TLS_KEY_FILE")) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(ServerTls::from_files(certificate, key)?)),
        _ => Err("both OPSORCH_TLS_CERT_FILE and OPSORCH_TLS_KEY_FILE must be set together".into()),
    }
}

/// Ends on Ctrl-C and when a service manager says so.
fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! { _ = interrupted.recv() => {}, _ = terminated.recv() => {} }
    })
}

/// A variable that says something.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}
