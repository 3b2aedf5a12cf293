//! The issues of a repository, by GitHub's list.

use async_trait::async_trait;
use opsorch::{Context, Result, Ticket};

use super::{Issues, Wanted};
use crate::github::api::{LARGEST_PAGE, Pairs, next_page, refused_fields};
use crate::github::repository::Repository;
use crate::github::walk::{Batch, Source, Stamp, Turn};
use crate::github::wire;

#[derive(Debug)]
pub(super) struct Listed<'a> {
    pub(super) issues: &'a Issues,
    pub(super) repository: &'a Repository,
    pub(super) wanted: &'a Wanted<'a>,
}

impl Listed<'_> {
    fn parameters(&self, turn: &Turn) -> Pairs {
        let wanted = self.wanted;
        let mut pairs: Pairs = vec![("state", wanted.state().unwrap_or("all").to_owned())];
        pairs.extend(wanted.assignee().map(|name| ("assignee", name.to_owned())));
        pairs.extend(wanted.query.reporter.as_ref().map(|name| ("creator", name.clone())));
        // A comma is what stands between two labels. What cannot be asked for is looked for in the answer.
        let labels: Vec<_> = wanted.labels.iter().copied().filter(|label| !label.contains(',')).collect();
        if !labels.is_empty() {
            pairs.push(("labels", labels.join(",")));
        }
        pairs.extend([("sort", "created".to_owned()), ("direction", "desc".to_owned())]);
        pairs.push(("per_page", LARGEST_PAGE.to_string()));
        pairs.extend(turn.page.map(|page| ("page", page.to_string())));
        pairs.extend(turn.after.clone().map(|after| ("after", after)));
        pairs
    }
}

#[async_trait]
impl Source for Listed<'_> {
    type Item = Ticket;

    fn name(&self) -> String {
        self.repository.to_string()
    }

    fn first(&self, _: Option<&Stamp>) -> Turn {
        Turn { page: Some(1), ..Turn::default() }
    }

    async fn read(&self, cx: &Context, turn: &Turn) -> Result<Batch<Ticket>> {
        let path = self.repository.path(&["issues"]);
        let reply = self.issues.api.read_any(cx, &path, &self.parameters(turn)).await?;
        if reply.status.as_u16() == 422 && refused_fields(&reply).iter().any(|it| it == "assignee" || it == "creator") {
            // There is nobody of that name, and so no issue of theirs.
            return Ok(Batch { entries: Vec::new(), next: None, truncated: None });
        }
        if !reply.status.is_success() {
            return Err(self.issues.api.refused(&reply));
        }
        let issues: Vec<wire::Issue> = reply.json()?;
        let is_past = |issue: &wire::Issue| self.wanted.query.since.is_some_and(|since| issue.created_at < since);
        let ends = issues.last().is_some_and(is_past);
        let next = next_page(&reply).filter(|_| !ends);
        let entries = issues.into_iter().map(|issue| {
            let stamp = Stamp::new(issue.created_at, self.repository, issue.number);
            let item = self.wanted.keeps(&issue).then(|| self.issues.mapped(self.repository, issue));
            (stamp, item)
        });
        let next = next.map(|(page, after)| Turn { page, after, ..Turn::default() });
        Ok(Batch { entries: entries.collect(), next, truncated: None })
    }
}
