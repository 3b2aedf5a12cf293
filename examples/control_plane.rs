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
//! | `OPSORCH_CONFIGURABLE_PLUGINS` | the plugins that admins may configure over HTTP, with `:` between the paths |
//! | `OPSORCH_CONFIGURABLE_SECRETS` | the places in the secret store below which they may name secrets, with `:` between them |
//!
//! Where there is a secret store, by `OPSORCH_SECRET_…` or the table `[secrets]`, admins configure providers over HTTP. They are
//! kept in the store, and found there at the next start for capabilities that neither the file nor the variables speak of.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use mimalloc::MiMalloc;
use opsorch::gate::{Decision, Rules};
use opsorch::http::{self, ApiKey, Authentication, Options, Role, Server, ServerTls};
use opsorch::layer::{MetricsLayer, RetryLayer, TimeoutLayer, TraceLayer};
use opsorch::mcp;
use opsorch::plugin::PluginConfig;
use opsorch::secret::{Secret, SecretStore};
use opsorch::store::SqliteStore;
use opsorch::transport::ReqwestTransport;
use opsorch::{Action, Actor, BuildEnv, Builder, Config, Context, Digest, OpsOrch, Registry, StoreConfig, Target};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

#[cfg(test)]
#[path = "control_plane/tests.rs"]
mod tests;

/// Long answers come and go with every request; the system's allocator would give their memory back each time, and ask for it
/// again.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Done<T = ()> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["new-key", name, roles @ ..] => new_key(name, roles),
        [] => run(Config::from_env()).await,
        [path] if !path.starts_with('-') => run(Config::load(path)).await,
        _ => Err("expected nothing, the path of a configuration, or: new-key NAME ROLE…".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: opsorch::Result<Config>) -> Done {
    let start = async { Plane::start(&Variables::of_process(), config?).await };
    // As OpsOrch says it.
    let plane = start.await.map_err(|error| format!("failed to init server: {error}"))?;
    eprintln!("listening on {}", plane.address);
    plane.server.run(told_to_stop()?).await;
    plane.ops.idle().await; // changes that had begun have their outcome
    Ok(())
}

/// A control plane, and the server in front of it.
struct Plane {
    ops: OpsOrch,
    server: Server,
    address: std::net::SocketAddr,
}

impl Plane {
    async fn start(variables: &Variables, config: Config) -> Done<Self> {
        let secrets = match config.secrets() {
            Some(secrets) => Some(secrets.open(&building()?).await?),
            None => None,
        };
        if matches!(config.store(), StoreConfig::Memory) && variables.get("OPSORCH_STORE").is_none() {
            eprintln!(
                "WARNING: grants and the audit log end with this process; name a file in OPSORCH_STORE or [store]"
            );
        }
        let metrics = MetricsLayer::new();
        let builder = OpsOrch::builder()
            .registry(registry())
            .config(match &secrets {
                Some(secrets) => config.with_stored(secrets).await?,
                None => config,
            })
            .layer(TraceLayer)
            .layer(metrics.clone())
            .layer(TimeoutLayer::default())
            .layer(RetryLayer::default())
            .audit_sink(metrics.clone());
        let builder = match &secrets {
            Some(secrets) => builder.secrets(Arc::clone(secrets)),
            None => builder,
        };
        let auth = variables.authentication()?;
        let options = variables.options(secrets)?.metrics(metrics);
        let tls = variables.tls()?;
        let ops = variables.store(variables.policy(builder)?)?.build().await?;
        let listener = http::listen(variables.get("OPSORCH_ADDR"), &auth).await?;
        let address = listener.local_addr()?;
        let agents = mcp::router(&ops, auth.clone(), options.clone());
        let server = Server::new(listener, http::router_with(&ops, auth, options).merge(agents));
        Ok(Self { ops, server: tls.into_iter().fold(server, Server::tls), address })
    }
}

fn registry() -> Registry {
    opsorch_providers::registry().register::<PluginConfig>()
}

/// What a secret store is opened with.
fn building() -> Done<BuildEnv> {
    Ok(BuildEnv::new().with_transport(Arc::new(ReqwestTransport::new()?)))
}

/// The variables that say something.
struct Variables(BTreeMap<String, String>);

impl Variables {
    fn of_process() -> Self {
        // What is not UTF-8 is none of ours, or refused where the configuration is read.
        let pairs =
            env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::of(pairs)
    }

    fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name, value.trim().to_owned()));
        Self(pairs.filter(|(_, value)| !value.is_empty()).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Without a policy every change is refused; the refusal says how to allow it.
    fn policy(&self, builder: Builder) -> Done<Builder> {
        Ok(match self.get("OPSORCH_POLICY") {
            None => builder,
            Some("allow-all") => {
                eprintln!("WARNING: OPSORCH_POLICY=allow-all lets every caller make every change, and asks nobody");
                builder.policy(|_: &Context, _: &Target, _: &Action| Decision::allow("allow-all"))
            }
            Some(path) => builder.policy(Rules::load(path)?),
        })
    }

    fn store(&self, builder: Builder) -> Done<Builder> {
        Ok(match self.get("OPSORCH_STORE") {
            Some(path) => builder.store(SqliteStore::open(path)?),
            None => builder,
        })
    }

    fn authentication(&self) -> Done<Authentication> {
        let is_anonymous = self.get("OPSORCH_ALLOW_ANONYMOUS") == Some("1");
        if !is_anonymous && self.get("OPSORCH_KEYS").is_none() && self.get("OPSORCH_BEARER_TOKEN").is_none() {
            let known = "OPSORCH_KEYS or OPSORCH_BEARER_TOKEN, or OPSORCH_ALLOW_ANONYMOUS=1 to let everybody in";
            return Err(format!("no authentication is configured; set {known}").into());
        }
        let mut auth = Authentication::builder();
        if let Some(token) = self.get("OPSORCH_BEARER_TOKEN") {
            auth = auth.bearer_token(Secret::new(token));
        }
        if let Some(path) = self.get("OPSORCH_KEYS") {
            let read = std::fs::read_to_string(path).map_err(|error| format!("OPSORCH_KEYS: {path}: {error}"))?;
            let file: KeyFile = toml::from_str(&read).map_err(|error| format!("OPSORCH_KEYS: {path}: {error}"))?;
            auth = file.key.into_iter().fold(auth, |auth, key| auth.api_key(key.into_api_key()));
        }
        if is_anonymous {
            eprintln!("WARNING: OPSORCH_ALLOW_ANONYMOUS=1 lets everybody in who can reach this server");
            auth = auth.allow_anonymous(Role::Operator);
        }
        Ok(auth.build()?)
    }

    fn options(&self, secrets: Option<Arc<dyn SecretStore>>) -> Done<Options> {
        let mut options = Options::new();
        if let Some(origin) = self.get("OPSORCH_CORS_ORIGIN") {
            options = options.cors_origin(origin)?;
        }
        if let Some(name) = self.get("OPSORCH_HOST") {
            options = options.host(name);
        }
        let places = self.get("OPSORCH_CONFIGURABLE_SECRETS").unwrap_or_default().split(':').map(str::trim);
        options = places.fold(options, Options::configurable_secrets);
        let plugins = self.get("OPSORCH_CONFIGURABLE_PLUGINS").map(env::split_paths).into_iter().flatten();
        let plugins: Vec<_> = plugins.filter(|path| !path.as_os_str().is_empty()).collect();
        match secrets {
            Some(secrets) => Ok(options.configure(secrets, plugins)),
            None if plugins.is_empty() => Ok(options),
            None => Err("OPSORCH_CONFIGURABLE_PLUGINS needs a secret store: see OPSORCH_SECRET_PROVIDER".into()),
        }
    }

    fn tls(&self) -> Done<Option<ServerTls>> {
        match (self.get("OPSORCH_TLS_CERT_FILE"), self.get("OPSORCH_TLS_KEY_FILE")) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(ServerTls::from_files(certificate, key)?)),
            _ => Err("both OPSORCH_TLS_CERT_FILE and OPSORCH_TLS_KEY_FILE must be set together".into()),
        }
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    #[serde(default)]
    key: Vec<Key>,
}

/// A key: whose it is, and the digest of its text, which is kept nowhere.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Key {
    kind: opsorch::ActorKind,
    name: String,
    #[serde(default)]
    roles: Vec<String>,
    digest: Digest,
}

impl Key {
    /// A key for a person, and its text.
    fn new(name: &str, roles: &[&str]) -> Done<(Secret, Self)> {
        let (secret, _) = ApiKey::generate(Actor::user(name))?;
        let digest = ApiKey::hash(&secret);
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        Ok((secret, Self { kind: opsorch::ActorKind::User, name: name.to_owned(), roles, digest }))
    }

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
fn new_key(name: &str, roles: &[&str]) -> Done {
    let (secret, key) = Key::new(name, roles)?;
    if Role::of(&roles.iter().fold(Actor::user(name), |actor, role| actor.role(*role))).is_none() {
        let known: Vec<_> = Role::ALL.iter().map(|role| role.name()).collect();
        eprintln!("WARNING: without one of the roles {} it opens nothing", known.join(", "));
    }
    eprintln!("the key of {}, shown this once: {}", opsorch::visible(name), secret.expose());
    print!("{}", toml::to_string(&KeyFile { key: vec![key] })?);
    Ok(())
}

/// Ends on Ctrl-C and when a service manager says so.
fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! { _ = interrupted.recv() => {}, _ = terminated.recv() => {} }
    })
}
