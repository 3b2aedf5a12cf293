//! Which process got which change: only that one can know that it does not work on it any more.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// The most changes that are remembered. Of one that is forgotten no plugin is believed that it was not made.
const MOST: usize = 1024;

/// The changes that were sent and of which it is not known that they ended.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<VecDeque<(String, Sent)>>);

/// Where the attempts of a change were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    To(Place),
    ToSeveral,
}

/// A process: its number among those of the plugin, and how many ended before it in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) number: usize,
    pub(super) generation: u64,
}

impl Changes {
    /// Remembers where a change is sent, before it is; `true` for its first attempt.
    pub(super) fn send(&self, key: &str, place: Place) -> bool {
        self.with(|changes| {
            if let Some((_, sent)) = changes.iter_mut().find(|(known, _)| known == key) {
                if *sent != Sent::To(place) {
                    *sent = Sent::ToSeveral;
                }
                return false;
            }
            if changes.len() >= MOST {
                changes.pop_front();
            }
            changes.push_back((key.to_owned(), Sent::To(place)));
            true
        })
    }

    /// Forgets a change whose outcome is known.
    pub(super) fn forget(&self, key: &str) {
        self.with(|changes| changes.retain(|(known, _)| known != key));
    }

    /// The only process that ever got this change, if it is known.
    pub(super) fn place(&self, key: &str) -> Option<Place> {
        self.with(|changes| match changes.iter().find(|(known, _)| known == key) {
            Some((_, Sent::To(place))) => Some(*place),
            _ => None,
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut VecDeque<(String, Sent)>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Place = Place { number: 0, generation: 0 };

    #[test]
    fn a_change_that_several_processes_got_has_no_place() {
        for other in [Place { number: 1, ..A }, Place { generation: 1, ..A }] {
            let changes = Changes::default();
            assert!(changes.send("k", A) && !changes.send("k", A));
            assert_eq!(changes.place("k"), Some(A));
            assert!(!changes.send("k", other) && !changes.send("k", A));
            assert_eq!(changes.place("k"), None);
            changes.forget("k");
            assert!(changes.send("k", other), "a change that ended is forgotten");
        }
    }

    #[test]
    fn the_oldest_changes_are_forgotten() {
        let changes = Changes::default();
        (0..=MOST).for_each(|key| assert!(changes.send(&key.to_string(), A)));
        assert_eq!((changes.place("0"), changes.place("1")), (None, Some(A)));
    }
}
