//! `pagerduty` keeps the rules of the contract.
#![allow(missing_docs, dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

#[path = "../simulated"]
mod simulated {
    pub mod pagerduty;
}

use std::process::ExitCode;

use opsorch_providers::pagerduty::PagerDutyConfig;
use opsorch_testkit::Conformance;
use serde_json::json;

use self::simulated::pagerduty::Vendor;

fn main() -> ExitCode {
    suite().report_to(env!("CARGO_TARGET_TMPDIR")).main()
}

pub fn suite() -> Conformance {
    Conformance::of::<PagerDutyConfig>(|place| {
        json!({
            // Its rules refuse on purpose, and their time is real.
            "requests_per_minute": 0,
            "api_token": place.secret("token"),
            "api_url": place.url().join("api").unwrap(),
            "events_url": place.url().join("events").unwrap(),
            "from_email": "alice@example.com",
            "routing_key": place.secret("routing_key"),
            "webhook_secrets": [place.secret("webhook")],
        })
    })
    .double(Vendor::new)
}
