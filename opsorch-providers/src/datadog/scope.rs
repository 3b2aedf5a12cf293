//! The search syntax of the scope of a downtime: which groups it keeps quiet.
//! (<https://docs.datadoghq.com/monitors/downtimes/#downtime-scope>)

use std::iter::Peekable;
use std::mem;
use std::str::Chars;

/// What a scope says of the tags of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scope {
    Everything,
    Tag(String, String),
    Not(Box<Scope>),
    All(Vec<Scope>),
    Any(Vec<Scope>),
}

/// Whether a scope includes a group with these tags. One that cannot be read includes nothing: that something is kept
/// quiet must be certain.
pub(super) fn includes(scope: &str, tags: &[&str]) -> bool {
    parse(scope).is_some_and(|scope| scope.includes(tags))
}

/// Whether a scope is for exactly the groups that have these tags, in any order.
pub(super) fn is_exactly(scope: &str, tags: &[&str]) -> bool {
    match parse(scope) {
        Some(Scope::Everything) => tags.is_empty(),
        Some(Scope::All(parts)) => {
            let mut said: Vec<String> = Vec::new();
            for part in parts {
                match part {
                    Scope::Tag(key, value) if !value.contains(WILD) => said.push(format!("{key}:{value}")),
                    _ => return false,
                }
            }
            said.sort();
            let mut tags = tags.to_vec();
            tags.sort_unstable();
            said == tags
        }
        Some(Scope::Tag(key, value)) => !value.contains(WILD) && *tags == [format!("{key}:{value}")],
        _ => false,
    }
}

/// The scope of the groups that have these tags; `None` where one of them is no tag with a value.
pub(super) fn of_tags(tags: &[&str]) -> Option<String> {
    if tags.is_empty() {
        return Some("*".to_owned());
    }
    let parts: Option<Vec<String>> = tags.iter().map(|tag| quoted(tag)).collect();
    Some(parts?.join(" AND "))
}

/// A tag, with its value in quotes where it has characters that mean something.
fn quoted(tag: &str) -> Option<String> {
    let (key, value) = tag.split_once(':')?;
    let is_name = |text: &str| !text.is_empty() && text.chars().all(is_plain);
    if !is_name(key) || key.starts_with('-') || value.is_empty() || value.chars().any(char::is_control) {
        return None;
    }
    let is_word = ["AND", "OR", "NOT"].contains(&value);
    Some(match is_name(value) && !value.starts_with('-') && !is_word {
        true => tag.to_owned(),
        false => format!("{key}:\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
    })
}

fn is_plain(letter: char) -> bool {
    letter.is_alphanumeric() || "_-./".contains(letter)
}

/// Stands for a `*` that is no letter of a value. No tag has it.
const WILD: char = '\u{0}';

/// The deepest nesting that is read.
const DEEPEST: usize = 32;

impl Scope {
    fn includes(&self, tags: &[&str]) -> bool {
        match self {
            Self::Everything => true,
            Self::Tag(key, value) => tags.iter().any(|tag| {
                let (its_key, its_value) = tag.split_once(':').unwrap_or((tag, ""));
                its_key == key && fits(value, its_value)
            }),
            Self::Not(scope) => !scope.includes(tags),
            Self::All(scopes) => scopes.iter().all(|scope| scope.includes(tags)),
            Self::Any(scopes) => scopes.iter().any(|scope| scope.includes(tags)),
        }
    }
}

/// Whether a value fits a pattern, in which [`WILD`] is anything.
fn fits(pattern: &str, value: &str) -> bool {
    let Some((first, rest)) = pattern.split_once(WILD) else { return pattern == value };
    let Some(mut value) = value.strip_prefix(first) else { return false };
    let mut rest: Vec<&str> = rest.split(WILD).collect();
    let last = rest.pop().unwrap_or_default();
    for part in rest {
        let Some((_, after)) = value.split_once(part) else { return false };
        value = after;
    }
    value.ends_with(last)
}

fn parse(text: &str) -> Option<Scope> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, depth: 0 };
    let scope = parser.any(None)?;
    parser.tokens.is_empty().then_some(scope)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    /// `key:`
    Key(String),
    Value(String),
}

/// The tokens of a scope; `None` for a quote without its end.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_of_key = matches!(tokens.last(), Some(Token::Key(_)));
        match letter {
            letter if letter.is_whitespace() => {}
            ',' => tokens.push(Token::And),
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            '!' => tokens.push(Token::Not),
            '-' if !is_of_key => tokens.push(Token::Not),
            '"' => tokens.push(Token::Value(quote(&mut letters)?)),
            first => {
                let (key, rest) = word(first, !is_of_key, &mut letters)?;
                tokens.extend(key.map(Token::Key));
                tokens.extend(Some(rest).filter(|rest| !rest.is_empty()).map(keyword));
            }
        }
    }
    Some(tokens)
}

type Letters<'a> = Peekable<Chars<'a>>;

/// What stands in quotes, to their end. A `*` in it is a letter.
fn quote(letters: &mut Letters<'_>) -> Option<String> {
    let mut value = String::new();
    loop {
        match letters.next()? {
            '"' => return Some(value),
            '\\' => value.push(letters.next()?),
            WILD => return None,
            other => value.push(other),
        }
    }
}

/// A key, where one ends in this word, and the value after it. The first `:` ends the key; others are of the value.
fn word(first: char, may_be_key: bool, letters: &mut Letters<'_>) -> Option<(Option<String>, String)> {
    let (mut key, mut word) = (None, String::from(wild(first)?));
    while let Some(next) = letters.next_if(|next| !next.is_whitespace() && !"(),\"".contains(*next)) {
        match next {
            ':' if may_be_key && key.is_none() => key = Some(mem::take(&mut word)),
            '\\' => word.push(letters.next()?),
            next => word.push(wild(next)?),
        }
    }
    Some((key, word))
}

