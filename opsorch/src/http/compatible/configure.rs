//! `/providers/{capability}`: which providers there are, and, where it was allowed explicitly, another one.

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode};
use opsorch_schema::Capability;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::decode::{self, GoInput};
use super::error::Failure;
use super::{Status, not_found, read};
use crate::ErrorKind;
use crate::http::app::{App, Caller};
use crate::http::configure::Failed;
use crate::http::{Role, respond};
use crate::secret::StoredProvider;

pub(super) async fn handle(
    app: &App,
    caller: &Caller,
    parts: &Parts,
    capability: &str,
    body: Body,
) -> Result<Response, Failure> {
    match parts.method {
        Method::GET => {
            caller.principal.require(Role::Viewer)?;
            let capability = named(capability)?;
            let offers =
                app.ops.providers().filter(|one| one.operations().iter().any(|o| o.capability() == capability));
            let mut providers: Vec<_> = offers.map(|provider| provider.name().as_str().to_lowercase()).collect();
            providers.sort_unstable();
            Ok(respond::json(StatusCode::OK, &Providers { providers }, 64)?)
        }
        Method::POST => configure(app, caller, capability, body).await,
        _ => Ok(not_found()),
    }
}

#[derive(Serialize)]
struct Providers {
    providers: Vec<String>,
}

/// As OpsOrch has it: without a place to keep the configuration there is no configuring.
async fn configure(app: &App, caller: &Caller, capability: &str, body: Body) -> Result<Response, Failure> {
    let Some(configuring) = &app.options.configuring else {
        let message = "secret provider not configured";
        return Err(Failure::new(StatusCode::NOT_IMPLEMENTED, "secret_provider_missing", message));
    };
    caller.principal.require(Role::Admin)?;
    let capability = named(capability)?;
    let body = read(app, body).await?;
    let bad = |error: serde_json::Error| Failure::bad_request(error.to_string());
    let wanted = Wanted::deserialize(GoInput::new(decode::first_value(&body).map_err(bad)?, false)).map_err(bad)?;
    if wanted.provider.is_empty() {
        return Err(Failure::bad_request("provider required"));
    }
    let config = match wanted.config {
        Value::Null => Map::new(),
        Value::Object(config) => config,
        _ => return Err(Failure::bad_request("invalid config: expected an object")),
    };
    let mut provider = StoredProvider::new(wanted.provider.trim().to_lowercase()).config(config);
    provider.plugin = wanted.plugin.filter(|plugin| !plugin.is_empty());
    match configuring.configure(app, &caller.cx, capability, provider).await {
        Ok(_) => Ok(respond::json(StatusCode::OK, &Status { status: "ok" }, 16)?),
        Err(Failed::Refused(error)) if *error.kind() == ErrorKind::Denied => Err(error.into()),
        Err(Failed::Refused(error)) => Err(Failure::bad_request(error.message())),
        Err(Failed::NotKept(error)) => {
            Err(Failure::new(StatusCode::BAD_GATEWAY, "secret_store_error", error.message()))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    provider: String,
    config: Value,
    plugin: Option<String>,
}

/// The capability of a name, in the singular or the plural, in any case.
fn named(name: &str) -> Result<Capability, Failure> {
    let name = name.to_ascii_lowercase();
    let found = Capability::ALL.iter().find(|capability| match capability {
        Capability::Messaging => matches!(name.as_str(), "message" | "messages" | "messaging"),
        other => name.strip_suffix('s').unwrap_or(&name) == other.name() && !name.ends_with("ss"),
    });
    found.copied().ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, "not_found", "unknown capability"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_named_in_the_singular_and_the_plural_in_any_case() {
        for capability in Capability::ALL {
            assert_eq!(named(capability.name()).unwrap(), *capability);
            assert_eq!(named(&capability.name().to_uppercase()).unwrap(), *capability);
        }
        assert_eq!(named("Messages").unwrap(), Capability::Messaging);
        assert_eq!(named("incidents").unwrap(), Capability::Incident);
        for unknown in ["secret", "incident/", "incidentss", "messagings", "", "s"] {
            assert!(named(unknown).is_err(), "{unknown}");
        }
    }
}
