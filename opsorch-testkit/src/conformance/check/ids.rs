//! Ids: what is listed can be read, and what is unknown is not found.

use opsorch::ErrorKind;
use serde_json::{Value, json};

use crate::conformance::listing::Listing;
use crate::conformance::rule::{Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;

/// Ids that nobody has; some mean something in an address.
const NOBODYS: &[&str] =
    &["no-such-thing-4711", "../no-such-thing", "no/such?thing=1#x", "%2e%2e", "no such\u{e9}\n\"'"];

/// The members that a list and a read have in common. What changes by itself, such as the time of a change, is not there.
const SAME: &[&str] =
    &["id", "key", "title", "name", "description", "status", "severity", "service", "environment", "version", "url"];

pub(in crate::conformance) async fn what_is_listed_can_be_read(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    for listing in Listing::offered(&lab) {
        let Some(get) = listing.get.filter(|get| lab.offers(*get)) else { continue };
        for listed in listing.all(&lab).await?.iter().take(20) {
            let id = listed.get("id").cloned().unwrap_or_default();
            let read = lab.read(get, id.clone()).await??;
            for member in SAME {
                ensure!(
                    read.get(*member) == listed.get(*member),
                    "{get} of {id}: `{member}` is {}, and {} in the list",
                    read.get(*member).unwrap_or(&Value::Null),
                    listed.get(*member).unwrap_or(&Value::Null)
                );
            }
            looked = true;
        }
    }
    if !looked {
        nothing!("no query finds anything that can be read by its id");
    }
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn an_unknown_id_is_not_found(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    for get in Listing::offered(&lab).filter_map(|listing| listing.get).filter(|get| lab.offers(*get)) {
        for id in NOBODYS {
            let found = lab.read(get, json!(id)).await?;
            let is_not_found = found.as_ref().is_err_and(|error| error.kind() == &ErrorKind::NotFound);
            ensure!(is_not_found, "{get} of {id:?}: expected `not_found`, got {found:?}");
            looked = true;
        }
    }
    if !looked {
        nothing!("the provider reads nothing by its id");
    }
    Ok(Verdict::Kept)
}
