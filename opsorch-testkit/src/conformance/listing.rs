//! The queries that list things, as data: what the checks that hold for all of them need to know.

mod filter;

use std::collections::BTreeSet;

use opsorch::{ErrorKind, Operation, Time};
use serde_json::{Map, Value, json};

use self::filter::{
    ALERT_STATUS, DEPLOYMENT_STATUS, INCIDENT_STATUS, LOG_SEVERITY, RUN_STATUS, SEVERITY, TICKET_STATUS,
};
use super::lab::{Lab, items};
use super::rule::{Broken, Checked};

pub(super) use self::filter::{By, Filter, Vocabulary, member};

/// The most items that a check reads from one listing. What a double or an account has more is not looked at.
const MOST_ITEMS: usize = 2_000;

/// The size of the pages in which everything is read.
const PAGE: usize = 1_000;

/// A query that lists things.
#[derive(Debug)]
pub(super) struct Listing {
    /// The query.
    pub(super) query: Operation,
    /// What reads one of the things.
    pub(super) get: Option<Operation>,
    /// What reads the list below one of the things.
    pub(super) below: &'static [Operation],
    /// The member that tells when a thing began; the newest comes first.
    pub(super) time: Option<&'static str>,
    /// The conditions that the query can put, but for the span of time.
    pub(super) filters: &'static [Filter],
    /// Whether the query has to name a span of time.
    spans: bool,
}

/// Every listing but that of metrics, which has to name a metric.
pub(super) const LISTINGS: &[Listing] = &[
    Listing {
        get: Some(Operation::IncidentGet),
        below: &[Operation::IncidentTimelineGet],
        time: Some("createdAt"),
        filters: &[
            Filter::new("statuses", By::Word(INCIDENT_STATUS, "status")),
            Filter::new("severities", By::Word(SEVERITY, "severity")),
            Filter::new("query", By::Text("title")),
            Filter::new("scope.service", By::Is("service")),
            Filter::new("scope.team", By::Unseen),
            Filter::new("scope.environment", By::Unseen),
        ],
        ..Listing::of(Operation::IncidentQuery)
    },
    Listing {
        get: Some(Operation::AlertGet),
        time: Some("createdAt"),
        filters: &[
            Filter::new("statuses", By::Word(ALERT_STATUS, "status")),
            Filter::new("severities", By::Word(SEVERITY, "severity")),
            Filter::new("query", By::Text("title")),
            Filter::new("scope.service", By::Is("service")),
            Filter::new("scope.team", By::Unseen),
            Filter::new("scope.environment", By::Unseen),
        ],
        ..Listing::of(Operation::AlertQuery)
    },
    Listing {
        time: Some("timestamp"),
        filters: &[
            Filter::new("expression.severityIn", By::Word(LOG_SEVERITY, "severity")),
            Filter::new("expression.search", By::Text("message")),
            Filter::new("scope.service", By::Is("service")),
            Filter::new("scope.team", By::Unseen),
            Filter::new("scope.environment", By::Unseen),
        ],
        spans: true,
        ..Listing::of(Operation::LogQuery)
    },
    Listing {
        get: Some(Operation::TicketGet),
        time: Some("createdAt"),
        filters: &[
            Filter::new("statuses", By::Word(TICKET_STATUS, "status")),
            Filter::new("assignees", By::AnyOf("assignees")),
            Filter::new("reporter", By::Is("reporter")),
            Filter::new("query", By::Text("title")),
            Filter::new("scope.service", By::Unseen),
            Filter::new("scope.team", By::Unseen),
            Filter::new("scope.environment", By::Unseen),
        ],
        ..Listing::of(Operation::TicketQuery)
    },
    Listing {
        get: Some(Operation::ServiceGet),
        filters: &[
            Filter::new("ids", By::AnyOf("id")),
            Filter::new("name", By::Part("name")),
            Filter::new("tags", By::Tag),
            Filter::new("scope.service", By::Unseen),
            Filter::new("scope.team", By::Unseen),
            Filter::new("scope.environment", By::Unseen),
        ],
        ..Listing::of(Operation::ServiceQuery)
    },
    Listing {
        get: Some(Operation::DeploymentGet),
        time: Some("startedAt"),
        filters: &[
            Filter::new("statuses", By::Word(DEPLOYMENT_STATUS, "status")),
            Filter::new("versions", By::AnyOf("version")),
            Filter::new("query", By::Unseen),
            Filter::new("scope.service", By::Is("service")),
            Filter::new("scope.team", By::Unseen),
            Filter::new("scope.environment", By::Is("environment")),
        ],
        ..Listing::of(Operation::DeploymentQuery)
    },
    Listing {
        get: Some(Operation::TeamGet),
        below: &[Operation::TeamMembers, Operation::TeamOncall],
        filters: &[
            Filter::new("name", By::Part("name")),
            Filter::new("tags", By::Tag),
            Filter::new("scope.service", By::Unseen),
            Filter::new("scope.team", By::Unseen),
            Filter::new("scope.environment", By::Unseen),
        ],
        ..Listing::of(Operation::TeamQuery)
    },
    Listing {
        get: Some(Operation::OrchestrationPlansGet),
        filters: &[
            Filter::new("query", By::Text("title")),
            Filter::new("tags", By::Tag),
            Filter::new("scope.service", By::Unseen),
            Filter::new("scope.team", By::Unseen),
            Filter::new("scope.environment", By::Unseen),
        ],
        ..Listing::of(Operation::OrchestrationPlansQuery)
    },
    Listing {
        get: Some(Operation::OrchestrationRunsGet),
        time: Some("createdAt"),
        filters: &[
            Filter::new("statuses", By::Word(RUN_STATUS, "status")),
            Filter::new("planIds", By::AnyOf("planId")),
            Filter::new("query", By::Unseen),
            Filter::new("scope.service", By::Is("scope.service")),
            Filter::new("scope.team", By::Is("scope.team")),
            Filter::new("scope.environment", By::Is("scope.environment")),
        ],
        ..Listing::of(Operation::OrchestrationRunsQuery)
    },
];