fn keyword(word: String) -> Token {
    match word.as_str() {
        "AND" => Token::And,
        "OR" => Token::Or,
        "NOT" => Token::Not,
        _ => Token::Value(word),
    }
}

fn wild(letter: char) -> Option<char> {
    match letter {
        WILD => None,
        '*' => Some(WILD),
        other => Some(other),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    depth: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<&Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    /// Parts with `OR` between them. Within the parentheses of a tag, parts are values of its key.
    fn any(&mut self, key: Option<&str>) -> Option<Scope> {
        let mut parts = vec![self.all(key)?];
        while self.tokens.first() == Some(&Token::Or) {
            self.next();
            parts.push(self.all(key)?);
        }
        Some(if parts.len() == 1 { parts.pop()? } else { Scope::Any(parts) })
    }

    /// Parts with `AND`, a comma or nothing between them.
    fn all(&mut self, key: Option<&str>) -> Option<Scope> {
        let mut parts = vec![self.one(key)?];
        loop {
            match self.tokens.first() {
                Some(Token::And) => {
                    self.next();
                }
                None | Some(Token::Or | Token::Close) => break,
                Some(_) => {}
            }
            parts.push(self.one(key)?);
        }
        Some(if parts.len() == 1 { parts.pop()? } else { Scope::All(parts) })
    }

    fn one(&mut self, key: Option<&str>) -> Option<Scope> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let scope = match self.next()?.clone() {
            Token::Not => Scope::Not(Box::new(self.one(key)?)),
            Token::Open => self.closed(key)?,
            Token::Value(value) => match key {
                Some(key) => Scope::Tag(key.to_owned(), value),
                None if value == WILD.to_string() => Scope::Everything,
                None => return None,
            },
            Token::Key(key) => match self.next()?.clone() {
                Token::Value(value) => Scope::Tag(key, value),
                Token::Open => self.closed(Some(&key))?,
                _ => return None,
            },
            Token::Close | Token::And | Token::Or => return None,
        };
        self.depth -= 1;
        Some(scope)
    }

    fn closed(&mut self, key: Option<&str>) -> Option<Scope> {
        let scope = self.any(key)?;
        (self.next()? == &Token::Close).then_some(scope)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_a_value_holds_the_scope_is_for_that_value(one in "[^\\pC]{1,12}", other in "[^\\pC]{1,12}") {
            let (tag, another) = (format!("host:{one}"), format!("host:{other}"));
            let tags = ["env:prod", tag.as_str()];
            let scope = of_tags(&tags).unwrap();
            prop_assert!(includes(&scope, &tags) && is_exactly(&scope, &tags), "{}", scope);
            prop_assert_eq!(includes(&scope, &["env:prod", another.as_str()]), one == other, "{}", scope);
        }

        #[test]
        fn any_text_is_read_or_not_and_stops(scope in "[a-z:()*\"\\\\ ,!-]{0,60}|\\PC{0,40}") {
            includes(&scope, &["host:a"]);
        }
    }

    #[test]
    fn a_scope_includes_groups_by_their_tags() {
        let group = ["host:web-1", "env:prod", "url:http://a b"];
        let within = [
            "*",
            "host:web-1",
            "host:web-*",
            "host:*1",
            "env:(staging OR prod)",
            "env:(staging OR prod) AND host:web-1",
            "host:web-1 env:prod",
            "host:web-1,env:prod",
            "NOT env:staging",
            "-env:staging",
            "!env:staging AND host:*",
            "(env:staging AND host:x) OR host:web-1",
            "url:\"http://a b\"",
            "url:http*",
        ];
        for scope in within {
            assert!(includes(scope, &group), "{scope}");
        }
        let without = [
            "",
            "host:web",
            "host:web-10",
            "env:(staging OR dev)",
            "host:web-1 AND env:dev",
            "NOT env:prod",
            "web-1",
            "host:web-1 AND",
            "(host:web-1",
            "host:\"web-*\"",
            "service:*",
            "host:()",
            "AND",
            "host:\"web-1",
        ];
        for scope in without {
            assert!(!includes(scope, &group), "{scope}");
        }
    }

    #[test]
    fn what_is_written_for_a_group_is_for_that_group_alone() {
        for tag in [
            "host:web-1",
            "host:a\"b",
            "host:a\\",
            "host:a b",
            "host:*",
            "host:a)",
            "host:-a",
            "host:OR",
            "url:http://x:80/",
            "host:ä",
            "host:a,b",
            "host:a} OR env:prod",
        ] {
            let tags = ["env:prod", tag];
            let scope = of_tags(&tags).unwrap();
            assert!(includes(&scope, &tags) && is_exactly(&scope, &tags), "{scope}");
            assert!(is_exactly(&scope, &[tag, "env:prod"]), "{scope}");
            assert!(!includes(&scope, &["env:prod", "host:other"]), "{scope}");
            assert!(!is_exactly(&scope, &[tag]), "{scope}");
        }
        for none in ["host", "host:", ":a", "-host:a", "ho st:a", "host:a\nb"] {
            assert_eq!(of_tags(&[none]), None, "{none}");
        }
        assert!(is_exactly(&of_tags(&[]).unwrap(), &[]));
        assert!(!is_exactly("host:web-*", &["host:web-1"]));
    }

    #[test]
    fn a_scope_may_be_nested_but_not_without_end() {
        let nested = |depth: usize| format!("{}host:a{}", "(".repeat(depth), ")".repeat(depth));
        assert!(includes(&nested(20), &["host:a"]));
        assert!(!includes(&nested(100_000), &["host:a"]));
        assert!(!includes(&"-".repeat(100_000), &["host:a"]));
    }
}
