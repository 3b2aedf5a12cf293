//! What holds for log entries alone; the rest they share with other listings.

use opsorch::Operation;
use serde_json::{Value, json};

use super::filters::bounds_hold;
use crate::conformance::lab::Lab;
use crate::conformance::listing::{Listing, identities, identity, member};
use crate::conformance::rule::{Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;

/// The name of a field, whether it is a label, and a value that it has.
type Field = (String, &'static str, String);

pub(in crate::conformance) async fn an_entry_is_in_the_span(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    let (listing, entries) = entries(&lab).await?;
    if !bounds_hold(&lab, listing, &entries).await? {
        nothing!("the provider finds no log entries");
    }
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn conditions_on_fields_hold(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    let (listing, entries) = entries(&lab).await?;
    for field in fields(&entries).iter().take(3) {
        for operator in ["=", "!=", "contains"] {
            looked |= compare(&lab, listing, &entries, field, operator).await?;
        }
    }
    if !looked {
        nothing!("no log entry has a label or a field to compare");
    }
    Ok(Verdict::Kept)
}

/// Compares what a condition finds with the entries that have the field. What lacks it is not looked at: sources differ.
async fn compare(
    lab: &Lab,
    listing: &Listing,
    entries: &[Value],
    (name, place, value): &Field,
    operator: &str,
) -> Checked<bool> {
    let part = value.get(1..).filter(|part| operator == "contains" && !part.is_empty());
    for wanted in [value, "no-such-value-4711"].into_iter().chain(part) {
        let filter = json!({ "field": name, "operator": operator, "value": wanted });
        let Some(found) = listing.find(lab, &json!({ "expression": { "filters": [filter] } })).await? else {
            return Ok(true);
        };
        let ids = identities(&found);
        for entry in entries {
            let Some(has) = member(entry, place).get(name).and_then(Value::as_str) else { continue };
            let passes = match operator {
                "=" => has == wanted,
                "!=" => has != wanted,
                _ => has.contains(wanted),
            };
            ensure!(
                passes == ids.contains(&identity(entry)),
                "log.query by `{name}` {operator} {wanted:?} {} an entry whose `{name}` is {has:?}",
                if passes { "leaves out" } else { "finds" }
            );
        }
    }
    Ok(true)
}

/// The labels and fields of entries, each with a value; a name that is both is left out.
fn fields(entries: &[Value]) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for (place, other) in [("labels", "fields"), ("fields", "labels")] {
        for entry in entries {
            for (name, value) in member(entry, place).as_object().into_iter().flatten() {
                let is_new =
                    !fields.iter().any(|(known, ..)| known == name) && member(entry, other).get(name).is_none();
                if let Some(value) = value.as_str().filter(|value| is_new && !value.is_empty()) {
                    fields.push((name.clone(), place, value.to_owned()));
                }
            }
        }
    }
    fields
}

/// Every entry; none where the provider reads no logs.
async fn entries(lab: &Lab) -> Checked<(&'static Listing, Vec<Value>)> {
    let listing = Listing::by(Operation::LogQuery)?;
    let entries = if lab.offers(listing.query) { listing.all(lab).await? } else { Vec::new() };
    Ok((listing, entries))
}
