//! Jira's issues as tickets, and back.

use std::borrow::Cow;

use chrono::DateTime;
use opsorch::transport::Url;
use opsorch::{Comment, Ticket, TicketStatus, TicketStatusLevel, Time};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::Deployment;
use super::adf;
use super::wire::{self, Category, Issue, IssueFields, Named, Status, Text, User};
use crate::fields::{put, put_value};

/// The categories of statuses by which levels are asked for, by the ids that every Jira has.
const OPEN: [u8; 2] = [2, 4];
const DONE: u8 = 3;

/// The most bytes of a description that are kept beside it: a property holds 32 768 characters.
const MOST_KEPT: usize = 30_000;

/// Makes tickets of issues.
#[derive(Clone, Debug)]
pub(super) struct TicketMap {
    deployment: Deployment,
    page: Url,
    source: String,
}

impl TicketMap {
    pub(super) fn new(deployment: Deployment, page: Url, source: String) -> Self {
        Self { deployment, page, source }
    }

    pub(super) fn ticket(&self, issue: Issue<'_>) -> Ticket {
        let kept = issue.properties.get(wire::DESCRIPTION);
        self.ticket_of(&issue.id, &issue.key, issue.fields, kept)
    }

    /// A ticket of an issue's parts; `kept` is the description as it was written, if it was kept.
    pub(super) fn ticket_of(&self, id: &str, key: &str, fields: IssueFields<'_>, kept: Option<&Value>) -> Ticket {
        let title = fields.summary.unwrap_or_default();
        let mut ticket = Ticket::new(id, title, word(fields.status.as_ref()));
        ticket.key = Some(key.to_owned());
        ticket.url = Some(self.page(key));
        ticket.status_raw = fields.status.map(|status| status.name.into_owned());
        ticket.description = fields.description.map(|text| described(text, kept)).filter(|text| !text.is_empty());
        ticket.assignees = person(fields.assignee.as_ref()).into_iter().collect();
        ticket.reporter = person(fields.reporter.as_ref());
        ticket.created_at = fields.created.as_deref().and_then(time);
        ticket.updated_at = fields.updated.as_deref().and_then(time);

        let labels = fields.labels.unwrap_or_default();
        let components = fields.components.unwrap_or_default();
        let names: Vec<_> = components.iter().filter_map(name).collect();
        let links: Vec<_> = fields.links.iter().flatten().filter_map(link).collect();
        let mut others = fields.others;
        put(&mut others, "priority", fields.priority.as_ref().and_then(name));
        put(&mut others, "issueType", fields.issue_type.as_ref().and_then(name));
        put(&mut others, "labels", &labels);
        put(&mut others, "components", &names);
        put(&mut others, "resolution", fields.resolution.as_ref().and_then(name));
        put(&mut others, "dueDate", fields.due_date.as_deref());
        put(&mut others, "parent", fields.parent.as_ref().map(|parent| parent.key.as_ref()));
        put_value(&mut others, "links", links);
        ticket.fields = others;

        let metadata = &mut ticket.metadata;
        put(metadata, "source", &self.source);
        put(metadata, "assignee_name", display_name(fields.assignee.as_ref()));
        put(metadata, "reporter_name", display_name(fields.reporter.as_ref()));
        put(metadata, "priority", fields.priority.as_ref().and_then(name));
        put(metadata, "priority_id", fields.priority.as_ref().and_then(|it| it.id.as_deref()));
        put(metadata, "issue_type", fields.issue_type.as_ref().and_then(name));
        put(metadata, "issue_type_id", fields.issue_type.as_ref().and_then(|it| it.id.as_deref()));
        put(metadata, "issue_type_description", fields.issue_type.as_ref().and_then(|it| it.description.as_deref()));
        put(metadata, "labels", &labels);
        put(metadata, "components", &names);
        put_value(metadata, "component_details", components.iter().map(details).collect::<Vec<_>>());
        ticket
    }

    pub(super) fn comment(&self, ticket_id: &str, key: &str, comment: wire::Comment<'_>) -> Comment {
        let mut made =
            Comment::new(comment.id.as_ref(), ticket_id, comment.body.map(|Text(body)| body).unwrap_or_default());
        made.author = person(comment.author.as_ref());
        made.created_at = comment.created.as_deref().and_then(time);
        // A page is known by the key alone.
        if !key.bytes().all(|byte| byte.is_ascii_digit()) {
            let mut page = self.page(key);
            page.query_pairs_mut().append_pair("focusedCommentId", &comment.id);
            made.url = Some(page);
        }
        put(&mut made.metadata, "author_name", display_name(comment.author.as_ref()));
        made
    }

    /// The page of an issue.
    pub(super) fn page(&self, key: &str) -> Url {
        let mut page = self.page.clone();
        if let Ok(mut segments) = page.path_segments_mut() {
            segments.pop_if_empty().extend(["browse", key]);
        }
        page
    }

    /// A text as Jira takes it: a document in Cloud, and as it is in Data Center.
    pub(super) fn text(&self, text: &str) -> Value {
        match self.deployment {
            Deployment::Cloud => json!(adf::from_commonmark(text)),
            Deployment::DataCenter => json!(text),
        }
    }

