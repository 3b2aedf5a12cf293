//! Keeping heads of the log where its writer does not write.

mod file;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use opsorch_schema::Entry;

pub use file::FileAnchor;

use super::{AuditLog, Checkpoint};
use crate::gate::AuditSink;
use crate::{Error, ErrorKind, Result};

/// How long keeping a checkpoint may take; less than a notification may, so that a failure is counted here.
const LIMIT: Duration = Duration::from_secs(20);

/// A place outside the store where signed heads of the log are kept: a [`FileAnchor`], or a place of the embedder's own.
///
/// A log proves that nothing was changed up to its head. Whoever can write to the store can still cut it back to an older
/// head, and whoever has the key can write it anew. A head that was kept where neither of them can write shows both, for
/// all entries up to it, and for no others. So an anchor is worth as much as its place is out of reach: another machine, a
/// medium that is written once, a ledger that others hold.
///
/// [`Builder::anchor`](crate::Builder::anchor) adds one. Then the newest head is offered to it after every commit, beside
/// the call that caused the commit: it delays nothing. A head covers all entries before it, so of many commits at once only
/// the last needs to be kept. If that fails, it is a warning in the trace, counted by [`AuditLog::anchor_failures`], and the
/// next commit offers its own head. Until then, and between the commit and the anchor, entries are not anchored.
///
/// At the start the log must continue the newest head that the anchor kept, else the control plane is not built; then the
/// present head is offered. If the log does not continue it because the store was restored from a backup, keep the old
/// anchor as evidence, and give a new one.
#[async_trait]
pub trait Anchor: fmt::Debug + Send + Sync + 'static {
    /// Keeps a head of the log, durably, or leaves it out because one that is near enough was kept.
    ///
    /// `signed` is the text to keep, and `head` what it says. Calls may overlap, come out of order, and offer a head twice;
    /// each has 20 seconds.
    ///
    /// # Errors
    /// Any; the head was not kept then.
    async fn keep(&self, head: &Checkpoint, signed: &str) -> Result<()>;

    /// The newest head that it kept; `None` if there is none, or the place cannot be read back.
    ///
    /// # Errors
    /// Any; the control plane is not built then.
    async fn newest(&self) -> Result<Option<String>>;
}

/// Offers the heads of a log to its anchors.
#[derive(Debug)]
pub(crate) struct Anchors {
    anchors: Vec<Arc<dyn Anchor>>,
    log: AuditLog,
    /// The size of the largest head that all of them took.
    kept: AtomicU64,
}

impl Anchors {
    /// Checks that the log continues what was anchored, and makes up for what was not anchored before the last end.
    pub(crate) async fn start(anchors: Vec<Arc<dyn Anchor>>, log: &AuditLog) -> Result<Option<Arc<dyn AuditSink>>> {
        if anchors.is_empty() {
            return Ok(None);
        }
        for anchor in &anchors {
            if let Some(newest) = anchor.newest().await? {
                let context = |error: Error| error.with_context("anchor", format!("{anchor:?}"));
                log.continues(&newest).await.map_err(context)?;
            }
        }
        let this = Self { anchors, log: log.clone(), kept: AtomicU64::new(0) };
        this.offer(0).await;
        Ok(Some(Arc::new(this)))
    }

    /// Offers the newest head, which covers at least so many entries.
    async fn offer(&self, committed: u64) {
        let (signed, head) = match self.head(committed).await {
            Ok(Some(head)) => head,
            Ok(None) => return,
            Err(error) => return self.failed(&error, None),
        };
        let offers = self.anchors.iter().map(|anchor| async {
            let late = |_| Error::new(ErrorKind::Timeout, "the anchor took longer than 20 s");
            let kept = tokio::time::timeout(LIMIT, anchor.keep(&head, &signed)).await.map_err(late).flatten();
            kept.inspect_err(|error| self.failed(error, Some(anchor)))
        });
        if join_all(offers).await.iter().all(Result::is_ok) {
            self.kept.fetch_max(head.size(), Ordering::Relaxed);
        }
    }

    /// The newest head; `None` while the log is empty.
    async fn head(&self, committed: u64) -> Result<Option<(String, Checkpoint)>> {
        let Some(signed) = self.log.checkpoint().await? else {
            return if committed == 0 { Ok(None) } else { Err(behind(0, committed)) };
        };
        let head = self.log.open(&signed)?;
        if head.size() < committed { Err(behind(head.size(), committed)) } else { Ok(Some((signed, head))) }
    }

    fn failed(&self, error: &Error, anchor: Option<&Arc<dyn Anchor>>) {
        self.log.anchor_failed();
        let anchor = anchor.map(tracing::field::debug);
        tracing::warn!(code = error.kind().code(), %error, anchor, "a head of the audit log could not be anchored");
    }
}

#[async_trait]
impl AuditSink for Anchors {
    async fn committed(&self, entries: &[Entry]) {
        let committed = entries.last().map_or(0, |entry| entry.sequence.saturating_add(1));
        if self.kept.load(Ordering::Relaxed) < committed {
            self.offer(committed).await;
        }
    }
}

fn behind(stored: u64, committed: u64) -> Error {
    Error::unexpected("the head in the store does not cover what was committed: its end was cut; verify the log")
        .with_context("committed", committed)
        .with_context("stored", stored)
}

#[cfg(test)]
mod tests {
    use opsorch_schema::{Actor, Event, Operation};

    use super::*;
    use crate::gate::GateKeys;
    use crate::store::MemoryStore;
    use crate::{Clock, ManualClock};

    #[derive(Debug)]
    struct Trusting;

    #[async_trait]
    impl Anchor for Trusting {
        async fn keep(&self, _: &Checkpoint, _: &str) -> Result<()> {
            Ok(())
        }

        async fn newest(&self) -> Result<Option<String>> {
            Ok(None)
        }
    }

    #[tokio::test]
    async fn a_store_without_what_was_just_committed_is_a_failure() {
        let keys = GateKeys::generate("example.com/ops").unwrap();
        let log = AuditLog::new(Arc::new(MemoryStore::new()), "example.com/ops", keys.verifier_keys());
        let anchors = Anchors::start(vec![Arc::new(Trusting)], &log).await.unwrap().unwrap();
        assert_eq!(log.anchor_failures(), 0, "an empty log is no failure");
        let now = ManualClock::default().now();
        let entry = Entry::new(now, Event::Refused, Actor::agent("triage"), Operation::TicketCreate, "r");
        anchors.committed(&[entry]).await;
        assert_eq!(log.anchor_failures(), 1);
    }
}
