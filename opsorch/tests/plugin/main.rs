//! Plugins: real child processes, well-behaved and not.
//!
//! This program is the test and, called with `child`, the plugin that it starts; called with `host`, a host that is to be
//! killed. It has no harness of the compiler, so that a child writes nothing but what it is told to.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod child;
mod confined;
mod environment;
mod languages;
mod many;
mod secrets;
mod served;
mod stores;
mod support;
mod torture;
mod transcripts;
mod unknown;

use std::future::Future;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// A test on a runtime of its own, on one thread: what is traced there is that of this test.
pub(crate) fn trial<F: Future<Output = ()>>(name: &str, test: impl FnOnce() -> F + Send + 'static) -> Trial {
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test());
        Ok(())
    })
}

/// The tests of a module, by their names.
macro_rules! trials {
    ($($test:ident),+ $(,)?) => {
        pub(crate) fn trials() -> Vec<libtest_mimic::Trial> {
            let module = module_path!().rsplit("::").next().unwrap();
            vec![$($crate::trial(&format!("{module}::{}", stringify!($test)), $test)),+]
        }
    };
}
pub(crate) use trials;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("child") => child::run(&arguments[2..]),
        Some("host") => confined::host(&arguments[2..]),
        _ => {
            let trials = [
                torture::trials(),
                many::trials(),
                unknown::trials(),
                served::trials(),
                secrets::trials(),
                stores::trials(),
                confined::trials(),
                languages::trials(),
                environment::trials(),
                transcripts::trials(),
            ];
            libtest_mimic::run(&Arguments::from_args(), trials.into_iter().flatten().collect()).exit_code()
        }
    }
}
