//! What GitHub allows.

use std::sync::Arc;
use std::time::Duration;

use opsorch::Clock;
use opsorch::transport::{Budget, Limit, Method, Url};

use super::api::RATE_HEADERS;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// What counts to the primary limit. Searches have one of their own, and so has what an App says of itself.
const CORE: [&str; 3] = ["read", "write", "create"];

/// The limits of GitHub's documentation. An Enterprise Server has others, or none: there all is learned from the headers.
pub(super) fn budget(url: &Url, clock: Arc<dyn Clock>) -> Budget {
    let budget = Budget::new().headers(RATE_HEADERS).clock(clock).classes(class);
    let host = url.host_str().unwrap_or_default();
    if host != "api.github.com" && !host.ends_with(".ghe.com") {
        return budget.limit(Limit::unknown("core").only(CORE)).limit(Limit::unknown("search").only(["search"]));
    }
    budget
        .limit(Limit::new("core", 5_000, HOUR).only(CORE).learned())
        .limit(Limit::new("search", 30, MINUTE).only(["search"]).learned())
        .limit(Limit::new("points", 900, MINUTE).cost("write", 5).cost("create", 5))
        .limit(Limit::new("content in a minute", 80, MINUTE).only(["create"]))
        .limit(Limit::new("content in an hour", 500, HOUR).only(["create"]))
        .limit(Limit::new("requests at the same time", 100, Duration::ZERO))
}

fn class(method: &Method, path: &str) -> &'static str {
    match (path.split('/').next(), method) {
        (Some("search"), _) => "search",
        (Some("app"), _) => "app",
        (_, &Method::GET) => "read",
        (_, &Method::POST) => "create",
        _ => "write",
    }
}
