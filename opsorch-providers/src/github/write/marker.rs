//! The mark by which what was written is found again.
//!
//! GitHub takes no idempotency key for issues and comments. The key stands at the end of the text, in a comment of HTML,
//! which GitHub shows to nobody. It comes after everything that a caller wrote, so that no text passes for another change's
//! mark.

use opsorch::{Error, Result};

/// The longest text of an issue or a comment, in characters.
const LONGEST: usize = 65_536;

const BEGIN: &str = "<!-- opsorch:";
const END: &str = " -->";

/// A text with the mark of this key.
///
/// # Errors
/// `Invalid` for a text that is too long with it.
pub(super) fn mark(field: &str, text: &str, key: &str) -> Result<String> {
    let separator = if text.is_empty() { "" } else { "\n\n" };
    let marked = format!("{text}{separator}{BEGIN}{key}{END}");
    let (length, beside) = (marked.chars().count(), marked.chars().count() - text.chars().count());
    match length <= LONGEST {
        true => Ok(marked),
        false => {
            let message = format!("expected at most {} characters, got {}", LONGEST - beside, length - beside);
            Err(Error::invalid(field, message))
        }
    }
}

/// The text without a mark at its end.
pub(in crate::github) fn strip(text: &str) -> &str {
    split(text).map_or(text, |(text, _)| text)
}

/// As [`strip`], without a copy.
pub(in crate::github) fn stripped(mut text: String) -> String {
    text.truncate(strip(&text).len());
    text
}

/// The key of the mark at the end of a text.
pub(super) fn key(text: &str) -> Option<&str> {
    split(text).map(|(_, key)| key)
}

/// GitHub's page turns a newline into two characters when somebody edits a text there.
fn split(text: &str) -> Option<(&str, &str)> {
    let (before, key) = text.strip_suffix(END)?.rsplit_once(BEGIN)?;
    let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let before = before.strip_suffix("\r\n\r\n").or_else(|| before.strip_suffix("\n\n")).unwrap_or(before);
    is_key.then_some((before, key))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_comes_back_to_the_letter_with_its_own_key(text in "(\\PC|\n|<!-- opsorch:a -->){0,40}", key in "[a-zA-Z0-9-]{1,68}") {
            let marked = mark("description", &text, &key).unwrap();
            prop_assert_eq!(strip(&marked), text);
            prop_assert_eq!(super::key(&marked), Some(key.as_str()));
        }
    }

    #[test]
    fn a_mark_is_only_at_the_end() {
        for text in ["", "text", "<!-- opsorch:a --> more", "<!-- opsorch: -->", "<!-- opsorch:a b -->"] {
            assert_eq!((strip(text), key(text)), (text, None));
        }
        assert_eq!(strip("a\r\n\r\n<!-- opsorch:k -->"), "a");
    }

    #[test]
    fn a_text_that_is_too_long_with_its_mark_is_refused() {
        let beside = "\n\n<!-- opsorch:k -->".len();
        assert!(mark("body", &"é".repeat(LONGEST - beside), "k").is_ok());
        let error = mark("body", &"é".repeat(LONGEST - beside + 1), "k").unwrap_err();
        assert_eq!(error.to_string(), "invalid body: expected at most 65516 characters, got 65517");
    }
}
