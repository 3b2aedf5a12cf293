//! Alerts: a monitor is one, and each of the groups of a monitor that is split into groups.

use std::collections::BTreeMap;

use chrono::DateTime;
use opsorch::{Alert, AlertId, AlertStatus, AlertStatusLevel, Error, Result, Severity, SeverityLevel, Time};
use serde_json::json;

use crate::datadog::api::Datadog;
use crate::datadog::scope;
use crate::datadog::wire::alert::{Downtime, Group, Monitor};
use crate::fields::put;

/// The group of a monitor that has no groups.
const WHOLE: &str = "*";

/// What each state means, and the severity of an alert whose monitor has no priority.
const STATES: [(&str, AlertStatusLevel, SeverityLevel); 3] = [
    ("Alert", AlertStatusLevel::Firing, SeverityLevel::High),
    ("Warn", AlertStatusLevel::Firing, SeverityLevel::Medium),
    ("OK", AlertStatusLevel::Resolved, SeverityLevel::Unknown),
];

/// The state of a condition that cannot be told. It is no level of ours, and people are called for it.
const NO_DATA: &str = "No Data";

/// What the five priorities mean.
const PRIORITIES: [SeverityLevel; 5] =
    [SeverityLevel::Critical, SeverityLevel::High, SeverityLevel::Medium, SeverityLevel::Low, SeverityLevel::Info];

/// The id of an alert: that of its monitor; for a group with the tags of the group, in order: `42:env:prod,host:web-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::datadog) struct Id {
    pub(in crate::datadog) monitor: u64,
    pub(in crate::datadog) tags: Vec<String>,
}

impl Id {
    /// The id of a group, however its tags are put together.
    pub(in crate::datadog) fn of_group(monitor: u64, group: &str) -> Self {
        let tags = group.split(',').map(str::trim).filter(|tag| !tag.is_empty() && *tag != WHOLE);
        let mut tags: Vec<String> = tags.map(str::to_owned).collect();
        tags.sort();
        tags.dedup();
        Self { monitor, tags }
    }

    /// # Errors
    /// `NotFound` for what is none: nothing has such an id.
    pub(in crate::datadog) fn parse(id: &AlertId) -> Result<Self> {
        let (monitor, group) = id.as_str().split_once(':').unwrap_or((id.as_str(), ""));
        let parsed = monitor.parse().ok().map(|number| Self::of_group(number, group));
        parsed.filter(|parsed| parsed.to_string() == id.as_str()).ok_or_else(|| {
            let id = opsorch::visible(id.as_str());
            let message = format!("Datadog has no alert `{id}`; an id is as `42`, or as `42:env:prod,host:web-1`");
            Error::not_found(message).not_applied()
        })
    }

    pub(in crate::datadog) fn tags(&self) -> Vec<&str> {
        self.tags.iter().map(String::as_str).collect()
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.monitor)?;
        if self.tags.is_empty() { Ok(()) } else { write!(f, ":{}", self.tags.join(",")) }
    }
}

/// An alert, and the tags that a scope is looked for in.
#[derive(Debug)]
pub(in crate::datadog) struct Found {
    pub(in crate::datadog) alert: Alert,
    pub(in crate::datadog) id: Id,
    tags: Vec<String>,
}

impl Found {
    /// Whether it has a tag: the group's own, where that has one of this name, else the monitor's.
    pub(in crate::datadog) fn has(&self, tag: &str, value: &str) -> bool {
        values(&self.id.tags, &self.tags, tag).any(|its| its == value)
    }
}

