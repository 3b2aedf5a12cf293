//! Timelines: what happened to an incident, and what people wrote about it.

use opsorch::{Fields, IncidentId, TimelineEntry};

use super::{Map, put};
use crate::pagerduty::wire;

/// The kind of an entry that somebody wrote.
pub(in crate::pagerduty) const NOTE: &str = "note";

/// PagerDuty's own entry that a note was written.
const ANNOTATION: &str = "annotate_log_entry";

impl Map {
    /// The timeline of an incident, oldest first. That a note was written is told by the note itself.
    pub(in crate::pagerduty) fn timeline(
        &self,
        id: &IncidentId,
        entries: Vec<wire::LogEntry>,
        notes: Vec<wire::Note>,
    ) -> Vec<TimelineEntry> {
        let is_told = |entry: &wire::LogEntry| {
            entry.kind.as_deref() == Some(ANNOTATION) && notes.iter().any(|note| is_of(entry, note))
        };
        let entries = entries.into_iter().filter(|entry| !is_told(entry)).collect::<Vec<_>>();
        let entries = entries.into_iter().map(|entry| self.log_entry(id, entry));
        let mut all: Vec<TimelineEntry> = entries.collect();
        all.extend(notes.into_iter().map(|note| self.note(id, note)));
        all.sort_by_key(|entry| entry.at);
        all
    }

    fn log_entry(&self, id: &IncidentId, entry: wire::LogEntry) -> TimelineEntry {
        let kind = entry.kind.unwrap_or_default();
        let details = entry.event_details.and_then(|details| details.description);
        let body = entry.note.or(entry.summary).or(details.clone()).unwrap_or_default();
        let mut mapped = TimelineEntry::new(entry.id, id, &*kind, body);
        mapped.at = entry.created_at;
        mapped.actor = actor(entry.agent.as_ref());
        mapped.metadata = self.metadata();
        put(&mut mapped.metadata, "type", kind);
        put(&mut mapped.metadata, "html_url", entry.html_url);
        put(&mut mapped.metadata, "channel", entry.channel.and_then(|channel| channel.kind));
        put(&mut mapped.metadata, "event_description", details);
        mapped
    }

    pub(in crate::pagerduty) fn note(&self, id: &IncidentId, note: wire::Note) -> TimelineEntry {
        let mut mapped = TimelineEntry::new(note.id, id, NOTE, note.content.unwrap_or_default());
        mapped.at = note.created_at;
        mapped.actor = actor(note.user.as_ref());
        mapped.metadata = self.metadata();
        put(&mut mapped.metadata, "updated_at", note.updated_at.filter(|updated| Some(*updated) != note.created_at));
        mapped
    }
}

/// Whether an entry is about this note: of the same second, and by the same author where both are named.
fn is_of(entry: &wire::LogEntry, note: &wire::Note) -> bool {
    let author = |one: &Option<wire::Reference>| one.as_ref().and_then(|one| one.id.clone());
    let same_author = match (author(&entry.agent), author(&note.user)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    let second = |at: Option<opsorch::Time>| at.map(|at| at.timestamp());
    same_author && entry.created_at.is_some() && second(entry.created_at) == second(note.created_at)
}

fn actor(agent: Option<&wire::Reference>) -> Fields {
    let mut actor = Fields::new();
    let Some(agent) = agent else { return actor };
    put(&mut actor, "id", &agent.id);
    put(&mut actor, "name", agent.label());
    put(&mut actor, "email", &agent.email);
    put(&mut actor, "type", &agent.kind);
    actor
}
