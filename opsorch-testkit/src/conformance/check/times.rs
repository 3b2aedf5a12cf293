//! The times that a provider makes.

use std::time::Duration;

use opsorch::{Clock, Time};
use serde_json::{Value, json};

use crate::conformance::listing::{Listing, member};
use crate::conformance::maker::{Maker, Surroundings};
use crate::conformance::rule::{Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;

/// How far a vendor's clock may be from ours: far less than time zones are.
const DRIFT: Duration = Duration::from_secs(120);

pub(in crate::conformance) async fn what_is_made_now_is_of_now(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    let (world, now) = (Surroundings::of(&lab).await?, lab.place().clock().now());
    for maker in Maker::offered(&lab) {
        let Some(name) = Listing::by(maker.query)?.time else { continue };
        // Whether it can be made is not looked at here.
        let Some((_, Ok(made))) = maker.make(&lab, &world, "made now", &json!({})).await? else { continue };
        let read = maker.read(&lab, &made).await?;
        for at in [&made, &read].into_iter().filter_map(|thing| time(thing, name)) {
            let is_now = (now - DRIFT..=now + DRIFT).contains(&at);
            ensure!(is_now, "{} at {now}: `{name}` is {at}", maker.create);
            looked = true;
        }
    }
    if !looked {
        nothing!("the provider makes nothing that has a time");
    }
    Ok(Verdict::Kept)
}

fn time(thing: &Value, name: &str) -> Option<Time> {
    member(thing, name).as_str()?.parse().ok()
}
