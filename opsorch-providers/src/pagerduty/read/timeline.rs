//! Reads timelines.

use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::TimelineReader;
use opsorch::{Context, IncidentId, Page, Result, TimelineEntry};

use crate::pagerduty::api::{Api, WALL, known_id};
use crate::pagerduty::map::Map;
use crate::pagerduty::wire::{LogEntryList, NoteList, Part as _};

/// What happened to incidents: PagerDuty's log, and the notes of people.
#[derive(Debug)]
pub(in crate::pagerduty) struct Timelines {
    api: Api,
    map: Arc<Map>,
}

impl Timelines {
    pub(in crate::pagerduty) fn new(api: Api, map: Arc<Map>) -> Self {
        Self { api, map }
    }
}

#[async_trait]
impl TimelineReader for Timelines {
    async fn timeline(&self, cx: &Context, id: &IncidentId) -> Result<Page<TimelineEntry>> {
        let incident = known_id("incident", id.as_str())?;
        let (entries, is_cut) =
            self.api.list(&["incidents", incident, "log_entries"], Vec::new()).all::<LogEntryList>(cx).await?;
        // The one list that has no pages: at most 2 000 notes are kept.
        let notes: NoteList = self.api.get(cx, ["incidents", incident, "notes"], &[]).await?;
        let page = Page::new(self.map.timeline(id, entries, notes.into_items()));
        Ok(match is_cut {
            true => page.truncated(format!("PagerDuty gives the {WALL} newest entries of a log")),
            false => page,
        })
    }
}
