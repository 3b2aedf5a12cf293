//! The search syntax of logs. Whatever a name or a value holds, it stays a name or a value.
//! (<https://docs.datadoghq.com/logs/explorer/search_syntax/>)

use opsorch::{Error, LogFilter, LogOperatorLevel, LogQuery, LogSeverity, LogSeverityLevel, Result};
use serde_json::Value;

use super::tags::ScopeTags;

/// The attributes that every entry has: they are looked for without `@`, and no tag is called so.
const RESERVED: [&str; 5] = ["host", "service", "source", "status", "trace_id"];

/// Words that join conditions.
const OPERATORS: [&str; 3] = ["AND", "OR", "NOT"];

/// What a query looks for, in Datadog's syntax.
///
/// # Errors
/// `Unsupported` for what Datadog cannot look for, `Invalid` for what cannot be meant.
pub(super) fn query(query: &LogQuery, tags: &ScopeTags) -> Result<String> {
    let mut terms = Vec::new();
    terms.extend(raw(query)?.map(|raw| format!("({raw})")));
    if let Some(expression) = &query.expression {
        terms.extend(expression.search.as_deref().map(full_text).transpose()?);
        if !expression.severity_in.is_empty() {
            terms.push(statuses(&expression.severity_in, "expression.severityIn")?);
        }
        for (index, filter) in expression.filters.iter().enumerate() {
            terms.push(condition(filter, &format!("expression.filters[{index}]"))?);
        }
    }
    for (tag, value) in tags.wanted(&query.scope)? {
        terms.push(format!("{}:{}", escaped(tag), literal(value)));
    }
    Ok(match terms.is_empty() {
        true => "*".to_owned(),
        false => terms.join(" "),
    })
}

/// What a caller wrote in Datadog's own syntax.
///
/// # Errors
/// `Invalid` for a text that would end the parentheses it is put in, and so change the other conditions.
fn raw(query: &LogQuery) -> Result<Option<&str>> {
    match query.metadata.get("query") {
        None => Ok(None),
        Some(Value::String(raw)) if !raw.trim().is_empty() => match is_whole(raw) {
            true => Ok(Some(raw)),
            false => {
                let message = "expected a search whose quotes and parentheses are closed, without curly quotes; a `\\` \
                               must stand before one that is to be found";
                Err(Error::invalid("metadata.query", message))
            }
        },
        Some(_) => Err(Error::invalid("metadata.query", "expected a search of logs as text")),
    }
}

/// Whether every quote and every parenthesis of a text ends in it.
fn is_whole(text: &str) -> bool {
    let (mut depth, mut is_quoted) = (0_usize, false);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.next().is_none() => return false,
            // They are quotes too, and which of the others they end is not documented.
            '“' | '”' => return false,
            '"' => is_quoted = !is_quoted,
            '(' if !is_quoted => depth += 1,
            ')' if !is_quoted => match depth.checked_sub(1) {
                Some(outer) => depth = outer,
                None => return false,
            },
            _ => {}
        }
    }
    depth == 0 && !is_quoted
}

/// A text in the message or in any attribute. Datadog looks for its words, in any case.
fn full_text(text: &str) -> Result<String> {
    match text.chars().any(char::is_alphanumeric) {
        true => Ok(format!("*:{}", quoted(text))),
        false => {
            let message = "Datadog looks for words in a text: `expression.search` needs a letter or a digit";
            Err(Error::unsupported(message))
        }
    }
}

/// What of a text Datadog does not look at: it finds words, whatever stands between them. In lower case; `None` where the
/// words are all of it.
pub(super) fn literally(query: &LogQuery) -> Option<String> {
    let text = query.expression.as_ref()?.search.as_ref()?;
    let is_looked_at = |letter: char| letter.is_alphanumeric() || letter == ' ';
    (!text.chars().all(is_looked_at)).then(|| text.to_lowercase())
}

/// Any of these severities: of a known level in all of its spellings, of an unknown one in its own.
fn statuses(severities: &[LogSeverity], field: &str) -> Result<String> {
    let mut words = Vec::new();
    for severity in severities {
        match severity.level() {
            LogSeverityLevel::Unknown if severity.as_str().trim().is_empty() => {
                return Err(Error::invalid(field, "expected a severity, got an empty one"));
            }
            LogSeverityLevel::Unknown => words.push(literal(severity.as_str().trim())),
            level => words.extend(std::iter::once(&level.word()).chain(level.aliases()).map(|word| literal(word))),
        }
    }
    Ok(format!("status:({})", words.join(" OR ")))
}

