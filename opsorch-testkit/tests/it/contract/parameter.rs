//! Parameters: their places, their styles, and what is none of them.

use super::*;

fn query(parameters: Value) -> Contract {
    one("3.0.0", json!({ "parameters": parameters }))
}

fn of(schema: Value) -> Value {
    json!({ "name": "a", "in": "query", "schema": schema })
}

#[test]
fn a_parameter_that_the_document_does_not_know_is_a_violation() {
    let contract = query(json!([of(json!({ "type": "string" }))]));
    assert_kept(&contract, &post("/x?a=1"), &ok());
    assert_broken(&contract, &post("/x?A=1"), &ok(), "query parameter \"A\": it is unknown; known: a");
    assert_broken(&contract, &post("/x?b=1&b=2"), &ok(), "query parameter \"b\"");
}

#[test]
fn a_required_parameter_is_missed() {
    for place in ["query", "header", "cookie"] {
        let contract = query(json!([{ "name": "a", "in": place, "required": true, "schema": { "type": "string" } }]));
        assert_broken(&contract, &post("/x"), &ok(), "\"a\": it is required, and missing");
        let request = post("/x?").headers(headers([("a", "1"), ("cookie", "b=2; a=1")]));
        let request = if place == "query" { post("/x?a=1") } else { request };
        assert_kept(&contract, &request, &ok());
    }
}

#[test]
fn text_is_what_its_schema_makes_of_it() {
    let number = query(json!([of(json!({ "type": "integer", "maximum": 100 }))]));
    assert_kept(&number, &post("/x?a=25"), &ok());
    assert_broken(&number, &post("/x?a=500"), &ok(), "greater than the maximum of 100");
    assert_broken(&number, &post("/x?a=ten"), &ok(), "not of type \"integer\"");
    assert_broken(&number, &post("/x?a="), &ok(), "not of type \"integer\"");
    for spelling in ["1e1", "10.0", "%2010", "10%20"] {
        assert_broken(&number, &post(&format!("/x?a={spelling}")), &ok(), "not of type \"integer\"");
    }
    assert_broken(&number, &post("/x?a=1&a=2"), &ok(), "more than once");

    let flag = query(json!([of(json!({ "type": "boolean" }))]));
    assert_kept(&flag, &post("/x?a=true"), &ok());
    assert_broken(&flag, &post("/x?a=yes"), &ok(), "not of type \"boolean\"");

    let text = query(json!([of(json!({ "type": "string", "pattern": "^[0-9]+$" }))]));
    assert_kept(&text, &post("/x?a=25"), &ok());

    let either = query(json!([of(json!({ "oneOf": [{ "type": "number" }, { "type": "string", "format": "date" }] }))]));
    assert_kept(&either, &post("/x?a=1.5"), &ok());
    assert_kept(&either, &post("/x?a=2026-01-01"), &ok());
    assert_broken(&either, &post("/x?a=soon"), &ok(), "query parameter \"a\"");

    let word = query(json!([of(json!({ "enum": ["open", 7] }))]));
    assert_kept(&word, &post("/x?a=open"), &ok());
    assert_kept(&word, &post("/x?a=7"), &ok());
    assert_broken(&word, &post("/x?a=closed"), &ok(), "not one of");
    assert_kept(&query(json!([{ "name": "a", "in": "query" }])), &post("/x?a=anything"), &ok());
}

#[test]
fn a_flag_without_a_value_is_permitted_where_the_document_says_so() {
    let flag = |empty: bool| {
        query(json!([{ "name": "a", "in": "query", "allowEmptyValue": empty, "schema": { "type": "boolean" } }]))
    };
    assert_kept(&flag(true), &post("/x?a"), &ok());
    assert_broken(&flag(false), &post("/x?a"), &ok(), "not of type");
}

#[test]
fn a_list_is_repeated_or_joined_as_its_style_says() {
    let list = |extra: Value| {
        let mut parameter = of(json!({ "type": "array", "items": { "type": "integer" }, "maxItems": 2 }));
        parameter.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        query(json!([parameter]))
    };
    for (style, right, many) in [
        (json!({}), "a=1&a=2", "a=1&a=2&a=3"),
        (json!({ "style": "form", "explode": false }), "a=1,2", "a=1,2,3"),
        (json!({ "style": "spaceDelimited" }), "a=1%202", "a=1+2+3"),
        (json!({ "style": "pipeDelimited" }), "a=1%7C2", "a=1%7C2%7C3"),
        (json!({ "name": "a[]" }), "a%5B%5D=1&a[]=2", "a[]=1&a[]=2&a[]=3"),
    ] {
        let contract = list(style);
        assert_kept(&contract, &post(&format!("/x?{right}")), &ok());
        assert_kept(&contract, &post("/x"), &ok());
        assert_broken(&contract, &post(&format!("/x?{many}")), &ok(), "more than 2 items");
        assert_broken(
            &contract,
            &post(&format!("/x?{}", right.replace("2", "two").replace("%two0", "%20"))),
            &ok(),
            "at /1: value is not of type",
        );
    }
    assert_broken(&list(json!({})), &post("/x?a=1,2"), &ok(), "at /0: value is not of type");
    assert_broken(&list(json!({ "explode": false })), &post("/x?a=1&a=2"), &ok(), "more than once");
    assert_broken(&list(json!({ "name": "a[]" })), &post("/x?a=1"), &ok(), "it is unknown; known: a[]");
}

