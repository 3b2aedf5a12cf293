//! Contracts: each thing that a document can say is kept by a right exchange, and broken by a wrong one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod body;
mod guard;
mod parameter;

use opsorch::ErrorKind;
use opsorch::transport::{HeaderMap, HeaderName, HeaderValue, Method, Reply, Request, StatusCode};
use opsorch_testkit::Contract;
use opsorch_testkit::double::json as answer;
use serde_json::{Value, json};

use crate::{done, failed};

fn open(document: &Value) -> Contract {
    done(Contract::parse(&document.to_string()))
}

/// A document with one operation, `POST /x`, which answers anything with 200.
fn one(version: &str, operation: Value) -> Contract {
    let mut operation = operation;
    if operation.get("responses").is_none() {
        operation["responses"] = json!({ "200": {} });
    }
    open(&json!({ "openapi": version, "paths": { "/x": { "post": operation } } }))
}

fn post(target: &str) -> Request {
    Request::new(Method::POST, format!("http://vendor.test{target}").parse().unwrap())
}

fn headers<const N: usize>(pairs: [(&'static str, &'static str); N]) -> HeaderMap {
    let pairs = pairs.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    pairs.into_iter().collect()
}

fn typed(kind: &'static str, body: impl Into<Vec<u8>>) -> Request {
    post("/x").headers(headers([("content-type", kind)])).body(body.into())
}

fn sent(body: &Value) -> Request {
    typed("application/json", body.to_string())
}

fn ok() -> Reply {
    Reply::new(StatusCode::OK)
}

