//! Providers for opsorch: each kind is a module of its own, behind a cargo feature of the same name.
//!
//! | kind | feature | offers |
//! |---|---|---|
#![cfg_attr(
    feature = "local",
    doc = "| [`local`] | `local` | real work without any vendor: incidents, tickets, alerts, messages, deployments, runs, a catalog, logs, metrics |"
)]
#![cfg_attr(
    not(feature = "local"),
    doc = "| `local` | `local` | real work without any vendor: incidents, tickets, alerts, messages, deployments, runs, a catalog, logs, metrics |"
)]
#![cfg_attr(
    feature = "prometheus",
    doc = "| [`prometheus`] | `prometheus` | metrics and alerts from Prometheus and Alertmanager |"
)]
#![cfg_attr(
    not(feature = "prometheus"),
    doc = "| `prometheus` | `prometheus` | metrics and alerts from Prometheus and Alertmanager |"
)]
//!
//! No feature is on by default. [`registry`] returns the kinds that are compiled in; a control plane takes them from
//! there and its providers from its configuration:
//!
//! ```
//! use opsorch::{OpsOrch, Registry};
//!
//! # async fn start() -> opsorch::Result<()> {
//! let ops = OpsOrch::builder().registry(opsorch_providers::registry()).build().await?;
//! # drop(ops);
//! # Ok(())
//! # }
//! ```
//!
//! Every kind has the same files: its documentation, its `KIND` and the type of its configuration in `<kind>.rs`, the
//! readers and writers below it, and `docs.md` with its set-up and limits.

#[cfg(feature = "local")]
pub mod local;
#[cfg(feature = "prometheus")]
pub mod prometheus;

#[cfg(any(feature = "local", feature = "prometheus"))]
mod query;
#[cfg(any(feature = "github", feature = "jira", feature = "pagerduty", feature = "slack"))]
mod signature;

use opsorch::Registry;

/// The kinds that are compiled in.
///
/// ```
/// let registry = opsorch_providers::registry();
/// assert_eq!(registry.kinds().any(|kind| kind == "local"), cfg!(feature = "local"));
/// ```
pub fn registry() -> Registry {
    let registry = Registry::new();
    #[cfg(feature = "local")]
    let registry = registry.register::<local::LocalConfig>();
    #[cfg(feature = "prometheus")]
    let registry = registry.register::<prometheus::PrometheusConfig>();
    registry
}
