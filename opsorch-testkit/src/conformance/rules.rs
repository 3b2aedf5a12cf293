//! All rules: the one table from which tests and documentation are made.

use super::check::{
    alerts, config, deadlines, filters, idempotency, ids, injection, logs, messages, metrics, network, order, paging,
    reads, runs, secrets, statuses, times, words, writes,
};
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
    "TK-002" Must paging::nothing_is_left_out, "Following the cursor gives what one large page gives, no less and no more, also under conditions.";
    "TK-003" Must paging::nothing_comes_twice, "Following the cursor gives no item twice.";
    "TK-004" Must paging::an_end_is_the_end, "A page that calls itself complete is not followed by more.";
    "TK-005" Must paging::a_cursor_that_nobody_gave_is_refused, "A cursor that nobody gave is `invalid`, and none is an address or is taken for one.";
    "TK-006" Should paging::a_cursor_outlives_what_is_new, "A cursor gives everything that was there once, also when something is added meanwhile.";
    "TK-007" Should paging::a_page_is_full, "A page without conditions that is followed by another holds as many items as the limit.";
    "TK-010" Must filters::words_find_their_level, "A query by a status or a severity finds all that is of its level, and nothing else.";
    "TK-011" Must filters::all_words_of_a_level_find_the_same, "A query by another word of the same level, such as `sev1` for `critical`, finds the same.";
    "TK-012" Must filters::a_span_has_its_beginning_and_not_its_end, "`since` includes its moment and `until` does not, alone and together.";
    "TK-013" Must filters::one_value_of_a_list_is_enough, "A query by several values of one filter finds what any of them finds.";
    "TK-014" Must filters::all_conditions_hold_together, "A query by several filters finds what all of them find.";
    "TK-015" Must filters::a_scope_finds_what_is_in_it, "A scope finds what names its service or environment, and nothing that names another.";
    "TK-016" Must filters::a_name_that_nothing_has_finds_nothing, "A name that nothing has finds nothing, in every filter.";
    "TK-017" Must filters::texts_find_what_says_them, "A text to search for finds everything whose title has that word, and nothing that does not say it.";
    "TK-018" Must filters::unknown_metadata_is_not_ignored, "A query with a member of `metadata` that the provider does not know is refused.";
    "TK-019" Must filters::values_find_what_has_them, "A query by people, versions, tags or ids finds what has them, and nothing else.";
    "TK-020" Must ids::what_is_listed_can_be_read, "What a query lists can be read by its id, and is the same.";
    "TK-021" Must ids::an_unknown_id_is_not_found, "Reading an unknown id is `not_found`, also when it holds characters that mean something in an address.";
    "TK-022" Must order::the_newest_comes_first, "What has a time is listed with the newest first, also under conditions.";
    "TK-023" Must order::an_order_is_kept, "The same query finds the same things in the same order.";
    "TK-024" Must reads::nothing_is_changed, "Reads change nothing.";
    "TK-025" Must reads::what_is_offered_is_there, "A read that is offered answers about what is there.";
    "TK-026" Must reads::an_unknown_id_has_nothing_below, "A list that belongs to an unknown thing, such as a timeline, is `not_found`.";
    "TK-027" Must order::a_timeline_begins_with_the_oldest, "A timeline begins with the oldest entry.";
    "TK-030" Must words::a_word_is_there_and_known_words_are_not_unknown, "A status or a severity is not empty, and not unknown where the vendor's own word is known.";
    "TK-031" Must words::an_unknown_word_is_kept_or_refused, "A status or a severity that is in no table is kept or refused, and never made into a known one.";
    "TK-032" Must times::what_is_made_now_is_of_now, "What is made now has the time of now, in UTC.";
    "TK-034" Should words::a_vendors_word_has_its_usual_level, "A vendor's own word that is in the table has the level that the table says.";
    "TK-040" Must logs::an_entry_is_in_the_span, "A log query finds entries from its start on and before its end.";
    "TK-041" Must logs::conditions_on_fields_hold, "A condition on a field of log entries finds those for which it holds.";
    "TK-042" Must metrics::points_are_in_order_and_in_the_span, "The points of a series are in the span, with the oldest first.";
    "TK-043" Must metrics::a_step_is_between_points, "Between two points of a series is at least the step.";
    "TK-044" Must metrics::conditions_on_labels_hold, "A condition on a label finds the series for which it holds.";
    "TK-045" Must metrics::an_unknown_metric_has_no_series, "A metric that nobody has yields no series.";
    "TK-046" Must metrics::an_aggregation_is_of_all_series, "A sum, mean, least, greatest or count is that of all series, or of those of each group, at each of its times.";
    "TK-047" Must metrics::what_is_described_can_be_queried, "Of the metrics that are described, a query finds points.";
    "TK-050" Must writes::what_is_made_can_be_read, "What is made can be read by its id and says what the input said; a member that cannot be kept is refused.";
    "TK-051" Must writes::what_is_made_is_found, "What is made is found by the query.";
    "TK-052" Must writes::an_update_changes_what_is_given, "An update changes the members that are given, one or several at once, and no others.";
    "TK-053" Must writes::an_unknown_id_changes_nothing, "A change of an unknown id is `not_found` and makes nothing.";
    "TK-054" Must writes::an_appended_entry_is_in_the_timeline, "An entry that was appended is in the timeline once, with its kind, body and time.";
    "TK-055" Must writes::a_blank_title_is_not_replaced, "A blank title is refused or kept as it is, and never replaced by another.";
    "TK-056" Should writes::a_field_is_kept_or_refused, "A member of `fields` or `metadata` is kept or refused, and not dropped.";
    "TK-057" Must writes::the_answer_is_what_is_there, "A change answers what a read gives right after it.";
    "TK-060" Must alerts::one_key_is_one_alert, "Raising an alert again under its deduplication key is the same alert, and under another key another one.";
    "TK-061" Must alerts::an_alert_is_acknowledged_and_resolved, "An alert that was acknowledged reads as acknowledged, and one that was resolved as resolved.";
    "TK-062" Must alerts::a_silenced_alert_is_suppressed, "An alert that was silenced reads as suppressed.";
    "TK-063" Should alerts::a_silence_ends, "A silence lasts until its time has come, and then ends.";
    "TK-065" Must messages::a_sent_message_can_be_replaced, "A message can be replaced by the id that sending it answered.";
    "TK-066" Must messages::a_sent_message_can_be_answered, "A message can be answered by the id that sending it answered, and the reply is another message.";
    "TK-067" Must messages::an_unknown_channel_is_not_replaced, "A message goes to the channel that it names, or is refused as `not_found`.";
    "TK-070" Must runs::a_run_has_every_step, "A run has every step of its plan, and no other.";
    "TK-071" Must runs::steps_are_completed_in_order, "A step is completed after those that it depends on, before them it is a `conflict`; when all are completed, the run is.";
    "TK-072" Must runs::completing_again_changes_nothing, "Completing a step again changes nothing.";
    "TK-073" Must runs::a_cancelled_run_has_ended, "A run that was cancelled reads as cancelled, and none of its steps can be completed.";
    "TK-074" Must runs::a_run_keeps_its_plan, "A run that says what its plan is keeps it as it was when the run started.";
    "TK-080" Must idempotency::one_key_makes_one_thing, "A change that is declared to honour idempotency keys makes one thing under one key, and answers the same when asked again.";
    "TK-081" Must idempotency::what_was_made_is_found_by_its_marker, "A change that is declared to be found by its marker, attempted again after its answer was lost, is made once.";
    "TK-082" Must idempotency::another_key_makes_another_thing, "The same input under another idempotency key is another change.";
    "TK-083" Must idempotency::a_lost_answer_makes_one_thing, "A change that is declared to honour idempotency keys, asked for again after its answer was lost, is made once.";
    "TK-084" Must idempotency::a_lost_answer_is_told, "A change whose answer was lost is not sent again without its key, and its error says that it may have been made.";
    "TK-085" Must injection::any_text_is_kept, "A text is kept to the letter or refused, whatever stands in it.";
    "TK-086" Must injection::any_value_is_only_a_value, "A value of a filter finds only what has it, whatever it means to a query language.";
    "TK-087" Must idempotency::nothing_else_is_found_by_a_marker, "Nothing that was made under another idempotency key is found by the marker of a change that was lost on its way.";
    "TK-090" Must config::it_reads_as_it_was_written, "A configuration that is written down and read again is the same, and makes the same provider.";
    "TK-091" Must config::an_unknown_key_is_refused, "An unknown key of a configuration is `invalid`, and named.";
    "TK-092" Must config::a_missing_secret_is_named, "A secret that is not there is `invalid` when the provider is made; the error names its reference and shows no other secret.";
    "TK-093" Must config::making_it_sends_nothing, "Making a provider sends no request.";
    "TK-095" Must config::it_offers_the_same_each_time, "Every provider of one configuration offers the same operations.";
    "TK-100" Must statuses::status_401_is_unauthenticated, "An answer of 401 is `unauthenticated`.";
    "TK-101" Must statuses::status_403_is_forbidden, "An answer of 403 is `forbidden`.";
    "TK-102" Must statuses::status_404_is_not_found, "An answer of 404 to a read is an error, and `not_found` for one thing by its id.";
    "TK-103" Must statuses::status_409_is_a_conflict, "An answer of 409 to a change is a `conflict`.";
    "TK-104" Must statuses::status_400_and_422_are_invalid, "An answer of 400 or 422 to a change is `invalid`.";
    "TK-105" Must statuses::status_429_says_when_to_come_back, "An answer of 429 is `rate_limited`, with the wait of its `Retry-After`.";
    "TK-106" Must statuses::status_5xx_is_unavailable, "An answer of 500, 502, 503 or 504 is `unavailable`; 504 may be `timeout`.";
    "TK-107" Must statuses::a_login_page_is_an_error, "HTML with status 200, such as a login page, is an error.";
    "TK-108" Must statuses::what_is_not_json_is_an_error, "An answer to a read that is not JSON, or is cut, is an error.";
    "TK-109" Must statuses::json_of_another_kind_is_an_error, "An answer to a read that is JSON of another kind, such as a number, is an error.";
    "TK-110" Must statuses::a_huge_answer_is_an_error, "No more than 64 MiB of an answer is read, and one of 10 MB that makes no sense is an error.";
    "TK-120" Must network::a_refused_connection_changes_nothing, "A refused connection is `unavailable`, and the error of a change says that it was not made.";
    "TK-121" Must network::a_broken_answer_leaves_it_open, "An answer that is reset, cut or no HTTP is an error, and that of a change says that it may have been made.";
    "TK-122" Must network::a_failure_leaves_it_open_and_a_refusal_does_not, "The error of a change says after a status of 5xx that it may have been made, and after one of 4xx that it was not.";
    "TK-123" Must network::a_change_is_sent_once, "A provider does not repeat a change that failed.";
    "TK-124" Must network::a_reading_that_breaks_off_says_so, "A read of which a later request fails is an error or a page that says so.";
    "TK-130" Must deadlines::a_call_ends_at_its_deadline, "A call ends with `timeout` at its deadline, also when its vendor never answers.";
    "TK-131" Must deadlines::a_call_that_is_dropped_stops, "A read that is dropped stops and leaves nothing behind.";
    "TK-132" Must deadlines::nothing_is_sent_after_the_deadline, "A call whose deadline is over sends nothing and is a `timeout`; that of a change says that it was not made.";
    "TK-140" Must secrets::no_address_holds_a_secret, "No address that is requested holds a secret.";
    "TK-141" Must secrets::no_debug_shows_a_secret, "The `Debug` of a provider shows no secret.";
    "TK-142" Must secrets::no_error_holds_a_secret, "No error shows a secret, also when the vendor repeats what it was sent.";
    "TK-143" Must secrets::no_trace_holds_a_secret, "No trace shows a secret.";
    "TK-144" Must secrets::no_secret_follows_a_redirect, "A redirect to another server takes no secret there.";
    "TK-145" Must secrets::a_wrong_secret_is_refused, "A wrong secret is `unauthenticated` in every call: the double asks for the right one.";
}
