//! `elastic` keeps the rules of the contract.
#![allow(missing_docs, dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::cast_possible_wrap)]

#[path = "../simulated"]
mod simulated {
    pub mod elastic;
}

use std::process::ExitCode;

use opsorch_providers::elastic::ElasticConfig;
use opsorch_testkit::Conformance;
use serde_json::json;

use self::simulated::elastic::{Flavor, world};

fn main() -> ExitCode {
    suite().report_to(env!("CARGO_TARGET_TMPDIR")).main()
}

pub fn suite() -> Conformance {
    Conformance::of::<ElasticConfig>(|place| {
        json!({
            // Its rules refuse on purpose, and their time is real.
            "requests_per_minute": 0,
            "addresses": [place.url()],
            "api_key": place.secret("key"),
            "index": "logs-*",
            "dashboards_url": "https://kibana.example.org/s/sre",
        })
    })
    .double(|clock| world::small(Flavor::Elasticsearch, &*clock))
}
