//! Answers that are kept to be asked for again on a condition.

use std::collections::HashMap;
use std::fmt;

use opsorch::transport::Reply;

use super::Pairs;

/// The most answers that are kept, and the most bytes of them.
const MOST_ANSWERS: usize = 512;
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// Answers by the whole request, the credential included: what one may see is nothing to another.
#[derive(Default)]
pub(super) struct Cache {
    answers: HashMap<String, Kept>,
    bytes: usize,
    uses: u64,
}

struct Kept {
    tag: String,
    reply: Reply,
    used: u64,
}

/// What an answer is kept under.
pub(super) fn key(identity: u64, path: &[String], query: &Pairs) -> String {
    // JSON, because any text may stand in a path or a query.
    serde_json::json!([identity, path, query]).to_string()
}

impl Cache {
    /// The tag and the answer, if there is one.
    pub(super) fn find(&mut self, key: &str) -> Option<(String, Reply)> {
        self.uses += 1;
        let kept = self.answers.get_mut(key)?;
        kept.used = self.uses;
        Some((kept.tag.clone(), kept.reply.clone()))
    }

    /// Keeps an answer that has a tag. Those that were not used for the longest time make room.
    pub(super) fn keep(&mut self, key: String, reply: &Reply) {
        self.remove(&key);
        let Some(tag) = reply.header("etag") else { return };
        // One answer never empties half of the cache.
        if reply.body.len() > MOST_BYTES / 2 {
            return;
        }
        while self.answers.len() >= MOST_ANSWERS || self.bytes + reply.body.len() > MOST_BYTES {
            let oldest = self.answers.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone());
            match oldest {
                Some(oldest) => self.remove(&oldest),
                None => break,
            }
        }
        self.uses += 1;
        self.bytes += reply.body.len();
        self.answers.insert(key, Kept { tag: tag.to_owned(), reply: reply.clone(), used: self.uses });
    }

    fn remove(&mut self, key: &str) {
        if let Some(kept) = self.answers.remove(key) {
            self.bytes -= kept.reply.body.len();
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("answers", &self.answers.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use opsorch::transport::{HeaderMap, HeaderName, HeaderValue, StatusCode};

    use super::*;

    fn answer(tag: Option<&'static str>, size: usize) -> Reply {
        let tag = tag.map(|tag| (HeaderName::from_static("etag"), HeaderValue::from_static(tag)));
        Reply::new(StatusCode::OK).headers(HeaderMap::from_iter(tag)).body(vec![b'x'; size])
    }

    fn key_of(number: usize) -> String {
        key(0, &["issues".to_owned(), number.to_string()], &Vec::new())
    }

    #[test]
    fn what_has_no_tag_or_is_too_large_is_not_kept() {
        let mut cache = Cache::default();
        cache.keep(key_of(1), &answer(None, 10));
        cache.keep(key_of(2), &answer(Some("a"), MOST_BYTES / 2 + 1));
        assert!(cache.find(&key_of(1)).is_none() && cache.find(&key_of(2)).is_none());
        cache.keep(key_of(1), &answer(Some("a"), 10));
        cache.keep(key_of(1), &answer(None, 10));
        assert!(cache.find(&key_of(1)).is_none(), "an answer that has no tag any more takes the old one away");
        assert_eq!(cache.bytes, 0);
    }

    #[test]
    fn it_never_grows_beyond_its_bounds_and_forgets_what_is_not_used() {
        let mut cache = Cache::default();
        for number in 0..3 * MOST_ANSWERS {
            cache.keep(key_of(number), &answer(Some("a"), 1));
            assert!(cache.find(&key_of(0)).is_some(), "what is used stays");
        }
        assert_eq!((cache.answers.len(), cache.bytes), (MOST_ANSWERS, MOST_ANSWERS));
        for number in 0..10 {
            cache.keep(key_of(number), &answer(Some("a"), MOST_BYTES / 3));
            assert!(cache.bytes <= MOST_BYTES);
        }
    }

    #[test]
    fn a_credential_sees_nothing_of_another() {
        let query = vec![("page", "1".to_owned())];
        let keys = [key(0, &["a".into()], &query), key(1, &["a".into()], &query), key(0, &["a".into()], &Vec::new())];
        assert!(keys[0] != keys[1] && keys[0] != keys[2]);
    }
}
