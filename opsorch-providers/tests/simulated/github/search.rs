//! The search for issues: words, phrases and qualifiers.

use std::cmp::Reverse;

use opsorch::transport::{Reply, Request, StatusCode};
use opsorch_testkit::double::{by_number, parameter};
use serde_json::{Value, json};

use super::issues::{Issue, MILESTONES};
use super::shape::time;
use super::{GitHub, OWNER, has_only, invalid, ok, page_of, problem, unmatched};

/// The most results of one search.
const MOST: usize = 1_000;

/// A part of a query: a qualifier with its value, or a phrase.
#[derive(Debug)]
struct Term {
    qualifier: Option<String>,
    value: String,
}

impl GitHub {
    pub fn search(&self, request: &Request) -> Reply {
        if !has_only(request, &["q", "sort", "order", "per_page", "page"])
            || parameter(request, "sort").as_deref() != Some("created")
            || parameter(request, "order").as_deref() != Some("desc")
        {
            return unmatched(request);
        }
        let terms = terms(&parameter(request, "q").unwrap_or_default());
        if terms.iter().filter(|term| term.qualifier.as_deref() == Some("repo")).count() != 1 {
            return invalid("Search", "q", "invalid");
        }
        let (page, size) = page_of(request);
        if page * size > MOST {
            return problem(StatusCode::UNPROCESSABLE_ENTITY, "Only the first 1000 search results are available");
        }
        let mut found: Vec<&Issue> = Vec::new();
        for issue in &self.issues {
            let mut matches = true;
            for term in &terms {
                match fits(term, issue) {
                    Some(fit) => matches &= fit,
                    None => return invalid("Search", "q", "invalid"),
                }
            }
            found.extend(Some(issue).filter(|_| matches));
        }
        found.sort_by_key(|issue| Reverse((issue.created, issue.number)));
        let part = by_number(found, page, size);
        let items: Vec<Value> = part.items.iter().map(|issue| scored(issue)).collect();
        ok(&json!({
            "total_count": part.total, "incomplete_results": self.runs_out_of_time, "items": items,
            "search_type": "lexical",
        }))
    }
}

/// What a search says of an issue: not quite what a list says.
fn scored(issue: &Issue) -> Value {
    let mut shape = issue.shape();
    shape["score"] = json!(1.0);
    if shape["body"].is_null() {
        shape["body"] = json!("");
    }
    shape
}

fn fits(term: &Term, issue: &Issue) -> Option<bool> {
    let value = term.value.as_str();
    Some(match term.qualifier.as_deref() {
        None => {
            let wanted = words(value);
            let has = |text: &str| {
                let words = words(text);
                wanted.is_empty() || words.windows(wanted.len()).any(|part| part == wanted)
            };
            has(&issue.title) || has(issue.body.as_deref().unwrap_or_default())
        }
        Some("in") => value == "title,body",
        Some("repo") => value.eq_ignore_ascii_case(&format!("{OWNER}/{}", issue.repository)),
        Some("is") => value == "issue" && !issue.is_pull_request,
        Some("state") => issue.state == value,
        Some("assignee") => issue.assignees.iter().any(|it| it == value),
        Some("author") => issue.author.as_deref() == Some(value),
        Some("label") => issue.labels.iter().any(|it| it == value),
        Some("milestone") => {
            MILESTONES.iter().any(|(number, title)| issue.milestone == Some(*number) && *title == value)
        }
        Some("created") => is_in(&time(issue.created), value)?,
        Some(_) => return None,
    })
}

/// Whether a time is in a span. Times of this form compare as texts do.
pub fn is_in(at: &str, span: &str) -> Option<bool> {
    if let Some(from) = span.strip_prefix(">=") {
        return Some(at >= from);
    }
    if let Some(to) = span.strip_prefix("<=") {
        return Some(at <= to);
    }
    let (from, to) = span.split_once("..")?;
    Some(from <= at && at <= to)
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// The terms of a query. Between quotes a backslash makes the next character stand for itself.
fn terms(query: &str) -> Vec<Term> {
    let mut terms = Vec::new();
    let mut rest = query.chars().peekable();
    while let Some(first) = rest.peek().copied() {
        if first == ' ' {
            rest.next();
            continue;
        }
        let (mut qualifier, mut value, mut is_quoted, mut was_quoted) = (None, String::new(), false, false);
        while let Some(letter) = rest.next() {
            match letter {
                '\\' if is_quoted => value.extend(rest.next()),
                '"' => (is_quoted, was_quoted) = (!is_quoted, true),
                ' ' if !is_quoted => break,
                ':' if !is_quoted && !was_quoted && qualifier.is_none() => qualifier = Some(std::mem::take(&mut value)),
                letter => value.push(letter),
            }
        }
        terms.push(Term { qualifier, value });
    }
    terms
}
