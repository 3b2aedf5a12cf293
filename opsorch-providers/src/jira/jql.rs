//! JQL: queries in Jira's language, in which a value is never more than a value.

use std::fmt::Write;

use chrono::{Datelike, Duration};
use opsorch::{Error, Result, Time};

use super::wire::Failure;

/// The first and the last year that JQL is given.
const YEARS: std::ops::Range<i32> = 1970..9999;

/// Times in JQL have minutes and are in the time zone of whose token it is, which is at most 14 hours from UTC. What is
/// asked for is therefore wider by 15 hours, and looked at again.
const MARGIN: Duration = Duration::hours(15);

/// Any text as a value: quoted, so that no word is reserved and no character means anything.
pub(super) fn quote(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for character in value.chars() {
        // Writing to a String cannot fail.
        _ = match character {
            '"' | '\\' => write!(quoted, "\\{character}"),
            '\n' => quoted.write_str("\\n"),
            '\r' => quoted.write_str("\\r"),
            '\t' => quoted.write_str("\\t"),
            _ if is_illegal(character) => write!(quoted, "\\u{:04x}", u32::from(character)),
            _ => quoted.write_char(character),
        };
    }
    quoted.push('"');
    quoted
}

/// What the lexer of JQL takes only as `\uXXXX`: control characters and what is no character in Unicode.
fn is_illegal(character: char) -> bool {
    character.is_control() || matches!(character, '\u{fdd0}'..='\u{fdef}' | '\u{fffe}' | '\u{ffff}')
}

/// What a caller may mean as a wildcard or an escape, and the index of Jira's words cannot find.
const UNSEARCHABLE: [char; 3] = ['*', '?', '\\'];

/// A text to search for, as a phrase in Lucene's language, in which only the quote means something then.
///
/// # Errors
/// `Unsupported` for a text without a letter or a digit, or with a wildcard: Jira would search for something else.
pub(super) fn phrase(text: &str) -> Result<String> {
    if !text.contains(char::is_alphanumeric) || text.contains(UNSEARCHABLE) {
        let message = "Jira searches for words; expected letters or digits in `query`, and none of * ? \\";
        return Err(Error::unsupported(message));
    }
    Ok(format!("\"{}\"", text.trim().replace('"', "\\\"")))
}

/// The tickets of a project for which every condition holds, newest first.
#[derive(Clone, Debug)]
pub(super) struct Jql {
    project: String,
    phrase: Option<String>,
    conditions: Vec<Condition>,
    created: Vec<String>,
}

/// One of the ways is enough.
#[derive(Clone, Debug)]
struct Condition {
    /// Categories of statuses by their ids, which no translation changes.
    categories: Vec<u8>,
    field: &'static str,
    values: Vec<String>,
}

impl Jql {
    /// All tickets of a project: Jira Cloud refuses queries that nothing bounds.
    pub(super) fn new(project: &str) -> Self {
        Self { project: project.to_owned(), phrase: None, conditions: Vec::new(), created: Vec::new() }
    }

    /// Only those in which this phrase of Lucene's is found.
    pub(super) fn text(&mut self, phrase: String) {
        self.phrase = Some(phrase);
    }

    /// Only those whose field has one of these values. Blank ones are had by nothing.
    pub(super) fn any_of(&mut self, field: &'static str, values: impl IntoIterator<Item = String>) {
        self.condition(Vec::new(), field, values);
    }

    /// Only those of one of these categories of statuses, or with one of these statuses.
    pub(super) fn statuses(&mut self, categories: Vec<u8>, words: impl IntoIterator<Item = String>) {
        self.condition(categories, "status", words);
    }

    fn condition(&mut self, categories: Vec<u8>, field: &'static str, values: impl IntoIterator<Item = String>) {
        let values = values.into_iter().filter(|value| !value.trim().is_empty()).collect();
        self.conditions.push(Condition { categories, field, values });
    }

    /// Only those opened at about this time or later.
    pub(super) fn since(&mut self, since: Time) {
        self.bound(">=", since.checked_sub_signed(MARGIN));
    }

    /// Only those opened before about this time.
    pub(super) fn until(&mut self, until: Time) {
        self.bound("<=", until.checked_add_signed(MARGIN));
    }

    fn bound(&mut self, operator: &str, time: Option<Time>) {
        if let Some(time) = time.filter(|time| YEARS.contains(&time.year())) {
            self.created.push(format!("created {operator} {}", quote(&time.format("%Y-%m-%d %H:%M").to_string())));
        }
    }

    /// Whether some condition has no value left that Jira knows, so that nothing can be found.
    pub(super) fn finds_nothing(&self) -> bool {
        self.conditions.iter().any(|condition| condition.values.is_empty() && condition.categories.is_empty())
    }

