//! Everything that can be changed in a JSON value, one thing at a time.

use serde_json::{Map, Value, json};

/// A value with one thing changed, and where.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) pointer: String,
    pub(super) value: Value,
}

/// Each leaf replaced in several ways, each member and item removed, each item repeated, and a member added everywhere.
pub(super) fn every_change(value: &Value) -> Vec<Changed> {
    let mut all = Vec::new();
    for pointer in pointers(value, String::new()) {
        for replacement in replacements(value.pointer(&pointer).unwrap()) {
            let mut changed = value.clone();
            *changed.pointer_mut(&pointer).unwrap() = replacement;
            all.push(Changed { pointer: pointer.clone(), value: changed });
        }
    }
    all
}

/// The places of all leaves.
pub(super) fn leaves(value: &Value) -> Vec<String> {
    let is_leaf = |pointer: &String| {
        let at = value.pointer(pointer).unwrap();
        !at.is_object() && !at.is_array()
    };
    pointers(value, String::new()).into_iter().filter(is_leaf).collect()
}

fn pointers(value: &Value, here: String) -> Vec<String> {
    let below: Vec<String> = match value {
        Value::Object(members) => {
            let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
            members.iter().flat_map(|(name, value)| pointers(value, format!("{here}/{}", escaped(name)))).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(index, value)| pointers(value, format!("{here}/{index}"))).collect()
        }
        _ => Vec::new(),
    };
    std::iter::once(here).chain(below).collect()
}

/// What can stand in the place of a value. A leaf gets other leaves, of which one fits whatever its type is.
fn replacements(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(members) => {
            let with = |change: &dyn Fn(&mut Map<String, Value>)| {
                let mut changed = members.clone();
                change(&mut changed);
                Value::from(changed)
            };
            let mut all: Vec<Value> = members.keys().map(|name| with(&|changed| drop(changed.remove(name)))).collect();
            all.push(with(&|changed| drop(changed.insert("added".into(), json!("x")))));
            all
        }
        Value::Array(items) => {
            let mut all = vec![items.iter().rev().cloned().collect()];
            for index in 0..items.len() {
                let (mut without, mut twice) = (items.clone(), items.clone());
                without.remove(index);
                twice.insert(index, items[index].clone());
                all.extend([Value::from(without), Value::from(twice)]);
            }
            all
        }
        Value::String(text) => {
            let texts = [format!("{text}x"), format!(" {text}"), text.to_uppercase(), String::new()];
            let moment = "2027-01-02T03:04:05Z".to_owned();
            texts.into_iter().chain([moment]).map(Value::from).chain([Value::Null]).collect()
        }
        Value::Number(number) => vec![json!(number.as_f64().unwrap() + 1.0), json!(number.to_string()), Value::Null],
        Value::Bool(is) => vec![json!(!is), Value::Null],
        Value::Null => vec![json!(false), json!(0), json!("")],
    }
}
