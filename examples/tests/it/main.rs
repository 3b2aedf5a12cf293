//! What this repository says about itself is true: its documents, its examples, and the shape of its source.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod conformance_page;
mod documents;
mod image;
mod invariants;
mod operations_page;

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The top of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A page of the documents is what is made of the code; where it is asked for, it is written anew.
fn expect_generated(path: &str, command: &str, page: String) {
    if env::var_os("OPSORCH_BLESS").is_some() {
        fs::write(root().join(path), page).unwrap();
        return;
    }
    assert!(read(path) == page, "{path} is stale; write it anew with `{command}`");
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below a folder whose names end so, relative to the top, sorted.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|it| it == extension) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found.into_iter().map(|path| path.strip_prefix(root()).unwrap().to_owned()).collect()
}
