//! Rules of grants and keys.

use std::time::Duration;

use opsorch::store::{GrantRecord, Request, Requested, Transitioned};
use opsorch::{ErrorKind, Event, GrantState};

use super::lab::{Lab, RACERS, at, id, parse};
use super::{Checked, ensure, ensure_matches};

pub(super) async fn a_request_is_written(lab: Lab) -> Checked {
    let step = lab.request("g").key(lab.key("k", "g"));
    ensure_matches!(lab.store.request(&lab.log, step.clone()).await?, Requested::Written(entry) if entry == step.entry);
    let (grant, key) = (lab.store.grant(&id("g")).await?, lab.store.key("k", at(0)).await?);
    ensure!(grant.as_ref() == Some(&step.grant), "expected {:?}, got {grant:?}", step.grant);
    ensure!(key == step.key, "expected {:?}, got {key:?}", step.key);
    lab.ensure_sound(1).await
}

pub(super) async fn a_live_key_is_seen(lab: Lab) -> Checked {
    let first = lab.key("k", "g-1");
    lab.store.request(&lab.log, lab.request("g-1").key(first.clone())).await?;
    let second = lab.store.request(&lab.log, lab.request("g-2").key(lab.key("k", "g-2"))).await?;
    ensure_matches!(second, Requested::KeySeen(seen) if seen == first);
    let other = lab.store.request(&lab.log, lab.request("g-3").key(lab.key("K", "g-3"))).await?;
    ensure_matches!(other, Requested::Written(_));
    Ok(())
}

pub(super) async fn a_key_expires(lab: Lab) -> Checked {
    let first = lab.key("k", "g-1");
    lab.store.request(&lab.log, lab.request("g-1").key(first.clone())).await?;
    let instant = Duration::from_nanos(1);
    let live = lab.store.key("k", first.expires_at - instant).await?;
    ensure!(live.as_ref() == Some(&first), "a nanosecond before it expires it is live, got {live:?}");
    let gone = lab.store.key("k", first.expires_at).await?;
    ensure!(gone.is_none(), "when it expires it is gone, got {gone:?}");

    let again = |time| {
        let mut key = lab.key("k", "g-2");
        key.expires_at = at(7200);
        let mut step = lab.request("g-2").key(key);
        step.entry.time = time;
        step
    };
    let early = lab.store.request(&lab.log, again(first.expires_at - instant)).await?;
    ensure_matches!(early, Requested::KeySeen(seen) if seen == first);
    let late = again(first.expires_at);
    ensure_matches!(lab.store.request(&lab.log, late.clone()).await?, Requested::Written(_));
    let key = lab.store.key("k", first.expires_at).await?;
    ensure!(key == late.key, "expected the use that came last, got {key:?}");
    Ok(())
}

pub(super) async fn a_grant_exists_once(lab: Lab) -> Checked {
    lab.store.request(&lab.log, lab.request("g")).await?;
    let again = lab.store.request(&lab.log, lab.request("g")).await;
    ensure_matches!(again, Err(error) if *error.kind() == ErrorKind::Conflict);
    Ok(())
}

pub(super) async fn requests_race_for_a_key(lab: Lab) -> Checked {
    let answers = lab
        .race(|lab, number| async move {
            let id = format!("g-{number}");
            lab.store.request(&lab.log, lab.request(&id).key(lab.key("k", &id))).await
        })
        .await?;
    let mut winners = Vec::new();
    let mut seen = Vec::new();
    for answer in answers {
        match answer {
            Requested::Written(entry) => winners.push(entry.grant),
            Requested::KeySeen(key) => seen.push(Some(key.grant)),
            other => ensure!(false, "expected Written or KeySeen, got {other:?}"),
        }
    }
    ensure!(winners.len() == 1, "expected one that is written, got {}", winners.len());
    ensure!(seen.iter().all(|grant| winners.contains(grant)), "those who came late saw the use of another grant");
    let grants = lab.store.grants(GrantState::ALL, u32::MAX).await?;
    ensure!(grants.len() == 1, "expected one grant, got {}", grants.len());
    lab.ensure_sound(1).await
}

