//! A connection that writes: what it reads under the log's lock, and the one write of a batch.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{join3, try_join, try_join3};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::batch::{Found, Lease, Needs, Tail};
use super::failure::Failure;
use super::recent::{Part, Recent};
use super::rows::{self, KEY, column};
use super::schema;
use super::sealed::Sealed;
use super::server::Server;
use crate::audit::Frontier;
use crate::store::history;

/// How many entries of other processes are read under the lock at most.
const LONGEST_GAP: usize = 1024;

/// How many entries are read at a time when the lock is not held.
const CHUNK: i64 = 4096;

/// How many keys that lapsed make room for each that comes.
const LAPSED_KEYS: i64 = 16;

/// The values of a statement.
type Values<'a, const N: usize> = [&'a (dyn ToSql + Sync); N];

/// A connection with its prepared statements.
#[derive(Debug)]
pub(super) struct Session {
    client: Client,
    /// How long to wait for an answer.
    patience: Duration,
    lock: Statement,
    gap: Statement,
    versions: Statement,
    keys: Statement,
    leases: Statement,
    lapse: Statement,
    write: Statement,
}

/// What is found under the lock.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) tail: Tail,
    pub(super) found: Found,
    /// The first entry that may tell of an intent that is looked for, as rows have it.
    pub(super) intents: HashMap<String, u64>,
    /// The entries since those that this process has seen; `None` if there are too many.
    pub(super) gap: Option<Vec<Row>>,
}

impl Session {
    pub(super) async fn open(server: &Server) -> Result<Self, Failure> {
        let client = server.connect().await?;
        let keys = format!("SELECT {KEY} FROM keys WHERE key = ANY($1)");
        let first = try_join3(
            client.prepare("SELECT frontier, head, schema FROM tree FOR UPDATE"),
            client.prepare("SELECT leaf FROM entries WHERE sequence >= $1 ORDER BY sequence LIMIT $2"),
            client.prepare("SELECT id, version FROM grants WHERE id = ANY($1)"),
        );
        let second = try_join(client.prepare(&keys), client.prepare(LEASES));
        let third = try_join(
            client.prepare(
                "DELETE FROM keys WHERE key IN (SELECT key FROM keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            ),
            client.prepare(include_str!("write.sql")),
        );
        let patience = server.patience();
        let prepared = in_time(patience, try_join3(first, second, third)).await?;
        let ((lock, gap, versions), (keys, leases), (lapse, write)) = prepared;
        Ok(Self { client, patience, lock, gap, versions, keys, leases, lapse, write })
    }

    /// Waits for its turn among processes, and reads what steps need: all of it after the lock, in one round trip.
    pub(super) async fn begin(&self, needs: &Needs, seen: u64) -> Result<Locked, Failure> {
        let (from, limit) = (rows::signed(seen)?, i64::try_from(LONGEST_GAP + 1).unwrap_or(i64::MAX));
        let gap: Values<'_, 2> = [&from, &limit];
        let all_leases: Vec<&String> = needs.intents.iter().chain(&needs.leases).collect();
        let intents: Values<'_, 2> = [&all_leases, &needs.intents];
        let (grants, keys): (Values<'_, 1>, Values<'_, 1>) = ([&needs.grants], [&needs.keys]);
        let start = try_join3(
            self.client.batch_execute("BEGIN"),
            self.client.query_one(&self.lock, &[]),
            self.client.query(&self.gap, &gap),
        );
        let found = try_join3(
            self.rows(&self.versions, &needs.grants, &grants),
            self.rows(&self.keys, &needs.keys, &keys),
            self.rows(&self.leases, &all_leases, &intents),
        );
        let (((), tree, gap), (versions, keys, leases)) = in_time(self.patience, try_join(start, found)).await?;
        schema::expect(column(&tree, 2)?)?;
        let frontier = Frontier::from_bytes(column(&tree, 0)?).map_err(|error| rows::malformed("tree", error))?;
        let tail = Tail { tree: frontier, head: column(&tree, 1)? };
        let (leases, intents) = leases_and_intents(&leases)?;
        let found = Found { versions: all(&versions, version)?, keys: all(&keys, key_use)?, leases };
        Ok(Locked { tail, found, intents, gap: (gap.len() <= LONGEST_GAP).then_some(gap) })
    }

    /// Lets go of the lock, and of nothing else: nothing was written.
    pub(super) async fn rollback(&self) -> Result<(), Failure> {
        in_time(self.patience, self.client.batch_execute("ROLLBACK")).await
    }

    /// Writes and commits in one round trip. A refusal means that nothing was committed; after any other failure nobody
    /// knows.
    pub(super) async fn commit(&self, sealed: &Sealed) -> Result<(), Failure> {
        let lapse = async {
            match &sealed.now {
                Some(now) => self.client.execute(&self.lapse, &[now, &(LAPSED_KEYS * sealed.keys())]).await.map(drop),
                None => Ok(()),
            }
        };
        let values = sealed.values();
        let write = self.client.execute(&self.write, &values);
        let all = join3(lapse, write, self.client.batch_execute("COMMIT"));
        // After a refusal PostgreSQL answers COMMIT with a rollback, so the first error is the one that counts.
        let first_error = all.map(|(lapsed, written, committed)| lapsed.and(written.map(drop)).and(committed));
        in_time(self.patience, first_error).await
    }

    /// Whether this was committed over another connection that was lost. The lock is waited for, so that the answer is final.
    pub(super) async fn has(&self, sealed: &Sealed) -> Result<bool, Failure> {
        let size = rows::signed(sealed.tail.tree.size())?;
        let sql = "SELECT head FROM entries WHERE sequence = $1";
        let look = async {
            self.client.batch_execute("BEGIN").await?;
            let tree = self.client.query_one(&self.lock, &[]).await?;
            Ok::<_, tokio_postgres::Error>((tree, self.client.query_opt(sql, &[&size]).await?))
        };
        let (tree, later) = in_time(self.patience, look).await?;
        let newest: Option<String> = column(&tree, 1)?;
        // Where another process has gone on, its first entry keeps the head before it.
        let kept: Option<String> = later.map(|row| column(&row, 0)).transpose()?.flatten();
        self.rollback().await?;
        // A lease that was renewed is not in the log; to renew it again does no harm.
        Ok(sealed.log.is_some() && (newest == sealed.tail.head || kept == sealed.tail.head))
    }

    /// Reads the log back to an entry, while others go on.
    pub(super) async fn read_back(&self, since: u64, recent: &mut Recent) -> Result<(), Failure> {
        let start = self.tree_of(since).await?;
        let mut part = Part::after(&start);
        while part.end.size() < recent.start() {
            let missing = i64::try_from(recent.start() - part.end.size()).unwrap_or(i64::MAX);
            let (from, limit) = (rows::signed(part.end.size())?, missing.min(CHUNK));
            let values: Values<'_, 2> = [&from, &limit];
            let leaves = in_time(self.patience, self.client.query(&self.gap, &values)).await?;
            if leaves.is_empty() {
                return Err(history::not_signed(since).into());
            }
            for leaf in &leaves {
                part.read(column(leaf, 0)?);
            }
        }
        Ok(recent.prepend(start, part)?)
    }

    async fn tree_of(&self, size: u64) -> Result<Frontier, Failure> {
        let sequences: Vec<i64> =
            history::edge(size).filter_map(|(level, place)| rows::last_below(level, place)).collect();
        let sql = "SELECT sequence, nodes FROM entries WHERE sequence = ANY($1)";
        let found = in_time(self.patience, self.client.query(sql, &[&sequences])).await?;
        let nodes: HashMap<i64, Vec<u8>> = all(&found, |row| Ok((column(row, 0)?, column(row, 1)?)))?;
        history::tree_of(size, |level, place| {
            let nodes = rows::last_below(level, place).and_then(|last| nodes.get(&last));
            Ok(nodes.and_then(|nodes| rows::node_of(level, nodes)))
        })
    }

    /// Rows, unless none are asked for.
    async fn rows<T>(
        &self,
        statement: &Statement,
        wanted: &[T],
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        if wanted.is_empty() { Ok(Vec::new()) } else { self.client.query(statement, values).await }
    }
}

/// An answer that does not come in time is none.
async fn in_time<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(patience, work).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::TimedOut),
    }
}

