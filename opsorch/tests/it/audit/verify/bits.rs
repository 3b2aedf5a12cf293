//! Single flipped bits.

use super::*;

pub(super) fn flip(text: &mut String, bit: usize) {
    let mut bytes = std::mem::take(text).into_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    *text = String::from_utf8_lossy(&bytes).into_owned();
}

pub(super) fn flip_hash(hash: &mut Hash, bit: usize) {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    *hash = Hash::from_bytes(bytes);
}

/// The findings but for entries without a signature, where there is none.
fn altered(log: &Bundle) -> impl Iterator<Item = Finding> {
    findings(log).into_iter().filter(|found| !matches!(found, Finding::Uncovered { .. }))
}

#[test]
fn every_flipped_bit_of_an_entry_or_its_leaf_hash_names_the_entry_and_no_other() {
    // Without checkpoints, because checking signatures takes most of the time, and this must not depend on any.
    let log = Bundle::new(ORIGIN).entries(log(7, 7, "ada").entries);
    for place in [0, 4, 6] {
        let sequence = place as u64;
        for bit in 0..log.entries[place].entry.len() * 8 {
            let mut log = log.clone();
            flip(&mut log.entries[place].entry, bit);
            assert!(altered(&log).eq([Finding::EntryAltered { sequence }]));
        }
        for bit in 0..256 {
            let mut log = log.clone();
            flip_hash(&mut log.entries[place].leaf, bit);
            assert!(altered(&log).eq([Finding::EntryAltered { sequence }]));
        }
    }
}

/// Flips one bit of every other entry of a log of 200, and looks who is named. One at a time it would take minutes.
fn assert_named(flip: impl Fn(&mut BundleEntry) -> bool) {
    for odd in [0, 1] {
        let mut log = Bundle::new(ORIGIN).entries(long_log().entries);
        let mut flipped = Vec::new();
        for entry in log.entries.iter_mut().skip(odd).step_by(2) {
            let sequence = entry.sequence;
            if flip(entry) {
                flipped.push(Finding::EntryAltered { sequence });
            }
        }
        assert!(altered(&log).eq(flipped));
    }
}

#[test]
fn every_bit_of_every_entry_and_leaf_hash_of_a_whole_log_is_of_account() {
    let longest = long_log().entries.iter().map(|entry| entry.entry.len()).max().unwrap();
    for bit in 0..longest * 8 {
        assert_named(|entry| {
            let there = bit < entry.entry.len() * 8;
            if there {
                flip(&mut entry.entry, bit);
            }
            there
        });
    }
    for bit in 0..256 {
        assert_named(|entry| {
            flip_hash(&mut entry.leaf, bit);
            true
        });
    }
}

#[test]
fn every_bit_of_every_label_of_a_whole_log_is_of_account() {
    let log = Bundle::new(ORIGIN).entries(long_log().entries);
    for place in 0..200 {
        for bit in 0..64 {
            let mut log = log.clone();
            // Entries are read in their order, so those after it make no difference.
            log.entries.truncate(place + 1);
            log.entries[place].sequence ^= 1 << bit;
            let (expected, found) = (place as u64, log.entries[place].sequence);
            assert_eq!(altered(&log).next(), Some(Finding::SequenceMismatch { expected, found }));
        }
    }
}

#[test]
fn every_bit_of_every_checkpoint_and_of_the_origin_of_a_whole_log_is_of_account() {
    let log = long_log();
    for index in 0..log.checkpoints.len() {
        for bit in 0..log.checkpoints[index].len() * 8 {
            let mut log = log.clone();
            flip(&mut log.checkpoints[index], bit);
            let invalid =
                |found: &Finding| matches!(found, Finding::CheckpointInvalid { index: at, .. } if *at == index);
            assert!(findings(&log).iter().any(invalid), "bit {bit} of checkpoint {index}");
        }
    }
    for bit in 0..log.origin.len() * 8 {
        let mut log = log.clone();
        flip(&mut log.origin, bit);
        assert!(matches!(findings(&log)[0], Finding::CheckpointInvalid { index: 0, .. }), "bit {bit} of the origin");
    }
}

#[test]
fn no_flipped_bit_of_a_bundle_as_json_goes_unseen() {
    let log = log(3, 1, "ada");
    for bundle in [log.clone(), excerpt(&log, &[1])] {
        let json = bundle.to_json().unwrap();
        for bit in 0..json.len() * 8 {
            let mut json = json.clone();
            flip(&mut json, bit);
            if let Ok(read) = Bundle::from_json(&json) {
                // A bit of the space between two values is of no account.
                assert!(read == bundle || !check(&read).is_intact(), "{json}");
            }
        }
    }
}
