//! Digests: one text for one meaning, whatever features `serde_json` was built with.
//!
//! The gate runs these tests twice: the second time with `preserve_order` and `arbitrary_precision` switched on.

use std::collections::BTreeSet;

use opsorch::gate::{canonical_json, digest};
use opsorch::{Action, CreateTicket, Message, Scope, Target, UpdateIncident};
use proptest::prelude::*;
use serde_json::{Value, json};

fn target() -> Target {
    Target::new("jira-eu", "jira", "sha256:00ff", Scope::new().environment("production"))
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The example of RFC 8785, section 3.2.2, without its one number that is beyond 2^53.
#[test]
fn the_example_of_rfc_8785_is_reproduced() {
    let input = parse(
        r#"{
            "numbers": [333333333.33333329, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#,
    );
    let expected = concat!(
        r#"{"literals":[null,true,false],"numbers":[333333333.3333333,4.5,0.002,1e-27],"#,
        r#""string":"€$\u000f\nA'B\"\\\\\"/"}"#
    );
    assert_eq!(canonical_json(&input).unwrap(), expected);
}

/// The example of RFC 8785, section 3.2.3: keys in the order of their UTF-16 code units.
#[test]
fn keys_are_sorted_by_utf_16() {
    let input = json!({
        "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh", "1": "One",
        "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O With Diaeresis",
    });
    let text = canonical_json(&input).unwrap();
    let order = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"];
    let places: Vec<_> = order.iter().map(|name| text.find(name).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn numbers_that_mean_the_same_are_written_the_same() {
    for (one, other) in
        [("1", "1.0"), ("1e2", "100"), ("-0", "0"), ("-0.0", "0"), ("0.10", "0.1"), ("1E-7", "0.0000001")]
    {
        assert_eq!(canonical_json(&parse(one)).unwrap(), canonical_json(&parse(other)).unwrap(), "{one} {other}");
    }
}

#[test]
fn numbers_that_readers_disagree_about_are_refused() {
    assert_eq!(canonical_json(&parse("9007199254740991")).unwrap(), "9007199254740991");
    for text in ["9007199254740992", "-9007199254740992", "9007199254740993", "1e20", "1e300", "18446744073709551616"] {
        assert!(canonical_json(&parse(text)).is_err(), "{text}");
    }
}

/// Pinned: whoever changes one of these invalidates every approval that waits.
#[test]
fn digests_do_not_move() {
    let create = CreateTicket::new("disk full").description("zweite Platte: 97 %").field("priority", 2).field("a", 0.5);
    let (sum, text) = digest(&target(), &Action::from(create)).unwrap();
    let expected = concat!(
        r#"{"action":{"input":{"description":"zweite Platte: 97 %","fields":{"a":0.5,"priority":2},"title":"disk full"},"#,
        r#""operation":"ticket.create"},"target":{"fingerprint":"sha256:00ff","kind":"jira","provider":"jira-eu","#,
        r#""scope":{"environment":"production"}},"version":1}"#
    );
    assert_eq!(text, expected);
    assert_eq!(sum.as_str(), "sha256:53d9931adc0ac7818d6102d2f7171ba2b7bde415743a829ac990bf4d4433c225");
}

#[test]
fn any_field_that_changes_changes_the_digest() {
    let base =
        Message::new("#ops", "deploying").thread_ref("1.2").metadata("k", json!({ "deep": [1, 2, { "x": "y" }] }));
    let mut variants = vec![Action::from(base.clone())];
    variants.push(Message::new("#other", "deploying").thread_ref("1.2").into());
    variants.push(base.clone().thread_ref("1.3").into());
    variants.push(base.clone().metadata("k", json!({ "deep": [1, 2, { "x": "z" }] })).into());
    variants.push(base.clone().metadata("l", 1).into());
    variants.push(CreateTicket::new("deploying").into());
    variants.push(UpdateIncident::new("i").title("").into());
    variants.push(UpdateIncident::new("i").into());
    let mut sums: BTreeSet<_> = variants.iter().map(|action| digest(&target(), action).unwrap().0).collect();
    for other in [
        Target::new("jira-us", "jira", "sha256:00ff", target().scope),
        Target::new("jira-eu", "github", "sha256:00ff", target().scope),
        Target::new("jira-eu", "jira", "sha256:00fe", target().scope),
        Target::new("jira-eu", "jira", "sha256:00ff", Scope::new().environment("staging")),
        Target::new("jira-eu", "jira", "sha256:00ff", Scope::new()),
    ] {
        sums.insert(digest(&other, &variants[0]).unwrap().0);
    }
    assert_eq!(sums.len(), variants.len() + 5);
}

/// Any JSON whose numbers are below 2^53.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-1e15..1e15f64).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_text_is_a_fixed_point_and_loses_nothing(value in value()) {
        let text = canonical_json(&value).unwrap();
        let again = parse(&text);
        prop_assert_eq!(canonical_json(&again).unwrap(), text);
    }

    #[test]
    fn the_order_of_insertion_does_not_matter(members in prop::collection::btree_map(any::<String>(), any::<i32>(), 0..8)) {
        let forward: Value = members.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let backward: Value = members.iter().rev().map(|(name, value)| (name.clone(), json!(value))).collect();
        prop_assert_eq!(canonical_json(&forward).unwrap(), canonical_json(&backward).unwrap());
    }

    #[test]
    fn different_strings_give_different_text(one in any::<String>(), other in any::<String>()) {
        prop_assume!(one != other);
        prop_assert_ne!(canonical_json(&one).unwrap(), canonical_json(&other).unwrap());
    }
}
