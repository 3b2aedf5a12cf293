//! One of several sources of a page.

use std::collections::VecDeque;
use std::sync::Arc;

use opsorch_schema::{Cursor, Page, SourceFailure};

use super::cursor::{Place, Seen};
use super::mark::Marked;
use crate::{Error, Provider, Result};

/// What is said of a source on the pages after the one on which it failed.
const LOST: &str = "it failed on an earlier page, and is left out since; ask for that page again to try it again";

/// What is said of a source whose page is not what it was.
const MOVED: &str = "what it lists has moved since the last page: something may be given twice, or be missing";

/// A provider, what it has given and not yet been taken, and where it goes on.
pub(super) struct Source<T> {
    provider: Arc<Provider>,
    place: Place,
    items: VecDeque<T>,
    state: State,
    truncated: Vec<String>,
    page: Page<()>,
}

enum State {
    /// There is more at its place.
    More,
    /// It gave everything.
    End,
    Failed(Error),
    /// It failed on an earlier page, with this code.
    Lost(String),
    /// It gave a page; more is behind it, where there is a cursor.
    Given(Option<Cursor>),
}

impl<T> Source<T> {
    /// A source to go on at a place; at none if it has given everything.
    pub(super) fn new(provider: Arc<Provider>, place: Option<Place>) -> Self {
        let state = if place.is_some() { State::More } else { State::End };
        Self::in_state(provider, state, place.unwrap_or_default())
    }

    /// A source that failed on an earlier page.
    pub(super) fn lost(provider: Arc<Provider>, code: &str) -> Self {
        Self::in_state(provider, State::Lost(code.to_owned()), Place::default())
    }

    fn in_state(provider: Arc<Provider>, state: State, place: Place) -> Self {
        Self { provider, place, items: VecDeque::new(), state, truncated: Vec::new(), page: Page::new(Vec::new()) }
    }

    pub(super) fn provider(&self) -> &Provider {
        &self.provider
    }

    pub(super) fn cursor(&self) -> Option<Cursor> {
        self.place.cursor.clone()
    }

    pub(super) fn error(&self) -> Option<&Error> {
        match &self.state {
            State::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Whether it must be asked before anything is known of its next item.
    pub(super) fn is_wanting(&self) -> bool {
        self.items.is_empty() && matches!(self.state, State::More)
    }

    /// Whether what it has given on this page was all given out before, and the page that was goes on behind it.
    pub(super) fn is_behind(&self) -> bool {
        self.is_wanting() && self.place.seen.is_some()
    }

    pub(super) fn front(&self) -> Option<&T> {
        self.items.front()
    }

    /// Where it goes on; `None` at its end, and where it failed: to try it again, the same page is asked for again.
    pub(super) fn place(&self) -> Option<&Place> {
        match self.state {
            State::End | State::Failed(_) | State::Lost(_) => None,
            State::More | State::Given(_) => Some(&self.place),
        }
    }

    /// The code of the error with which it failed, now or before.
    pub(super) fn code(&self) -> Option<&str> {
        match &self.state {
            State::Failed(error) => Some(error.kind().code()),
            State::Lost(code) => Some(code),
            State::More | State::End | State::Given(_) => None,
        }
    }

    /// Adds to a page what it says about its own, and why it failed.
    pub(super) fn tell(&mut self, mut page: Page<T>) -> Page<T> {
        let name = self.provider.name();
        for reason in self.truncated.drain(..) {
            page = page.truncated(format!("`{name}`: {reason}"));
        }
        page.failures.append(&mut self.page.failures);
        page.duplicates.append(&mut self.page.duplicates);
        page.warnings.extend(self.page.warnings.drain(..).map(|warning| format!("`{name}`: {warning}")));
        match &self.state {
            State::Failed(error) => page.failure(error.to_source_failure(name.as_str())),
            State::Lost(code) => page.failure(SourceFailure::new(name.as_str(), code, LOST)),
            State::More | State::End | State::Given(_) => page,
        }
    }
}

impl<T: Marked> Source<T> {
    /// Takes the answer to what was asked at its place.
    pub(super) fn take(&mut self, answer: Result<Page<T>>) {
        let page = match answer {
            Ok(page) => page,
            Err(error) => {
                self.state = State::Failed(error);
                return;
            }
        };
        self.truncated.extend(page.truncated);
        self.page.failures.extend(page.failures);
        self.page.warnings.extend(page.warnings);
        self.page.duplicates.extend(page.duplicates);
        self.items = page.items.into();
        let seen = self.place.seen.as_mut().map(|seen| seen.skip(&mut self.items, page.next.is_none()));
        let (beyond, has_moved) = seen.unwrap_or_default();
        self.page.warnings.extend(has_moved.then(|| MOVED.to_owned()));
        self.state = State::Given(page.next);
        self.turn();
        if matches!(self.state, State::More) {
            self.place.seen = beyond;
        }
    }

    /// The next item.
    pub(super) fn pop(&mut self) -> Option<T> {
        let item = self.items.pop_front()?;
        self.place.seen = Some(Seen::next(self.place.seen.as_ref(), &item));
        self.turn();
        Some(item)
    }

    /// Goes on to the next page once this one is used up.
    fn turn(&mut self) {
        if let (true, State::Given(next)) = (self.items.is_empty(), &mut self.state) {
            let next = next.take();
            self.state = if next.is_some() { State::More } else { State::End };
            self.place = Place { cursor: next, seen: None };
        }
    }
}
