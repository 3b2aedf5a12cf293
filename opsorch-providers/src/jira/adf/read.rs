//! A document to CommonMark.

use std::borrow::Cow;

use super::Node;
use super::inline::{line, longest_fence, paragraph};

/// What a document says, in CommonMark. What has no form there is read as its text.
pub(in crate::jira) fn to_commonmark(document: &Node<'_>) -> String {
    blocks(&document.content)
}

fn blocks(nodes: &[Node<'_>]) -> String {
    joined(nodes, "\n\n")
}

fn joined(nodes: &[Node<'_>], between: &str) -> String {
    // What belongs into a line stands between blocks only in nodes that nobody knows.
    let parts = nodes.chunk_by(|one, other| is_inline(one) && is_inline(other)).map(|chunk| match chunk {
        [node] if !is_inline(node) => block(node),
        line => paragraph(line),
    });
    let mut parts = parts.filter(|part| !part.is_empty());
    // Mostly there is one part, which then need not be copied.
    let mut whole = parts.next().unwrap_or_default();
    parts.for_each(|part| whole.extend([between, &part]));
    whole
}

fn is_inline(node: &Node<'_>) -> bool {
    const INLINE: [&str; 9] =
        ["text", "hardBreak", "mention", "emoji", "inlineCard", "date", "status", "mediaInline", "placeholder"];
    INLINE.contains(&node.kind.as_ref())
}

fn block(node: &Node<'_>) -> String {
    match node.kind.as_ref() {
        "paragraph" => paragraph(&node.content),
        "heading" => heading(node),
        "bulletList" | "taskList" | "decisionList" => list(node, |_| "- ".into()),
        "orderedList" => {
            let first = node.attrs.as_ref().and_then(|attrs| attrs.number("order")).unwrap_or(1);
            list(node, |index| format!("{}. ", first.saturating_add(index as u64)).into())
        }
        "codeBlock" => code(node),
        "blockquote" | "panel" => prefixed(&blocks(&node.content), "> "),
        "rule" => "---".to_owned(),
        "table" => table(node),
        "media" => format!("[{}]", node.attribute("alt").filter(|alt| !alt.is_empty()).unwrap_or("attachment")),
        "blockCard" | "embedCard" => node.attribute("url").map(|url| format!("<{url}>")).unwrap_or_default(),
        "expand" | "nestedExpand" => {
            let title = node.attribute("title").unwrap_or_default();
            let parts = [title.to_owned(), blocks(&node.content)];
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
        }
        _ if node.content.is_empty() => paragraph(std::slice::from_ref(node)),
        _ => blocks(&node.content),
    }
}

fn heading(node: &Node<'_>) -> String {
    let level = node.attrs.as_ref().and_then(|attrs| attrs.number("level")).unwrap_or(1).clamp(1, 6);
    let hashes = "#".repeat(usize::try_from(level).unwrap_or(1));
    format!("{hashes} {}", line(&node.content)).trim_end().to_owned()
}

fn list(node: &Node<'_>, marker: impl Fn(usize) -> Cow<'static, str>) -> String {
    let mut list = String::new();
    for (index, item) in node.content.iter().enumerate() {
        if index > 0 {
            list.push('\n');
        }
        let marker = marker(index);
        let indent = " ".repeat(marker.len());
        let first = match (item.kind.as_ref(), item.attribute("state")) {
            ("taskItem", Some("DONE")) => format!("{marker}[x] ").into(),
            ("taskItem", _) => format!("{marker}[ ] ").into(),
            // A list below a task is a sibling of it.
            ("taskList" | "bulletList" | "orderedList", _) => {
                write_prefixed(&mut list, &block(item), &indent, &indent);
                continue;
            }
            _ => marker,
        };
        let begin = list.len();
        write_prefixed(&mut list, &item_content(&item.content), &first, &indent);
        let length = list.get(begin..).map_or(0, |item| item.trim_end().len());
        list.truncate(begin + length);
    }
    list
}

/// The content of an item. A list follows its paragraph at once; other blocks have an empty line between them.
fn item_content(content: &[Node<'_>]) -> String {
    let is_list = |node: &Node<'_>| node.kind.ends_with("List");
    let only_lists_follow = content.iter().skip(1).all(is_list);
    joined(content, if only_lists_follow { "\n" } else { "\n\n" })
}

fn code(node: &Node<'_>) -> String {
    let text = match node.content.as_slice() {
        [only] => Cow::Borrowed(only.text.as_deref().unwrap_or_default()),
        several => several.iter().filter_map(|node| node.text.as_deref()).collect(),
    };
    let fence = "`".repeat(longest_fence(&text).max(2) + 1);
    let end = if text.is_empty() { "" } else { "\n" };
    format!("{fence}{}\n{text}{end}{fence}", node.attribute("language").unwrap_or_default())
}

/// A text with something before each of its lines.
fn prefixed(text: &str, prefix: &str) -> String {
    let mut whole = String::new();
    write_prefixed(&mut whole, text, prefix, prefix);
    whole
}

/// Writes a text with something before its first line and something before the others.
fn write_prefixed(whole: &mut String, text: &str, first: &str, others: &str) {
    whole.reserve(text.len() + first.len() + others.len());
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            whole.push('\n');
        }
        let prefix = if index == 0 { first } else { others };
        whole.push_str(if line.is_empty() { prefix.trim_end() } else { prefix });
        whole.push_str(line);
    }
}

fn table(node: &Node<'_>) -> String {
    let mut rows: Vec<Vec<String>> = node.content.iter().map(|row| row.content.iter().map(cell).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let has_head = node.content.first().is_some_and(|row| row.content.iter().any(|cell| cell.kind == "tableHeader"));
    if !has_head {
        rows.insert(0, Vec::new());
    }
    rows.insert(1.min(rows.len()), vec!["---".to_owned(); columns]);
    let row = |cells: Vec<String>| {
        let mut cells = cells;
        cells.resize(columns, String::new());
        format!("| {} |", cells.join(" | "))
    };
    rows.into_iter().map(row).collect::<Vec<_>>().join("\n")
}

/// A cell in one line, in which a bar is none of the table's.
fn cell(node: &Node<'_>) -> String {
    let blocks = node.content.iter().map(|node| match node.kind.as_ref() {
        "paragraph" | "heading" => line(&node.content),
        _ => block(node).replace('\n', " "),
    });
    let text = blocks.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
    text.replace("\\|", "|").replace('|', "\\|")
}
