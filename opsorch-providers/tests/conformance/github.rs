//! `github` keeps the rules of the contract.
#![allow(missing_docs, dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

#[path = "../simulated"]
mod simulated {
    pub mod github;
}

use std::process::ExitCode;

use opsorch_providers::github::GitHubConfig;
use opsorch_testkit::Conformance;
use serde_json::json;

use self::simulated::github::GitHub;

fn main() -> ExitCode {
    suite().report_to(env!("CARGO_TARGET_TMPDIR")).main()
}

pub fn suite() -> Conformance {
    Conformance::of::<GitHubConfig>(|place| {
        json!({
            // Its rules refuse on purpose, and their time is real.
            "requests_per_minute": 0,
            "url": place.url().join("api/v3").unwrap(),
            "external_url": "https://github.example.org",
            "token": place.secret("token"),
            "repositories": ["acme/api"],
            "organization": "acme",
            "webhook_secrets": [place.secret("webhook")],
        })
    })
    .double(GitHub::new)
}
