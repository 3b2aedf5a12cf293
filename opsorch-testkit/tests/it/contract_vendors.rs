//! The API descriptions of vendors, which are not part of this repository: `OPSORCH_CONTRACTS` names their folder.

use std::path::PathBuf;

use opsorch::transport::{HeaderMap, HeaderValue, Method, Reply, Request, StatusCode};
use opsorch_testkit::{Contract, Violation};
use serde_json::{Value, json};

use crate::done;

/// The documents of a folder, and of its folder `full`.
fn documents() -> Vec<PathBuf> {
    let folder = std::env::var_os("OPSORCH_CONTRACTS").expect("OPSORCH_CONTRACTS names the folder of the documents");
    let folder = PathBuf::from(folder);
    let mut documents = Vec::new();
    for folder in [folder.clone(), folder.join("full")] {
        let files = std::fs::read_dir(&folder).into_iter().flatten().map(|file| file.unwrap().path());
        documents.extend(files.filter(|file| file.extension().is_some_and(|extension| extension == "json")));
    }
    documents.sort();
    assert!(!documents.is_empty(), "no document in {}", folder.display());
    documents
}

fn contract(name: &str) -> Contract {
    let found = documents().into_iter().find(|file| file.file_stem().is_some_and(|stem| stem == name));
    done(Contract::open(found.unwrap_or_else(|| panic!("no document {name}.json"))))
}

#[test]
#[ignore = "needs the vendors' API descriptions"]
fn every_document_opens_with_all_its_schemas() {
    for document in documents() {
        let begun = std::time::Instant::now();
        let contract = Contract::open(&document).unwrap_or_else(|error| panic!("{error}"));
        eprintln!("{}: {} operations, {:?}", document.display(), contract.operations().count(), begun.elapsed());
        assert!(contract.operations().count() > 0, "{}", document.display());
    }
}
