//! The changes that are being made in this process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::Shared;
use opsorch_schema::{GrantId, Response};
use tokio::sync::oneshot;

use super::Submitted;
use crate::{Error, Result};

/// The changes that run in this process, so that whoever redeems the same grant waits for the same result.
#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<HashMap<GrantId, Waiting>>);

/// How a change ends.
pub(super) type Finish = Result<Submitted<Response>>;

/// Those who wait for one change; they are told in the order in which they came.
type Waiting = Shared<oneshot::Receiver<Finish>>;

impl Running {
    /// Joins the change that runs for this grant, or starts it.
    pub(super) async fn join(&self, id: &GrantId, start: impl FnOnce(oneshot::Sender<Finish>)) -> Finish {
        let given_up = || Error::unexpected("the runtime ended while the change was being made");
        self.joined(id, start).await.unwrap_or_else(|error| Err(given_up().with_source(error)))
    }

    fn joined(&self, id: &GrantId, start: impl FnOnce(oneshot::Sender<Finish>)) -> Waiting {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(finish) = running.get(id) {
            return finish.clone();
        }
        let (sender, finish) = oneshot::channel();
        let finish = finish.shared();
        running.insert(id.clone(), finish.clone());
        drop(running);
        start(sender);
        finish
    }

    /// The result of the change that runs for this grant, if one does.
    pub(super) async fn wait(&self, id: &GrantId) -> Option<Finish> {
        let finish = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id)?.clone();
        finish.await.ok()
    }

    pub(super) fn leave(&self, id: &GrantId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}
