//! People by account or e-mail address.

use std::borrow::Cow;

use opsorch::{Context, Error, Result};
use serde_json::{Value, json};

use super::api::{Server, read};
use super::wire::User;

/// The most people that a search by e-mail address is asked for.
const MOST: &str = "50";

/// Finds people.
#[derive(Clone, Debug)]
pub(super) struct People {
    server: Server,
}

impl People {
    pub(super) fn new(server: Server) -> Self {
        Self { server }
    }

    /// What the API knows a person by: an account id (Cloud) or a user name (Data Center) as it is, or the one that has
    /// this e-mail address. `None` if nobody is seen to have it; Cloud hides the addresses of those who wish so.
    ///
    /// # Errors
    /// `Invalid` about `field` if several people have the address.
    pub(super) async fn id(&self, cx: &Context, field: &str, person: &str) -> Result<Option<String>> {
        if !person.contains('@') {
            return Ok((!person.trim().is_empty()).then(|| person.to_owned()));
        }
        let parameter = if self.server.is_cloud() { "query" } else { "username" };
        let request = self.server.get(&["user", "search"]).query(&[(parameter, person), ("maxResults", MOST)]);
        let reply = self.server.ask(cx, request).await?;
        let found: Vec<User<'_>> = read(&reply)?;
        let has_it = |user: &&User<'_>| user.email_address.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(person));
        let mut ids: Vec<String> =
            found.iter().filter(has_it).filter_map(|user| user.id().map(str::to_owned)).collect();
        ids.dedup();
        // On Data Center a user's name may be an e-mail address itself.
        let is_name = found.iter().any(|user| user.name.as_ref().map(Cow::as_ref) == Some(person));
        match ids.as_slice() {
            _ if is_name => Ok(Some(person.to_owned())),
            [] => Ok(None),
            [id] => Ok(Some(id.clone())),
            several => Err(Error::invalid(
                field.to_owned(),
                format!("expected one person with this e-mail address, got {}: {}", several.len(), several.join(", ")),
            )),
        }
    }

    /// A person in the form that the deployment takes.
    pub(super) fn reference(&self, id: &str) -> Value {
        if self.server.is_cloud() { json!({ "accountId": id }) } else { json!({ "name": id }) }
    }

    /// As [`People::id`], for what has to be somebody.
    ///
    /// # Errors
    /// `Invalid` about `field` if it is nobody.
    pub(super) async fn known(&self, cx: &Context, field: &str, person: &str) -> Result<String> {
        let nobody = || {
            let message = "nobody is seen to have this e-mail address; Jira hides it from others where people wish so, and \
                           then takes the account id";
            Error::invalid(field.to_owned(), message)
        };
        self.id(cx, field, person).await?.ok_or_else(nobody)
    }
}
