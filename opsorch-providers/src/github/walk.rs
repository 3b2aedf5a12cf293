//! Walks through what several repositories have, the newest first, and remembers where it stopped.
//!
//! Every item has a [`Stamp`], and stamps are in one order over all repositories. A cursor holds the stamp of the last item
//! that was looked at: what is newer was given, what is older was not. Beside it stands, for each repository, on which page
//! that was, so that going on costs one request and not all of those before. Pages move when something is added or taken
//! away; the stamp says which of their items are new.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use opsorch::{Context, Cursor, Error, Page, Result, Time};
use serde::{Deserialize, Serialize};

/// The most pages of one repository that one call reads. What it found until then is a page, whose cursor goes on.
const MOST_TURNS: usize = 30;

/// How many requests of one call are under way at once.
pub(super) const AT_ONCE: usize = 8;

/// Where an item stands: the newest first, then by repository, then the highest number first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Stamp {
    at: Reverse<Time>,
    repository: String,
    number: Reverse<u64>,
}

impl Stamp {
    pub(super) fn new(at: Time, repository: impl ToString, number: u64) -> Self {
        Self { at: Reverse(at), repository: repository.to_string(), number: Reverse(number) }
    }

    pub(super) fn at(&self) -> Time {
        self.at.0
    }
}

/// Which page of a repository to read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Turn {
    /// The number of the page, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) page: Option<u32>,
    /// GitHub's own mark of the place, where it gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<String>,
    /// How many items a page has. It stays the same from page to page, or else they would not follow each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<usize>,
    /// Only what was made at this time or before: where GitHub gives the first thousand only, the next thousand are those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) up_to: Option<Time>,
}

/// GitHub gives the first 1,000 results of what it searches for: ten pages.
const MOST_PAGES: u32 = 10;

impl Turn {
    /// The next page of a search, given the time of the last item of this one, if there are more: after ten pages the first of
    /// what is as old as that item or older. The second value says why there is no way on.
    pub(super) fn window(&self, last: Option<Time>) -> (Option<Self>, Option<&'static str>) {
        let Some(last) = last else { return (None, None) };
        let page = self.page.unwrap_or(1);
        match page < MOST_PAGES {
            true => (Some(Self { page: Some(page + 1), ..self.clone() }), None),
            false if self.up_to.is_some_and(|up_to| up_to <= last) => {
                (None, Some("GitHub gives a thousand results, and more than that are of one second"))
            }
            false => (Some(Self { page: Some(1), up_to: Some(last), ..self.clone() }), None),
        }
    }
}

/// Where a page ended.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    last: Stamp,
    turns: BTreeMap<String, Turn>,
}

impl Position {
    fn parse(cursor: &Cursor) -> Result<Self> {
        serde_json::from_str(cursor.as_str())
            .map_err(|_| Error::invalid("cursor", "expected a cursor that an earlier page of this query returned"))
    }
}

/// What a repository has on a page.
#[derive(Debug)]
pub(super) struct Batch<T> {
    /// In GitHub's order. Of an item that is not wanted only the place is kept.
    pub(super) entries: Vec<(Stamp, Option<T>)>,
    /// The page after it, if there may be one.
    pub(super) next: Option<Turn>,
    /// Why something is missing that no other page has.
    pub(super) truncated: Option<String>,
}

/// One repository, or what else is listed with the newest first.
#[async_trait]
pub(super) trait Source: Sync {
    /// What it has.
    type Item: Send;
    /// What tells it from the others.
    fn name(&self) -> String;
    /// The page to begin with: to go on below a stamp, where one is given.
    fn first(&self, below: Option<&Stamp>) -> Turn;
    /// Reads a page.
    async fn read(&self, cx: &Context, turn: &Turn) -> Result<Batch<Self::Item>>;
}

