//! The places where Datadog keeps organizations.

use opsorch::transport::Url;
use opsorch::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where an organization lives: its domain, such as `datadoghq.eu`, or a short name, such as `eu`. (<https://docs.datadoghq.com/getting_started/site/>)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub enum Site {
    /// `datadoghq.com`, the default.
    #[default]
    #[serde(rename = "datadoghq.com", alias = "us1", alias = "US1")]
    Us1,
    /// `us3.datadoghq.com`.
    #[serde(rename = "us3.datadoghq.com", alias = "us3", alias = "US3")]
    Us3,
    /// `us5.datadoghq.com`.
    #[serde(rename = "us5.datadoghq.com", alias = "us5", alias = "US5")]
    Us5,
    /// `datadoghq.eu`.
    #[serde(rename = "datadoghq.eu", alias = "eu", alias = "EU", alias = "eu1", alias = "EU1")]
    Eu,
    /// `ap1.datadoghq.com`.
    #[serde(rename = "ap1.datadoghq.com", alias = "ap1", alias = "AP1")]
    Ap1,
    /// `ap2.datadoghq.com`.
    #[serde(rename = "ap2.datadoghq.com", alias = "ap2", alias = "AP2")]
    Ap2,
    /// `uk1.datadoghq.com`.
    #[serde(rename = "uk1.datadoghq.com", alias = "uk1", alias = "UK1")]
    Uk1,
    /// `ddog-gov.com`.
    #[serde(rename = "ddog-gov.com", alias = "gov", alias = "GOV", alias = "us1-fed", alias = "US1-FED")]
    Gov,
    /// `us2.ddog-gov.com`.
    #[serde(rename = "us2.ddog-gov.com", alias = "gov2", alias = "GOV2", alias = "us2-fed", alias = "US2-FED")]
    Gov2,
}

impl Site {
    /// Every site.
    pub const ALL: [Self; 9] =
        [Self::Us1, Self::Us3, Self::Us5, Self::Eu, Self::Ap1, Self::Ap2, Self::Uk1, Self::Gov, Self::Gov2];

    /// Its domain, such as `us3.datadoghq.com`.
    ///
    /// ```
    /// use opsorch_providers::datadog::Site;
    ///
    /// assert_eq!(Site::Eu.domain(), "datadoghq.eu");
    /// ```
    pub fn domain(self) -> &'static str {
        self.hosts().0
    }

    /// Where its API is.
    pub(super) fn api(self) -> Result<Url> {
        address(&format!("api.{}", self.domain()))
    }

    /// Where a person opens it.
    pub(super) fn app(self) -> Result<Url> {
        address(self.hosts().1)
    }

    /// Its domain, and where a person opens it: only sites without a subdomain of their own are below `app.`.
    fn hosts(self) -> (&'static str, &'static str) {
        match self {
            Self::Us1 => ("datadoghq.com", "app.datadoghq.com"),
            Self::Us3 => ("us3.datadoghq.com", "us3.datadoghq.com"),
            Self::Us5 => ("us5.datadoghq.com", "us5.datadoghq.com"),
            Self::Eu => ("datadoghq.eu", "app.datadoghq.eu"),
            Self::Ap1 => ("ap1.datadoghq.com", "ap1.datadoghq.com"),
            Self::Ap2 => ("ap2.datadoghq.com", "ap2.datadoghq.com"),
            Self::Uk1 => ("uk1.datadoghq.com", "uk1.datadoghq.com"),
            Self::Gov => ("ddog-gov.com", "app.ddog-gov.com"),
            Self::Gov2 => ("us2.ddog-gov.com", "us2.ddog-gov.com"),
        }
    }
}

fn address(host: &str) -> Result<Url> {
    let url = format!("https://{host}").parse();
    url.map_err(|error| Error::unexpected("an address is none").with_source(error))
}
