//! Matchers as text: `name="value"`, as the API and the pages of Alertmanager read them.

/// The matcher of exactly this value, whatever characters it has.
///
/// A name that versions before 0.27 would not take is quoted, which later ones understand.
pub(in crate::prometheus) fn equals(name: &str, value: &str) -> String {
    match is_plain(name) {
        true => format!("{name}={}", quoted(value)),
        false => format!("{}={}", quoted(name), quoted(value)),
    }
}

/// The escapes are those that both of Alertmanager's parsers know; they take other characters as they are.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            '\n' => quoted.push_str("\\n"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn is_plain(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':';
    name.bytes().enumerate().all(|(index, byte)| is_letter(byte) || (index > 0 && byte.is_ascii_digit()))
        && !name.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a matcher by Alertmanager's grammar: a name, plain or quoted, `=`, and a quoted value; nothing after it.
    fn parse(matcher: &str) -> Option<(String, String)> {
        let (name, rest) = match matcher.starts_with('"') {
            true => unquote(matcher)?,
            false => matcher.split_once('=').map(|(name, _)| (name.to_owned(), &matcher[name.len()..]))?,
        };
        let (value, rest) = unquote(rest.strip_prefix('=')?)?;
        rest.is_empty().then_some((name, value))
    }

    /// Reads quoted text, and returns what comes after it. A line must not break inside.
    fn unquote(text: &str) -> Option<(String, &str)> {
        let mut plain = String::new();
        let mut characters = text.strip_prefix('"')?.char_indices();
        while let Some((index, character)) = characters.next() {
            match character {
                '"' => return Some((plain, &text[index + 2..])),
                '\\' => plain.push(match characters.next()?.1 {
                    'n' => '\n',
                    escaped @ ('"' | '\\') => escaped,
                    _ => return None,
                }),
                '\n' => return None,
                other => plain.push(other),
            }
        }
        None
    }

    #[test]
    fn a_matcher_cannot_be_broken_out_of() {
        assert_eq!(equals("service", "a\",team=\"b"), "service=\"a\\\",team=\\\"b\"");
        assert_eq!(equals("service", "a\\"), "service=\"a\\\\\"");
        assert_eq!(equals("service", "a\nb"), "service=\"a\\nb\"");
    }

    #[test]
    fn a_name_that_is_no_plain_word_is_quoted() {
        assert_eq!(equals("service.name", "api"), "\"service.name\"=\"api\"");
        assert_eq!(equals("1st", "api"), "\"1st\"=\"api\"");
        assert_eq!(equals("a1:b", "api"), "a1:b=\"api\"");
    }

    proptest! {
        #[test]
        fn a_matcher_is_read_as_it_was_meant(name in any::<String>(), value in any::<String>()) {
            prop_assert_eq!(parse(&equals(&name, &value)), Some((name, value)));
        }

        #[test]
        fn quotes_backslashes_and_line_breaks_are_read_as_they_were_meant(value in "[\\\\\"\n{},=~a]{0,12}") {
            prop_assert_eq!(parse(&equals("service", &value)), Some(("service".to_owned(), value)));
        }
    }
}
