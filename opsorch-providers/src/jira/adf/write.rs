//! CommonMark to a document.

use std::borrow::Cow;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::{MENTION, Mark, Node};

/// How deep lists are nested in each other; what is deeper goes into the deepest one.
const DEEPEST: usize = 6;

/// A document that says what a text in CommonMark says. What Jira allows in no such place, such as a title in a list, is
/// put into a paragraph; nothing is left out.
pub(in crate::jira) fn from_commonmark(text: &str) -> Node<'static> {
    Node::document(blocks(text))
}

/// How often definitions of links are looked for: behind each of one name there may be another.
const ROUNDS: usize = 8;

/// The blocks of a text.
pub(super) fn blocks(text: &str) -> Vec<Node<'static>> {
    let text = without_definitions(text);
    let mut builder = Builder::default();
    Parser::new_ext(&text, options()).for_each(|event| builder.event(event));
    builder.blocks
}

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH
}

/// The text with its definitions of links as lines like others: to CommonMark a line such as `[error]: timeout` is none,
/// and would be gone.
fn without_definitions(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..ROUNDS {
        let parser = Parser::new_ext(&text, options());
        let mut starts: Vec<_> = parser.reference_definitions().iter().map(|(_, found)| found.span.start).collect();
        if starts.is_empty() {
            return text;
        }
        starts.sort_unstable();
        let mut escaped = String::with_capacity(text.len() + starts.len());
        let mut done = 0;
        for start in starts {
            escaped.push_str(text.get(done..start).unwrap_or_default());
            escaped.push('\\');
            done = start;
        }
        escaped.push_str(text.get(done..).unwrap_or_default());
        text = Cow::Owned(escaped);
    }
    text
}

/// What is being written: the open nodes, from the outermost on.
#[derive(Default)]
struct Builder {
    blocks: Vec<Node<'static>>,
    open: Vec<Open>,
    marks: Vec<Mark<'static>>,
}

/// An open node; `None` for one that is not allowed where it stands, whose content goes to the node around it.
struct Open {
    node: Option<Node<'static>>,
    /// How many marks were there before it.
    marks: usize,
    /// Whether the next text begins a new paragraph.
    closed: bool,
}