/// The alerts of a monitor: one for each group that was read, or one where it has no groups.
pub(in crate::datadog) fn alerts(
    datadog: &Datadog,
    monitor: &Monitor,
    downtimes: &[Downtime],
    are_all_groups: bool,
) -> Vec<Found> {
    let groups: BTreeMap<_, _> = monitor.state.groups.iter().filter(|(name, _)| *name != WHOLE).collect();
    if groups.is_empty() {
        // It may have groups that were not asked for.
        let has_none = are_all_groups || monitor.multi != Some(true);
        return has_none.then(|| whole(datadog, monitor, downtimes)).into_iter().collect();
    }
    let of_group = |(name, group): (&String, &Group)| {
        alert(datadog, monitor, Id::of_group(monitor.id, name), group.clone(), downtimes)
    };
    groups.into_iter().map(|(name, group)| of_group((name, group))).collect()
}

/// The monitor itself as an alert.
pub(in crate::datadog) fn whole(datadog: &Datadog, monitor: &Monitor, downtimes: &[Downtime]) -> Found {
    let mut group = monitor.state.groups.get(WHOLE).cloned().unwrap_or_default();
    group.status = monitor.overall_state.clone().or(group.status);
    alert(datadog, monitor, Id::of_group(monitor.id, WHOLE), group, downtimes)
}

/// The alert of an id; `None` where the monitor has no such group.
pub(in crate::datadog) fn of_id(
    datadog: &Datadog,
    monitor: &Monitor,
    id: &Id,
    downtimes: &[Downtime],
) -> Option<Found> {
    match id.tags.is_empty() {
        true => Some(whole(datadog, monitor, downtimes)),
        false => alerts(datadog, monitor, downtimes, true).into_iter().find(|found| found.id == *id),
    }
}

fn alert(datadog: &Datadog, monitor: &Monitor, id: Id, group: Group, downtimes: &[Downtime]) -> Found {
    let state = group.status.as_deref().unwrap_or_default();
    let quiet: Vec<&str> = downtimes.iter().filter(|it| mutes(it, monitor, &id)).map(|it| it.id.as_str()).collect();
    let (severity, severity_raw) = severity(monitor.priority, state);
    let name = monitor.name.as_deref().unwrap_or_default();
    let group_name = id.tags.join(",");
    let title = if id.tags.is_empty() { name.to_owned() } else { format!("{name} on {group_name}") };

    let mut mapped = Alert::new(id.to_string(), title, status(state, !quiet.is_empty()), severity);
    mapped.status_raw = group.status.clone();
    mapped.severity_raw = severity_raw;
    mapped.description = monitor.message.clone().filter(|message| !message.is_empty());
    mapped.service = values(&id.tags, &monitor.tags, &datadog.tags.service).next().map(str::to_owned);
    mapped.created_at = began(&group, state, id.tags.is_empty().then_some(monitor.overall_state_modified).flatten());
    let times = [group.last_triggered_ts, group.last_resolved_ts, group.last_nodata_ts, group.last_notified_ts];
    mapped.updated_at = times.into_iter().filter_map(time).max().or(mapped.created_at);
    let query: Vec<(&str, &str)> =
        Some(("group", group_name.as_str())).filter(|(_, name)| !name.is_empty()).into_iter().collect();
    mapped.url = Some(datadog.page(&["monitors", &monitor.id.to_string()], &query));
    put(&mut mapped.fields, "group", &group_name);
    put(&mut mapped.fields, "tags", &monitor.tags);
    put(&mut mapped.fields, "thresholds", &monitor.options.thresholds);
    mapped.metadata = datadog.metadata();
    put(&mut mapped.metadata, "monitor_id", monitor.id);
    put(&mut mapped.metadata, "monitor_name", name);
    put(&mut mapped.metadata, "type", &monitor.kind);
    put(&mut mapped.metadata, "query", &monitor.query);
    put(&mut mapped.metadata, "draft_status", monitor.draft_status.as_ref().filter(|status| *status != "published"));
    put(&mut mapped.metadata, "downtimes", quiet);
    Found { alert: mapped, id, tags: monitor.tags.clone() }
}

