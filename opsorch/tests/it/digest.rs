//! Digests: one text for one meaning, whatever features `serde_json` was built with.
//!
//! The gate runs these tests twice: the second time with `preserve_order` and `arbitrary_precision` switched on.

mod changed;
mod sample;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use opsorch::gate::{canonical_json, digest};
use opsorch::layer::{Call, Layer, Next};
use opsorch::{
    Action, ApprovalRequest, Context, CreateTicket, Digest, ErrorKind, Response, Result, Scope, Submission, Submitted,
    Target,
};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::changed::{Changed, every_change, leaves};
use crate::support::{World, agent, one_sre, sre};

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

/// Every other value that one change of the JSON makes of this one, and where the change was.
fn others<T: Serialize + DeserializeOwned + PartialEq + Debug>(original: &T) -> Vec<(String, T)> {
    let json = serde_json::to_value(original).unwrap();
    let readable = |Changed { pointer, value }| Some((pointer, serde_json::from_value::<T>(value).ok()?));
    let others: Vec<_> =
        every_change(&json).into_iter().filter_map(readable).filter(|(_, other)| other != original).collect();
    let met: BTreeSet<&str> = others.iter().map(|(pointer, _)| pointer.as_str()).collect();
    for leaf in leaves(&json).iter().filter(|leaf| *leaf != "/operation") {
        assert!(met.contains(leaf.as_str()), "`{leaf}` can be changed in {json}");
    }
    others
}

#[test]
fn whatever_changes_in_an_action_changes_its_digest() {
    for action in sample::actions() {
        let sum = digest(&target(), &action).unwrap().0;
        for (pointer, other) in others(&action) {
            assert_ne!(digest(&target(), &other).unwrap().0, sum, "`{pointer}` is covered: {other:?}");
        }
    }
}

/// Two operations with the same input are two actions.
#[test]
fn the_operation_is_covered() {
    let texts = [
        r#"{"operation":"alert.acknowledge","input":{"id":"1","reason":"x"}}"#,
        r#"{"operation":"alert.resolve","input":{"id":"1","reason":"x"}}"#,
        r#"{"operation":"ticket.update","input":{"id":"1","title":"x"}}"#,
        r#"{"operation":"incident.update","input":{"id":"1","title":"x"}}"#,
    ];
    let sum = |text: &&str| digest(&target(), &serde_json::from_str::<Action>(text).unwrap()).unwrap().0;
    assert_eq!(texts.iter().map(sum).collect::<BTreeSet<Digest>>().len(), texts.len());
}

#[test]
fn whatever_changes_in_the_target_changes_the_digest() {
    let scope = Scope::new().service("api").team("platform").environment("production");
    let target = Target::new("jira-eu", "jira", "sha256:00ff", scope);
    let action = Action::from(CreateTicket::new("disk full"));
    let sum = digest(&target, &action).unwrap().0;
    let others = others(&target);
    assert!(others.len() > 20, "{others:#?}");
    for (pointer, other) in others {
        assert_ne!(digest(&other, &action).unwrap().0, sum, "`{pointer}` is covered: {other:?}");
    }
}

/// Notes every change that is made.
#[derive(Clone, Debug, Default)]
struct Made(Arc<Mutex<Vec<Action>>>);

#[async_trait]
impl Layer for Made {
    async fn call(&self, call: Call<'_>, next: Next<'_>) -> Result<Response> {
        self.0.lock().unwrap().extend(call.action().cloned());
        next.run().await
    }
}

async fn waits(world: &World, action: &Action) -> ApprovalRequest {
    match world.ops.submit(&Context::new(agent()), action.clone()).await.unwrap() {
        Submitted::Pending(request) => request,
        Submitted::Done(response) => panic!("nobody was asked: {response:?}"),
    }
}

/// Approves an action and tries to have each changed one made by its grant.
async fn approve_and_change(action: &Action) {
    let made = Made::default();
    let world = World::with(one_sre(), |builder| builder.without_layers().layer(made.clone())).await;
    let cx = Context::new(agent());
    let submission = Submission::from(action.clone()).idempotency_key("k");
    let Submitted::Pending(approved) = world.ops.submit(&cx, submission).await.unwrap() else { panic!("it waits") };
    world.approve(&approved, &sre("alice")).await.unwrap();
    for (pointer, other) in others(action) {
        let keyed = Submission::from(other.clone()).idempotency_key("k");
        let error = world.ops.submit(&cx, keyed).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Conflict, "`{pointer}`: the key stands for what was approved");
        let asked = waits(&world, &other).await;
        assert!(asked.id != approved.id && asked.digest != approved.digest, "`{pointer}` is another request");
        assert!(world.redeem(&asked, &agent()).await.is_err(), "`{pointer}`: nobody approved it");
        let mut swapped = asked.clone();
        swapped.digest = approved.digest.clone();
        let error = world.approve(&swapped, &sre("bob")).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Denied, "`{pointer}`: the digest is of something else");
    }
    assert_eq!((world.changes(), made.0.lock().unwrap().len()), (0, 0));
    // Whether the vendor knows what it is about does not matter here.
    let _ = world.redeem(&approved, &agent()).await;
    assert_eq!((world.changes(), &*made.0.lock().unwrap()), (1, &vec![action.clone()]), "what was approved runs");
}

#[tokio::test]
async fn a_grant_runs_the_action_that_was_approved_and_no_changed_one() {
    for action in sample::actions() {
        approve_and_change(&action).await;
    }
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
