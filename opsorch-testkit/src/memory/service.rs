//! The catalogue of services.

use async_trait::async_trait;
use opsorch::capability::ServiceReader;
use opsorch::{Context, Operation, Page, Result, Service, ServiceId, ServiceQuery};

use super::MemoryProvider;
use super::matching::{any_of, has_tags, mentions};
use super::table::{page_of, wanted};
use super::world::{Place, World};

#[async_trait]
impl ServiceReader for MemoryProvider {
    async fn query(&self, _: &Context, query: &ServiceQuery) -> Result<Page<Service>> {
        self.page(Operation::ServiceQuery, |world| {
            let by_name = |service: &Service, index| (service.name.clone(), index);
            page_of(world.services.rows(), wanted!(query), by_name, |service| matches(world, query, service))
        })
        .await
    }

    async fn get(&self, _: &Context, id: &ServiceId) -> Result<Service> {
        self.read(Operation::ServiceGet, |world| world.services.get(id).cloned()).await
    }
}

fn matches(world: &World, query: &ServiceQuery, service: &Service) -> bool {
    let place = Place { service: Some(service.id.as_str()), ..Place::default() };
    any_of(&query.ids, Some(&service.id))
        && mentions(&query.name, [Some(&service.name)])
        && has_tags(&service.tags, &query.tags)
        && world.in_scope(&query.scope, place)
}
