//! `slack` keeps the rules of the contract.
#![allow(missing_docs, dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

#[path = "../simulated"]
mod simulated {
    pub mod slack;
}

use std::process::ExitCode;

use opsorch_providers::slack::SlackConfig;
use opsorch_testkit::Conformance;
use serde_json::json;

use self::simulated::slack::Slack;

fn main() -> ExitCode {
    suite().report_to(env!("CARGO_TARGET_TMPDIR")).main()
}

pub fn suite() -> Conformance {
    Conformance::of::<SlackConfig>(|place| {
        json!({
            // Its rules refuse on purpose, and their time is real.
            "requests_per_minute": 0,
            "url": place.url().join("api").unwrap(),
            "token": place.secret("token"),
            "signing_secrets": [place.secret("signing")],
        })
    })
    .channel("#ops")
    .double(Slack::at)
}