/// What is wrong with an exchange, one line each.
fn found(contract: &Contract, request: &Request, reply: &Reply) -> Vec<String> {
    let violations = contract.check(request, reply).err().unwrap_or_default();
    violations.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn assert_kept(contract: &Contract, request: &Request, reply: &Reply) {
    assert_eq!(found(contract, request, reply), Vec::<String>::new());
}

/// One violation, which says this.
#[track_caller]
fn assert_broken(contract: &Contract, request: &Request, reply: &Reply, says: &str) {
    let found = found(contract, request, reply);
    assert!(found.len() == 1 && found[0].contains(says), "expected {says:?}, got {found:#?}");
}

fn in_body(version: &str, schema: Value) -> Contract {
    one(version, json!({ "requestBody": { "content": { "application/json": { "schema": schema } } } }))
}

#[test]
fn the_most_concrete_path_wins() {
    let ok = json!({ "responses": { "200": {} } });
    let contract = open(&json!({ "openapi": "3.0.0", "paths": {
        "/{kind}/{id}": { "post": ok },
        "/incidents/{id}": { "post": ok, "get": ok },
        "/incidents/search": { "post": ok },
        "/incidents/{id}.csv": { "post": ok },
    } }));
    let operations: Vec<_> = contract.operations().collect();
    assert_eq!(operations[0], "POST /incidents/search");

    // Each of these is told by the method that only one path lacks.
    let get = |path: &str| Request::new(Method::GET, format!("http://vendor.test{path}").parse().unwrap());
    assert_kept(&contract, &get("/incidents/7"), &self::ok());
    assert_broken(&contract, &get("/incidents/search"), &self::ok(), "/incidents/search takes POST");
    assert_broken(&contract, &get("/incidents/7.csv"), &self::ok(), "/incidents/{id}.csv takes POST");
    assert_broken(&contract, &get("/alerts/7"), &self::ok(), "/{kind}/{id} takes POST");
    assert_broken(&contract, &get("/incidents"), &self::ok(), "no path of the document fits");
    assert_broken(&contract, &get("/incidents/"), &self::ok(), "no path of the document fits");
    assert_broken(&contract, &get("//incidents/7"), &self::ok(), "no path of the document fits");
}

#[test]
fn a_part_of_a_path_is_decoded_and_judged() {
    let id =
        json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string", "pattern": "^a/b c$" } });
    let number = json!({ "name": "n", "in": "path", "required": true, "schema": { "type": "integer" } });
    let contract = open(&json!({ "openapi": "3.0.0", "paths": {
        "/x/{id}/{n}": { "parameters": [id, number], "post": { "responses": { "200": {} } } },
    } }));
    assert_kept(&contract, &post("/x/a%2Fb%20c/7"), &ok());
    assert_broken(&contract, &post("/x/a%2Fb+c/7"), &ok(), "path parameter \"id\"");
    assert_broken(&contract, &post("/x/a%2Fb%20c/seven"), &ok(), "path parameter \"n\": value is not of type");
}

#[test]
fn a_base_path_stands_before_the_paths_of_the_document() {
    let contract = one("3.0.0", json!({})).base_path("/api/v3/");
    assert_kept(&contract, &post("/api/v3/x"), &ok());
    assert_broken(&contract, &post("/x"), &ok(), "below \"/api/v3\"");
    assert_broken(&contract, &post("/api/v3x"), &ok(), "no path");
}

#[test]
fn null_and_bounds_are_read_as_openapi_3_0_has_them() {
    let nullable = |schema: Value| in_body("3.0.3", json!({ "properties": { "a": schema } }));
    let null = sent(&json!({ "a": null }));
    assert_broken(&nullable(json!({ "type": "string" })), &null, &ok(), "/a: value is not of type");
    for schema in [
        json!({ "type": "string", "nullable": true }),
        json!({ "type": "string", "nullable": true, "enum": ["x"] }),
        json!({ "nullable": true, "enum": ["x"] }),
        json!({ "nullable": true, "allOf": [{ "type": "string" }] }),
        json!({ "type": "string", "nullable": true, "anyOf": [{ "minLength": 1 }] }),
        json!({ "nullable": true, "not": { "type": "null" } }),
    ] {
        assert_kept(&nullable(schema), &null, &ok());
    }
    let word = nullable(json!({ "type": "string", "nullable": true, "enum": ["x"] }));
    assert_broken(&word, &sent(&json!({ "a": "y" })), &ok(), "/a: value is not one of");

    let above = nullable(json!({ "type": "number", "minimum": 1, "exclusiveMinimum": true }));
    assert_broken(&above, &sent(&json!({ "a": 1 })), &ok(), "less than or equal to the minimum");
    assert_kept(&above, &sent(&json!({ "a": 1.5 })), &ok());
    let from = nullable(json!({ "type": "number", "minimum": 1, "exclusiveMinimum": false }));
    assert_kept(&from, &sent(&json!({ "a": 1 })), &ok());

    // A property may have the name of a keyword.
    let named =
        in_body("3.0.3", json!({ "properties": { "nullable": { "type": "boolean" } }, "required": ["nullable"] }));
    assert_kept(&named, &sent(&json!({ "nullable": true })), &ok());
    assert_broken(&named, &sent(&json!({})), &ok(), "\"nullable\" is a required property");
}

/// An answer is called `default`, as a value is elsewhere that is no part of the contract.
#[test]
fn the_answer_for_every_other_status_is_read_as_the_rest_is() {
    let schema = json!({
        "type": "object",
        "properties": {
            "error": { "type": "string", "nullable": true },
            "wait": { "type": "integer", "minimum": 0, "exclusiveMinimum": true },
        },
    });
    let default = json!({ "description": "an error", "content": { "application/json": { "schema": schema } } });
    let contract = one("3.0.0", json!({ "responses": { "default": default } }));
    let says = |body: Value| answer(StatusCode::BAD_GATEWAY, &body);
    assert_kept(&contract, &post("/x"), &says(json!({ "error": null, "wait": 1 })));
    assert_broken(&contract, &post("/x"), &says(json!({ "error": 7 })), "/error");
    assert_broken(&contract, &post("/x"), &says(json!({ "wait": 0 })), "/wait");
}

#[test]
fn beside_a_reference_3_0_ignores_what_3_1_asks() {
    let with = |version: &str, extra: Value| {
        let mut schema = json!({ "$ref": "#/components/schemas/Text" });
        schema.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let body = json!({ "content": { "application/json": { "schema": schema } } });
        open(&json!({
            "openapi": version,
            "paths": { "/x": { "post": { "requestBody": body, "responses": { "200": {} } } } },
            "components": { "schemas": { "Text": { "type": "string" } } },
        }))
    };
    assert_kept(&with("3.0.3", json!({ "maxLength": 1 })), &sent(&json!("long")), &ok());
    assert_broken(&with("3.1.0", json!({ "maxLength": 1 })), &sent(&json!("long")), &ok(), "longer than 1");
    assert_kept(&with("3.0.3", json!({ "nullable": true })), &sent(&json!(null)), &ok());
    assert_broken(&with("3.1.0", json!({ "nullable": true })), &sent(&json!(null)), &ok(), "not of type");
}

#[test]
fn schemas_of_3_1_are_json_schema() {
    let contract = in_body("3.1.0", json!({ "type": ["integer", "null"], "exclusiveMinimum": 1 }));
    assert_kept(&contract, &sent(&json!(null)), &ok());
    assert_kept(&contract, &sent(&json!(2)), &ok());
    assert_broken(&contract, &sent(&json!(1)), &ok(), "less than or equal to the minimum");
}

#[test]
fn a_schema_may_refer_to_itself() {
    let body = json!({ "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Tree" } } } });
    let contract = open(&json!({
        "openapi": "3.0.0",
        "paths": { "/x": { "post": { "requestBody": body, "responses": { "200": {} } } } },
        "components": { "schemas": { "Tree": { "type": "object", "required": ["name"], "properties": {
            "name": { "type": "string" }, "leaves": { "type": "array", "items": { "$ref": "#/components/schemas/Tree" } },
        } } } },
    }));
    assert_kept(&contract, &sent(&json!({ "name": "a", "leaves": [{ "name": "b", "leaves": [] }] })), &ok());
    let nameless = sent(&json!({ "name": "a", "leaves": [{ "name": "b", "leaves": [{}] }] }));
    assert_broken(&contract, &nameless, &ok(), "at /leaves/0/leaves/0: \"name\" is a required property");
}

