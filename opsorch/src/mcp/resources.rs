//! What can be read by an address: docs, and what some tools answer.

use std::fmt::Write as _;

use opsorch_schema::Operation;
use rmcp::model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde_json::{Map, Value};

use super::call::Answer;
use super::catalogue::Other;
use super::handler::untrusted;
use super::inert::NOTICE;
use super::names::ROWS;
use crate::http::beside;
use crate::{Error, Result};

const SCHEME: &str = "opsorch://";
const MARKDOWN: &str = "text/markdown";
const JSON: &str = "application/json";

/// The resources, each with the tool that it shows the answer of.
pub(super) fn listed() -> impl Iterator<Item = (Option<Other>, Resource)> {
    let resource = |path: &str, title: &str, media: &str| {
        Resource::new(format!("{SCHEME}{path}"), path).with_title(title).with_mime_type(media)
    };
    [
        (None, resource("docs/agents", "How to work with this server", MARKDOWN)),
        (None, resource("docs/operations", "The operations, and their tools", MARKDOWN)),
        (Some(Other::ListProviders), resource("providers", "The providers there are", JSON)),
        (Some(Other::ListApprovals), resource("approvals", "The changes that wait, or can be made", JSON)),
    ]
    .into_iter()
}

/// The resources of which there are many.
pub(super) fn templates() -> impl Iterator<Item = (Other, ResourceTemplate)> {
    let template = |path: &str, title: &str| {
        let name = path.split('/').next().unwrap_or_default().trim_end_matches('s');
        ResourceTemplate::new(format!("{SCHEME}{path}"), name).with_title(title).with_mime_type(JSON)
    };
    [
        (Other::Investigate, template("incidents/{id}{?on}", "Everything that is known about an incident")),
        (Other::GetApproval, template("approvals/{id}", "A change that was proposed, and what became of it")),
    ]
    .into_iter()
}

/// What an address stands for.
pub(super) enum Found {
    Text(String),
    /// What this tool answers to these arguments.
    View(Other, Map<String, Value>),
}

/// Finds what an address stands for.
pub(super) fn find(uri: &str) -> Result<Found> {
    let unknown = || Error::not_found("there is no resource at this address; resources/list lists them");
    let rest = uri.strip_prefix(SCHEME).ok_or_else(unknown)?;
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let parts: Vec<_> = path.split('/').collect();
    let found = match (parts.as_slice(), query) {
        (["docs", "agents"], None) => Found::Text(include_str!("agents.md").to_owned()),
        (["docs", "operations"], None) => Found::Text(operations()),
        (["providers"], None) => Found::View(Other::ListProviders, Map::new()),
        (["approvals"], None) => Found::View(Other::ListApprovals, Map::new()),
        (["approvals", id], None) if !id.is_empty() => {
            Found::View(Other::GetApproval, Map::from_iter([text_argument("id", id)?]))
        }
        (["incidents", id], query) if !id.is_empty() => {
            let mut arguments = Map::from_iter([text_argument("incident", id)?]);
            if let Some(query) = query {
                let on = query.strip_prefix("on=").filter(|on| !on.contains('&')).ok_or_else(unknown)?;
                arguments.extend([text_argument("on", on)?]);
            }
            Found::View(Other::Investigate, arguments)
        }
        _ => return Err(unknown()),
    };
    Ok(found)
}

/// An argument, from a part of an address.
fn text_argument(name: &str, part: &str) -> Result<(String, Value)> {
    Ok((name.to_owned(), Value::String(beside::decoded(name, part)?)))
}

/// The table of operations, with their tools.
fn operations() -> String {
    let mut text = String::from("| tool | operation | effect | what it does |\n|---|---|---|---|\n");
    for operation in Operation::ALL {
        let tool = ROWS.iter().find(|row| row.operation == *operation).map_or("", |row| row.name);
        // Writing to a text does not fail.
        let _ = writeln!(text, "| `{tool}` | `{operation}` | {} | {} |", operation.effect(), operation.summary());
    }
    text
}

/// A text of ours.
pub(super) fn text(uri: &str, text: String) -> ReadResourceResult {
    ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type(MARKDOWN)])
}

/// What a tool answered.
pub(super) fn json(uri: &str, answer: &Answer) -> Result<ReadResourceResult> {
    let mut contents = vec![
        ResourceContents::text(NOTICE, uri),
        ResourceContents::text(beside::inert(&answer.value)?, uri).with_mime_type(JSON).with_meta(untrusted()),
    ];
    contents.extend(answer.notes.iter().map(|note| ResourceContents::text(note, uri)));
    Ok(ReadResourceResult::new(contents))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(uri: &str) -> Option<(Other, Value)> {
        match find(uri) {
            Ok(Found::View(other, arguments)) => Some((other, arguments.into())),
            _ => None,
        }
    }

    #[test]
    fn addresses_lead_to_what_they_name_and_nowhere_else() {
        for (_, resource) in listed() {
            assert!(find(&resource.uri).is_ok(), "{}", resource.uri);
        }
        let expected = json!({ "incident": "a/b", "on": "pager duty" });
        assert_eq!(view("opsorch://incidents/a%2Fb?on=pager%20duty"), Some((Other::Investigate, expected)));
        assert_eq!(view("opsorch://approvals/g-1"), Some((Other::GetApproval, json!({ "id": "g-1" }))));
        for wrong in [
            "",
            "file:///etc/passwd",
            "opsorch://",
            "opsorch://incidents/",
            "opsorch://incidents/a/b",
            "opsorch://incidents/a?on=x&y=z",
            "opsorch://providers?x",
            "opsorch://docs/../providers",
        ] {
            assert!(find(wrong).is_err(), "{wrong}");
        }
    }
}
