//! Texts in the Atlassian Document Format, the form of texts in version 3 of the API.
//! (<https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/>)
//!
//! People and agents write CommonMark, with tables and struck-out text. Lines stay lines: Jira keeps a line break that
//! CommonMark would take for a space. A mention is a link to `accountid:ID`.

mod attributes;
mod inline;
mod plain;
mod read;
mod write;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use self::attributes::{Attribute, Attributes};
use super::wire::borrowed;

pub(super) use self::read::to_commonmark;
pub(super) use self::write::from_commonmark;

/// What a link to a person begins with.
const MENTION: &str = "accountid:";

/// A node of a document, or the document itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Node<'a> {
    #[serde(rename = "type", default, borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(default, borrow, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    attrs: Option<Attributes<'a>>,
    #[serde(default, borrow, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    marks: Vec<Mark<'a>>,
    #[serde(default, borrow, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    content: Vec<Node<'a>>,
}

/// How a text looks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Mark<'a> {
    #[serde(rename = "type", default, borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    attrs: Option<Attributes<'a>>,
}

fn null_as_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

impl<'a> Node<'a> {
    fn new(kind: &'static str) -> Self {
        Self { kind: Cow::Borrowed(kind), ..Self::default() }
    }

    /// A document: even one that says nothing has a list of its content.
    fn document(content: Vec<Self>) -> Self {
        // A paragraph without content is one; a document without any is refused by some fields.
        let content = if content.is_empty() { vec![Self::new("paragraph")] } else { content };
        Self { version: Some(1), content, ..Self::new("doc") }
    }

    /// A text, which is never empty: Jira refuses the whole document for one that is.
    fn text(text: impl Into<Cow<'a, str>>, marks: Vec<Mark<'a>>) -> Option<Self> {
        let text = text.into();
        (!text.is_empty()).then(|| Self { text: Some(text), marks, ..Self::new("text") })
    }

    fn with(mut self, content: Vec<Self>) -> Self {
        self.content = content;
        self
    }

    fn attr(mut self, name: &'static str, value: impl Into<Attribute<'a>>) -> Self {
        self.attrs.get_or_insert_default().insert(name, value);
        self
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attrs.as_ref()?.text(name)
    }
}

