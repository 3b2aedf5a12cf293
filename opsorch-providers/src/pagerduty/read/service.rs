//! Reads services.

use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::ServiceReader;
use opsorch::{Context, Page, Result, Service, ServiceId, ServiceQuery};

use super::conditions::{by_scope, no_environments};
use super::directory::Directory;
use crate::pagerduty::api::{Api, Parameters, known_id};
use crate::pagerduty::map::Map;
use crate::pagerduty::wire::{OneService, ServiceList};
use crate::query::{Text, page_size, refuse_metadata_but};

/// The services of an account.
#[derive(Debug)]
pub(in crate::pagerduty) struct Services {
    api: Api,
    map: Arc<Map>,
}

impl Services {
    pub(in crate::pagerduty) fn new(api: Api, map: Arc<Map>) -> Self {
        Self { api, map }
    }
}

#[async_trait]
impl ServiceReader for Services {
    async fn query(&self, cx: &Context, query: &ServiceQuery) -> Result<Page<Service>> {
        let size = page_size(query.page_size())?;
        check(query)?;
        let Some(scope) = by_scope(&self.api, cx, &query.scope).await? else { return Ok(Page::new(Vec::new())) };
        let in_scope = scope.iter().find(|(name, _)| *name == "service_ids[]").map(|(_, id)| id.clone());
        let mut parameters: Parameters = vec![("sort_by", "name".to_owned())];
        parameters.extend(scope.into_iter().filter(|(name, _)| *name == "team_ids[]"));
        parameters.extend(query.name.iter().filter(|name| !name.is_empty()).map(|name| ("query", name.clone())));
        let text = Text::new(&query.name);
        let is_meant = |service: &Service| {
            (query.ids.is_empty() || query.ids.contains(&service.id))
                && text.occurs_in([Some(service.name.as_str())])
                && query.tags.iter().all(|(name, value)| service.tags.get(name) == Some(value))
                && in_scope.as_deref().is_none_or(|id| service.id.as_str() == id)
        };
        let map = |service| Some(self.map.service(service));
        let directory = Directory { api: &self.api, path: &["services"], parameters, map };
        directory.page::<ServiceList, _>(cx, size, query.cursor.as_ref(), is_meant).await
    }

    async fn get(&self, cx: &Context, id: &ServiceId) -> Result<Service> {
        let path = ["services", known_id("service", id.as_str())?];
        let found: OneService = self.api.get(cx, path, &[]).await?;
        Ok(self.map.service(found.service))
    }
}

/// Refuses what is honoured nowhere, also what the schema gains later.
fn check(query: &ServiceQuery) -> Result<()> {
    refuse_metadata_but(&[], &query.metadata)?;
    let mut honoured = ServiceQuery::new();
    honoured.ids.clone_from(&query.ids);
    honoured.name.clone_from(&query.name);
    honoured.tags.clone_from(&query.tags);
    honoured.scope.service.clone_from(&query.scope.service);
    honoured.scope.team.clone_from(&query.scope.team);
    (honoured.limit, honoured.cursor) = (query.limit, query.cursor.clone());
    if *query == honoured { Ok(()) } else { Err(no_environments()) }
}
