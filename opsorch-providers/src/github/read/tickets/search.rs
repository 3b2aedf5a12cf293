//! The issues of a repository that hold a text, by GitHub's search.

use async_trait::async_trait;
use opsorch::{Context, Result, Ticket};

use super::{Issues, Wanted};
use crate::github::api::{LARGEST_PAGE, Pairs};
use crate::github::read::span::{created, earlier};
use crate::github::repository::Repository;
use crate::github::walk::{Batch, Source, Stamp, Turn};
use crate::github::wire;

#[derive(Debug)]
pub(super) struct Searched<'a> {
    pub(super) issues: &'a Issues,
    pub(super) repository: &'a Repository,
    pub(super) wanted: &'a Wanted<'a>,
    pub(super) text: &'a str,
}

impl Searched<'_> {
    /// The query in GitHub's language. Whatever a text holds, it stands between quotes; what it finds is looked at again.
    fn terms(&self, turn: &Turn) -> String {
        let (wanted, query) = (self.wanted, self.wanted.query);
        let mut terms = vec![quoted(self.text), "in:title,body".to_owned(), format!("repo:{}", self.repository)];
        terms.push("is:issue".to_owned());
        terms.extend(wanted.state().map(|state| format!("state:{state}")));
        terms.extend(wanted.assignee().map(|name| format!("assignee:{name}")));
        terms.extend(query.reporter.as_ref().map(|name| format!("author:{name}")));
        terms.extend(wanted.labels.iter().map(|label| format!("label:{}", quoted(label))));
        terms.extend(wanted.milestone.map(|title| format!("milestone:{}", quoted(title))));
        let span = created(query.since, earlier(query.until, turn.up_to));
        terms.extend(span.map(|span| format!("created:{span}")));
        terms.join(" ")
    }
}

/// A text between quotes. There a backslash and a quote stand for themselves after a backslash.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[async_trait]
impl Source for Searched<'_> {
    type Item = Ticket;

    fn name(&self) -> String {
        self.repository.to_string()
    }

    fn first(&self, below: Option<&Stamp>) -> Turn {
        Turn { page: Some(1), up_to: below.map(Stamp::at), ..Turn::default() }
    }

    async fn read(&self, cx: &Context, turn: &Turn) -> Result<Batch<Ticket>> {
        let page = turn.page.unwrap_or(1);
        let query: Pairs = vec![
            ("q", self.terms(turn)),
            ("sort", "created".to_owned()),
            ("order", "desc".to_owned()),
            ("per_page", LARGEST_PAGE.to_string()),
            ("page", page.to_string()),
        ];
        let path = ["search".to_owned(), "issues".to_owned()];
        let found: wire::Found = self.issues.api.get(cx, &path, &query).await?;
        let more = found.total_count > u64::from(page) * LARGEST_PAGE as u64;
        let last = found.items.last().map(|issue| issue.created_at);
        let (next, too_many) = turn.window(last.filter(|_| more));
        let entries = found.items.into_iter().map(|issue| {
            let stamp = Stamp::new(issue.created_at, self.repository, issue.number);
            let item = self.wanted.keeps(&issue).then(|| self.issues.mapped(self.repository, issue));
            (stamp, item)
        });
        let timed_out = "GitHub's search ran out of time before it had looked at everything";
        let timed_out = found.incomplete_results.then_some(timed_out);
        Ok(Batch { entries: entries.collect(), next, truncated: timed_out.or(too_many).map(str::to_owned) })
    }
}
