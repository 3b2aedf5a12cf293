//! Runs of workflows, as deployments.

use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::DeploymentReader;
use opsorch::{Context, Deployment, DeploymentId, DeploymentQuery, Page, Result};

use super::deployments::{check, no_deployment};
use super::span::{created, earlier};
use super::text;
use crate::github::api::{Api, LARGEST_PAGE, Pairs};
use crate::github::map::run;
use crate::github::repository::{Repositories, Repository};
use crate::github::walk::{Batch, Source, Stamp, Turn, walk};
use crate::github::wire;
use crate::query::{among, is_within};

/// The filters that GitHub has and the schema has not.
const FILTERS: [&str; 3] = ["actor", "branch", "event"];

/// How many digits a commit has that is named in full.
const WHOLE_COMMIT: usize = 40;

/// The runs of the repositories that are served.
#[derive(Clone, Debug)]
pub(in crate::github) struct WorkflowRuns {
    api: Arc<Api>,
    repositories: Arc<Repositories>,
}

impl WorkflowRuns {
    pub(in crate::github) fn new(api: &Arc<Api>, repositories: &Arc<Repositories>) -> Self {
        Self { api: Arc::clone(api), repositories: Arc::clone(repositories) }
    }
}

#[async_trait]
impl DeploymentReader for WorkflowRuns {
    async fn query(&self, cx: &Context, query: &DeploymentQuery) -> Result<Page<Deployment>> {
        let size = check(query, &FILTERS)?;
        for name in FILTERS {
            text(&query.metadata, name)?;
        }
        let repositories = self.repositories.of_service(query.scope.service.as_deref())?;
        let source = |repository| Listed { runs: self, repository, query };
        let sources: Vec<_> = repositories.into_iter().map(source).collect();
        walk(cx, &sources, size, query.cursor.as_ref()).await
    }

    async fn get(&self, cx: &Context, id: &DeploymentId) -> Result<Deployment> {
        let resolved = self.repositories.resolve(id.as_str());
        let (repository, number) = resolved.ok_or_else(|| no_deployment(&self.repositories, id))?;
        let path = repository.path(&["actions", "runs", &number.to_string()]);
        let found = self.api.get(cx, &path, &Vec::new()).await?;
        Ok(run::deployment(&self.repositories, repository, found))
    }
}

#[derive(Debug)]
struct Listed<'a> {
    runs: &'a WorkflowRuns,
    repository: &'a Repository,
    query: &'a DeploymentQuery,
}

impl Listed<'_> {
    fn parameters(&self, turn: &Turn) -> Result<Pairs> {
        let query = self.query;
        let mut pairs: Pairs = Vec::new();
        for name in FILTERS {
            pairs.extend(text(&query.metadata, name)?.map(|value| (name, value.to_owned())));
        }
        if let [version] = query.versions.as_slice()
            && version.len() == WHOLE_COMMIT
        {
            pairs.push(("head_sha", version.clone()));
        }
        pairs.extend(created(query.since, earlier(query.until, turn.up_to)).map(|span| ("created", span)));
        pairs.push(("exclude_pull_requests", "true".to_owned()));
        pairs.push(("per_page", LARGEST_PAGE.to_string()));
        pairs.push(("page", turn.page.unwrap_or(1).to_string()));
        Ok(pairs)
    }

    /// A version is a commit: the short form that is shown, or more of its digits.
    fn is_version(&self, found: &wire::WorkflowRun) -> bool {
        let shown = run::version(found);
        let versions = &self.query.versions;
        versions.is_empty()
            || versions.iter().any(|it| it.starts_with(shown) && found.head_sha.starts_with(it.as_str()))
    }

    fn is_wanted(&self, found: &wire::WorkflowRun) -> bool {
        let environment = self.query.scope.environment.as_deref();
        among(&self.query.statuses, &run::status_of(found).0)
            && self.is_version(found)
            && (environment.is_none() || run::environment(found) == environment)
            && is_within(Some(found.created_at), self.query.since, self.query.until)
    }
}

#[async_trait]
impl Source for Listed<'_> {
    type Item = Deployment;

    fn name(&self) -> String {
        self.repository.to_string()
    }

    fn first(&self, below: Option<&Stamp>) -> Turn {
        Turn { page: Some(1), up_to: below.map(Stamp::at), ..Turn::default() }
    }

    async fn read(&self, cx: &Context, turn: &Turn) -> Result<Batch<Deployment>> {
        let path = self.repository.path(&["actions", "runs"]);
        let found: wire::WorkflowRuns = self.runs.api.get(cx, &path, &self.parameters(turn)?).await?;
        let runs = found.workflow_runs;
        // The count is that of the page at times, so that a page that is not full is what tells the end.
        let last = runs.last().filter(|_| runs.len() >= LARGEST_PAGE).map(|run| run.created_at);
        let (next, too_many) = turn.window(last);
        let entries = runs.into_iter().map(|found| {
            let stamp = Stamp::new(found.created_at, self.repository, found.id);
            let item = self.is_wanted(&found);
            (stamp, item.then(|| run::deployment(&self.runs.repositories, self.repository, found)))
        });
        Ok(Batch { entries: entries.collect(), next, truncated: too_many.map(str::to_owned) })
    }
}
