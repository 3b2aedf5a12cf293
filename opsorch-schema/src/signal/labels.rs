//! Labels: what tells a series, a stream of logs or an alert from the others.
//!
//! Everything here takes labels as Prometheus does: in the order of their names, and one without a value is no label.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use crate::{Fields, MetricFilter, MetricOperatorLevel};

/// Labels by their names.
pub type Labels = BTreeMap<String, String>;

/// The labels in free-form fields, as a [`MetricSeries`](crate::MetricSeries) has them: text as it is, anything else as
/// JSON. `null` and empty text are no labels.
///
/// ```
/// use opsorch_schema::signal::labels;
/// use serde_json::json;
///
/// let fields = [("job", json!("api")), ("shard", json!(7)), ("zone", json!(null))];
/// let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
/// assert_eq!(labels::text(&labels::from_fields(&fields)), r#"{job="api", shard="7"}"#);
/// ```
pub fn from_fields(fields: &Fields) -> Labels {
    let value = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let labels = fields.iter().filter_map(|(name, field)| Some((name.clone(), value(field)?)));
    labels.filter(|(_, value)| !value.is_empty()).collect()
}

/// The one text of labels, to be read and compared: `{name="value", …}` in the order of the names. Quotes, backslashes
/// and line breaks are escaped; a name that is no plain word is in quotes as well, so that different labels have
/// different texts.
///
/// ```
/// use opsorch_schema::signal::labels;
///
/// let labels = [("zone", "eu"), ("job", "a\"b"), ("http.route", "/")];
/// let labels = labels.map(|(name, value)| (name.into(), value.into()));
/// assert_eq!(labels::text(&labels.into()), r#"{"http.route"="/", job="a\"b", zone="eu"}"#);
/// ```
pub fn text(labels: &Labels) -> String {
    let mut text = String::from("{");
    for (name, value) in present(labels) {
        if text.len() > 1 {
            text.push_str(", ");
        }
        match is_word(name) {
            true => text.push_str(name),
            false => quote(&mut text, name),
        }
        text.push('=');
        quote(&mut text, value);
    }
    text.push('}');
    text
}

/// The basis and the prime of FNV-1a for 64 bits.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// A byte that UTF-8 has nowhere, after each name and each value.
const SEPARATOR: u8 = 0xff;

/// The fingerprint that Prometheus, Alertmanager and Grafana have for labels: FNV-1a over names and values, in 16
/// hexadecimal digits (`LabelSet.Fingerprint` of github.com/prometheus/common/model).
///
/// It tells labels apart that nobody chose to collide. It is no protection against those who do.
///
/// ```
/// use opsorch_schema::signal::labels;
///
/// let one = [("job", "api"), ("zone", "eu")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
/// assert_eq!(labels::fingerprint(&one), "0c1a5177940a11a2");
/// ```
pub fn fingerprint(labels: &Labels) -> String {
    let hash = present(labels).flat_map(|(name, value)| [name, value]).fold(BASIS, |hash, text| {
        text.bytes().chain([SEPARATOR]).fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
    });
    format!("{hash:016x}")
}

/// All labels of two sets. Where both have a name, the value is that of the second; one without a value takes none away.
pub fn merge(mut first: Labels, second: Labels) -> Labels {
    first.extend(second.into_iter().filter(|(_, value)| !value.is_empty()));
    first.retain(|_, value| !value.is_empty());
    first
}

/// The labels that are the same everywhere; none where there is nothing to compare.
///
/// ```
/// use opsorch_schema::signal::labels::{self, Labels};
///
/// let set = |text: &str| -> Labels {
///     let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
///     pairs.map(|(name, value)| (name.into(), value.into())).collect()
/// };
/// let series = [set("job=api zone=eu"), set("job=api zone=us"), set("job=api")];
/// assert_eq!(labels::common(&series), set("job=api"));
/// ```
pub fn common<'a>(sets: impl IntoIterator<Item = &'a Labels>) -> Labels {
    let mut sets = sets.into_iter();
    let mut common = sets.next().cloned().unwrap_or_default();
    common.retain(|_, value| !value.is_empty());
    for labels in sets {
        common.retain(|name, value| labels.get(name) == Some(value));
    }
    common
}

