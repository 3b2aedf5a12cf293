//! What Slack's words for errors mean.

use opsorch::transport::Reply;
use opsorch::{Error, ErrorKind};

use super::super::wire::Status;

/// What a word means.
enum Meaning {
    Unauthenticated,
    Forbidden,
    NotFound,
    Conflict,
    Invalid(&'static str),
    RateLimited,
    Unavailable,
    Unsupported,
}

/// The words of the methods that are called here. Every other word is `Unexpected`.
const WORDS: &[(Meaning, &[&str])] = &[
    (
        Meaning::Unauthenticated,
        &["not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired", "user_removed_from_team"],
    ),
    (
        Meaning::Forbidden,
        &[
            "missing_scope",
            "not_in_channel",
            "no_permission",
            "access_denied",
            "ekm_access_denied",
            "team_access_not_granted",
            "org_login_required",
            "enterprise_is_restricted",
            "not_allowed_token_type",
            "restricted_action",
            "restricted_action_read_only_channel",
            "restricted_action_thread_only_channel",
            "restricted_action_thread_locked",
            "restricted_action_non_threadable_channel",
            "as_user_not_supported",
            "cannot_dm_bot",
            "messages_tab_disabled",
            "user_not_visible",
            "slack_connect_blocked",
            "method_not_supported_for_channel_type",
            "is_inactive",
            "two_factor_setup_required",
            "accesslimited",
        ],
    ),
    (
        Meaning::NotFound,
        &[
            "channel_not_found",
            "user_not_found",
            "users_not_found",
            "message_not_found",
            "thread_not_found",
            "team_not_found",
            "user_disabled",
        ],
    ),
    (
        Meaning::Conflict,
        &[
            "is_archived",
            "cant_update_message",
            "edit_window_closed",
            "cannot_reply_to_message",
            "update_failed",
            "duplicate_message_not_found",
        ],
    ),
    (
        Meaning::Invalid("body"),
        &[
            "no_text",
            "msg_too_long",
            "msg_blocks_too_long",
            "too_many_attachments",
            "too_many_contact_cards",
            "invalid_blocks",
            "invalid_blocks_format",
            "markdown_text_conflict",
            "slack_connect_file_link_sharing_blocked",
        ],
    ),
    (
        Meaning::Invalid("channel"),
        &[
            "too_many_users",
            "not_enough_users",
            "invalid_user_combination",
            "no_users_to_open",
            "cannot_find_service",
            "users_list_not_supplied",
        ],
    ),
    (
        Meaning::Invalid("metadata"),
        &["invalid_metadata_format", "invalid_metadata_schema", "metadata_too_large", "metadata_must_be_sent_from_app"],
    ),
    (
        Meaning::Invalid("request"),
        &[
            "invalid_arguments",
            "invalid_arg_name",
            "missing_argument",
            "invalid_array_arg",
            "invalid_charset",
            "invalid_form_data",
            "invalid_post_type",
            "missing_post_type",
            "invalid_json",
            "json_not_object",
            "invalid_cursor",
            "invalid_ts_latest",
            "invalid_ts_oldest",
            "invalid_limit",
        ],
    ),
    (Meaning::RateLimited, &["ratelimited", "rate_limited", "message_limit_exceeded"]),
    (
        Meaning::Unavailable,
        &[
            "internal_error",
            "fatal_error",
            "service_unavailable",
            "request_timeout",
            "team_added_to_org",
            "external_channel_migrating",
        ],
    ),
    (Meaning::Unsupported, &["method_deprecated", "deprecated_endpoint", "unknown_method"]),
];

/// A refusal as an error: with Slack's word, what it says beside it, and what to do where that is known.
pub(super) fn refusal(reply: &Reply, status: &Status) -> Error {
    // A word is shown only if it can be one: an answer may repeat what it was sent.
    let word = status.error.as_deref().filter(|word| is_word(word)).unwrap_or("an error without a word");
    let kind = kind(reply, word);
    let mut error = Error::new(kind.clone(), format!("Slack refused: {word}"));
    if let Some(scope) = status.needed.as_deref().filter(|scope| is_word(scope)) {
        error = error.with_context("needed scope", scope);
    }
    if let Some(hint) = hint(word) {
        error = error.with_context("hint", hint);
    }
    // The reply writes its answer down without secrets.
    reply.error(kind).context().fold(error, |error, (name, value)| error.with_context(name, value))
}

/// Whether Slack says that there were too many requests.
pub(in crate::slack) fn is_rate_limited(status: &Status) -> bool {
    let word = status.error.as_deref().unwrap_or_default();
    WORDS.iter().any(|(meaning, words)| matches!(meaning, Meaning::RateLimited) && words.contains(&word))
}

fn kind(reply: &Reply, word: &str) -> ErrorKind {
    let found = WORDS.iter().find(|(_, words)| words.contains(&word)).map(|(meaning, _)| meaning);
    match found {
        Some(Meaning::Unauthenticated) => ErrorKind::Unauthenticated,
        Some(Meaning::Forbidden) => ErrorKind::Forbidden,
        Some(Meaning::NotFound) => ErrorKind::NotFound,
        Some(Meaning::Conflict) => ErrorKind::Conflict,
        Some(Meaning::Invalid(field)) => ErrorKind::Invalid { field: (*field).to_owned() },
        Some(Meaning::RateLimited) => ErrorKind::RateLimited { retry_after: reply.retry_after() },
        Some(Meaning::Unavailable) => ErrorKind::Unavailable,
        Some(Meaning::Unsupported) => ErrorKind::Unsupported,
        None => ErrorKind::Unexpected,
    }
}

fn hint(word: &str) -> Option<&'static str> {
    Some(match word {
        "missing_scope" => "add the scope to the app and install it again",
        "not_in_channel" => "invite the app to the channel",
        "channel_not_found" => "a private channel is visible to its members only; invite the app",
        "missing_argument" => "a token of a whole organisation needs `team`",
        "is_archived" => "the channel is archived",
        _ => return None,
    })
}

/// Whether a text has the form of Slack's words and scopes.
fn is_word(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_:,.".contains(&byte))
}