/// A test that ends, and does not take the process with it, is the point.
#[test]
fn schemas_that_go_round_end() {
    let round = json!({ "components": { "schemas": {
        "Self": { "$ref": "#/components/schemas/Self" },
        "All": { "allOf": [{ "$ref": "#/components/schemas/Any" }] },
        "Any": { "anyOf": [{ "$ref": "#/components/schemas/All" }, { "type": "integer" }] },
    } } });
    for name in ["Self", "All", "Any"] {
        let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        let parameter = json!({ "name": "a", "in": "query", "schema": schema });
        let mut document = json!({ "openapi": "3.1.0", "components": round["components"] });
        document["paths"] = json!({ "/x": { "post": { "parameters": [parameter], "responses": { "200": {} } } } });
        if let Ok(contract) = Contract::parse(&document.to_string()) {
            _ = contract.check(&post("/x?a=1"), &ok());
            _ = contract.check(&post("/x?a=b"), &ok());
        }
    }
}

#[test]
fn formats_are_checked() {
    let contract = in_body("3.0.0", json!({ "type": "string", "format": "date-time" }));
    assert_kept(&contract, &sent(&json!("2026-01-01T00:00:00Z")), &ok());
    assert_broken(&contract, &sent(&json!("yesterday")), &ok(), "date-time");
    let contract = in_body("3.0.0", json!({ "type": "integer", "format": "int32" }));
    assert_kept(&contract, &sent(&json!(7)), &ok());
}

#[test]
fn swagger_2_is_read() {
    let contract = open(&json!({
        "swagger": "2.0",
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "parameters": { "filter": { "name": "filter", "in": "query", "type": "array", "collectionFormat": "multi",
                                    "items": { "type": "string" } } },
        "definitions": { "Alert": { "type": "object", "required": ["labels"], "properties": {
            "labels": { "type": "object" }, "value": { "type": "number", "x-nullable": true } } } },
        "responses": { "Bad": { "description": "bad", "schema": { "type": "string" } } },
        "paths": { "/x": {
            "parameters": [{ "$ref": "#/parameters/filter" }],
            "post": {
                "parameters": [
                    { "name": "ids", "in": "query", "type": "array", "items": { "type": "integer" } },
                    { "name": "alert", "in": "body", "required": true, "schema": { "$ref": "#/definitions/Alert" } },
                ],
                "responses": { "200": { "schema": { "type": "array", "items": { "type": "integer" } } },
                               "400": { "$ref": "#/responses/Bad" } },
            },
            "put": {
                "consumes": ["application/x-www-form-urlencoded"],
                "parameters": [{ "name": "n", "in": "formData", "type": "integer", "required": true }],
                "responses": { "200": { "description": "anything" } },
            },
        } },
    }));
    let request = |target: &str, body: Value| {
        post(target).headers(headers([("content-type", "application/json")])).body(body.to_string())
    };
    let (alert, fine) = (json!({ "labels": {}, "value": null }), answer(StatusCode::OK, &[1]));
    assert_kept(&contract, &request("/x?filter=a&filter=b&ids=1,2", alert.clone()), &fine);
    assert_kept(&contract, &request("/x", alert.clone()), &answer(StatusCode::BAD_REQUEST, &"no"));
    assert_broken(&contract, &request("/x?ids=1&ids=2", alert.clone()), &fine, "more than once");
    assert_broken(&contract, &request("/x?ids=a", alert.clone()), &fine, "query parameter \"ids\" at /0");
    assert_broken(&contract, &request("/x", json!({})), &fine, "\"labels\" is a required property");
    assert_broken(&contract, &post("/x"), &fine, "it is required, and missing");
    assert_broken(
        &contract,
        &request("/x", alert.clone()),
        &answer(StatusCode::OK, &["a"]),
        "body of the answer at /0",
    );
    assert_broken(&contract, &request("/x", alert), &answer(StatusCode::BAD_REQUEST, &7), "body of the answer");

    let mut form = typed("application/x-www-form-urlencoded", "n=7");
    form.method = Method::PUT;
    assert_kept(&contract, &form, &ok());
    assert_broken(&contract, &form.clone().body("n=seven"), &ok(), "at /n: value is not of type");
    assert_broken(&contract, &form.body("m=7"), &ok(), "\"n\" is a required property");
}

