//! Alerts as notifications tell of them.

use chrono::DateTime;
use opsorch::transport::Url;
use opsorch::{Alert, Time};

use super::alert::{Id, severity, status};
use crate::datadog::api::Datadog;
use crate::datadog::wire::webhook::Notification;
use crate::fields::put;

/// The state of a monitor after each transition, and whether an alert begins with it.
/// (<https://docs.datadoghq.com/integrations/webhooks/#variables>)
const TRANSITIONS: [(&str, &str, bool); 12] = [
    ("Triggered", "Alert", true),
    ("Re-Triggered", "Alert", false),
    ("Renotify", "Alert", false),
    ("Re-Notified", "Alert", false),
    ("Warn", "Warn", true),
    ("Re-Warn", "Warn", false),
    ("No Data", "No Data", true),
    ("Re-No Data", "No Data", false),
    ("Recovered", "OK", false),
    ("Alert Recovery", "OK", false),
    ("Warn Recovered", "OK", false),
    ("No Data Recovered", "OK", false),
];

/// The alert that a notification is about: that of the monitor, and of the group where the monitor has groups. `None` for
/// a notification that is about no monitor.
///
/// Every notification about it has the same id, and that of its end too, also where it began anew meanwhile.
pub(in crate::datadog) fn alert(datadog: &Datadog, notification: &Notification) -> Option<Alert> {
    let monitor = notification.alert_id.trim().parse().ok()?;
    let transition = said(&notification.alert_transition)?;
    let known = TRANSITIONS.iter().find(|(word, ..)| word.eq_ignore_ascii_case(transition));
    let (state, begins) = known.map_or((transition, false), |(_, state, begins)| (*state, *begins));
    let priority = said(&notification.alert_priority).and_then(|word| word.strip_prefix('P')?.parse().ok());
    let (severity, severity_raw) = severity(priority, state);
    let id = Id::of_group(monitor, said(&notification.alert_scope).unwrap_or_default());
    let title = said(&notification.alert_title).or(said(&notification.event_title)).unwrap_or_default();

    let mut alert = Alert::new(id.to_string(), title, status(state, false), severity);
    alert.status_raw = Some(transition.to_owned());
    alert.severity_raw = severity_raw;
    alert.description = said(&notification.message).map(str::to_owned);
    let tags: Vec<&str> = said(&notification.tags).unwrap_or_default().split(',').map(str::trim).collect();
    let tags: Vec<&str> = tags.into_iter().filter(|tag| !tag.is_empty()).collect();
    let named = |tags: &[&str], name: &str| {
        let found = tags.iter().filter_map(|tag| tag.split_once(':')).find(|(its, _)| *its == name);
        found.map(|(_, value)| value.to_owned())
    };
    let service = &datadog.tags.service;
    alert.service = named(&id.tags(), service).or_else(|| named(&tags, service));
    let at = time(&notification.date);
    alert.updated_at = time(&notification.last_updated).max(at);
    alert.created_at = at.filter(|_| begins);
    alert.url = said(&notification.link).and_then(web_address);
    put(&mut alert.fields, "group", id.tags.join(","));
    put(&mut alert.fields, "tags", tags);
    alert.metadata = datadog.metadata();
    put(&mut alert.metadata, "monitor_id", monitor);
    put(&mut alert.metadata, "fingerprint", fingerprint(notification));
    put(&mut alert.metadata, "query", said(&notification.alert_query));
    put(&mut alert.metadata, "event_id", said(&notification.id));
    put(&mut alert.metadata, "event_type", said(&notification.event_type));
    put(&mut alert.metadata, "org_id", said(&notification.org_id));
    Some(alert)
}

/// What joins the beginning of an alert with its end.
pub(in crate::datadog) fn fingerprint(notification: &Notification) -> Option<&str> {
    said(&notification.alert_cycle_key)
}

/// What stands in place of a variable: nothing, where Datadog has left the variable as it is, or says `null` or `None`.
pub(in crate::datadog) fn said(text: &str) -> Option<&str> {
    let text = text.trim();
    let is_variable =
        text.strip_prefix('$').is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'));
    (!text.is_empty() && !is_variable && text != "null" && text != "None").then_some(text)
}

fn time(milliseconds: &str) -> Option<Time> {
    said(milliseconds)?.parse().ok().filter(|at| *at > 0).and_then(DateTime::from_timestamp_millis)
}

/// What may be opened by a person. One with a password would carry it into every link.
fn web_address(text: &str) -> Option<Url> {
    let is_fit =
        |url: &Url| matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    text.parse().ok().filter(is_fit)
}
