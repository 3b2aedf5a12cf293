//! The writers, and what finds a change again.

mod deployments;
pub(super) mod marker;
mod reconcile;
mod tickets;

use std::sync::Arc;

use opsorch::transport::Reply;
use opsorch::{Clock, Error, Fields, Result};
use serde::de::DeserializeOwned;

use super::read::deployments::Deployments;
use super::read::tickets::Issues;

/// Changes what is in repositories.
#[derive(Debug)]
pub(super) struct Writer {
    issues: Issues,
    deployments: Deployments,
    clock: Arc<dyn Clock>,
}

impl Writer {
    pub(super) fn new(issues: Issues, clock: Arc<dyn Clock>) -> Self {
        let deployments = Deployments::new(&issues.api, &issues.repositories);
        Self { issues, deployments, clock }
    }

    /// Reads the answer to a change that has this status when it was made.
    fn made<T: DeserializeOwned>(&self, reply: &Reply, status: u16) -> Result<T> {
        match reply.status.as_u16() == status {
            true => reply.json(),
            false => Err(self.issues.api.refused(reply)),
        }
    }
}

/// Refuses what is in a map and not known.
fn refuse_but(known: &[&str], place: &str, fields: &Fields) -> Result<()> {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(unknown) if known.is_empty() => {
            Err(Error::unsupported(format!("`{place}.{unknown}` cannot be kept; leave it out")))
        }
        Some(unknown) => {
            let known = known.join(", ");
            Err(Error::unsupported(format!("`{place}.{unknown}` cannot be kept; known are: {known}")))
        }
    }
}
