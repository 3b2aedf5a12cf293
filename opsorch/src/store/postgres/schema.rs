//! The tables: making them, migrating them, telling whether they are ours.

use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use super::failure::Failure;
use super::rows::column;
use super::server::Server;
use crate::{Error, Result};

/// What makes each version of the schema from the one before.
const MIGRATIONS: [&str; 1] = [include_str!("schema_1.sql")];

/// The version that this version of the library reads and writes.
pub(super) const VERSION: i32 = 1;

/// Which migrations were made, and of what text.
const RECORD: &str = "CREATE TABLE migrations (
    version integer PRIMARY KEY, sha256 bytea NOT NULL, made_at timestamptz NOT NULL DEFAULT now())";

/// Brings the schema to this version, all of it or nothing.
pub(super) async fn migrate(server: &Server) -> Result<(), Failure> {
    let client = server.connect().await?;
    let schema = &server.schema;
    // The lock ends with the transaction. Of processes that start at once, one migrates.
    let lock = format!("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('opsorch {schema}', 0))");
    client.batch_execute(&lock).await?;
    if client.query_opt("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[schema]).await?.is_none() {
        client.batch_execute(&format!("CREATE SCHEMA \"{schema}\"")).await?;
    }
    let made = made(&client, schema).await?;
    for (version, migration) in (1_i32..).zip(MIGRATIONS).skip(made) {
        if version == 1 {
            client.batch_execute(RECORD).await?;
        }
        client.batch_execute(migration).await?;
        let sql = "INSERT INTO migrations (version, sha256) VALUES ($1, $2)";
        client.execute(sql, &[&version, &hash(migration)]).await?;
        client.execute("UPDATE tree SET schema = $1", &[&version]).await?;
    }
    client.batch_execute("COMMIT").await?;
    Ok(())
}

/// Refuses tables that another version of this library has migrated meanwhile.
pub(super) fn expect(version: i32) -> Result<()> {
    if version == VERSION { Ok(()) } else { Err(newer(version)) }
}

/// How many migrations the schema has had: none if it is empty.
async fn made(client: &Client, schema: &str) -> Result<usize, Failure> {
    let sql = "SELECT count(*), count(*) FILTER (WHERE relname = 'migrations')
        FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relkind IN ('r', 'v', 'm', 'p', 'f')";
    let found = client.query_one(sql, &[&schema]).await?;
    match (column::<i64>(&found, 0)?, column::<i64>(&found, 1)?) {
        (0, _) => return Ok(0),
        (_, 0) => return Err(not_a_store(schema).into()),
        _ => {}
    }
    let rows = client.query("SELECT version, sha256 FROM migrations ORDER BY version", &[]).await?;
    for (known, row) in (1_i32..).zip(&rows) {
        let (version, made) = (column::<i32>(row, 0)?, column::<Vec<u8>>(row, 1)?);
        if version > VERSION {
            return Err(newer(version).into());
        }
        let migration = usize::try_from(version - 1).ok().and_then(|place| MIGRATIONS.get(place));
        if version != known || migration.is_none_or(|migration| hash(migration) != made) {
            let message =
                format!("migration {version} of the store's schema is not the one that this version of opsorch makes");
            return Err(Error::unexpected(message).with_context("schema", schema).into());
        }
    }
    Ok(rows.len())
}

fn hash(migration: &str) -> Vec<u8> {
    Sha256::digest(migration.as_bytes()).to_vec()
}

fn not_a_store(schema: &str) -> Error {
    let message = "expected a store of opsorch, or an empty schema; this one has other tables";
    Error::invalid("schema", message).with_context("schema", schema)
}

fn newer(version: i32) -> Error {
    Error::unsupported(format!(
        "the store has schema {version}, and this version of opsorch knows {VERSION}; use a newer version"
    ))
}
