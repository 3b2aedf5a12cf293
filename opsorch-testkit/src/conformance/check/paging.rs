//! Pages: their size, what follows, and where they end.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::conformance::lab::{Lab, items};
use crate::conformance::listing::{Listing, identity};
use crate::conformance::rule::{Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;

/// The least number of things of which pages of one can be made that follow each other.
const SEVERAL: usize = 2;

pub(in crate::conformance) async fn the_limit_holds(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    for (listing, all) in several(&lab).await? {
        for limit in [1, all.len() - 1, all.len()] {
            let found = items(&listing.page(&lab, json!({ "limit": limit })).await?)?.len();
            ensure!(found <= limit, "{}: a page of at most {limit} items has {found}", listing.query);
        }
    }
    looked_at_several(&lab).await
}

pub(in crate::conformance) async fn nothing_is_left_out(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    for (listing, all) in several(&lab).await? {
        for limit in [1, 2] {
            let paged: BTreeSet<_> = listing.all_by(&lab, &json!({}), limit).await?.iter().map(identity).collect();
            let missing = all.iter().map(identity).find(|item| !paged.contains(item));
            ensure!(missing.is_none(), "{}: pages of {limit} leave out {missing:?}", listing.query);
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
            let twice = paged.iter().map(identity).find(|item| !seen.insert(item.clone()));
            ensure!(twice.is_none(), "{}: pages of {limit} have {twice:?} twice", listing.query);
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
