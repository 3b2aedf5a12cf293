//! Random attacks, and bundles of any content.

use proptest::prelude::*;

use super::bits::{flip, flip_hash};
use super::*;

#[derive(Clone, Debug)]
enum Attack {
    FlipEntry { place: usize, bit: usize },
    FlipLeaf { place: usize, bit: usize },
    FlipCheckpoint { index: usize, bit: usize },
    Rewrite { place: usize },
    Delete { place: usize },
    Insert { place: usize },
    Swap { one: usize, other: usize },
    Cut { keep: usize },
}

fn attack() -> impl Strategy<Value = Attack> {
    let place = || 0_usize..200;
    prop_oneof![
        (place(), any::<usize>()).prop_map(|(place, bit)| Attack::FlipEntry { place, bit }),
        (place(), 0_usize..256).prop_map(|(place, bit)| Attack::FlipLeaf { place, bit }),
        (0_usize..4, any::<usize>()).prop_map(|(index, bit)| Attack::FlipCheckpoint { index, bit }),
        place().prop_map(|place| Attack::Rewrite { place }),
        place().prop_map(|place| Attack::Delete { place }),
        place().prop_map(|place| Attack::Insert { place }),
        (place(), place()).prop_map(|(one, other)| Attack::Swap { one, other }),
        place().prop_map(|keep| Attack::Cut { keep }),
    ]
}

impl Attack {
    /// Carries it out, and says what must be found.
    fn on(self, log: &mut Bundle) -> Box<dyn Fn(&Finding) -> bool> {
        match self {
            Self::FlipEntry { place, bit } => {
                let text = &mut log.entries[place].entry;
                flip(text, bit % (text.len() * 8));
                Box::new(move |found| *found == Finding::EntryAltered { sequence: place as u64 })
            }
            Self::FlipLeaf { place, bit } => {
                flip_hash(&mut log.entries[place].leaf, bit);
                Box::new(move |found| *found == Finding::EntryAltered { sequence: place as u64 })
            }
            Self::FlipCheckpoint { index, bit } => {
                let text = &mut log.checkpoints[index];
                flip(text, bit % (text.len() * 8));
                Box::new(move |found| matches!(found, Finding::CheckpointInvalid { index: at, .. } if *at == index))
            }
            Self::Rewrite { place } => {
                rewrite(&mut log.entries[place], "ada", "eve");
                let from = (place / 50 * 50) as u64;
                Box::new(move |found| *found == Finding::RangeAltered { from, to: from + 49 })
            }
            Self::Delete { place } => {
                log.entries.remove(place);
                Box::new(|found| matches!(found, Finding::TailCut { have: 199, .. }))
            }
            Self::Insert { place } => {
                log.entries.insert(place, entry(place as u64, "eve"));
                let expected = place as u64 + 1;
                Box::new(move |found| *found == Finding::SequenceMismatch { expected, found: expected - 1 })
            }
            Self::Swap { one, other } => {
                let other = if one == other { (one + 1) % 200 } else { other };
                log.entries.swap(one, other);
                let (first, second) = (one.min(other) as u64, one.max(other) as u64);
                Box::new(move |found| *found == Finding::SequenceMismatch { expected: first, found: second })
            }
            Self::Cut { keep } => {
                log.entries.truncate(keep);
                Box::new(move |found| *found == Finding::TailCut { have: keep as u64, anchored: 200 })
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_attack_without_the_key_is_found(attack in attack()) {
        let mut log = long_log();
        let expected = attack.clone().on(&mut log);
        let found = findings(&log);
        prop_assert!(found.iter().any(expected), "{attack:?}: {found:?}");
    }

    #[test]
    fn arbitrary_bundles_never_panic(
        sequences in prop::collection::vec(prop_oneof![0_u64..4, any::<u64>()], 0..6),
        texts in prop::collection::vec(any::<String>(), 0..3),
        proof in prop::option::of((prop_oneof![0_u64..4, any::<u64>()], 0_usize..4)),
        json in any::<String>(),
    ) {
        let entries = sequences.iter().map(|sequence| {
            let entry = entry(*sequence, "eve");
            match proof {
                Some((size, length)) => entry.proof(InclusionProof::new(size, vec![Hash::EMPTY_ROOT; length])),
                None => entry,
            }
        });
        let head = |size| signed_by(&key(), size, Hash::EMPTY_ROOT);
        let bundle = Bundle::new(ORIGIN).entries(entries).checkpoints(texts.clone());
        let bundle = bundle.checkpoints([head(0), head(2), head(u64::MAX)]);
        let bundle = bundle.consistency([ConsistencyProof::new(2, u64::MAX, vec![Hash::EMPTY_ROOT; 64])]);
        let report = verify(&bundle, &keys(), &texts);
        prop_assert!(!report.is_intact());
        let _ = (report.to_string(), Bundle::from_json(&json));
    }
}
