//! All rules: the one table from which tests and documentation are made.

use super::check::{ids, paging};
use super::rule::{Requirement, Rule};

/// Fills the table. A row is `"id" requirement check, "sentence";`.
macro_rules! rules {
    ($($id:literal $requirement:ident $module:ident::$check:ident, $sentence:literal;)+) => {
        pub(super) const RULES: &[Rule] = &[$(Rule {
            id: $id,
            slug: concat!(stringify!($module), "::", stringify!($check)),
            requirement: Requirement::$requirement,
            sentence: $sentence,
            check: |bench| Box::pin($module::$check(bench)),
        },)+];
    };
}

rules! {
    "TK-001" Must paging::the_limit_holds, "A page holds at most as many items as the query's limit.";
    "TK-002" Must paging::nothing_is_left_out, "Following the cursor from a page gives every item that one large page gives.";
    "TK-003" Must paging::nothing_comes_twice, "Following the cursor gives no item twice.";
    "TK-004" Must paging::an_end_is_the_end, "A page that calls itself complete is not followed by more.";
    "TK-020" Must ids::what_is_listed_can_be_read, "What a query lists can be read by its id, and is the same.";
    "TK-021" Must ids::an_unknown_id_is_not_found, "Reading an unknown id is `not_found`, also when it holds characters that mean something in an address.";
}
