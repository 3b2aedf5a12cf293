//! How long an answer gets: never cut silently, and always with a way on.

use std::collections::BTreeMap;
use std::io::{self, Write};

use opsorch_schema::Operation;
use serde_json::{Value, json};

use super::cursor::Resume;
use super::names;
use crate::{Error, Result};

/// The fewest characters of a long text, and elements of a long array, that are shown at a time.
const NARROWEST: usize = 512;

/// The most bytes that an answer may have as JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget(pub(super) usize);

impl Budget {
    pub(super) fn fits(self, value: &Value) -> bool {
        size(value) <= self.0
    }

    /// How many of the first items of a page fit, with everything beside them.
    pub(super) fn items(self, page: &Value) -> usize {
        let Some(items) = page.get("items").and_then(Value::as_array) else { return 0 };
        let each: Vec<usize> = items.iter().map(|item| size(item) + 1).collect();
        let beside = size(page).saturating_sub(each.iter().sum());
        // What a cursor takes is not known before it is there.
        let mut left = self.0.saturating_sub(beside).saturating_sub(512);
        let fits = |size: &&usize| left.checked_sub(**size).map(|rest| left = rest).is_some();
        each.iter().take_while(fits).count()
    }

    /// Shows a part of each long text and each long array: those from the offset on. Says where it goes on, and what was
    /// shortened.
    pub(super) fn narrow(self, value: &Value, resume: &Resume) -> Result<Narrowed> {
        let mut width = if resume.width == 0 { self.0 / 4 } else { resume.width };
        loop {
            let mut narrowed = Narrowed { value: value.clone(), cuts: Vec::new(), next: None };
            let longest = cut(&mut narrowed.value, resume.offset, width, "", &mut narrowed.cuts);
            let end = resume.offset.saturating_add(width);
            narrowed.next = (longest > end).then(|| Resume { offset: end, width, ..resume.clone() });
            if self.fits(&narrowed.value) {
                return Ok(narrowed);
            }
            width /= 2;
            if width < NARROWEST {
                return Err(too_large(size(value), self));
            }
        }
    }
}

/// A value of which long texts and arrays are there in part.
pub(super) struct Narrowed {
    pub(super) value: Value,
    /// What was shortened, to be read.
    pub(super) cuts: Vec<String>,
    pub(super) next: Option<Resume>,
}

fn too_large(size: usize, budget: Budget) -> Error {
    let message = format!(
        "the answer has {size} bytes, and {} fit; ask for less: fewer items, a shorter time, a larger step",
        budget.0
    );
    Error::unsupported(message)
}

/// Keeps the window of long texts and arrays; answers the longest length there was.
fn cut(value: &mut Value, offset: usize, width: usize, path: &str, cuts: &mut Vec<String>) -> usize {
    match value {
        Value::String(text) => cut_text(text, offset, width, path, cuts),
        Value::Array(items) => {
            let length = items.len();
            let is_long = length > width;
            if is_long {
                let begin = offset.min(length);
                *items = items.drain(begin..begin.saturating_add(width).min(length)).collect();
                cuts.push(format!("{path}: elements {begin} to {} of {length}", begin + items.len()));
            }
            // Of a long text in a long array only the beginning is shown: two windows do not move at once.
            let offset = if is_long { 0 } else { offset };
            let inside = items.iter_mut().enumerate();
            let inside = inside.map(|(index, item)| cut(item, offset, width, &format!("{path}/{index}"), cuts));
            let longest = inside.max().unwrap_or(0);
            if is_long { length } else { longest }
        }
        Value::Object(object) => {
            let inside =
                object.iter_mut().map(|(name, field)| cut(field, offset, width, &format!("{path}/{name}"), cuts));
            inside.max().unwrap_or(0)
        }
        _ => 0,
    }
}

fn cut_text(text: &mut String, offset: usize, width: usize, path: &str, cuts: &mut Vec<String>) -> usize {
    // A part of an address leads nowhere.
    let is_address = text.starts_with("http://") || text.starts_with("https://");
    if text.len() <= width || is_address {
        return 0;
    }
    let length = text.chars().count();
    if length <= width {
        return 0;
    }
    *text = text.chars().skip(offset).take(width).collect();
    let begin = offset.min(length);
    cuts.push(format!("{path}: characters {begin} to {} of {length}", offset.saturating_add(width).min(length)));
    length
}