    /// Takes out the values that Jira says do not exist. Whether it said so of any, and of nothing else.
    pub(super) fn forget_unknown(&mut self, failure: &Failure) -> bool {
        let mut forgotten = false;
        for message in failure.messages() {
            let named = |condition: &Condition, value: &String| message == unknown_value(value, condition.field);
            let mut is_known = true;
            for condition in &mut self.conditions {
                let before = condition.values.len();
                let unknown: Vec<_> = condition.values.iter().map(|value| named(condition, value)).collect();
                let mut unknown = unknown.into_iter();
                condition.values.retain(|_| !unknown.next().unwrap_or_default());
                is_known &= before == condition.values.len();
            }
            if is_known {
                return false;
            }
            forgotten = true;
        }
        forgotten
    }

    /// The query in JQL.
    pub(super) fn render(&self) -> String {
        let project = format!("project = {}", quote(&self.project));
        let phrase = self.phrase.as_ref().map(|phrase| format!("text ~ {}", quote(phrase)));
        let conditions = self.conditions.iter().map(Condition::render);
        let clauses: Vec<_> =
            [project].into_iter().chain(phrase).chain(conditions).chain(self.created.clone()).collect();
        format!("{} ORDER BY created DESC, key DESC", clauses.join(" AND "))
    }
}

/// What Jira says of a value that a field cannot have.
fn unknown_value(value: &str, field: &str) -> String {
    format!("The value '{value}' does not exist for the field '{field}'.")
}

impl Condition {
    fn render(&self) -> String {
        let values: Vec<_> = self.values.iter().map(|value| quote(value)).collect();
        let by_value = format!("{} in ({})", self.field, values.join(", "));
        if self.categories.is_empty() {
            return by_value;
        }
        let ids: Vec<_> = self.categories.iter().map(u8::to_string).collect();
        let by_category = format!("statusCategory in ({})", ids.join(", "));
        if values.is_empty() { by_category } else { format!("({by_category} OR {by_value})") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a string as JQL's lexer does: the value, and what follows it.
    fn read(jql: &str) -> Option<(String, &str)> {
        let mut value = String::new();
        let mut rest = jql.strip_prefix('"')?.chars();
        loop {
            match rest.next()? {
                '"' => return Some((value, rest.as_str())),
                '\\' => match rest.next()? {
                    'n' => value.push('\n'),
                    'r' => value.push('\r'),
                    't' => value.push('\t'),
                    'u' => {
                        let digits: String = rest.by_ref().take(4).collect();
                        value.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                    }
                    escaped @ ('"' | '\'' | '\\' | ' ') => value.push(escaped),
                    _ => return None,
                },
                character if is_illegal(character) => return None,
                character => value.push(character),
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_one_value(text in any::<String>()) {
            let quoted = quote(&text);
            prop_assert_eq!(read(&quoted), Some((text, "")));
        }

        #[test]
        fn what_means_something_in_jql_is_one_value(
            text in r#"([\\"' ()\[\],;=!<>~*?%\n\r\t\x00\u{ffff}]|AND|OR|NOT|EMPTY|ORDER BY|currentUser\(\)|a){0,12}"#,
        ) {
            let quoted = quote(&text);
            prop_assert_eq!(read(&quoted), Some((text.clone(), "")));
            let mut jql = Jql::new(&text);
            jql.any_of("assignee", [format!("x{text}")]);
            let jql = jql.render();
            let (project, rest) = read(jql.strip_prefix("project = ").unwrap()).unwrap();
            let (assignee, rest) = read(rest.strip_prefix(" AND assignee in (").unwrap()).unwrap();
            prop_assert_eq!((project, assignee), (text.clone(), format!("x{text}")));
            prop_assert_eq!(rest, ") ORDER BY created DESC, key DESC");
        }
    }

    #[test]
    fn a_phrase_has_nothing_that_means_something() {
        assert_eq!(phrase(" disk \"full\" 5 % ").unwrap(), r#""disk \"full\" 5 %""#);
        for text in ["*", " ", "%.", "ab*", "a?", "a\\", "\\\" OR project = X"] {
            assert!(phrase(text).is_err(), "{text}");
        }
    }

    #[test]
    fn conditions_are_joined_and_a_reserved_word_is_a_project_too() {
        let mut jql = Jql::new("AND");
        jql.text(phrase("disk \"full\"").unwrap());
        jql.statuses(vec![2, 4], ["Waiting".to_owned()]);
        jql.any_of("component", ["api".to_owned(), " ".to_owned()]);
        jql.since("2026-01-01T00:00:00Z".parse().unwrap());
        jql.until("2026-01-02T00:00:30Z".parse().unwrap());
        assert_eq!(
            jql.render(),
            r#"project = "AND" AND text ~ "\"disk \\\"full\\\"\"" AND (statusCategory in (2, 4) OR status in ("Waiting")) "#
                .to_owned()
                + r#"AND component in ("api") AND created >= "2025-12-31 09:00" AND created <= "2026-01-02 15:00" "#
                + "ORDER BY created DESC, key DESC"
        );
    }
}
