//! `docs/conformance.md` is written from the table of rules.

use std::fmt::Write;

use opsorch_testkit::Conformance;

use crate::expect_generated;

const PAGE: &str = "docs/conformance.md";
const COMMAND: &str = "OPSORCH_BLESS=1 cargo test -p opsorch-examples --test it conformance_page";

#[test]
fn the_conformance_page_is_the_table_of_rules() {
    expect_generated(PAGE, COMMAND, page());
}

fn page() -> String {
    let mut page = format!(
        "# Conformance\n\n\
         <!-- Generated from the table of rules by `{COMMAND}`. Do not edit. -->\n\n\
         What a provider has to keep, so that callers can rely on any of them. Every rule is one check of the suite in\n\
         `opsorch-testkit`; its id never changes its meaning. [How to run the suite](adapter-guide.md#the-conformance-suite), and\n\
         [what each provider of this repository keeps](support.md).\n\n\
         **MUST**: callers rely on it. **SHOULD**: unless there is a reason, which the provider's documentation states.\n\n\
         | rule | | |\n|---|---|---|\n",
    );
    for rule in Conformance::rules() {
        writeln!(page, "| {} | {} | {} |", rule.id(), rule.requirement(), rule.sentence()).unwrap();
    }
    page
}