#[track_caller]
fn refused(document: &Value, says: &str, at: &str) {
    let error = failed(Contract::parse(&document.to_string()));
    assert_eq!(error.kind(), &ErrorKind::Invalid { field: if at.is_empty() { "openapi" } else { "contract" }.into() });
    let text = error.to_string();
    assert!(text.contains(says) && text.contains(at), "expected {says:?} at {at:?}, got {text:?}");
}

#[test]
fn a_schema_that_cannot_be_compiled_is_named_when_the_document_is_opened() {
    let answers = |schema: Value| {
        let fine = json!({ "content": { "application/json": { "schema": { "type": "string" } } } });
        let broken = json!({ "content": { "application/json": { "schema": schema } } });
        json!({ "openapi": "3.0.0", "paths": {
            "/a": { "post": { "responses": { "200": fine, "201": fine } } },
            "/b": { "post": { "responses": { "200": fine, "400": broken, "401": fine } } },
        } })
    };
    let at = "#/paths/~1b/post/responses/400/content/application~1json/schema";
    let says = "a schema cannot be compiled";
    for schema in [
        json!({ "type": "strin" }),
        json!({ "type": 7 }),
        json!({ "pattern": "(" }),
        json!({ "$ref": "#/components/schemas/Missing" }),
        json!({ "$ref": "https://elsewhere.test/schema.json" }),
        json!({ "properties": { "a": { "required": true } } }),
        json!({ "allOf": [] , "anyOf": { "type": "string" } }),
        json!({ "items": { "minimum": "1" } }),
        json!("string"),
    ] {
        refused(&answers(schema), says, at);
    }
    // Behind a reference too, and where no request ever needs it.
    let mut document = answers(json!({ "$ref": "#/components/schemas/Outer" }));
    document["components"] = json!({ "schemas": {
        "Outer": { "properties": { "inner": { "$ref": "#/components/schemas/Inner" } } },
        "Inner": { "type": "nothing" },
    } });
    refused(&document, says, at);
}

#[test]
fn a_document_that_is_none_is_refused() {
    refused(&json!({ "openapi": "4.0.0", "paths": {} }), "OpenAPI 3.0 or 3.1", "");
    refused(&json!({ "paths": {} }), "OpenAPI 3.0 or 3.1", "");
    refused(&json!({ "openapi": "3.0.0" }), "expected \"paths\"", "#");
    let operation = |operation: Value| json!({ "openapi": "3.0.0", "paths": { "/x": { "get": operation } } });
    let place = "#/paths/~1x/get";
    refused(&operation(json!({ "requestBody": { "$ref": "#/nowhere" } })), "something in this document", place);
    refused(&operation(json!({ "requestBody": { "$ref": "#/paths/~1x/get/requestBody" } })), "goes round", place);
    refused(&operation(json!({ "parameters": [{ "name": "a" }] })), "in path, query, header or cookie", place);
    refused(&operation(json!({ "parameters": [{ "in": "query" }] })), "with a name", place);
    refused(&operation(json!({ "parameters": [{ "name": "a", "in": "query", "style": "odd" }] })), "style", place);

    let invalid = ErrorKind::Invalid { field: "contract".into() };
    for text in ["", "openapi: 3.0.0", &format!("{}{}", "[".repeat(200), "]".repeat(200))] {
        assert_eq!(failed(Contract::parse(text)).kind(), &invalid);
    }
    let large = failed(Contract::parse(&" ".repeat(64 * 1024 * 1024 + 1)));
    assert!(large.to_string().contains("at most 64 MiB"), "{large}");
    let error = failed(Contract::open("no/such/contract.json"));
    assert!(error.kind() == &invalid && error.to_string().contains("no/such/contract.json"), "{error}");
}
