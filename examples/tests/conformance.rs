//! The adapter of `write_an_adapter.rs` keeps the rules of the contract.
#![allow(missing_docs, dead_code)]

#[path = "../write_an_adapter.rs"]
mod write_an_adapter;

fn main() -> std::process::ExitCode {
    opsorch_testkit::Conformance::of::<write_an_adapter::TodoConfig>(
        |place| serde_json::json!({ "path": place.folder().join("todo.txt") }),
    )
    .main()
}
