//! A message in Block Kit, within Slack's limits: what is too long becomes several, and nothing is left out.

use std::borrow::Cow;

use opsorch::{Block as Given, BlockKindLevel, Error, Result};

use super::markdown::{self, Part};
use super::text::{Line, Run, Style, escape, length, pieces, shortened};
use super::wire::{Block, Literal, Preformatted, Text};

/// The most blocks of a message.
const MOST_BLOCKS: usize = 50;

/// The most characters of all blocks of a message. Slack says no number; above 13 200 it refuses a message.
const MOST_CHARACTERS: usize = 12_000;

/// The most characters of a section.
const LONGEST_SECTION: usize = 3_000;

/// The most characters of a title.
const LONGEST_HEADER: usize = 150;

/// The most characters of a field, and the most fields of a section.
const LONGEST_FIELD: usize = 2_000;
const MOST_FIELDS: usize = 10;

/// The most characters of what a notification shows; Slack recommends no more.
const LONGEST_TEXT: usize = 4_000;

/// How much of a preformatted text notifications show.
const LONGEST_LITERAL: usize = 700;

/// The most messages that one becomes.
const MOST_PAGES: usize = 20;

/// What fits into one message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Page {
    /// What notifications show, and programs that know no blocks.
    pub(super) text: String,
    pub(super) blocks: Vec<Block>,
}

/// A body and its blocks as messages: the body, or the blocks where there are any, with the body as what notifications
/// show.
pub(super) fn message(body: &str, blocks: &[Given]) -> Result<Vec<Page>> {
    for (name, longest) in [("body", length(body)), ("blocks", blocks.iter().map(given_length).sum())] {
        if longest > MOST_PAGES * MOST_CHARACTERS {
            let most = MOST_PAGES * MOST_CHARACTERS;
            return Err(Error::invalid(name, format!("expected at most {most} characters, got {longest}")));
        }
    }
    let parts = match blocks {
        [] => markdown::parts(body),
        blocks => given(blocks)?,
    };
    let mut pages = pages(parts);
    if pages.is_empty() {
        return Err(Error::invalid("body", "expected a text, got nothing that can be seen"));
    }
    if pages.len() > MOST_PAGES {
        let message = format!("expected what fits into {MOST_PAGES} messages of Slack, got enough for {}", pages.len());
        return Err(Error::invalid("body", message));
    }
    if let (false, Some(first)) = (blocks.is_empty(), pages.first_mut()) {
        let text = fallback(&blocks_of(markdown::parts(body)));
        if !text.is_empty() {
            first.text = text;
        }
    }
    Ok(pages)
}

/// Parts as messages, each within the limits.
pub(super) fn pages(parts: Vec<Part>) -> Vec<Page> {
    let mut pages: Vec<Vec<Block>> = Vec::new();
    let mut size = 0;
    for block in blocks_of(parts) {
        let more = characters(&block);
        match pages.last_mut() {
            Some(page) if page.len() < MOST_BLOCKS && size + more <= MOST_CHARACTERS => {
                page.push(block);
                size += more;
            }
            _ => {
                pages.push(vec![block]);
                size = more;
            }
        }
    }
    pages.into_iter().map(|blocks| Page { text: fallback(&blocks), blocks }).collect()
}

/// Whether blocks are one message, with so much room left.
pub(super) fn fit(blocks: &[Block], room: usize) -> bool {
    blocks.len() + 10 <= MOST_BLOCKS && blocks.iter().map(characters).sum::<usize>() + room <= MOST_CHARACTERS
}

/// The blocks that parts need.
pub(super) fn blocks_of(parts: Vec<Part>) -> Vec<Block> {
    let mut blocks = Vec::new();
    for part in parts {
        match part {
            Part::Header(text) => header(text, &mut blocks),
            Part::Text(lines) => sections(lines, &mut blocks),
            Part::Fields(fields) => field_sections(fields, &mut blocks),
            Part::Literal(text) => literals(&text, &mut blocks),
            Part::Divider => blocks.push(Block::Divider {}),
        }
    }
    blocks
}

/// What notifications show of these blocks: as many as there is room for, and none in half, as that would tear its marks.
fn fallback(blocks: &[Block]) -> String {
    let mut text = String::new();
    for part in blocks.iter().flat_map(texts) {
        if length(&text) + length(&part) + 2 > LONGEST_TEXT {
            text.push('…');
            break;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&part);
    }
    text
}

/// The texts of a block in mrkdwn.
fn texts(block: &Block) -> Vec<Cow<'_, str>> {
    match block {
        Block::Header { text } => vec![escape(text.as_str())],
        Block::Section { text, fields } => text.iter().chain(fields).map(|text| text.as_str().into()).collect(),
        Block::RichText { elements: [Preformatted { elements: [literal] }] } => {
            vec![escape(&shortened(&literal.text, LONGEST_LITERAL)).into_owned().into()]
        }
        Block::Divider {} | Block::Actions { .. } => Vec::new(),
    }
}

