//! Reading JSON, with errors that say where and what was expected but never what was there.

use serde::Deserialize;

/// Reads JSON. The error is text that holds nothing of the body but the names on the path to the place.
pub(super) fn read_json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    let text = std::str::from_utf8(body).map_err(|error| format!("it is not UTF-8 at byte {}", error.valid_up_to()))?;
    // To know the path to every place costs more than reading does. It is followed when there is an error to explain.
    serde_json::from_str(text).or_else(|_| located(text))
}

/// As [`read_json`], following the path.
fn located<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let place = match error.path().iter().next() {
            Some(_) => format!(" at {}", error.path()),
            None => String::new(),
        };
        describe(error.inner(), &place)
    })?;
    deserializer.end().map_err(|error| describe(&error, ""))?;
    Ok(value)
}

fn describe(error: &serde_json::Error, place: &str) -> String {
    let message = error.to_string();
    let found = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early".to_owned(),
        serde_json::error::Category::Data => describe_data(&message),
        _ if message.starts_with("recursion limit") => "it is nested deeper than 128 levels".to_owned(),
        _ => "it is not JSON".to_owned(),
    };
    format!("{found}{place}, line {} column {}", error.line(), error.column())
}

/// serde's messages about data quote the body: only what the type expected is kept of them.
fn describe_data(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    if message.starts_with("missing field `") || message.starts_with("duplicate field `") {
        return message.to_owned();
    }
    const QUOTING: [&str; 5] =
        ["invalid type: ", "invalid value: ", "invalid length ", "unknown field `", "unknown variant `"];
    let expected = match QUOTING.iter().any(|prefix| message.starts_with(prefix)) {
        true => message.rsplit_once(", expected ").map(|(_, expected)| expected),
        false => None,
    };
    match expected {
        Some(expected) => format!("something else where {expected} was expected"),
        None => "a value that does not fit".to_owned(),
    }
}
