//! Injection: a text is a text, whatever stands in it.

use std::collections::BTreeSet;

use opsorch::{Error, ErrorKind, Operation};
use serde_json::{Value, json};

use crate::conformance::lab::{Lab, items};
use crate::conformance::listing::{By, Listing, identity};
use crate::conformance::maker::{Maker, Surroundings, change};
use crate::conformance::rule::{Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;

/// Texts that mean something to somebody: query languages, shells, templates, markup, formats, terminals.
const TEXTS: &[&str] = &[
    "it's \"quoted\" `so` \\ and \\\\ \\n \\u0041 in two\nlines\r\nwith a\ttab",
    "{\"a\": [1, {}]} {{x}} ${HOME} $(id) #{1} * % _ ? ^.*$ [a-z] /.*/",
    "'; DROP TABLE t;-- OR '1'='1' | ls & rm > x <b onclick='x'>&amp; &lt; </b> %41 %00 %2f..%2f a+b=c#f",
    "ä ñ 漢字 🔥🏳\u{200d}🌈 e\u{301} \u{202e}abc\u{202c} \u{2028}",
];

/// Values by which a query must not find what does not have them.
const WILDCARDS: &[&str] = &["*", "%", ".*", "' OR '1'='1", "\") or (\"\" = \"", "a\\"];

pub(in crate::conformance) async fn any_text_is_kept(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    let (world, mut looked) = (Surroundings::of(&lab).await?, false);
    for (number, text) in TEXTS.iter().enumerate() {
        for maker in Maker::offered(&lab) {
            for (place, more) in texts(&lab, maker, text).into_iter().enumerate() {
                let mark = format!("of any text {number} {place}");
                let Some((input, made)) = maker.make(&lab, &world, &mark, &more).await? else { continue };
                let made = match made {
                    Err(error) if is_refusal(&error) => continue,
                    made => made,
                };
                ensure!(made.is_ok(), "{} of {input}: expected it to be made or refused, got {made:?}", maker.create);
                let read = maker.read(&lab, &made?).await?;
                says(maker.create, &more, &read)?;
                looked = true;
            }
        }
        looked |= an_entry_is_kept(&lab, &world, text).await?;
    }
    if !looked {
        nothing!("the provider makes nothing that holds a text");
    }
    Ok(Verdict::Kept)
}

/// Members that hold a text, one by one: each may be refused.
fn texts(lab: &Lab, maker: &Maker, text: &str) -> Vec<Value> {
    let takes = |name: &str| maker.required.iter().chain(maker.optional).any(|member| member.name == name);
    let members = ["title", "description"].into_iter().filter(|name| takes(name));
    let field = json!({ "fields": { "conformanceText": text } });
    members.map(|name| json!({ name: lab.titled(text) })).chain([field]).collect()
}

/// Checks that what was given is in what is read.
fn says(create: Operation, given: &Value, read: &Value) -> Checked {
    for (name, given) in given.as_object().into_iter().flatten() {
        let has = read.get(name).unwrap_or(&Value::Null);
        let is_kept = match given.as_object() {
            // Whether a field that nobody knows is kept at all is another question.
            Some(fields) => fields.iter().all(|(name, given)| has.get(name).is_none_or(|has| has == given)),
            None => has == given,
        };
        ensure!(is_kept, "{create} with `{name}` = {given}: it reads {has} afterwards");
    }
    Ok(())
}

/// Whether an entry could be appended; what it says is checked.
async fn an_entry_is_kept(lab: &Lab, world: &Surroundings, text: &str) -> Checked<bool> {
    use Operation::{IncidentCreate, IncidentTimelineAppend as APPEND, IncidentTimelineGet as TIMELINE};
    let maker = Maker::offered(lab).find(|maker| maker.create == IncidentCreate);
    let (Some(maker), true, true) = (maker, lab.offers(APPEND), lab.offers(TIMELINE)) else { return Ok(false) };
    let Some(incident) = maker.made(lab, world, "with an entry").await? else { return Ok(false) };
    let id = incident.get("id").cloned().unwrap_or_default();
    let input = json!({ "id": id, "kind": "note", "body": text });
    match change(lab, APPEND, input.clone()).await? {
        Err(error) if is_refusal(&error) => return Ok(false),
        answer => ensure!(answer.is_ok(), "{APPEND} of {input}: expected it to be appended or refused, got {answer:?}"),
    }
    let entries = items(&lab.read(TIMELINE, id).await??)?;
    let is_there = entries.iter().any(|entry| entry.get("body") == Some(&json!(text)));
    ensure!(is_there, "{APPEND} of {input}: no entry of the timeline says that afterwards: {entries:?}");
    Ok(true)
}

pub(in crate::conformance) async fn any_value_is_only_a_value(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    for listing in Listing::offered(&lab) {
        let all = listing.all(&lab).await?;
        if all.is_empty() {
            continue;
        }
        for filter in listing.filters {
            // What a name that nothing has finds is looked at elsewhere.
            let nobodys = found_by(&lab, listing, &filter.of(&[filter.nobodys()])).await?;
            let nobodys = nobodys.iter().map(identity).collect::<BTreeSet<_>>();
            for text in WILDCARDS {
                let value = match filter.by {
                    By::Tag => json!({ "team": text }),
                    _ => json!(text),
                };
                let condition = filter.of(&[value]);
                let found = found_by(&lab, listing, &condition).await?;
                let other = found.iter().find(|thing| !occurs_in(text, thing) && !nobodys.contains(&identity(thing)));
                ensure!(
                    other.is_none(),
                    "{} with {condition} finds {}, in which that is not to be found",
                    listing.query,
                    other.map(identity).unwrap_or_default()
                );
                looked = true;
            }
        }
    }
    if !looked {
        nothing!("no query that takes a text finds anything");
    }
    Ok(Verdict::Kept)
}

/// The first page of what a query finds; nothing where it is refused.
async fn found_by(lab: &Lab, listing: &Listing, condition: &Value) -> Checked<Vec<Value>> {
    let page = match lab.read(listing.query, listing.with(lab, condition.clone())).await? {
        Err(error) if is_refusal(&error) => return Ok(Vec::new()),
        page => page,
    };
    ensure!(
        page.is_ok(),
        "{} with {condition}: expected what it finds, or that it is refused, got {page:?}",
        listing.query
    );
    items(&page?)
}

/// Whether a text occurs in any text of a thing.
fn occurs_in(text: &str, thing: &Value) -> bool {
    match thing {
        Value::String(has) => has.contains(text),
        Value::Array(values) => values.iter().any(|value| occurs_in(text, value)),
        Value::Object(members) => members.values().any(|value| occurs_in(text, value)),
        _ => false,
    }
}

/// Whether a provider says that a text cannot be sent to its vendor, which it may.
fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Invalid { .. })
}
