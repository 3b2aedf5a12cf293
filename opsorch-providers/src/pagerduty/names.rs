//! Finds the ids of names. A name is meant to the letter: what merely resembles it is something else.

use opsorch::{Context, Error, ErrorKind, Result};

use super::api::Api;
use super::wire::{PriorityList, Reference, ServiceList, TeamList};

/// The id of the service of this name; `None` if there is none.
///
/// # Errors
/// `Invalid` about `field` where several have the name.
pub(super) async fn service_id(api: &Api, cx: &Context, field: &str, name: &str) -> Result<Option<String>> {
    if name.is_empty() {
        return Ok(None);
    }
    let (services, _) = api.list(&["services"], vec![("name", name.to_owned())]).all::<ServiceList>(cx).await?;
    let ids = services.into_iter().filter(|service| service.name.as_deref() == Some(name)).map(|service| service.id);
    only(field, "services", name, ids.collect())
}

/// The id of the team of this name; `None` if there is none.
///
/// # Errors
/// `Invalid` about `field` where several have the name.
pub(super) async fn team_id(api: &Api, cx: &Context, field: &str, name: &str) -> Result<Option<String>> {
    if name.is_empty() {
        return Ok(None);
    }
    let (teams, _) = api.list(&["teams"], vec![("query", name.to_owned())]).all::<TeamList>(cx).await?;
    let ids = teams.into_iter().filter(|team| team.label() == Some(name)).filter_map(|team| team.id);
    only(field, "teams", name, ids.collect())
}

/// The priorities of the account; none where its plan has none.
pub(super) async fn priorities(api: &Api, cx: &Context) -> Result<Vec<Reference>> {
    match api.list(&["priorities"], Vec::new()).all::<PriorityList>(cx).await {
        Ok((priorities, _)) => Ok(priorities),
        Err(error) if *error.kind() == ErrorKind::Unsupported => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn only(field: &str, what: &str, name: &str, mut ids: Vec<String>) -> Result<Option<String>> {
    match ids.as_slice() {
        [] | [_] => Ok(ids.pop()),
        several => {
            let message = format!("several {what} are called `{}`: {}", opsorch::visible(name), several.join(", "));
            Err(Error::invalid(field.to_owned(), message))
        }
    }
}
