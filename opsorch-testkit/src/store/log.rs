//! Rules of the log.

use opsorch::audit::{
    consistency_nodes, consistency_proof, inclusion_nodes, inclusion_proof, leaf_hash, verify_consistency,
    verify_inclusion,
};
use opsorch::store::{Begun, Finished, Requested};
use opsorch::{Event, GrantState};

use super::lab::{Lab, RACERS, parse, root};
use super::{Broken, Checked, ensure, ensure_matches};

/// How many entries are enough for every shape of a proof.
const SIZE: usize = 21;

pub(super) async fn entries_are_numbered(lab: Lab) -> Checked {
    let mut returned = lab
        .race(|lab, number| async move {
            lab.store.record(&lab.log, lab.entry(Event::Refused, &format!("g-{number}"))).await
        })
        .await?;
    returned.sort_by_key(|entry| entry.sequence);
    let stored = lab.entries().await?;
    let parsed = stored.iter().map(parse).collect::<Checked<Vec<_>>>()?;
    ensure!(parsed == returned, "expected the entries that were returned, got others");
    lab.ensure_sound(RACERS).await
}

pub(super) async fn every_entry_is_covered(lab: Lab) -> Checked {
    for number in 0..SIZE {
        let entry = lab.store.record(&lab.log, lab.entry(Event::Refused, &format!("g-{number}"))).await?;
        ensure!(entry.sequence == number as u64, "expected sequence {number}, got {}", entry.sequence);
        lab.ensure_sound(number + 1).await?;
    }
    let behind = lab
        .race(|lab, number| async move {
            let entry = lab.store.record(&lab.log, lab.entry(Event::Refused, &format!("g-{number}"))).await?;
            let head = lab.head().await.ok();
            Ok(head.is_none_or(|head| head.size() <= entry.sequence))
        })
        .await?;
    ensure!(!behind.contains(&true), "a step returned before a head covered its entry");
    lab.ensure_sound(SIZE + RACERS).await
}

pub(super) async fn a_record_appends_one_entry(lab: Lab) -> Checked {
    ensure!(lab.store.checkpoint().await?.is_none(), "an empty log has no head");
    ensure!(lab.store.checkpoints(10).await?.is_empty(), "an empty log has no heads");
    ensure!(lab.entries().await?.is_empty(), "an empty log has no entries");
    let mut entry = lab.entry(Event::Refused, "g");
    entry.reason = Some("\"quotes\", a line\nand ünïcödé \u{202e}".into());
    let written = lab.store.record(&lab.log, entry.clone()).await?;
    ensure!(written == entry, "expected {entry:?}, got {written:?}");
    let stored = lab.entries().await?;
    let [only] = stored.as_slice() else { return Err(Broken(format!("expected one entry, got {stored:?}"))) };
    ensure!(only.hash == leaf_hash(only.leaf.as_bytes()), "the hash is not that of the leaf");
    ensure!(parse(only)? == entry, "the leaf is not the entry: {}", only.leaf);
    lab.ensure_sound(1).await
}

pub(super) async fn entries_come_in_pages(lab: Lab) -> Checked {
    fill(&lab, SIZE).await?;
    let all = lab.entries().await?;
    for (from, limit) in [(0, 1_u32), (0, 7), (7, 7), (SIZE - 1, 7), (SIZE, 7), (SIZE + 1, 1), (3, 0)] {
        let expected = all.iter().skip(from).take(limit as usize);
        let page = lab.store.entries(from as u64, limit).await?;
        ensure!(page.iter().eq(expected), "entries({from}, {limit}) gave {} entries", page.len());
    }
    ensure!(lab.store.entries(u64::MAX, 1).await?.is_empty(), "nothing is beyond the end");
    Ok(())
}

pub(super) async fn the_newest_head_is_the_last(lab: Lab) -> Checked {
    for number in 0..5 {
        fill(&lab, 1).await?;
        let newest = lab.store.checkpoint().await?;
        for limit in [1, 2, 100] {
            let heads = lab.store.checkpoints(limit).await?;
            ensure!(heads.last() == newest.as_ref(), "after {} entries, checkpoints({limit}) lacks it", number + 1);
        }
    }
    Ok(())
}

