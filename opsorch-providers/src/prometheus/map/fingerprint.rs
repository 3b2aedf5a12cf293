//! The fingerprint of labels, by which Alertmanager knows an alert.

use crate::prometheus::wire::alertmanager::Labels;

/// The basis and the prime of FNV-1a for 64 bits.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// A byte that UTF-8 has nowhere, after each name and each value.
const SEPARATOR: u8 = 0xff;

/// The fingerprint as Alertmanager computes and writes it: FNV-1a over names and values in the order of the names, in
/// 16 hexadecimal digits. A label without a value is no label.
///
/// The algorithm is `LabelSet.Fingerprint` of github.com/prometheus/common/model.
pub(in crate::prometheus) fn fingerprint(labels: &Labels) -> String {
    let named = labels.iter().filter(|(_, value)| !value.is_empty());
    let hash = named.flat_map(|(name, value)| [name, value]).fold(BASIS, |hash, text| {
        text.bytes().chain([SEPARATOR]).fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Labels and fingerprint as Alertmanager 0.25 and 0.33 sent them.
    #[test]
    fn the_fingerprint_is_the_one_that_alertmanager_sends() {
        let labels = labels(&[
            ("alertname", "TargetDown"),
            ("env", "test"),
            ("instance", "127.0.0.1:1"),
            ("job", "dead"),
            ("severity", "critical"),
            ("team", "core"),
        ]);
        assert_eq!(fingerprint(&labels), "e0ebab1a85bfb414");
    }

    #[test]
    fn no_labels_have_the_basis_as_their_fingerprint() {
        assert_eq!(fingerprint(&Labels::new()), "cbf29ce484222325");
    }

    proptest! {
        #[test]
        fn the_order_in_which_labels_are_given_does_not_matter(
            mut pairs in proptest::collection::vec(("[a-z]{1,3}", ".{0,4}"), 0..6),
        ) {
            pairs.sort();
            pairs.dedup_by(|one, other| one.0 == other.0);
            let forward: Labels = pairs.iter().cloned().collect();
            let backward: Labels = pairs.into_iter().rev().collect();
            prop_assert_eq!(fingerprint(&forward), fingerprint(&backward));
        }

        #[test]
        fn a_label_without_a_value_changes_nothing(name in "[a-z]{4}", value in ".{1,8}") {
            let one = labels(&[("a", &value)]);
            let two = labels(&[("a", &value), (&name, "")]);
            prop_assert_eq!(fingerprint(&one), fingerprint(&two));
        }

        #[test]
        fn text_that_moves_between_name_and_value_is_another_alert(name in "[a-z]{1,4}", value in "[a-z]{2,6}") {
            let (head, tail) = value.split_at(1);
            let one = labels(&[(&name, &value)]);
            let two = labels(&[(&format!("{name}{head}"), tail)]);
            prop_assert_ne!(fingerprint(&one), fingerprint(&two));
        }
    }
}
