//! Rules of changes: intents, leases, outcomes.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use opsorch::store::{Begun, Finished, OpenIntent, Requested, Transitioned};
use opsorch::{ErrorKind, Event, GrantState, Result};

use super::lab::{Lab, RACERS, at, id, parse};
use super::{Checked, ensure, ensure_matches};

pub(super) async fn refused_steps_write_nothing(lab: Lab) -> Checked {
    let keys = ["k", "new"];
    lab.activate("g").await?;
    lab.store.begin_change(&lab.log, lab.begin("open").key(lab.key("k", "open"))).await?;
    let before = lab.seen(&keys).await?;
    let (store, log) = (&lab.store, &lab.log);
    let new = |grant| lab.key("new", grant);

    ensure_matches!(store.request(log, lab.request("g").key(new("g"))).await, Err(_));
    ensure_matches!(store.request(log, lab.request("n").key(lab.key("k", "n"))).await?, Requested::KeySeen(_));
    let stale = lab.transition("g", 0, GrantState::Revoked);
    ensure_matches!(store.transition(log, stale).await?, Transitioned::Stale);
    ensure_matches!(store.begin_change(log, lab.redeem("g", 0).key(new("g"))).await?, Begun::Stale);
    ensure_matches!(store.begin_change(log, lab.begin("g").key(new("g"))).await?, Begun::Stale);
    ensure_matches!(store.begin_change(log, lab.redeem("n", 0).key(new("n"))).await?, Begun::Stale);
    ensure_matches!(store.begin_change(log, lab.begin("n").key(lab.key("k", "n"))).await?, Begun::KeySeen(_));
    ensure_matches!(store.finish_change(log, lab.finish("g").result("r")).await, Err(_));
    let early = lab.finish("open").result("r").if_lapsed(at(60));
    ensure_matches!(store.finish_change(log, early).await?, Finished::NotLapsed);

    let after = lab.seen(&keys).await?;
    ensure!(after == before, "expected {before:?}, got {after:?}");
    for grant in ["g", "open", "n"] {
        ensure!(store.outcome(&id(grant)).await?.is_none(), "{grant} has an outcome");
    }
    lab.ensure_sound(3).await
}

pub(super) async fn dropped_steps_are_whole(lab: Lab) -> Checked {
    const POLLS: usize = 16;
    for polls in 0..POLLS {
        let name = format!("g-{polls}");
        let step = || lab.begin(&name).key(lab.key(&name, &name));
        abandon(polls, lab.store.begin_change(&lab.log, step())).await;
        // Either that was committed, or it no longer will be: whole, then, in either case.
        lab.store.begin_change(&lab.log, step()).await?;
        let traces = traces(&lab, &name).await?;
        ensure!(traces == [1; 4], "dropped after {polls} polls, grants, keys, intents and entries are {traces:?}");
    }
    lab.ensure_sound(POLLS).await
}