#[test]
fn an_object_is_spread_over_the_query() {
    let object = json!({ "type": "object", "additionalProperties": false, "required": ["from"],
                         "properties": { "from": { "type": "integer" }, "word": { "type": "string" } } });
    let deep = query(json!([{ "name": "a", "in": "query", "style": "deepObject", "schema": object }]));
    assert_kept(&deep, &post("/x?a[from]=1&a%5Bword%5D=2"), &ok());
    assert_kept(&deep, &post("/x"), &ok());
    assert_broken(&deep, &post("/x?a[from]=one"), &ok(), "at /from: value is not of type");
    assert_broken(&deep, &post("/x?a[word]=b"), &ok(), "\"from\" is a required property");
    assert_broken(&deep, &post("/x?a[from]=1&a[other]=2"), &ok(), "other");
    assert_broken(&deep, &post("/x?a=1"), &ok(), "it is unknown");

    let spread = query(json!([of(object)]));
    assert_kept(&spread, &post("/x?from=1&word=2"), &ok());
    assert_broken(&spread, &post("/x?from=1&other=2"), &ok(), "query parameter \"other\": it is unknown");
}

#[test]
fn a_parameter_may_be_json() {
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } } });
    let content = json!({ "application/json": { "schema": schema } });
    let contract = query(json!([{ "name": "a", "in": "query", "content": content }]));
    assert_kept(&contract, &post("/x?a=%7B%22n%22:1%7D"), &ok());
    assert_broken(&contract, &post("/x?a=%7B%22n%22:%22b%22%7D"), &ok(), "at /n: value is not of type");
    assert_broken(&contract, &post("/x?a=n"), &ok(), "expected JSON");
}

#[test]
fn headers_are_compared_without_case_and_those_of_bodies_and_credentials_are_none() {
    let header =
        |name: &str, schema: Value| json!({ "name": name, "in": "header", "required": true, "schema": schema });
    let contract = query(json!([
        header("X-Version", json!({ "type": "string", "enum": ["2"] })),
        header("X-List", json!({ "type": "array", "items": { "type": "integer" } })),
        header("Accept", json!({ "enum": ["none"] })),
        header("Content-Type", json!({ "enum": ["none"] })),
        header("authorization", json!({ "enum": ["none"] })),
    ]));
    let with = |version, list| post("/x").headers(headers([("x-version", version), ("x-list", list), ("other", "x")]));
    assert_kept(&contract, &with("2", "1, 2"), &ok());
    assert_broken(&contract, &with("3", "1"), &ok(), "header \"X-Version\": value is not one of");
    assert_broken(&contract, &with("2", "1, b"), &ok(), "header \"X-List\" at /1");
}

#[test]
fn an_operation_overrides_the_parameters_of_its_path() {
    let limit = |most: u8| json!({ "name": "limit", "in": "query", "schema": { "type": "integer", "maximum": most } });
    let post_ = json!({ "parameters": [{ "$ref": "#/components/parameters/limit" }], "responses": { "200": {} } });
    let put = json!({ "responses": { "200": {} } });
    let contract = open(&json!({
        "openapi": "3.0.0",
        "paths": { "/x": { "parameters": [limit(10)], "post": post_, "put": put } },
        "components": { "parameters": { "limit": limit(100) } },
    }));
    let mut request = post("/x?limit=50");
    assert_kept(&contract, &request, &ok());
    request.method = Method::PUT;
    assert_broken(&contract, &request, &ok(), "maximum of 10");
}

#[test]
fn a_credential_in_the_query_is_no_unknown_parameter() {
    let schemes = json!({ "key": { "type": "apiKey", "in": "query", "name": "key" } });
    let contract = open(&json!({
        "openapi": "3.0.0",
        "paths": { "/x": { "post": { "responses": { "200": {} } } } },
        "components": { "securitySchemes": schemes },
    }));
    assert_kept(&contract, &post("/x?key=secret"), &ok());
    assert_broken(&contract, &post("/x?keys=secret"), &ok(), "it is unknown");
}