/// Leases, and where rows say that intents are.
const LEASES: &str = "SELECT grant_id, sequence, instance, until FROM leases WHERE grant_id = ANY($1)
    UNION ALL SELECT grant_id, sequence, NULL, NULL FROM entries WHERE grant_id = ANY($2) AND event = 'intent'";

type Leases = (HashMap<String, Lease>, HashMap<String, u64>);

fn leases_and_intents(found: &[Row]) -> crate::Result<Leases> {
    let (mut leases, mut intents) = (HashMap::new(), HashMap::new());
    for row in found {
        let (grant, sequence): (String, u64) = (column(row, 0)?, rows::unsigned("intent", column(row, 1)?)?);
        if let (Some(instance), Some(until)) = (column::<Option<String>>(row, 2)?, column::<Option<&str>>(row, 3)?) {
            leases.insert(grant.clone(), Lease { sequence, instance, until: rows::time("lease", until)? });
        }
        intents.entry(grant).and_modify(|first: &mut u64| *first = sequence.min(*first)).or_insert(sequence);
    }
    Ok((leases, intents))
}

fn version(row: &Row) -> crate::Result<(String, u64)> {
    Ok((column(row, 0)?, rows::unsigned("grant", column(row, 1)?)?))
}

fn key_use(row: &Row) -> crate::Result<(String, crate::store::KeyUse)> {
    let key = rows::key_use(row)?;
    Ok((key.key.clone(), key))
}

fn all<K: std::hash::Hash + Eq, V>(
    found: &[Row],
    read: impl Fn(&Row) -> crate::Result<(K, V)>,
) -> crate::Result<HashMap<K, V>> {
    found.iter().map(read).collect()
}
