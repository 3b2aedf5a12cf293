//! Pages: their size, what follows, and where they end.

use std::collections::BTreeSet;

use opsorch::ErrorKind;
use serde_json::{Value, json};

use crate::conformance::lab::{Lab, items};
use crate::conformance::listing::{Listing, identities, identity};
use crate::conformance::maker::{Maker, Surroundings};
use crate::conformance::rule::{Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;

/// The least number of things of which pages of one can be made that follow each other.
const SEVERAL: usize = 2;

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
            let paged: BTreeSet<_> = listing.all_by(&lab, &json!({}), limit).await?.iter().map(identity).collect();
            for item in all.iter().map(identity) {
                ensure!(paged.contains(&item), "{}: pages of {limit} leave out `{item}`", listing.query);
            }
        }
    }
    looked_at_several(&lab).await
}

pub(in crate::conformance) async fn nothing_comes_twice(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    for (listing, _) in several(&lab).await? {
        for limit in [1, 2] {
            let mut seen = BTreeSet::new();
            let paged = listing.all_by(&lab, &json!({}), limit).await?;
            for item in paged.iter().map(identity) {
                ensure!(seen.insert(item.clone()), "{}: pages of {limit} have `{item}` twice", listing.query);
            }
        }
    }
    looked_at_several(&lab).await
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
    for listing in Listing::offered(&lab) {
        let query = listing.with(&lab, json!({ "cursor": "no-such-cursor-4711" }));
        let answer = lab.read(listing.query, query).await?;
        let is_refused = answer.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::Invalid { .. }));
        ensure!(is_refused, "{} with a cursor that nobody gave: expected `invalid`, got {answer:?}", listing.query);
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
