//! CommonMark, as the parts of a message.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::text::{Line, Run, Style, length, link};

/// The longest heading that is written as one; a longer one is a bold line.
const LONGEST_HEADING: usize = 150;

/// How deep a list is indented at most.
const DEEPEST: usize = 8;

/// How deep a text may be nested to be read as CommonMark.
const DEEPEST_READ: usize = 100;

/// How wide a column of a table is made at most: wider cells are not cut, and the others are not padded to them.
const WIDEST: usize = 60;

/// A part of a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// A title, which has no styles.
    Header(String),
    /// Lines of styled text.
    Text(Vec<Line>),
    /// Short texts beside each other.
    Fields(Vec<Vec<Line>>),
    /// Text that is shown as it is: code and tables.
    Literal(String),
    /// A line between others.
    Divider,
}

/// The parts that a text in CommonMark has, with tables, struck-out text and lists of tasks.
///
/// A text that is nested beyond reason is shown as it is: reading it would take time that grows with the square of it.
pub(super) fn parts(markdown: &str) -> Vec<Part> {
    if markdown.lines().any(|line| depth(line) > DEEPEST_READ) {
        return vec![Part::Literal(markdown.trim_end().to_owned())];
    }
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut builder = Builder::default();
    Parser::new_ext(markdown, options).for_each(|event| builder.take(event));
    builder.end_text();
    builder.parts
}

/// How many quotes and lists a line begins at most.
fn depth(line: &str) -> usize {
    let marks = line.bytes().take_while(|byte| byte.is_ascii_digit() || b" \t>-*+.)".contains(byte));
    let (mut depth, mut is_mark) = (0, false);
    for mark in marks {
        depth += usize::from(mark == b'>' || (is_mark && mark.is_ascii_whitespace()));
        is_mark = b"-*+.)".contains(&mark);
    }
    depth
}

/// What a text is inside of.
#[derive(Debug)]
enum Around {
    Quote,
    /// A list, with the number of its next item where it has numbers.
    List(Option<u64>),
    Item,
}