fn condition(filter: &LogFilter, place: &str) -> Result<String> {
    let (name, operator) = (filter.field.as_str(), filter.operator.level());
    if filter.value.is_empty() {
        return Err(Error::unsupported(format!("Datadog cannot look for an empty value, as `{place}.value` is one")));
    }
    let is_negated = operator == LogOperatorLevel::NotEquals;
    if name == "severity" && matches!(operator, LogOperatorLevel::Equals | LogOperatorLevel::NotEquals) {
        let statuses = statuses(&[LogSeverity::new(&filter.value)], &format!("{place}.value"))?;
        return Ok(format!("{}{statuses}", if is_negated { "-" } else { "" }));
    }
    let value = match operator {
        LogOperatorLevel::Equals | LogOperatorLevel::NotEquals => literal(&filter.value),
        LogOperatorLevel::Contains => containing(&filter.value, place)?,
        LogOperatorLevel::Regex => {
            let message = format!("Datadog has no regular expressions in logs, as `{place}` is one; use `contains`");
            return Err(Error::unsupported(message));
        }
        _ => {
            let message = format!("expected one of `=`, `!=`, `contains`, got {:?}", filter.operator.as_str());
            return Err(Error::invalid(format!("{place}.operator"), message));
        }
    };
    let terms: Vec<_> = names(name, place)?.into_iter().map(|name| format!("{name}:{value}")).collect();
    Ok(match (is_negated, terms.as_slice()) {
        (false, [term]) => term.clone(),
        (false, _) => format!("({})", terms.join(" OR ")),
        // Without parentheses, because a group has no documented exclusion.
        (true, _) => terms.iter().map(|term| format!("-{term}")).collect::<Vec<_>>().join(" "),
    })
}

/// What a field is called: a reserved attribute, an attribute with `@`, else a tag or an attribute.
fn names(field: &str, place: &str) -> Result<Vec<String>> {
    let plain = field.strip_prefix('@').unwrap_or(field);
    let message = match plain {
        "" => "expected the name of a tag or of an attribute, got an empty one",
        _ if plain.chars().any(char::is_control) => "expected a name without control characters",
        "message" => {
            let message = "Datadog compares no whole messages; look for their words with `expression.search`";
            return Err(Error::unsupported(message));
        }
        "severity" => {
            let message = format!("Datadog cannot look inside a severity, as `{place}` does; compare it by `=`");
            return Err(Error::unsupported(message));
        }
        _ => {
            let name = escaped(plain);
            return Ok(match (field.starts_with('@'), RESERVED.contains(&plain)) {
                (true, _) => vec![format!("@{name}")],
                (false, true) => vec![name],
                (false, false) => vec![name.clone(), format!("@{name}")],
            });
        }
    };
    Err(Error::invalid(format!("{place}.field"), message))
}

/// A whole value.
pub(super) fn literal(value: &str) -> String {
    let is_plain = value.chars().all(is_plain) && !OPERATORS.iter().any(|word| value.eq_ignore_ascii_case(word));
    match is_plain && !value.is_empty() {
        true => value.to_owned(),
        false => quoted(value),
    }
}

/// A text in quotes, in which `*` and `?` are only letters. Curly quotes are quotes too.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\' | '“' | '”') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

