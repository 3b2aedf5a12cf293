//! `datadog` keeps the rules of the contract.
#![allow(missing_docs, dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

#[path = "../simulated"]
mod simulated {
    pub mod datadog;
}

use std::process::ExitCode;

use opsorch_providers::datadog::DatadogConfig;
use opsorch_testkit::Conformance;
use serde_json::json;

use self::simulated::datadog::Vendor;

fn main() -> ExitCode {
    suite().report_to(env!("CARGO_TARGET_TMPDIR")).main()
}

pub fn suite() -> Conformance {
    Conformance::of::<DatadogConfig>(|place| {
        json!({
            // Its rules refuse on purpose, and their time is real.
            "requests_per_minute": 0,
            "api_key": place.secret("api_key"),
            "app_key": place.secret("app_key"),
            "api_url": place.url(),
            "deployments": "dora",
            "webhook_secrets": [place.secret("webhook")],
        })
    })
    .double(Vendor::new)
    .deviation("TK-145", "Datadog answers 403 for a wrong key, as it does for what a key may not do")
}