#[derive(Debug, Default)]
struct Builder {
    parts: Vec<Part>,
    lines: Vec<Line>,
    /// The line that is being written.
    line: Option<Line>,
    around: Vec<Around>,
    /// How many of them are quotes, and how many items: they are asked for with every line.
    quotes: usize,
    items: usize,
    /// The bullet or number that the next line begins with.
    bullet: Option<String>,
    bold: usize,
    italic: usize,
    strike: usize,
    /// The destinations of the links and images around, and whether they have a text.
    links: Vec<(String, bool)>,
    literal: Option<String>,
    table: Option<Vec<Vec<String>>>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::InlineHtml(text) | Event::Html(text) => self.text(&text, false),
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => self.text(&text, true),
            Event::SoftBreak | Event::HardBreak => self.text("\n", false),
            Event::Rule => {
                self.end_text();
                self.parts.push(Part::Divider);
            }
            Event::TaskListMarker(done) => self.text(if done { "☑ " } else { "☐ " }, false),
            Event::FootnoteReference(name) => self.text(&format!("[^{name}]"), false),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.begin_block(),
            Tag::Heading { .. } => {
                self.begin_block();
                self.bold += 1;
            }
            Tag::BlockQuote(_) => {
                self.begin_block();
                self.around.push(Around::Quote);
                self.quotes += 1;
            }
            Tag::List(first) => {
                self.end_line();
                if self.around.is_empty() {
                    self.begin_block();
                }
                self.around.push(Around::List(first));
            }
            Tag::Item => {
                self.end_line();
                self.bullet = Some(self.next_bullet());
                self.around.push(Around::Item);
                self.items += 1;
            }
            Tag::CodeBlock(CodeBlockKind::Indented | CodeBlockKind::Fenced(_)) => self.literal = Some(String::new()),
            Tag::Table(_) => self.table = Some(Vec::new()),
            Tag::TableHead | Tag::TableRow => self.table.iter_mut().for_each(|table| table.push(Vec::new())),
            Tag::TableCell => {
                self.table.iter_mut().filter_map(|table| table.last_mut()).for_each(|row| row.push(String::new()))
            }
            Tag::Emphasis => self.italic += 1,
            Tag::Strong => self.bold += 1,
            Tag::Strikethrough => self.strike += 1,
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links.push((dest_url.into_string(), false))
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.end_line(),
            TagEnd::Heading(level) => {
                self.bold -= 1;
                self.heading(level);
            }
            TagEnd::BlockQuote(_) | TagEnd::List(_) => self.end_around(),
            TagEnd::Item => {
                // An item without text has its bullet all the same.
                if self.bullet.is_some() {
                    self.current();
                }
                self.end_around();
            }
            TagEnd::CodeBlock => self.end_literal(),
            TagEnd::Table => {
                let table = self.table.take().unwrap_or_default();
                self.end_text();
                self.parts.push(Part::Literal(columns(&table)));
            }
            TagEnd::Emphasis => self.italic -= 1,
            TagEnd::Strong => self.bold -= 1,
            TagEnd::Strikethrough => self.strike -= 1,
            TagEnd::Link | TagEnd::Image => self.end_link(),
            _ => {}
        }
    }

    fn end_around(&mut self) {
        self.end_line();
        match self.around.pop() {
            Some(Around::Quote) => self.quotes -= 1,
            Some(Around::Item) => self.items -= 1,
            Some(Around::List(_)) | None => {}
        }
    }

    /// A heading, which is the current line: a title of its own where it can be one.
    fn heading(&mut self, level: HeadingLevel) {
        let Some(line) = &self.line else { return };
        let title: String = line.runs.iter().map(|run| run.text.as_str()).collect();
        let is_title = self.around.is_empty()
            && level <= HeadingLevel::H2
            && !title.trim().is_empty()
            && length(&title) <= LONGEST_HEADING
            && line.runs.iter().all(|run| run.link.is_none());
        if is_title {
            self.line = None;
            self.end_text();
            self.parts.push(Part::Header(title));
        }
        self.end_line();
    }

    fn end_literal(&mut self) {
        let literal = self.literal.take().unwrap_or_default();
        if self.bullet.is_some() {
            self.current();
        }
        self.end_text();
        let literal = literal.strip_suffix('\n').unwrap_or(&literal);
        if !literal.is_empty() {
            self.parts.push(Part::Literal(literal.to_owned()));
        }
    }

    /// A link that Slack cannot have is written out.
    fn end_link(&mut self) {
        let Some((destination, has_text)) = self.links.pop() else { return };
        let is_link = self.table.is_none() && link(&destination).is_some();
        let is_said = self.cell().is_some_and(|cell| cell.ends_with(&destination));
        if is_link && !has_text {
            // The address is what is shown.
            self.links.push((destination.clone(), false));
            self.text(&destination, false);
            self.links.pop();
        } else if !is_link && !is_said && !destination.is_empty() {
            self.text(&format!(" ({destination})"), false);
        }
    }

    fn text(&mut self, text: &str, is_code: bool) {
        if let Some(literal) = &mut self.literal {
            literal.push_str(text);
            return;
        }
        if self.table.is_some() {
            if let Some(cell) = self.cell() {
                cell.push_str(&text.replace('\n', " "));
            }
            return;
        }
        let style = Style { bold: self.bold > 0, italic: self.italic > 0, strike: self.strike > 0, code: is_code };
        let link = self.links.last().and_then(|(destination, _)| link(destination));
        if let Some((_, has_text)) = self.links.last_mut() {
            *has_text |= !text.trim().is_empty();
        }
        for (index, part) in text.split('\n').enumerate() {
            if index > 0 {
                self.end_line();
                self.current();
            }
            if !part.is_empty() {
                self.run(Run { text: part.to_owned(), style, link: link.clone() });
            }
        }
    }

    /// Writes on. Text comes in as many pieces as it has brackets: those of one style are one run, because a line is cut by
    /// looking at its runs again and again.
    fn run(&mut self, run: Run) {
        let runs = &mut self.current().runs;
        let goes_on =
            |last: &&mut Run| last.style == run.style && !run.style.code && last.link.is_none() && run.link.is_none();
        match runs.last_mut().filter(goes_on) {
            Some(last) => last.text.push_str(&run.text),
            None => runs.push(run),
        }
    }

    /// The line that is being written; a new one begins with what its surroundings ask for.
    fn current(&mut self) -> &mut Line {
        let (bullet, depth) = (&mut self.bullet, self.items);
        let quote = if self.quotes > 0 { "> " } else { "" };
        self.line.get_or_insert_with(|| {
            let indent = |depth: usize| format!("{quote}{}", "    ".repeat(depth.min(DEEPEST)));
            let rest = indent(depth);
            let first = match bullet.take() {
                Some(bullet) => format!("{}{bullet} ", indent(depth.saturating_sub(1))),
                None => rest.clone(),
            };
            Line { first, rest, runs: Vec::new() }
        })
    }

    fn next_bullet(&mut self) -> String {
        match self.around.last_mut() {
            Some(Around::List(Some(number))) => {
                let bullet = format!("{number}.");
                *number += 1;
                bullet
            }
            _ => "•".to_owned(),
        }
    }

    /// The cell of a table that is being written.
    fn cell(&mut self) -> Option<&mut String> {
        self.table.as_mut()?.last_mut()?.last_mut()
    }

    fn end_line(&mut self) {
        self.lines.extend(self.line.take());
    }

    /// Ends what came before a block; between blocks is an empty line.
    fn begin_block(&mut self) {
        self.end_line();
        if self.bullet.is_none() && !self.lines.is_empty() {
            self.lines.push(Line::default());
        }
    }

    fn end_text(&mut self) {
        self.end_line();
        let lines = std::mem::take(&mut self.lines);
        if lines.iter().any(|line| !line.mrkdwn().trim().is_empty()) {
            self.parts.push(Part::Text(lines));
        }
    }
}

