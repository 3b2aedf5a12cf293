//! The JSON of Prometheus and Alertmanager, as they send it. Nothing here leaves the folder.

use serde::Deserialize;

pub(super) mod alertmanager;
pub(super) mod discovery;
mod field;
pub(super) mod matrix;
pub(super) mod rules;
pub(super) mod webhook;

/// What every endpoint of Prometheus answers with.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<T> {
    /// `success` or `error`.
    pub(super) status: String,
    pub(super) data: Option<T>,
    #[serde(default)]
    pub(super) warnings: Vec<String>,
    /// Hints about the query; from 3.0 on.
    #[serde(default)]
    pub(super) infos: Vec<String>,
}

/// What it answers with when it refuses.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failure {
    pub(super) error_type: String,
}
