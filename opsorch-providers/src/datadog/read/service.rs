//! Reads services: the catalogue, with what their definitions say.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use opsorch::capability::ServiceReader;
use opsorch::{Context, Error, Page, Result, Service, ServiceId, ServiceQuery};

use crate::datadog::api::{Datadog, Parameters};
use crate::datadog::list::{List, Paging, Place, page};
use crate::datadog::map::service::{self as map, Found};
use crate::datadog::wire::resource::Document;
use crate::datadog::wire::service::{Definition, Entity, Included};
use crate::query::{Text, page_size, refuse_metadata_but};

/// The services of an organization's catalogue.
#[derive(Debug)]
pub(in crate::datadog) struct Services {
    datadog: Datadog,
}

impl Services {
    pub(in crate::datadog) fn new(datadog: Datadog) -> Self {
        Self { datadog }
    }

    async fn all(&self, cx: &Context, name: Option<&str>) -> Result<Vec<Found>> {
        let mut parameters: Parameters = vec![("filter[kind]", "service".to_owned()), ("include", "schema".to_owned())];
        parameters.extend(name.map(|name| ("filter[name]", name.to_owned())));
        let list = List {
            datadog: &self.datadog,
            path: &["api", "v2", "catalog", "entity"],
            parameters,
            paging: Paging::Offset("page[offset]", "page[limit]"),
            size: 100,
        };
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for part in list.parts::<Document<Vec<Entity>, Included>>(cx).await? {
            let schemas: HashMap<&str, &Included> = part.included.iter().map(|one| (one.id.as_str(), one)).collect();
            for entity in part.data {
                let schema = entity.relationships.schema.id().and_then(|id| schemas.get(id));
                let definition = schema.map(|one| Definition::from(one.schema())).unwrap_or_default();
                if seen.insert(entity.id.clone()) {
                    found.extend(map::service(&self.datadog, entity, definition));
                }
            }
        }
        Ok(found)
    }

    fn is_meant(&self, query: &ServiceQuery, found: &Found) -> bool {
        let Found { service, owners, .. } = found;
        let (scope, tags) = (&query.scope, &self.datadog.tags);
        let is_tagged =
            |name: &String, value: &String| service.tags.get(name) == Some(value) || found.has_tag(name, value);
        (query.ids.is_empty() || query.ids.contains(&service.id))
            && Text::new(&query.name).occurs_in([Some(service.name.as_str())])
            && query.tags.iter().all(|(name, value)| is_tagged(name, value))
            && scope.service.as_ref().is_none_or(|name| service.name == *name)
            && scope.team.as_ref().is_none_or(|team| owners.contains(team) || found.has_tag(&tags.team, team))
            && scope.environment.as_ref().is_none_or(|name| found.has_tag(&tags.environment, name))
    }
}

#[async_trait]
impl ServiceReader for Services {
    async fn query(&self, cx: &Context, query: &ServiceQuery) -> Result<Page<Service>> {
        let size = page_size(query.page_size())?;
        check(query)?;
        self.datadog.tags.wanted(&query.scope)?;
        let after = query.cursor.as_ref().map(Place::parse).transpose()?;
        let found = self.all(cx, None).await?;
        let found = found.into_iter().filter(|found| self.is_meant(query, found)).map(|found| found.service).collect();
        Ok(page(found, size, after.as_ref(), |service: &Service| Place::by_name(&service.name, service.id.as_str())))
    }

    async fn get(&self, cx: &Context, id: &ServiceId) -> Result<Service> {
        let (_, name) = map::parts(id)?;
        let mut found = self.all(cx, Some(name)).await?;
        found.retain(|found| found.service.id == *id);
        found.pop().map(|found| found.service).ok_or_else(|| map::unknown(id))
    }
}

/// Refuses what is honoured nowhere, also what the schema gains later.
fn check(query: &ServiceQuery) -> Result<()> {
    refuse_metadata_but(&[], &query.metadata)?;
    let mut honoured = ServiceQuery::new();
    honoured.ids.clone_from(&query.ids);
    honoured.name.clone_from(&query.name);
    honoured.tags.clone_from(&query.tags);
    honoured.scope.clone_from(&query.scope);
    (honoured.limit, honoured.cursor) = (query.limit, query.cursor.clone());
    if *query == honoured {
        Ok(())
    } else {
        Err(Error::unsupported("the query asks for more than the catalogue can tell"))
    }
}
