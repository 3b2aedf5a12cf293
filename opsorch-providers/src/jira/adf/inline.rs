//! A line of a document in CommonMark.

use chrono::DateTime;

use super::plain::plain;
use super::write::blocks;
use super::{MENTION, Mark, Node};

/// The marks that CommonMark has, the outermost first.
const MARKS: [&str; 5] = ["link", "strike", "strong", "em", "code"];

/// Whether a character may mean something in a line. No control character is left as it is.
pub(super) const fn is_special(letter: char) -> bool {
    matches!(
        letter,
        '\\' | '`'
            | '*'
            | '_'
            | '['
            | ']'
            | '<'
            | '>'
            | '&'
            | '#'
            | '+'
            | '-'
            | '.'
            | '!'
            | '|'
            | '~'
            | '='
            | '('
            | ')'
            | ':'
            | '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
    )
}

/// A paragraph. Characters are escaped only where CommonMark would read something else.
pub(super) fn paragraph(nodes: &[Node<'_>]) -> String {
    if let Some(plain) = plain(nodes) {
        return plain;
    }
    let nodes = simple(nodes);
    let raw = render(&nodes, Escape::Nothing);
    if reads_as(&raw, &nodes) { raw } else { render(&nodes, Escape::Everything) }
}

/// As [`paragraph`], in one line: for titles and cells.
pub(super) fn line(nodes: &[Node<'_>]) -> String {
    fn space<'a>(node: &Node<'a>) -> Node<'a> {
        match node.kind.as_ref() {
            "hardBreak" => Node::text(" ", Vec::new()).unwrap_or_default(),
            _ => node.clone(),
        }
    }
    paragraph(&nodes.iter().map(space).collect::<Vec<_>>())
}

/// Whether a text is read as this line and nothing else.
fn reads_as(text: &str, nodes: &[Node<'_>]) -> bool {
    match blocks(text).as_slice() {
        [] => nodes.is_empty(),
        [only] => only.kind == "paragraph" && simple(&only.content) == nodes,
        _ => false,
    }
}

/// Whether a text is read as what these nodes say.
#[cfg(test)]
pub(super) fn reads_as_it_was_meant(text: &str, nodes: &[Node<'_>]) -> bool {
    let nodes = simple(nodes);
    reads_as(text, &nodes) && text == render(&nodes, Escape::Nothing)
}

/// The line as writing it would make it: only texts, breaks and mentions, only marks that CommonMark has, in their order,
/// and no blank at the end of what is marked.
fn simple<'a>(nodes: &[Node<'a>]) -> Vec<Node<'a>> {
    let mut line: Vec<Node<'a>> = Vec::new();
    for node in nodes {
        for part in parts(node) {
            match (line.last_mut(), &part.text) {
                (Some(Node { text: Some(before), marks, .. }), Some(text)) if *marks == part.marks => {
                    before.to_mut().push_str(text)
                }
                _ => line.push(part),
            }
        }
    }
    line
}

fn parts<'a>(node: &Node<'a>) -> Vec<Node<'a>> {
    let text = |text: &str| Node::text(text.to_owned(), Vec::new()).into_iter().collect();
    match node.kind.as_ref() {
        "text" => marked(node),
        "hardBreak" => vec![Node::new("hardBreak")],
        "mention" => {
            let id = node.attribute("id").unwrap_or_default();
            let name = node.attribute("text").filter(|name| !name.is_empty()).unwrap_or(id);
            vec![Node::new("mention").attr("id", id).attr("text", name)]
        }
        "inlineCard" => {
            let url = node.attribute("url").unwrap_or_default();
            Node::text(url.to_owned(), vec![Mark::link(url, "")]).into_iter().collect()
        }
        "emoji" => text(node.attribute("text").or_else(|| node.attribute("shortName")).unwrap_or_default()),
        "date" => text(&date(node.attribute("timestamp").unwrap_or_default())),
        "mediaInline" => text(node.attribute("alt").unwrap_or("attachment")),
        // Also nodes that nobody knows.
        _ => match node.text.as_deref().or_else(|| node.attribute("text")) {
            Some(known) => text(known),
            None => node.content.iter().flat_map(parts).collect(),
        },
    }
}

/// A day, which is sent as milliseconds since 1970.
fn date(timestamp: &str) -> String {
    let time = timestamp.parse().ok().and_then(DateTime::from_timestamp_millis);
    time.map_or_else(|| timestamp.to_owned(), |time| time.format("%Y-%m-%d").to_string())
}

/// A text with the marks that CommonMark has; blanks at its ends have none but a link.
fn marked<'a>(node: &Node<'a>) -> Vec<Node<'a>> {
    let text = node.text.as_deref().unwrap_or_default();
    let of_kind = |kind: &&str| node.marks.iter().find(|mark| mark.kind == **kind).cloned();
    let mut marks: Vec<Mark<'a>> = MARKS.iter().filter_map(of_kind).collect();
    marks.retain(|mark| mark.kind != "link" || mark.href().is_some());
    if marks.iter().any(|mark| mark.kind == "code") {
        marks.retain(|mark| matches!(&*mark.kind, "code" | "link"));
        return Node::text(text.to_owned(), marks).into_iter().collect();
    }
    let around: Vec<Mark<'a>> = marks.iter().filter(|mark| mark.kind == "link").cloned().collect();
    let (core, start) = (text.trim(), text.len() - text.trim_start().len());
    let end = start + core.len();
    let cut =
        |range| Node::text(text.get::<std::ops::Range<usize>>(range).unwrap_or_default().to_owned(), around.clone());
    let middle = Node::text(core.to_owned(), marks.clone());
    [cut(0..start), middle, cut(end.min(text.len())..text.len())].into_iter().flatten().collect()
}

