//! Makes the table in `docs/performance.md` from what the benchmarks wrote to `target/benches`.
//!
//! `cargo run -p opsorch-benches --bin report`. What was not run keeps no row, so run all of them before.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

use std::fmt::Write;
use std::fs;

use opsorch_benches::results::{Goal, Number, Results};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");

/// What stands around the generated part of the page.
const BEGIN: &str = "<!-- made by `cargo run -p opsorch-benches --bin report`; do not edit -->\n";
const END: &str = "<!-- end of what is made -->\n";

fn main() {
    let all = Results::all();
    assert!(!all.is_empty(), "nothing was measured yet: `cargo bench -p opsorch-benches`");
    let page = fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has the mark of what is made");
    let (_, after) = rest.split_once(END).expect("the page has the mark where it ends");
    fs::write(PAGE, format!("{before}{BEGIN}{}{END}{after}", tables(&all))).unwrap();
}

/// A section for each benchmark.
fn tables(all: &[Results]) -> String {
    let mut text = String::new();
    let same = all.iter().all(|results| results.machine == all[0].machine);
    if same {
        writeln!(text, "\nMachine: {}.", all[0].machine).unwrap();
    }
    for results in all {
        let load = results.load.map(|load| format!(", load {load:.1} before it")).unwrap_or_default();
        let day = results.at.get(..10).unwrap_or_default();
        writeln!(text, "\n### {}\n\nOf {day}{load}.", results.bench).unwrap();
        if !same {
            writeln!(text, "Machine: {}.", results.machine).unwrap();
        }
        writeln!(text, "\n| what | value | beside | ratio | goal | |\n|---|---:|---:|---:|---|---|").unwrap();
        results.numbers.iter().for_each(|number| writeln!(text, "{}", row(number)).unwrap());
    }
    text + "\n"
}

fn row(number: &Number) -> String {
    let Number { name, unit, value, .. } = number;
    let beside = number.baseline.as_ref().map(|it| format!("{} {unit}, {}", shown(it.value), it.name));
    let ratio = number.ratio.map(|ratio| format!("{ratio:.2}"));
    let goals: Vec<_> = number.goals.iter().map(|goal| said(*goal, unit)).collect();
    let met = number.met.map_or("", |met| if met { "met" } else { "**missed**" });
    let [beside, ratio] = [beside, ratio].map(Option::unwrap_or_default);
    format!("| {name} | {} {unit} | {beside} | {ratio} | {} | {met} |", shown(*value), goals.join(", "))
}

fn said(goal: Goal, unit: &str) -> String {
    match goal {
        Goal::Most(most) => format!("≤ {} {unit}", shown(most)),
        Goal::Least(least) => format!("≥ {} {unit}", shown(least)),
        Goal::MostTimes(most) => format!("ratio ≤ {most}"),
        Goal::LeastTimes(least) => format!("ratio ≥ {least}"),
    }
}

/// Three digits that count; thousands apart.
fn shown(value: f64) -> String {
    if value.abs() < 99.95 {
        let digits = if value.abs() < 9.995 { 2 } else { 1 };
        return format!("{value:.digits$}").trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{:.0}", value.abs());
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    format!("{}{}", if value < 0.0 { "-" } else { "" }, groups.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_their_thousands_apart() {
        let cases =
            [(0.0, "0"), (1.5, "1.5"), (9.876, "9.88"), (12.34, "12.3"), (99.97, "100"), (1_234_567.0, "1 234 567")];
        for (value, text) in cases {
            assert_eq!(shown(value), text);
        }
        assert_eq!(shown(-1234.0), "-1 234");
    }

    #[test]
    fn a_row_has_what_it_is_read_with() {
        let number =
            Number::new("calls", 90.0, "µs").beside("bare", 60.0).goal(Goal::MostTimes(1.4)).goal(Goal::Most(100.0));
        assert_eq!(row(&number), "| calls | 90 µs | 60 µs, bare | 1.50 | ratio ≤ 1.4, ≤ 100 µs | **missed** |");
        assert_eq!(row(&Number::new("memory", 7.0, "MiB")), "| memory | 7 MiB |  |  |  |  |");
    }
}
