//! From Grafana's words to the schema's.

use opsorch::AlertStatusLevel;
use opsorch::signal::labels::fingerprint;

use super::wire;
use crate::fields::put;
use crate::notification::{alert, web_address};

/// An alert of a message. Its page is that of its rule, else of its panel, its dashboard, or Grafana.
pub(super) fn to_alert(wire: wire::Alert, message: &wire::Message, service_label: &str) -> opsorch::Alert {
    let id = match wire.fingerprint.is_empty() {
        true => fingerprint(&wire.labels),
        false => wire.fingerprint,
    };
    let state = if wire.status.is_empty() { &message.status } else { &wire.status };
    let mut mapped = alert(id, &wire.labels, &wire.annotations, state, service_label);
    let pages = [&wire.generator_url, &wire.panel_url, &wire.dashboard_url].map(Option::as_deref);
    mapped.url = pages.into_iter().flatten().chain([message.external_url.as_str()]).find_map(web_address);
    mapped.created_at = wire.starts_at;
    if mapped.status.level() == AlertStatusLevel::Resolved {
        mapped.updated_at = wire.ends_at;
    }
    put(&mut mapped.fields, "endsAt", wire.ends_at);
    put(&mut mapped.fields, "values", wire.values);
    put(&mut mapped.fields, "valueString", wire.value_string);
    put(&mut mapped.fields, "generatorURL", wire.generator_url);
    put(&mut mapped.fields, "silenceURL", wire.silence_url);
    put(&mut mapped.fields, "dashboardURL", wire.dashboard_url);
    put(&mut mapped.fields, "panelURL", wire.panel_url);
    put(&mut mapped.fields, "imageURL", wire.image_url);
    put(&mut mapped.metadata, "receiver", message.receiver.as_str());
    put(&mut mapped.metadata, "orgId", message.org_id);
    put(&mut mapped.metadata, "groupKey", message.group_key.as_str());
    put(&mut mapped.metadata, "groupLabels", &message.group_labels);
    put(&mut mapped.metadata, "externalURL", message.external_url.as_str());
    mapped.metadata("source", "webhook")
}
