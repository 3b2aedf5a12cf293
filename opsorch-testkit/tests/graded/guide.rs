//! `docs/adapter-guide.md` shows what the suite says of broken providers, to the letter.

use std::path::Path;

use opsorch_testkit::conformance::Outcome;

use crate::flaw::flaws;

/// The providers whose failures are explained.
const EXPLAINED: [&str; 3] =
    ["drops page two", "guesses an unknown severity", "tries a change again after a status of 5xx"];

#[test]
fn the_guide_shows_what_the_suite_says() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/adapter-guide.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let mut lacking = String::new();
    for name in EXPLAINED {
        let flaw = flaws().find(|flaw| flaw.name == name).unwrap();
        let report = flaw.conformance().run();
        for result in report.results.iter().filter(|result| matches!(result.outcome, Outcome::Broken(_))) {
            let said =
                format!("---- {} ----\n{} {}\n{}\n", result.name, result.requirement, result.sentence, result.outcome);
            if !guide.contains(&said) {
                lacking.push_str(&said);
            }
        }
    }
    assert!(lacking.is_empty(), "the guide lacks\n{lacking}");
}
