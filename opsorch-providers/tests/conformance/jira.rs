//! `jira` keeps the rules of the contract.
#![allow(missing_docs, dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

#[path = "../simulated"]
mod simulated {
    pub mod jira;
}

use std::process::ExitCode;

use opsorch_providers::jira::JiraConfig;
use opsorch_testkit::Conformance;
use serde_json::json;

use self::simulated::jira::{EMAIL, Jira};

fn main() -> ExitCode {
    suite().report_to(env!("CARGO_TARGET_TMPDIR")).main()
}

/// Jira Cloud. The suite over Data Center is one of the other tests.
pub fn suite() -> Conformance {
    Conformance::of::<JiraConfig>(|place| {
        json!({
            // Its rules refuse on purpose, and their time is real.
            "requests_per_minute": 0,
            "deployment": "cloud",
            "url": place.url(),
            "browse_url": "https://example.atlassian.net",
            "project": "OPS",
            "email": EMAIL,
            "token": place.secret("token"),
            "webhook_secrets": [place.secret("webhook")],
        })
    })
    .double(Jira::cloud)
}
