//! The search syntax of logs, as Datadog documents it: terms, quotes, escapes, `*` and `?`, `AND`, `OR`, `-`, groups.

use serde_json::Value;

use super::logs::Entry;

/// A search that was read.
#[derive(Debug, PartialEq)]
pub enum Search {
    All(Vec<Search>),
    Any(Vec<Search>),
    Not(Box<Search>),
    /// What a field is like; without a name in the message, with `*` anywhere.
    Is(Option<String>, Pattern),
}

/// A value, letter by letter.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern(Vec<Part>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Letter(char),
    /// `*`
    Any,
    /// `?`
    One,
}

impl Search {
    /// Reads a search; `None` for one that is broken.
    pub fn parse(text: &str) -> Option<Self> {
        let mut scanner = Scanner { letters: text.chars().collect(), at: 0 };
        let search = scanner.any()?;
        scanner.blanks();
        (scanner.at == scanner.letters.len()).then_some(search)
    }

    pub fn matches(&self, entry: &Entry) -> bool {
        match self {
            Self::All(all) => all.iter().all(|one| one.matches(entry)),
            Self::Any(any) => any.iter().any(|one| one.matches(entry)),
            Self::Not(not) => !not.matches(entry),
            Self::Is(None, pattern) if pattern.0 == [Part::Any] => true,
            Self::Is(None, pattern) => pattern.says(&entry.message),
            Self::Is(Some(name), pattern) => field(entry, name).iter().any(|has| match name.as_str() {
                "*" => pattern.says(has),
                "status" => pattern.lower().is(&has.to_lowercase()),
                _ => pattern.is(has),
            }),
        }
    }
}

/// The values of a field of an entry; of `*` every text.
fn field(entry: &Entry, name: &str) -> Vec<String> {
    match name {
        "*" => std::iter::once(entry.message.clone()).chain(texts(&entry.attributes)).collect(),
        "status" => vec![entry.status.clone()],
        "service" => entry.service.clone().into_iter().collect(),
        "host" => vec![entry.host.clone()],
        _ => match name.strip_prefix('@') {
            Some(attribute) => {
                let pointer = format!("/{}", attribute.replace('.', "/"));
                let value = entry.attributes.get(attribute).or_else(|| entry.attributes.pointer(&pointer));
                value.map(texts).unwrap_or_default()
            }
            None => {
                let prefix = format!("{name}:");
                entry.tags.iter().filter_map(|tag| tag.strip_prefix(&prefix)).map(str::to_owned).collect()
            }
        },
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        Value::Null => Vec::new(),
        other => vec![other.to_string()],
    }
}

impl Pattern {
    /// Whether it is the whole of a text.
    fn is(&self, text: &str) -> bool {
        let letters: Vec<char> = text.chars().collect();
        like(&self.0, &letters)
    }

    /// Whether its words are in a text, one after the other, in any case: so full text is looked for.
    fn says(&self, text: &str) -> bool {
        let letter = |part: &Part| match part {
            Part::Letter(letter) => *letter,
            Part::Any | Part::One => ' ',
        };
        let wanted = words(&self.0.iter().map(letter).collect::<String>());
        let has = words(text);
        !wanted.is_empty() && has.windows(wanted.len()).any(|window| window == wanted)
    }

    fn lower(&self) -> Self {
        Self(
            self.0
                .iter()
                .flat_map(|part| match part {
                    Part::Letter(letter) => letter.to_lowercase().map(Part::Letter).collect(),
                    other => vec![*other],
                })
                .collect(),
        )
    }
}

fn like(pattern: &[Part], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([Part::Any, rest @ ..], _) => (0..=text.len()).any(|from| like(rest, &text[from..])),
        ([Part::One, rest @ ..], [_, text @ ..]) => like(rest, text),
        ([Part::Letter(wanted), rest @ ..], [letter, text @ ..]) => wanted == letter && like(rest, text),
        _ => false,
    }
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

struct Scanner {
    letters: Vec<char>,
    at: usize,
}

impl Scanner {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn take(&mut self, letter: char) -> bool {
        let is_next = self.peek() == Some(letter);
        self.at += usize::from(is_next);
        is_next
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    /// Takes a word that joins, which ends before a blank or a parenthesis.
    fn operator(&mut self, word: &str) -> bool {
        self.blanks();
        let end = self.at + word.len();
        let is_it = self.letters.get(self.at..end).is_some_and(|found| found.iter().copied().eq(word.chars()));
        let ends = self.letters.get(end).is_none_or(|next| next.is_whitespace() || *next == '(');
        if is_it && ends {
            self.at = end;
        }
        is_it && ends
    }

    fn any(&mut self) -> Option<Search> {
        let mut any = vec![self.all()?];
        while self.operator("OR") {
            any.push(self.all()?);
        }
        Some(if any.len() == 1 { any.remove(0) } else { Search::Any(any) })
    }

    fn all(&mut self) -> Option<Search> {
        let mut all = vec![self.one()?];
        loop {
            let before = self.at;
            if self.operator("OR") {
                self.at = before;
                break;
            }
            let joined = self.operator("AND");
            self.blanks();
            match self.peek() {
                None | Some(')') if joined => return None,
                None | Some(')') => break,
                Some(_) => all.push(self.one()?),
            }
        }
        Some(if all.len() == 1 { all.remove(0) } else { Search::All(all) })
    }

    fn one(&mut self) -> Option<Search> {
        self.blanks();
        if self.take('-') || self.operator("NOT") {
            return Some(Search::Not(Box::new(self.one()?)));
        }
        if self.take('(') {
            return self.group(Self::any);
        }
        let pattern = self.pattern()?;
        if !self.take(':') {
            return Some(Search::Is(None, pattern));
        }
        let name: String = pattern
            .0
            .iter()
            .map(|part| match part {
                Part::Letter(letter) => *letter,
                _ => '*',
            })
            .collect();
        if self.take('(') {
            let values = self.group(|scanner| {
                let mut values = vec![scanner.value()?];
                while scanner.operator("OR") {
                    values.push(scanner.value()?);
                }
                Some(values)
            })?;
            return Some(Search::Any(values.into_iter().map(|value| Search::Is(Some(name.clone()), value)).collect()));
        }
        Some(Search::Is(Some(name), self.pattern()?))
    }

    fn group<T>(&mut self, inside: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let found = inside(self)?;
        self.blanks();
        self.take(')').then_some(found)
    }

    fn value(&mut self) -> Option<Pattern> {
        self.blanks();
        self.pattern()
    }

    /// A value, in quotes or without; what is special must be escaped.
    fn pattern(&mut self) -> Option<Pattern> {
        let mut parts = Vec::new();
        if self.take('"') {
            loop {
                match self.next()? {
                    '"' => return Some(Pattern(parts)),
                    '\\' => parts.push(Part::Letter(self.next()?)),
                    letter => parts.push(Part::Letter(letter)),
                }
            }
        }
        while let Some(letter) = self.peek() {
            match letter {
                ':' | '(' | ')' => break,
                letter if letter.is_whitespace() => break,
                '*' => parts.push(Part::Any),
                '?' => parts.push(Part::One),
                '\\' => {
                    self.at += 1;
                    parts.push(Part::Letter(self.peek()?));
                }
                '+' | '=' | '&' | '|' | '>' | '<' | '!' | '{' | '}' | '[' | ']' | '^' | '"' | '“' | '”' | '~' | '#' =>
                {
                    return None;
                }
                letter => parts.push(Part::Letter(letter)),
            }
            self.at += 1;
        }
        (!parts.is_empty()).then_some(Pattern(parts))
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += 1;
        Some(letter)
    }
}