/// The blocks that the caller laid out.
fn given(blocks: &[Given]) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let field = |name: &str| format!("blocks[{index}].{name}");
        let text = block.text.as_deref().filter(|text| !text.trim().is_empty());
        let kind = block.kind.level();
        match (kind, text) {
            (BlockKindLevel::Header, Some(text)) => parts.push(Part::Header(text.trim().to_owned())),
            (BlockKindLevel::Section, text) if text.is_some() || !block.fields.is_empty() => {
                parts.extend(text.map(markdown::parts).unwrap_or_default());
            }
            (BlockKindLevel::Divider, None) => parts.push(Part::Divider),
            (BlockKindLevel::Divider, Some(_)) => {
                return Err(Error::invalid(field("text"), "a divider has no text; put it into a section"));
            }
            (BlockKindLevel::Header | BlockKindLevel::Section, _) => {
                return Err(Error::invalid(field("text"), "expected a text"));
            }
            _ => {
                let message =
                    format!("expected header, section or divider, got `{}`", opsorch::visible(block.kind.as_str()));
                return Err(Error::invalid(field("type"), message));
            }
        }
        if kind != BlockKindLevel::Section && !block.fields.is_empty() {
            return Err(Error::invalid(field("fields"), "only a section has fields"));
        }
        named_texts(block, &mut parts);
    }
    Ok(parts)
}

fn given_length(block: &Given) -> usize {
    let fields = block.fields.iter().flat_map(|(name, text)| [name, text]);
    block.text.iter().chain(fields).map(|text| length(text)).sum()
}

/// Fields, each with its name above it. What is more than short text comes after them.
fn named_texts(block: &Given, parts: &mut Vec<Part>) {
    let (mut short, mut others) = (Vec::new(), Vec::new());
    for (name, text) in &block.fields {
        let name = Line::new([Run::styled(name, Style::BOLD)]);
        let mut said = markdown::parts(text);
        match said.as_mut_slice() {
            [] if joined(&name, &[]) <= LONGEST_FIELD => short.push(vec![name]),
            [Part::Text(lines)] if joined(&name, lines) <= LONGEST_FIELD => {
                lines.insert(0, name);
                short.push(std::mem::take(lines));
            }
            _ => {
                others.push(Part::Text(vec![name]));
                others.append(&mut said);
            }
        }
    }
    if !short.is_empty() {
        parts.push(Part::Fields(short));
    }
    parts.append(&mut others);
}

fn joined(name: &Line, lines: &[Line]) -> usize {
    std::iter::once(name).chain(lines).map(|line| length(&line.mrkdwn()) + 1).sum()
}

fn header(text: String, blocks: &mut Vec<Block>) {
    let text = text.replace('\n', " ");
    match length(&text) <= LONGEST_HEADER {
        true => blocks.push(Block::Header { text: Text::PlainText(text) }),
        false => sections(vec![Line::new([Run::styled(text, Style::BOLD)])], blocks),
    }
}

/// As many sections as the lines need.
fn sections(lines: Vec<Line>, blocks: &mut Vec<Block>) {
    let mut section = String::new();
    let mut size = 0;
    for line in lines.into_iter().flat_map(|line| line.cut(LONGEST_SECTION)) {
        let text = line.mrkdwn();
        let more = length(&text);
        if size > 0 && size + 1 + more > LONGEST_SECTION {
            end_section(&mut section, blocks);
            size = 0;
        }
        if size > 0 {
            section.push('\n');
            size += 1;
        } else if text.is_empty() {
            continue;
        }
        section.push_str(&text);
        size += more;
    }
    end_section(&mut section, blocks);
}

fn end_section(section: &mut String, blocks: &mut Vec<Block>) {
    let text = std::mem::take(section);
    // Slack refuses a section that shows nothing.
    if !text.trim().is_empty() {
        blocks.push(Block::Section { text: Some(Text::Mrkdwn(text)), fields: Vec::new() });
    }
}

fn field_sections(fields: Vec<Vec<Line>>, blocks: &mut Vec<Block>) {
    let texts = fields.iter().map(|lines| lines.iter().map(Line::mrkdwn).collect::<Vec<_>>().join("\n"));
    let texts: Vec<Text> = texts.filter(|text| !text.trim().is_empty()).map(Text::Mrkdwn).collect();
    for fields in texts.chunks(MOST_FIELDS) {
        blocks.push(Block::Section { text: None, fields: fields.to_vec() });
    }
}

fn literals(text: &str, blocks: &mut Vec<Block>) {
    for text in pieces(text, LONGEST_SECTION).into_iter().map(str::to_owned) {
        blocks.push(Block::RichText { elements: [Preformatted { elements: [Literal { text }] }] });
    }
}

fn characters(block: &Block) -> usize {
    match block {
        Block::Header { text } => length(text.as_str()),
        Block::Section { text, fields } => text.iter().chain(fields).map(|text| length(text.as_str())).sum(),
        Block::RichText { elements: [Preformatted { elements: [literal] }] } => length(&literal.text),
        Block::Divider {} => 0,
        Block::Actions { elements } => {
            elements.iter().map(|button| length(&button.value) + length(button.text.as_str())).sum()
        }
    }
}
