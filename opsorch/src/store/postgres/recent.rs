//! The newest part of the log, as this process has read and verified it, so that nothing is read twice and little is read
//! while others wait.

use std::collections::HashMap;

use opsorch_schema::{Event, GrantId};

use crate::Result;
use crate::audit::{Frontier, leaf_hash};
use crate::store::history::{self, History, Said};

/// How many grants are kept at most between two commits: about 30 MiB. Then it is read anew, as far back as is needed.
const LARGEST: usize = 1 << 18;

/// What a stretch of the log says of grants, up to the end that this process saw last.
///
/// It is believed because its leaves hash to the trees at its ends, and nothing is committed unless the end is a tree that
/// was signed.
#[derive(Debug, Default)]
pub(super) struct Recent {
    start: Frontier,
    end: Frontier,
    grants: HashMap<String, History>,
    /// An entry that cannot be read, and might say more.
    unreadable: Option<crate::Error>,
}

impl Recent {
    /// Nothing but where the log ends.
    pub(super) fn at(end: &Frontier) -> Self {
        Self { start: end.clone(), end: end.clone(), ..Self::default() }
    }

    /// The sequence from which it knows everything.
    pub(super) fn start(&self) -> u64 {
        self.start.size()
    }

    /// The sequence up to which it knows everything.
    pub(super) fn end(&self) -> u64 {
        self.end.size()
    }

    /// Whether the intent of a grant is within it; then so is all that came after it.
    pub(super) fn has_intent(&self, grant: &str) -> bool {
        self.grants.get(grant).is_some_and(|history| history.intent.is_some())
    }

    /// What it says of a grant.
    pub(super) fn history(&self, grant: &GrantId) -> Result<History> {
        match &self.unreadable {
            Some(error) => Err(error.clone()),
            None => Ok(self.grants.get(grant.as_str()).copied().unwrap_or_default()),
        }
    }

    /// Goes on to the present end of the log, with the leaves in between.
    ///
    /// # Errors
    /// [`Unexpected`](crate::ErrorKind::Unexpected) if these leaves do not lead there.
    pub(super) fn follow<'a>(&mut self, tail: &Frontier, leaves: impl Iterator<Item = &'a str>) -> Result<()> {
        let from = self.end();
        let mut part = Part::after(&self.end);
        leaves.for_each(|leaf| part.read(leaf));
        if part.end != *tail {
            return Err(history::not_signed(from));
        }
        self.end = part.end;
        self.unreadable = self.unreadable.take().or(part.unreadable);
        for (grant, newer) in part.grants {
            self.grants.entry(grant).or_default().join(newer);
        }
        Ok(())
    }

    /// Puts a part before it that leads from an older tree to where it starts.
    ///
    /// # Errors
    /// [`Unexpected`](crate::ErrorKind::Unexpected) if it leads elsewhere.
    pub(super) fn prepend(&mut self, start: Frontier, part: Part) -> Result<()> {
        if part.end != self.start {
            return Err(history::not_signed(start.size()));
        }
        self.start = start;
        self.unreadable = self.unreadable.take().or(part.unreadable);
        for (grant, older) in part.grants {
            self.grants.entry(grant).or_default().join(older);
        }
        Ok(())
    }

    /// Takes in what this process committed itself.
    pub(super) fn committed(&mut self, end: &Frontier, said: impl Iterator<Item = (String, u64, Event)>) {
        self.end = end.clone();
        for (grant, sequence, event) in said {
            self.grants.entry(grant).or_default().add(sequence, event);
        }
        if self.grants.len() > LARGEST {
            *self = Self::at(end);
        }
    }
}

/// A part of the log while it is read: from some tree on to the one that its leaves lead to.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) end: Frontier,
    grants: HashMap<String, History>,
    unreadable: Option<crate::Error>,
}

impl Part {
    /// Nothing yet, after this tree.
    pub(super) fn after(tree: &Frontier) -> Self {
        Self { end: tree.clone(), ..Self::default() }
    }

    pub(super) fn read(&mut self, leaf: &str) {
        match Said::read(leaf.as_bytes()) {
            Ok(said) => {
                if let Some(grant) = said.grant() {
                    self.grants.entry(grant.to_owned()).or_default().add(self.end.size(), said.event);
                }
            }
            Err(error) => self.unreadable = Some(error),
        }
        self.end.push(leaf_hash(leaf.as_bytes()));
    }
}
