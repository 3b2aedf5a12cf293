//! Where the log ends, and what it is made of: entries, the nodes of its tree, its signed head.

use std::borrow::Cow;

use opsorch_schema::{Entry, Event, GrantId};
use rusqlite::{Connection, params};
use serde::Deserialize;

use super::failure::Failure;
use super::{file, read, rows};
use crate::Error;
use crate::audit::{Frontier, LogWriter, leaf_hash};

/// The end of the log as this connection saw it last: all that is needed to append.
#[derive(Debug)]
pub(super) struct Tail {
    /// Which state of the file that was, for this connection.
    version: i64,
    tree: Frontier,
    head: Option<String>,
}

/// An entry that is to be appended, and what its change gave.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) entry: Entry,
    pub(super) result: Option<String>,
}

impl Tail {
    /// The end of the log in an open transaction. What was seen last still holds unless another connection has written since,
    /// whether a process that shares the log or a stranger; then the file may not even be ours any more.
    pub(super) fn of(transaction: &Connection, last: Option<Self>) -> Result<Self, Failure> {
        let version = transaction.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if let Some(last) = last.filter(|last| last.version == version) {
            return Ok(last);
        }
        file::expect_schema(transaction)?;
        let mut statement = transaction.prepare_cached("SELECT frontier, head FROM tree")?;
        let (frontier, head): (Vec<u8>, _) = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let tree = Frontier::from_bytes(&frontier).map_err(|error| Failure::malformed("tree", error))?;
        Ok(Self { version, tree, head })
    }

    /// How many entries there are.
    pub(super) fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The tree over them.
    pub(super) fn tree(&self) -> &Frontier {
        &self.tree
    }

    /// Appends entries under one signed head.
    pub(super) fn append(
        &mut self,
        transaction: &Connection,
        log: &LogWriter,
        appended: Vec<Append>,
    ) -> Result<(), Failure> {
        let (entries, results): (Vec<_>, Vec<_>) = appended.into_iter().map(|new| (new.entry, new.result)).unzip();
        let batch = log.append(&mut self.tree, self.head.as_deref(), entries)?;
        // The newest head is kept with the tree, and moves to the log when another follows.
        let mut before = self.head.replace(batch.checkpoint);
        let sql = "INSERT INTO entries (sequence, nodes, head, result, leaf) VALUES (?1, ?2, ?3, ?4, ?5)";
        let mut statement = transaction.prepare_cached(sql)?;
        // Each leaf is a node, followed by those above it that it completed.
        let completed = batch.nodes.chunk_by(|_, next| next.level > 0);
        for ((leaf, nodes), result) in batch.leaves.into_iter().zip(completed).zip(results) {
            let nodes: Vec<u8> = nodes.iter().flat_map(|node| *node.hash.as_bytes()).collect();
            statement.execute(params![rows::signed(leaf.sequence)?, nodes, before.take(), result, leaf.leaf])?;
        }
        let mut statement = transaction.prepare_cached("UPDATE tree SET frontier = ?1, head = ?2")?;
        statement.execute(params![self.tree.to_bytes(), self.head])?;
        Ok(())
    }

    /// What the entries from `since` on say of a grant, once it is certain that they are those that were signed. Whoever can
    /// write to the file could have taken out of the log what the grant was spent on, or made the columns and indexes
    /// anew that lead there, so only the leaves themselves are believed. The tree's own head is checked when the step's
    /// entry is signed.
    ///
    /// It reads all of them, which takes some microseconds for each.
    pub(super) fn history(&self, transaction: &Connection, grant: &GrantId, since: u64) -> Result<History, Failure> {
        let mut tree = tree_of(transaction, since)?;
        let mut history = History::default();
        let sql = "SELECT leaf FROM entries WHERE sequence >= ?1 ORDER BY sequence";
        let mut statement = transaction.prepare_cached(sql)?;
        let mut leaves = statement.query([rows::signed(since)?])?;
        while let Some(row) = leaves.next()? {
            let leaf = row.get_ref(0)?.as_bytes().map_err(|error| Failure::malformed("log entry", error))?;
            history.read(grant, tree.size(), leaf);
            tree.push(leaf_hash(leaf));
        }
        if (tree.size(), tree.root()) == (self.tree.size(), self.tree.root()) {
            return history.complete();
        }
        let message = format!("the stored log is not what was signed: entries from {since} on were changed; verify it");
        Err(Error::unexpected(message).into())
    }
}

/// What the log says of one grant.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The sequence of its intent.
    pub(super) intent: Option<u64>,
    /// Whether the intent has an outcome.
    pub(super) has_outcome: bool,
    /// Whether it was denied, taken back or lapsed.
    was_refused: bool,
    /// An entry that cannot be read, and might say more.
    unreadable: Option<serde_json::Error>,
}

impl History {
    /// Adds an entry of the grant.
    pub(super) fn add(&mut self, sequence: u64, event: Event) {
        match event {
            Event::Intent => self.intent = Some(sequence),
            Event::Outcome => self.has_outcome = true,
            Event::Denied | Event::Withdrawn | Event::Revoked | Event::Expired => self.was_refused = true,
            _ => {}
        }
    }

    /// Whether the grant's life has ended, whatever its record says by now: somebody may have put an older record back,
    /// which the gate did seal.
    pub(super) fn is_over(&self) -> bool {
        self.intent.is_some() || self.was_refused
    }

    /// Reads a leaf, and adds it if it is of the grant.
    fn read(&mut self, grant: &GrantId, sequence: u64, leaf: &[u8]) {
        /// All that is read of it.
        #[derive(Deserialize)]
        struct Said<'a> {
            event: Event,
            #[serde(borrow)]
            grant: Option<Cow<'a, str>>,
        }

        match serde_json::from_slice::<Said<'_>>(leaf) {
            Ok(said) if said.grant.as_deref() == Some(grant.as_str()) => self.add(sequence, said.event),
            Ok(_) => {}
            Err(error) => self.unreadable = Some(error),
        }
    }

    fn complete(self) -> Result<Self, Failure> {
        match self.unreadable {
            Some(error) => Err(Failure::malformed("log entry", error)),
            None => Ok(self),
        }
    }
}

/// The tree as it was when it had this size, from its full nodes.
fn tree_of(transaction: &Connection, size: u64) -> Result<Frontier, Failure> {
    let mut bytes = size.to_be_bytes().to_vec();
    for level in (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1) {
        // The subtree over the leaves that the higher bits of the size do not cover.
        let node = read::node(transaction, level, (size >> level) - 1)?;
        let missing = || Failure::malformed("tree", format!("a node of level {level} is missing"));
        bytes.extend(node.ok_or_else(missing)?.as_bytes());
    }
    Frontier::from_bytes(&bytes).map_err(|error| Failure::malformed("tree", error))
}
