//! Bodies of requests, and answers.

use super::*;

fn takes(kind: &str, schema: Value) -> Contract {
    one("3.0.0", json!({ "requestBody": { "required": true, "content": { kind: { "schema": schema } } } }))
}

fn answers(answers: Value) -> Contract {
    one("3.0.0", json!({ "responses": answers }))
}

fn item() -> Value {
    json!({ "type": "object", "required": ["id"], "properties": { "id": { "type": "integer" } } })
}

fn reply(kind: &'static str, body: &'static str) -> Reply {
    ok().headers(headers([("content-type", kind)])).body(body)
}

#[test]
fn json_is_judged_by_its_content_type() {
    let contract = takes("application/json", item());
    assert_kept(&contract, &typed("application/json; charset=utf-8", r#"{"id": 1}"#), &ok());
    assert_kept(&contract, &typed("Application/JSON", r#"{"id": 1}"#), &ok());
    assert_broken(&contract, &typed("application/json", r#"{"id": "1"}"#), &ok(), "at /id: value is not of type");
    assert_broken(
        &contract,
        &typed("application/json", r#"{"id": "#),
        &ok(),
        "it is not what \"application/json\" says",
    );
    assert_broken(
        &contract,
        &typed("text/plain", r#"{"id": 1}"#),
        &ok(),
        "\"text/plain\" is not among application/json",
    );
    assert_broken(&contract, &post("/x").body(r#"{"id": 1}"#), &ok(), "content type \"\"");
    assert_broken(&contract, &post("/x"), &ok(), "body of the request: it is required, and missing");

    let vendor = takes("application/vnd.vendor+json; version=2", item());
    assert_broken(&vendor, &typed("application/vnd.vendor+json", "{}"), &ok(), "\"id\" is a required property");
    let any = takes("application/*", item());
    assert_broken(&any, &typed("application/vnd.vendor+json", "{}"), &ok(), "\"id\" is a required property");
    let lines = takes("application/x-ndjson", json!({ "type": "array", "items": item() }));
    assert_kept(&lines, &typed("application/x-ndjson", "{\"id\": 1}\n{\"id\": 2}\n"), &ok());
    assert_broken(&lines, &typed("application/x-ndjson", "{\"id\": 1}\n{}\n"), &ok(), "at /1");
    let text = takes("text/plain", json!({ "type": "string", "maxLength": 2 }));
    assert_broken(&text, &typed("text/plain", "abc"), &ok(), "longer than 2");
}

#[test]
fn a_body_that_is_not_asked_for_is_a_violation_and_one_that_may_be_left_out_is_not() {
    assert_broken(&one("3.0.0", json!({})), &sent(&json!({})), &ok(), "there is one, and the operation takes none");
    let optional = one("3.0.0", json!({ "requestBody": { "content": { "application/json": { "schema": item() } } } }));
    assert_kept(&optional, &post("/x"), &ok());
    let free = one("3.0.0", json!({ "requestBody": { "content": { "application/json": {} } } }));
    assert_kept(&free, &sent(&json!([1, "a"])), &ok());
}

#[test]
fn a_form_is_read_as_its_schema_has_it() {
    let schema = json!({ "type": "object", "required": ["channel"], "additionalProperties": false, "properties": {
        "channel": { "type": "string" },
        "limit": { "type": "integer", "maximum": 200 },
        "users": { "type": "array", "items": { "type": "string" } },
        "blocks": { "type": "array", "items": { "type": "object" } },
        "view": { "type": "object", "required": ["id"] },
        "ts": { "type": "string" },
    } });
    let contract = takes("application/x-www-form-urlencoded", schema);
    let form = |text: &str| typed("application/x-www-form-urlencoded", text);
    assert_kept(&contract, &form("channel=C+1%26&limit=25&ts=1503435956.000100&users=7&users=b"), &ok());
    assert_kept(&contract, &form("channel=7&blocks=%5B%7B%7D%5D&view=%7B%22id%22:1%7D"), &ok());
    assert_broken(&contract, &form("limit=25"), &ok(), "\"channel\" is a required property");
    assert_broken(&contract, &form("channel=C1&limit=500"), &ok(), "at /limit: value is greater");
    assert_broken(&contract, &form("channel=C1&limit=many"), &ok(), "at /limit: value is not of type");
    assert_broken(&contract, &form("channel=C1&channel=C2"), &ok(), "at /channel: value is not of type");
    assert_broken(&contract, &form("channel=C1&view=%7B%7D"), &ok(), "at /view: \"id\" is a required property");
    assert_broken(&contract, &form("channel=C1&other=1"), &ok(), "other");
}

#[test]
fn what_is_read_only_is_asked_of_answers_and_what_is_write_only_of_requests() {
    let schema = json!({ "$ref": "#/components/schemas/Account" });
    let content = json!({ "content": { "application/json": { "schema": schema } } });
    let contract = open(&json!({
        "openapi": "3.0.0",
        "paths": { "/x": { "post": { "requestBody": content, "responses": { "200": content } } } },
        "components": { "schemas": {
            "Id": { "type": "integer" },
            "Account": { "type": "object", "required": ["id", "password", "name"], "properties": {
                "id": { "$ref": "#/components/schemas/Id", "readOnly": true },
                "password": { "type": "string", "writeOnly": true },
                "name": { "type": "string" },
            } },
        } },
    }));
    let written = json!({ "name": "ada", "password": "p" });
    let read = json!({ "name": "ada", "id": 1 });
    let answer = |body: &Value| answer(StatusCode::OK, body);
    assert_kept(&contract, &sent(&written), &answer(&read));
    assert_broken(&contract, &sent(&read), &answer(&read), "body of the request: \"password\" is a required");
    assert_broken(&contract, &sent(&written), &answer(&written), "body of the answer: \"id\" is a required");
}

#[test]
fn an_answer_is_the_one_of_its_status_of_its_class_or_the_default_one() {
    let says = |word: &str| json!({ "content": { "application/json": { "schema": { "enum": [word] } } } });
    let contract = answers(json!({ "200": says("exact"), "2XX": says("class"), "default": says("default") }));
    for (status, right) in [(200, "exact"), (201, "class"), (404, "default")] {
        for word in ["exact", "class", "default"] {
            let reply = answer(StatusCode::from_u16(status).unwrap(), &word);
            assert_eq!(contract.check(&post("/x"), &reply).is_ok(), word == right, "{status} {word}");
        }
    }
    let contract = answers(json!({ "200": {}, "4XX": {} }));
    let teapot = Reply::new(StatusCode::IM_A_TEAPOT);
    assert_kept(&contract, &post("/x"), &teapot);
    let moved = Reply::new(StatusCode::FOUND);
    assert_broken(&contract, &post("/x"), &moved, "status of the answer: 302 is not among 200, 4XX");
}

#[test]
fn an_answer_is_judged_by_its_content_type() {
    let content = json!({ "content": { "application/json": { "schema": item() }, "text/csv": {} } });
    let contract = answers(json!({ "200": content, "202": {}, "204": {} }));
    assert_kept(&contract, &post("/x"), &reply("application/json", r#"{"id": 1}"#));
    assert_broken(&contract, &post("/x"), &reply("application/json", r#"{"id": null}"#), "body of the answer at /id");
    assert_kept(&contract, &post("/x"), &reply("text/csv", "id\n1"));
    assert_broken(&contract, &post("/x"), &reply("text/html", "<p>"), "content type \"text/html\" is not among");
    assert_broken(&contract, &post("/x"), &ok(), "it is empty, and the document says what it holds");
    let said = |status, body: &'static str| Reply::new(status).body(body);
    assert_kept(&contract, &post("/x"), &said(StatusCode::ACCEPTED, "anything"));
    assert_kept(&contract, &post("/x"), &said(StatusCode::NO_CONTENT, ""));
    assert_broken(&contract, &post("/x"), &said(StatusCode::NO_CONTENT, "x"), "where HTTP has none");
}

#[test]
fn headers_of_answers_are_judged() {
    let headers_ = json!({ "X-Left": { "required": true, "schema": { "type": "integer" } }, "X-Name": {},
                           "Content-Type": { "required": true } });
    let contract = answers(json!({ "200": { "headers": headers_ } }));
    assert_kept(&contract, &post("/x"), &ok().headers(headers([("x-left", "7"), ("x-other", "x")])));
    assert_broken(&contract, &post("/x"), &ok(), "header \"X-Left\" of the answer: it is required, and missing");
    assert_broken(&contract, &post("/x"), &ok().headers(headers([("x-left", "a")])), "not of type \"integer\"");
}

#[test]
fn no_violation_holds_a_value() {
    const SECRET: &str = "s3cr3t-canary";
    let schema = json!({ "type": "object", "additionalProperties": { "type": "integer" }, "propertyNames": {},
                         "properties": { "word": { "enum": ["a"] }, "text": { "pattern": "^x" } } });
    let mut operation = json!({ "requestBody": { "content": { "application/json": { "schema": schema } } } });
    operation["parameters"] = json!([
        { "name": "n", "in": "query", "schema": { "type": "integer" } },
        { "name": "x-key", "in": "header", "schema": { "format": "uuid", "type": "string" } },
    ]);
    let contract = one("3.0.0", operation);
    let mut request = sent(&json!({ "a": SECRET, "word": SECRET, "text": SECRET }));
    request.url.set_query(Some("n=s3cr3t-canary&m=s3cr3t-canary"));
    request.headers.insert("x-key", HeaderValue::from_static(SECRET));
    let violations = contract.check(&request, &ok()).unwrap_err();
    assert_eq!(violations.len(), 6, "{violations:#?}");
    assert!(!format!("{violations:?}").contains(SECRET), "{violations:#?}");
}