/// The values of a tag: those of the group, where it has any, else those of the monitor.
fn values<'a>(group: &'a [String], monitor: &'a [String], tag: &str) -> impl Iterator<Item = &'a str> {
    let of = |tags: &'a [String]| {
        let found = tags.iter().filter_map(|it| it.split_once(':')).filter(|(name, _)| *name == tag);
        found.map(|(_, value)| value).collect::<Vec<&str>>()
    };
    let own = of(group);
    if own.is_empty() { of(monitor) } else { own }.into_iter()
}

/// What a state means. A word that is in no table is kept.
pub(in crate::datadog) fn status(state: &str, is_quiet: bool) -> AlertStatus {
    let known = STATES.iter().find(|(word, ..)| *word == state).map(|(_, level, _)| *level);
    match known {
        Some(AlertStatusLevel::Firing) if is_quiet => AlertStatusLevel::Suppressed.into(),
        Some(level) => level.into(),
        None if is_quiet && state == NO_DATA => AlertStatusLevel::Suppressed.into(),
        None if state.is_empty() => AlertStatusLevel::Unknown.into(),
        None => AlertStatus::new(state),
    }
}

/// By the priority of the monitor, and Datadog's word for it; without one, by the state.
pub(in crate::datadog) fn severity(priority: Option<u8>, state: &str) -> (Severity, Option<String>) {
    if let Some(priority) = priority {
        let level = PRIORITIES.get(usize::from(priority).wrapping_sub(1)).copied();
        let word = format!("P{priority}");
        return (level.map_or_else(|| Severity::new(&*word), Severity::from), Some(word));
    }
    let known = STATES.iter().find(|(word, ..)| *word == state).map(|(.., level)| *level);
    (known.unwrap_or(SeverityLevel::Unknown).into(), Some(state.to_owned()).filter(|state| !state.is_empty()))
}

/// When it began to be so; the state of a whole monitor may be known by nothing but its last change.
fn began(group: &Group, state: &str, changed: Option<Time>) -> Option<Time> {
    let own = if state == NO_DATA { group.last_nodata_ts } else { None };
    own.and_then(|at| time(Some(at))).or_else(|| time(group.last_triggered_ts)).or(changed)
}

/// Datadog says 0 of what never happened.
fn time(seconds: Option<i64>) -> Option<Time> {
    seconds.filter(|seconds| *seconds > 0).and_then(|seconds| DateTime::from_timestamp(seconds, 0))
}

/// Whether a downtime keeps this alert quiet now.
fn mutes(downtime: &Downtime, monitor: &Monitor, id: &Id) -> bool {
    let attributes = &downtime.attributes;
    let is_meant = match (&attributes.monitor_identifier.monitor_id, &attributes.monitor_identifier.monitor_tags) {
        (Some(id), _) => *id == monitor.id,
        (None, Some(tags)) => tags.iter().all(|tag| tag == WHOLE || monitor.tags.contains(tag)),
        (None, None) => false,
    };
    is_meant
        && attributes.status.as_deref() == Some("active")
        && attributes.scope.as_deref().is_some_and(|scope| scope::includes(scope, &id.tags()))
}

/// Whether a downtime is for exactly this alert, so that ending it changes nothing else.
pub(in crate::datadog) fn is_for(downtime: &Downtime, id: &Id) -> bool {
    let attributes = &downtime.attributes;
    attributes.monitor_identifier.monitor_id == Some(id.monitor)
        && attributes.scope.as_deref().is_some_and(|scope| scope::is_exactly(scope, &id.tags()))
}

/// An alert that a downtime was just made for: Datadog may show it some seconds later.
pub(in crate::datadog) fn muted(mut alert: Alert, downtime: &str) -> Alert {
    let state = alert.status_raw.as_deref().unwrap_or_default();
    alert.status = status(state, true);
    let known = alert.metadata.entry("downtimes".to_owned()).or_insert_with(|| json!([]));
    if let Some(known) = known.as_array_mut()
        && !known.iter().any(|id| id == downtime)
    {
        known.push(downtime.into());
    }
    alert
}