impl Mark<'_> {
    fn new(kind: &'static str) -> Self {
        Self { kind: Cow::Borrowed(kind), attrs: None }
    }

    fn link(href: &str, title: &str) -> Self {
        let mut attrs = Attributes::default();
        attrs.insert("href", href);
        if !title.is_empty() {
            attrs.insert("title", title);
        }
        Self { attrs: Some(attrs), ..Self::new("link") }
    }

    fn href(&self) -> Option<&str> {
        self.attrs.as_ref()?.text("href").filter(|_| self.kind == "link")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn round(text: &str) -> String {
        to_commonmark(&from_commonmark(text))
    }

    #[test]
    fn a_document_is_the_same_after_a_round() {
        for text in [
            "disk full on db-1",
            "two\nlines",
            "one\n\nother",
            "# Title\n\nand *this* is **bold**, ~~gone~~ and `code`",
            "- one\n- two\n  - below\n- three",
            "3. three\n4. four",
            "- with\n\n  ```rust\n  fn main() {}\n  ```",
            "```\nlet a = \"```\";\n```".replace("```\"", "``\"").as_str(),
            "> quoted\n> twice",
            "| a | b |\n| --- | --- |\n| 1 | 2 \\| 3 |",
            "see [the page](https://example.org/a?b=c) or <https://example.org>",
            "[@Ann](accountid:557058:f58131cb) look",
            "---",
            "2 * 3 * 4 and a_b_c",
            "\\*not emphasis\\*",
        ] {
            assert_eq!(round(text), text);
        }
    }

    #[test]
    fn no_text_node_is_empty_and_every_nesting_is_allowed() {
        let document = from_commonmark(
            "- # title\n  > quote\n  > > deep\n\n  | a |\n  |---|\n  | b |\n\n> # in a quote\n\n\t\n****",
        );
        fn check(node: &Node<'_>, parent: &str) {
            assert_ne!(node.text.as_deref(), Some(""));
            let allowed: &[&str] = match parent {
                "listItem" => &["paragraph", "bulletList", "orderedList", "codeBlock"],
                "blockquote" => &["paragraph", "bulletList", "orderedList", "codeBlock"],
                "bulletList" | "orderedList" => &["listItem"],
                "paragraph" | "heading" => &["text", "hardBreak", "mention"],
                _ => return node.content.iter().for_each(|child| check(child, &node.kind)),
            };
            assert!(allowed.contains(&node.kind.as_ref()), "{} in {parent}", node.kind);
            node.content.iter().for_each(|child| check(child, &node.kind));
        }
        document.content.iter().for_each(|child| check(child, "doc"));
    }

    #[test]
    fn what_has_no_place_in_commonmark_is_read_as_text() {
        let document = json!({ "type": "doc", "version": 1, "content": [
            { "type": "panel", "attrs": { "panelType": "info" }, "content": [
                { "type": "paragraph", "content": [
                    { "type": "emoji", "attrs": { "shortName": ":fire:", "text": "🔥" } },
                    { "type": "text", "text": " hot ", "marks": [{ "type": "strong" }, { "type": "textColor" }] },
                    { "type": "status", "attrs": { "text": "LATE", "color": "red" } },
                    { "type": "date", "attrs": { "timestamp": "1767225600000" } },
                ] }
            ] },
            { "type": "mediaSingle", "content": [{ "type": "media", "attrs": { "id": "x", "alt": "graph.png" } }] },
            { "type": "taskList", "content": [
                { "type": "taskItem", "attrs": { "state": "DONE" }, "content": [{ "type": "text", "text": "restart" }] },
            ] },
            { "type": "blockCard", "attrs": { "url": "https://example.org/x" } },
            { "type": "newsOfTomorrow", "content": [{ "type": "paragraph", "content": [{ "type": "text", "text": "kept" }] }] },
            { "type": "paragraph", "content": [{ "type": "unheardOf", "attrs": { "text": "also" } }] },
        ] });
        let document = Node::deserialize(&document).unwrap();
        assert_eq!(
            to_commonmark(&document),
            "> 🔥 **hot** LATE2026-01-01\n\n[graph.png]\n\n- [x] restart\n\n<https://example.org/x>\n\nkept\n\nalso"
        );
    }

    #[test]
    fn a_definition_of_a_link_is_not_swallowed() {
        for text in ["[error]: disk", "[error]: disk\n[error]: disk", "- [a]: b\n\n> [a]: c"] {
            assert_eq!(round(text), text);
        }
    }

    /// Words between which nothing means anything.
    fn words() -> impl Strategy<Value = String> {
        "[a-z]{1,6}( [a-z0-9]{1,6}){0,4}"
    }

    fn inline() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => words(),
            1 => words().prop_map(|text| format!("**{text}**")),
            1 => words().prop_map(|text| format!("*{text}*")),
            1 => words().prop_map(|text| format!("~~{text}~~")),
            1 => words().prop_map(|text| format!("`{text}`")),
            1 => words().prop_map(|text| format!("[{text}](https://example.org/a)")),
            1 => words().prop_map(|text| format!("[@{text}](accountid:5570)")),
        ]
    }

    fn line() -> impl Strategy<Value = String> {
        (words(), proptest::collection::vec(inline(), 0..3))
            .prop_map(|(first, rest)| [vec![first], rest].concat().join(" "))
    }

    fn block() -> impl Strategy<Value = String> {
        prop_oneof![
            proptest::collection::vec(line(), 1..3).prop_map(|lines| lines.join("\n")),
            (1..7_usize, line()).prop_map(|(level, line)| format!("{} {line}", "#".repeat(level))),
            words().prop_map(|code| format!("```sh\n{code}\n\n    {code}\n```")),
            (line(), line()).prop_map(|(one, other)| format!("> {one}\n>\n> {other}")),
            (line(), line(), line()).prop_map(|(a, b, c)| format!("- {a}\n  1. {b}\n  2. {c}\n- {a}")),
            (words(), line()).prop_map(|(head, cell)| format!("| {head} | b |\n| --- | --- |\n| {cell} | x |")),
        ]
    }

    proptest! {
        #[test]
        fn the_usual_commonmark_is_the_same_after_a_round(first in block(), paragraph in line(), last in block()) {
            let text = format!("{first}\n\n{paragraph}\n\n{last}");
            prop_assert_eq!(round(&text), text);
        }

        #[test]
        fn no_word_of_any_text_is_lost(text in r#"([ \n\t#>*_`~\[\]()<!|:.\\&;+=-]|[0-9]|[a-z]{1,4}|é|http://a\.b|&amp;){0,40}"#) {
            let plain = |text: &str| text.replace("&amp;", "&").chars().filter(|it| it.is_alphabetic()).collect::<String>();
            let read = round(&text);
            let (has, wanted) = (plain(&read), plain(&text));
            let count = |text: &str, letter| text.chars().filter(|it| *it == letter).count();
            for letter in wanted.chars() {
                prop_assert!(count(&has, letter) >= count(&wanted, letter), "{:?} lost {:?}: {:?}", text, letter, read);
            }
        }

        #[test]
        fn any_text_becomes_a_document_that_stays_as_it_is(text in any::<String>()) {
            let document = from_commonmark(&text);
            fn no_empty_text(node: &Node<'_>) -> bool {
                node.text.as_deref() != Some("") && node.content.iter().all(no_empty_text)
            }
            prop_assert!(no_empty_text(&document));
            let json = json!(document);
            prop_assert_eq!(Node::deserialize(&json).unwrap(), document);
        }
    }
}
