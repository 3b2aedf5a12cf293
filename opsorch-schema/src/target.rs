//! What a change would act on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ProviderName, Scope};

/// What a call would act on, as policies and approvers see it.
///
/// Everything here comes from the provider's configuration, or from fields that the provider acts on; a label
/// that the caller chose freely is never part of it. An attribute that is not known is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Target {
    /// The provider that would make the change.
    pub provider: ProviderName,
    /// Its kind, such as `jira`.
    pub kind: String,
    /// The digest of its configuration without secrets: another configuration is another target.
    pub fingerprint: String,
    /// The service, team and environment it acts on, where they are known.
    pub scope: Scope,
}

impl Target {
    /// A provider of a kind, with a fingerprint of its configuration.
    pub fn new(
        provider: impl Into<ProviderName>,
        kind: impl Into<String>,
        fingerprint: impl Into<String>,
        scope: Scope,
    ) -> Self {
        Self { provider: provider.into(), kind: kind.into(), fingerprint: fingerprint.into(), scope }
    }
}
