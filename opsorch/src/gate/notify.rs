//! Telling others what happened, after it was committed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsorch_schema::{Answer, ApprovalRequest, Entry};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// How long one notification may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Tells people that something waits for them, and what became of it.
///
/// It is called after the step was committed, beside the call that caused it: it delays nothing, and each
/// notification has 30 seconds. Two notifications may overlap.
#[async_trait]
pub trait ApprovalHook: fmt::Debug + Send + Sync + 'static {
    /// A change waits for people.
    async fn requested(&self, request: &ApprovalRequest);
    /// Somebody answered; the request may wait for more.
    async fn answered(&self, request: &ApprovalRequest, answer: &Answer);
    /// It no longer waits: denied, expired, withdrawn, revoked or spent.
    async fn closed(&self, request: &ApprovalRequest);
}

/// Sees every entry of the audit log after it was committed: for a SIEM, for metrics.
///
/// It delays nothing; each call has 30 seconds. Calls may overlap, so order by [`Entry::sequence`].
#[async_trait]
pub trait AuditSink: fmt::Debug + Send + Sync + 'static {
    /// These entries were committed.
    async fn committed(&self, entries: &[Entry]);
}

/// Runs hooks and sinks on tasks that the owner waits for at the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notify {
    pub(crate) hooks: Vec<Arc<dyn ApprovalHook>>,
    pub(crate) sinks: Vec<Arc<dyn AuditSink>>,
    pub(crate) tasks: TaskTracker,
    /// How long the log was after the last commit of this process.
    pub(crate) size: watch::Sender<u64>,
}

/// What a hook is told.
#[derive(Clone, Debug)]
pub(super) enum Notice {
    Requested,
    Answered(Answer),
    Closed,
}

impl Notify {
    pub(super) fn committed(&self, entry: Entry) {
        self.size.send_if_modified(|size| {
            let is_new = entry.sequence >= *size;
            *size = (*size).max(entry.sequence + 1);
            is_new
        });
        for sink in &self.sinks {
            let (sink, entry) = (Arc::clone(sink), entry.clone());
            self.run(async move { sink.committed(std::slice::from_ref(&entry)).await });
        }
    }

    pub(super) fn tell(&self, notice: Notice, request: &ApprovalRequest) {
        for hook in &self.hooks {
            let (hook, notice, request) = (Arc::clone(hook), notice.clone(), request.clone());
            self.run(async move {
                match notice {
                    Notice::Requested => hook.requested(&request).await,
                    Notice::Answered(answer) => hook.answered(&request, &answer).await,
                    Notice::Closed => hook.closed(&request).await,
                }
            });
        }
    }

    fn run(&self, notification: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async move {
            if tokio::time::timeout(LIMIT, notification).await.is_err() {
                tracing::warn!(limit = ?LIMIT, "a notification took too long and was given up");
            }
        });
    }
}