/// What is escaped.
#[derive(Clone, Copy, PartialEq)]
enum Escape {
    Nothing,
    Everything,
}

fn render(nodes: &[Node<'_>], escape: Escape) -> String {
    let mut written = String::new();
    let mut open: Vec<&Mark<'_>> = Vec::new();
    let mut is_start = true;
    for (index, node) in nodes.iter().enumerate() {
        let shared = open.iter().zip(&node.marks).take_while(|(one, other)| **one == *other).count();
        close(&mut written, &mut open, shared);
        let is_last = nodes.get(index + 1).is_none_or(|next| next.kind == "hardBreak");
        match (node.kind.as_ref(), node.text.as_deref()) {
            ("hardBreak", _) => written.push('\n'),
            ("mention", _) => {
                let name = escaped(node.attribute("text").unwrap_or_default(), escape, false, false);
                written.push_str(&format!("[{name}]({MENTION}{})", address(node.attribute("id").unwrap_or_default())));
            }
            (_, Some(text)) => write_text(&mut written, &mut open, node, text, (escape, is_start, is_last)),
            _ => {}
        }
        is_start = node.kind == "hardBreak";
    }
    close(&mut written, &mut open, 0);
    written
}

fn write_text<'a>(
    written: &mut String,
    open: &mut Vec<&'a Mark<'a>>,
    node: &'a Node<'a>,
    text: &str,
    (escape, is_start, is_last): (Escape, bool, bool),
) {
    if let [link] = node.marks.as_slice()
        && link.href() == Some(text)
        && title(link).is_empty()
        && open.is_empty()
        && !text.contains(|letter: char| letter.is_whitespace() || letter == '<' || letter == '>')
    {
        written.push_str(&format!("<{text}>"));
        return;
    }
    for mark in node.marks.iter().skip(open.len()) {
        open.push(mark);
        written.push_str(match mark.kind.as_ref() {
            "link" => "[",
            "code" => "",
            kind => delimiter(kind),
        });
    }
    match node.marks.last() {
        Some(mark) if mark.kind == "code" => {
            open.pop();
            written.push_str(&code(text));
        }
        _ => written.push_str(&escaped(text, escape, is_start, is_last)),
    }
}

fn close(written: &mut String, open: &mut Vec<&Mark<'_>>, keep: usize) {
    while open.len() > keep {
        let Some(mark) = open.pop() else { return };
        match mark.href() {
            Some(href) => written.push_str(&format!("]({}{})", address(href), title(mark))),
            None => written.push_str(delimiter(&mark.kind)),
        }
    }
}

pub(super) fn delimiter(kind: &str) -> &'static str {
    match kind {
        "strong" => "**",
        "em" => "*",
        "strike" => "~~",
        _ => "",
    }
}

/// What a link says when somebody points at it.
fn title(link: &Mark<'_>) -> String {
    let title = link.attrs.as_ref().and_then(|attrs| attrs.text("title")).unwrap_or_default();
    let escaped: String =
        title.chars().map(|it| if it == '"' || it == '\\' { format!("\\{it}") } else { it.to_string() }).collect();
    if title.is_empty() { String::new() } else { format!(" \"{escaped}\"") }
}

/// A code span, between more backticks than it has in a row.
fn code(text: &str) -> String {
    let fence = "`".repeat(longest_fence(text) + 1);
    let is_blank = text.trim().is_empty();
    let touches = text.starts_with('`') || text.ends_with('`') || (text.starts_with(' ') && text.ends_with(' '));
    let pad = if touches && !is_blank { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// How many backticks a text has in a row at most.
pub(super) fn longest_fence(text: &str) -> usize {
    // Most texts have none, which is known sooner than all rows are counted.
    let has_any = text.contains('`');
    if has_any { text.split(|letter| letter != '`').map(str::len).max().unwrap_or_default() } else { 0 }
}

/// An address as the destination of a link.
fn address(href: &str) -> String {
    let mut address = String::with_capacity(href.len());
    for letter in href.chars() {
        match letter {
            '(' | ')' | '<' | '>' | '\\' => address.push_str(&format!("%{:02X}", u32::from(letter))),
            _ if letter.is_whitespace() || letter.is_control() => address.push_str("%20"),
            _ => address.push(letter),
        }
    }
    address
}

/// A text in which nothing means anything: punctuation behind backslashes, blanks where they would be lost as references.
fn escaped(text: &str, escape: Escape, is_start: bool, is_last: bool) -> String {
    if escape == Escape::Nothing {
        return text.to_owned();
    }
    let (start, end) = (text.len() - text.trim_start().len(), text.trim_end().len());
    let mut escaped = String::with_capacity(text.len() * 2);
    for (index, letter) in text.char_indices() {
        let is_lost = (is_start && index < start) || (is_last && index >= end);
        if (letter.is_whitespace() && is_lost) || letter.is_control() {
            escaped.push_str(&format!("&#{};", u32::from(letter)));
        } else {
            if is_special(letter) {
                escaped.push('\\');
            }
            escaped.push(letter);
        }
    }
    escaped
}
