//! Services.

use std::collections::BTreeMap;

use opsorch::Service;

use super::{Map, all_named, named, page, put, put_value};
use crate::pagerduty::wire;

impl Map {
    pub(in crate::pagerduty) fn service(&self, service: wire::Service) -> Service {
        let name = service.name.as_deref().or(service.summary.as_deref()).unwrap_or(&service.id);
        let mut mapped = Service::new(&*service.id, name);
        mapped.tags = tags(&service.teams);
        mapped.metadata = self.metadata();
        put(&mut mapped.metadata, "summary", &service.summary);
        put(&mut mapped.metadata, "description", &service.description);
        put(&mut mapped.metadata, "status", &service.status);
        put(&mut mapped.metadata, "html_url", &service.html_url);
        put(&mut mapped.metadata, "alert_creation", &service.alert_creation);
        put_value(&mut mapped.metadata, "escalation_policy", service.escalation_policy.and_then(named));
        put_value(&mut mapped.metadata, "teams", all_named(service.teams));
        mapped.url = page(service.html_url.as_deref());
        mapped
    }
}

/// The teams of a service, as OpsOrch tags it: `team_0`, `team_1`, …
fn tags(teams: &[wire::Named]) -> BTreeMap<String, String> {
    let names = teams.iter().filter_map(|team| team.label());
    names.enumerate().map(|(index, name)| (format!("team_{index}"), name.to_owned())).collect()
}