pub(super) async fn a_transition_is_written(lab: Lab) -> Checked {
    lab.store.request(&lab.log, lab.request("g")).await?;
    let step = lab.transition("g", 0, GrantState::Active);
    let done = lab.store.transition(&lab.log, step.clone()).await?;
    ensure_matches!(&done, Transitioned::Written(entry) if entry.sequence == 1 && entry.event == step.entry.event);
    let grant = lab.store.grant(&id("g")).await?;
    ensure!(grant.as_ref() == Some(&step.grant), "expected {:?}, got {grant:?}", step.grant);
    let requested = lab.store.grants(&[GrantState::Requested], 10).await?;
    ensure!(requested.is_empty(), "it is still listed in its old state");
    lab.ensure_sound(2).await
}

pub(super) async fn a_transition_may_be_stale(lab: Lab) -> Checked {
    lab.activate("g").await?;
    for version in [0, 2, 1_000_000] {
        let step = lab.transition("g", version, GrantState::Revoked);
        ensure_matches!(lab.store.transition(&lab.log, step).await?, Transitioned::Stale);
    }
    let unknown = lab.transition("nobody", 0, GrantState::Active);
    ensure_matches!(lab.store.transition(&lab.log, unknown).await?, Transitioned::Stale);
    lab.ensure_sound(2).await
}

pub(super) async fn transitions_race(lab: Lab) -> Checked {
    lab.store.request(&lab.log, lab.request("g")).await?;
    let answers = lab
        .race(|lab, number| async move {
            let mut step = lab.transition("g", 0, GrantState::Active);
            step.grant.body = format!("by {number}");
            step.entry.reason = Some(step.grant.body.clone());
            lab.store.transition(&lab.log, step).await
        })
        .await?;
    let won = answers.iter().filter(|answer| matches!(answer, Transitioned::Written(_))).count();
    ensure!(won == 1, "expected one of {RACERS} that is written, got {won}");
    let body = lab.store.grant(&id("g")).await?.map(|grant| grant.body);
    let entries = lab.entries().await?;
    let told = entries.last().map(parse).transpose()?.and_then(|entry| entry.reason);
    ensure!(body == told, "the grant is {body:?}, the log says {told:?}");
    lab.ensure_sound(2).await
}

pub(super) async fn grants_survive_to_the_letter(lab: Lab) -> Checked {
    let body =
        format!("{{\"text\":\"'quotes' -- ; ünïcödé 🚒 \u{202e}\\u0000\n\",\"long\":\"{}\"}}", "x".repeat(200_000));
    for (number, state) in GrantState::ALL.iter().copied().enumerate() {
        let name = format!("g'{number}\";--é");
        let seal = (0..=255).collect();
        let time = at(0) + Duration::from_nanos(number as u64);
        let grant = GrantRecord::new(id(&name), i64::MAX.unsigned_abs(), state, time, body.clone(), seal);
        lab.store.request(&lab.log, Request::new(grant.clone(), lab.entry(Event::Requested, &name))).await?;
        let found = lab.store.grant(&id(&name)).await?;
        ensure!(found.as_ref() == Some(&grant), "{state}: got something else than was written");
    }
    ensure!(lab.store.grant(&id("nobody")).await?.is_none(), "an unknown grant was found");
    Ok(())
}

pub(super) async fn grants_are_listed(lab: Lab) -> Checked {
    let mut all = Vec::new();
    for number in 0..28_u64 {
        let name = format!("g-{number:02}");
        let state = GrantState::ALL
            .iter()
            .copied()
            .cycle()
            .nth(usize::try_from(number).unwrap_or(0))
            .unwrap_or(GrantState::Spent);
        // Neither the order of writing nor that of ids, and some at the same time.
        let mut grant = lab.grant(&name, 0, state);
        grant.requested_at = at(number * 5 % 9);
        lab.store.request(&lab.log, Request::new(grant.clone(), lab.entry(Event::Requested, &name))).await?;
        all.push(grant);
    }
    all.sort_by(|one, other| (other.requested_at, &other.id).cmp(&(one.requested_at, &one.id)));
    let waiting = [GrantState::Requested, GrantState::Active];
    for states in [GrantState::ALL, &waiting, &waiting[..1], &[GrantState::Spent, GrantState::Spent], &[]] {
        for limit in [0, 1, 5, 28, u32::MAX] {
            let expected = all.iter().filter(|grant| states.contains(&grant.state)).take(limit as usize);
            let found = lab.store.grants(states, limit).await?;
            let ids: Vec<_> = found.iter().map(|grant| grant.id.as_str()).collect();
            ensure!(found.iter().eq(expected), "grants({states:?}, {limit}) gave {ids:?}");
        }
    }
    Ok(())
}
