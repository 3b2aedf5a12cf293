//! The language of metric queries. Whatever a name or a value holds, it stays a name or a value.
//!
//! The language has no quotes: what stands in it are the letters that tags may have, and Datadog makes `_` of all others
//! when it takes a tag (<https://docs.datadoghq.com/getting_started/tagging/#define-tags>). So no tag has a value with
//! another letter, and there is nothing to ask for.

use opsorch::{
    Aggregation, AggregationLevel, Error, MetricExpression, MetricFilter, MetricOperatorLevel, Result, Scope,
};

use super::tags::{ScopeTags, is_tag_name};

/// Words that join conditions. No tag can be called so here.
const OPERATORS: [&str; 4] = ["and", "or", "not", "in"];

/// Aggregations by their level. How many series there are is counted here: Datadog's `count` counts values.
const AGGREGATIONS: [(AggregationLevel, &str); 5] = [
    (AggregationLevel::Avg, "avg"),
    (AggregationLevel::Sum, "sum"),
    (AggregationLevel::Max, "max"),
    (AggregationLevel::Min, "min"),
    (AggregationLevel::Count, "avg"),
];

/// Which series are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// Those for which this holds; `*` for all.
    When(String),
    /// None: this is why.
    Never(String),
}

/// The series that an expression and a scope narrow to.
///
/// # Errors
/// `Unsupported` for a regular expression that is more than alternatives with `.*` at their ends; `Invalid` for what
/// cannot be meant.
pub(super) fn filter(filters: &[MetricFilter], scope: &Scope, tags: &ScopeTags) -> Result<Filter> {
    let mut terms = Vec::new();
    for (index, filter) in filters.iter().enumerate() {
        let place = format!("expression.filters[{index}]");
        match condition(filter, &place)? {
            Term::Holds(term) => terms.push(term),
            Term::Always => {}
            Term::Never(why) => return Ok(Filter::Never(why)),
        }
    }
    for (tag, value) in tags.wanted(scope)? {
        match is_value(value) {
            true => terms.push(format!("{tag}:{value}")),
            false => return Ok(Filter::Never(impossible(value))),
        }
    }
    Ok(Filter::When(match terms.is_empty() {
        true => "*".to_owned(),
        false => terms.join(" AND "),
    }))
}

/// A query of one metric: `sum:requests{env:prod} by {host}`.
///
/// # Errors
/// `Invalid` for an aggregation that is not known, and for a group that is not the name of a tag.
pub(super) fn query(expression: &MetricExpression, filter: &str, groups: &[String]) -> Result<String> {
    let aggregator = match &expression.aggregation {
        None => "avg",
        Some(aggregation) => aggregator(aggregation)?,
    };
    let by = match groups.is_empty() {
        true => String::new(),
        false => format!(" by {{{}}}", groups.join(",")),
    };
    Ok(format!("{aggregator}:{}{{{filter}}}{by}", expression.metric_name))
}

/// Checks the groups of an expression.
///
/// # Errors
/// `Invalid` for one that is not the name of a tag, and for groups without aggregation.
pub(super) fn check_groups(expression: &MetricExpression) -> Result<()> {
    if expression.aggregation.is_none() && !expression.group_by.is_empty() {
        return Err(Error::invalid("expression.groupBy", "expected an `aggregation` to group, such as `sum`"));
    }
    match expression.group_by.iter().position(|group| !is_group(group)) {
        None => Ok(()),
        Some(index) => {
            let message = format!("expected the name of a tag, got {:?}", expression.group_by.get(index));
            Err(Error::invalid(format!("expression.groupBy[{index}]"), message))
        }
    }
}

/// Whether a text can name a tag to group by.
pub(super) fn is_group(text: &str) -> bool {
    is_tag_name(text) && !OPERATORS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether a text can be the name of a metric: a letter, then letters, digits, `_` and `.`, 200 at most.
/// (<https://docs.datadoghq.com/metrics/custom_metrics/#naming-custom-metrics>)
pub(super) fn is_metric(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    text.bytes().all(is_part) && text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.len() <= 200
}

/// Whether a text can name a query in a formula.
pub(super) fn is_variable(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().all(is_part) && text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.len() <= 64
}

fn aggregator(aggregation: &Aggregation) -> Result<&'static str> {
    let level = aggregation.level();
    AGGREGATIONS.iter().find(|(known, _)| *known == level).map(|(_, word)| *word).ok_or_else(|| {
        let known: Vec<_> = AGGREGATIONS.iter().map(|(level, _)| format!("`{}`", level.word())).collect();
        let message = format!("expected one of {}, got {:?}", known.join(", "), aggregation.as_str());
        Error::invalid("expression.aggregation", message)
    })
}