/// Whether labels pass all filters. A label that is not there has the empty text as its value.
///
/// `None` where that depends on a regular expression or on a comparison that is not in the table: this crate evaluates
/// neither, and says no only where no answer of theirs could change it.
///
/// ```
/// use opsorch_schema::signal::labels;
/// use opsorch_schema::{MetricFilter, MetricOperatorLevel::{Equals, Matches, NotEquals}};
///
/// let labels = [("job".to_owned(), "api".to_owned())].into();
/// let is_api = MetricFilter::new("job", Equals, "api");
/// let is_elsewhere = MetricFilter::new("zone", NotEquals, "eu");
/// assert_eq!(labels::matches(&labels, &[is_api.clone(), is_elsewhere]), Some(true));
/// assert_eq!(labels::matches(&labels, &[is_api, MetricFilter::new("job", Matches, "a.*")]), None);
/// ```
pub fn matches(labels: &Labels, filters: &[MetricFilter]) -> Option<bool> {
    let mut all = Some(true);
    for filter in filters {
        let value = labels.get(&filter.label).map_or("", String::as_str);
        match filter.operator.level() {
            MetricOperatorLevel::Equals if value == filter.value => {}
            MetricOperatorLevel::NotEquals if value != filter.value => {}
            MetricOperatorLevel::Equals | MetricOperatorLevel::NotEquals => return Some(false),
            _ => all = None,
        }
    }
    all
}

fn present(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.as_str(), value.as_str()))
}

fn is_word(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn quote(text: &mut String, plain: &str) {
    text.push('"');
    for character in plain.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            '\n' => text.push_str("\\n"),
            // Nothing that moves a cursor gets into a log; writing to a string does not fail.
            other if other.is_control() => _ = write!(text, "\\u{{{:x}}}", u32::from(other)),
            other => text.push(other),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn sets() -> impl Strategy<Value = Labels> {
        prop::collection::btree_map("[a-c\"= ,]{0,2}", prop_oneof!["[ab\"=,\\\\\n{}]{0,3}", ".{0,4}"], 0..4)
    }

    fn without_empty(mut labels: Labels) -> Labels {
        labels.retain(|_, value| !value.is_empty());
        labels
    }

    /// Labels and fingerprint as Alertmanager 0.25 and 0.33 sent them.
    #[test]
    fn the_fingerprint_is_the_one_that_alertmanager_sends() {
        let labels = set(&[
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
        assert_eq!(text(&Labels::new()), "{}");
    }

    proptest! {
        #[test]
        fn the_text_and_the_fingerprint_are_the_same_only_for_the_same_labels(one in sets(), other in sets()) {
            let is_same = without_empty(one.clone()) == without_empty(other.clone());
            prop_assert_eq!(text(&one) == text(&other), is_same);
            prop_assert_eq!(fingerprint(&one) == fingerprint(&other), is_same);
            prop_assert!(!text(&one).chars().any(char::is_control));
        }

        #[test]
        fn a_label_without_a_value_changes_nothing(labels in sets(), name in "[a-z]{4}") {
            let more = merge(labels.clone(), set(&[(&name, "")]));
            prop_assert_eq!(&more, &without_empty(labels.clone()));
            let with = labels.clone().into_iter().chain([(name, String::new())]).collect();
            prop_assert_eq!(fingerprint(&with), fingerprint(&labels));
            prop_assert_eq!(text(&with), text(&labels));
        }

        #[test]
        fn text_that_moves_between_name_and_value_is_another_fingerprint(name in "[a-z]{1,4}", value in "[a-z]{2,6}") {
            let (head, tail) = value.split_at(1);
            let one = set(&[(&name, &value)]);
            let two = set(&[(&format!("{name}{head}"), tail)]);
            prop_assert_ne!(fingerprint(&one), fingerprint(&two));
        }

        #[test]
        fn what_is_common_is_in_all_and_what_is_merged_has_all(one in sets(), other in sets()) {
            let shared = common([&one, &other]);
            let expected: Labels =
                without_empty(one.clone()).into_iter().filter(|(name, value)| other.get(name) == Some(value)).collect();
            prop_assert_eq!(&shared, &expected);
            prop_assert_eq!(common([&other, &one]), expected);
            prop_assert_eq!(common([&one, &one]), without_empty(one.clone()));
            let all = merge(one.clone(), other.clone());
            let (one, other) = (without_empty(one), without_empty(other));
            for name in one.keys().chain(other.keys()).chain(all.keys()) {
                prop_assert_eq!(other.get(name).or(one.get(name)), all.get(name));
            }
            prop_assert_eq!(merge(all.clone(), other), all);
        }

        #[test]
        fn a_filter_and_its_negation_never_both_pass(labels in sets(), name in "[a-c]{1,2}", value in "[ab]{0,2}") {
            let passes = |operator: &str| matches(&labels, &[MetricFilter::new(&name, operator, &value)]);
            prop_assert_eq!(passes("="), Some(labels.get(&name).map_or("", String::as_str) == value));
            prop_assert_eq!(passes("!="), passes("=").map(|passes| !passes));
            prop_assert_eq!((passes("=~"), passes("!~"), passes("~ish")), (None, None, None));
            let both = [MetricFilter::new(&name, "=~", "x"), MetricFilter::new(&name, "=", format!("{value}z"))];
            let expected = if labels.get(&name) == Some(&format!("{value}z")) { None } else { Some(false) };
            prop_assert_eq!(matches(&labels, &both), expected);
        }
    }
}
