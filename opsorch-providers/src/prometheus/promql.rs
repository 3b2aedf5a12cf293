//! Writing PromQL. Whatever a name or a value holds, it stays a name or a value.

use std::fmt::Write;

use opsorch::{Aggregation, AggregationLevel, Error, MetricExpression, MetricOperator, MetricOperatorLevel, Result};

/// The label that is the metric's name.
pub(super) const NAME: &str = "__name__";

/// What cannot stand as a metric's name of itself: the words of the language, in any case. Some servers take some of
/// them all the same; quoted, all servers take all.
const KEYWORDS: &str = "and or unless atan2 sum avg count min max group stddev stdvar topk bottomk count_values \
                        quantile limitk limit_ratio offset smoothed anchored by without on ignoring group_left \
                        group_right bool fill fill_left fill_right inf nan start end step range info";

/// Aggregations by their level.
const AGGREGATIONS: [(AggregationLevel, &str); 5] = [
    (AggregationLevel::Avg, "avg"),
    (AggregationLevel::Sum, "sum"),
    (AggregationLevel::Max, "max"),
    (AggregationLevel::Min, "min"),
    (AggregationLevel::Count, "count"),
];

/// Operators of matchers by their level.
const OPERATORS: [(MetricOperatorLevel, &str); 4] = [
    (MetricOperatorLevel::Equals, "="),
    (MetricOperatorLevel::NotEquals, "!="),
    (MetricOperatorLevel::Matches, "=~"),
    (MetricOperatorLevel::NotMatches, "!~"),
];

/// The PromQL of an expression, narrowed to series that have these labels.
///
/// # Errors
/// `Invalid` for an expression without metric, for a label without name, for an operator or an aggregation that is not
/// known, and for groups without aggregation.
pub(super) fn expression(expression: &MetricExpression, labels: &[(&str, &str)]) -> Result<String> {
    let selector = selector(expression, labels)?;
    let Some(aggregation) = &expression.aggregation else {
        return match expression.group_by.is_empty() {
            true => Ok(selector),
            false => Err(Error::invalid("expression.groupBy", "expected an `aggregation` to group, such as `sum`")),
        };
    };
    let mut promql = aggregator(aggregation)?.to_owned();
    if !expression.group_by.is_empty() {
        let mut groups = Vec::new();
        for (index, label) in expression.group_by.iter().enumerate() {
            groups.push(label_name(label, || format!("expression.groupBy[{index}]"))?);
        }
        _ = write!(promql, " by ({})", groups.join(", "));
    }
    _ = write!(promql, " ({selector})");
    Ok(promql)
}

/// The selector of the series with these labels, such as `{service="api"}`; `None` where there are no labels.
pub(super) fn scope_selector(labels: &[(&str, &str)]) -> Option<String> {
    let matchers: Vec<_> = labels.iter().map(|(label, value)| matcher(&quoted_label(label), "=", value)).collect();
    (!matchers.is_empty()).then(|| format!("{{{}}}", matchers.join(", ")))
}

/// The selector of a metric's series with these labels.
pub(super) fn metric_selector(name: &str, labels: &[(&str, &str)]) -> String {
    let labels = labels.iter().map(|(label, value)| matcher(&quoted_label(label), "=", value));
    let matchers: Vec<_> = std::iter::once(matcher(NAME, "=", name)).chain(labels).collect();
    format!("{{{}}}", matchers.join(", "))
}

/// The selector of a metric by its name.
pub(super) fn metric(name: &str) -> String {
    match is_plain_metric(name) {
        true => name.to_owned(),
        false => format!("{{{}}}", matcher(NAME, "=", name)),
    }
}

/// Functions that look at a whole span: `start`, `end` and `range` are Prometheus', the others VictoriaMetrics'.
const WHOLE_SPAN: [&str; 9] = [
    "start",
    "end",
    "range",
    "outliersk",
    "keep_last_value",
    "keep_next_value",
    "interpolate",
    "smooth_exponential",
    "remove_resets",
];

/// How further ones begin, such as `topk_avg`.
const WHOLE_SPANS: [&str; 4] = ["range_", "running_", "topk_", "bottomk_"];

