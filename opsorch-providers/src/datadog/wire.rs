//! The JSON of Datadog.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub(super) mod alert;
pub(super) mod deployment;
pub(super) mod incident;
pub(super) mod log;
pub(super) mod metric;
pub(super) mod resource;
pub(super) mod service;
pub(super) mod team;
pub(super) mod webhook;

/// What Datadog says when it refuses: a list of texts, or of objects as JSON:API has them.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Failure {
    #[serde(default)]
    errors: Vec<Value>,
}

impl Failure {
    /// What a body says; nothing, where it says it in another way.
    pub(super) fn of(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// The part of the request that is refused, such as `data.attributes.title`.
    pub(super) fn field(&self) -> Option<String> {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "._-[]".contains(letter);
        let mut fields = self.errors.iter().filter_map(|error| {
            let place = error.pointer("/source/pointer").or_else(|| error.pointer("/source/parameter"))?;
            Some(place.as_str()?.trim_matches('/').replace('/', "."))
        });
        let is_field = |field: &String| !field.is_empty() && field.len() <= 100 && field.chars().all(is_part);
        fields.find(is_field)
    }
}

/// What is `null` is as if it were not there.
fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