    /// What is kept beside a description, where its document reads otherwise than it was written: such as two backslashes,
    /// which CommonMark takes for one.
    pub(super) fn kept_description(&self, text: &str) -> Option<Value> {
        if self.deployment == Deployment::DataCenter || text.len() > MOST_KEPT {
            return None;
        }
        let reads = adf::to_commonmark(&adf::from_commonmark(text));
        (reads != text).then(|| json!({ "text": text, "reads": digest(&reads) }))
    }
}

/// What a description says: as it was written, while it still reads as it did then.
fn described(Text(reads): Text<'_>, kept: Option<&Value>) -> String {
    let written = kept.filter(|kept| kept.get("reads").and_then(Value::as_str) == Some(&digest(&reads)));
    written.and_then(|kept| kept.get("text")?.as_str().map(str::to_owned)).unwrap_or_else(|| reads.into_owned())
}

fn digest(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text).into();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How far an issue is. Its category tells whether it is done; the name tells more, where it does not contradict.
pub(super) fn level(status: &Status<'_>) -> TicketStatusLevel {
    use TicketStatusLevel as Level;
    let by_name = TicketStatusLevel::of(&status.name);
    let is_over = matches!(by_name, Level::Done | Level::Cancelled);
    match status.status_category.as_ref().map(|Category { key }| key.as_ref()) {
        Some("done") => {
            if is_over {
                by_name
            } else {
                Level::Done
            }
        }
        Some("new") => {
            if is_over || by_name == Level::Unknown {
                Level::Todo
            } else {
                by_name
            }
        }
        Some("indeterminate") => {
            if is_over || by_name == Level::Unknown {
                Level::InProgress
            } else {
                by_name
            }
        }
        _ => by_name,
    }
}

fn word(status: Option<&Status<'_>>) -> TicketStatus {
    let Some(status) = status else { return TicketStatusLevel::Unknown.into() };
    match level(status) {
        TicketStatusLevel::Unknown => status.name.as_ref().into(),
        level => level.into(),
    }
}

/// The categories in which the statuses of a level are.
pub(super) fn categories(level: TicketStatusLevel) -> &'static [u8] {
    match level {
        TicketStatusLevel::Done | TicketStatusLevel::Cancelled => &[DONE],
        TicketStatusLevel::Unknown => &[],
        _ => &OPEN,
    }
}

/// Reads `2026-11-21T03:15:00.000+0000`, which is not RFC 3339.
pub(super) fn time(text: &str) -> Option<Time> {
    let lacks_colon =
        |offset: &str| matches!(offset.as_bytes(), [b'+' | b'-', digits @ ..] if digits.iter().all(u8::is_ascii_digit));
    let time = match text.len().checked_sub(5).and_then(|at| text.split_at_checked(at)) {
        Some((time, offset)) if lacks_colon(offset) => {
            let (hours, minutes) = offset.split_at(3);
            DateTime::parse_from_rfc3339(&[time, hours, ":", minutes].concat())
        }
        _ => DateTime::parse_from_rfc3339(text),
    };
    time.ok().map(|time| time.to_utc())
}

fn person(user: Option<&User<'_>>) -> Option<String> {
    user?.id().map(str::to_owned)
}

fn display_name<'a>(user: Option<&'a User<'_>>) -> Option<&'a str> {
    user?.display_name.as_deref()
}

fn name<'a>(named: &'a Named<'_>) -> Option<&'a str> {
    named.name.as_deref()
}

fn details(component: &Named<'_>) -> Value {
    let mut details = Map::new();
    put(&mut details, "id", component.id.as_deref());
    put(&mut details, "name", component.name.as_deref());
    put(&mut details, "description", component.description.as_deref());
    Value::Object(details)
}

/// A link as it is written too: `{"type": "Blocks", "to": "OPS-2"}`.
fn link(link: &wire::Link<'_>) -> Option<Value> {
    let kind: Cow<'_, str> = link.kind.name.clone()?;
    match (&link.outward_issue, &link.inward_issue) {
        (Some(issue), _) => Some(json!({ "type": kind, "to": issue.key })),
        (None, Some(issue)) => Some(json!({ "type": kind, "from": issue.key })),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_of(name: &str, category: &str) -> TicketStatusLevel {
        let category = Some(Category { key: category.into() });
        level(&Status { name: name.into(), status_category: category })
    }

    #[test]
    fn the_category_tells_whether_it_is_done_and_the_name_tells_more() {
        use TicketStatusLevel as Level;
        for (name, category, expected) in [
            ("To Do", "new", Level::Todo),
            ("Triage", "new", Level::Todo),
            ("In Review", "indeterminate", Level::InReview),
            ("Waiting for customer", "indeterminate", Level::InProgress),
            ("Resolved", "indeterminate", Level::InProgress),
            ("Won't Do", "done", Level::Cancelled),
            ("Released", "done", Level::Done),
            ("In Progress", "done", Level::Done),
            ("Erledigt", "done", Level::Done),
            ("Frobnicated", "undefined", Level::Unknown),
        ] {
            assert_eq!(level_of(name, category), expected, "{name} in {category}");
        }
    }

    #[test]
    fn times_have_offsets_without_colons() {
        let expected = time("2026-11-21T03:15:00Z");
        assert!(expected.is_some());
        assert_eq!(time("2026-11-21T03:15:00.000+0000"), expected);
        assert_eq!(time("2026-11-20T22:15:00.000-0500"), expected);
        assert_eq!(time("yesterday"), None);
    }
}
