//! The document says what there is: every route, and types that can be found.

use std::collections::BTreeSet;

use opsorch::http::routes;
use serde_json::Value;

use crate::support::World;

async fn document() -> Value {
    World::new().await.open().get("/v1/openapi.json").await.expect(200).json()
}

#[tokio::test]
async fn every_route_below_v1_is_described_and_no_other() {
    let document = document().await;
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.insert(format!("{} /v1{path}", method.to_uppercase()));
        }
    }
    let routes = routes().into_iter().filter(|route| route.path.starts_with("/v1/"));
    assert_eq!(described, routes.map(|route| format!("{} {}", route.method, route.path)).collect());
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document().await;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("nothing leads outside");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let methods = document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let ids: Vec<_> = methods.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}

#[tokio::test]
async fn every_example_of_a_body_is_one_that_is_understood() {
    let (document, api) = (document().await, World::new().await.open());
    let mut tried = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let example = &operation["requestBody"]["content"]["application/json"]["example"];
            if example.is_null() {
                continue;
            }
            let path = format!("/v1{}", path.replace(['{', '}'], ""));
            let reply = api.send(method.to_uppercase().parse().unwrap(), &path, &[], &example.to_string()).await;
            let field = if reply.status == 400 { reply.json()["field"].clone() } else { Value::Null };
            // What an example stands for may not be there, or be over; but it can be read.
            assert!(reply.status != 400 || field != "body", "{method} {path} {example}: {}", reply.text());
            tried += 1;
        }
    }
    assert!(tried > 25, "{tried}");
}