/// Whether a query means something else when its span is cut: it speaks of the beginning or the end of the span.
///
/// A word inside a string counts too; that only costs a wider step.
pub(super) fn speaks_of_its_span(promql: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_' || character == ':';
    let words = promql.split(|character| !is_part(character)).map(str::to_ascii_lowercase);
    words.into_iter().any(|word| {
        WHOLE_SPAN.contains(&word.as_str()) || WHOLE_SPANS.iter().any(|beginning| word.starts_with(beginning))
    })
}

fn selector(expression: &MetricExpression, labels: &[(&str, &str)]) -> Result<String> {
    let name = expression.metric_name.as_str();
    let by_filter = expression.filters.iter().any(|filter| filter.label == NAME);
    if name.is_empty() && !by_filter {
        return Err(Error::invalid(
            "expression.metricName",
            format!("expected the name of a metric, or a filter on `{NAME}`"),
        ));
    }
    let plain = is_plain_metric(name) && !by_filter;
    let mut matchers = Vec::new();
    if !plain && !name.is_empty() {
        matchers.push(matcher(NAME, "=", name));
    }
    for (index, filter) in expression.filters.iter().enumerate() {
        let label = label_name(&filter.label, || format!("expression.filters[{index}].label"))?;
        let operator = operator(&filter.operator, || format!("expression.filters[{index}].operator"))?;
        matchers.push(matcher(&label, operator, &filter.value));
    }
    matchers.extend(labels.iter().map(|(label, value)| matcher(&quoted_label(label), "=", value)));
    let name = if plain { name } else { "" };
    Ok(match matchers.is_empty() {
        true => name.to_owned(),
        false => format!("{name}{{{}}}", matchers.join(", ")),
    })
}

fn matcher(label: &str, operator: &str, value: &str) -> String {
    format!("{label}{operator}{}", quoted(value))
}

fn aggregator(aggregation: &Aggregation) -> Result<&'static str> {
    let level = aggregation.level();
    find(&AGGREGATIONS, level).ok_or_else(|| {
        let known = list(&AGGREGATIONS);
        Error::invalid("expression.aggregation", format!("expected one of {known}, got {:?}", aggregation.as_str()))
    })
}

fn operator(operator: &MetricOperator, field: impl Fn() -> String) -> Result<&'static str> {
    find(&OPERATORS, operator.level()).ok_or_else(|| {
        let known = list(&OPERATORS);
        Error::invalid(field(), format!("expected one of {known}, got {:?}", operator.as_str()))
    })
}

