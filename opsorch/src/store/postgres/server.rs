//! The database: where it is, and how it is connected to.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, Connection, Socket};

use super::PostgresOptions;
use super::failure::Failure;
use super::tls::{Encrypted, Tls};
use crate::secret::Secret;
use crate::{Error, Result};

/// The longest name that PostgreSQL keeps whole, in bytes (`NAMEDATALEN` - 1).
const LONGEST_NAME: usize = 63;

/// Where the store is, and how it is connected to. Its `Debug` shows no password.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) config: Config,
    pub(super) tls: Tls,
    pub(super) schema: String,
    /// How long one wait may last, as the embedder says.
    pub(super) timeout: Duration,
}

impl Server {
    pub(super) fn new(url: &Secret, options: PostgresOptions) -> Result<Self> {
        let PostgresOptions { schema, timeout, authorities, .. } = options;
        check_schema(&schema)?;
        // What is wrong with it is not said: it may repeat a part of the password.
        let mut config = Config::from_str(url.expose()).map_err(|_| {
            let message = "expected a connection string of PostgreSQL, such as `postgres://user@host/database`, with options \
                that tokio-postgres knows";
            Error::invalid("url", message)
        })?;
        let tls = tls(&config, &authorities)?;
        config.options(session_options(config.get_options(), &schema, timeout));
        if config.get_application_name().is_none() {
            config.application_name("opsorch");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(timeout);
        }
        config.tcp_user_timeout(timeout * 3);
        Ok(Self { config, tls, schema, timeout })
    }

    /// A new connection, which the runtime serves until the client is dropped.
    pub(super) async fn connect(&self) -> Result<Client, Failure> {
        let (client, connection) = self.open().await?;
        tokio::spawn(async move {
            // Whoever uses the client is told as well.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the store's database ended");
            }
        });
        Ok(client)
    }

    /// A new connection that the caller serves.
    pub(super) async fn open(&self) -> Result<(Client, Connection<Socket, Encrypted<Socket>>), Failure> {
        match tokio::time::timeout(self.patience(), self.config.connect(self.tls.clone())).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(Failure::TimedOut),
        }
    }

    /// How long to wait for an answer. The database gives up earlier by itself, if it is there.
    pub(super) fn patience(&self) -> Duration {
        self.timeout * 3
    }

    /// On which channel commits are told.
    pub(super) fn channel(&self) -> String {
        self.schema.clone()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("hosts", &self.config.get_hosts())
            .field("database", &self.config.get_dbname())
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// A name that needs no escapes.
fn check_schema(name: &str) -> Result<()> {
    let known = |(place, c): (usize, char)| c == '_' || c.is_ascii_lowercase() || (place > 0 && c.is_ascii_digit());
    if !name.is_empty() && name.len() <= LONGEST_NAME && !name.starts_with("pg_") && name.chars().enumerate().all(known)
    {
        return Ok(());
    }
    let message =
        format!("expected 1 to {LONGEST_NAME} lower-case letters, digits and `_`, not first a digit or `pg_`");
    Err(Error::invalid("schema", message))
}

fn tls(config: &Config, authorities: &[u8]) -> Result<Tls> {
    let is_remote =
        !config.get_hostaddrs().is_empty() || config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
    match config.get_ssl_mode() {
        SslMode::Disable => Ok(Tls::none()),
        SslMode::Require if !is_remote => {
            let message = "`sslmode=require` needs a host: PostgreSQL does not encrypt what goes through a unix socket";
            Err(Error::invalid("url", message))
        }
        _ if is_remote => Tls::with(authorities),
        _ => Ok(Tls::none()),
    }
}

/// What holds for each session. The store's tables are found by its schema alone; a commit is on disk before it is answered,
/// whatever the server's default; a process that stands still does not keep the others waiting for ever.
fn session_options(given: Option<&str>, schema: &str, timeout: Duration) -> String {
    let milliseconds = timeout.as_millis().clamp(1, 1_000_000_000);
    format!(
        "{} -c search_path={schema} -c client_encoding=UTF8 -c synchronous_commit=on -c lock_timeout={milliseconds} \
        -c statement_timeout={} -c idle_in_transaction_session_timeout={}",
        given.unwrap_or_default(),
        milliseconds * 2,
        milliseconds * 2,
    )
}
