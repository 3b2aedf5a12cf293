//! The laws of pages.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::cmp::Reverse;

use opsorch_testkit::double::{by_cursor, by_key, by_number, by_offset};
use proptest::prelude::*;

/// Follows the pages to their end; each holds no more than the limit, and each but the last is full.
fn follow<T, N>(limit: usize, total: usize, mut page: impl FnMut(Option<N>) -> (Vec<T>, Option<N>, usize)) -> Vec<T> {
    let (mut all, mut next) = (Vec::new(), None);
    loop {
        let (items, after, said) = page(next);
        assert_eq!(said, total, "each page knows the length of the list");
        assert!(items.len() <= limit);
        assert!(after.is_none() || items.len() == limit, "a page that is followed is full");
        all.extend(items);
        assert!(all.len() <= total, "pages end");
        match after {
            Some(after) => next = Some(after),
            None => return all,
        }
    }
}

proptest! {
    #[test]
    fn pages_one_after_the_other_are_the_list(list in prop::collection::vec(any::<u8>(), 0..40), limit in 1_usize..12) {
        let total = list.len();
        let offsets = follow(limit, total, |next| {
            let part = by_offset(list.iter(), next.unwrap_or(0), limit);
            (part.items, part.next, part.total)
        });
        prop_assert!(offsets.into_iter().eq(&list));
        let numbers = follow(limit, total, |next| {
            let part = by_number(list.iter(), next.unwrap_or(1), limit);
            (part.items, part.next, part.total)
        });
        prop_assert!(numbers.into_iter().eq(&list));
        let cursors = follow(limit, total, |next: Option<String>| {
            let part = by_cursor(list.iter(), "query", next.as_deref(), limit).unwrap();
            (part.items, part.next, part.total)
        });
        prop_assert!(cursors.into_iter().eq(&list));
    }

    #[test]
    fn pages_by_key_are_the_list_in_its_order(list in prop::collection::hash_set(any::<u16>(), 0..40), limit in 1_usize..12) {
        let mut sorted: Vec<u16> = list.iter().copied().collect();
        sorted.sort_unstable();
        let up = follow(limit, list.len(), |next| {
            let part = by_key(list.iter().copied(), |item| *item, next, limit);
            (part.items, part.next, part.total)
        });
        prop_assert_eq!(&up, &sorted);
        sorted.reverse();
        let down = follow(limit, list.len(), |next| {
            let part = by_key(list.iter().copied(), |item| Reverse(*item), next, limit);
            (part.items, part.next, part.total)
        });
        prop_assert_eq!(&down, &sorted);
    }

    /// Whatever comes and goes between pages: nothing is given twice, and what was there all the time is given.
    #[test]
    fn pages_by_key_outlast_changes(
        begin in prop::collection::hash_set(0_u16..200, 1..40),
        changes in prop::collection::vec((0_u16..200, any::<bool>()), 0..60),
        limit in 1_usize..8,
    ) {
        let (mut list, mut all, mut next) = (begin.clone(), Vec::new(), None);
        let (mut removed, mut changes) = (Vec::new(), changes.into_iter());
        loop {
            let part = by_key(list.iter().copied(), |item| *item, next, limit);
            all.extend(part.items);
            next = part.next;
            if next.is_none() {
                break;
            }
            for (item, comes) in changes.by_ref().take(3) {
                if comes {
                    list.insert(item);
                } else if list.remove(&item) {
                    removed.push(item);
                }
            }
        }
        prop_assert!(all.is_sorted_by(|one, other| one < other), "a repeat: {all:?}");
        let stayed = begin.iter().filter(|item| !removed.contains(item));
        for item in stayed {
            prop_assert!(all.contains(item), "{item} is lost: {all:?}");
        }
    }

    #[test]
    fn a_cursor_serves_its_own_query_only(offset in 1_usize..30, text in ".{0,20}") {
        let list = vec![0; 31];
        let cursor = by_cursor(&list, "status = open", None, offset).unwrap().next.unwrap();
        prop_assert!(by_cursor(&list, "status = open", Some(&cursor), 1).is_ok());
        prop_assert!(by_cursor(&list, "status = done", Some(&cursor), 1).is_err());
        prop_assert!(by_cursor(&list, "status = open", Some(&text), 1).is_err());
    }
}

#[test]
fn pages_beyond_the_end_are_empty_and_none_follows() {
    let list = ["a", "b"];
    let part = by_offset(list, 2, 5);
    assert_eq!((part.items.len(), part.next, part.total), (0, None, 2));
    let part = by_number(list, usize::MAX, usize::MAX);
    assert_eq!((part.items.len(), part.next, part.total), (0, None, 2));
    assert_eq!(by_number(list, 0, 1).items, ["a"]);
    assert_eq!(by_offset(list, 0, 2).next, None, "a last page may be full");
    assert_eq!(by_offset(list, 0, 0).next, None, "there is no way on");
    assert_eq!(by_key(list, |item| *item, None, 0).next, None, "there is no way on");
}