/// Leaves out items of an investigation until it fits: half of the longest page, again and again. Each page says what it
/// lacks, and with the evidence's own query the rest is there to be read.
pub(super) fn shorten(investigation: &mut Value, budget: Budget) {
    let target = budget.0 - budget.0 / 8;
    let mut had: BTreeMap<(String, usize), usize> = BTreeMap::new();
    while size(investigation) > target {
        let Some((section, index)) = longest_page(investigation) else { break };
        let Some(items) = items_of(investigation, &section, index) else { break };
        had.entry((section, index)).or_insert(items.len());
        items.truncate(items.len() / 2);
    }
    for ((section, index), total) in had {
        tell_shortened(investigation, &section, index, total);
    }
}

/// The page that takes the most room, of those with more than one item.
fn longest_page(investigation: &Value) -> Option<(String, usize)> {
    let sections = investigation.as_object()?.iter();
    let pages = sections.flat_map(|(name, section)| {
        let evidence = section.as_array().into_iter().flatten().enumerate();
        evidence.filter_map(move |(index, evidence)| {
            let items = evidence.pointer("/answer/items")?;
            (items.as_array()?.len() > 1).then(|| (size(items), (name.clone(), index)))
        })
    });
    pages.max().map(|(_, place)| place)
}

fn items_of<'a>(investigation: &'a mut Value, section: &str, index: usize) -> Option<&'a mut Vec<Value>> {
    investigation.get_mut(section)?.get_mut(index)?.pointer_mut("/answer/items")?.as_array_mut()
}

fn tell_shortened(investigation: &mut Value, section: &str, index: usize, total: usize) {
    let Some(evidence) = investigation.get_mut(section).and_then(|section| section.get_mut(index)) else { return };
    let provider = evidence.get("provider").cloned().unwrap_or_default();
    let operation = evidence.pointer("/query/operation").and_then(Value::as_str).unwrap_or_default();
    let tool = operation.parse::<Operation>().ok().and_then(names::of).unwrap_or("the query tool");
    let Some(Value::Object(answer)) = evidence.get_mut("answer") else { return };
    let kept = answer.get("items").and_then(Value::as_array).map_or(0, Vec::len);
    let source = provider.as_str().unwrap_or_default();
    let message = format!(
        "the first {kept} of {total} are shown, to keep the answer short; ask `{tool}` on `{source}` with this query"
    );
    answer.remove("next");
    answer.insert("truncated".into(), message.as_str().into());
    if let Some(Value::Array(gaps)) = investigation.get_mut("gaps") {
        let gap = json!({ "section": section, "code": "incomplete", "message": message, "source": provider, "retryable": false });
        gaps.push(gap);
    }
}

/// How many bytes a value has as JSON.
fn size(value: &Value) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // A value can always be written.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_show_everything_once() {
        let text: String = (0..100_000).map(|number| char::from(b'a' + u8::try_from(number % 26).unwrap())).collect();
        let numbers: Vec<usize> = (0..9000).collect();
        let value =
            json!({ "text": text, "numbers": numbers, "short": "s", "url": format!("https://e/{}", "x".repeat(3000)) });
        let (mut resume, mut texts, mut found) = (Resume::default(), String::new(), Vec::new());
        for _ in 0..1000 {
            let narrowed = Budget(16 * 1024).narrow(&value, &resume).unwrap();
            assert!(size(&narrowed.value) <= 16 * 1024);
            assert_eq!((&narrowed.value["short"], &narrowed.value["url"]), (&value["short"], &value["url"]));
            texts += narrowed.value["text"].as_str().unwrap();
            found.extend(narrowed.value["numbers"].as_array().unwrap().clone());
            match narrowed.next {
                Some(next) => resume = next,
                None => break,
            }
        }
        assert_eq!(texts, text);
        assert_eq!(json!(found), value["numbers"]);
    }

    #[test]
    fn what_cannot_be_shortened_is_refused_and_not_cut() {
        let value = json!(vec!["x".repeat(100); 400]);
        let error = Budget(8 * 1024).narrow(&value, &Resume::default()).err().expect("400 short texts");
        assert!(error.to_string().contains("ask for less"), "{error}");
    }
}
