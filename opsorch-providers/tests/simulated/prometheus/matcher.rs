//! Matchers, as PromQL and Alertmanager write them: `name="value"`.

use regex::Regex;

use super::Labels;

/// What a label must have.
#[derive(Clone, Debug)]
pub struct Matcher {
    pub name: String,
    pub value: String,
    wants: bool,
    regex: Option<Regex>,
}

impl Matcher {
    /// A matcher; `None` for a regular expression that is none.
    pub fn new(name: String, operator: &str, value: String) -> Option<Self> {
        let regex = match operator.ends_with('~') {
            // It has to match the whole of a value.
            true => Some(Regex::new(&format!("^(?s:{value})$")).ok()?),
            false => None,
        };
        Some(Self { name, value, wants: !operator.starts_with('!'), regex })
    }

    /// Reads a text that is a matcher and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut scanner = Scanner(text);
        let matcher = scanner.matcher()?;
        scanner.is_at_end().then_some(matcher)
    }

    /// Whether these labels have what it wants. A label that is not there is empty.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.takes(labels.get(&self.name).map_or("", String::as_str))
    }

    /// Whether the label may have this value.
    pub fn takes(&self, value: &str) -> bool {
        let is_it = self.regex.as_ref().map_or(self.value == value, |regex| regex.is_match(value));
        is_it == self.wants
    }
}

/// What is left of a text that is read from its beginning.
pub struct Scanner<'a>(pub &'a str);

impl<'a> Scanner<'a> {
    /// Takes this sign, and the blanks before it, if it comes next.
    pub fn take(&mut self, sign: &str) -> bool {
        let rest = self.0.trim_start().strip_prefix(sign);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    pub fn is_at_end(&self) -> bool {
        self.0.trim().is_empty()
    }

    /// Takes a word of letters, digits, `_` and `:` that begins with no digit.
    pub fn word(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start();
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
        let (word, rest) = text.split_at(text.find(|letter| !is_part(letter)).unwrap_or(text.len()));
        let is_word = !word.is_empty() && !word.starts_with(|letter: char| letter.is_ascii_digit());
        is_word.then(|| {
            self.0 = rest;
            word
        })
    }

    /// Takes the name of a label, which is a word or quoted.
    pub fn label(&mut self) -> Option<String> {
        self.string().or_else(|| self.word().filter(|word| !word.contains(':')).map(str::to_owned))
    }

    /// Takes a matcher.
    pub fn matcher(&mut self) -> Option<Matcher> {
        let name = self.label()?;
        let operator = ["=~", "!~", "!=", "="].into_iter().find(|operator| self.take(operator))?;
        Matcher::new(name, operator, self.string()?)
    }

    /// Takes a text in double quotes with the escapes of Go, as far as anybody writes them.
    fn string(&mut self) -> Option<String> {
        let mut rest = self.0.trim_start().strip_prefix('"')?.chars();
        let mut value = String::new();
        loop {
            match rest.next()? {
                '"' => break,
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
                letter => value.push(letter),
            }
        }
        self.0 = rest.as_str();
        Some(value)
    }
}
