//! Canonical JSON and digests: one text for one meaning.

use opsorch_schema::{Action, Digest, Target};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// 2^53: below it every JSON reader keeps every integer exactly.
const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;

/// The largest canonical action, in bytes. Every vendor's own limit is far below it.
const LARGEST_ACTION: usize = 1 << 20;

/// Writes a value as canonical JSON (RFC 8785): no white space, keys sorted by UTF-16, numbers as ECMAScript
/// prints them.
///
/// The keys are sorted here and the numbers printed here, so that the text does not depend on the features that
/// `serde_json` was built with.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) if a number is 2^53 or larger, where JSON readers disagree.
///
/// ```
/// use opsorch::gate::canonical_json;
///
/// let value = serde_json::json!({ "b": 1.0, "a": [true, "\u{20ac}"] });
/// assert_eq!(canonical_json(&value)?, r#"{"a":[true,"€"],"b":1}"#);
/// # Ok::<(), opsorch::Error>(())
/// ```
pub fn canonical_json(value: &impl Serialize) -> Result<String> {
    let value = serde_json::to_value(value)
        .map_err(|error| Error::invalid("action", "it cannot be written as JSON").with_source(error))?;
    let mut text = String::new();
    write(&value, &mut text)?;
    Ok(text)
}

/// The digest of an action on a target, and the canonical text that it covers.
///
/// Anything that changes what would happen changes the digest: the operation, every field of the input, the provider,
/// its kind, its configuration, and the service, team and environment that it acts on.
///
/// # Errors
/// Those of [`canonical_json`], and [`Invalid`](crate::ErrorKind::Invalid) for an action over 1 MiB.
pub fn digest(target: &Target, action: &Action) -> Result<(Digest, String)> {
    #[derive(Serialize)]
    struct Covered<'a> {
        version: u8,
        action: &'a Action,
        target: &'a Target,
    }
    let text = canonical_json(&Covered { version: 1, action, target })?;
    if text.len() > LARGEST_ACTION {
        let message = format!("expected an action of at most {LARGEST_ACTION} bytes, got {}", text.len());
        return Err(Error::invalid("action", message));
    }
    let sum: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    Ok((Digest::from_sha256(sum), text))
}

fn write(value: &Value, text: &mut String) -> Result<()> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => write_number(number, text)?,
        Value::String(string) => write_string(string, text),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text)?;
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
            text.push('{');
            for (index, (name, member)) in members.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_string(name, text);
                text.push(':');
                write(member, text)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

/// A number as ECMAScript prints it. From 2^53 on a number may have been rounded before it came here, so all such
/// numbers are refused.
fn write_number(number: &serde_json::Number, text: &mut String) -> Result<()> {
    let exact = number.as_f64().filter(|value| value.abs() < EXACT_BELOW).ok_or_else(|| {
        let message =
            "expected numbers below 2^53, which every JSON reader keeps exactly; write larger ones as strings";
        Error::invalid("action", message)
    })?;
    text.push_str(ryu_js::Buffer::new().format_finite(exact));
    Ok(())
}

fn write_string(string: &str, text: &mut String) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            control if control < ' ' => text.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => text.push(other),
        }
    }
    text.push('"');
}
