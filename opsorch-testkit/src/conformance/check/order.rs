//! The order of what is found.

use std::time::Duration;

use opsorch::{Clock, Operation, Time, TimelineAppend};
use serde_json::{Value, json};

use crate::conformance::lab::{Lab, items};
use crate::conformance::listing::{Listing, identity, member};
use crate::conformance::rule::{Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;

pub(in crate::conformance) async fn the_newest_comes_first(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    for listing in Listing::offered(&lab) {
        let Some(time) = listing.time else { continue };
        let all = listing.all(&lab).await?;
        looked |= is_newest_first(listing, &json!({}), &times(&all, time))?;
        for filter in listing.filters {
            for value in filter.values(&all) {
                let condition = filter.of(&[value]);
                let found = listing.find(&lab, &condition).await?.unwrap_or_default();
                is_newest_first(listing, &condition, &times(&found, time))?;
            }
        }
    }
    if !looked {
        nothing!("no query finds several things with a time");
    }
    Ok(Verdict::Kept)
}

/// Checks an order; whether there is one.
fn is_newest_first(listing: &Listing, condition: &Value, times: &[Time]) -> Checked<bool> {
    for pair in times.windows(2) {
        let [first, second] = pair else { continue };
        ensure!(first >= second, "{} with {condition}: {first} comes before {second}, which is newer", listing.query);
    }
    Ok(times.len() > 1)
}

pub(in crate::conformance) async fn an_order_is_kept(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    for listing in Listing::offered(&lab) {
        let order = async || -> Checked<Vec<_>> { Ok(listing.all(&lab).await?.iter().map(identity).collect()) };
        let (once, again) = (order().await?, order().await?);
        ensure!(once == again, "{}: the order was {once:?}, and then {again:?}", listing.query);
        looked |= once.len() > 1;
    }
    if !looked {
        nothing!("no query finds several things");
    }
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn a_timeline_begins_with_the_oldest(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    if !lab.offers(Operation::IncidentQuery) || !lab.offers(Operation::IncidentTimelineGet) {
        nothing!("the provider lists no incidents that have timelines");
    }
    let incidents = lab.read(Operation::IncidentQuery, json!({ "limit": 3 })).await??;
    for incident in items(&incidents)? {
        let id = member(&incident, "id");
        write_of_the_past(&lab, id.as_str().unwrap_or_default()).await;
        let entries = lab.read(Operation::IncidentTimelineGet, id.clone()).await??;
        for pair in times(&items(&entries)?, "at").windows(2) {
            let [first, second] = pair else { continue };
            ensure!(first <= second, "the timeline of {id} has {first} before {second}, which is older");
            looked = true;
        }
    }
    if !looked {
        nothing!("no timeline has several entries with a time");
    }
    Ok(Verdict::Kept)
}

/// Adds two entries to a timeline, the later one first, if the provider takes them.
async fn write_of_the_past(lab: &Lab, incident: &str) {
    if lab.offers(Operation::IncidentTimelineAppend) {
        for minutes in [10, 20] {
            let at = lab.place().clock().now() - Duration::from_secs(60 * minutes);
            let entry = TimelineAppend::new(incident, "note", format!("{minutes} minutes ago")).at(at);
            // What comes of it is seen in the timeline.
            let _ = lab.change(entry).await;
        }
    }
}

fn times(things: &[Value], time: &str) -> Vec<Time> {
    things.iter().filter_map(|thing| member(thing, time).as_str()?.parse().ok()).collect()
}
