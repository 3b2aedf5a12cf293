//! Lines of which it is known, without reading them again, that CommonMark reads what they say.
//!
//! Most lines are such: words and full stops, with a bold word, a link or a mention between blanks.

use super::inline::{delimiter, is_special};
use super::write::is_safe;
use super::{MENTION, Mark, Node};

/// A line, if it is plain; with `None` nothing is said about it.
///
/// Why it reads as it was meant (CommonMark 0.31.2): every line begins with a mark or with a character with which no block begins (4.1
/// to 4.6, 5.1, 5.2); nothing but the delimiters that are written here can open or close anything; what is marked begins with such a
/// character or a digit, ends with a letter or a digit, and has a blank before it, and a blank, a full stop or a comma behind it, so that
/// its delimiters are left- and right-flanking and nothing else (6.2).
pub(super) fn plain(nodes: &[Node<'_>]) -> Option<String> {
    let length = nodes.iter().map(|node| node.text.as_ref().map_or(64, |text| text.len() + 4)).sum();
    let mut line = Line { written: String::with_capacity(length), was_marked: false };
    for node in nodes {
        match (node.kind.as_ref(), node.text.as_deref(), node.marks.as_slice()) {
            ("text", Some(text), []) => line.text(text)?,
            ("text", Some(text), [mark]) => line.marked(text, mark)?,
            ("hardBreak", ..) => line.end()?,
            ("mention", ..) => line.mention(node)?,
            _ => return None,
        }
    }
    line.is_at_end().then_some(line.written)
}

struct Line {
    written: String,
    /// Whether the last thing was marked, so that it matters what comes behind it.
    was_marked: bool,
}

impl Line {
    fn text(&mut self, text: &str) -> Option<()> {
        let Some(first) = text.chars().next() else { return Some(()) };
        let begins_well = match (self.is_at_start(), self.was_marked) {
            (true, _) => begins_nothing(first),
            (false, true) => matches!(first, ' ' | '.' | ','),
            (false, false) => true,
        };
        if !begins_well || !are_harmless(text) {
            return None;
        }
        self.written.push_str(text);
        self.was_marked = false;
        Some(())
    }

    fn marked(&mut self, text: &str, mark: &Mark<'_>) -> Option<()> {
        if !self.takes_mark() || !is_word(text) {
            return None;
        }
        match mark.kind.as_ref() {
            "strong" | "em" if mark.attrs.is_none() => {
                let delimiter = delimiter(&mark.kind);
                self.push([delimiter, text, delimiter]);
            }
            "link" if mark.attrs.as_ref()?.len() == 1 => {
                let href = mark.href().filter(|href| is_safe(href) && is_address(href) && *href != text)?;
                self.push(["[", text, "](", href, ")"]);
            }
            _ => return None,
        }
        Some(())
    }

    fn mention(&mut self, mention: &Node<'_>) -> Option<()> {
        let (id, name) = (mention.attribute("id")?, mention.attribute("text")?);
        let is_plain = is_word(name.strip_prefix('@').unwrap_or(name)) && is_address(id);
        if !self.takes_mark() || !is_plain {
            return None;
        }
        self.push(["[", name, "](", MENTION, id, ")"]);
        Some(())
    }

    fn push<const N: usize>(&mut self, parts: [&str; N]) {
        self.written.extend(parts);
        self.was_marked = true;
    }

    fn end(&mut self) -> Option<()> {
        if !self.is_at_end() {
            return None;
        }
        self.written.push('\n');
        self.was_marked = false;
        Some(())
    }

    fn is_at_start(&self) -> bool {
        self.written.is_empty() || self.written.ends_with('\n')
    }

    /// Whether the line may end here: blanks at its end would be lost, and nothing is no line.
    fn is_at_end(&self) -> bool {
        !self.is_at_start() && !self.written.ends_with(char::is_whitespace)
    }

    fn takes_mark(&self) -> bool {
        self.is_at_start() || self.written.ends_with(' ')
    }
}

/// Whether nothing in a text means anything behind the beginning of a line.
fn are_harmless(text: &str) -> bool {
    // Most texts are harmless byte for byte. Asking that of all bytes, without a branch, is quickest: the compiler makes it a
    // comparison of many at once.
    !text.bytes().fold(false, |found, byte| found | may_matter(byte)) || text.chars().all(is_harmless)
}

/// Whether a byte is a character that means something, or the beginning of one that may: 0xc2 is that of the control
/// characters beyond ASCII (U+0080 to U+009F) and of few others.
fn may_matter(byte: u8) -> bool {
    let may_control = (byte < b' ') | (byte == 0x7f) | (byte == 0xc2);
    b"\\`*_[]<>&#!|~".iter().fold(may_control, |found, special| found | (byte == *special))
}

/// Whether a character means nothing anywhere behind the beginning of a line.
fn is_harmless(letter: char) -> bool {
    !is_special(letter) || matches!(letter, '.' | '-' | '+' | '=' | '(' | ')' | ':')
}

/// Whether no block begins with a character: a letter, a slash, or what is not ASCII.
fn begins_nothing(first: char) -> bool {
    first.is_alphabetic() || first == '/' || (!first.is_ascii() && !first.is_whitespace())
}

/// Whether a text can be marked.
fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| begins_nothing(first) || first.is_numeric())
        && text.ends_with(char::is_alphanumeric)
        && are_harmless(text)
}

