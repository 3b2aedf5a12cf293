//! The language of metric queries as far as the provider writes it: `sum:requests{env:prod AND NOT host:a} by {host}`.

use std::collections::BTreeMap;

/// What must hold: whether it is wanted, and the alternatives.
pub type Condition = (bool, Vec<(String, String)>);

/// A query that was read.
#[derive(Debug)]
pub struct Query {
    pub aggregator: String,
    pub metric: String,
    conditions: Vec<Condition>,
    pub groups: Vec<String>,
}

impl Query {
    /// Reads a query; `None` for one that is broken.
    pub fn parse(text: &str) -> Option<Self> {
        let (aggregator, rest) = text.split_once(':')?;
        let (metric, rest) = rest.split_once('{')?;
        let (filter, rest) = rest.split_once('}')?;
        let groups = match rest {
            "" => Vec::new(),
            rest => rest.strip_prefix(" by {")?.strip_suffix('}')?.split(',').map(str::to_owned).collect(),
        };
        let is_known = ["avg", "sum", "min", "max"].contains(&aggregator);
        let is_name =
            |name: &str| !name.is_empty() && name.chars().all(|it| it.is_alphanumeric() || "_-./".contains(it));
        let is_well = is_known && is_name(metric) && groups.iter().all(|group| is_name(group));
        let conditions = conditions(filter)?;
        is_well.then(|| Self { aggregator: aggregator.to_owned(), metric: metric.to_owned(), conditions, groups })
    }

    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        matches(&self.conditions, labels)
    }

    /// Joins what series have at one time.
    pub fn join(&self, values: &[f64]) -> Option<f64> {
        if values.is_empty() {
            return None;
        }
        let sum: f64 = values.iter().sum();
        Some(match self.aggregator.as_str() {
            "sum" => sum,
            "min" => values.iter().copied().fold(f64::INFINITY, f64::min),
            "max" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            _ => sum / values.len() as f64,
        })
    }
}

/// What a filter wants of labels; `None` for one that is broken.
pub fn conditions(filter: &str) -> Option<Vec<Condition>> {
    if filter == "*" {
        return Some(Vec::new());
    }
    let tag = |text: &str| {
        let (name, value) = text.split_once(':')?;
        let is_part = |letter: char| letter.is_alphanumeric() || "_-:./*".contains(letter);
        let is_well = !name.is_empty() && !value.is_empty() && name.chars().chain(value.chars()).all(is_part);
        is_well.then(|| (name.to_owned(), value.to_owned()))
    };
    let condition = |text: &str| {
        let (wanted, rest) = text.strip_prefix("NOT ").map_or((true, text), |rest| (false, rest));
        let alternatives: Option<Vec<_>> = match rest.strip_prefix('(') {
            Some(group) => group.strip_suffix(')')?.split(" OR ").map(tag).collect(),
            None => Some(vec![tag(rest)?]),
        };
        Some((wanted, alternatives?))
    };
    filter.split(" AND ").map(condition).collect()
}

pub fn matches(conditions: &[Condition], labels: &BTreeMap<String, String>) -> bool {
    conditions.iter().all(|(wanted, alternatives)| {
        let has = |(name, value): &(String, String)| labels.get(name).is_some_and(|has| is_like(value, has));
        alternatives.iter().any(has) == *wanted
    })
}

/// `*` stands for anything, at the ends.
fn is_like(pattern: &str, text: &str) -> bool {
    let inner = pattern.trim_matches('*');
    match (pattern.starts_with('*'), pattern.ends_with('*')) {
        (true, true) => text.contains(inner),
        (true, false) => text.ends_with(inner),
        (false, true) => text.starts_with(inner),
        (false, false) => text == inner,
    }
}
