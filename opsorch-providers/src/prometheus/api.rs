//! How the servers are asked, and what their refusals mean.

use std::time::Duration;

use opsorch::Context;
use opsorch::transport::{Client, Url};

pub(super) mod alertmanager;
pub(super) mod prometheus;

/// One of the two servers: how to ask it, and where a person opens it.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) client: Client,
    pub(super) page: Url,
    pub(super) timeout: Duration,
}

impl Server {
    /// How long the server may work on a request, in seconds: no longer than somebody waits for it.
    pub(super) fn patience(&self, cx: &Context) -> String {
        let patience = cx.remaining().map_or(self.timeout, |remaining| remaining.min(self.timeout));
        format!("{:.3}", patience.as_secs_f64().max(0.001))
    }
}
