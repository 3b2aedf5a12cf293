//! Pages: their size, what follows, and where they end.

use std::collections::BTreeMap;

use opsorch::ErrorKind;
use opsorch::transport::Url;
use serde_json::{Value, json};

use crate::FaultServer;

use crate::conformance::lab::{Lab, items};
use crate::conformance::listing::{Filter, Followed, Listing, identities, identity};
use crate::conformance::maker::{Maker, Surroundings};
use crate::conformance::rule::{Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;

/// The least number of things of which pages of one can be made that follow each other.
const SEVERAL: usize = 2;

/// An address at which nobody listens.
const NOWHERE: &str = "http://nowhere.invalid/";

pub(in crate::conformance) async fn the_limit_holds(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    for (listing, all) in several(&lab).await? {
        for limit in [1, all.len() - 1, all.len()] {
            let page = listing.page(&lab, json!({ "limit": limit })).await?;
            holds(listing, &page, limit)?;
            if let Some(next) = page.get("next").filter(|next| !next.is_null()) {
                holds(listing, &listing.page(&lab, json!({ "limit": limit, "cursor": next })).await?, limit)?;
            }
        }
    }
    looked_at_several(&lab).await
}

fn holds(listing: &Listing, page: &Value, limit: usize) -> Checked {
    let found = items(page)?.len();
    ensure!(found <= limit, "{}: a page of at most {limit} items has {found}", listing.query);
    Ok(())
}

pub(in crate::conformance) async fn nothing_is_left_out(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    for (listing, all) in several(&lab).await? {
        for limit in [1, 2] {
            same_by_pages(&lab, listing, &json!({}), limit).await?;
        }
        for filter in listing.filters {
            let Some(value) = filter.values(&all).into_iter().max_by_key(|value| passing(filter, value, &all)) else {
                continue;
            };
            same_by_pages(&lab, listing, &filter.of(&[value]), 1).await?;
        }
    }
    looked_at_several(&lab).await
}

/// How many things are seen to pass a filter.
fn passing(filter: &Filter, value: &Value, things: &[Value]) -> usize {
    things.iter().filter(|thing| filter.passes(value, thing) == Some(true)).count()
}

/// Checks that small pages give what a large one does. What says that it is not everything may have less.
async fn same_by_pages(lab: &Lab, listing: &Listing, conditions: &Value, limit: usize) -> Checked {
    let Some(large) = listing.follow_large(lab, conditions).await? else { return Ok(()) };
    if large.items.len() < SEVERAL {
        return Ok(());
    }
    let small = listing.follow(lab, conditions, limit).await?;
    let lacks = |has: &Followed, other: &Followed| {
        let known = identities(&has.items);
        other.items.iter().map(identity).find(|thing| has.is_whole && !known.contains(thing))
    };
    let query = match conditions.as_object().is_none_or(|conditions| conditions.is_empty()) {
        true => listing.query.to_string(),
        false => format!("{} with {conditions}", listing.query),
    };
    if let Some(thing) = lacks(&small, &large) {
        ensure!(false, "{query}: pages of {limit} leave out `{thing}`");
    }
    if let Some(thing) = lacks(&large, &small) {
        ensure!(false, "{query}: pages of {limit} have `{thing}`, and a large page that passes for everything has not");
    }
    Ok(())
}

pub(in crate::conformance) async fn nothing_comes_twice(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    for (listing, all) in several(&lab).await? {
        let there = how_often(&all);
        for limit in [1, 2] {
            let paged = how_often(&listing.all_by(&lab, &json!({}), limit).await?);
            // Two things without ids can be alike: they are there as often as one large page has them.
            let often = |thing: &str| there.get(thing).copied().unwrap_or(1);
            let twice = paged.iter().find(|(thing, times)| **times > often(thing));
            ensure!(twice.is_none(), "{}: pages of {limit} have one thing too often: {twice:?}", listing.query);
        }
        let with_id = |thing: &&Value| thing.get("id").is_some();
        let twice = how_often(all.iter().filter(with_id)).into_iter().find(|(_, times)| *times > 1);
        ensure!(twice.is_none(), "{}: one large page has one thing too often: {twice:?}", listing.query);
    }
    looked_at_several(&lab).await
}

/// How often each thing is there.
fn how_often<'a>(things: impl IntoIterator<Item = &'a Value>) -> BTreeMap<String, usize> {
    let mut often = BTreeMap::new();
    for thing in things {
        *often.entry(identity(thing)).or_default() += 1;
    }
    often
}