/// A value with this in it. Only `*` outside of quotes says so, and there everything else is escaped.
fn containing(part: &str, place: &str) -> Result<String> {
    match part.chars().any(char::is_control) {
        true => {
            let message = "Datadog cannot look inside values for what holds a line break or another control character";
            Err(Error::unsupported(format!("{message}, as `{place}.value` does")))
        }
        false => Ok(format!("*{}*", escaped(part))),
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if !is_plain(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// Whether a letter means nothing else anywhere.
fn is_plain(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '.')
}

#[cfg(test)]
mod tests {
    use opsorch::Time;
    use proptest::prelude::*;

    use super::*;

    /// Reads a search as Datadog does: the terms, each as its letters, with those that were escaped or quoted in the
    /// private area of Unicode, so that no letter of a value can be taken for syntax.
    fn terms(search: &str) -> Option<Vec<String>> {
        let hidden = |letter: char| char::from_u32(0xF_0000 + u32::from(letter) % 0xFFFF);
        let (mut terms, mut term, mut is_quoted) = (Vec::new(), String::new(), false);
        let mut letters = search.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => term.push(hidden(letters.next()?)?),
                '"' => is_quoted = !is_quoted,
                '“' | '”' => return None,
                _ if is_quoted => term.push(hidden(letter)?),
                _ if letter.is_whitespace() => terms.push(std::mem::take(&mut term)),
                _ => term.push(letter),
            }
        }
        terms.push(term);
        (!is_quoted).then_some(terms)
    }

    fn search(query: LogQuery) -> Result<String> {
        super::query(&query, &ScopeTags::default())
    }

    fn logs() -> LogQuery {
        LogQuery::new(Time::UNIX_EPOCH, Time::UNIX_EPOCH)
    }

    fn hidden(text: &str) -> String {
        match literal(text).starts_with('"') {
            true => terms(&quoted(text)).unwrap().concat(),
            false => text.to_owned(),
        }
    }

    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), "[\"\\\\}{*?:()“”\\- \n@#]{1,12}", Just("AND".to_owned()), Just("a\\".to_owned())]
    }

    proptest! {
        #[test]
        fn a_value_changes_no_other_condition(value in hostile(), other in hostile()) {
            prop_assume!(!value.is_empty() && !other.trim().is_empty());
            let query = logs().filter("@path", "=", &value).filter("host", "!=", &value).service(&other);
            let found = terms(&search(query).unwrap()).unwrap();
            let (value, other) = (hidden(&value), hidden(&other));
            prop_assert_eq!(found, [format!("@path:{value}"), format!("-host:{value}"), format!("service:{other}")]);
        }

        #[test]
        fn a_text_changes_no_other_condition(text in hostile(), part in hostile(), word in hostile()) {
            let query = logs().search(&text).filter("@path", "contains", &part).severity(word.as_str()).team("core");
            if let Ok(search) = search(query) {
                let found = terms(&search).unwrap();
                prop_assert_eq!(found.first().unwrap(), &format!("*:{}", terms(&quoted(&text)).unwrap().concat()));
                prop_assert_eq!(found.last().unwrap(), "team:core");
                let path = terms(&escaped(&part)).unwrap().concat();
                prop_assert_eq!(&found[found.len() - 2], &format!("@path:*{path}*"));
            }
        }

        #[test]
        fn a_name_changes_no_other_condition(name in "\\PC+") {
            prop_assume!(!["@", "message", "@message", "severity", "@severity"].contains(&name.as_str()));
            let found = terms(&search(logs().filter(&name, "=", "x").team("core")).unwrap()).unwrap();
            prop_assert_eq!(found.last().unwrap(), "team:core");
            prop_assert!(found.len() == 2 || (found.len() == 4 && found[1] == "OR"), "{found:?}");
        }

        #[test]
        fn a_search_of_the_caller_ends_where_it_ends(raw in "[ab\"\\\\() ]{1,16}") {
            if let Ok(search) = search(logs().metadata("query", raw.as_str()).team("core")) {
                let inside = search.strip_suffix(" team:core").unwrap();
                prop_assert_eq!(inside, format!("({raw})"));
                prop_assert!(is_whole(inside) && terms(inside).is_some());
            }
        }
    }

    #[test]
    fn conditions_are_written_as_datadog_documents_them() {
        for (query, expected) in [
            (logs(), "*"),
            (logs().search("no space"), r#"*:"no space""#),
            (logs().service("a b").environment("prod"), r#"service:"a b" env:prod"#),
            (logs().filter("region", "=", "eu"), "(region:eu OR @region:eu)"),
            (logs().filter("region", "!=", "eu"), "-region:eu -@region:eu"),
            (logs().filter("@http.url", "=", "/a-b"), r#"@http.url:"/a-b""#),
            (logs().filter("host", "contains", "web 1"), r"host:*web\ 1*"),
            (logs().filter("@user name", "=", "x"), r"@user\ name:x"),
            (logs().filter("host", "=", "or"), r#"host:"or""#),
            (logs().severity("err"), "status:(error OR err OR severe)"),
            (logs().severity("purple rain"), r#"status:("purple rain")"#),
            (logs().filter("severity", "!=", "warning"), "-status:(warning OR warn)"),
            (logs().metadata("query", "@a:(1 OR 2)").team("core"), "(@a:(1 OR 2)) team:core"),
        ] {
            assert_eq!(search(query).unwrap(), expected);
        }
    }

    #[test]
    fn what_cannot_be_looked_for_is_refused() {
        for query in [
            logs().search("*"),
            logs().filter("a", "regex", ".*"),
            logs().filter("a", "near", "b"),
            logs().filter("a", "=", ""),
            logs().filter("", "=", "b"),
            logs().filter("a\nb", "=", "c"),
            logs().filter("a", "contains", "b\nc"),
            logs().filter("message", "=", "b"),
            logs().filter("severity", "contains", "b"),
            logs().severity(" "),
            logs().metadata("query", "a) OR (b"),
            logs().metadata("query", "a\""),
            logs().metadata("query", "a “"),
            logs().metadata("query", "“\" ) OR ( \"”"),
            logs().metadata("query", "a\\"),
            logs().metadata("query", 7),
            logs().service(" "),
        ] {
            assert!(search(query.clone()).is_err(), "{query:?}");
        }
    }
}
