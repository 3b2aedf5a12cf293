//! Items that another provider has given already.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use opsorch_schema::Item;
use serde::Serialize;

use super::identity::IdentityRule;

/// How many things are remembered, from page to page too: twins that are further apart are both given.
pub(super) const REMEMBERED: usize = 1000;

/// The bytes of one thing in a cursor: two for the source, eight of a digest.
const RECORD: usize = 10;

/// What tells whether an item was given by another source, on this page or an earlier one.
pub(super) struct Twins<'a> {
    identity: &'a IdentityRule,
    known: Known,
}

impl<'a> Twins<'a> {
    pub(super) fn new(identity: &'a IdentityRule, known: Known) -> Self {
        Self { identity, known }
    }

    /// Notes an item of a source. If another source gave the same thing before: which, and the id there, unless that was on
    /// an earlier page.
    pub(super) fn first_of<T: Item + Serialize>(&mut self, item: &T, source: usize) -> Option<(usize, Option<String>)> {
        let (first, id) = self.known.meet(self.identity.key(item)?, short(source), item.key())?;
        Some((first.into(), id))
    }

    pub(super) fn rule(&self) -> &'a str {
        self.identity.rule()
    }

    /// What is to be known on the next page.
    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    /// What to say where something was forgotten.
    pub(super) fn warning(&self) -> Option<String> {
        let rule = self.rule();
        self.known.has_forgotten.then(|| {
            format!("`{rule}`: the last {REMEMBERED} things are remembered; what is further apart may be given twice")
        })
    }
}

fn short(source: usize) -> u16 {
    u16::try_from(source).unwrap_or(u16::MAX)
}

/// The last things that were given or met, and which source gave them.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    by_key: HashMap<u64, First>,
    by_turn: BTreeMap<u64, u64>,
    turn: u64,
    has_forgotten: bool,
}

/// Who gave a thing first.
#[derive(Clone, Debug)]
struct First {
    source: u16,
    /// The id of its last item; not known of earlier pages.
    id: Option<String>,
    turn: u64,
}

impl Known {
    /// Notes that a source has this thing. If another source gave it before: which, and the id there.
    fn meet(&mut self, key: u64, source: u16, id: &str) -> Option<(u16, Option<String>)> {
        let turn = self.turn;
        self.turn += 1;
        self.by_turn.insert(turn, key);
        match self.by_key.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(First { source, id: Some(id.to_owned()), turn });
                self.forget();
                None
            }
            Entry::Occupied(mut occupied) => {
                let first = occupied.get_mut();
                self.by_turn.remove(&std::mem::replace(&mut first.turn, turn));
                if first.source == source {
                    first.id = Some(id.to_owned());
                    return None;
                }
                Some((first.source, first.id.clone()))
            }
        }
    }

    /// Forgets the thing that was met longest ago, if there are too many.
    fn forget(&mut self) {
        if self.by_key.len() > REMEMBERED
            && let Some((_, key)) = self.by_turn.pop_first()
        {
            self.by_key.remove(&key);
            self.has_forgotten = true;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// All of it as text, the thing that was met longest ago first.
    pub(super) fn write(&self) -> String {
        let mut bytes = Vec::with_capacity(self.by_key.len() * RECORD);
        for (key, first) in self.by_turn.values().filter_map(|key| Some((key, self.by_key.get(key)?))) {
            bytes.extend(first.source.to_be_bytes());
            bytes.extend(key.to_be_bytes());
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What was written; `None` for anything else.
    pub(super) fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() <= REMEMBERED * RECORD)?;
        let mut known = Self::default();
        for record in bytes.chunks(RECORD) {
            let (source, key) = record.split_first_chunk()?;
            let (source, key) = (u16::from_be_bytes(*source), u64::from_be_bytes(key.try_into().ok()?));
            let turn = known.turn;
            known.turn += 1;
            known.by_turn.insert(turn, key);
            let is_new = known.by_key.insert(key, First { source, id: None, turn }).is_none();
            is_new.then_some(())?;
        }
        Some(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_source_stays_and_its_own_items_are_no_twins() {
        let mut known = Known::default();
        assert_eq!(known.meet(7, 1, "b"), None);
        assert_eq!(known.meet(7, 0, "a"), Some((1, Some("b".into()))));
        assert_eq!(known.meet(7, 1, "b2"), None);
        assert_eq!(known.meet(7, 2, "c"), Some((1, Some("b2".into()))));
    }

    #[test]
    fn what_was_met_longest_ago_is_forgotten_first() {
        let mut known = Known::default();
        for key in 0..REMEMBERED as u64 {
            known.meet(key, 0, "a");
        }
        assert!(known.meet(0, 1, "b").is_some() && !known.has_forgotten);
        known.meet(u64::MAX, 0, "a");
        assert!(known.has_forgotten);
        assert!(known.meet(0, 1, "b").is_some(), "it was met again");
        assert!(known.meet(1, 1, "b").is_none(), "it was forgotten");
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let mut known = Known::default();
        for key in [3, 9, u64::MAX, 3] {
            known.meet(key, 2, "a");
        }
        let text = known.write();
        let mut read = Known::read(&text).unwrap();
        assert_eq!(read.write(), text);
        assert_eq!(read.meet(9, 0, "x"), Some((2, None)));

        let twice = URL_SAFE_NO_PAD.encode([[0_u8; RECORD], [0; RECORD]].concat());
        let long = URL_SAFE_NO_PAD.encode(vec![0_u8; (REMEMBERED + 1) * RECORD]);
        for wrong in ["A", "AAAA", "*", &twice, &long] {
            assert!(Known::read(wrong).is_none(), "{wrong}");
        }
        assert!(Known::read("").is_some_and(|known| known.is_empty()));
    }
}
