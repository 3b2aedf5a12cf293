//! What a query asks for, before the cluster says which fields there are.

use std::collections::BTreeSet;

use opsorch::{Error, LogFilter, LogOperatorLevel, LogQuery, LogSeverity, Result, Time, visible};

use super::FieldNames;
use super::mapping::Mapping;
use crate::query::refuse_metadata_but;

/// The member of `metadata` that is a query of the caller's own, in Lucene's syntax.
pub(super) const LUCENE: &str = "lucene";

/// The most conditions of one query.
const MOST: usize = 100;

/// The longest list of names that is asked about at once: servers take 4 096 bytes before the body of a request.
const LONGEST_NAMES: usize = 3_000;

/// What a query asks for.
#[derive(Debug)]
pub(super) struct Conditions {
    pub(super) start: Time,
    pub(super) end: Time,
    pub(super) search: Option<String>,
    pub(super) severities: Vec<LogSeverity>,
    pub(super) comparisons: Vec<Comparison>,
    pub(super) lucene: Option<String>,
}

/// A condition on what is the first of some fields that an entry has.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) fields: Vec<String>,
    pub(super) operator: Operator,
    pub(super) value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equals,
    NotEquals,
    Contains,
    Regex,
    /// The severity is one of this level, in whatever word, or is not.
    Means,
    MeansNot,
}

impl Conditions {
    /// Takes what a query asks for.
    ///
    /// # Errors
    /// `Invalid` for a span that ends before it begins and for too many conditions, `Unsupported` for what cannot be
    /// honoured.
    pub(super) fn new(query: &LogQuery, names: &FieldNames) -> Result<Self> {
        if query.end < query.start {
            let message = format!("expected a time not before the start {}, got {}", query.start, query.end);
            return Err(Error::invalid("end", message));
        }
        refuse_metadata_but(&[LUCENE], &query.metadata)?;
        let lucene =
            match query.metadata.get(LUCENE) {
                None => None,
                Some(value) => Some(value.as_str().ok_or_else(|| {
                    Error::invalid("metadata.lucene", "expected a query in Lucene's syntax, as a text")
                })?),
            };
        let expression = query.expression.clone().unwrap_or_default();
        if expression.filters.len() + expression.severity_in.len() > MOST {
            return Err(Error::invalid("expression", format!("expected at most {MOST} conditions")));
        }
        let mut comparisons = scope(query, names)?;
        for filter in expression.filters {
            comparisons.push(comparison(filter, names)?);
        }
        Ok(Self {
            start: query.start,
            end: query.end,
            search: expression.search.filter(|text| !text.trim().is_empty()),
            severities: expression.severity_in,
            comparisons,
            lucene: lucene.map(str::to_owned),
        })
    }

    /// The fields that the cluster is to be asked about, separated by commas.
    ///
    /// # Errors
    /// `Invalid` where they are more than it takes.
    pub(super) fn names(&self, names: &FieldNames) -> Result<String> {
        let mut fields: Vec<&String> = vec![&names.timestamp];
        fields.extend(self.comparisons.iter().flat_map(|comparison| &comparison.fields));
        if self.search.is_some() {
            fields.extend(&names.message);
        }
        if !self.severities.is_empty() {
            fields.extend(&names.severity);
        }
        // No field has such a name, and the cluster would take it for several.
        let fields = fields.into_iter().filter(|name| !name.contains([',', '*']));
        let all: BTreeSet<String> = fields.flat_map(|name| Mapping::names_for(name)).collect();
        let all = all.into_iter().collect::<Vec<_>>().join(",");
        match all.len() > LONGEST_NAMES {
            true => Err(Error::invalid("expression.filters", "the names of all fields are too long together")),
            false => Ok(all),
        }
    }
}

/// The conditions of a scope.
fn scope(query: &LogQuery, names: &FieldNames) -> Result<Vec<Comparison>> {
    let scope = &query.scope;
    let parts = [
        ("service", &scope.service, &names.service),
        ("team", &scope.team, &names.team),
        ("environment", &scope.environment, &names.environment),
    ];
    let mut comparisons = Vec::new();
    for (name, value, fields) in parts {
        let Some(value) = value else { continue };
        if fields.is_empty() {
            let message = format!("`scope.{name}` cannot be honoured: `fields.{name}` names no field");
            return Err(Error::unsupported(message));
        }
        comparisons.push(Comparison { fields: fields.clone(), operator: Operator::Equals, value: value.clone() });
    }
    Ok(comparisons)
}

/// A condition on a field. The names of an entry's own members mean the fields that hold them.
fn comparison(filter: LogFilter, names: &FieldNames) -> Result<Comparison> {
    use Operator::{Contains, Equals, Means, MeansNot, NotEquals, Regex};
    if filter.field.is_empty() || filter.field.len() > 1_024 {
        return Err(Error::invalid("expression.filters", "expected the name of a field, such as `host.name`"));
    }
    let operator = match (filter.operator.level(), &*filter.field) {
        (LogOperatorLevel::Equals, "severity") => Means,
        (LogOperatorLevel::NotEquals, "severity") => MeansNot,
        (LogOperatorLevel::Equals, _) => Equals,
        (LogOperatorLevel::NotEquals, _) => NotEquals,
        (LogOperatorLevel::Contains, _) => Contains,
        (LogOperatorLevel::Regex, _) => Regex,
        _ => {
            let message = format!(
                "`{}` is no operator of a log filter; known are: =, !=, contains, regex",
                visible(filter.operator.as_str())
            );
            return Err(Error::unsupported(message));
        }
    };
    let fields = match &*filter.field {
        "message" => names.message.clone(),
        "severity" => names.severity.clone(),
        "service" => names.service.clone(),
        "timestamp" => vec![names.timestamp.clone()],
        _ => vec![filter.field],
    };
    Ok(Comparison { fields, operator, value: filter.value })
}
