//! GitHub's deployments, each with the newest of its statuses.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use opsorch::capability::DeploymentReader;
use opsorch::{Context, Deployment, DeploymentId, DeploymentQuery, Error, Page, Result};

use super::{refuse, text};
use crate::github::api::{Api, LARGEST_PAGE, Pairs, next_page};
use crate::github::map::deployment::deployment;
use crate::github::repository::{Repositories, Repository};
use crate::github::walk::{AT_ONCE, Batch, Source, Stamp, Turn, walk};
use crate::github::wire;
use crate::query::{among, is_within, page_size, refuse_metadata_but};

/// The deployments of the repositories that are served.
#[derive(Clone, Debug)]
pub(in crate::github) struct Deployments {
    pub(in crate::github) api: Arc<Api>,
    pub(in crate::github) repositories: Arc<Repositories>,
}

impl Deployments {
    pub(in crate::github) fn new(api: &Arc<Api>, repositories: &Arc<Repositories>) -> Self {
        Self { api: Arc::clone(api), repositories: Arc::clone(repositories) }
    }

    /// What was said of a deployment: at most the hundred newest statuses, of which one counts.
    pub(in crate::github) async fn statuses(
        &self,
        cx: &Context,
        repository: &Repository,
        id: u64,
    ) -> Result<Vec<wire::DeploymentStatus>> {
        let path = repository.path(&["deployments", &id.to_string(), "statuses"]);
        self.api.get(cx, &path, &vec![("per_page", LARGEST_PAGE.to_string())]).await
    }

    pub(in crate::github) fn mapped(
        &self,
        repository: &Repository,
        found: wire::Deployment,
        statuses: Vec<wire::DeploymentStatus>,
    ) -> Deployment {
        deployment(&self.repositories, repository, found, statuses)
    }
}

/// What a query wants that every source of deployments looks at.
pub(super) fn check(query: &DeploymentQuery, known: &[&str]) -> Result<usize> {
    refuse("query", query.query.as_deref().is_some_and(|text| !text.trim().is_empty()))?;
    refuse("scope.team", query.scope.team.is_some())?;
    refuse_metadata_but(known, &query.metadata)?;
    page_size(query.page_size())
}

/// The error for an id that can name no deployment.
pub(super) fn no_deployment(repositories: &Repositories, id: &DeploymentId) -> Error {
    let example = repositories.example();
    Error::not_found(format!("there is no deployment {:?}; an id looks like `{example}`", id.as_str()))
}

#[async_trait]
impl DeploymentReader for Deployments {
    async fn query(&self, cx: &Context, query: &DeploymentQuery) -> Result<Page<Deployment>> {
        let size = check(query, &["ref", "sha", "task"])?;
        for name in ["ref", "sha", "task"] {
            text(&query.metadata, name)?;
        }
        let repositories = self.repositories.of_service(query.scope.service.as_deref())?;
        let source = |repository| Listed { deployments: self, repository, query, size };
        let sources: Vec<_> = repositories.into_iter().map(source).collect();
        walk(cx, &sources, size, query.cursor.as_ref()).await
    }

    async fn get(&self, cx: &Context, id: &DeploymentId) -> Result<Deployment> {
        let resolved = self.repositories.resolve(id.as_str());
        let (repository, number) = resolved.ok_or_else(|| no_deployment(&self.repositories, id))?;
        let path = repository.path(&["deployments", &number.to_string()]);
        let found: wire::Deployment = self.api.get(cx, &path, &Vec::new()).await?;
        let statuses = self.statuses(cx, repository, number).await?;
        Ok(self.mapped(repository, found, statuses))
    }
}

#[derive(Debug)]
struct Listed<'a> {
    deployments: &'a Deployments,
    repository: &'a Repository,
    query: &'a DeploymentQuery,
    size: usize,
}

impl Listed<'_> {
    fn parameters(&self, turn: &Turn) -> Result<Pairs> {
        let mut pairs: Pairs = Vec::new();
        for name in ["ref", "sha", "task"] {
            pairs.extend(text(&self.query.metadata, name)?.map(|value| (name, value.to_owned())));
        }
        pairs.extend(self.query.scope.environment.clone().map(|name| ("environment", name)));
        pairs.push(("per_page", turn.size.unwrap_or(LARGEST_PAGE).to_string()));
        pairs.extend(turn.page.map(|page| ("page", page.to_string())));
        pairs.extend(turn.after.clone().map(|after| ("after", after)));
        Ok(pairs)
    }

    /// Whether it may be wanted, as far as that can be told without its statuses.
    fn may_be_wanted(&self, found: &wire::Deployment) -> bool {
        let environment = self.query.scope.environment.as_ref();
        environment.is_none_or(|name| *name == found.environment)
            && is_within(Some(found.created_at), self.query.since, self.query.until)
    }

    fn is_wanted(&self, deployment: &Deployment) -> bool {
        let versions = &self.query.versions;
        let is_version = |name: &str| versions.iter().any(|version| version == name);
        among(&self.query.statuses, &deployment.status)
            && (versions.is_empty() || deployment.version.as_deref().is_some_and(is_version))
    }

    async fn entry(&self, cx: &Context, found: wire::Deployment) -> Result<(Stamp, Option<Deployment>)> {
        let stamp = Stamp::new(found.created_at, self.repository, found.id);
        if !self.may_be_wanted(&found) {
            return Ok((stamp, None));
        }
        let statuses = self.deployments.statuses(cx, self.repository, found.id).await?;
        let deployment = self.deployments.mapped(self.repository, found, statuses);
        Ok((stamp, Some(deployment).filter(|it| self.is_wanted(it))))
    }
}

#[async_trait]
impl Source for Listed<'_> {
    type Item = Deployment;

    fn name(&self) -> String {
        self.repository.to_string()
    }

    /// A page is as large as what is asked for: each of its deployments costs a request for the statuses.
    fn first(&self, _: Option<&Stamp>) -> Turn {
        Turn { page: Some(1), size: Some(self.size.min(LARGEST_PAGE)), ..Turn::default() }
    }

    async fn read(&self, cx: &Context, turn: &Turn) -> Result<Batch<Deployment>> {
        let path = self.repository.path(&["deployments"]);
        let reply = self.deployments.api.read(cx, &path, &self.parameters(turn)?).await?;
        let found: Vec<wire::Deployment> = reply.json()?;
        let since = self.query.since;
        let ends = found.last().is_some_and(|last| since.is_some_and(|since| last.created_at < since));
        let next = next_page(&reply).filter(|_| !ends);
        let next = next.map(|(page, after)| Turn { page, after, ..turn.clone() });
        let entries: Vec<_> = found.into_iter().map(|found| self.entry(cx, found)).collect();
        let entries = stream::iter(entries).buffered(AT_ONCE).try_collect().await?;
        Ok(Batch { entries, next, truncated: None })
    }
}
