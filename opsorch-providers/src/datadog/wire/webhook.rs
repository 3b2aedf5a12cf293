//! The payload of webhooks: what the template in the documents makes.

use serde::Deserialize;

/// The version of the template.
pub(in crate::datadog) const VERSION: &str = "1";

/// What the template makes of a notification. Datadog puts a text in place of each variable.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::datadog) struct Notification {
    /// The version of the template.
    pub(in crate::datadog) opsorch: String,
    /// `$ID`
    pub(in crate::datadog) id: String,
    /// `$EVENT_TYPE`
    pub(in crate::datadog) event_type: String,
    /// `$EVENT_TITLE`
    pub(in crate::datadog) event_title: String,
    /// `$TEXT_ONLY_MSG`
    pub(in crate::datadog) message: String,
    /// `$ALERT_ID`
    pub(in crate::datadog) alert_id: String,
    /// `$ALERT_TITLE`
    pub(in crate::datadog) alert_title: String,
    /// `$ALERT_TRANSITION`
    pub(in crate::datadog) alert_transition: String,
    /// `$ALERT_CYCLE_KEY`
    pub(in crate::datadog) alert_cycle_key: String,
    /// `$ALERT_SCOPE`
    pub(in crate::datadog) alert_scope: String,
    /// `$ALERT_PRIORITY`
    pub(in crate::datadog) alert_priority: String,
    /// `$ALERT_QUERY`
    pub(in crate::datadog) alert_query: String,
    /// `$TAGS`
    pub(in crate::datadog) tags: String,
    /// `$LINK`
    pub(in crate::datadog) link: String,
    /// `$DATE`, in milliseconds
    pub(in crate::datadog) date: String,
    /// `$LAST_UPDATED`, in milliseconds
    pub(in crate::datadog) last_updated: String,
    /// `$ORG_ID`
    pub(in crate::datadog) org_id: String,
}
