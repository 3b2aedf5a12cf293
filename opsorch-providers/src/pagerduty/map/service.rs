//! Services.

use std::collections::BTreeMap;

use opsorch::Service;

use super::{Map, all_named, named, page, put};
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
        put(&mut mapped.metadata, "escalation_policy", service.escalation_policy.as_ref().and_then(named));
        put(&mut mapped.metadata, "teams", all_named(&service.teams));
        mapped.url = page(service.html_url);
        mapped
    }
}

/// The teams of a service, as OpsOrch tags it: `team_0`, `team_1`, …
fn tags(teams: &[wire::Reference]) -> BTreeMap<String, String> {
    let names = teams.iter().filter_map(|team| team.label());
    names.enumerate().map(|(index, name)| (format!("team_{index}"), name.to_owned())).collect()
}
