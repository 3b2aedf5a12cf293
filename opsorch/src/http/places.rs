//! Places for what lasts: so many in all, and so many for each who asks.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many places in all, and so many for each, so that nobody holds all of them.
#[derive(Debug)]
pub(super) struct Places<K> {
    taken: Arc<Mutex<HashMap<K, usize>>>,
    most: usize,
    most_each: usize,
}

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place<K: Eq + Hash> {
    taken: Arc<Mutex<HashMap<K, usize>>>,
    who: K,
}

impl<K: Clone + Eq + Hash> Places<K> {
    pub(super) fn new(most: usize, most_each: usize) -> Self {
        Self { taken: Arc::default(), most, most_each }
    }

    /// A place, if there is one left, and one of theirs.
    pub(super) fn take(&self, who: &K) -> Option<Place<K>> {
        let mut taken = lock(&self.taken);
        let all: usize = taken.values().sum();
        if all >= self.most || taken.get(who).is_some_and(|own| *own >= self.most_each) {
            return None;
        }
        *taken.entry(who.clone()).or_default() += 1;
        drop(taken);
        Some(Place { taken: Arc::clone(&self.taken), who: who.clone() })
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        match taken.get_mut(&self.who) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.remove(&self.who)),
        }
    }
}

fn lock<K>(taken: &Mutex<HashMap<K, usize>>) -> MutexGuard<'_, HashMap<K, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_more_than_their_own_and_all_no_more_than_there_are() {
        let places = Places::new(3, 2);
        let (first, second) = (places.take(&"alice").unwrap(), places.take(&"alice").unwrap());
        assert!(places.take(&"alice").is_none(), "alice has hers");
        let bobs = places.take(&"bob").unwrap();
        assert!(places.take(&"carol").is_none(), "all are taken");
        drop(first);
        assert!(places.take(&"carol").is_some());
        drop((second, bobs));
        assert!(lock(&places.taken).is_empty(), "nobody is remembered who has none");
    }
}