impl Listing {
    /// A listing of which nothing else is known.
    const fn of(query: Operation) -> Self {
        Self { query, get: None, below: &[], time: None, filters: &[], spans: false }
    }

    /// The listings that a provider offers.
    pub(super) fn offered(lab: &Lab) -> impl Iterator<Item = &'static Listing> {
        LISTINGS.iter().filter(|listing| lab.offers(listing.query))
    }

    /// The listing of a query.
    pub(super) fn by(query: Operation) -> Checked<&'static Self> {
        let known = LISTINGS.iter().find(|listing| listing.query == query);
        known.ok_or_else(|| Broken(format!("the suite knows no listing {query}")))
    }

    /// Whether it is of log entries, whose span every query names.
    pub(super) fn is_log(&self) -> bool {
        self.spans
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
        Ok(self.follow(lab, members, limit).await?.items)
    }

    /// What following the cursors gives for these members, by pages of so many items.
    pub(super) async fn follow(&self, lab: &Lab, members: &Value, limit: usize) -> Checked<Followed> {
        let mut cursor = members.get("cursor").cloned().unwrap_or_default();
        let mut found = Followed { items: Vec::new(), is_whole: true };
        loop {
            let mut query = members.clone();
            if let Some(query) = query.as_object_mut() {
                query.extend([("limit".to_owned(), json!(limit)), ("cursor".to_owned(), cursor.clone())]);
            }
            let page = self.page(lab, query).await?;
            found.items.extend(items(&page)?);
            found.is_whole &= page.get("truncated").is_none_or(Value::is_null);
            let next = page.get("next").cloned().unwrap_or_default();
            if next.is_null() || found.items.len() >= MOST_ITEMS {
                found.is_whole &= next.is_null();
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

    /// What large pages give for these conditions; `None` where the provider refuses them, as it may.
    pub(super) async fn follow_large(&self, lab: &Lab, conditions: &Value) -> Checked<Option<Followed>> {
        match self.find(lab, conditions).await? {
            Some(_) => self.follow(lab, conditions, PAGE).await.map(Some),
            None => Ok(None),
        }
    }

    /// All there is, by large pages.
    pub(super) async fn all(&self, lab: &Lab) -> Checked<Vec<Value>> {
        self.all_by(lab, &json!({}), PAGE).await
    }

    /// What a query with these conditions finds; `None` where the provider refuses them, as it may.
    pub(super) async fn find(&self, lab: &Lab, conditions: &Value) -> Checked<Option<Vec<Value>>> {
        let mut first = conditions.clone();
        if let Some(first) = first.as_object_mut() {
            first.insert("limit".to_owned(), json!(PAGE));
        }
        match lab.read(self.query, self.with(lab, first)).await? {
            Ok(page) if page.get("next").is_none_or(Value::is_null) => items(&page).map(Some),
            Ok(_) => self.all_by(lab, conditions, PAGE).await.map(Some),
            Err(error) if error.kind() == &ErrorKind::Unsupported => Ok(None),
            Err(error) => Err(Broken(format!(
                "{} with {conditions}: expected what it finds, or `unsupported`, got {error:?}",
                self.query
            ))),
        }
    }

    /// The members of a query that put its span, and the member of a thing that they look at.
    pub(super) fn bounds(&self) -> Option<[&'static str; 3]> {
        match (self.time, self.spans) {
            (Some(time), true) => Some(["start", "end", time]),
            (Some(time), false) => self.has_since().then_some(["since", "until", time]),
            (None, _) => None,
        }
    }

    /// Runs are the one listing with a time that no query narrows.
    fn has_since(&self) -> bool {
        self.query != Operation::OrchestrationRunsQuery
    }
}

/// What following cursors gave.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) items: Vec<Value>,
    /// Whether it is all there is: no page said that something is left out, and the last one was reached.
    pub(super) is_whole: bool,
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

/// What several things are known by.
pub(super) fn identities(items: &[Value]) -> BTreeSet<String> {
    items.iter().map(identity).collect()
}

/// One query that puts the conditions of both.
pub(super) fn both(one: &Value, other: &Value) -> Value {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let mut all = one.clone();
            for (name, condition) in other {
                let joined = all.get(name).map_or_else(|| condition.clone(), |there| both(there, condition));
                all.insert(name.clone(), joined);
            }
            Value::Object(all)
        }
        (_, other) => other.clone(),
    }
}
