//! Deployments.

use async_trait::async_trait;
use opsorch::capability::{DeploymentReader, DeploymentRecorder};
use opsorch::gate::Approved;
use opsorch::{Context, Deployment, DeploymentId, DeploymentQuery, Operation, Page, RecordDeployment, Result};

use super::MemoryProvider;
use super::matching::{among, any_of, mentions, within};
use super::table::{newest, page_of, wanted};
use super::world::{Place, World};

#[async_trait]
impl DeploymentReader for MemoryProvider {
    async fn query(&self, _: &Context, query: &DeploymentQuery) -> Result<Page<Deployment>> {
        self.page(Operation::DeploymentQuery, |world| {
            page_of(world.deployments.rows(), wanted!(query), newest, |deployment| matches(world, query, deployment))
        })
        .await
    }

    async fn get(&self, _: &Context, id: &DeploymentId) -> Result<Deployment> {
        self.read(Operation::DeploymentGet, |world| world.deployments.get(id).cloned()).await
    }
}

fn matches(world: &World, query: &DeploymentQuery, deployment: &Deployment) -> bool {
    let Deployment { service, environment, version, .. } = deployment;
    let place = Place::in_fields(&deployment.fields).at(service);
    mentions(&query.query, [service.as_deref(), environment.as_deref(), version.as_deref()])
        && among(&query.statuses, &deployment.status)
        && any_of(&query.versions, version.as_ref())
        && within(deployment.started_at, query.since, query.until)
        && world.in_scope(&query.scope, Place { environment: environment.as_deref().or(place.environment), ..place })
}

#[async_trait]
impl DeploymentRecorder for MemoryProvider {
    async fn record(&self, _: &Context, input: Approved<'_, RecordDeployment>) -> Result<Deployment> {
        self.change(input, |world, input| {
            let started = input.started_at.unwrap_or_else(|| world.now());
            Ok(world.deployments.add(|id| {
                let deployment = Deployment::new(id, &input.status).started_at(started);
                let mut deployment =
                    deployment.service(&input.service).environment(&input.environment).version(&input.version);
                (deployment.finished_at, deployment.url) = (input.finished_at, input.url.clone());
                (deployment.fields, deployment.metadata) = (input.fields.clone(), input.metadata.clone());
                deployment
            }))
        })
        .await
    }
}