/// Polls a future so many times, and drops it unless it has ended.
async fn abandon<T>(polls: usize, step: impl Future<Output = T>) {
    let mut step = pin!(step);
    for _ in 0..polls {
        if poll_fn(|cx| Poll::Ready(step.as_mut().poll(cx).is_ready())).await {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// How many grants, keys, open intents and entries there are of a change.
async fn traces(lab: &Lab, name: &str) -> Checked<[usize; 4]> {
    let grant = lab.store.grant(&id(name)).await?;
    let key = lab.store.key(name, at(0)).await?;
    let intents = lab.store.lapsed(at(1_000_000)).await?;
    let entries = lab.entries().await?.iter().map(parse).collect::<Checked<Vec<_>>>()?;
    let intents = intents.iter().filter(|open| open.grant == id(name));
    let entries = entries.iter().filter(|entry| entry.grant == Some(id(name)));
    Ok([grant.iter().count(), key.iter().count(), intents.count(), entries.count()])
}

pub(super) async fn a_change_begins(lab: Lab) -> Checked {
    let step = lab.begin("new").key(lab.key("k", "new"));
    ensure_matches!(lab.store.begin_change(&lab.log, step.clone()).await?, Begun::Intent(entry) if entry == step.entry);
    let (grant, key) = (lab.store.grant(&id("new")).await?, lab.store.key("k", at(0)).await?);
    ensure!(grant.as_ref() == Some(&step.grant), "expected {:?}, got {grant:?}", step.grant);
    ensure!(key == step.key, "expected {:?}, got {key:?}", step.key);
    let expected = [OpenIntent::new(id("new"), step.entry, step.instance, step.lease_until)];
    let open = lab.store.lapsed(at(1_000_000)).await?;
    ensure!(open == expected, "expected {expected:?}, got {open:?}");

    lab.activate("asked").await?;
    let step = lab.redeem("asked", 1);
    let begun = lab.store.begin_change(&lab.log, step.clone()).await?;
    ensure_matches!(&begun, Begun::Intent(entry) if entry.sequence == 3 && entry.event == Event::Intent);
    let grant = lab.store.grant(&id("asked")).await?;
    ensure!(grant.as_ref() == Some(&step.grant), "expected {:?}, got {grant:?}", step.grant);
    lab.ensure_sound(4).await
}

pub(super) async fn callers_race(lab: Lab) -> Checked {
    lab.activate("g").await?;
    let answers = lab
        .race(|lab, number| async move {
            let mut step = lab.redeem("g", 1);
            step.instance = format!("instance-{number}");
            lab.store.begin_change(&lab.log, step).await
        })
        .await?;
    let won = answers.iter().filter(|answer| matches!(answer, Begun::Intent(_))).count();
    let stale = answers.iter().filter(|answer| matches!(answer, Begun::Stale)).count();
    ensure!((won, stale) == (1, RACERS - 1), "expected one of {RACERS} that begins, got {won}, and {stale} stale");
    let open = lab.store.lapsed(at(1_000_000)).await?;
    ensure!(open.len() == 1, "expected one open intent, got {}", open.len());
    lab.ensure_sound(3).await
}

pub(super) async fn a_change_may_be_stale(lab: Lab) -> Checked {
    lab.activate("g").await?;
    for version in [0, 2, 1_000_000] {
        let begun = lab.store.begin_change(&lab.log, lab.redeem("g", version)).await?;
        ensure_matches!(begun, Begun::Stale);
    }
    ensure_matches!(lab.store.begin_change(&lab.log, lab.begin("g")).await?, Begun::Stale);
    ensure_matches!(lab.store.begin_change(&lab.log, lab.redeem("nobody", 0)).await?, Begun::Stale);
    ensure_matches!(lab.store.begin_change(&lab.log, lab.redeem("g", 1)).await?, Begun::Intent(_));
    Ok(())
}

pub(super) async fn a_grant_has_one_intent(lab: Lab) -> Checked {
    lab.activate("g").await?;
    ensure_matches!(lab.store.begin_change(&lab.log, lab.redeem("g", 1)).await?, Begun::Intent(_));
    for version in 2..5 {
        let back = lab.transition("g", version, GrantState::Active);
        ensure_matches!(lab.store.transition(&lab.log, back).await?, Transitioned::Written(_));
        let again = lab.store.begin_change(&lab.log, lab.redeem("g", version + 1)).await?;
        ensure_matches!(again, Begun::Stale);
        // Nor after its outcome.
        lab.store.finish_change(&lab.log, lab.finish("g")).await?;
    }
    Ok(())
}

pub(super) async fn a_change_respects_keys(lab: Lab) -> Checked {
    let requested = lab.key("requested", "g");
    lab.store.request(&lab.log, lab.request("g").key(requested.clone())).await?;
    let begun = lab.store.begin_change(&lab.log, lab.begin("n").key(lab.key("requested", "n"))).await?;
    ensure_matches!(begun, Begun::KeySeen(seen) if seen == requested);

    let answers = lab
        .race(|lab, number| async move {
            let name = format!("g-{number}");
            lab.store.begin_change(&lab.log, lab.begin(&name).key(lab.key("raced", &name))).await
        })
        .await?;
    let raced = lab.store.key("raced", at(0)).await?;
    let winner = raced.as_ref().map(|key| &key.grant);
    let mut won = 0;
    for answer in &answers {
        match answer {
            Begun::Intent(entry) if entry.grant.as_ref() == winner => won += 1,
            Begun::KeySeen(seen) if Some(seen) == raced.as_ref() => {}
            other => ensure!(false, "expected the intent of {winner:?}, or its key, got {other:?}"),
        }
    }
    ensure!(won == 1, "expected one of {RACERS} that begins, got {won}");
    let late = lab.store.request(&lab.log, lab.request("late").key(lab.key("raced", "late"))).await?;
    ensure_matches!(late, Requested::KeySeen(seen) if Some(&seen) == raced.as_ref());
    lab.ensure_sound(2).await
}

pub(super) async fn the_first_end_is_the_outcome(lab: Lab) -> Checked {
    lab.store.record(&lab.log, lab.entry(Event::Refused, "g")).await?;
    lab.store.begin_change(&lab.log, lab.begin("g")).await?;
    let step = lab.finish("g").result("{\"what\":\"'it' gave ü\"}");
    let Finished::Written(entry) = lab.store.finish_change(&lab.log, step.clone()).await? else {
        return Err(super::Broken("expected Written, got NotLapsed".into()));
    };
    let told = (entry.event, entry.intent, entry.sequence, &entry.outcome);
    ensure!(told == (Event::Outcome, Some(1), 2, &step.entry.outcome), "expected the outcome of entry 1, got {told:?}");
    let result = lab.store.outcome(&id("g")).await?;
    ensure!(result == step.result, "expected {:?}, got {result:?}", step.result);
    let open = lab.store.lapsed(at(1_000_000)).await?;
    ensure!(open.is_empty(), "the intent is still open: {open:?}");
    lab.ensure_sound(3).await
}

pub(super) async fn later_ends_are_addenda(lab: Lab) -> Checked {
    lab.store.begin_change(&lab.log, lab.begin("g")).await?;
    lab.store.finish_change(&lab.log, lab.finish("g").result("first")).await?;
    for (result, expected) in [(None, "first"), (Some("second"), "second"), (None, "second")] {
        let mut step = lab.finish("g");
        step.result = result.map(str::to_owned);
        let done = lab.store.finish_change(&lab.log, step).await?;
        ensure_matches!(&done, Finished::Written(entry) if entry.event == Event::Addendum && entry.intent == Some(0));
        let kept = lab.store.outcome(&id("g")).await?;
        ensure!(kept.as_deref() == Some(expected), "expected {expected}, got {kept:?}");
    }
    lab.ensure_sound(5).await
}

pub(super) async fn no_outcome_without_intent(lab: Lab) -> Checked {
    lab.activate("g").await?;
    for grant in ["g", "nobody"] {
        let done = lab.store.finish_change(&lab.log, lab.finish(grant).result("r")).await;
        ensure_matches!(done, Err(error) if *error.kind() == ErrorKind::NotFound);
        let done = lab.store.finish_change(&lab.log, lab.finish(grant).if_lapsed(at(1000))).await?;
        ensure_matches!(done, Finished::NotLapsed);
    }
    lab.ensure_sound(2).await
}

pub(super) async fn orphans_wait_for_their_lease(lab: Lab) -> Checked {
    lab.store.begin_change(&lab.log, lab.begin("g")).await?;
    let find = async |before| -> Result<Finished> {
        lab.store.finish_change(&lab.log, lab.finish("g").result("found").if_lapsed(before)).await
    };
    for before in [at(0), at(60)] {
        ensure_matches!(find(before).await?, Finished::NotLapsed);
    }
    let done = find(at(60) + Duration::from_nanos(1)).await?;
    ensure_matches!(&done, Finished::Written(entry) if entry.event == Event::Outcome && entry.intent == Some(0));
    ensure_matches!(find(at(1000)).await?, Finished::NotLapsed);
    // The one who made the change is late, and is heard all the same.
    let late = lab.store.finish_change(&lab.log, lab.finish("g").result("late")).await?;
    ensure_matches!(late, Finished::Written(entry) if entry.event == Event::Addendum);
    lab.ensure_sound(3).await
}

pub(super) async fn finders_race(lab: Lab) -> Checked {
    lab.store.begin_change(&lab.log, lab.begin("g")).await?;
    let answers = lab
        .race(|lab, _| async move { lab.store.finish_change(&lab.log, lab.finish("g").if_lapsed(at(61))).await })
        .await?;
    let won = answers.iter().filter(|answer| matches!(answer, Finished::Written(_))).count();
    ensure!(won == 1, "expected one of {RACERS} that is written, got {won}");
    lab.ensure_sound(2).await
}

pub(super) async fn leases_are_only_extended(lab: Lab) -> Checked {
    lab.store.begin_change(&lab.log, lab.begin("g")).await?;
    let mut renewed = Vec::new();
    for (grant, until) in [("g", 120), ("g", 90), ("nobody", 90)] {
        renewed.push(lab.store.renew_lease(&id(grant), at(until)).await?);
    }
    ensure!(
        renewed == [true, true, false],
        "expected two renewals of an open intent and none of nobody's, got {renewed:?}"
    );
    let open = lab.store.lapsed(at(1000)).await?;
    let leases: Vec<_> = open.iter().map(|open| open.lease_until).collect();
    ensure!(leases == [at(120)], "expected one lease until {}, got {leases:?}", at(120));
    let early = lab.store.finish_change(&lab.log, lab.finish("g").if_lapsed(at(100))).await?;
    ensure_matches!(early, Finished::NotLapsed);
    lab.store.finish_change(&lab.log, lab.finish("g")).await?;
    let closed = lab.store.renew_lease(&id("g"), at(500)).await?;
    ensure!(!closed, "the lease of a closed intent was renewed");
    let open = lab.store.lapsed(at(1000)).await?;
    ensure!(open.is_empty(), "a closed intent was opened: {open:?}");
    lab.ensure_sound(2).await
}

pub(super) async fn lapsed_intents_are_listed(lab: Lab) -> Checked {
    let mut expected = Vec::new();
    for number in 0..6_u64 {
        let name = format!("g-{number}");
        let mut step = lab.begin(&name);
        step.lease_until = at(number * 10);
        step.instance = format!("instance-{number}");
        let Begun::Intent(entry) = lab.store.begin_change(&lab.log, step.clone()).await? else {
            return Err(super::Broken(format!("{name} did not begin")));
        };
        expected.push(OpenIntent::new(id(&name), entry, step.instance, step.lease_until));
    }
    lab.store.finish_change(&lab.log, lab.finish("g-1")).await?;
    expected.retain(|open| open.grant != id("g-1"));
    for now in [at(0), at(1), at(30), at(31), at(1000)] {
        let mut found = lab.store.lapsed(now).await?;
        found.sort_by(|one, other| one.grant.cmp(&other.grant));
        let lapsed = expected.iter().filter(|open| open.lease_until < now);
        ensure!(found.iter().eq(lapsed), "at {now}: {found:?}");
    }
    Ok(())
}

pub(super) async fn outcomes_are_read(lab: Lab) -> Checked {
    ensure!(lab.store.outcome(&id("nobody")).await?.is_none(), "an unknown grant has an outcome");
    lab.store.begin_change(&lab.log, lab.begin("g")).await?;
    ensure!(lab.store.outcome(&id("g")).await?.is_none(), "an open intent has an outcome");
    lab.store.finish_change(&lab.log, lab.finish("g")).await?;
    ensure!(lab.store.outcome(&id("g")).await?.is_none(), "there was no result");
    let result = "x".repeat(200_000);
    lab.store.finish_change(&lab.log, lab.finish("g").result(&result)).await?;
    ensure!(lab.store.outcome(&id("g")).await? == Some(result), "got something else than was written");
    Ok(())
}
