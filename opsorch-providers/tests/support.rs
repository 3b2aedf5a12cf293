//! `docs/support.md` is written from the runs of the conformance suite over every kind.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "conformance/datadog.rs"]
mod datadog;
#[path = "conformance/elastic.rs"]
mod elastic;
#[path = "conformance/github.rs"]
mod github;
#[path = "conformance/grafana.rs"]
mod grafana;
#[path = "conformance/jira.rs"]
mod jira;
#[path = "conformance/local.rs"]
mod local;
#[path = "conformance/pagerduty.rs"]
mod pagerduty;
#[path = "conformance/prometheus.rs"]
mod prometheus;
#[path = "conformance/slack.rs"]
mod slack;

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use opsorch::{Capability, Operation};
use opsorch_testkit::Conformance;
use opsorch_testkit::conformance::{Outcome, Report};

const PAGE: &str = "docs/support.md";
const COMMAND: &str = "OPSORCH_BLESS=1 cargo test -p opsorch-providers --all-features --test support";

#[test]
fn the_support_page_is_what_the_suites_found() {
    let page = page();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(PAGE);
    if env::var_os("OPSORCH_BLESS").is_some() {
        fs::write(path, page).unwrap();
        return;
    }
    assert!(fs::read_to_string(path).unwrap() == page, "{PAGE} is stale; write it anew with `{COMMAND}`");
}

fn page() -> String {
    let kinds = [
        ("elastic", elastic::suite()),
        ("datadog", datadog::suite()),
        ("github", github::suite()),
        ("grafana", grafana::suite()),
        ("jira", jira::suite()),
        ("local", local::suite()),
        ("pagerduty", pagerduty::suite()),
        ("prometheus", prometheus::suite()),
        ("slack", slack::suite()),
    ];
    let names = kinds.each_ref().map(|(name, _)| *name);
    let mut page = format!(
        "# What each provider supports\n\n\
         <!-- Generated from runs of the conformance suite by `{COMMAND}`. Do not edit. -->\n\n\
         ## Operations\n\n{}",
        header("operation", &names)
    );
    let offered = kinds.each_ref().map(|(_, suite)| suite.operations().unwrap());
    for operation in Capability::ALL.iter().flat_map(|capability| of(*capability)) {
        let cells = offered.iter().map(|offered| if offered.contains(operation) { "yes" } else { "" });
        row(&mut page, &format!("`{operation}`"), cells);
    }
    for (name, _) in names.iter().zip(&offered).filter(|(_, offered)| offered.is_empty()) {
        writeln!(page, "\n`{name}` offers no operations: it receives webhooks.").unwrap();
    }
    let reports = kinds.each_ref().map(|(_, suite)| suite.run());
    page.push_str(
        "\n## Rules\n\nThe [rules](conformance.md) that were checked. A rule that has nothing to look at is not.\n\n",
    );
    page.push_str(&header("rule", &names));
    for rule in Conformance::rules() {
        row(&mut page, rule.id(), reports.iter().map(|report| mark(report, rule.id())));
    }
    for report in &reports {
        details(&mut page, report);
    }
    page
}

/// What is not checked of a kind, and why.
fn details(page: &mut String, report: &Report) {
    let kept = report.results.iter().filter(|result| matches!(result.outcome, Outcome::Kept { .. })).count();
    write!(page, "\n## {}\n\n{kept} of {} rules are kept.\n", report.subject, report.results.len()).unwrap();
    let mut reasons = std::collections::BTreeMap::<String, Vec<&str>>::new();
    for result in &report.results {
        let reason = match &result.outcome {
            Outcome::Ignored(reason) => format!("not looked at: {reason}"),
            Outcome::Deviates { reason, .. } => format!("**not kept**: {reason}"),
            Outcome::Broken(how) => panic!("{} breaks {}: {how}", report.subject, result.id),
            _ => continue,
        };
        reasons.entry(reason).or_default().push(&result.id);
    }
    if !reasons.is_empty() {
        page.push('\n');
    }
    for (reason, rules) in reasons {
        writeln!(page, "* {reason}: {}", rules.join(", ")).unwrap();
    }
}

fn mark(report: &Report, rule: &str) -> &'static str {
    match report.results.iter().find(|result| result.id == rule).map(|result| &result.outcome) {
        Some(Outcome::Kept { .. }) => "kept",
        Some(Outcome::Deviates { .. }) => "not kept",
        _ => "",
    }
}

fn of(capability: Capability) -> impl Iterator<Item = Operation> {
    Operation::ALL.iter().copied().filter(move |operation| operation.capability() == capability)
}

fn header(first: &str, names: &[&str]) -> String {
    format!("| {first} | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()))
}

fn row<'a>(page: &mut String, first: &str, cells: impl Iterator<Item = &'a str>) {
    let cells: Vec<_> = cells.map(|cell| if cell.is_empty() { String::new() } else { format!("{cell} ") }).collect();
    writeln!(page, "| {first} | {}|", cells.join("| ")).unwrap();
}
