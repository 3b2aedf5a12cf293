//! From Swagger 2.0 to the shape of OpenAPI 3.0.

use opsorch::{Error, Result};
use serde_json::{Map, Value, json};

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// Rewrites the operations; `definitions` stay where they are.
pub(super) fn upgrade(mut root: Value) -> Result<Value> {
    let old = root.clone();
    for (_, item) in root.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten() {
        let Some(item) = item.as_object_mut() else { continue };
        let shared = item.remove("parameters");
        for method in METHODS {
            if let Some(operation) = item.get_mut(method) {
                *operation = upgrade_operation(&old, operation, shared.as_ref())?;
            }
        }
    }
    let schemes = root.get("securityDefinitions").cloned().unwrap_or_default();
    if let Some(root) = root.as_object_mut() {
        root.insert("components".to_owned(), json!({ "securitySchemes": schemes }));
        // Everything that referred to these is a copy now.
        root.remove("parameters");
        root.remove("responses");
    }
    Ok(root)
}

fn upgrade_operation(root: &Value, old: &Value, shared: Option<&Value>) -> Result<Value> {
    let types = |name: &str| -> Vec<String> {
        let types = old.get(name).or(root.get(name)).and_then(Value::as_array).into_iter().flatten();
        types.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (mut parameters, mut form, mut body) = (Vec::new(), Vec::new(), None);
    for parameter in parameters_of(root, old, shared)? {
        match parameter.get("in").and_then(Value::as_str) {
            Some("body") => body = Some(parameter),
            Some("formData") => form.push(parameter),
            _ => parameters.push(upgrade_parameter(&parameter)),
        }
    }
    let mut new = json!({ "parameters": parameters, "responses": upgrade_responses(root, old, &types("produces"))? });
    let body = match body {
        Some(body) => {
            let schema = body.get("schema").cloned().unwrap_or(json!({}));
            Some((body.get("required").cloned(), content(&types("consumes"), "application/json", &schema)))
        }
        None if form.is_empty() => None,
        None => Some((Some(json!(true)), content(&types("consumes"), FORM, &form_schema(&form)))),
    };
    if let (Some((required, content)), Some(new)) = (body, new.as_object_mut()) {
        let required = required.unwrap_or(json!(false));
        new.insert("requestBody".to_owned(), json!({ "required": required, "content": content }));
    }
    Ok(new)
}

const FORM: &str = "application/x-www-form-urlencoded";

/// Those of the operation, and those of its path that it does not give itself.
fn parameters_of(root: &Value, old: &Value, shared: Option<&Value>) -> Result<Vec<Value>> {
    let list = |value: Option<&Value>| -> Result<Vec<Value>> {
        value.and_then(Value::as_array).into_iter().flatten().map(|one| resolve(root, one)).collect()
    };
    let mut parameters = list(old.get("parameters"))?;
    let same = |one: &Value, other: &Value| one.get("name") == other.get("name") && one.get("in") == other.get("in");
    for parameter in list(shared)? {
        if !parameters.iter().any(|own| same(own, &parameter)) {
            parameters.push(parameter);
        }
    }
    Ok(parameters)
}

fn upgrade_parameter(old: &Value) -> Value {
    let (style, explode) = match old.get("collectionFormat").and_then(Value::as_str) {
        Some("multi") => ("form", true),
        Some("ssv") => ("spaceDelimited", false),
        Some("pipes") => ("pipeDelimited", false),
        _ => ("form", false),
    };
    let mut new = json!({ "schema": schema_of(old) });
    if let Some(new) = new.as_object_mut() {
        for name in ["name", "in", "required", "allowEmptyValue"] {
            old.get(name).and_then(|value| new.insert(name.to_owned(), value.clone()));
        }
        if old.get("in").is_some_and(|place| place == "query") {
            new.insert("style".to_owned(), json!(style));
            new.insert("explode".to_owned(), json!(explode));
        }
    }
    new
}

/// What a parameter or a header says of its value, beside its name.
fn schema_of(old: &Value) -> Value {
    let other = ["name", "in", "required", "allowEmptyValue", "collectionFormat", "description"];
    let keywords = old.as_object().into_iter().flatten().filter(|(name, _)| !other.contains(&name.as_str()));
    Value::Object(keywords.map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn form_schema(fields: &[Value]) -> Value {
    let name = |field: &Value| field.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let required = fields.iter().filter(|field| field.get("required") == Some(&json!(true))).map(name);
    let properties: Map<_, _> = fields.iter().map(|field| (name(field), schema_of(field))).collect();
    json!({ "type": "object", "properties": properties, "required": required.collect::<Vec<_>>() })
}

fn upgrade_responses(root: &Value, old: &Value, produces: &[String]) -> Result<Value> {
    let mut new = Map::new();
    for (status, answer) in old.get("responses").and_then(Value::as_object).into_iter().flatten() {
        let answer = resolve(root, answer)?;
        let headers = answer.get("headers").and_then(Value::as_object).into_iter().flatten();
        let headers: Map<_, _> =
            headers.map(|(name, header)| (name.clone(), json!({ "schema": schema_of(header) }))).collect();
        let schema = answer.get("schema");
        let content = schema.map(|schema| content(produces, "application/json", schema)).unwrap_or_default();
        new.insert(status.clone(), json!({ "headers": headers, "content": content }));
    }
    Ok(Value::Object(new))
}

fn content(types: &[String], or_else: &str, schema: &Value) -> Map<String, Value> {
    let types = if types.is_empty() { vec![or_else.to_owned()] } else { types.to_vec() };
    types.into_iter().map(|kind| (kind, json!({ "schema": schema }))).collect()
}

fn resolve(root: &Value, value: &Value) -> Result<Value> {
    let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return Ok(value.clone()) };
    let found = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
    found.cloned().ok_or_else(|| {
        Error::invalid("contract", "expected a reference to something in this document").with_context("at", reference)
    })
}
