//! The steps of the gate, within an open transaction: each as `MemoryStore` has it.

use opsorch_schema::{Entry, Event, GrantId, Time};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row, params};

use super::failure::Failure;
use super::tail::{Append, Tail};
use super::{read, rows};
use crate::audit::LogWriter;
use crate::store::history::History;
use crate::store::{
    BeginChange, Begun, FinishChange, Finished, GrantRecord, KeyUse, Request, Requested, Transition, Transitioned,
};
use crate::{Error, Result};

/// An open transaction: its rows, and the entries that the log gets when it is committed.
#[derive(Debug)]
pub(super) struct Steps<'a> {
    rows: &'a Connection,
    tail: Tail,
    /// Whether a step that fails takes others with it, unless it alone is undone.
    shared: bool,
    /// Who signs the entries; `None` while there are none.
    log: Option<LogWriter>,
    entries: Vec<Append>,
}

/// An intent as a step finds it.
struct Intent {
    sequence: u64,
    /// Whether there is no outcome.
    is_open: bool,
    /// Until when somebody vouches for it.
    lease_until: Option<Time>,
}

impl<'a> Steps<'a> {
    /// One step or several, from where the log ends.
    pub(super) fn new(rows: &'a Connection, tail: Tail, steps: usize) -> Self {
        Self { rows, tail, shared: steps > 1, log: None, entries: Vec::new() }
    }

    /// Runs one step, and undoes all of it if it fails. An outer error is one of the transaction, or of the only step in it.
    pub(super) fn attempt<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<Result<T>, Failure> {
        if !self.shared {
            return step(self).map(Ok);
        }
        let before = self.entries.len();
        self.execute("SAVEPOINT step", [])?;
        match step(self) {
            Ok(done) => {
                self.execute("RELEASE step", [])?;
                Ok(Ok(done))
            }
            Err(failure) => {
                self.entries.truncate(before);
                match self.rows.execute_batch("ROLLBACK TO step; RELEASE step") {
                    Ok(()) => Ok(Err(failure.into())),
                    // SQLite has undone the whole transaction, as it does on a full disk.
                    Err(_) => Err(failure),
                }
            }
        }
    }

    pub(super) fn record(&mut self, log: &LogWriter, entry: &Entry) -> Result<Entry, Failure> {
        self.append(log, entry.clone(), None)
    }

    pub(super) fn request(&mut self, log: &LogWriter, step: &Request) -> Result<Requested, Failure> {
        if let Some(seen) = self.seen(step.key.as_ref(), step.entry.time)? {
            return Ok(Requested::KeySeen(seen));
        }
        if self.version(&step.grant.id)?.is_some() {
            return Err(Error::conflict("a grant with this id exists already").into());
        }
        self.put(&step.grant, step.key.as_ref(), step.entry.time)?;
        self.append(log, step.entry.clone(), None).map(Requested::Written)
    }

    pub(super) fn transition(&mut self, log: &LogWriter, step: &Transition) -> Result<Transitioned, Failure> {
        if self.version(&step.grant.id)? != Some(step.expected) {
            return Ok(Transitioned::Stale);
        }
        self.put(&step.grant, None, step.entry.time)?;
        self.append(log, step.entry.clone(), None).map(Transitioned::Written)
    }

    pub(super) fn begin_change(&mut self, log: &LogWriter, step: &BeginChange) -> Result<Begun, Failure> {
        if let Some(seen) = self.seen(step.key.as_ref(), step.entry.time)? {
            return Ok(Begun::KeySeen(seen));
        }
        let id = &step.grant.id;
        if self.version(id)? != step.expected {
            return Ok(Begun::Stale);
        }
        // The log says nothing of a new grant, whose id is random.
        if step.expected.is_some() && self.history(id, step.since.unwrap_or(0))?.is_over() {
            return Ok(Begun::Stale);
        }
        self.put(&step.grant, step.key.as_ref(), step.entry.time)?;
        let entry = self.append(log, step.entry.clone(), None)?;
        let sequence = rows::signed(entry.sequence)?;
        let lease_until = rows::time_text(step.lease_until)?;
        let sql = "INSERT INTO leases (grant_id, sequence, instance, until) VALUES (?1, ?2, ?3, ?4)";
        self.execute(sql, params![id.as_str(), sequence, step.instance, lease_until])?;
        Ok(Begun::Intent(entry))
    }

    pub(super) fn finish_change(&mut self, log: &LogWriter, step: &FinishChange) -> Result<Finished, Failure> {
        let id = step.grant.as_str();
        let intent = self.intent(&step.grant)?;
        let lapsed = |intent: &Intent, before| intent.is_open && intent.lease_until.is_some_and(|until| until < before);
        if step.if_lapsed.is_some_and(|before| !intent.as_ref().is_some_and(|intent| lapsed(intent, before))) {
            return Ok(Finished::NotLapsed);
        }
        let intent = intent.ok_or_else(|| Error::not_found("there is no intent of this grant"))?;
        let mut entry = step.entry.clone();
        entry.event = if intent.is_open { Event::Outcome } else { Event::Addendum };
        entry.intent = Some(intent.sequence);
        self.execute("DELETE FROM leases WHERE grant_id = ?1", [id])?;
        self.append(log, entry, step.result.clone()).map(Finished::Written)
    }