/// A table as text: columns as wide as their widest cell, within reason.
fn columns(table: &[Vec<String>]) -> String {
    let count = table.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| table.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or_default().min(WIDEST)).collect();
    let mut lines = Vec::with_capacity(table.len() + 1);
    for (index, row) in table.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        lines.push(cells.join("  ").trim_end().to_owned());
        if index == 0 {
            lines.push(widths.iter().map(|width| "─".repeat(*width)).collect::<Vec<_>>().join("  "));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    /// The parts, each as text.
    fn shown(markdown: &str) -> Vec<String> {
        let lines = |lines: &[Line]| lines.iter().map(Line::mrkdwn).collect::<Vec<_>>().join("\n");
        let show = |part: Part| match part {
            Part::Header(text) => format!("# {text}"),
            Part::Text(text) => lines(&text),
            Part::Fields(fields) => fields.iter().map(|field| lines(field)).collect::<Vec<_>>().join(" | "),
            Part::Literal(text) => format!("```{text}"),
            Part::Divider => "---".to_owned(),
        };
        parts(markdown).into_iter().map(show).collect()
    }

    #[test]
    fn styles_are_slacks() {
        assert_eq!(shown("**b** *i* ~~s~~ `c` [t](https://u)"), ["*b* _i_ ~s~ `c` <https://u|t>"]);
        assert_eq!(shown("***both*** and **a `b` c**"), ["*_both_* and *a `b` c*"]);
        assert_eq!(
            shown("<https://a.example/?x=1&y=2>"),
            ["<https://a.example/?x=1&amp;y=2|https://a.example/?x=1&amp;y=2>"]
        );
        assert_eq!(shown("![graph](https://u/g.png)"), ["<https://u/g.png|graph>"]);
        assert_eq!(shown("![](https://u/g.png)"), ["<https://u/g.png|https://u/g.png>"]);
    }

    #[test]
    fn nobody_is_called_by_a_text() {
        for text in ["<!channel>", "<@U123>", "<#C1>", "<!subteam^S1>", "a <!here> b", "&lt;!channel&gt;"] {
            let shown = shown(text).concat();
            assert!(!shown.contains('<'), "{text}: {shown}");
        }
        for text in ["[all](!channel)", "[you](@U123)", "[x](<#C1>)", "![x](!here)"] {
            let shown = shown(text).concat();
            assert!(!shown.contains('<') && shown.contains(" ("), "{text}: {shown}");
        }
        assert_eq!(shown("[x](<https://u|><!channel>)").concat().matches("<!").count(), 0);
        assert_eq!(shown("[x](https://u|<!channel>)"), ["<https://u%7C%3C!channel%3E|x>"]);
    }

    #[test]
    fn headings_are_titles_or_bold() {
        assert_eq!(shown("# One\n\n### Three\n\ntext"), ["# One", "*Three*\n\ntext"]);
        let long = "x".repeat(151);
        assert_eq!(shown(&format!("# {long}")), [format!("*{long}*")]);
        assert_eq!(shown("# see [t](https://u)"), ["*see <https://u|t>*"], "a title cannot hold a link");
    }

    #[test]
    fn lists_and_quotes_keep_their_form() {
        assert_eq!(shown("* a\n* b\n  1. c\n  2. d\n* [x] e"), ["• a\n• b\n    1. c\n    2. d\n• ☑ e"]);
        assert_eq!(shown("> q\n> r\n\nafter"), ["> q\n> r\n\nafter"]);
        assert_eq!(shown("3. a\n4. b"), ["3. a\n4. b"]);
        assert_eq!(shown("* a\n\n  more\n* b"), ["• a\n\n    more\n• b"]);
    }

    #[test]
    fn code_and_tables_are_literal() {
        assert_eq!(shown("a\n```rust\nlet x = \"`<!channel>`\";\n```\nb"), ["a", "```let x = \"`<!channel>`\";", "b"]);
        assert_eq!(
            shown("|a|bb|\n|-|-|\n|ccc|[d](https://u)|"),
            ["```a    bb\n───  ───────────────\nccc  d (https://u)".replace("───────────────", "─────────────")]
        );
        assert_eq!(shown("a\n\n---\n\nb"), ["a", "---", "b"]);
        assert_eq!(shown("<b>html</b> & more"), ["&lt;b&gt;html&lt;/b&gt; &amp; more"]);
    }

    #[test]
    fn links_without_a_text_and_images_in_links_lose_no_address() {
        assert_eq!(shown("[](https://u) [](https://u)"), ["<https://u|https://u> <https://u|https://u>"]);
        assert_eq!(shown("[![a](https://i)](https://u)"), ["<https://i|a><https://u|https://u>"]);
        assert_eq!(shown("|a|\n|-|\n|<https://u>|"), ["```a\n─────────\nhttps://u"]);
    }

    #[test]
    fn what_is_nested_or_wide_beyond_reason_ends_soon() {
        let quotes = format!("{}{}", ">".repeat(50_000), "a\n".repeat(50_000));
        assert!(matches!(parts(&quotes).as_slice(), [Part::Literal(text)] if *text == quotes.trim_end()));
        assert!(matches!(parts(&"- ".repeat(5_000)).as_slice(), [Part::Literal(_)]));
        assert_eq!(parts(&format!("a\n\n{}", "-".repeat(5_000))), [parts("a"), vec![Part::Divider]].concat());
        let table = format!("|a|b|\n|-|-|\n|{}|c|\n{}", "x".repeat(50_000), "|a|b|\n".repeat(10_000));
        assert!(matches!(parts(&table).as_slice(), [Part::Literal(text)] if text.len() < 1_000_000));
        let brackets = "[[a.".repeat(5_000);
        assert!(matches!(parts(&brackets).as_slice(), [Part::Text(lines)] if lines[0].runs == [Run::plain(&brackets)]));
        let links = "[](https://u)".repeat(10_000);
        assert!(matches!(parts(&links).as_slice(), [Part::Text(lines)] if lines[0].runs.len() == 10_000));
    }

    #[test]
    fn nothing_becomes_nothing() {
        assert!(parts(" \n ").is_empty());
        assert!(parts("").is_empty());
    }
}
