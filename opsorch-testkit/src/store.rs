//! The conformance suite of stores: every rule of [`Store`], by its name.
//!
//! A store is tested in a few lines. A durable one is tested once more behind a wrapper that opens it anew for every call.
//!
//! ```
//! use std::sync::Arc;
//! use opsorch::store::{MemoryStore, Store};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! opsorch_testkit::store::conformance(async || Arc::new(MemoryStore::new()) as Arc<dyn Store>).await;
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

mod changes;
mod grants;
mod lab;
mod log;

use std::fmt;
use std::sync::Arc;

use opsorch::Error;
use opsorch::store::Store;

use lab::Lab;

/// What a check found: `Err` says how the rule is broken.
type Checked<T = ()> = Result<T, Broken>;

/// How a rule is broken.
struct Broken(String);

/// Checks that something holds.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(crate::store::Broken(format!($($message)+)));
        }
    };
}
use ensure;

/// Checks that something has the shape that is expected.
macro_rules! ensure_matches {
    ($found:expr, $expected:pat $(if $guard:expr)?) => {
        match $found {
            $expected $(if $guard)? => {}
            other => return Err(crate::store::Broken(format!("expected {}, got {other:?}", stringify!($expected)))),
        }
    };
}
use ensure_matches;

/// Runs checks, each against a store of its own, and collects what is broken.
macro_rules! check {
    ($open:ident: $($rule:literal $check:path;)+) => {{
        let mut broken = Vec::new();
        $(if let Err(Broken(how)) = $check(Lab::new($open().await)).await {
            broken.push(format!("{}: {how}", $rule));
        })+
        broken
    }};
}

/// Checks every rule of [`Store`]. `open` gives an empty store each time.
///
/// Run it on a runtime with several threads, so that steps race.
///
/// # Panics
/// If the store breaks a rule. The message names every rule that it breaks, and says how.
pub async fn conformance(open: impl AsyncFn() -> Arc<dyn Store>) {
    let broken = check! { open:
        "ST-01 a step that is refused writes nothing" changes::refused_steps_write_nothing;
        "ST-02 entries are numbered without gaps and are what was returned" log::entries_are_numbered;
        "ST-03 every entry is covered by a signed head" log::every_entry_is_covered;
        "ST-04 a step whose future is dropped is committed whole or not at all" changes::dropped_steps_are_whole;
        "ST-10 a record appends one entry" log::a_record_appends_one_entry;
        "ST-20 a request writes grant, key and entry" grants::a_request_is_written;
        "ST-21 a live key is seen" grants::a_live_key_is_seen;
        "ST-22 a key is live until it expires" grants::a_key_expires;
        "ST-23 a grant that exists is a conflict" grants::a_grant_exists_once;
        "ST-24 one of many requests with one key is written" grants::requests_race_for_a_key;
        "ST-30 a transition writes grant and entry" grants::a_transition_is_written;
        "ST-31 a transition from another version is stale" grants::a_transition_may_be_stale;
        "ST-32 one of many transitions from one version is written" grants::transitions_race;
        "ST-40 a change that begins writes grant, key, intent and entry" changes::a_change_begins;
        "ST-41 one of many callers begins a change" changes::callers_race;
        "ST-42 a change from another version is stale" changes::a_change_may_be_stale;
        "ST-43 a grant has one intent for ever" changes::a_grant_has_one_intent;
        "ST-44 a change respects keys" changes::a_change_respects_keys;
        "ST-50 the first end of a change is its outcome" changes::the_first_end_is_the_outcome;
        "ST-51 later ends of a change are addenda" changes::later_ends_are_addenda;
        "ST-52 without an intent there is no outcome" changes::no_outcome_without_intent;
        "ST-53 an orphan is finished only when its lease has lapsed" changes::orphans_wait_for_their_lease;
        "ST-54 one of many finishes an orphan" changes::finders_race;
        "ST-60 a lease is only extended" changes::leases_are_only_extended;
        "ST-61 lapsed intents are listed" changes::lapsed_intents_are_listed;
        "ST-70 a grant is read as it was written" grants::grants_survive_to_the_letter;
        "ST-71 grants are listed by state, newest first" grants::grants_are_listed;
        "ST-73 an outcome is what was written last" changes::outcomes_are_read;
        "ST-80 entries come in pages" log::entries_come_in_pages;
        "ST-81 the newest head is the last of all" log::the_newest_head_is_the_last;
        "ST-82 heads are spread evenly" log::heads_are_spread;
        "ST-83 nodes prove" log::nodes_prove;
        "ST-02, ST-03 under a mixed load" log::a_mixed_load_keeps_the_log_sound;
    };
    assert!(broken.is_empty(), "{} rules are broken:\n{}", broken.len(), broken.join("\n"));
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self(format!("the store answered: {error}"))
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
