//! What GitHub has and the schema has not: labels, milestones, types.

use opsorch::{Context, Error, ErrorKind, Fields, Result};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::github::api::{Api, LARGEST_PAGE, Pairs, next_page};
use crate::github::repository::Repository;
use crate::github::wire::{Issue, Label, Milestone};
use crate::github::write::refuse_but;

/// The fields of an input.
#[derive(Debug, Default)]
pub(super) struct IssueFields {
    pub(super) assignees: Option<Vec<String>>,
    pub(super) labels: Option<Vec<String>>,
    pub(super) milestone: Option<WantedMilestone>,
    pub(super) kind: Option<String>,
}

impl IssueFields {
    /// Those of a new issue, which has its assignees among them.
    pub(super) fn of_new(fields: &Fields) -> Result<Self> {
        refuse_but(&["assignees", "labels", "milestone", "type"], "fields", fields)?;
        Ok(Self { assignees: texts(fields, "assignees")?, ..Self::of(fields)? })
    }

    /// Those of an issue that is there.
    pub(super) fn of_known(fields: &Fields) -> Result<Self> {
        refuse_but(&["labels", "milestone", "type"], "fields", fields)?;
        Self::of(fields)
    }

    fn of(fields: &Fields) -> Result<Self> {
        let kind = match fields.get("type") {
            None => None,
            Some(Value::String(name)) => Some(name.clone()),
            Some(_) => return Err(Error::invalid("fields.type", "expected the name of a type of issues")),
        };
        let milestone = fields.get("milestone").map(WantedMilestone::new).transpose()?;
        Ok(Self { assignees: None, labels: texts(fields, "labels")?, milestone, kind })
    }

    /// Whether an issue has what was asked for. GitHub drops without a word what the credential may not set: all of this
    /// needs the right to push, and an assignee the right to see the repository.
    pub(super) fn check(&self, repository: &Repository, issue: &Issue, done: &str) -> Result<()> {
        let labels: Vec<_> = issue.labels.iter().filter_map(Label::name).collect();
        let assignees: Vec<_> = issue.assignees.iter().map(|user| user.login.as_str()).collect();
        let mut dropped = Vec::new();
        for (name, wanted, has) in [("labels", &self.labels, labels), ("assignees", &self.assignees, assignees)] {
            if wanted.as_ref().is_some_and(|wanted| !are_same(wanted, &has)) {
                dropped.push(name);
            }
        }
        if self.milestone.as_ref().is_some_and(|wanted| !wanted.is(issue.milestone.as_ref())) {
            dropped.push("milestone");
        }
        let kind = issue.kind.as_ref().map(|kind| kind.name.as_str());
        if self.kind.as_ref().is_some_and(|wanted| !kind.is_some_and(|kind| kind.eq_ignore_ascii_case(wanted))) {
            dropped.push("type");
        }
        if dropped.is_empty() {
            return Ok(());
        }
        let dropped = dropped.join(", ");
        let message = format!("{repository}#{} was {done}, but GitHub did not take its {dropped} over", issue.number);
        let hint = "the credential needs the right to push, and who is assigned the right to see the repository";
        Err(Error::new(ErrorKind::Forbidden, message).with_context("hint", hint).maybe_applied())
    }
}

/// Whether both have the same names, in any case and order.
fn are_same(wanted: &[String], has: &[&str]) -> bool {
    let is_there = |name: &String| has.iter().any(|it| it.eq_ignore_ascii_case(name));
    let is_wanted = |name: &&str| wanted.iter().any(|it| it.eq_ignore_ascii_case(name));
    wanted.iter().all(is_there) && has.iter().all(is_wanted)
}

fn texts(fields: &Fields, name: &str) -> Result<Option<Vec<String>>> {
    let Some(value) = fields.get(name) else { return Ok(None) };
    let texts = value.as_array().and_then(|all| all.iter().map(|one| one.as_str().map(str::to_owned)).collect());
    texts.map(Some).ok_or_else(|| Error::invalid(format!("fields.{name}"), "expected a list of names"))
}

/// A milestone by its title or number, or none.
#[derive(Debug)]
pub(super) enum WantedMilestone {
    None,
    Number(u64),
    Title(String),
}

/// The number of a milestone as GitHub takes it: `null` for none.
#[derive(Debug)]
pub(super) struct MilestoneNumber(Option<u64>);

impl Serialize for MilestoneNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl WantedMilestone {
    fn new(value: &Value) -> Result<Self> {
        match (value, value.as_u64()) {
            (Value::Null, _) => Ok(Self::None),
            (Value::String(title), _) => Ok(Self::Title(title.clone())),
            (_, Some(number)) => Ok(Self::Number(number)),
            _ => Err(Error::invalid("fields.milestone", "expected the title or the number of a milestone, or null")),
        }
    }

    fn is(&self, milestone: Option<&Milestone>) -> bool {
        match (self, milestone) {
            (Self::None, milestone) => milestone.is_none(),
            (Self::Number(number), Some(milestone)) => *number == milestone.number,
            (Self::Title(title), Some(milestone)) => *title == milestone.title,
            (_, None) => false,
        }
    }

    pub(super) async fn number(&self, cx: &Context, api: &Api, repository: &Repository) -> Result<MilestoneNumber> {
        let title = match self {
            Self::None => return Ok(MilestoneNumber(None)),
            Self::Number(number) => return Ok(MilestoneNumber(Some(*number))),
            Self::Title(title) => title,
        };
        let mut page = 1_u32;
        let mut titles = Vec::new();
        loop {
            let query: Pairs =
                vec![("state", "all".to_owned()), ("per_page", LARGEST_PAGE.to_string()), ("page", page.to_string())];
            let reply = api.read(cx, &repository.path(&["milestones"]), &query).await?;
            let found: Vec<Milestone> = reply.json()?;
            if let Some(found) = found.iter().find(|milestone| milestone.title == *title) {
                return Ok(MilestoneNumber(Some(found.number)));
            }
            titles.extend(found.into_iter().map(|milestone| format!("`{}`", milestone.title)));
            match next_page(&reply) {
                Some((Some(next), _)) if next > page => page = next,
                _ => break,
            }
        }
        titles.truncate(20);
        let message = format!("{repository} has no milestone `{title}`; it has: {}", titles.join(", "));
        Err(Error::invalid("fields.milestone", message))
    }
}
