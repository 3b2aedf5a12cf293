//! `grafana` keeps the rules of the contract. It offers webhooks only, so that those about its configuration remain.
#![allow(missing_docs, dead_code, unreachable_pub)]

use std::process::ExitCode;

use opsorch_providers::grafana::GrafanaConfig;
use opsorch_testkit::Conformance;
use serde_json::json;

fn main() -> ExitCode {
    suite().report_to(env!("CARGO_TARGET_TMPDIR")).main()
}

pub fn suite() -> Conformance {
    Conformance::of::<GrafanaConfig>(|place| {
        json!({
            "webhook_secrets": [place.secret("signing"), place.secret("next")],
            "timestamp_header": "X-Grafana-Alerting-Timestamp",
            "credentials": [
                { "bearer": place.secret("token") },
                { "basic": { "user": "grafana", "password": place.secret("password") } },
            ],
        })
    })
}
