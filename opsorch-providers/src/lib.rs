//! Providers for opsorch: each kind is a module of its own, behind a cargo feature of the same name.
//!
//! | kind | feature | offers |
//! |---|---|---|
#![cfg_attr(
    feature = "datadog",
    doc = "| [`datadog`] | `datadog` | metrics, logs, monitors, incidents, services, teams and who is on call from Datadog |"
)]
#![cfg_attr(
    not(feature = "datadog"),
    doc = "| `datadog` | `datadog` | metrics, logs, monitors, incidents, services, teams and who is on call from Datadog |"
)]
#![cfg_attr(feature = "elastic", doc = "| [`elastic`] | `elastic` | logs in Elasticsearch and OpenSearch |")]
#![cfg_attr(not(feature = "elastic"), doc = "| `elastic` | `elastic` | logs in Elasticsearch and OpenSearch |")]
#![cfg_attr(
    feature = "github",
    doc = "| [`github`] | `github` | issues, deployments, workflow runs, repositories and teams of GitHub |"
)]
#![cfg_attr(
    not(feature = "github"),
    doc = "| `github` | `github` | issues, deployments, workflow runs, repositories and teams of GitHub |"
)]
#![cfg_attr(feature = "grafana", doc = "| [`grafana`] | `grafana` | alerts that Grafana sends |")]
#![cfg_attr(not(feature = "grafana"), doc = "| `grafana` | `grafana` | alerts that Grafana sends |")]
#![cfg_attr(feature = "jira", doc = "| [`jira`] | `jira` | tickets in Jira Cloud and Data Center |")]
#![cfg_attr(not(feature = "jira"), doc = "| `jira` | `jira` | tickets in Jira Cloud and Data Center |")]
#![cfg_attr(
    feature = "local",
    doc = "| [`local`] | `local` | real work without any vendor: incidents, tickets, alerts, messages, deployments, runs, a catalog, logs, metrics |"
)]
#![cfg_attr(
    not(feature = "local"),
    doc = "| `local` | `local` | real work without any vendor: incidents, tickets, alerts, messages, deployments, runs, a catalog, logs, metrics |"
)]
#![cfg_attr(
    feature = "pagerduty",
    doc = "| [`pagerduty`] | `pagerduty` | incidents, alerts, services, teams and who is on call from PagerDuty |"
)]
#![cfg_attr(
    not(feature = "pagerduty"),
    doc = "| `pagerduty` | `pagerduty` | incidents, alerts, services, teams and who is on call from PagerDuty |"
)]
#![cfg_attr(
    feature = "prometheus",
    doc = "| [`prometheus`] | `prometheus` | metrics and alerts from Prometheus and Alertmanager |"
)]
#![cfg_attr(
    not(feature = "prometheus"),
    doc = "| `prometheus` | `prometheus` | metrics and alerts from Prometheus and Alertmanager |"
)]
#![cfg_attr(
    feature = "slack",
    doc = "| [`slack`] | `slack` | messages to channels, threads and people, and approvals by people, in Slack |"
)]
#![cfg_attr(
    not(feature = "slack"),
    doc = "| `slack` | `slack` | messages to channels, threads and people, and approvals by people, in Slack |"
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

#[cfg(feature = "datadog")]
pub mod datadog;
#[cfg(feature = "elastic")]
pub mod elastic;
#[cfg(feature = "github")]
pub mod github;
#[cfg(feature = "grafana")]
pub mod grafana;
#[cfg(feature = "jira")]
pub mod jira;
#[cfg(feature = "local")]
pub mod local;
#[cfg(feature = "pagerduty")]
pub mod pagerduty;
#[cfg(feature = "prometheus")]
pub mod prometheus;
#[cfg(feature = "slack")]
pub mod slack;

#[cfg(any(feature = "grafana", feature = "prometheus"))]
mod authorization;
#[cfg(any(feature = "datadog", feature = "grafana", feature = "jira", feature = "pagerduty", feature = "prometheus"))]
mod fields;
#[cfg(any(feature = "grafana", feature = "prometheus"))]
mod notification;
#[cfg(any(
    feature = "datadog",
    feature = "elastic",
    feature = "github",
    feature = "local",
    feature = "pagerduty",
    feature = "prometheus"
))]
mod query;
#[cfg(any(feature = "grafana", feature = "slack"))]
mod replay;
#[cfg(any(feature = "github", feature = "grafana", feature = "jira", feature = "pagerduty", feature = "slack"))]
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
    #[cfg(feature = "datadog")]
    let registry = registry.register::<datadog::DatadogConfig>();
    #[cfg(feature = "elastic")]
    let registry = registry.register::<elastic::ElasticConfig>();
    #[cfg(feature = "github")]
    let registry = registry.register::<github::GitHubConfig>();
    #[cfg(feature = "grafana")]
    let registry = registry.register::<grafana::GrafanaConfig>();
    #[cfg(feature = "jira")]
    let registry = registry.register::<jira::JiraConfig>();
    #[cfg(feature = "local")]
    let registry = registry.register::<local::LocalConfig>();
    #[cfg(feature = "pagerduty")]
    let registry = registry.register::<pagerduty::PagerDutyConfig>();
    #[cfg(feature = "prometheus")]
    let registry = registry.register::<prometheus::PrometheusConfig>();
    #[cfg(feature = "slack")]
    let registry = registry.register::<slack::SlackConfig>();
    registry
}