pub(in crate::conformance) async fn an_end_is_the_end(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    for (listing, all) in several(&lab).await? {
        let page = listing.page(&lab, json!({ "limit": all.len() - 1 })).await?;
        let found = items(&page)?.len();
        let says_more =
            ["next", "truncated"].into_iter().any(|member| page.get(member).is_some_and(|it| !it.is_null()));
        ensure!(
            found == all.len() || says_more,
            "{}: a page with {found} of {} items has neither `next` nor `truncated`, so that it passes for everything",
            listing.query,
            all.len()
        );
    }
    looked_at_several(&lab).await
}

pub(in crate::conformance) async fn a_cursor_that_nobody_gave_is_refused(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    // A cursor comes from whoever asks: as an address it would send the provider, with its credential, anywhere.
    let elsewhere = match bench.has_double() {
        true => Some(FaultServer::start([]).await?),
        false => None,
    };
    let address = elsewhere.as_ref().map_or_else(|| NOWHERE.to_owned(), |server| server.url().to_string());
    let host = address.trim_start_matches("http:");
    for listing in Listing::offered(&lab) {
        for cursor in ["no-such-cursor-4711", &format!("{address}x"), &format!("{host}x"), "/../x"] {
            let query = listing.with(&lab, json!({ "cursor": cursor }));
            let answer = lab.read(listing.query, query).await?;
            let arrived = elsewhere.as_ref().map_or(0, |server| server.requests().len());
            ensure!(arrived == 0, "{} with the cursor {cursor:?} sends a request to that address", listing.query);
            let is_refused = answer.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::Invalid { .. }));
            ensure!(
                is_refused,
                "{} with the cursor {cursor:?}, which nobody gave: expected `invalid`, got {answer:?}",
                listing.query
            );
        }
        let page = listing.page(&lab, json!({ "limit": 1 })).await?;
        let next = page.get("next").and_then(Value::as_str).unwrap_or_default();
        let is_address = Url::parse(next).is_ok_and(|url| url.has_host());
        ensure!(!is_address, "{}: the cursor {next:?} is an address, which anybody can replace", listing.query);
        looked = true;
    }
    if !looked {
        nothing!("the provider lists nothing");
    }
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn a_cursor_outlives_what_is_new(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    let world = Surroundings::of(&lab).await?;
    for (listing, all) in several(&lab).await? {
        let Some(maker) = Maker::offered(&lab).find(|maker| maker.query == listing.query) else { continue };
        let first = listing.page(&lab, json!({ "limit": 1 })).await?;
        let Some(next) = first.get("next").filter(|next| !next.is_null()) else { continue };
        let following = async || listing.all_by(&lab, &json!({ "cursor": next }), all.len()).await;
        let before = following().await?;
        // Whether something can be made is not looked at here.
        let Some((_, Ok(_))) = maker.make(&lab, &world, "something new", &json!({})).await? else { continue };
        let known = identities(&all);
        let mut after = following().await?;
        after.retain(|thing| known.contains(&identity(thing)));
        let (before, after) = (ids(&before), ids(&after));
        ensure!(
            before == after,
            "{}: a cursor led to {before:?}, and after something was added to {after:?}",
            listing.query
        );
        looked = true;
    }
    if !looked {
        nothing!("the provider adds nothing to what it lists");
    }
    Ok(Verdict::Kept)
}

fn ids(things: &[Value]) -> Vec<String> {
    things.iter().map(identity).collect()
}

pub(in crate::conformance) async fn a_page_is_full(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    for (listing, all) in several(&lab).await? {
        for limit in [2, all.len() - 1, all.len()] {
            let page = listing.page(&lab, json!({ "limit": limit })).await?;
            let (found, is_last) = (items(&page)?.len(), page.get("next").is_none_or(Value::is_null));
            ensure!(
                is_last || found >= limit,
                "{}: a page of {limit} items has {found}, and there are more",
                listing.query
            );
        }
    }
    looked_at_several(&lab).await
}

/// The listings that have several things, with all of them.
async fn several(lab: &Lab) -> Checked<Vec<(&'static Listing, Vec<Value>)>> {
    let mut found = Vec::new();
    for listing in Listing::offered(lab) {
        let all = listing.all(lab).await?;
        if all.len() >= SEVERAL {
            found.push((listing, all));
        }
    }
    Ok(found)
}

/// Whether there was something to page through.
async fn looked_at_several(lab: &Lab) -> Checked<Verdict> {
    match several(lab).await?.is_empty() {
        true => nothing!("no query finds {SEVERAL} things; put more into the provider's world"),
        false => Ok(Verdict::Kept),
    }
}