fn find<L: PartialEq>(table: &[(L, &'static str)], wanted: L) -> Option<&'static str> {
    table.iter().find(|(level, _)| *level == wanted).map(|(_, word)| *word)
}

fn list<L>(table: &[(L, &'static str)]) -> String {
    table.iter().map(|(_, word)| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// A label's name as it stands in a query. Quoted names are understood from Prometheus 3.0 on.
fn label_name(label: &str, field: impl Fn() -> String) -> Result<String> {
    match label.is_empty() {
        true => Err(Error::invalid(field(), "expected the name of a label, got an empty one")),
        false => Ok(quoted_label(label)),
    }
}

fn quoted_label(label: &str) -> String {
    // Among groups these two would be numbers.
    let is_number = ["inf", "nan"].iter().any(|number| label.eq_ignore_ascii_case(number));
    match is_identifier(label, false) && !is_number {
        true => label.to_owned(),
        false => quoted(label),
    }
}

fn is_plain_metric(name: &str) -> bool {
    is_identifier(name, true) && !KEYWORDS.split(' ').any(|keyword| name.eq_ignore_ascii_case(keyword))
}

fn is_identifier(name: &str, colons: bool) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (colons && byte == b':');
    name.bytes().all(is_part) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// A string of PromQL, in double quotes, with the escapes of Go that it has taken over.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            // The lexer takes U+FFFD for a broken encoding, so it must not see one.
            '\u{FFFD}' => quoted.push_str("\\uFFFD"),
            _ if character.is_control() => _ = write!(quoted, "\\u{:04X}", u32::from(character)),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use opsorch::MetricFilter;
    use proptest::prelude::*;

    use super::*;

    /// Reads one string literal the way the lexer and `strutil.Unquote` of Prometheus do; returns what follows it too.
    fn unquote(text: &str) -> Option<(String, &str)> {
        let mut rest = text.strip_prefix('"')?.chars();
        let mut value = String::new();
        loop {
            match rest.next()? {
                '"' => return Some((value, rest.as_str())),
                '\n' | '\u{FFFD}' => return None,
                '\\' => value.push(match rest.next()? {
                    'n' => '\n',
                    escaped @ ('"' | '\\') => escaped,
                    'u' => {
                        let digits: String = rest.by_ref().take(4).collect();
                        char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                    }
                    _ => return None,
                }),
                character => value.push(character),
            }
        }
    }

    fn promql(expression: MetricExpression) -> String {
        super::expression(&expression, &[]).unwrap()
    }

    fn filtered(label: &str, value: &str) -> MetricExpression {
        let mut expression = MetricExpression::new("up");
        expression.filters.push(MetricFilter::new(label, "=", value));
        expression
    }

    proptest! {
        #[test]
        fn any_value_comes_back_from_its_literal(value in any::<String>()) {
            let promql = promql(filtered("job", &value));
            let literal = promql.strip_prefix("up{job=").unwrap();
            prop_assert_eq!(unquote(literal), Some((value, "}")));
        }

        #[test]
        fn any_name_is_one_name(name in ".+", label in ".+") {
            prop_assume!(label != NAME);
            let mut expression = filtered(&label, "v");
            expression.metric_name = name.clone();
            let promql = promql(expression);
            let (inside, quoted_name) = match promql.strip_prefix("{__name__=") {
                Some(rest) => {
                    let (found, rest) = unquote(rest).unwrap();
                    prop_assert_eq!(&found, &name);
                    (rest.strip_prefix(", ").unwrap().to_owned(), true)
                }
                None => (promql.strip_prefix(&*name).unwrap().strip_prefix('{').unwrap().to_owned(), false),
            };
            prop_assert_eq!(quoted_name, !is_plain_metric(&name));
            let rest = match unquote(&inside) {
                Some((found, rest)) => {
                    prop_assert_eq!(found, label);
                    rest
                }
                None => inside.strip_prefix(&*label).unwrap(),
            };
            prop_assert_eq!(rest, "=\"v\"}");
        }
    }

    #[test]
    fn the_characters_that_end_a_literal_are_escaped() {
        let hostile = ["\"", "\\", "\n", "\\\"", "a\"} or up{b=\"", "\u{0}\r\t", "\u{FFFD}", "日本語 😀", "\u{202E}"];
        for value in hostile {
            let promql = promql(filtered("job", value));
            let literal = promql.strip_prefix("up{job=").unwrap();
            assert_eq!(unquote(literal), Some((value.to_owned(), "}")), "{promql}");
            assert!(!promql.contains(['\n', '\r', '\u{FFFD}']), "{promql:?}");
        }
    }

    #[test]
    fn names_that_the_language_knows_otherwise_are_quoted() {
        for name in ["sum", "Inf", "nan", "by", "bool", "http.requests", "0up", "größe", "a b", "-"] {
            assert_eq!(metric(name), format!("{{__name__=\"{name}\"}}"));
        }
        for name in ["up", "job:rate:5m", ":a", "_x", "summary", "infinity"] {
            assert_eq!(metric(name), name);
        }
        assert_eq!(promql(filtered("http.method", "GET")), r#"up{"http.method"="GET"}"#);
    }

    #[test]
    fn a_query_that_speaks_of_its_span_is_known() {
        for promql in ["x @ start()", "x @ end ()", "rate(x[5m] @ END())", "range_avg(x)", "running_sum(x)"] {
            assert!(speaks_of_its_span(promql), "{promql}");
        }
        for promql in ["started", "rate(x[5m])", "process_start_time_seconds", "x:end", "x @ 1700000000"] {
            assert!(!speaks_of_its_span(promql), "{promql}");
        }
    }
}