/// The newest items of all sources, at most `size`.
///
/// # Errors
/// Those of reading, and `Invalid` for a cursor that no page has returned.
pub(super) async fn walk<S: Source>(
    cx: &Context,
    sources: &[S],
    size: usize,
    cursor: Option<&Cursor>,
) -> Result<Page<S::Item>> {
    let position = cursor.map(Position::parse).transpose()?;
    let mut below = position.as_ref().map(|position| position.last.clone());
    let mut lanes: Vec<_> = sources.iter().map(|source| Lane::new(source, position.as_ref())).collect();
    let mut items = Vec::new();
    let mut cut = Vec::new();
    while items.len() < size {
        fill(cx, &mut lanes, below.as_ref()).await?;
        cut.extend(lanes.iter_mut().filter_map(|lane| lane.truncated.take()));
        // What a tired lane has next may be newer than what the others have.
        if lanes.iter().any(Lane::is_tired) {
            break;
        }
        let heads = lanes.iter_mut().filter(|lane| lane.head().is_some());
        let Some(lane) = heads.min_by(|one, other| one.head().cmp(&other.head())) else { break };
        let Some((stamp, item)) = lane.take() else { break };
        items.extend(item);
        below = Some(stamp);
    }
    let more = lanes.iter().any(Lane::has_more);
    let next = below.filter(|_| more).map(|last| {
        let turns = lanes.iter().filter_map(|lane| Some((lane.source.name(), lane.last.clone()?))).collect();
        serde_json::json!(Position { last, turns }).to_string()
    });
    let page = Page::new(items).next(next.map(Cursor::new));
    Ok(cut.into_iter().fold(page, Page::truncated))
}

/// Reads a page for every lane that has run empty, until each has an item or is at its end.
async fn fill<S: Source>(cx: &Context, lanes: &mut [Lane<'_, S>], below: Option<&Stamp>) -> Result<()> {
    let empty = lanes.iter_mut().filter(|lane| lane.entries.is_empty() && lane.next.is_some());
    let fills: Vec<_> = empty.map(|lane| lane.fill(cx, below)).collect();
    stream::iter(fills).buffer_unordered(AT_ONCE).try_collect().await
}

/// One source on the way.
struct Lane<'a, S: Source> {
    source: &'a S,
    /// What was read and not taken yet, with the page it is from.
    entries: VecDeque<(Stamp, Option<S::Item>)>,
    /// The page that `entries` are from.
    present: Option<Turn>,
    /// The page of the last entry that was taken.
    last: Option<Turn>,
    next: Option<Turn>,
    /// Whether the first page to read was remembered by a cursor.
    resumes: bool,
    turns: usize,
    truncated: Option<String>,
}

impl<'a, S: Source> Lane<'a, S> {
    fn new(source: &'a S, position: Option<&Position>) -> Self {
        let remembered = position.and_then(|position| position.turns.get(&source.name()));
        let next = remembered.cloned().unwrap_or_else(|| source.first(position.map(|position| &position.last)));
        Self {
            source,
            entries: VecDeque::new(),
            present: None,
            last: remembered.cloned(),
            next: Some(next),
            resumes: remembered.is_some(),
            turns: 0,
            truncated: None,
        }
    }

    async fn fill(&mut self, cx: &Context, below: Option<&Stamp>) -> Result<()> {
        while self.entries.is_empty() && !self.is_tired() {
            let Some(turn) = self.next.take() else { break };
            let batch = self.source.read(cx, &turn).await?;
            self.turns += 1;
            // The remembered page held an item that was given. If it begins below that one, what stood between has moved to
            // a page before it.
            let begins_below = batch.entries.first().is_none_or(|(stamp, _)| below.is_some_and(|below| stamp > below));
            let restart = self.source.first(below);
            if std::mem::take(&mut self.resumes) && begins_below && turn != restart {
                (self.next, self.last) = (Some(restart), None);
                continue;
            }
            let is_new = |(stamp, _): &(Stamp, Option<S::Item>)| below.is_none_or(|below| stamp > below);
            self.entries = batch.entries.into_iter().filter(is_new).collect();
            (self.present, self.next) = (Some(turn), batch.next);
            self.truncated = batch.truncated.or(self.truncated.take());
        }
        Ok(())
    }

    fn head(&self) -> Option<&Stamp> {
        self.entries.front().map(|(stamp, _)| stamp)
    }

    fn take(&mut self) -> Option<(Stamp, Option<S::Item>)> {
        self.last = self.present.clone();
        self.entries.pop_front()
    }

    /// Whether it has read so much that the call should end. What it read is used up before.
    fn is_tired(&self) -> bool {
        self.turns >= MOST_TURNS && self.entries.is_empty() && self.next.is_some()
    }

    fn has_more(&self) -> bool {
        self.next.is_some() || self.entries.iter().any(|(_, item)| item.is_some())
    }
}
