//! What may be shown of text that came from outside.

use std::fmt;

use opsorch_schema::is_invisible;

use super::path::percent_encode;
use crate::secret::Secret;

/// The most characters of a vendor's text that an error shows.
const SHOWN: usize = 200;

/// The largest body that is looked at for a message: what explains an error is short.
const BODY_LIMIT: usize = 64 * 1024;

/// Knows a client's secrets, to take them out of what a vendor echoes.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    /// Each secret in every spelling it may come back in, the longest first.
    spellings: Vec<Secret>,
}

impl Redactor {
    pub(crate) fn add(&mut self, secret: &Secret) {
        let text = secret.expose();
        let quoted = serde_json::Value::from(text).to_string();
        let json = quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned();
        let form = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        for spelling in [text.to_owned(), json, percent_encode(text), form] {
            if !spelling.is_empty() && !self.spellings.iter().any(|known| known.matches(&spelling)) {
                self.spellings.push(Secret::new(spelling));
            }
        }
        self.spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.expose().len()));
    }

    /// One line of at most 200 characters, without the client's secrets and without control characters.
    pub(crate) fn line(&self, text: &str) -> String {
        self.shown(text, SHOWN)
    }

    /// As [`Redactor::line`], of at most so many characters.
    pub(crate) fn shown(&self, text: &str, most: usize) -> String {
        // Visible text first: a secret with a control character inside would not be found, and then be shown.
        let visible: String = text
            .chars()
            .map(|character| if character.is_control() || is_invisible(character) { ' ' } else { character })
            .collect();
        let redacted = self.redacted(visible);
        let words = redacted.split_whitespace().collect::<Vec<_>>().join(" ");
        match words.char_indices().nth(most) {
            Some((end, _)) => format!("{}…", words.get(..end).unwrap_or_default()),
            None => words,
        }
    }

    /// What the body of an error says, as [`Redactor::line`]; `None` where it says nothing or too much.
    pub(super) fn body(&self, body: &[u8]) -> Option<String> {
        if body.len() > BODY_LIMIT {
            return None;
        }
        // JSON is written anew, so that no escape such as \u0063 hides a secret.
        let line = match serde_json::from_slice::<serde_json::Value>(body) {
            Ok(value) => self.line(&value.to_string()),
            Err(_) => self.line(&String::from_utf8_lossy(body)),
        };
        (!line.is_empty()).then_some(line)
    }

    fn redacted(&self, text: String) -> String {
        self.spellings.iter().fold(text, |text, spelling| match text.contains(spelling.expose()) {
            true => text.replace(spelling.expose(), "***"),
            false => text,
        })
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} spellings)", self.spellings.len())
    }
}
