//! The documents: their links lead somewhere, their examples are the ones that run, the tests they name exist.

use std::path::{Path, PathBuf};

use opsorch::gate::Rules;
use opsorch::{Config, Operation};

use crate::{files, read, root};

const CRATES: [&str; 4] = ["opsorch-schema", "opsorch", "opsorch-providers", "opsorch-testkit"];

fn documents() -> Vec<PathBuf> {
    let mut all = files("docs", "md");
    all.extend(["README.md", "CHANGELOG.md"].map(PathBuf::from));
    all
}

#[test]
fn the_readme_shows_the_example_that_runs() {
    assert!(read("README.md").contains(&format!("```rust,no_run\n{}```\n", read("examples/embed.rs"))));
}

#[test]
fn the_readme_counts_the_operations() {
    assert!(read("README.md").contains(&format!(" {} operations ", Operation::ALL.len())));
}

#[test]
fn embedding_takes_at_most_20_lines() {
    let source = read("examples/embed.rs");
    let (_, body) = source.split_once("async fn main() -> opsorch::Result<()> {\n").unwrap();
    let lines = lines_of_code(body.strip_suffix("}\n").unwrap());
    assert!((1..=20).contains(&lines), "{lines} lines");
}

#[test]
fn an_adapter_takes_at_most_60_lines() {
    let source = read("examples/write_an_adapter.rs");
    let adapter = &source[source.find("#[derive(").unwrap()..source.find("#[tokio::main").unwrap()];
    let lines = lines_of_code(adapter);
    assert!((1..=60).contains(&lines), "{lines} lines");
}

fn lines_of_code(source: &str) -> usize {
    source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    let mut checked = 0;
    for document in documents() {
        for target in links(&read(&document)) {
            checked += 1;
            if !target.starts_with("https://") && !leads_somewhere(&document, &target) {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links: {broken:#?}");
    assert!(checked > 50, "only {checked} links were found");
}

/// The targets of inline links, outside blocks of code.
fn links(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    let after = prose.split("](").skip(1);
    after.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

fn leads_somewhere(document: &Path, target: &str) -> bool {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = match path {
        "" => root().join(document),
        path => root().join(document).parent().unwrap().join(path),
    };
    file.exists()
        && (anchor.is_empty() || anchors(&std::fs::read_to_string(&file).unwrap()).iter().any(|it| it == anchor))
}

/// The anchors of the headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    let headings = prose.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn every_test_that_the_documents_name_exists() {
    let sources: String = CRATES.iter().chain(&["examples"]).flat_map(|it| files(it, "rs")).map(read).collect();
    let mut named = 0;
    for document in documents() {
        let text = read(&document);
        // From the words to the end of the sentence.
        for names in text.split("Guarded by ").skip(1).filter_map(|rest| rest.split(".\n").next()) {
            for name in names.split('`').skip(1).step_by(2) {
                named += 1;
                assert!(sources.contains(&format!("fn {name}(")), "{}: there is no test `{name}`", document.display());
            }
        }
    }
    assert!(named > 10, "only {named} tests are named");
}

#[test]
fn every_module_is_on_the_map() {
    let map = read("docs/architecture.md");
    for folder in CRATES {
        let source = Path::new(folder).join("src");
        for file in files(folder, "rs").iter().filter(|file| file.parent() == Some(&*source)) {
            let target = format!("](../{})", file.display());
            assert!(map.contains(&target), "docs/architecture.md has no link to {}", file.display());
        }
    }
}

#[test]
fn every_policy_and_configuration_of_the_documents_is_understood() {
    let mut understood = 0;
    for document in documents() {
        let text = read(&document);
        let blocks = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        // A part of a Cargo.toml is cargo's.
        for block in blocks.filter(|block| !block.starts_with("[[test]]")) {
            let result = match block.contains("[[rule]]") {
                true => Rules::parse(block).map(drop),
                false => Config::parse(block).map(drop),
            };
            assert!(result.is_ok(), "{}: {result:?}\n{block}", document.display());
            understood += 1;
        }
    }
    assert!(understood > 3, "only {understood} were found");
}
