//! Where the log ends, and what it is made of: entries, the nodes of its tree, its signed head.

use opsorch_schema::{Entry, GrantId};
use rusqlite::{Connection, params};

use super::failure::Failure;
use super::{file, read, rows};
use crate::audit::{Frontier, LogWriter, leaf_hash};
use crate::store::history::{self, History, Said};

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
        let tree = Frontier::from_bytes(&frontier).map_err(|error| rows::malformed("tree", error))?;
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
        let mut tree = history::tree_of(since, |level, place| read::node(transaction, level, place))?;
        let (mut history, mut unreadable) = (History::default(), None);
        let sql = "SELECT leaf FROM entries WHERE sequence >= ?1 ORDER BY sequence";
        let mut statement = transaction.prepare_cached(sql)?;
        let mut leaves = statement.query([rows::signed(since)?])?;
        while let Some(row) = leaves.next()? {
            let leaf = row.get_ref(0)?.as_bytes().map_err(|error| rows::malformed("log entry", error))?;
            match Said::read(leaf) {
                Ok(said) if said.grant() == Some(grant.as_str()) => history.add(tree.size(), said.event),
                Ok(_) => {}
                // It might say more, if it was signed.
                Err(error) => unreadable = Some(error),
            }
            tree.push(leaf_hash(leaf));
        }
        if (tree.size(), tree.root()) != (self.tree.size(), self.tree.root()) {
            return Err(history::not_signed(since).into());
        }
        unreadable.map_or(Ok(history), |error| Err(error.into()))
    }
}