/// A condition on a tag.
enum Term {
    Holds(String),
    Always,
    Never(String),
}

fn condition(filter: &MetricFilter, place: &str) -> Result<Term> {
    let MetricFilter { label, operator, value, .. } = filter;
    if label.is_empty() {
        return Err(Error::invalid(format!("{place}.label"), "expected the name of a tag, got an empty one"));
    }
    if value.is_empty() {
        return Err(Error::unsupported(format!("no tag of Datadog has an empty value, as `{place}.value` is one")));
    }
    let (values, is_wanted) = match operator.level() {
        MetricOperatorLevel::Equals => (vec![value.clone()], true),
        MetricOperatorLevel::NotEquals => (vec![value.clone()], false),
        MetricOperatorLevel::Matches => (alternatives(value, place)?, true),
        MetricOperatorLevel::NotMatches => (alternatives(value, place)?, false),
        _ => {
            let message = format!("expected one of `=`, `!=`, `=~`, `!~`, got {:?}", operator.as_str());
            return Err(Error::invalid(format!("{place}.operator"), message));
        }
    };
    let is_pattern = matches!(operator.level(), MetricOperatorLevel::Matches | MetricOperatorLevel::NotMatches);
    let possible = |value: &&String| match is_pattern {
        true => is_value(&value.replace('*', "")) || *value == "*",
        false => is_value(value),
    };
    let terms: Vec<_> = match is_group(label) {
        true => values.iter().filter(possible).map(|value| format!("{label}:{value}")).collect(),
        false => Vec::new(),
    };
    Ok(match (terms.as_slice(), is_wanted) {
        ([], true) => Term::Never(impossible(if is_group(label) { value } else { label })),
        ([], false) => Term::Always,
        ([term], true) => Term::Holds(term.clone()),
        ([term], false) => Term::Holds(format!("NOT {term}")),
        (_, true) => Term::Holds(format!("({})", terms.join(" OR "))),
        (_, false) => Term::Holds(format!("NOT ({})", terms.join(" OR "))),
    })
}

/// The alternatives of a regular expression, each with `*` at its ends where it has `.*` there: that is what Datadog can
/// look for.
fn alternatives(regex: &str, place: &str) -> Result<Vec<String>> {
    let inner = regex.strip_prefix('^').unwrap_or(regex);
    let inner = inner.strip_suffix('$').filter(|inner| !inner.ends_with('\\')).unwrap_or(inner);
    let alternatives: Option<Vec<_>> = inner.split('|').map(alternative).collect();
    alternatives.ok_or_else(|| {
        let message = format!(
            "Datadog has no regular expressions in metrics, as `{place}.value` is one; texts that are joined by `|`, with \
             `.*` before or after each, can be looked for"
        );
        Error::unsupported(message)
    })
}

fn alternative(text: &str) -> Option<String> {
    let (begins, rest) = text.strip_prefix(".*").map_or((false, text), |rest| (true, rest));
    let (ends, rest) = rest.strip_suffix(".*").map_or((false, rest), |rest| (true, rest));
    let mut value = String::new();
    let mut letters = rest.chars();
    while let Some(letter) = letters.next() {
        match letter {
            // Escaped letters and digits are classes, such as `\d`.
            '\\' => value.push(letters.next().filter(|letter| !letter.is_alphanumeric() && *letter != '*')?),
            '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' => return None,
            letter => value.push(letter),
        }
    }
    match (begins || ends, value.is_empty()) {
        (false, true) => None,
        (true, true) => Some("*".to_owned()),
        _ => Some(format!("{}{value}{}", if begins { "*" } else { "" }, if ends { "*" } else { "" })),
    }
}

/// Whether a tag can have this value.
fn is_value(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_alphanumeric() || "_-:./".contains(letter))
}

