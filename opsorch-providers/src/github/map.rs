//! From GitHub's words to the schema's, and back.

pub(super) mod catalog;
pub(super) mod deployment;
pub(super) mod run;
pub(super) mod ticket;

use opsorch::transport::Url;

/// What may be opened by a person: anybody may write any address into a deployment.
pub(super) fn web_address(text: Option<&str>) -> Option<Url> {
    text?.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// Whether it can be the login of a user or a bot. GitHub takes other texts for something else, such as `*` for anybody.
pub(super) fn is_login(name: &str) -> bool {
    let plain = name.strip_suffix("[bot]").unwrap_or(name);
    super::repository::is_owner(plain)
}
