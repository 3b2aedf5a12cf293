//! Looks up what became of a change.

use std::time::Duration;

use async_trait::async_trait;
use opsorch::capability::{Reconciled, Reconciler};
use opsorch::{Action, CommentTicket, Context, CreateTicket, RecordDeployment, Response, Result};
use serde::de::DeserializeOwned;

use super::{Writer, marker};
use crate::github::api::{LARGEST_PAGE, Pairs, next_page};
use crate::github::map;
use crate::github::map::deployment::{Note, state_of};
use crate::github::wire;

/// How far back is looked: an approval lives for minutes, and what nobody has asked for in a week stays unknown.
const LOOKED_BACK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The most pages that are looked through.
const MOST_PAGES: usize = 10;

#[async_trait]
impl Reconciler for Writer {
    /// What is found by its mark was made. What is not found may still come: GitHub lists what it took only after it has
    /// given up to answer.
    async fn reconcile(&self, cx: &Context, action: &Action, idempotency_key: &str) -> Result<Reconciled> {
        let found = match action {
            Action::TicketCreate(input) => self.find_issue(cx, input, idempotency_key).await?,
            Action::TicketComment(input) => self.find_comment(cx, input, idempotency_key).await?,
            Action::DeploymentRecord(input) => self.find_deployment(cx, input, idempotency_key).await?,
            _ => None,
        };
        Ok(found.map_or(Reconciled::Unknown, Reconciled::Applied))
    }
}

impl Writer {
    async fn find_issue(&self, cx: &Context, input: &CreateTicket, key: &str) -> Result<Option<Response>> {
        let repository = self.destination(input)?;
        let query = vec![
            ("state", "all".to_owned()),
            ("sort", "created".to_owned()),
            ("direction", "desc".to_owned()),
            ("since", self.since()),
        ];
        let is_it = |issue: &wire::Issue| {
            issue.pull_request.is_none() && issue.body.as_deref().and_then(marker::key) == Some(key)
        };
        // Who copies a text copies its mark too: the first issue with it is the one that was made.
        let all = self.look(cx, repository.path(&["issues"]), query, is_it).await?;
        let first = all.into_iter().min_by_key(|issue| issue.number);
        Ok(first.map(|issue| self.issues.mapped(repository, issue).into()))
    }

    async fn find_comment(&self, cx: &Context, input: &CommentTicket, key: &str) -> Result<Option<Response>> {
        let Some((repository, number)) = self.issues.repositories.resolve(input.id.as_str()) else { return Ok(None) };
        let path = repository.path(&["issues", &number.to_string(), "comments"]);
        let is_it = |comment: &wire::Comment| comment.body.as_deref().and_then(marker::key) == Some(key);
        let all = self.look(cx, path, vec![("since", self.since())], is_it).await?;
        let first = all.into_iter().min_by_key(|comment| comment.id);
        Ok(first.map(|comment| map::ticket::comment(input.id.as_str(), comment).into()))
    }

    /// A deployment of which nothing was said is half of what was asked for, and so no answer.
    async fn find_deployment(&self, cx: &Context, input: &RecordDeployment, key: &str) -> Result<Option<Response>> {
        let repository = self.repository_of(&input.service)?;
        let query = vec![("environment", input.environment.clone())];
        let is_it = |found: &wire::Deployment| Note::of(&found.payload).is_some_and(|note| note.key == key);
        let all = self.look(cx, repository.path(&["deployments"]), query, is_it).await?;
        let Some(found) = all.into_iter().min_by_key(|found| found.id) else { return Ok(None) };
        let statuses = self.deployments.statuses(cx, repository, found.id).await?;
        let is_said = statuses.iter().any(|status| Some(status.state.as_str()) == state_of(&input.status));
        Ok(is_said.then(|| self.deployments.mapped(repository, found, statuses).into()))
    }

    fn since(&self) -> String {
        (self.clock.now() - LOOKED_BACK).format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// What a list has of something.
    async fn look<T: DeserializeOwned>(
        &self,
        cx: &Context,
        path: Vec<String>,
        parameters: Pairs,
        is_it: impl Fn(&T) -> bool,
    ) -> Result<Vec<T>> {
        let mut turn = (Some(1), None);
        let mut all = Vec::new();
        for _ in 0..MOST_PAGES {
            let (page, after) = turn;
            let mut query = parameters.clone();
            query.push(("per_page", LARGEST_PAGE.to_string()));
            query.extend(page.map(|page: u32| ("page", page.to_string())));
            query.extend(after.map(|after| ("after", after)));
            let reply = self.issues.api.read(cx, &path, &query).await?;
            all.extend(reply.json::<Vec<T>>()?.into_iter().filter(&is_it));
            match next_page(&reply) {
                Some(next) => turn = next,
                None => break,
            }
        }
        Ok(all)
    }
}
