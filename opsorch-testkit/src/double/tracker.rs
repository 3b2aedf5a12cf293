//! A tracker of issues.

use std::collections::BTreeMap;
use std::sync::Arc;

use opsorch::{Clock, Time};
use serde_json::{Map, Value};

/// A tracker in memory: issues, their comments, and the ways from one status to another.
///
/// Ids count up from 10001 and keys from `OPS-1`, times come from the clock. A status is the vendor's own word; the
/// first one is `To Do`. Nothing is refused but what is not there: a vendor's rules are its wire's to tell.
///
/// ```
/// use opsorch::ManualClock;
/// use opsorch_testkit::double::{Tracker, Transition};
///
/// let mut tracker = Tracker::new(ManualClock::default())
///     .transition(Transition::new("11", "Start", "In Progress").from("To Do"))
///     .transition(Transition::new("31", "Close", "Done"));
/// let id = tracker.create("disk full").id.clone();
/// tracker.update(&id, |issue| issue.description = Some("on db-1".to_owned()));
/// tracker.comment("OPS-1", "ada", "looking into it");
///
/// assert!(tracker.apply("OPS-1", "12").is_none(), "there is no such transition");
/// assert_eq!(tracker.apply("OPS-1", "11").unwrap().status, "In Progress");
/// assert!(tracker.apply("OPS-1", "11").is_none(), "it does not start again");
/// assert_eq!(tracker.issues().filter(|issue| issue.status == "In Progress").count(), 1);
/// ```
#[derive(Debug)]
pub struct Tracker {
    clock: Arc<dyn Clock>,
    prefix: String,
    first_status: String,
    transitions: Vec<Transition>,
    issues: Vec<Issue>,
    comments: usize,
    once: BTreeMap<String, String>,
}

/// An issue of a [`Tracker`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Issue {
    /// The id for machines, such as `10001`.
    pub id: String,
    /// The id for people, such as `OPS-1`.
    pub key: String,
    /// The title.
    pub title: String,
    /// The description, as the vendor keeps it.
    pub description: Option<String>,
    /// The vendor's word.
    pub status: String,
    /// Everything else, as the vendor keeps it.
    pub fields: Map<String, Value>,
    /// In the order in which they were made.
    pub comments: Vec<Comment>,
    /// When it was made.
    pub created: Time,
    /// When it last changed; a comment is a change.
    pub updated: Time,
}

/// A comment on an [`Issue`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Comment {
    /// Distinct in the whole tracker, from `1`.
    pub id: String,
    /// Who wrote it.
    pub author: String,
    /// As the vendor keeps it.
    pub body: String,
    /// When it was written.
    pub created: Time,
}

/// A way from one status of a [`Tracker`] to another.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Transition {
    /// Its id.
    pub id: String,
    /// Its name, which need not be that of the status.
    pub name: String,
    /// The status it begins at; `None` for every other one.
    pub from: Option<String>,
    /// The status it leads to.
    pub to: String,
}

impl Transition {
    /// A way to a status from every other one.
    pub fn new(id: impl Into<String>, name: impl Into<String>, to: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), from: None, to: to.into() }
    }

    /// Only from this status.
    pub fn from(mut self, status: impl Into<String>) -> Self {
        self.from = Some(status.into());
        self
    }

    fn begins_at(&self, status: &str) -> bool {
        self.from.as_ref().map_or(self.to != status, |from| from == status)
    }
}

impl Tracker {
    /// A tracker without issues.
    pub fn new(clock: impl Clock) -> Self {
        Self {
            clock: Arc::new(clock),
            prefix: "OPS-".to_owned(),
            first_status: "To Do".to_owned(),
            transitions: Vec::new(),
            issues: Vec::new(),
            comments: 0,
            once: BTreeMap::new(),
        }
    }

    /// Sets what keys begin with, before their number; empty where the number is the key, as with GitHub.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the status of a new issue.
    pub fn first_status(mut self, status: impl Into<String>) -> Self {
        self.first_status = status.into();
        self
    }

    /// Adds a way from one status to another.
    pub fn transition(mut self, transition: Transition) -> Self {
        self.transitions.push(transition);
        self
    }

    /// Makes an issue.
    pub fn create(&mut self, title: impl Into<String>) -> &mut Issue {
        let (number, now) = (self.issues.len() + 1, self.clock.now());
        self.issues.push(Issue {
            id: (10_000 + number).to_string(),
            key: format!("{}{number}", self.prefix),
            title: title.into(),
            description: None,
            status: self.first_status.clone(),
            fields: Map::new(),
            comments: Vec::new(),
            created: now,
            updated: now,
        });
        #[allow(clippy::indexing_slicing)] // it was just put there
        &mut self.issues[number - 1]
    }

    /// Makes an issue, or gives the one that was made with this idempotency key, as it is now.
    pub fn create_once(&mut self, key: &str, title: impl Into<String>) -> &mut Issue {
        let made = self.once.get(key).and_then(|id| self.issues.iter().position(|issue| issue.id == *id));
        let place = made.unwrap_or_else(|| {
            let id = self.create(title).id.clone();
            self.once.insert(key.to_owned(), id);
            self.issues.len() - 1
        });
        #[allow(clippy::indexing_slicing)] // it was found there, or just put there
        &mut self.issues[place]
    }

    /// The issue of this id or key.
    pub fn issue(&self, id: &str) -> Option<&Issue> {
        self.issues.iter().find(|issue| issue.id == id || issue.key == id)
    }

    /// The issues in the order in which they were made.
    pub fn issues(&self) -> impl DoubleEndedIterator<Item = &Issue> {
        self.issues.iter()
    }

    /// Changes an issue; it is updated now. `None` where there is none of this id or key.
    pub fn update(&mut self, id: &str, change: impl FnOnce(&mut Issue)) -> Option<&Issue> {
        let now = self.clock.now();
        let issue = self.issues.iter_mut().find(|issue| issue.id == id || issue.key == id)?;
        change(issue);
        issue.updated = now;
        Some(issue)
    }

    /// The ways from the present status of an issue.
    pub fn transitions(&self, issue: &Issue) -> impl Iterator<Item = &Transition> {
        self.transitions.iter().filter(|transition| transition.begins_at(&issue.status))
    }

    /// Takes one of the ways from the issue's present status; `None` where the issue has no such way.
    pub fn apply(&mut self, id: &str, transition: &str) -> Option<&Issue> {
        let issue = self.issue(id)?;
        let to = self.transitions(issue).find(|known| known.id == transition)?.to.clone();
        self.update(id, |issue| issue.status = to)
    }

    /// Writes a comment; `None` where there is no issue of this id or key.
    pub fn comment(&mut self, id: &str, author: impl Into<String>, body: impl Into<String>) -> Option<&Comment> {
        let comment = Comment {
            id: (self.comments + 1).to_string(),
            author: author.into(),
            body: body.into(),
            created: self.clock.now(),
        };
        self.update(id, |issue| issue.comments.push(comment))?;
        self.comments += 1;
        self.issue(id)?.comments.last()
    }
}
