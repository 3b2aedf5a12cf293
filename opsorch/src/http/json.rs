//! JSON as it is sent: what Go's encoder writes, and nothing in it that a terminal or a browser would act on.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;

use crate::{Error, Result};

/// A value as a body, with one newline after it; `size` is about how long it gets.
///
/// # Errors
/// As [`write`].
pub(super) fn to_vec<T: Serialize + ?Sized>(value: &T, size: usize) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(size);
    write(&mut body, value)?;
    body.push(b'\n');
    Ok(body)
}

/// Writes a value.
///
/// Floats are written in their shortest form, whole ones without a point. `<`, `>` and `&` are escaped as in Go, so that no
/// text ends a script; so are control characters, and the invisible and bidirectional ones of Unicode. A reader of JSON sees no
/// difference.
///
/// # Errors
/// `Unexpected` for what JSON cannot say.
pub(super) fn write<T: Serialize + ?Sized>(body: &mut Vec<u8>, value: &T) -> Result<()> {
    value
        .serialize(&mut serde_json::Serializer::with_formatter(body, Inert))
        .map_err(|error| Error::unexpected("the answer cannot be written as JSON").with_source(error))
}

/// Writes a text as [`write`] does. Most have nothing in them to escape, and are copied.
///
/// # Errors
/// As [`write`].
pub(super) fn write_text(body: &mut Vec<u8>, text: &str) -> Result<()> {
    if !all(text, |byte| is_plain(byte) & (byte >= b' ') & (byte != b'"') & (byte != b'\\')) {
        return write(body, text);
    }
    body.push(b'"');
    body.extend_from_slice(text.as_bytes());
    body.push(b'"');
    Ok(())
}

/// Without an early exit the compiler looks at many bytes at once.
fn all(text: &str, is: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(true, |all, byte| all & is(byte))
}

/// Whether a byte stays as it is, where JSON itself has nothing against it.
fn is_plain(byte: u8) -> bool {
    (byte < 0x7f) & (byte != b'<') & (byte != b'>') & (byte != b'&')
}

struct Inert;

impl Formatter for Inert {
    fn write_f64<W: Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        if value == 0.0 && value.is_sign_negative() {
            return writer.write_all(b"-0");
        }
        // ECMAScript's rules, which are also Go's.
        writer.write_all(ryu_js::Buffer::new().format_finite(value).as_bytes())
    }

    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if all(fragment, is_plain) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut written = 0;
        for (at, character) in fragment.char_indices() {
            if matches!(character, '<' | '>' | '&') || opsorch_schema::is_invisible(character) {
                writer.write_all(fragment.as_bytes().get(written..at).unwrap_or_default())?;
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
                written = at + character.len_utf8();
            }
        }
        writer.write_all(fragment.as_bytes().get(written..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn written(value: &Value) -> String {
        String::from_utf8(to_vec(value, 0).unwrap()).unwrap()
    }

    #[test]
    fn floats_are_written_as_go_writes_them() {
        let floats = json!([1.0, 1.5, 1e21, 1e20, 1e-7, 1e-6, -0.0, 0.1, 100.0]);
        assert_eq!(written(&floats), "[1,1.5,1e+21,100000000000000000000,1e-7,0.000001,-0,0.1,100]\n");
    }

    #[test]
    fn nothing_that_a_browser_or_a_terminal_would_act_on_is_written() {
        let hostile = "</script>&amp; \u{1b}[31m \u{9b}2J \u{202e}txt.exe\u{2028}\u{2029}\u{200b}\u{e0041}";
        let text = written(&json!({ hostile: hostile }));
        assert!(text.trim_end().bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{text}");
        assert!(!text.contains(['<', '>', '&']), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!({ hostile: hostile }), "it says the same");
    }

    #[test]
    fn what_is_meant_to_be_read_stays_readable() {
        assert_eq!(written(&json!("Größe 東京 🚀 \"x\" \\ \n")), "\"Größe 東京 🚀 \\\"x\\\" \\\\ \\n\"\n");
    }

    proptest! {
        #[test]
        fn a_text_by_itself_is_written_like_one_in_a_value(text in "(?s)(.|[ -~]|[<>&\"\\\\\u{7f}]){0,40}") {
            let mut alone = Vec::new();
            write_text(&mut alone, &text).unwrap();
            prop_assert_eq!(String::from_utf8(alone).unwrap() + "\n", written(&json!(text)));
        }
    }
}
