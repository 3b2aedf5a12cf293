//! The changes that are being made in this process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use opsorch_schema::{GrantId, Response};
use tokio::sync::watch;

use super::Submitted;
use crate::Result;

/// The changes that run in this process, so that whoever redeems the same grant waits for the same result.
#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<HashMap<GrantId, watch::Receiver<Option<Finish>>>>);

/// How a change ends.
pub(super) type Finish = Result<Submitted<Response>>;

impl Running {
    /// Joins the change that runs for this grant, or starts it.
    pub(super) fn join(
        &self,
        id: &GrantId,
        start: impl FnOnce(watch::Sender<Option<Finish>>),
    ) -> watch::Receiver<Option<Finish>> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(finish) = running.get(id) {
            return finish.clone();
        }
        let (sender, finish) = watch::channel(None);
        running.insert(id.clone(), finish.clone());
        drop(running);
        start(sender);
        finish
    }

    /// The result of the change that runs for this grant, if one does.
    pub(super) async fn wait(&self, id: &GrantId) -> Option<Finish> {
        let mut finish = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id)?.clone();
        finish.wait_for(Option::is_some).await.ok()?.clone()
    }

    pub(super) fn leave(&self, id: &GrantId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}
