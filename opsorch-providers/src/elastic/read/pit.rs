//! A point in time: what the cluster holds is searched as it was when it was opened.

use opsorch::transport::{Bytes, Method};
use opsorch::{Context, Result};
use serde_json::json;

use crate::elastic::api::{Ask, Cluster, Distribution};
use crate::elastic::wire::{Opened, Shards};

/// How long it lives without being used.
pub(super) const KEEP_ALIVE: &str = "1m";

/// An open point in time. It is closed by [`Pit::close`]; where nobody gets to that, because the call was dropped, the next
/// call closes it, or else it goes by itself after [`KEEP_ALIVE`].
#[derive(Debug)]
pub(in crate::elastic) struct Pit<'c> {
    cluster: &'c Cluster,
    distribution: Distribution,
    id: String,
}

impl<'c> Pit<'c> {
    /// Opens one of these indices; also says which shards are not in it.
    pub(in crate::elastic) async fn open(cx: &Context, cluster: &'c Cluster, index: &str) -> Result<(Self, Shards)> {
        let distribution = cluster.distribution(cx).await?;
        let path: &[&str] = match distribution {
            Distribution::Elasticsearch => &[index, "_pit"],
            Distribution::OpenSearch => &[index, "_search", "point_in_time"],
        };
        let parameters = [("keep_alive", KEEP_ALIVE)];
        let ask = Ask { method: Method::POST, path, parameters: &parameters, body: None };
        let opened: Opened = cluster.ask(cx, &ask).await?.json()?;
        Ok((Self { cluster, distribution, id: opened.id }, opened.shards))
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn distribution(&self) -> Distribution {
        self.distribution
    }

    /// Takes the name that the cluster gives it from now on.
    pub(super) fn renamed(&mut self, id: Option<String>) {
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            self.id = id;
        }
    }

    /// Closes it, and those that earlier calls left. Whether that works changes nothing for the caller.
    pub(in crate::elastic) async fn close(mut self, cx: &Context) {
        let mut ids = self.cluster.take_left();
        ids.push(self.id.clone());
        let result = match self.distribution {
            Distribution::OpenSearch => {
                let path = ["_search", "point_in_time"];
                self.delete(cx, &path, &json!({ "pit_id": ids })).await
            }
            Distribution::Elasticsearch => {
                let mut result = Ok(());
                for id in &ids {
                    result = self.delete(cx, &["_pit"], &json!({ "id": id })).await;
                }
                result
            }
        };
        match result {
            Ok(()) => self.id.clear(),
            Err(error) => tracing::debug!(error = error.kind().code(), "a point in time was not closed"),
        }
    }

    async fn delete(&self, cx: &Context, path: &[&str], body: &serde_json::Value) -> Result<()> {
        let body = Some(Bytes::from(body.to_string()));
        let ask = Ask { method: Method::DELETE, path, parameters: &[], body };
        match self.cluster.ask(cx, &ask).await {
            // It is gone already.
            Err(error) if *error.kind() == opsorch::ErrorKind::NotFound => Ok(()),
            other => other.map(drop),
        }
    }
}

impl Drop for Pit<'_> {
    fn drop(&mut self) {
        if !self.id.is_empty() {
            self.cluster.leave(std::mem::take(&mut self.id));
        }
    }
}
