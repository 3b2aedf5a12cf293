//! How optional things are read: leniently, so that what OpsOrch's plugins and clients send is understood.

use serde::{Deserialize, Deserializer};
use url::Url;

use crate::{Scope, Time};

/// Reads `null` as if the field were absent.
pub(crate) fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a time; `0001-01-01T00:00:00Z`, which Go prints for a time that was never set, is no time.
pub(crate) fn optional_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    let time = Option::<Time>::deserialize(deserializer)?;
    Ok(time.filter(|time| time.timestamp() != GO_ZERO_TIME))
}

/// The first second of the year 1, in seconds since 1970.
const GO_ZERO_TIME: i64 = -62_135_596_800;

/// Reads the address of a page; one that is relative, and so cannot be opened, is no address. A broken link
/// must not cost the item it belongs to.
pub(crate) fn optional_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let address = Option::<String>::deserialize(deserializer)?;
    Ok(address.and_then(|address| Url::parse(&address).ok()))
}

/// Reads the scope of something that a provider answered. What it says beyond a scope is left out; in a query
/// it would be an error.
pub(crate) fn lenient_scope<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scope, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Answered {
        service: Option<String>,
        team: Option<String>,
        environment: Option<String>,
    }
    let Answered { service, team, environment } = null_as_default(deserializer)?;
    Ok(Scope { service, team, environment })
}
