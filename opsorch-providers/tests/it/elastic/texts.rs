//! Texts from outside: whatever stands in a value, it changes no other clause.

use opsorch::{LogOperatorLevel, LogQuery};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::assert_invalid;
use super::desk::{Desk, ago, day};
use super::simulated::elastic::Flavor;
use super::simulated::elastic::store::Index;
use super::simulated::elastic::world::{ECS, line};

/// Texts with what means something in JSON, in patterns, in Lucene's syntax and in addresses.
fn texts() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "\"", "\\", "}", "{", "]", "[", "*", "?", "\n", "\r", ":", "/", "(", ")", "((", "'", ",", "\\\"", "\"}}", "%",
        "&", "#", "\u{0}", "\u{2028}", "ä", "🔥", "AND", "~", "^", "$", "null", ".*",
    ]);
    let word = "[a-z0-9 ]{0,4}".prop_map(|word| word);
    prop::collection::vec(prop_oneof![special.prop_map(str::to_owned), word], 0..8).prop_map(|parts| parts.concat())
}

/// A query that holds a text in every place for one.
fn everywhere(text: &str) -> LogQuery {
    day()
        .search(format!("x{text}"))
        .severity(text)
        .service(text)
        .team(text)
        .environment(text)
        .filter("host.name", LogOperatorLevel::Equals, text)
        .filter("host.name", LogOperatorLevel::NotEquals, text)
        .filter("host.name", LogOperatorLevel::Contains, text)
        .filter("host.name", LogOperatorLevel::Regex, text)
        .filter("event.duration", LogOperatorLevel::Equals, text)
        .filter("severity", LogOperatorLevel::Equals, text)
}

/// What a clause says without its texts: its shape.
fn shape(value: &Value) -> Value {
    match value {
        Value::String(_) => json!(""),
        Value::Array(values) => values.iter().map(shape).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        other => other.clone(),
    }
}

/// The clauses of a query, asked of a cluster that finds nothing by them. Its body was written and read again.
async fn clauses(query: LogQuery) -> Vec<Value> {
    let types: Vec<_> = ECS.to_vec();
    let desk = Desk::of(Flavor::Elasticsearch, Index::new(&types)).await;
    desk.clauses(query).await
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_value_changes_no_clause_but_its_own_text(text in texts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // An unknown word stands for itself, so that both ask for as many words.
        let plain = runtime.block_on(clauses(everywhere("plain")));
        let text = format!("zz{text}");
        let said = runtime.block_on(clauses(everywhere(&text)));
        prop_assert_eq!(shape(&json!(plain)), shape(&json!(said)));
        let texts = json!(said).to_string();
        prop_assert_eq!(&said[3], &json!({ "term": { "labels.team": { "value": text } } }), "{}", texts);
    }

    #[test]
    fn a_value_finds_itself_and_nothing_else(text in texts(), other in texts()) {
        prop_assume!(!text.is_empty() && !other.is_empty());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let document = |host: &str| {
                let mut source = line(ago(1).to_rfc3339(), "x");
                source["host"] = json!({ "name": host });
                source
            };
            let index = Index::new(ECS).with("1", document(&text)).with("2", document(&other));
            let desk = Desk::of(Flavor::OpenSearch, index).await;
            let both = [("1", &text), ("2", &other)];
            let ids = |test: &dyn Fn(&String) -> bool| -> Vec<_> {
                both.iter().filter(|(_, has)| test(has)).map(|(id, _)| (*id).to_owned()).collect()
            };
            let found = desk.ids(day().filter("host.name", "=", text.as_str())).await;
            prop_assert_eq!(found, ids(&|has| *has == text));
            let found = desk.ids(day().filter("host.name", "!=", text.as_str())).await;
            prop_assert_eq!(found, ids(&|has| *has != text));
            let found = desk.ids(day().filter("host.name", "contains", text.as_str())).await;
            prop_assert_eq!(found, ids(&|has| has.contains(&text)));
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn what_people_type_never_breaks_a_search() {
    let desk = Desk::small(Flavor::Elasticsearch).await;
    for text in ["((", "a:b", "/x", "\"", "*", "a AND (b", "\\", "[1 TO", "x~y^2", "<script>"] {
        assert!(desk.ids(day().search(text)).await.is_empty(), "{text}");
    }
    assert_eq!(desk.ids(day().search("slow \"query\" of")).await, ["e4"]);
}

#[tokio::test]
async fn lucene_is_spoken_only_where_it_is_asked_for_and_what_is_wrong_with_it_is_said() {
    let desk = Desk::small(Flavor::Elasticsearch).await;
    let clauses = desk.clauses(day().metadata("lucene", "log.level:info").search("x")).await;
    assert_eq!(clauses[1], json!({ "query_string": { "query": "log.level:info" } }));
    let result = desk.query(day().metadata("lucene", "((")).await;
    let error = result.as_ref().unwrap_err().to_string();
    assert!(error.contains("Failed to parse query [((]"), "{error}");
    assert_invalid(result, "metadata.lucene");
    assert_eq!(desk.wire.open(), 0);
}