/// Whether an address is the same as the destination of a link.
fn is_address(href: &str) -> bool {
    !href.is_empty() && href.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#@=%+,;".contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::inline::reads_as_it_was_meant;
    use super::*;

    fn node() -> impl Strategy<Value = Node<'static>> {
        let text = "[a-zé1 .,:()+=@/!\"→-]{0,8}|[ a*_#~|<&-]{1,4}|1\\. a|a";
        let mark = prop_oneof![
            Just(Mark::new("strong")),
            Just(Mark::new("em")),
            Just(Mark::new("code")),
            "(https://)?[a-z:/#&(_]{0,6}".prop_map(|href| Mark::link(&href, "")),
        ];
        let marked = (text, prop::collection::vec(mark, 0..2)).prop_map(|(text, marks)| Node {
            text: Some(text.into()),
            marks,
            ..Node::new("text")
        });
        let mention = ("[a-z:]{0,4}", "@?[a-z .]{0,4}")
            .prop_map(|(id, name)| Node::new("mention").attr("id", id).attr("text", name));
        prop_oneof![6 => marked, 1 => Just(Node::new("hardBreak")), 1 => mention]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn what_is_plain_reads_as_it_was_meant(nodes in prop::collection::vec(node(), 0..6)) {
            if let Some(line) = plain(&nodes) {
                prop_assert!(reads_as_it_was_meant(&line, &nodes), "{line:?}");
            }
        }
    }

    #[test]
    fn what_is_harmless_byte_for_byte_is_harmless() {
        for letter in '\0'..='\u{7ff}' {
            let may_matter = letter.encode_utf8(&mut [0; 4]).bytes().any(may_matter);
            assert!(may_matter || is_harmless(letter), "{letter:?}");
            assert!(!letter.is_ascii() || may_matter != is_harmless(letter), "{letter:?}");
        }
    }

    #[test]
    fn what_people_write_is_plain() {
        let text = |text: &str| Node { text: Some(text.to_owned().into()), ..Node::new("text") };
        let strong = Node { marks: vec![Mark::new("strong")], ..text("db-1 (eu)x") };
        let link = Node { marks: vec![Mark::link("https://example.org/d/a_b?c=d", "")], ..text("the page") };
        let mention = Node::new("mention").attr("id", "557058:f58131cb").attr("text", "@Ann");
        let nodes = [text("The pool runs dry: see "), strong, text(", "), link, text(". "), mention, text(" said so.")];
        let expected = "The pool runs dry: see **db-1 (eu)x**, [the page](https://example.org/d/a_b?c=d). \
                        [@Ann](accountid:557058:f58131cb) said so.";
        assert_eq!(plain(&nodes).as_deref(), Some(expected));
    }
}
