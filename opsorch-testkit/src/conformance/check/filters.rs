//! Filters: pushed to the vendor, applied by the adapter or refused, and never ignored.
//!
//! What a filter finds is compared with what is to be seen in everything there is, or with what other queries find: a
//! list with its values one by one, two conditions with each of them alone.

use std::time::Duration;

use opsorch::{ErrorKind, Time};
use serde_json::{Value, json};

use crate::conformance::lab::Lab;
use crate::conformance::listing::{By, Filter, Listing, both, identities, identity, member};
use crate::conformance::rule::{Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;

/// A listing that finds something, with everything that it finds.
type Known = (&'static Listing, Vec<Value>);

pub(in crate::conformance) async fn words_find_their_level(bench: &Bench<'_>) -> Checked<Verdict> {
    agree(bench, |filter| matches!(filter.by, By::Word(..))).await
}

pub(in crate::conformance) async fn values_find_what_has_them(bench: &Bench<'_>) -> Checked<Verdict> {
    let is_value = |filter: &Filter| matches!(filter.by, By::AnyOf(_) | By::Is(_) | By::Tag);
    agree(bench, |filter| is_value(filter) && !is_scope(filter)).await
}

pub(in crate::conformance) async fn texts_find_what_says_them(bench: &Bench<'_>) -> Checked<Verdict> {
    agree(bench, |filter| matches!(filter.by, By::Text(_) | By::Part(_))).await
}

pub(in crate::conformance) async fn a_scope_finds_what_is_in_it(bench: &Bench<'_>) -> Checked<Verdict> {
    agree(bench, is_scope).await
}

pub(in crate::conformance) async fn all_words_of_a_level_find_the_same(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    for (listing, things) in known(&lab).await? {
        for filter in listing.filters {
            let Some(vocabulary) = filter.vocabulary() else { continue };
            for word in filter.values(&things) {
                let Some(found) = listing.find(&lab, &filter.of(std::slice::from_ref(&word))).await? else { continue };
                let others = (vocabulary.others)(word.as_str().unwrap_or_default());
                for other in others.iter().take(2) {
                    let Some(same) = listing.find(&lab, &filter.of(&[json!(other)])).await? else { continue };
                    ensure!(
                        identities(&same) == identities(&found),
                        "{} by `{}`: {other:?} means {word}, but finds {} things where that finds {}",
                        listing.query,
                        filter.path,
                        same.len(),
                        found.len()
                    );
                    looked = true;
                }
            }
        }
    }
    looked_at_something(looked)
}

pub(in crate::conformance) async fn a_span_has_its_beginning_and_not_its_end(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    for (listing, things) in known(&lab).await?.into_iter().filter(|(listing, _)| !listing.is_log()) {
        looked |= bounds_hold(&lab, listing, &things).await?;
    }
    looked_at_something(looked)
}

pub(in crate::conformance) async fn one_value_of_a_list_is_enough(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    for (listing, things) in known(&lab).await? {
        for filter in listing.filters.iter().filter(|filter| filter.is_list()) {
            let mut values = filter.values(&things);
            if values.len() == 1 {
                // A query by a value of something and one of nothing tells as much.
                values.extend(filter.another(&values));
            }
            let [one, .., other] = values.as_slice() else { continue };
            let found_by = async |values: &[Value]| listing.find(&lab, &filter.of(values)).await;
            let (Some(first), Some(second)) =
                (found_by(std::slice::from_ref(one)).await?, found_by(std::slice::from_ref(other)).await?)
            else {
                continue;
            };
            let mut expected = identities(&first);
            expected.extend(identities(&second));
            for [one, other] in [[one, other], [other, one]] {
                let Some(found) = found_by(&[one.clone(), other.clone()]).await? else { continue };
                ensure!(
                    identities(&found) == expected,
                    "{} by `{}`: {one} or {other} finds {} things; one by one they find {}",
                    listing.query,
                    filter.path,
                    found.len(),
                    expected.len()
                );
                looked = true;
            }
        }
    }
    looked_at_something(looked)
}

pub(in crate::conformance) async fn all_conditions_hold_together(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    for (listing, things) in known(&lab).await? {
        let mut alone = Vec::new();
        for condition in conditions(listing, &things) {
            if let Some(found) = listing.find(&lab, &condition).await? {
                alone.push((condition, identities(&found)));
            }
        }
        for (index, (one, by_one)) in alone.iter().enumerate() {
            for (other, by_other) in alone.iter().skip(index + 1) {
                let Some(found) = listing.find(&lab, &both(one, other)).await? else { continue };
                let expected = by_one.intersection(by_other).cloned().collect();
                ensure!(
                    identities(&found) == expected,
                    "{} with {one} and {other} finds {} things; those that both find are {}",
                    listing.query,
                    found.len(),
                    expected.len()
                );
                looked = true;
            }
        }
    }
    looked_at_something(looked)
}

/// A condition for each filter, and one for the time.
fn conditions(listing: &Listing, things: &[Value]) -> Vec<Value> {
    let by_value = listing.filters.iter().filter_map(|filter| Some(filter.of(&[filter.values(things).pop()?])));
    let since = listing.bounds().filter(|_| !listing.is_log()).and_then(|[since, _, time]| {
        let middle = things.get(things.len() / 2).map(|thing| member(thing, time).clone())?;
        (!middle.is_null()).then(|| json!({ since: middle }))
    });
    by_value.chain(since).collect()
}

pub(in crate::conformance) async fn a_name_that_nothing_has_finds_nothing(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    for (listing, _) in known(&lab).await? {
        for filter in listing.filters {
            let condition = filter.of(&[filter.nobodys()]);
            let may_be_refused = matches!(filter.by, By::Word(..));
            ensure_finds_nothing(&lab, listing, &condition, may_be_refused).await?;
            looked = true;
        }
    }
    looked_at_something(looked)
}

pub(in crate::conformance) async fn unknown_metadata_is_not_ignored(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    for (listing, _) in known(&lab).await? {
        let condition = json!({ "metadata": { "noSuchMember4711": "no-such-value" } });
        ensure_finds_nothing(&lab, listing, &condition, true).await?;
        looked = true;
    }
    looked_at_something(looked)
}

/// Checks that a query finds nothing, or is refused: as `unsupported`, or as `invalid` where that can be meant.
async fn ensure_finds_nothing(lab: &Lab, listing: &Listing, condition: &Value, may_be_invalid: bool) -> Checked {
    let found = match lab.read(listing.query, listing.with(lab, condition.clone())).await? {
        Err(error) if error.kind() == &ErrorKind::Unsupported => return Ok(()),
        Err(error) if may_be_invalid && matches!(error.kind(), ErrorKind::Invalid { .. }) => return Ok(()),
        Err(error) => Err(error),
        Ok(_) => Ok(listing.find(lab, condition).await?.unwrap_or_default().len()),
    };
    ensure!(
        matches!(found, Ok(0)),
        "{} with {condition}: expected nothing, or `unsupported`, got {found:?} things",
        listing.query
    );
    Ok(())
}

/// Checks that filters find what has their values.
async fn agree(bench: &Bench<'_>, is_meant: impl Fn(&Filter) -> bool) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    for (listing, things) in known(&lab).await? {
        for filter in listing.filters.iter().filter(|filter| is_meant(filter)) {
            for value in filter.values(&things).into_iter().chain(filter.joined(&things)) {
                if let Some(found) = listing.find(&lab, &filter.of(std::slice::from_ref(&value))).await? {
                    compare(listing, filter, &value, &found, &things)?;
                }
                looked = true;
            }
        }
    }
    looked_at_something(looked)
}

fn compare(listing: &Listing, filter: &Filter, value: &Value, found: &[Value], things: &[Value]) -> Checked {
    let ids = identities(found);
    let is_left_out = |thing: &&Value| filter.passes(value, thing) == Some(true) && !ids.contains(&identity(thing));
    let left_out = things.iter().find(is_left_out).map(identity);
    ensure!(left_out.is_none(), "{} by `{}` = {value} leaves out {left_out:?}", listing.query, filter.path);
    let too_many = found.iter().find(|thing| filter.passes(value, thing) == Some(false)).map(identity);
    ensure!(too_many.is_none(), "{} by `{}` = {value} finds {too_many:?}", listing.query, filter.path);
    Ok(())
}

/// Checks the bounds of a span at times that things have and a millisecond beside; whether there was any such time.
pub(super) async fn bounds_hold(lab: &Lab, listing: &Listing, things: &[Value]) -> Checked<bool> {
    let Some([since, until, time]) = listing.bounds() else { return Ok(false) };
    let mut times: Vec<Time> = things.iter().filter_map(|thing| time_of(thing, time)).collect();
    times.sort();
    times.dedup();
    let Some(middle) = times.get(times.len() / 2).copied() else { return Ok(false) };
    let millisecond = Duration::from_millis(1);
    for bound in [middle - millisecond, middle, middle + millisecond] {
        for (name, is_since) in [(since, true), (until, false)] {
            let Some(found) = listing.find(lab, &json!({ name: bound })).await? else { continue };
            let ids = identities(&found);
            for thing in things {
                let Some(at) = time_of(thing, time) else { continue };
                ensure!(
                    ((at >= bound) == is_since) == ids.contains(&identity(thing)),
                    "{} with `{name}` = {bound} {} what is of {at}",
                    listing.query,
                    if ids.contains(&identity(thing)) { "finds" } else { "leaves out" }
                );
            }
        }
    }
    both_bounds_hold(lab, listing, things, &times).await?;
    Ok(true)
}

/// Checks spans that have a beginning and an end: from the first time, and to the last.
async fn both_bounds_hold(lab: &Lab, listing: &Listing, things: &[Value], times: &[Time]) -> Checked {
    let Some([since, until, time]) = listing.bounds() else { return Ok(()) };
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return Ok(()) };
    let Some(middle) = times.get(times.len() / 2) else { return Ok(()) };
    for (begin, end) in [(first, middle), (middle, last)].into_iter().filter(|(begin, end)| begin < end) {
        let span = json!({ since: begin, until: end });
        let Some(found) = listing.find(lab, &span).await? else { continue };
        let ids = identities(&found);
        for thing in things {
            let Some(at) = time_of(thing, time) else { continue };
            ensure!(
                (*begin..*end).contains(&at) == ids.contains(&identity(thing)),
                "{} with {span} {} what is of {at}",
                listing.query,
                if ids.contains(&identity(thing)) { "finds" } else { "leaves out" }
            );
        }
    }
    Ok(())
}

fn time_of(thing: &Value, name: &str) -> Option<Time> {
    member(thing, name).as_str()?.parse().ok()
}

fn is_scope(filter: &Filter) -> bool {
    filter.path.starts_with("scope.")
}

/// The listings that find something, with everything that they find.
async fn known(lab: &Lab) -> Checked<Vec<Known>> {
    let mut known = Vec::new();
    for listing in Listing::offered(lab) {
        let things = listing.all(lab).await?;
        if !things.is_empty() {
            known.push((listing, things));
        }
    }
    Ok(known)
}

fn looked_at_something(looked: bool) -> Checked<Verdict> {
    if !looked {
        nothing!("no query that is offered finds anything to which such a filter applies");
    }
    Ok(Verdict::Kept)
}
