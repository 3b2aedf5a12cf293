//! What works with this credential, and what is missing.

use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::{Health, HealthCheck, HealthProblem};
use opsorch::transport::Reply;
use opsorch::{Context, Error, ErrorKind, Operation, OperationSet, Result};

use super::DeploymentSource;
use super::api::{Api, Pairs};
use super::repository::{Repositories, Repository};
use super::wire;

const SERVICES: [Operation; 2] = [Operation::ServiceQuery, Operation::ServiceGet];
const TEAMS: [Operation; 3] = [Operation::TeamQuery, Operation::TeamGet, Operation::TeamMembers];
const TICKETS: [Operation; 2] = [Operation::TicketQuery, Operation::TicketGet];
const CHANGES: [Operation; 3] = [Operation::TicketCreate, Operation::TicketUpdate, Operation::TicketComment];
const DEPLOYMENTS: [Operation; 2] = [Operation::DeploymentQuery, Operation::DeploymentGet];

/// Reads something small of everything that is offered. GitHub says of what a credential may change only a part: the right
/// to push, and the scopes of a classic token. What is not known to be missing passes for there.
#[derive(Debug)]
pub(super) struct Checkup {
    api: Arc<Api>,
    repositories: Arc<Repositories>,
    organization: Option<String>,
    deployments: DeploymentSource,
}

impl Checkup {
    pub(super) fn new(
        api: &Arc<Api>,
        repositories: &Arc<Repositories>,
        organization: Option<String>,
        deployments: DeploymentSource,
    ) -> Self {
        Self { api: Arc::clone(api), repositories: Arc::clone(repositories), organization, deployments }
    }

    async fn look(&self, cx: &Context, path: &[String]) -> Result<Reply> {
        self.api.read(cx, path, &Pairs::from([("per_page", "1".to_owned())])).await
    }

    async fn organization(&self, cx: &Context, organization: &str, found: &mut Findings) {
        let path = |below: &str| ["orgs", organization, below].map(str::to_owned);
        found.add(&SERVICES, organization, self.look(cx, &path("repos")).await);
        found.add(&TEAMS, organization, self.look(cx, &path("teams")).await);
    }

    async fn repository(&self, cx: &Context, repository: &Repository, found: &mut Findings) {
        let name = repository.to_string();
        let reply = self.api.read(cx, &repository.path(&[]), &Vec::new()).await;
        let known: Option<wire::Repository> = reply.as_ref().ok().and_then(|reply| reply.json().ok());
        let scopes = reply.as_ref().ok().and_then(|reply| reply.header("x-oauth-scopes").map(str::to_owned));
        if self.organization.is_none() {
            found.add(&SERVICES, &name, reply);
        }
        let listed = self.look(cx, &repository.path(&["issues"])).await;
        let can_list = listed.is_ok();
        found.add(&TICKETS, &name, listed);
        if can_list {
            match cannot_write(known.as_ref(), scopes.as_deref()) {
                Some(reason) => found.problem(&CHANGES, &format!("{name}: {reason}")),
                None => found.works(&CHANGES),
            }
        }
        let below: &[&str] = match self.deployments {
            DeploymentSource::Deployments => &["deployments"],
            DeploymentSource::WorkflowRuns => &["actions", "runs"],
        };
        let listed = self.look(cx, &repository.path(below)).await;
        let can_list = listed.is_ok();
        found.add(&DEPLOYMENTS, &name, listed);
        if can_list && self.deployments == DeploymentSource::Deployments {
            match cannot_deploy(known.as_ref(), scopes.as_deref()) {
                Some(reason) => found.problem(&[Operation::DeploymentRecord], &format!("{name}: {reason}")),
                None => found.works(&[Operation::DeploymentRecord]),
            }
        }
    }
}

#[async_trait]
impl HealthCheck for Checkup {
    async fn check(&self, cx: &Context) -> Result<Health> {
        let mut found = Findings::default();
        if let Some(organization) = &self.organization {
            self.organization(cx, organization, &mut found).await;
        }
        for repository in self.repositories.iter() {
            self.repository(cx, repository, &mut found).await;
        }
        found.into_health()
    }
}

/// Why issues cannot be changed, as far as that is known.
fn cannot_write(repository: Option<&wire::Repository>, scopes: Option<&str>) -> Option<&'static str> {
    if repository.is_some_and(|it| it.archived) {
        return Some("the repository is archived");
    }
    if repository.is_some_and(|it| it.has_issues == Some(false)) {
        return Some("issues are switched off in the repository's settings");
    }
    let is_enough = |scope: &str| matches!(scope, "repo" | "public_repo");
    lacks(scopes, is_enough).then_some("the token lacks the scope `repo` (`public_repo` for a public repository)")
}

/// Why deployments cannot be recorded, as far as that is known.
fn cannot_deploy(repository: Option<&wire::Repository>, scopes: Option<&str>) -> Option<&'static str> {
    if repository.is_some_and(|it| it.archived) {
        return Some("the repository is archived");
    }
    if repository.and_then(|it| it.permissions.as_ref()).is_some_and(|permissions| !permissions.push) {
        return Some("the credential lacks the right to push, which deployments need");
    }
    let is_enough = |scope: &str| matches!(scope, "repo" | "public_repo" | "repo_deployment");
    lacks(scopes, is_enough).then_some("the token lacks the scope `repo_deployment`")
}

/// Whether a classic token has none of the scopes. Other tokens have no scopes, and say nothing of them.
fn lacks(scopes: Option<&str>, is_enough: impl Fn(&str) -> bool) -> bool {
    scopes.is_some_and(|scopes| !scopes.split(',').map(str::trim).any(is_enough))
}

/// What was found so far. An operation works if it works everywhere.
#[derive(Default)]
struct Findings {
    works: OperationSet,
    problems: Vec<HealthProblem>,
    version: Option<String>,
    answers: usize,
    silence: Option<Error>,
}

impl Findings {
    fn add(&mut self, operations: &[Operation], of: &str, result: Result<Reply>) {
        match result {
            Ok(reply) => {
                self.answers += 1;
                self.version = reply.header("x-github-enterprise-version").map(str::to_owned).or(self.version.take());
                self.works(operations);
            }
            Err(error) => {
                self.problem(operations, &format!("{of}: {error}"));
                match is_silence(&error) {
                    true => self.silence = Some(error),
                    false => self.answers += 1,
                }
            }
        }
    }

    fn works(&mut self, operations: &[Operation]) {
        operations.iter().for_each(|operation| self.works.insert(*operation));
    }

    fn problem(&mut self, operations: &[Operation], message: &str) {
        self.problems.push(HealthProblem::new(operations.iter().copied().collect(), message));
    }

    /// It is an error only if nothing was answered.
    fn into_health(self) -> Result<Health> {
        if let (0, Some(error)) = (self.answers, self.silence) {
            return Err(error);
        }
        let is_broken = |operation: &Operation| self.problems.iter().any(|it| it.operations.contains(*operation));
        let works = self.works.iter().filter(|operation| !is_broken(operation)).collect();
        let health = self.problems.iter().cloned().fold(Health::new(works), Health::problem);
        Ok(match self.version {
            Some(version) => health.version(version),
            None => health,
        })
    }
}

/// Whether an error says nothing about the credential or the configuration.
fn is_silence(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::RateLimited { .. })
}