impl Builder {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text, None),
            Event::Code(text) => self.text(&text, Some(Mark::new("code"))),
            Event::SoftBreak | Event::HardBreak => self.inline(Node::new("hardBreak")),
            Event::Rule if self.is_nested() => {
                self.push(Node::new("paragraph").with(Node::text("---", Vec::new()).into_iter().collect()));
            }
            Event::Rule => self.push(Node::new("rule")),
            Event::FootnoteReference(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.text(&text, None)
            }
            Event::TaskListMarker(done) => self.text(if done { "[x] " } else { "[ ] " }, None),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.open("paragraph"),
            Tag::Heading { level, .. } if !self.is_nested() => {
                self.open_node(Node::new("heading").attr("level", u64::from(level as u8)));
            }
            Tag::Heading { .. } => {
                self.open("paragraph");
                self.marks.push(Mark::new("strong"));
            }
            Tag::BlockQuote(_) if !self.is_nested() => self.open("blockquote"),
            Tag::CodeBlock(kind) => {
                let node = Node::new("codeBlock");
                self.open_node(match language(&kind) {
                    Some(language) => node.attr("language", language),
                    None => node,
                });
            }
            Tag::List(_) | Tag::Item if self.depth("listItem") >= DEEPEST => self.open_nothing(),
            Tag::List(Some(1)) => self.open("orderedList"),
            Tag::List(Some(first)) => self.open_node(Node::new("orderedList").attr("order", first)),
            Tag::List(None) => self.open("bulletList"),
            Tag::Item => self.open("listItem"),
            Tag::Table(_) if !self.is_nested() => self.open("table"),
            Tag::TableHead | Tag::TableRow if self.depth("table") > 0 => self.open("tableRow"),
            Tag::TableCell => self.cell(),
            Tag::Emphasis => self.mark(Mark::new("em")),
            Tag::Strong => self.mark(Mark::new("strong")),
            Tag::Strikethrough => self.mark(Mark::new("strike")),
            Tag::Link { dest_url, title, .. } => match dest_url.strip_prefix(MENTION) {
                Some(id) if !id.is_empty() && title.is_empty() => self.open_node(Node::new("mention").attr("id", id)),
                _ => self.link(&dest_url, &title),
            },
            Tag::Image { dest_url, title, .. } => self.link(&dest_url, &title),
            _ => self.open_nothing(),
        }
    }

    fn end(&mut self, tag: TagEnd) {
        let Some(Open { node, marks, .. }) = self.open.pop() else { return };
        let unsafe_link = self.marks.get(marks).filter(|mark| mark.kind == "unsafeLink").cloned();
        if let Some(address) = unsafe_link.as_ref().and_then(|mark| mark.attrs.as_ref()?.text("href")) {
            self.marks.truncate(marks);
            self.text(&format!(" ({address})"), None);
        }
        self.marks.truncate(marks);
        match node {
            Some(mut node) if node.kind == "mention" => {
                let name = node.content.iter().filter_map(|text| text.text.as_deref()).collect::<String>();
                node.content.clear();
                self.inline(node.attr("text", name));
            }
            Some(mut node) if node.kind == "codeBlock" => {
                if let Some(text) = node.content.first_mut().and_then(|node| node.text.as_mut()) {
                    let length = text.strip_suffix('\n').unwrap_or(text).len();
                    text.to_mut().truncate(length);
                }
                node.content.retain(|text| text.text.as_deref() != Some(""));
                self.push(node);
            }
            Some(mut node) if tag == TagEnd::TableCell && node.kind == "paragraph" => {
                // Between the two there is the cell itself.
                let cell = self.open.pop().and_then(|open| open.node);
                trim(&mut node.content);
                match cell {
                    Some(cell) => self.push(cell.with(vec![node])),
                    None => self.push(node),
                }
            }
            // A list item or a quote has content, also where it says nothing.
            Some(mut node) if matches!(&*node.kind, "listItem" | "blockquote") => {
                if node.content.first().is_none_or(|first| matches!(&*first.kind, "bulletList" | "orderedList")) {
                    node.content.insert(0, Node::new("paragraph"));
                }
                self.push(node);
            }
            Some(mut node) if node.kind == "paragraph" => {
                trim(&mut node.content);
                self.push(node);
            }
            Some(node) => self.push(node),
            // The end of a block that is not there ends the paragraph before it.
            None => {
                let is_inline = matches!(
                    tag,
                    TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image
                );
                if let (false, Some(open)) = (is_inline, self.open.last_mut()) {
                    open.closed = true;
                }
            }
        }
    }

    /// Whether a list, a quote or a table is around, in which little is allowed.
    fn is_nested(&self) -> bool {
        self.depth("listItem") + self.depth("blockquote") + self.depth("table") > 0
    }

    fn depth(&self, kind: &str) -> usize {
        self.open.iter().filter(|open| open.node.as_ref().is_some_and(|node| node.kind == kind)).count()
    }

    fn open(&mut self, kind: &'static str) {
        self.open_node(Node::new(kind));
    }

    fn open_node(&mut self, node: Node<'static>) {
        self.open.push(Open { node: Some(node), marks: self.marks.len(), closed: false });
    }

    fn open_nothing(&mut self) {
        self.open.push(Open { node: None, marks: self.marks.len(), closed: false });
    }

    fn mark(&mut self, mark: Mark<'static>) {
        self.open_nothing();
        self.marks.push(mark);
    }

    /// A link as Jira takes it; what it does not take is written behind the text.
    fn link(&mut self, address: &str, title: &str) {
        self.mark(match is_safe(address) {
            true => Mark::link(address, title),
            false => Mark { kind: "unsafeLink".into(), ..Mark::link(format!("{address} {title}").trim(), "") },
        });
    }

    fn cell(&mut self) {
        let row = self.open.iter().rev().find_map(|open| open.node.as_ref()).filter(|node| node.kind == "tableRow");
        let is_first = self.open.iter().rev().find_map(|open| open.node.as_ref().filter(|node| node.kind == "table"));
        match (row, is_first.is_some_and(|table| table.content.is_empty())) {
            (Some(_), true) => self.open("tableHeader"),
            (Some(_), false) => self.open("tableCell"),
            (None, _) => self.open_nothing(),
        }
        self.open("paragraph");
    }

    fn text(&mut self, text: &str, mark: Option<Mark<'static>>) {
        let mut marks: Vec<Mark<'static>> = Vec::new();
        for known in self.marks.iter().chain(&mark) {
            // Code can be a link and nothing else; no mark is there twice.
            let fits = mark.is_none() || matches!(&*known.kind, "code" | "link");
            if fits && known.kind != "unsafeLink" && marks.iter().all(|other| other.kind != known.kind) {
                marks.push(known.clone());
            }
        }
        if let Some(text) = Node::text(text.to_owned(), marks) {
            self.inline(text);
        }
    }

    /// Puts something into a line: that which is open, or a new paragraph.
    fn inline(&mut self, node: Node<'static>) {
        let place = self.open.iter_mut().rev().find(|open| open.node.is_some());
        let (siblings, closed) = match place {
            Some(Open { node: Some(open), closed, .. }) => match &*open.kind {
                "paragraph" | "heading" => return append(&mut open.content, node, false),
                "codeBlock" | "mention" => return append(&mut open.content, node, true),
                _ => (&mut open.content, std::mem::take(closed)),
            },
            _ => (&mut self.blocks, false),
        };
        match siblings.last_mut() {
            Some(last) if last.kind == "paragraph" && !closed => append(&mut last.content, node, false),
            _ => siblings.push(Node::new("paragraph").with(vec![node])),
        }
    }

    /// Puts a block into the one around it.
    fn push(&mut self, node: Node<'static>) {
        match self.open.iter_mut().rev().find(|open| open.node.is_some()) {
            Some(Open { node: Some(open), closed, .. }) => {
                *closed = true;
                open.content.push(node);
            }
            _ => self.blocks.push(node),
        }
    }
}