fn impossible(text: &str) -> String {
    let text: String = opsorch::visible(text).chars().take(100).collect();
    format!(
        "nothing can have `{text}`: tags of Datadog are of letters, digits and `_-:./`, and it makes `_` of everything else"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filtered(filters: &[(&str, &str, &str)]) -> Result<Filter> {
        let filters: Vec<_> = filters.iter().map(|(tag, by, value)| MetricFilter::new(*tag, *by, *value)).collect();
        filter(&filters, &Scope::new(), &ScopeTags::default())
    }

    fn when(filters: &[(&str, &str, &str)]) -> String {
        match filtered(filters).unwrap() {
            Filter::When(text) => text,
            Filter::Never(why) => panic!("{why}"),
        }
    }

    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), "[\"\\\\}{*,:() \n a-c!|.]{1,12}", "[a-z0-9_:./-]{1,12}"]
    }

    proptest! {
        #[test]
        fn a_value_changes_no_other_condition(
            label in hostile(), value in hostile(), operator in prop::sample::select(&["=", "!=", "=~", "!~"][..]),
        ) {
            let Ok(Filter::When(found)) = filtered(&[("first", "=", "a"), (&label, operator, &value), ("last", "=", "z")])
            else { return Ok(()) };
            let Some(rest) = found.strip_prefix("first:a AND ").and_then(|rest| rest.strip_suffix("last:z")) else {
                panic!("{found}");
            };
            // What is left is one condition of letters that tags may have, or none.
            prop_assert!(rest.is_empty() || rest.ends_with(" AND "), "{found}");
            let Some(term) = rest.strip_suffix(" AND ") else { return Ok(()) };
            let term = term.strip_prefix("NOT ").unwrap_or(term);
            let term = term.strip_prefix('(').and_then(|term| term.strip_suffix(')')).unwrap_or(term);
            for one in term.split(" OR ") {
                let value = one.strip_prefix(&format!("{label}:")).unwrap();
                let stars = operator.ends_with('~');
                prop_assert!(is_value(&value.replace('*', "")) || value == "*", "{found}");
                prop_assert!(stars || !value.contains('*'), "{found}");
            }
        }

        #[test]
        fn what_a_tag_can_have_is_asked_for_to_the_letter(value in "[a-zA-Z0-9_:./-]{1,40}") {
            prop_assert_eq!(when(&[("host", "=", &value)]), format!("host:{value}"));
            prop_assert_eq!(when(&[("host", "!=", &value)]), format!("NOT host:{value}"));
        }

        #[test]
        fn what_no_tag_can_have_is_not_asked_for(value in "[a-z]*[\"\\\\}{*,() \n!|]+[a-z]*") {
            prop_assert!(matches!(filtered(&[("host", "=", &value)]).unwrap(), Filter::Never(_)));
            prop_assert_eq!(when(&[("host", "!=", &value)]), "*");
        }
    }

    #[test]
    fn conditions_are_written_as_datadog_documents_them() {
        for (filters, expected) in [
            (&[][..], "*"),
            (&[("host", "=", "a:b")], "host:a:b"),
            (&[("host", "=~", "web-.*|db")], "(host:web-* OR host:db)"),
            (&[("host", "!~", ".*\\.eu|db\"")], "NOT host:*.eu"),
            (&[("host", "=~", "^.*x.*$")], "host:*x*"),
            (&[("host", "=~", ".*")], "host:*"),
            (&[("a", "=", "1"), ("b", "!=", "2"), ("c d", "!=", "2")], "a:1 AND NOT b:2"),
        ] {
            assert_eq!(when(filters), expected);
        }
        for regex in ["a+", "a.b", "[ab]", "(a|b)", "a{2}", "\\d", "a|", "\\", "a\\*"] {
            assert!(filtered(&[("host", "=~", regex)]).is_err(), "{regex}");
        }
    }

    #[test]
    fn a_query_is_an_aggregation_of_what_is_meant_by_its_groups() {
        let mut expression = MetricExpression::new("system.cpu.user");
        assert_eq!(query(&expression, "*", &[]).unwrap(), "avg:system.cpu.user{*}");
        expression.aggregation = Some("total".into());
        assert!(query(&expression, "*", &[]).is_err());
        expression.aggregation = Some("sum".into());
        let groups = ["env".to_owned(), "host".to_owned()];
        assert_eq!(query(&expression, "env:prod", &groups).unwrap(), "sum:system.cpu.user{env:prod} by {env,host}");
        expression.group_by = vec!["host".to_owned(), "a} or {b".to_owned()];
        assert!(check_groups(&expression).unwrap_err().to_string().contains("groupBy[1]"));
    }
}
