//! Reads alerts.
//!
//! Monitors are listed with the states of their groups, and downtimes beside them: Datadog's own search narrows to states
//! by an index that lags, and says nothing of priorities, messages and downtimes.

use async_trait::async_trait;
use opsorch::capability::AlertReader;
use opsorch::{Alert, AlertId, AlertQuery, AlertStatus, AlertStatusLevel, Context, Error, Fields, Page, Result};
use serde_json::Value;

use crate::datadog::api::{Datadog, Parameters};
use crate::datadog::list::{List, Paging, Place, page};
use crate::datadog::map::alert::{self, Found, Id};
use crate::datadog::wire::alert::{Downtime, Monitor, Monitors};
use crate::datadog::wire::resource::Document;
use crate::query::{Text, among, is_within, page_size, refuse_metadata_but};

/// How many monitors are read at once. One may have thousands of groups.
const MONITORS: usize = 250;

/// How many downtimes are read at once.
const DOWNTIMES: usize = 100;

/// The filters in Datadog's words: the tags that a monitor has.
const MONITOR_TAGS: &str = "monitor_tags";

/// The states of groups that are read, and those that are where only what fires is asked for.
const ALL: &str = "all";
const FIRING: &str = "alert,warn";

/// The monitors of an organization.
#[derive(Clone, Debug)]
pub(in crate::datadog) struct Alerts {
    pub(in crate::datadog) datadog: Datadog,
}

impl Alerts {
    pub(in crate::datadog) fn new(datadog: Datadog) -> Self {
        Self { datadog }
    }

    /// The alert of an id as it is now.
    pub(in crate::datadog) async fn find(&self, cx: &Context, id: &Id) -> Result<Found> {
        let (monitor, downtimes) = (self.monitor(cx, id).await?, self.downtimes(cx, true).await?);
        self.of(&monitor, id, &downtimes)
    }

    pub(in crate::datadog) async fn monitor(&self, cx: &Context, id: &Id) -> Result<Monitor> {
        let path = ["api", "v1", "monitor", &id.monitor.to_string()];
        self.datadog.get(cx, path, &[("group_states", ALL.to_owned())]).await
    }

    pub(in crate::datadog) fn of(&self, monitor: &Monitor, id: &Id, downtimes: &[Downtime]) -> Result<Found> {
        alert::of_id(&self.datadog, monitor, id, downtimes).ok_or_else(|| {
            let group = id.tags.join(",");
            let message = format!("the monitor {} has no group `{}` now", id.monitor, opsorch::visible(&group));
            Error::not_found(message).not_applied()
        })
    }

    /// The downtimes there are; those that are of now only, or also those that have ended and are still kept.
    pub(in crate::datadog) async fn downtimes(&self, cx: &Context, is_current: bool) -> Result<Vec<Downtime>> {
        let list = List {
            datadog: &self.datadog,
            path: &["api", "v2", "downtime"],
            parameters: vec![("current_only", is_current.to_string())],
            paging: Paging::Offset("page[offset]", "page[limit]"),
            size: DOWNTIMES,
        };
        list.all::<Document<Vec<Downtime>>>(cx).await
    }

    async fn monitors(&self, cx: &Context, query: &AlertQuery) -> Result<Vec<Monitor>> {
        let mut parameters: Parameters = vec![("group_states", states(query).to_owned())];
        parameters.extend(monitor_tags(&query.metadata)?.map(|tags| (MONITOR_TAGS, tags)));
        let list = List {
            datadog: &self.datadog,
            path: &["api", "v1", "monitor"],
            parameters,
            paging: Paging::Number("page", "page_size"),
            size: MONITORS,
        };
        list.all::<Monitors>(cx).await
    }
}

#[async_trait]
impl AlertReader for Alerts {
    async fn query(&self, cx: &Context, query: &AlertQuery) -> Result<Page<Alert>> {
        let size = page_size(query.page_size())?;
        check(query)?;
        let wanted = self.datadog.tags.wanted(&query.scope)?;
        let after = query.cursor.as_ref().map(Place::parse).transpose()?;
        let text = Text::new(&query.query);
        let is_meant = |found: &Found| {
            let alert = &found.alert;
            among(&query.statuses, &alert.status)
                && among(&query.severities, &alert.severity)
                && is_within(alert.created_at, query.since, query.until)
                && text.occurs_in([Some(alert.title.as_str()), alert.description.as_deref()])
                && wanted.iter().all(|(tag, value)| found.has(tag, value))
        };
        let monitors = self.monitors(cx, query).await?;
        let downtimes = if monitors.is_empty() { Vec::new() } else { self.downtimes(cx, true).await? };
        let found =
            monitors.iter().flat_map(|monitor| alert::alerts(&self.datadog, monitor, &downtimes, states(query) == ALL));
        let found = found.filter(is_meant).map(|found| found.alert).collect();
        let page = page(found, size, after.as_ref(), Place::in_time);
        Ok(page.url(Some(self.datadog.page(&["monitors", "manage"], &[]))))
    }

    async fn get(&self, cx: &Context, id: &AlertId) -> Result<Alert> {
        Ok(self.find(cx, &Id::parse(id)?).await?.alert)
    }
}

/// The states of groups that are worth reading. Most groups of most monitors are well.
fn states(query: &AlertQuery) -> &'static str {
    let fires = |status: &AlertStatus| status.level() == AlertStatusLevel::Firing;
    if !query.statuses.is_empty() && query.statuses.iter().all(fires) { FIRING } else { ALL }
}

/// A tag, or several of which a monitor must have all.
fn monitor_tags(metadata: &Fields) -> Result<Option<String>> {
    let wrong = |got: &Value| {
        let message = format!("expected a tag, such as `team:core`, or a list of tags, got {got}");
        Error::invalid(format!("metadata.{MONITOR_TAGS}"), message)
    };
    let Some(value) = metadata.get(MONITOR_TAGS) else { return Ok(None) };
    let tags: Option<Vec<&str>> = match value {
        Value::String(tag) => Some(vec![tag]),
        Value::Array(tags) => tags.iter().map(Value::as_str).collect(),
        _ => None,
    };
    // A comma would make two conditions of one.
    let is_tag = |tag: &&str| !tag.trim().is_empty() && !tag.contains(',') && !tag.chars().any(char::is_control);
    let tags = tags.filter(|tags| !tags.is_empty() && tags.iter().all(is_tag)).ok_or_else(|| wrong(value))?;
    Ok(Some(tags.join(",")))
}

/// Refuses what is honoured nowhere, also what the schema gains later.
fn check(query: &AlertQuery) -> Result<()> {
    refuse_metadata_but(&[MONITOR_TAGS], &query.metadata)?;
    let mut honoured = AlertQuery::new();
    honoured.query.clone_from(&query.query);
    honoured.statuses.clone_from(&query.statuses);
    honoured.severities.clone_from(&query.severities);
    honoured.scope.clone_from(&query.scope);
    (honoured.since, honoured.until) = (query.since, query.until);
    (honoured.limit, honoured.cursor) = (query.limit, query.cursor.clone());
    honoured.metadata.clone_from(&query.metadata);
    if *query == honoured { Ok(()) } else { Err(Error::unsupported("the query asks for more than monitors can tell")) }
}
