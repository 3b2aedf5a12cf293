//! Reads incidents.

use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::IncidentReader;
use opsorch::{Clock, Context, Incident, IncidentId, IncidentQuery, Page, Result};

use super::conditions::Conditions;
use super::walk::{Position, Walk};
use crate::pagerduty::api::{Api, Parameters, known_id};
use crate::pagerduty::map::Map;
use crate::pagerduty::wire::{self, IncidentList, OneIncident};
use crate::query::page_size;

/// The incidents of an account.
#[derive(Clone, Debug)]
pub(in crate::pagerduty) struct Incidents {
    pub(in crate::pagerduty) api: Api,
    pub(in crate::pagerduty) map: Arc<Map>,
    clock: Arc<dyn Clock>,
}

impl Incidents {
    pub(in crate::pagerduty) fn new(api: Api, map: Arc<Map>, clock: Arc<dyn Clock>) -> Self {
        Self { api, map, clock }
    }

    /// An incident as PagerDuty has it.
    pub(in crate::pagerduty) async fn find(&self, cx: &Context, id: &str) -> Result<wire::Incident> {
        let path = ["incidents", known_id("incident", id)?];
        let found: OneIncident = self.api.get(cx, path, &[("include[]", "body".to_owned())]).await?;
        Ok(found.incident)
    }

    /// The incidents that a key joins, of their own or of their alerts, resolved ones too: the newest first.
    pub(in crate::pagerduty) async fn of_key(&self, cx: &Context, key: &str) -> Result<Vec<wire::Incident>> {
        // Without a key all incidents would be meant.
        if key.is_empty() {
            return Ok(Vec::new());
        }
        let parameters: Parameters = vec![
            ("incident_key", key.to_owned()),
            ("date_range", "all".to_owned()),
            ("sort_by", "created_at:desc".to_owned()),
            ("include[]", "body".to_owned()),
        ];
        let (incidents, _) = self.api.list(&["incidents"], parameters).next::<IncidentList>(cx).await?;
        Ok(incidents)
    }
}

#[async_trait]
impl IncidentReader for Incidents {
    async fn query(&self, cx: &Context, query: &IncidentQuery) -> Result<Page<Incident>> {
        let size = page_size(query.page_size())?;
        let position = query.cursor.as_ref().map(Position::parse).transpose()?;
        let Some(conditions) = Conditions::of(&self.api, cx, query).await? else { return Ok(Page::new(Vec::new())) };
        let walk = Walk {
            api: &self.api,
            map: &self.map,
            conditions: &conditions,
            since: query.since,
            until: query.until,
            now: self.clock.now(),
            position,
            size,
        };
        walk.page(cx).await
    }

    async fn get(&self, cx: &Context, id: &IncidentId) -> Result<Incident> {
        Ok(self.map.incident(self.find(cx, id.as_str()).await?))
    }
}
