//! What Jira says when it refuses.

use std::collections::BTreeMap;

use opsorch::transport::Reply;
use serde::Deserialize;
use serde_json::Value;

/// What Jira answers with when it refuses: about fields, and in general. Either may be empty.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::jira) struct Failure {
    error_messages: Option<Vec<String>>,
    errors: Option<BTreeMap<String, Value>>,
}

/// The names of fields that an error may show. A name that came from elsewhere could be anything.
const FIELD_NAMES: [(&str, &str); 16] = [
    ("summary", "title"),
    ("description", "description"),
    ("comment", "body"),
    ("assignee", "assignees"),
    ("reporter", "fields.reporter"),
    ("priority", "fields.priority"),
    ("labels", "fields.labels"),
    ("components", "fields.components"),
    ("issuetype", "fields.issueType"),
    ("duedate", "fields.dueDate"),
    ("parent", "fields.parent"),
    ("resolution", "fields.resolution"),
    ("issuelinks", "fields.links"),
    ("fixVersions", "fields.fixVersions"),
    ("versions", "fields.versions"),
    ("environment", "fields.environment"),
];

impl Failure {
    /// What an answer says, if it is in this form.
    pub(in crate::jira) fn of(reply: &Reply) -> Self {
        serde_json::from_slice(&reply.body).unwrap_or_default()
    }

    /// What is said in general.
    pub(in crate::jira) fn messages(&self) -> impl Iterator<Item = &str> {
        self.error_messages.iter().flatten().map(String::as_str)
    }

    /// Everything that is said, fields first.
    pub(in crate::jira) fn reasons(&self) -> impl Iterator<Item = String> {
        let of_field = |(field, reason): (&String, &Value)| match reason.as_str() {
            Some(reason) => format!("{field}: {reason}"),
            None => format!("{field}: {reason}"),
        };
        let by_field = self.errors.iter().flatten().map(of_field);
        by_field.chain(self.messages().filter(|message| !message.is_empty()).map(str::to_owned))
    }

    /// The path of the field that is wrong, if it is one.
    pub(in crate::jira) fn field(&self) -> Option<String> {
        let mut names = self.errors.as_ref()?.keys();
        let (Some(name), None) = (names.next(), names.next()) else { return None };
        if let Some((_, path)) = FIELD_NAMES.iter().find(|(known, _)| known == name) {
            return Some((*path).to_owned());
        }
        let number = name.strip_prefix("customfield_")?;
        let is_number = number.len() <= 9 && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| format!("fields.{name}"))
    }
}
