//! `prometheus` keeps the rules of the contract.
#![allow(missing_docs, dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

#[path = "../simulated"]
mod simulated {
    pub mod prometheus;
}

use std::process::ExitCode;

use opsorch_providers::prometheus::PrometheusConfig;
use opsorch_testkit::Conformance;
use serde_json::json;

use self::simulated::prometheus::Vendor;

fn main() -> ExitCode {
    suite().report_to(env!("CARGO_TARGET_TMPDIR")).main()
}

pub fn suite() -> Conformance {
    Conformance::of::<PrometheusConfig>(|place| {
        json!({
            // Its rules refuse on purpose, and their time is real.
            "requests_per_minute": 0,
            "url": place.url().join("prometheus").unwrap(),
            "alertmanager_url": place.url().join("alertmanager").unwrap(),
            "auth": { "bearer": place.secret("token") },
            "alertmanager_auth": { "basic": { "user": "opsorch", "password": place.secret("password") } },
            "tenant": "core",
            "webhook": { "bearer": place.secret("webhook") },
        })
    })
    .double(Vendor::new)
}