/// Whether Jira takes an address in a link.
pub(super) fn is_safe(address: &str) -> bool {
    ["http://", "https://", "mailto:"].iter().any(|scheme| address.starts_with(scheme))
}

/// Adds to a line; texts that look the same become one. `plain` is for where nothing but text is allowed.
fn append(line: &mut Vec<Node<'static>>, mut node: Node<'static>, plain: bool) {
    if plain {
        node.marks.clear();
        if node.kind == "hardBreak" {
            node = Node { text: Some("\n".into()), ..Node::new("text") };
        }
    }
    match (line.last_mut(), &node.text) {
        (Some(Node { text: Some(before), marks, .. }), Some(text)) if *marks == node.marks => {
            before.to_mut().push_str(text)
        }
        _ => line.push(node),
    }
}

/// Takes line breaks away from the ends of a line.
fn trim(line: &mut Vec<Node<'static>>) {
    let is_break = |node: Option<&Node<'_>>| node.is_some_and(|node| node.kind == "hardBreak");
    while is_break(line.last()) {
        line.pop();
    }
    while is_break(line.first()) {
        line.remove(0);
    }
}

fn language<'a>(kind: &'a CodeBlockKind<'_>) -> Option<&'a str> {
    match kind {
        CodeBlockKind::Fenced(info) => Some(info.trim()).filter(|info| !info.is_empty()),
        CodeBlockKind::Indented => None,
    }
}
