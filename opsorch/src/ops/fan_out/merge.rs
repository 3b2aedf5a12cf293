//! What several sources have at hand, in one order.

use std::cmp::Ordering;

use opsorch_schema::{Duplicate, Origin, Page};
use serde::Serialize;

use super::mark::Marked;
use super::source::Source;
use super::twins::Twins;

/// How many twins are left out on the way to one page: it is shorter than its limit where there are more.
const MOST_DUPLICATES: usize = 10_000;

/// A page in the making.
pub(super) struct Merge<'a, T> {
    pub(super) sources: Vec<Source<T>>,
    pub(super) items: Vec<T>,
    /// What tells duplicates; nothing without a rule that says what is the same.
    pub(super) twins: Option<Twins<'a>>,
    duplicates: Vec<Duplicate>,
    limit: usize,
}

impl<'a, T: Marked + Serialize> Merge<'a, T> {
    pub(super) fn new(sources: Vec<Source<T>>, limit: usize, twins: Option<Twins<'a>>) -> Self {
        Self { sources, items: Vec::new(), twins, duplicates: Vec::new(), limit }
    }

    /// Whether nothing more goes onto this page.
    pub(super) fn is_full(&self) -> bool {
        self.items.len() >= self.limit || self.duplicates.len() >= MOST_DUPLICATES
    }

    /// Takes the newest of the first items that the sources have at hand, again and again, until the page is full; and, where
    /// it waits, only while no source has run out that might have newer ones. Tells how many were left out.
    pub(super) fn take(&mut self, waits: bool) -> usize {
        let before = self.duplicates.len();
        loop {
            let must_wait = waits && self.sources.iter().any(Source::is_wanting);
            if self.is_full() || must_wait {
                break;
            }
            let Some(source) = self.newest() else { break };
            let Some(item) = self.sources.get_mut(source).and_then(Source::pop) else { break };
            match self.duplicate(&item, source) {
                Some(duplicate) => self.duplicates.push(duplicate),
                None => self.items.push(item),
            }
        }
        self.duplicates.len() - before
    }

    /// The page, with all that the sources say about it.
    pub(super) fn page(self, warnings: Vec<String>) -> Page<T> {
        let mut page = Page::new(self.items);
        page.warnings = warnings;
        page.warnings.extend(self.twins.and_then(|twins| twins.warning()));
        if self.duplicates.len() >= MOST_DUPLICATES {
            page.warnings.push(format!("{MOST_DUPLICATES} duplicates were left out; the next page goes on"));
        }
        page.duplicates = self.duplicates;
        self.sources.into_iter().fold(page, |page, mut source| source.tell(page))
    }

    /// The source whose first item comes next: newest first; what has no time comes last. The item's key and the provider's
    /// name settle ties, or the order of the route where the first of several twins stays.
    fn newest(&self) -> Option<usize> {
        let in_order = self.twins.is_some();
        let fronts =
            self.sources.iter().enumerate().filter_map(|(index, source)| Some((index, source, source.front()?)));
        let next = fronts.min_by(|(_, one_source, one), (_, other_source, other)| {
            other.time().cmp(&one.time()).then_with(|| match in_order {
                true => Ordering::Equal, // the first of equals is taken
                false => {
                    let by_key = one.key().cmp(other.key());
                    by_key.then_with(|| one_source.provider().name().cmp(other_source.provider().name()))
                }
            })
        });
        next.map(|(index, ..)| index)
    }

    /// What is to be said of an item that another source gave before.
    fn duplicate(&mut self, item: &T, source: usize) -> Option<Duplicate> {
        let twins = self.twins.as_mut()?;
        let (first, id) = twins.first_of(item, source)?;
        let name = |index: usize| Some(self.sources.get(index)?.provider().name().clone());
        let kept = Origin::new(name(first)?, id);
        let dropped = Origin::new(name(source)?, Some(item.key().to_owned()));
        Some(Duplicate::new(kept, dropped, twins.rule()))
    }
}
