//! Changes of the status: Jira takes them by a way of the workflow, not as a field.

use opsorch::{Context, Error, Result, TicketStatus, TicketStatusLevel};
use serde_json::json;

use super::Writer;
use super::draft::Draft;
use crate::jira::api::read;
use crate::jira::map::level;
use crate::jira::wire::{Transition, Transitions};

impl Writer {
    /// Brings a ticket to a status, by its own name or by its level. Fields of the draft that the way's screen has go
    /// with it. `None` if it is there already, else the status that it has now.
    ///
    /// # Errors
    /// `Conflict` if no way leads there from where the ticket is, `Invalid` if several statuses are meant or the screen
    /// asks for a field; and those of Jira.
    pub(super) async fn transition(
        &self,
        cx: &Context,
        id: &str,
        wanted: &TicketStatus,
        draft: &mut Draft,
    ) -> Result<Option<String>> {
        let ticket = self.tickets.read(cx, id).await.map_err(Error::not_applied)?;
        let own = ticket.status_raw.as_deref().unwrap_or_default();
        let is_level = wanted.level() != TicketStatusLevel::Unknown && ticket.status.level() == wanted.level();
        // `done` is any status of that level; `Closed` is that of this name, if there is one.
        if is_name(own, wanted) || (is_level && wanted.as_str() == wanted.level().word()) {
            return Ok(None);
        }
        let server = &self.tickets.server;
        let request = server.get(&["issue", id, "transitions"]).query(&[("expand", "transitions.fields")]);
        let reply = server.ask(cx, request).await.map_err(Error::not_applied)?;
        let found: Transitions<'_> = read(&reply).map_err(Error::not_applied)?;
        if is_level && !found.transitions.iter().any(|way| is_name(&way.to.name, wanted)) {
            return Ok(None);
        }
        let way = choose(&found.transitions, wanted, own, draft)?;
        complete(way, draft)?;
        let fields = draft.take(|name| way.fields.contains_key(name));
        let mut body = json!({ "transition": { "id": way.id } });
        if let (false, Some(body)) = (fields.is_empty(), body.as_object_mut()) {
            body.insert("fields".to_owned(), json!(fields));
        }
        server.change(cx, server.post(&["issue", id, "transitions"]).json(&body)).await?;
        Ok(Some(format!("`{}`", way.to.name)))
    }
}

/// Names of statuses are the same in any case.
fn is_name(name: &str, wanted: &TicketStatus) -> bool {
    !name.is_empty() && name.trim().to_lowercase() == wanted.as_str().trim().to_lowercase()
}

/// The way to take: to the status of this name, else to the one of this level. Of several ways to one status, one whose
/// screen asks for nothing more.
fn choose<'a, 'b>(
    ways: &'b [Transition<'a>],
    wanted: &TicketStatus,
    own: &str,
    draft: &Draft,
) -> Result<&'b Transition<'a>> {
    let mut leading: Vec<_> = ways.iter().filter(|way| is_name(&way.to.name, wanted)).collect();
    if leading.is_empty() && wanted.level() != TicketStatusLevel::Unknown {
        leading = ways.iter().filter(|way| level(&way.to) == wanted.level()).collect();
    }
    let mut names: Vec<&str> = leading.iter().map(|way| way.to.name.as_ref()).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() > 1 {
        let message = format!("`{wanted}` may be any of these statuses, name one of them: {}", names.join(", "));
        return Err(Error::invalid("status", message));
    }
    let free = leading.iter().find(|way| missing(way, draft).is_empty());
    free.or(leading.first()).copied().ok_or_else(|| {
        let mut reachable: Vec<&str> = ways.iter().map(|way| way.to.name.as_ref()).collect();
        reachable.sort_unstable();
        reachable.dedup();
        let reachable = if reachable.is_empty() { "none".to_owned() } else { reachable.join(", ") };
        Error::conflict(format!("no way leads from `{own}` to `{wanted}`; those that can be reached: {reachable}"))
    })
}

/// The fields that a way's screen asks for and nobody gave.
fn missing<'a>(way: &'a Transition<'_>, draft: &Draft) -> Vec<&'a str> {
    let asked = way.fields.iter().filter(|(_, field)| field.required && !field.has_default_value);
    asked.map(|(id, _)| id.as_str()).filter(|id| !draft.has(id)).collect()
}

fn complete(way: &Transition<'_>, draft: &Draft) -> Result<()> {
    let missing = missing(way, draft);
    let Some(first) = missing.first() else { return Ok(()) };
    let described: Vec<String> = missing.iter().map(|id| describe(way, id)).collect();
    let message = format!("the way `{}` to `{}` needs {}", way.name, way.to.name, described.join(" and "));
    Err(Error::invalid(format!("fields.{first}"), message))
}

/// A field with what it may be, such as `resolution (Done, Won't Do)`.
fn describe(way: &Transition<'_>, id: &str) -> String {
    let Some(field) = way.fields.get(id) else { return id.to_owned() };
    let values =
        field.allowed_values.iter().flatten().filter_map(|value| value.name.as_deref().or(value.value.as_deref()));
    let values: Vec<&str> = values.take(20).collect();
    let name = if field.name.is_empty() { String::new() } else { format!(" ({})", field.name) };
    match values.is_empty() {
        true => format!("`{id}`{name}"),
        false => format!("`{id}`{name}: one of {}", values.join(", ")),
    }
}
