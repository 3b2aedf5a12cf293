//! Reads as such: they answer, they change nothing, and they know what they do not know.

use opsorch::{ErrorKind, Operation, Result};
use serde_json::{Value, json};

use crate::conformance::lab::{Lab, items};
use crate::conformance::listing::{Listing, member};
use crate::conformance::rule::{Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;

/// How many things of a listing are read one by one.
const FEW: usize = 3;

pub(in crate::conformance) async fn nothing_is_changed(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    let before = everything(&lab).await?;
    read_one_by_one(&lab).await?;
    let after = everything(&lab).await?;
    for ((listing, before), (_, after)) in before.iter().zip(&after) {
        ensure!(
            before.len() == after.len(),
            "{}: {} things before reading, {} after",
            listing.query,
            before.len(),
            after.len()
        );
        let changed = before.iter().zip(after).find(|(before, after)| before != after);
        if let Some((before, after)) = changed {
            ensure!(false, "{}: reading changed {before} to {after}", listing.query);
        }
        looked |= !before.is_empty();
    }
    if !looked {
        nothing!("no query finds anything");
    }
    Ok(Verdict::Kept)
}

/// What every listing finds. What is in `fields` and `metadata` may be about the reading itself, such as a count of views.
async fn everything(lab: &Lab) -> Checked<Vec<(&'static Listing, Vec<Value>)>> {
    let mut all = Vec::new();
    for listing in Listing::offered(lab) {
        let mut things = listing.all(lab).await?;
        for thing in things.iter_mut().filter_map(Value::as_object_mut) {
            thing.retain(|name, _| name != "fields" && name != "metadata");
        }
        all.push((listing, things));
    }
    Ok(all)
}

pub(in crate::conformance) async fn what_is_offered_is_there(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    let answers = read_one_by_one(&lab).await?;
    if answers.is_empty() {
        nothing!("the provider offers no reads");
    }
    for (read, input, answer) in answers {
        ensure!(answer.is_ok(), "{read} of {input}: it is offered, so that an answer was expected; got {answer:?}");
    }
    Ok(Verdict::Kept)
}

/// Makes every read that is offered, of the first things that are there.
async fn read_one_by_one(lab: &Lab) -> Checked<Vec<(Operation, Value, Result<Value>)>> {
    let mut reads = Vec::new();
    for listing in Listing::offered(lab) {
        let query = listing.with(lab, json!({}));
        let found = lab.read(listing.query, query.clone()).await?;
        let things = found.as_ref().map_or_else(|_| Ok(Vec::new()), items)?;
        reads.push((listing.query, query, found));
        let one_by_one = listing.get.into_iter().chain(listing.below.iter().copied());
        for read in one_by_one.filter(|read| lab.offers(*read)) {
            for thing in things.iter().take(FEW) {
                let id = member(thing, "id").clone();
                reads.push((read, id.clone(), lab.read(read, id).await?));
            }
        }
    }
    if lab.offers(Operation::MetricDescribe) {
        reads.push((Operation::MetricDescribe, json!({}), lab.read(Operation::MetricDescribe, json!({})).await?));
    }
    Ok(reads)
}

pub(in crate::conformance) async fn an_unknown_id_has_nothing_below(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    let below = [Operation::IncidentTimelineGet, Operation::TeamMembers, Operation::TeamOncall];
    for read in below.into_iter().filter(|read| lab.offers(*read)) {
        let found = lab.read(read, json!("no-such-thing-4711")).await?;
        let is_not_found = found.as_ref().is_err_and(|error| error.kind() == &ErrorKind::NotFound);
        ensure!(is_not_found, "{read} of an unknown id: expected `not_found`, got {found:?}");
        looked = true;
    }
    if !looked {
        nothing!("the provider has no lists that belong to a thing");
    }
    Ok(Verdict::Kept)
}
