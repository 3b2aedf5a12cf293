//! What can be set about a router.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::configure::Configuring;
use super::host::Hosts;
use super::limit::RateLimit;
use super::v1::WebhookSink;
use crate::layer::MetricsLayer;
use crate::secret::SecretStore;
use crate::{Error, Result};

/// What can be set about a [`router`](super::router_with): limits, which hosts and origins it answers to, and what it lets
/// callers do beyond operations. The defaults are safe.
///
/// ```
/// use std::time::Duration;
/// use opsorch::http::{Options, RateLimit};
///
/// let options = Options::new()
///     .host("ops.example.org")
///     .cors_origin("https://console.example.org")?
///     .rate_limit(RateLimit::new(100, Duration::from_secs(1))?)
///     .timeout(Duration::from_secs(20));
/// # let _ = options;
/// # Ok::<(), opsorch::Error>(())
/// ```
#[derive(Clone)]
pub struct Options {
    pub(super) hosts: Hosts,
    pub(super) cors_origin: HeaderValue,
    pub(super) body_limit: usize,
    pub(super) timeout: Duration,
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) compress_from: u64,
    pub(super) configuring: Option<Arc<Configuring>>,
    pub(super) configurable_secrets: Vec<String>,
    pub(super) webhook_sink: Option<Arc<dyn WebhookSink>>,
    pub(super) metrics: Option<MetricsLayer>,
}

impl Options {
    /// Bodies of at most 1 MiB, 60 s for a request, 6000 requests a minute for each principal, compression from 1 KiB on,
    /// any address and `localhost` as host, `*` as origin of what authenticates itself, and no configuring.
    pub fn new() -> Self {
        Self {
            hosts: Hosts::default(),
            cors_origin: HeaderValue::from_static("*"),
            body_limit: 1024 * 1024,
            timeout: Duration::from_secs(60),
            rate_limit: Some(RateLimit::default()),
            compress_from: 1024,
            configuring: None,
            configurable_secrets: Vec::new(),
            webhook_sink: None,
            metrics: None,
        }
    }

    /// Answers to this name too, whatever the port. Requests to other names are refused, so that a page whose name is made
    /// to lead here (DNS rebinding) gets nothing; bare addresses and `localhost` are no such names, and always answered.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.add(name.into());
        self
    }

    /// Answers to every name: for a router behind a proxy that checks it.
    pub fn any_host(mut self) -> Self {
        self.hosts = Hosts::Any;
        self
    }

    /// Which origin's pages may call, as OpsOrch's `OPSORCH_CORS_ORIGIN`. With `*`, any page whose request carries a
    /// credential; a request of another origin's page without one is refused even where anonymous access is allowed.
    ///
    /// # Errors
    /// `Invalid` for what a header cannot carry.
    pub fn cors_origin(mut self, origin: &str) -> Result<Self> {
        let message = "expected an origin such as https://console.example.org, or *";
        self.cors_origin = HeaderValue::from_str(origin).map_err(|_| Error::invalid("cors_origin", message))?;
        Ok(self)
    }

    /// Sets the largest body that is read, in bytes.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sets how long a request may take, from its first byte to the head of the answer. A change that has begun goes on.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how many requests each principal has.
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.rate_limit = Some(limit);
        self
    }

    /// Gives everybody as many requests as they like.
    pub fn without_rate_limit(mut self) -> Self {
        self.rate_limit = None;
        self
    }

    /// Sets from which size on answers are compressed, in bytes.
    pub fn compress_from(mut self, bytes: u64) -> Self {
        self.compress_from = bytes;
        self
    }

    /// Lets admins configure the provider of a capability, by `POST /providers/{capability}` and `POST /v1/providers/{capability}`.
    /// It serves from then on ([`OpsOrch::install`](crate::OpsOrch::install)), and its configuration is kept in this store, where
    /// [`Config::with_stored`](crate::Config::with_stored) finds it at the next start.
    ///
    /// An admin may name every kind that the control plane knows, but a plugin only by one of these paths, to the letter, and no
    /// variable, no file and, but for [`configurable_secrets`](Self::configurable_secrets), no secret of the server. What a kind
    /// can read or reach, whoever is an admin can.
    pub fn configure(mut self, store: impl SecretStore, plugins: impl IntoIterator<Item = PathBuf>) -> Self {
        self.configuring = Some(Arc::new(Configuring::new(Arc::new(store), plugins)));
        self
    }

    /// Lets a configuration over HTTP name the secrets of the store below this place: with `shared`, `secret:shared/jira` and not
    /// `secret:shared`. Without a call it names none, because it also says where a secret is sent: **whoever is an admin can have
    /// these secrets**. `providers/…`, where the configurations are kept, is never named, and an empty place allows nothing.
    pub fn configurable_secrets(mut self, place: impl Into<String>) -> Self {
        let place: String = place.into();
        self.configurable_secrets.push(place.trim_end_matches('/').to_owned());
        self
    }

    /// Hands over what vendors send to `/v1/hooks/{provider}`.
    pub fn webhook_sink(mut self, sink: impl WebhookSink) -> Self {
        self.webhook_sink = Some(Arc::new(sink));
        self
    }

    /// Shows these numbers at `/v1/metrics`. The same layer is to be among the layers of the control plane, and among its audit
    /// sinks.
    pub fn metrics(mut self, metrics: MetricsLayer) -> Self {
        self.metrics = Some(metrics);
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("hosts", &self.hosts)
            .field("cors_origin", &self.cors_origin)
            .field("body_limit", &self.body_limit)
            .field("timeout", &self.timeout)
            .field("rate_limit", &self.rate_limit)
            .field("compress_from", &self.compress_from)
            .field("configures", &self.configuring.is_some())
            .finish_non_exhaustive()
    }
}
