//! The queries that list things, as data: what the checks that hold for all of them need to know.

use opsorch::{Operation, Time};
use serde_json::{Map, Value, json};

use super::lab::{Lab, items};
use super::rule::{Broken, Checked};

/// The most items that a check reads from one listing. What a double or an account has more is not looked at.
const MOST_ITEMS: usize = 2_000;

/// A query that lists things.
#[derive(Debug)]
pub(super) struct Listing {
    /// The query.
    pub(super) query: Operation,
    /// What reads one of the things.
    pub(super) get: Option<Operation>,
    /// The member that tells when a thing began; the newest comes first.
    pub(super) time: Option<&'static str>,
    /// Whether the query has to name a span of time.
    spans: bool,
}

/// Every listing but that of metrics, which has to name a metric.
pub(super) const LISTINGS: &[Listing] = &[
    Listing {
        query: Operation::IncidentQuery,
        get: Some(Operation::IncidentGet),
        time: Some("createdAt"),
        spans: false,
    },
    Listing { query: Operation::AlertQuery, get: Some(Operation::AlertGet), time: Some("createdAt"), spans: false },
    Listing { query: Operation::LogQuery, get: None, time: Some("timestamp"), spans: true },
    Listing { query: Operation::TicketQuery, get: Some(Operation::TicketGet), time: Some("createdAt"), spans: false },
    Listing { query: Operation::ServiceQuery, get: Some(Operation::ServiceGet), time: None, spans: false },
    Listing {
        query: Operation::DeploymentQuery,
        get: Some(Operation::DeploymentGet),
        time: Some("startedAt"),
        spans: false,
    },
    Listing { query: Operation::TeamQuery, get: Some(Operation::TeamGet), time: None, spans: false },
    Listing {
        query: Operation::OrchestrationPlansQuery,
        get: Some(Operation::OrchestrationPlansGet),
        time: None,
        spans: false,
    },
    Listing {
        query: Operation::OrchestrationRunsQuery,
        get: Some(Operation::OrchestrationRunsGet),
        time: Some("createdAt"),
        spans: false,
    },
];

impl Listing {
    /// The listings that a provider offers.
    pub(super) fn offered(lab: &Lab) -> impl Iterator<Item = &'static Listing> {
        LISTINGS.iter().filter(|listing| lab.offers(listing.query))
    }

    /// A query with these members beside those it has to have.
    pub(super) fn with(&self, lab: &Lab, members: Value) -> Value {
        let mut query = Map::new();
        if self.spans {
            let (start, end) = span(lab);
            query.extend([("start".to_owned(), json!(start)), ("end".to_owned(), json!(end))]);
        }
        if let Value::Object(members) = members {
            query.extend(members);
        }
        Value::Object(query)
    }

    /// A page, which the provider has to give.
    pub(super) async fn page(&self, lab: &Lab, members: Value) -> Checked<Value> {
        Ok(lab.read(self.query, self.with(lab, members)).await??)
    }

    /// All there is for these members, by pages of so many items.
    pub(super) async fn all_by(&self, lab: &Lab, members: &Value, limit: usize) -> Checked<Vec<Value>> {
        let (mut found, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let mut query = members.clone();
            if let Some(query) = query.as_object_mut() {
                query.extend([("limit".to_owned(), json!(limit)), ("cursor".to_owned(), cursor.clone())]);
            }
            let page = self.page(lab, query).await?;
            found.extend(items(&page)?);
            let next = page.get("next").cloned().unwrap_or_default();
            if next.is_null() || found.len() >= MOST_ITEMS {
                return Ok(found);
            }
            if next == cursor {
                return Err(Broken(format!(
                    "{}: the cursor {next} leads to itself, so that a reader never ends",
                    self.query
                )));
            }
            cursor = next;
        }
    }

    /// All there is, by large pages.
    pub(super) async fn all(&self, lab: &Lab) -> Checked<Vec<Value>> {
        self.all_by(lab, &json!({}), 1_000).await
    }
}

/// What tells a thing from others: its id, else all of it.
pub(super) fn identity(item: &Value) -> String {
    match item.get("id").and_then(Value::as_str) {
        Some(id) => id.to_owned(),
        None => item.to_string(),
    }
}

/// From ten years before the lab's clock to a day after.
pub(super) fn span(lab: &Lab) -> (Time, Time) {
    use opsorch::Clock as _;
    let now = lab.place().clock().now();
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    (now - day * 3_650, now + day)
}
