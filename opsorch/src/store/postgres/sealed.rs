//! A batch with its signed head, as the columns that are written.

use opsorch_schema::Event;
use tokio_postgres::types::ToSql;

use super::batch::{Batch, Changes, Tail};
use super::rows;
use crate::Result;
use crate::audit::LogWriter;

/// Everything that one commit writes.
#[derive(Debug)]
pub(super) struct Sealed {
    /// Where the log ends with it.
    pub(super) tail: Tail,
    /// Who is told once it is committed; `None` if it has no entries.
    pub(super) log: Option<LogWriter>,
    /// What its entries say of grants.
    pub(super) said: Vec<(String, u64, Event)>,
    /// Keys that lapsed by then make room.
    pub(super) now: Option<String>,
    columns: Columns,
}

/// The values of `write.sql`.
#[derive(Debug, Default)]
struct Columns {
    grants: Grants,
    keys: Keys,
    leases: Leases,
    ended: Vec<String>,
    entries: Entries,
    frontier: Vec<u8>,
    channel: String,
    size: String,
}

#[derive(Debug, Default)]
struct Grants {
    ids: Vec<String>,
    versions: Vec<i64>,
    states: Vec<&'static str>,
    requested: Vec<String>,
    bodies: Vec<String>,
    seals: Vec<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Keys {
    keys: Vec<String>,
    issuers: Vec<String>,
    subjects: Vec<String>,
    digests: Vec<String>,
    grants: Vec<String>,
    expire: Vec<String>,
}

#[derive(Debug, Default)]
struct Leases {
    grants: Vec<String>,
    sequences: Vec<i64>,
    instances: Vec<String>,
    until: Vec<String>,
}

#[derive(Debug, Default)]
struct Entries {
    sequences: Vec<i64>,
    nodes: Vec<Vec<u8>>,
    heads: Vec<Option<String>>,
    results: Vec<Option<String>>,
    leaves: Vec<String>,
    events: Vec<&'static str>,
    grants: Vec<Option<String>>,
}

impl Sealed {
    /// Appends the entries of a batch to the log, under one signed head. `None` if there is nothing to write.
    ///
    /// # Errors
    /// Those of [`LogWriter::append`].
    pub(super) fn new(batch: Batch<'_>, channel: String) -> Result<Option<Self>> {
        let Batch { mut tail, mut changes, .. } = batch;
        if changes.entries.is_empty() && changes.leases.is_empty() {
            return Ok(None);
        }
        let said = changes.entries.iter().filter_map(|append| {
            let entry = &append.entry;
            Some((entry.grant.as_ref()?.to_string(), entry.sequence, entry.event))
        });
        let said = said.collect();
        let log = changes.log.take();
        let entries = match &log {
            Some(log) => entries(log, &mut tail, &mut changes)?,
            None => Entries::default(),
        };
        let now = changes.now.map(rows::time_text).transpose()?;
        let (leases, ended) = leases(&changes)?;
        let (frontier, size) = (tail.tree.to_bytes(), tail.tree.size().to_string());
        let (grants, keys) = (grants(changes.grants.into_values())?, keys(changes.keys.into_values())?);
        let columns = Columns { grants, keys, leases, ended, entries, frontier, channel, size };
        Ok(Some(Self { tail, log, said, now, columns }))
    }

    /// How many keys it writes.
    pub(super) fn keys(&self) -> i64 {
        i64::try_from(self.columns.keys.keys.len()).unwrap_or(i64::MAX)
    }

    /// The parameters of `write.sql`, in their order.
    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); 28] {
        let Columns { grants, keys, leases, ended, entries, frontier, channel, size } = &self.columns;
        [
            &grants.ids,
            &grants.versions,
            &grants.states,
            &grants.requested,
            &grants.bodies,
            &grants.seals,
            &keys.keys,
            &keys.issuers,
            &keys.subjects,
            &keys.digests,
            &keys.grants,
            &keys.expire,
            &leases.grants,
            &leases.sequences,
            &leases.instances,
            &leases.until,
            ended,
            &entries.sequences,
            &entries.nodes,
            &entries.heads,
            &entries.results,
            &entries.leaves,
            &entries.events,
            &entries.grants,
            frontier,
            &self.tail.head,
            channel,
            size,
        ]
    }
}

fn entries(log: &LogWriter, tail: &mut Tail, changes: &mut Changes) -> Result<Entries> {
    let appended = std::mem::take(&mut changes.entries);
    let (appended, results): (Vec<_>, Vec<_>) = appended.into_iter().map(|new| (new.entry, new.result)).unzip();
    let batch = log.append(&mut tail.tree, tail.head.as_deref(), appended)?;
    // The newest head is kept with the tree, and moves to the log when another follows.
    let mut before = tail.head.replace(batch.checkpoint);
    let mut columns = Entries { results, ..Entries::default() };
    for (entry, leaf) in batch.entries.iter().zip(batch.leaves) {
        columns.sequences.push(rows::signed(leaf.sequence)?);
        columns.heads.push(before.take());
        columns.leaves.push(leaf.leaf);
        columns.events.push(entry.event.word());
        columns.grants.push(entry.grant.as_ref().map(ToString::to_string));
    }
    // Each leaf is a node, followed by those above it that it completed.
    let completed = batch.nodes.chunk_by(|_, next| next.level > 0);
    columns.nodes = completed.map(|nodes| nodes.iter().flat_map(|node| *node.hash.as_bytes()).collect()).collect();
    Ok(columns)
}

fn grants(changed: impl Iterator<Item = crate::store::GrantRecord>) -> Result<Grants> {
    let mut columns = Grants::default();
    for grant in changed {
        columns.ids.push(grant.id.to_string());
        columns.versions.push(rows::signed(grant.version)?);
        columns.states.push(grant.state.word());
        columns.requested.push(rows::time_text(grant.requested_at)?);
        columns.bodies.push(grant.body);
        columns.seals.push(grant.seal);
    }
    Ok(columns)
}

fn keys(changed: impl Iterator<Item = crate::store::KeyUse>) -> Result<Keys> {
    let mut columns = Keys::default();
    for key in changed {
        columns.keys.push(key.key);
        columns.issuers.push(key.owner.issuer);
        columns.subjects.push(key.owner.subject);
        columns.digests.push(key.digest.as_str().to_owned());
        columns.grants.push(key.grant.to_string());
        columns.expire.push(rows::time_text(key.expires_at)?);
    }
    Ok(columns)
}

/// The leases that hold, and those that end.
fn leases(changes: &Changes) -> Result<(Leases, Vec<String>)> {
    let (mut columns, mut ended) = (Leases::default(), Vec::new());
    for (grant, lease) in &changes.leases {
        let Some(lease) = lease else {
            ended.push(grant.clone());
            continue;
        };
        columns.grants.push(grant.clone());
        columns.sequences.push(rows::signed(lease.sequence)?);
        columns.instances.push(lease.instance.clone());
        columns.until.push(rows::time_text(lease.until)?);
    }
    Ok((columns, ended))
}
