//! Which fields hold what every log entry has.

use opsorch::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// The most names for one thing.
const MOST: usize = 16;

/// The fields that hold what every log entry has.
///
/// Where there are several names, an entry's own is the first of those that it has. A dot leads into an object, and
/// stands for itself in names that are written with dots: `log.level` is `{"log": {"level": …}}` and `{"log.level": …}`.
///
/// The defaults know the Elastic Common Schema, OpenTelemetry as Elasticsearch and as OpenSearch store it, and plain
/// names.
///
/// ```
/// use opsorch_providers::elastic::FieldNames;
///
/// let fields: FieldNames = serde_json::from_str(r#"{ "message": "msg", "severity": ["lvl", "log.level"] }"#)?;
/// assert_eq!(fields.message, ["msg"]);
/// assert_eq!(fields.service[0], "service.name");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct FieldNames {
    /// The time, by which entries are found and ordered; a field of type `date` or `date_nanos`.
    pub timestamp: String,
    /// What the entry says.
    #[serde(deserialize_with = "OneOrMany::read")]
    #[schemars(with = "OneOrMany<String>")]
    pub message: Vec<String>,
    /// How bad it says it is, as a word.
    #[serde(deserialize_with = "OneOrMany::read")]
    #[schemars(with = "OneOrMany<String>")]
    pub severity: Vec<String>,
    /// The service that wrote it.
    #[serde(deserialize_with = "OneOrMany::read")]
    #[schemars(with = "OneOrMany<String>")]
    pub service: Vec<String>,
    /// The environment, for a scope.
    #[serde(deserialize_with = "OneOrMany::read")]
    #[schemars(with = "OneOrMany<String>")]
    pub environment: Vec<String>,
    /// The team, for a scope.
    #[serde(deserialize_with = "OneOrMany::read")]
    #[schemars(with = "OneOrMany<String>")]
    pub team: Vec<String>,
}

impl Default for FieldNames {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().copied().map(str::to_owned).collect();
        Self {
            timestamp: "@timestamp".to_owned(),
            message: names(&["message", "body.text", "body", "log"]),
            severity: names(&["log.level", "severity_text", "severity.text", "severityText", "level", "severity"]),
            service: names(&[
                "service.name",
                "resource.attributes.service.name",
                "resource.attributes.service@name",
                "serviceName",
                "service",
            ]),
            environment: names(&[
                "service.environment",
                "resource.attributes.deployment.environment.name",
                "resource.attributes.deployment.environment",
                "environment",
            ]),
            team: names(&["labels.team", "resource.attributes.team", "team"]),
        }
    }
}

impl FieldNames {
    pub(super) fn check(&self) -> Result<()> {
        is_name("timestamp", &self.timestamp)?;
        let lists = [
            ("message", &self.message),
            ("severity", &self.severity),
            ("service", &self.service),
            ("environment", &self.environment),
            ("team", &self.team),
        ];
        for (field, names) in lists {
            if names.len() > MOST {
                let message = format!("expected at most {MOST} names, got {}", names.len());
                return Err(Error::invalid(format!("fields.{field}"), message));
            }
            names.iter().try_for_each(|name| is_name(field, name))?;
        }
        Ok(())
    }
}

fn is_name(field: &str, name: &str) -> Result<()> {
    let is_wrong =
        name.is_empty() || name.len() > 256 || name.contains(['*', ',']) || name.split('.').any(str::is_empty);
    match is_wrong {
        true => {
            let message = format!("expected the name of a field, such as `log.level`, got {name:?}");
            Err(Error::invalid(format!("fields.{field}"), message))
        }
        false => Ok(()),
    }
}

/// A list, or its only element.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<'de, T: Deserialize<'de>> OneOrMany<T> {
    pub(super) fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
        Ok(match Self::deserialize(deserializer)? {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        })
    }
}
