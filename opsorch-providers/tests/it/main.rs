//! The providers, through the doors that callers use.
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

#[cfg(any(feature = "github", feature = "pagerduty", feature = "slack"))]
mod budgets;
#[cfg(feature = "datadog")]
mod datadog;
#[cfg(feature = "elastic")]
mod elastic;
#[cfg(all(
    feature = "datadog",
    feature = "elastic",
    feature = "github",
    feature = "grafana",
    feature = "jira",
    feature = "pagerduty",
    feature = "prometheus",
    feature = "slack"
))]
mod fuzz;
#[cfg(feature = "github")]
mod github;
#[cfg(feature = "grafana")]
mod grafana;
#[cfg(feature = "jira")]
mod jira;
#[cfg(feature = "local")]
mod local;
#[cfg(feature = "pagerduty")]
mod pagerduty;
#[cfg(feature = "prometheus")]
mod prometheus;
#[cfg(feature = "slack")]
mod slack;
