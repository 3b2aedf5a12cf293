//! Incidents and their timelines.

use async_trait::async_trait;
use opsorch::capability::{IncidentReader, IncidentWriter, TimelineReader, TimelineWriter};
use opsorch::gate::Approved;
use opsorch::{
    Context, CreateIncident, Incident, IncidentId, IncidentQuery, IncidentStatusLevel, Operation, Page, Result,
    SeverityLevel, TimelineAppend, TimelineEntry, UpdateIncident,
};

use super::MemoryProvider;
use super::matching::{among, check_title, mentions, replace, within};
use super::table::{newest, page_of, wanted};
use super::world::{Place, World};

#[async_trait]
impl IncidentReader for MemoryProvider {
    async fn query(&self, _: &Context, query: &IncidentQuery) -> Result<Page<Incident>> {
        self.page(Operation::IncidentQuery, |world| {
            page_of(world.incidents.rows(), wanted!(query), newest, |incident| matches(world, query, incident))
        })
        .await
    }

    async fn get(&self, _: &Context, id: &IncidentId) -> Result<Incident> {
        self.read(Operation::IncidentGet, |world| world.incidents.get(id).cloned()).await
    }
}

fn matches(world: &World, query: &IncidentQuery, incident: &Incident) -> bool {
    mentions(&query.query, [Some(&incident.title), incident.description.as_deref()])
        && among(&query.statuses, &incident.status)
        && among(&query.severities, &incident.severity)
        && within(incident.created_at, query.since, query.until)
        && world.in_scope(&query.scope, Place::in_fields(&incident.fields).at(&incident.service))
}

#[async_trait]
impl IncidentWriter for MemoryProvider {
    /// An incident is `open` and `medium` unless the input says otherwise.
    async fn create(&self, _: &Context, input: Approved<'_, CreateIncident>) -> Result<Incident> {
        self.change(input, |world, input| {
            check_title(&input.title)?;
            let now = world.now();
            let status = input.status.clone().unwrap_or(IncidentStatusLevel::Open.into());
            let severity = input.severity.clone().unwrap_or(SeverityLevel::Medium.into());
            Ok(world.incidents.add(|id| {
                let mut incident = Incident::new(id, &input.title, status, severity).created_at(now).updated_at(now);
                incident.description = input.description.clone();
                incident.service = input.service.clone();
                incident.fields = input.fields.clone();
                incident.metadata = input.metadata.clone();
                incident
            }))
        })
        .await
    }

    async fn update(&self, _: &Context, input: Approved<'_, UpdateIncident>) -> Result<Incident> {
        self.change(input, |world, input| {
            input.title.as_deref().map_or(Ok(()), check_title)?;
            let now = world.now();
            let incident = world.incidents.get_mut(&input.id)?;
            incident.title = input.title.clone().unwrap_or_else(|| incident.title.clone());
            replace(&mut incident.description, &input.description);
            replace(&mut incident.service, &input.service);
            incident.status = input.status.clone().unwrap_or_else(|| incident.status.clone());
            incident.severity = input.severity.clone().unwrap_or_else(|| incident.severity.clone());
            incident.fields.extend(input.fields.clone());
            incident.metadata.extend(input.metadata.clone());
            incident.updated_at = Some(now);
            Ok(incident.clone())
        })
        .await
    }
}

#[async_trait]
impl TimelineReader for MemoryProvider {
    async fn timeline(&self, _: &Context, id: &IncidentId) -> Result<Page<TimelineEntry>> {
        self.page(Operation::IncidentTimelineGet, |world| {
            world.incidents.get(id)?;
            let entries = world.timeline.rows().iter().filter(|entry| entry.incident_id == *id);
            let mut entries: Vec<_> = entries.cloned().collect();
            entries.sort_by_key(|entry| entry.at);
            Ok(Page::new(entries))
        })
        .await
    }
}

#[async_trait]
impl TimelineWriter for MemoryProvider {
    async fn append(&self, _: &Context, input: Approved<'_, TimelineAppend>) -> Result<()> {
        self.change(input, |world, input| {
            world.incidents.get(&input.id)?;
            let at = input.at.unwrap_or_else(|| world.now());
            world.timeline.add(|id| {
                let mut entry = TimelineEntry::new(id, &input.id, &input.kind, &input.body).at(at);
                entry.actor = input.actor.clone();
                entry.metadata = input.metadata.clone();
                entry
            });
            Ok(())
        })
        .await
    }
}
