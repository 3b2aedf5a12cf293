//! Whether the steps of a plan have an order.

use std::collections::{BTreeMap, BTreeSet};

use opsorch::{Step, StepId};

/// Steps that wait for each other: each depends on the next, and the last is the first.
pub(super) fn cycle(steps: &[Step]) -> Option<Vec<&StepId>> {
    let mut waiting: BTreeMap<&StepId, BTreeSet<&StepId>> = BTreeMap::new();
    let mut followers: BTreeMap<&StepId, Vec<&StepId>> = BTreeMap::new();
    for step in steps {
        waiting.insert(&step.id, step.depends_on.iter().collect());
        for before in &step.depends_on {
            followers.entry(before).or_default().push(&step.id);
        }
    }
    let mut free: Vec<&StepId> = steps.iter().filter(|step| step.depends_on.is_empty()).map(|step| &step.id).collect();
    while let Some(done) = free.pop() {
        waiting.remove(done);
        for follower in followers.remove(done).unwrap_or_default() {
            if let Some(before) = waiting.get_mut(follower)
                && before.remove(done)
                && before.is_empty()
            {
                free.push(follower);
            }
        }
    }
    // Whatever waits now waits for something that waits: so the way leads back to where it was.
    let mut way = vec![*waiting.keys().next()?];
    loop {
        let next = *waiting.get(way.last()?)?.first()?;
        if let Some(start) = way.iter().position(|step| *step == next) {
            way.push(next);
            return Some(way.split_off(start));
        }
        way.push(next);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn steps_have_an_order_or_a_cycle(edges in prop::collection::vec((0..8_usize, 0..8_usize), 0..14)) {
            let steps: Vec<_> = (0..8).map(|step| {
                let before = edges.iter().filter(|(after, _)| *after == step);
                before.fold(Step::new(step.to_string(), "t"), |it, (_, before)| it.depends_on(before.to_string()))
            }).collect();
            // Who is behind whom, by repeated composition: a step behind itself is in a cycle.
            let mut behind = [[false; 8]; 8];
            edges.iter().for_each(|(after, before)| behind[*after][*before] = true);
            for middle in 0..8 {
                for after in 0..8 {
                    for before in 0..8 {
                        behind[after][before] |= behind[after][middle] && behind[middle][before];
                    }
                }
            }
            let found = cycle(&steps);
            prop_assert_eq!(found.is_some(), (0..8).any(|step| behind[step][step]));
            if let Some(found) = found {
                prop_assert!(found.len() > 1 && found.first() == found.last());
                for pair in found.windows(2) {
                    let step = steps.iter().find(|step| step.id == *pair[0]).unwrap();
                    prop_assert!(step.depends_on.contains(pair[1]));
                }
            }
        }
    }
}
