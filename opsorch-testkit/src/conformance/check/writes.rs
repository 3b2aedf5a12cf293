//! Changes: what was made is there, as it was asked for, and nothing else is.

use std::time::Duration;

use opsorch::{Clock as _, Error, Operation};
use serde_json::{Value, json};

use crate::conformance::lab::{Lab, items};
use crate::conformance::listing::{Listing, both, identity};
use crate::conformance::maker::{Maker, Member, Surroundings, change, is_not_found, is_refusal};
use crate::conformance::rule::{Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;

/// An id that nothing has.
const NOBODY: &str = "no-such-thing-4711";

/// The members by which two views of one thing are compared; what changes by itself is not among them.
const FACTS: &[&str] = &[
    "id",
    "key",
    "title",
    "description",
    "status",
    "severity",
    "service",
    "environment",
    "version",
    "planId",
    "assignees",
    "reporter",
    "createdAt",
    "startedAt",
    "finishedAt",
];

pub(in crate::conformance) async fn what_is_made_can_be_read(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    let (world, mut looked) = (Surroundings::of(&lab).await?, false);
    for maker in Maker::offered(&lab) {
        looked |= made_as_asked(&lab, &world, maker, None).await?;
        for member in maker.optional {
            looked |= made_as_asked(&lab, &world, maker, Some(member)).await?;
        }
    }
    made_something(looked)
}

/// Makes a thing, with a member more than it has to have, and checks that it reads as it was asked for.
async fn made_as_asked(lab: &Lab, world: &Surroundings, maker: &Maker, more: Option<&Member>) -> Checked<bool> {
    let mark = format!("read back with {}", more.map_or("nothing more", |member| member.name));
    let extra = match more {
        Some(member) => match member.value(world, &mark) {
            Some(value) => json!({ member.name: value }),
            None => return Ok(false),
        },
        None => json!({}),
    };
    let Some((input, made)) = maker.make(lab, world, &mark, &extra).await? else { return Ok(false) };
    if more.is_some() && made.as_ref().is_err_and(is_refusal) {
        return Ok(false);
    }
    ensure!(made.is_ok(), "{} of {input}: it is offered, but nothing is made: {made:?}", maker.create);
    let read = maker.read(lab, &made?).await?;
    for member in maker.required.iter().chain(more) {
        let given = input.get(member.name).unwrap_or(&Value::Null);
        ensure!(
            member.is_in(&read, given),
            "{} of {input}: `{}` reads {} afterwards; a member that cannot be kept is refused",
            maker.create,
            member.name,
            read.get(member.name).unwrap_or(&Value::Null)
        );
    }
    Ok(true)
}

pub(in crate::conformance) async fn what_is_made_is_found(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    let (world, mut looked) = (Surroundings::of(&lab).await?, false);
    for maker in Maker::offered(&lab).filter(|maker| lab.offers(maker.query)) {
        let Some(made) = maker.made(&lab, &world, "found").await? else { continue };
        let is_listed = maker.all(&lab).await?.iter().any(|thing| identity(thing) == identity(&made));
        ensure!(is_listed, "{} made {}, which {} does not find", maker.create, identity(&made), maker.query);
        looked = true;
    }
    made_something(looked)
}

pub(in crate::conformance) async fn an_update_changes_what_is_given(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    let (world, mut looked) = (Surroundings::of(&lab).await?, false);
    for maker in Maker::offered(&lab) {
        let Some(update) = maker.update.filter(|update| lab.offers(*update)) else { continue };
        let (mut refused, mut taken) = (None, Vec::new());
        for member in maker.changeable {
            match updated_as_asked(&lab, &world, maker, update, &[member]).await? {
                Ok(()) => taken.push(member),
                Err(refusal) => refused = refusal.or(refused),
            }
        }
        looked |= !taken.is_empty();
        if taken.len() > 1 {
            // Members that can be changed one by one can still be refused together.
            _ = updated_as_asked(&lab, &world, maker, update, &taken).await?;
        }
        ensure!(looked || refused.is_none(), "{update} is offered, but nothing can be changed: {refused:?}");
    }
    if !looked {
        nothing!("the provider offers no update of something that it can make");
    }
    Ok(Verdict::Kept)
}

/// Makes a thing, changes members of it, and checks that they and nothing else changed. `Err` says why nothing came of it.
async fn updated_as_asked(
    lab: &Lab,
    world: &Surroundings,
    maker: &Maker,
    update: Operation,
    members: &[&Member],
) -> Checked<Result<(), Option<Error>>> {
    let names: Vec<_> = members.iter().map(|member| member.name).collect();
    let mark = format!("to change the {} of", names.join(" and "));
    let mut given = json!({});
    for member in members {
        let Some(value) = member.value(world, &mark) else { return Ok(Err(None)) };
        given = both(&given, &json!({ member.name: value }));
    }
    // With a text beside its title there is something to lose.
    let more = json!({ "description": "it has to stay" });
    let made = match maker.make(lab, world, &mark, &more).await? {
        Some((_, Ok(made))) => made,
        _ => match maker.made(lab, world, &mark).await? {
            Some(made) => made,
            None => return Ok(Err(None)),
        },
    };
    let before = maker.read(lab, &made).await?;
    let input = both(&json!({ "id": made.get("id") }), &given);
    match change(lab, update, input.clone()).await? {
        Err(error) if is_refusal(&error) => return Ok(Err(Some(error))),
        answer => ensure!(answer.is_ok(), "{update} of {input}: expected it to be changed, got {answer:?}"),
    }
    let after = maker.read(lab, &made).await?;
    let is_there = members.iter().all(|member| member.is_in(&after, input.get(member.name).unwrap_or(&Value::Null)));
    ensure!(is_there, "{update} of {input}: it reads {after} afterwards");
    nothing_else_changed(update, &input, &names, &before, &after)?;
    Ok(Ok(()))
}

fn nothing_else_changed(update: Operation, input: &Value, changed: &[&str], before: &Value, after: &Value) -> Checked {
    // Who takes a thing on may follow from how far it is.
    let follows = |name: &str| changed.contains(&"status") && name == "assignees";
    let kept = FACTS.iter().filter(|name| !changed.contains(name) && !follows(name));
    let other = kept.copied().find(|name| before.get(name) != after.get(name));
    if let Some(name) = other {
        let shown = |thing: &Value| thing.get(name).cloned().unwrap_or_default();
        ensure!(
            false,
            "{update} of {input} changed `{name}` from {} to {}, which was not asked for",
            shown(before),
            shown(after)
        );
    }
    Ok(())
}

pub(in crate::conformance) async fn an_unknown_id_changes_nothing(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    let before = counts(&lab).await?;
    for (operation, input) in changes_of_nobody(&lab, bench.channel()) {
        let answer = change(&lab, operation, input.clone()).await?;
        ensure!(is_not_found(&answer), "{operation} of {input}: expected `not_found`, got {answer:?}");
        looked = true;
    }
    let after = counts(&lab).await?;
    ensure!(before == after, "changes of unknown ids made something: there was {before:?}, now there is {after:?}");
    if !looked {
        nothing!("the provider offers no changes of something that is there");
    }
    Ok(Verdict::Kept)
}

/// Every change that is offered of something that has to be there, of something that is not.
fn changes_of_nobody(lab: &Lab, channel: Option<&str>) -> Vec<(Operation, Value)> {
    use Operation as O;
    let until = lab.place().clock().now() + Duration::from_secs(3_600);
    let mut changes = vec![
        (O::IncidentUpdate, json!({ "id": NOBODY, "title": "nobody's" })),
        (O::IncidentTimelineAppend, json!({ "id": NOBODY, "kind": "note", "body": "nobody's" })),
        (O::AlertAcknowledge, json!({ "id": NOBODY })),
        (O::AlertResolve, json!({ "id": NOBODY })),
        (O::AlertSilence, json!({ "id": NOBODY, "until": until })),
        (O::TicketUpdate, json!({ "id": NOBODY, "title": "nobody's" })),
        (O::TicketComment, json!({ "id": NOBODY, "body": "nobody's" })),
        (O::OrchestrationRunsStart, json!({ "planId": NOBODY })),
        (O::OrchestrationRunsStepsComplete, json!({ "runId": NOBODY, "stepId": NOBODY })),
        (O::OrchestrationRunsCancel, json!({ "runId": NOBODY })),
    ];
    let in_channel = |channel| (O::MessagingUpdate, json!({ "id": NOBODY, "channel": channel, "body": "nobody's" }));
    changes.extend(channel.map(in_channel));
    changes.retain(|(operation, _)| lab.offers(*operation));
    changes
}

/// How many things there are of each kind.
async fn counts(lab: &Lab) -> Checked<Vec<(Operation, usize)>> {
    let mut counts = Vec::new();
    for listing in Listing::offered(lab) {
        counts.push((listing.query, listing.all(lab).await?.len()));
    }
    Ok(counts)
}

pub(in crate::conformance) async fn an_appended_entry_is_in_the_timeline(bench: &Bench<'_>) -> Checked<Verdict> {
    use Operation::{IncidentTimelineAppend as APPEND, IncidentTimelineGet as TIMELINE};
    let lab = bench.open().await?;
    let incident = match lab.offers(APPEND) && lab.offers(TIMELINE) {
        true => incident(&lab).await?,
        false => None,
    };
    let Some(id) = incident else { nothing!("there is no incident with a timeline that can be read and appended to") };
    let at = lab.place().clock().now() - Duration::from_secs(60);
    let (whole, short) = (
        json!({ "id": id, "kind": "note", "body": "the replica lags by 40 s", "at": at }),
        json!({ "id": id, "kind": "note", "body": "the replica lags by 40 s" }),
    );
    // A vendor that stamps entries itself refuses another time.
    let (input, answer) = match change(&lab, APPEND, whole.clone()).await? {
        Err(error) if is_refusal(&error) => (short.clone(), change(&lab, APPEND, short).await?),
        answer => (whole, answer),
    };
    ensure!(answer.is_ok(), "{APPEND} of {input}: it is offered, but nothing is appended: {answer:?}");
    let entries = items(&lab.read(TIMELINE, id).await??)?;
    let is_it = |entry: &&Value| ["kind", "body"].into_iter().all(|name| entry.get(name) == input.get(name));
    let found: Vec<_> = entries.iter().filter(is_it).collect();
    ensure!(found.len() == 1, "{APPEND} of {input}: it is in the timeline {} times: {entries:?}", found.len());
    let keeps_time = input.get("at").is_none_or(|at| found.iter().all(|entry| entry.get("at") == Some(at)));
    ensure!(keeps_time, "{APPEND} of {input}: the timeline has it at another time: {found:?}");
    Ok(Verdict::Kept)
}

/// The id of an incident: a new one, else one that is there.
async fn incident(lab: &Lab) -> Checked<Option<Value>> {
    let world = Surroundings::of(lab).await?;
    let maker = Maker::offered(lab).find(|maker| maker.create == Operation::IncidentCreate);
    if let Some(maker) = maker {
        return Ok(maker.made(lab, &world, "with a timeline").await?.and_then(|made| made.get("id").cloned()));
    }
    let listing = Listing::offered(lab).find(|listing| listing.query == Operation::IncidentQuery);
    let Some(listing) = listing else { return Ok(None) };
    Ok(listing.all(lab).await?.first().and_then(|incident| incident.get("id").cloned()))
}

pub(in crate::conformance) async fn a_blank_title_is_not_replaced(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    let (world, mut looked) = (Surroundings::of(&lab).await?, false);
    for maker in Maker::offered(&lab).filter(|maker| maker.required.iter().any(|member| member.name == "title")) {
        for title in ["", "  \t"] {
            let Some((input, made)) = maker.make(&lab, &world, "blank", &json!({ "title": title })).await? else {
                continue;
            };
            looked = true;
            let made = match made {
                Err(error) if !error.may_have_applied() => continue,
                made => made,
            };
            ensure!(made.is_ok(), "{} of {input}: expected that it is refused or kept, got {made:?}", maker.create);
            let read = maker.read(&lab, &made?).await?;
            ensure!(
                read.get("title") == Some(&json!(title)),
                "{} of {input}: expected that it is refused or kept, got a thing with the title {}",
                maker.create,
                read.get("title").unwrap_or(&Value::Null)
            );
        }
    }
    made_something(looked)
}

pub(in crate::conformance) async fn a_field_is_kept_or_refused(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    let (world, mut looked) = (Surroundings::of(&lab).await?, false);
    for maker in Maker::offered(&lab) {
        for place in ["fields", "metadata"] {
            let more = json!({ place: { "conformanceField": "kept?" } });
            let mark = format!("with {place}");
            let Some((input, made)) = maker.make(&lab, &world, &mark, &more).await? else { continue };
            looked = true;
            if made.as_ref().is_err_and(is_refusal) {
                continue;
            }
            let read = maker.read(&lab, &made?).await?;
            ensure!(
                read.get(place).and_then(|fields| fields.get("conformanceField")) == Some(&json!("kept?")),
                "{} of {input} succeeds, but what is in `{place}` is not there afterwards: {read}",
                maker.create
            );
        }
    }
    made_something(looked)
}

pub(in crate::conformance) async fn the_answer_is_what_is_there(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    let (world, mut looked) = (Surroundings::of(&lab).await?, false);
    for maker in Maker::offered(&lab) {
        let Some(made) = maker.made(&lab, &world, "answered").await? else { continue };
        is_there(&lab, maker, maker.create, &made).await?;
        looked = true;
        let id = made.get("id");
        for (operation, input) in [
            (Operation::IncidentUpdate, json!({ "id": id, "title": "answered otherwise" })),
            (Operation::TicketUpdate, json!({ "id": id, "title": "answered otherwise" })),
            (Operation::AlertAcknowledge, json!({ "id": id })),
            (Operation::AlertResolve, json!({ "id": id })),
            (Operation::OrchestrationRunsCancel, json!({ "runId": id })),
        ] {
            if operation.output_type() == maker.create.output_type() && lab.offers(operation) {
                let Ok(answer) = change(&lab, operation, input).await? else { continue };
                is_there(&lab, maker, operation, &answer).await?;
            }
        }
    }
    made_something(looked)
}

async fn is_there(lab: &Lab, maker: &Maker, operation: Operation, answer: &Value) -> Checked {
    let read = maker.read(lab, answer).await?;
    for name in FACTS {
        ensure!(
            answer.get(name) == read.get(name),
            "{operation} answers {} as `{name}` of {}, and {} says {}",
            answer.get(name).unwrap_or(&Value::Null),
            identity(answer),
            maker.get,
            read.get(name).unwrap_or(&Value::Null)
        );
    }
    Ok(())
}

fn made_something(looked: bool) -> Checked<Verdict> {
    if !looked {
        nothing!("the provider makes nothing that can be read by its id");
    }
    Ok(Verdict::Kept)
}