    pub(super) fn renew_lease(&mut self, grant: &GrantId, until: Time) -> Result<bool, Failure> {
        let sql = "UPDATE leases SET until = max(until, ?2) WHERE grant_id = ?1";
        Ok(self.prepare(sql)?.execute([grant.as_str(), &rows::time_text(until)?])? == 1)
    }

    /// Appends the entries to the log. Returns where it ends then, and who is told so once that is committed.
    pub(super) fn seal(mut self) -> Result<(Tail, Option<LogWriter>), Failure> {
        let log = self.log.take().filter(|_| !self.entries.is_empty());
        if let Some(log) = &log {
            self.tail.append(self.rows, log, self.entries)?;
        }
        Ok((self.tail, log))
    }

    /// Adds an entry, which knows its sequence from here on.
    fn append(&mut self, log: &LogWriter, mut entry: Entry, result: Option<String>) -> Result<Entry, Failure> {
        match &self.log {
            Some(other) if !self.entries.is_empty() && !other.has_key_of(log) => {
                let message =
                    "somebody else signs the log of this store with another key; a store has one pair of keys";
                return Err(Error::unexpected(message).into());
            }
            _ => self.log = Some(log.clone()),
        }
        entry.sequence = self.tail.size() + self.entries.len() as u64;
        self.entries.push(Append { entry: entry.clone(), result });
        Ok(entry)
    }

    /// The use of this key, if it is live.
    fn seen(&self, key: Option<&KeyUse>, now: Time) -> Result<Option<KeyUse>, Failure> {
        key.map_or(Ok(None), |key| read::key(self.rows, &key.key, now))
    }

    fn version(&self, grant: &GrantId) -> Result<Option<u64>, Failure> {
        let mut statement = self.prepare("SELECT version FROM grants WHERE id = ?1")?;
        let version: Option<i64> = statement.query_row([grant.as_str()], |row| row.get(0)).optional()?;
        Ok(version.map(|version| rows::unsigned("grant", version)).transpose()?)
    }

    /// The intent of a grant. The rows say where it may be; whether it is there, and what became of it, the log says.
    fn intent(&self, grant: &GrantId) -> Result<Option<Intent>, Failure> {
        let leased = "SELECT sequence, until FROM leases WHERE grant_id = ?1";
        let logged = "SELECT sequence, NULL FROM entries WHERE grant_id = ?1 AND event = 'intent'";
        for sql in [leased, logged] {
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let found = self.prepare(sql)?.query_row([grant.as_str()], read).optional()?;
            let Some((sequence, until)): Option<(i64, Option<String>)> = found else { continue };
            let sequence = rows::unsigned("intent", sequence)?;
            let history = self.history(grant, sequence)?;
            if history.intent == Some(sequence) {
                let lease_until = until.map(|text| rows::time("lease", &text)).transpose()?;
                return Ok(Some(Intent { sequence, is_open: !history.has_outcome, lease_until }));
            }
        }
        Ok(None)
    }

    /// What the log says of a grant from an entry on, with the entries that are yet to be appended.
    fn history(&self, grant: &GrantId, since: u64) -> Result<History, Failure> {
        let stored = since < self.tail.size();
        let mut history = if stored { self.tail.history(self.rows, grant, since)? } else { History::default() };
        let appended = self.entries.iter().map(|append| &append.entry);
        for entry in appended.filter(|entry| entry.sequence >= since && entry.grant.as_ref() == Some(grant)) {
            history.add(entry.sequence, entry.event);
        }
        Ok(history)
    }

    /// Writes a grant, and the key under which it was submitted. Some keys that lapsed before `now` make room.
    fn put(&self, grant: &GrantRecord, key: Option<&KeyUse>, now: Time) -> Result<(), Failure> {
        let sql = "INSERT INTO grants (id, version, state, requested_at, body, seal) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state,
            requested_at = excluded.requested_at, body = excluded.body, seal = excluded.seal";
        let (version, requested_at) = (rows::signed(grant.version)?, rows::time_text(grant.requested_at)?);
        let state = grant.state.word();
        self.execute(sql, params![grant.id.as_str(), version, state, requested_at, grant.body, grant.seal])?;
        let Some(key) = key else { return Ok(()) };
        let lapsed = "DELETE FROM keys WHERE key IN (SELECT key FROM keys WHERE expires_at <= ?1 LIMIT 16)";
        self.execute(lapsed, [rows::time_text(now)?])?;
        let sql = "INSERT OR REPLACE INTO keys (key, issuer, subject, digest, grant_id, expires_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (owner, expires_at) = (&key.owner, rows::time_text(key.expires_at)?);
        let values = [&key.key, &owner.issuer, &owner.subject, key.digest.as_str(), key.grant.as_str(), &expires_at];
        self.execute(sql, values)
    }

    fn prepare(&self, sql: &str) -> Result<CachedStatement<'a>, Failure> {
        Ok(self.rows.prepare_cached(sql)?)
    }

    fn execute(&self, sql: &str, values: impl Params) -> Result<(), Failure> {
        self.prepare(sql)?.execute(values)?;
        Ok(())
    }
}
