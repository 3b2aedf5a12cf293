//! Alerts, from each of the places that tell of them.

use opsorch::signal::labels::fingerprint;
use opsorch::transport::Url;
use opsorch::{Alert, AlertId, AlertStatusLevel, Fields};
use serde_json::{Value, json};

use super::matcher::equals;
use super::page::alertmanager;
use crate::fields::put;
use crate::notification;
use crate::prometheus::labels::ScopeLabels;
use crate::prometheus::wire::alertmanager::{self as wire, Labels, Silence};
use crate::prometheus::wire::{rules, webhook};

/// Where [`Alert::metadata`] keeps the silence that was made.
const SILENCE_ID: &str = "silenceId";

/// Maps alerts, knowing which label means what.
#[derive(Clone, Debug)]
pub(in crate::prometheus) struct AlertMap {
    /// The labels that hold service, team and environment.
    pub(in crate::prometheus) labels: ScopeLabels,
}

impl AlertMap {
    /// An alert as Alertmanager has it.
    pub(in crate::prometheus) fn of_alertmanager(&self, alert: wire::Alert, page: &Url) -> Alert {
        let wire::AlertStatus { state, silenced_by, inhibited_by, muted_by } = alert.status;
        let mut mapped = self.alert(alert.fingerprint, &alert.labels, &alert.annotations, &state);
        mapped.url = Some(page_of(page, &alert.labels));
        mapped.created_at = alert.starts_at;
        mapped.updated_at = alert.updated_at;
        let receivers: Vec<String> = alert.receivers.into_iter().map(|receiver| receiver.name).collect();
        put(&mut mapped.fields, "receivers", receivers);
        put(&mut mapped.fields, "silencedBy", silenced_by);
        put(&mut mapped.fields, "inhibitedBy", inhibited_by);
        put(&mut mapped.fields, "mutedBy", muted_by);
        put(&mut mapped.fields, "generatorURL", alert.generator_url);
        put(&mut mapped.fields, "endsAt", alert.ends_at);
        mapped.metadata("source", "alertmanager")
    }

    /// An alert as the rule that raises it has it; the page is the one with the alerts of all rules.
    pub(in crate::prometheus) fn of_rule(
        &self,
        group: &rules::Group,
        rule: &rules::Rule,
        active: &rules::ActiveAlert,
        page: &Url,
    ) -> Alert {
        let id = fingerprint(&active.labels);
        let mut mapped = self.alert(id, &active.labels, &active.annotations, &active.state);
        let mut page = page.clone();
        page.query_pairs_mut().append_pair("search", &rule.name);
        mapped.url = Some(page);
        mapped.created_at = active.active_at;
        put(&mut mapped.fields, "value", number(&active.value));
        let mut origin = Fields::new();
        put(&mut origin, "group", group.name.as_str());
        put(&mut origin, "file", group.file.as_deref());
        put(&mut origin, "query", rule.query.as_deref());
        put(&mut origin, "for", rule.duration);
        put(&mut origin, "keepFiringFor", rule.keep_firing_for);
        put(&mut origin, "health", rule.health.as_deref());
        put(&mut origin, "lastError", rule.last_error.as_deref());
        mapped.field("rule", json!(origin)).metadata("source", "rules")
    }

    /// An alert of a message to a webhook. Its page is that of the Alertmanager which sent it.
    pub(in crate::prometheus) fn of_webhook(
        &self,
        alert: webhook::Alert,
        message: &webhook::Message,
        page: Option<&Url>,
    ) -> Alert {
        let id = match alert.fingerprint.is_empty() {
            true => fingerprint(&alert.labels),
            false => alert.fingerprint,
        };
        let state = if alert.status.is_empty() { &message.status } else { &alert.status };
        let mut mapped = self.alert(id, &alert.labels, &alert.annotations, state);
        mapped.url = page.map(|page| page_of(page, &alert.labels));
        mapped.created_at = alert.starts_at;
        if mapped.status.level() == AlertStatusLevel::Resolved {
            mapped.updated_at = alert.ends_at;
        }
        put(&mut mapped.fields, "generatorURL", alert.generator_url);
        put(&mut mapped.fields, "endsAt", alert.ends_at);
        put(&mut mapped.metadata, "receiver", message.receiver.as_str());
        put(&mut mapped.metadata, "groupKey", message.group_key.as_str());
        put(&mut mapped.metadata, "groupLabels", &message.group_labels);
        put(&mut mapped.metadata, "externalURL", message.external_url.as_str());
        put(&mut mapped.metadata, "notificationReason", message.notification_reason.as_deref());
        mapped.metadata("source", "webhook")
    }

    /// An alert that Alertmanager no longer has, from the silence that names its labels: it does not fire any more.
    pub(in crate::prometheus) fn of_silence(&self, id: &AlertId, silence: &Silence, page: &Url) -> Alert {
        let labels = silence.labels();
        let mut mapped = self.alert(id.to_string(), &labels, &Labels::new(), "");
        mapped.status = AlertStatusLevel::Resolved.into();
        mapped.url = Some(page_of(page, &labels));
        mapped.metadata("source", "alertmanager")
    }

    /// What every source tells: who it is, what is wrong, and how bad.
    fn alert(&self, id: String, labels: &Labels, annotations: &Labels, state: &str) -> Alert {
        notification::alert(id, labels, annotations, state, &self.labels.service)
    }
}

/// Notes the silence that keeps an alert quiet.
pub(in crate::prometheus) fn silenced_by(alert: Alert, silence: &str) -> Alert {
    alert.metadata(SILENCE_ID, silence)
}

/// The page with the one alert that has these labels.
fn page_of(base: &Url, labels: &Labels) -> Url {
    let matchers: Vec<String> = labels.iter().map(|(name, value)| equals(name, value)).collect();
    alertmanager(base, &matchers)
}

/// `1e+00` as a number; `NaN` and `+Inf`, which JSON has not, as they are spelled.
fn number(value: &Value) -> Value {
    let parsed = value.as_str().and_then(|text| text.parse::<f64>().ok());
    parsed.and_then(serde_json::Number::from_f64).map_or_else(|| value.clone(), Value::Number)
}