pub(super) async fn heads_are_spread(lab: Lab) -> Checked {
    fill(&lab, SIZE).await?;
    for (asked, limit) in (1..).zip(1..=SIZE + 2) {
        let heads = lab.store.checkpoints(asked).await?;
        let sizes = heads.iter().map(|signed| Ok(lab.open(signed)?.size())).collect::<Checked<Vec<_>>>()?;
        ensure!(sizes.len() <= limit, "expected at most {limit}, got {sizes:?}");
        ensure!(limit < SIZE || sizes.len() == SIZE, "expected all {SIZE}, got {sizes:?}");
        ensure!(sizes.last() == Some(&(SIZE as u64)), "expected the newest last, got {sizes:?}");
        let widest = 2 * SIZE.div_ceil(limit) as u64;
        let even = sizes.windows(2).all(|pair| matches!(pair, [one, next] if one < next && next - one <= widest));
        ensure!(even && sizes.first().is_some_and(|first| *first <= widest), "with limit {limit}: {sizes:?}");
    }
    Ok(())
}

pub(super) async fn nodes_prove(lab: Lab) -> Checked {
    fill(&lab, SIZE).await?;
    let entries = lab.entries().await?;
    let size = SIZE as u64;
    for (old, first) in entries.iter().enumerate() {
        let wanted = inclusion_nodes(old as u64, size)?;
        let nodes = lab.store.nodes(&wanted).await?;
        ensure!(nodes.len() == wanted.len(), "wanted {} nodes, got {}", wanted.len(), nodes.len());
        let proof = inclusion_proof(old as u64, size, &nodes)?;
        verify_inclusion(first.hash, old as u64, size, &proof, root(&entries))?;
        let nodes = lab.store.nodes(&consistency_nodes(old as u64, size)?).await?;
        let proof = consistency_proof(old as u64, size, &nodes)?;
        verify_consistency(old as u64, root(entries.get(..old).unwrap_or_default()), size, root(&entries), &proof)?;
    }
    let none = lab.store.nodes(&[(0, size), (1, size / 2), (5, 0), (0, u64::MAX), (u32::MAX, 0)]).await?;
    ensure!(none.is_empty(), "nodes that are not full: {none:?}");
    ensure!(lab.store.nodes(&[]).await?.is_empty(), "nothing was wanted");
    Ok(())
}

pub(super) async fn a_mixed_load_keeps_the_log_sound(lab: Lab) -> Checked {
    let written = lab
        .race(|lab, number| async move {
            let id = format!("g-{number}");
            let mut written = Vec::new();
            match number % 3 {
                0 => written.push(lab.store.record(&lab.log, lab.entry(Event::Refused, &id)).await?),
                1 => {
                    if let Requested::Written(entry) = lab.store.request(&lab.log, lab.request(&id)).await? {
                        written.push(entry);
                    }
                    lab.store.transition(&lab.log, lab.transition(&id, 7, GrantState::Active)).await?;
                }
                _ => {
                    if let Begun::Intent(entry) = lab.store.begin_change(&lab.log, lab.begin(&id)).await? {
                        written.push(entry);
                    }
                    if let Finished::Written(entry) = lab.store.finish_change(&lab.log, lab.finish(&id)).await? {
                        written.push(entry);
                    }
                }
            }
            Ok(written)
        })
        .await?;
    let mut written: Vec<_> = written.into_iter().flatten().collect();
    written.sort_by_key(|entry| entry.sequence);
    let stored = lab.entries().await?.iter().map(parse).collect::<Checked<Vec<_>>>()?;
    ensure!(stored == written, "expected the {} entries that were returned, got {}", written.len(), stored.len());
    for entry in stored.iter().filter(|entry| entry.event == Event::Outcome) {
        let intent = entry.intent.and_then(|sequence| stored.get(usize::try_from(sequence).ok()?));
        ensure_matches!(intent, Some(intent) if intent.event == Event::Intent && intent.grant == entry.grant);
    }
    lab.ensure_sound(written.len()).await
}

/// Appends entries, each in a commit of its own.
async fn fill(lab: &Lab, number: usize) -> Checked {
    for number in 0..number {
        lab.store.record(&lab.log, lab.entry(Event::Refused, &format!("g-{number}"))).await?;
    }
    Ok(())
}
