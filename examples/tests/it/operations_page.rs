//! `docs/operations.md` is written from the table of operations.

use std::fmt::Write;

use opsorch::{Capability, Operation};

use crate::expect_generated;

const PAGE: &str = "docs/operations.md";
const COMMAND: &str = "OPSORCH_BLESS=1 cargo test -p opsorch-examples --test it operations_page";

#[test]
fn the_operations_page_is_the_table() {
    expect_generated(PAGE, COMMAND, page());
}

fn page() -> String {
    let mut page = format!(
        "# Operations\n\n\
         <!-- Generated from the table of operations by `{COMMAND}`. Do not edit. -->\n\n\
         There are {} operations. An operation has this name in Rust, in policies, in access rules and in the audit log.\n\n\
         * **effect**: a `read` is a `Query` and goes through `OpsOrch::query`. A `write` is an `Action`, goes through\n  \
         `OpsOrch::submit`, and so through the [gate](gate.md).\n\
         * **idempotent**: doing it twice leaves the world as doing it once. It is a hint for people and agents; the gate\n  \
         never repeats a change because of it.\n",
        Operation::ALL.len()
    );
    for capability in Capability::ALL {
        write!(page, "\n## {capability}\n\n").unwrap();
        page.push_str("| operation | effect | idempotent | input | output | it … |\n|---|---|---|---|---|---|\n");
        for operation in Operation::ALL.iter().filter(|operation| operation.capability() == *capability) {
            let idempotent = if operation.is_idempotent() { "yes" } else { "no" };
            let (input, output) = (operation.input_type(), operation.output_type());
            let (effect, summary) = (operation.effect(), operation.summary());
            writeln!(page, "| `{operation}` | {effect} | {idempotent} | `{input}` | `{output}` | {summary} |").unwrap();
        }
    }
    page
}
