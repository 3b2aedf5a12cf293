//! Whether Datadog answers, and what works with these keys.

use async_trait::async_trait;
use opsorch::capability::{Health, HealthCheck, HealthProblem};
use opsorch::transport::RequestBuilder;
use opsorch::{Context, Error, ErrorKind, Operation, OperationSet, Result};
use serde::de::IgnoredAny;
use serde_json::json;

use super::api::Datadog;
use super::deployments::DeploymentSource;

/// A small read, and what works if it does.
struct Probe {
    what: &'static str,
    ask: fn(&Datadog) -> RequestBuilder<'_>,
    /// The scope that an application key needs for it.
    scope: &'static str,
    operations: &'static [Operation],
}

const PROBES: [Probe; 9] = [
    Probe {
        what: "values of metrics",
        ask: ask_for_a_value,
        scope: "timeseries_query",
        operations: &[Operation::MetricQuery],
    },
    Probe {
        what: "metrics",
        ask: |datadog| datadog.client.get("api/v2/metrics").query(&[("window[seconds]", "3600"), ("page[size]", "1")]),
        scope: "metrics_read",
        operations: &[Operation::MetricDescribe],
    },
    Probe {
        what: "logs",
        ask: |datadog| datadog.client.get("api/v2/logs/events").query(&[("page[limit]", "1")]),
        scope: "logs_read_data",
        operations: &[Operation::LogQuery],
    },
    Probe {
        what: "monitors",
        ask: |datadog| datadog.client.get("api/v1/monitor").query(&[("page", "0"), ("page_size", "1")]),
        scope: "monitors_read",
        operations: &[Operation::AlertQuery, Operation::AlertGet],
    },
    Probe {
        what: "downtimes",
        ask: |datadog| datadog.client.get("api/v2/downtime").query(&[("page[offset]", "0"), ("page[limit]", "1")]),
        scope: "monitors_downtime",
        operations: &[Operation::AlertSilence],
    },
    Probe {
        what: "incidents",
        ask: |datadog| {
            let query = [("query", "state:active"), ("page[size]", "1"), ("page[offset]", "0")];
            datadog.client.get("api/v2/incidents/search").query(&query)
        },
        scope: "incident_read",
        operations: &[
            Operation::IncidentQuery,
            Operation::IncidentGet,
            Operation::IncidentCreate,
            Operation::IncidentUpdate,
        ],
    },
    Probe {
        what: "services",
        ask: |datadog| {
            datadog.client.get("api/v2/catalog/entity").query(&[("page[offset]", "0"), ("page[limit]", "1")])
        },
        scope: "apm_service_catalog_read",
        operations: &[Operation::ServiceQuery, Operation::ServiceGet],
    },
    Probe {
        what: "teams",
        ask: |datadog| datadog.client.get("api/v2/team").query(&[("page[number]", "0"), ("page[size]", "1")]),
        scope: "teams_read",
        operations: &[Operation::TeamQuery, Operation::TeamGet, Operation::TeamMembers],
    },
    Probe {
        what: "on-call schedules",
        ask: |datadog| {
            datadog.client.get("api/v2/on-call/schedules").query(&[("page[number]", "0"), ("page[size]", "1")])
        },
        scope: "on_call_read",
        operations: &[Operation::TeamOncall],
    },
];

/// What works where deployments are read from DORA Metrics.
const DORA: Probe = Probe {
    what: "deployments of DORA Metrics",
    ask: |datadog| {
        let attributes = json!({ "limit": 1 });
        let body = json!({ "data": { "type": "dora_deployments_list_request", "attributes": attributes } });
        datadog.client.post("api/v2/dora/deployments").json(&body)
    },
    scope: "dora_metrics_read",
    operations: &[Operation::DeploymentQuery, Operation::DeploymentGet],
};

/// What works where deployments are read from events.
const EVENTS: Probe = Probe {
    what: "events",
    ask: |datadog| datadog.client.get("api/v2/events").query(&[("page[limit]", "1")]),
    scope: "events_read",
    operations: &[Operation::DeploymentQuery, Operation::DeploymentGet],
};

/// Values of a metric that nobody has, in the last minute.
fn ask_for_a_value(datadog: &Datadog) -> RequestBuilder<'_> {
    let now = datadog.clock.now().timestamp_millis().max(60_000);
    let queries = json!([{ "data_source": "metrics", "name": "a", "query": "avg:opsorch.health{*}" }]);
    let attributes = json!({ "from": now - 60_000, "to": now, "queries": queries, "formulas": [{ "formula": "a" }] });
    let body = json!({ "data": { "type": "timeseries_request", "attributes": attributes } });
    datadog.client.post("api/v2/query/timeseries").json(&body)
}

/// Looks at the keys, and reads a little of everything.
#[derive(Debug)]
pub(super) struct Checkup {
    datadog: Datadog,
    deployments: Option<DeploymentSource>,
}

impl Checkup {
    pub(super) fn new(datadog: Datadog, deployments: Option<DeploymentSource>) -> Self {
        Self { datadog, deployments }
    }

    fn probes(&self) -> impl Iterator<Item = &'static Probe> {
        PROBES.iter().chain(self.deployments.as_ref().map(|source| match source {
            DeploymentSource::Dora => &DORA,
            DeploymentSource::Events(_) => &EVENTS,
        }))
    }

    async fn ask(&self, cx: &Context, request: RequestBuilder<'_>) -> Result<()> {
        self.datadog.ask(cx, request).await?.json::<IgnoredAny>().map(|_| ())
    }
}

#[async_trait]
impl HealthCheck for Checkup {
    async fn check(&self, cx: &Context) -> Result<Health> {
        let mut health = Health::new(OperationSet::new());
        // This alone asks for the API key and for nothing else. A key of another site is unknown too.
        if let Err(error) = self.ask(cx, self.datadog.client.get("api/v1/validate")).await {
            return match error.kind() {
                ErrorKind::Forbidden | ErrorKind::Unauthenticated => {
                    let all = self.probes().flat_map(|probe| probe.operations).copied().collect();
                    Ok(health.problem(HealthProblem::new(all, format!("`api_key` is not known there: {error}"))))
                }
                _ => Err(error),
            };
        }
        for probe in self.probes() {
            match self.ask(cx, (probe.ask)(&self.datadog)).await {
                Ok(()) => probe.operations.iter().for_each(|operation| health.operations.insert(*operation)),
                Err(error) => {
                    let operations = probe.operations.iter().copied().collect();
                    health = health.problem(HealthProblem::new(operations, explained(probe, &error)));
                }
            }
        }
        Ok(health)
    }
}

fn explained(Probe { what, scope, .. }: &Probe, error: &Error) -> String {
    match error.kind() {
        ErrorKind::Forbidden | ErrorKind::Unauthenticated => {
            format!("{what} may not be read: `app_key` needs the scope `{scope}`: {error}")
        }
        _ => format!("{what}: {error}"),
    }
}
