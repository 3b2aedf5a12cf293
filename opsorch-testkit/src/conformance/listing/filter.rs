//! The conditions that queries can put, as data, and what is to be seen of them in the things that are found.

use opsorch::{
    AlertStatus, AlertStatusLevel, DeploymentStatus, DeploymentStatusLevel, IncidentStatus, IncidentStatusLevel,
    LogSeverity, LogSeverityLevel, RunStatus, RunStatusLevel, Severity, SeverityLevel, TicketStatus, TicketStatusLevel,
};
use serde_json::{Value, json};

/// How many values of one filter are tried.
const VALUES: usize = 3;

/// A condition that a query can put.
#[derive(Debug)]
pub(in crate::conformance) struct Filter {
    /// Where it stands in the query, such as `scope.service`.
    pub(in crate::conformance) path: &'static str,
    /// What it compares.
    pub(in crate::conformance) by: By,
}

/// What a filter compares with its value. The text is the member of a thing, such as `status`.
#[derive(Clone, Copy, Debug)]
pub(in crate::conformance) enum By {
    /// What a word means; any of a list.
    Word(&'static Vocabulary, &'static str),
    /// A value, or one of several that the thing has; any of a list.
    AnyOf(&'static str),
    /// A value.
    Is(&'static str),
    /// A text that is searched for, in this member at least.
    Text(&'static str),
    /// A part of a name.
    Part(&'static str),
    /// A tag.
    Tag,
    /// Something that is not to be seen in the thing, such as the team that owns its service.
    Unseen,
}

impl Filter {
    pub(super) const fn new(path: &'static str, by: By) -> Self {
        Self { path, by }
    }

    /// A query with these values of the filter; all but lists take only the first.
    pub(in crate::conformance) fn of(&self, values: &[Value]) -> Value {
        let first = values.first().cloned().unwrap_or_default();
        let value = match self.by {
            By::Word(..) | By::AnyOf(_) => json!(values),
            _ => first,
        };
        self.path.rsplit('.').fold(value, |value, member| json!({ member: value }))
    }

    /// Whether it takes several values, of which one is enough.
    pub(in crate::conformance) fn is_list(&self) -> bool {
        matches!(self.by, By::Word(..) | By::AnyOf(_))
    }

    /// The words that it compares by their meaning.
    pub(in crate::conformance) fn vocabulary(&self) -> Option<&'static Vocabulary> {
        match self.by {
            By::Word(vocabulary, _) => Some(vocabulary),
            _ => None,
        }
    }

    /// Some different values that would find something of these things.
    pub(in crate::conformance) fn values(&self, things: &[Value]) -> Vec<Value> {
        let mut values = Vec::new();
        for value in things.iter().flat_map(|thing| self.values_of(thing)) {
            if !values.contains(&value) && values.len() < VALUES {
                values.push(value);
            }
        }
        values
    }

    fn values_of(&self, thing: &Value) -> Vec<Value> {
        let text = |name| member(thing, name).as_str().unwrap_or_default();
        match self.by {
            By::Word(vocabulary, name) => (vocabulary.meaning)(text(name)).map(Value::from).into_iter().collect(),
            By::AnyOf(name) | By::Is(name) => match member(thing, name) {
                Value::Array(several) => several.clone(),
                Value::String(one) if !one.is_empty() => vec![json!(one)],
                _ => Vec::new(),
            },
            By::Text(name) => words(text(name)).max_by_key(|word| word.len()).map(Value::from).into_iter().collect(),
            By::Part(name) => {
                let beginning = text(name).char_indices().nth(3).and_then(|(end, _)| text(name).get(..end));
                let whole = Some(text(name)).filter(|name| !name.is_empty());
                beginning.into_iter().chain(whole).map(Value::from).collect()
            }
            By::Tag => {
                let tags = member(thing, "tags").as_object();
                tags.into_iter().flatten().map(|(name, value)| json!({ name: value })).collect()
            }
            By::Unseen => Vec::new(),
        }
    }

    /// Values of several parts, all of which have to hold: a tag that something has beside one that nothing has, and
    /// several tags of one thing.
    pub(in crate::conformance) fn joined(&self, things: &[Value]) -> Vec<Value> {
        let By::Tag = self.by else { return Vec::new() };
        let tags = || things.iter().filter_map(|thing| member(thing, "tags").as_object());
        let first = tags().flatten().next().map(|(name, value)| (name.clone(), value.clone()));
        // Names are sorted: one comes before those that there are, the other after.
        let beside = ["0nosuchtag4711", "zznosuchtag4711"].into_iter().zip(first.into_iter().cycle());
        let beside = beside.map(|(nobodys, (name, value))| json!({ nobodys: "nosuchvalue4711", name: value }));
        beside.chain(tags().find(|tags| tags.len() > 1).map(|tags| json!(tags))).collect()
    }

    /// Whether a thing passes, as far as that is to be seen in it.
    pub(in crate::conformance) fn passes(&self, value: &Value, thing: &Value) -> Option<bool> {
        let text = |name| member(thing, name).as_str().unwrap_or_default();
        match self.by {
            By::Word(vocabulary, name) => Some((vocabulary.meaning)(text(name)) == value.as_str()),
            By::AnyOf(name) | By::Is(name) => Some(match member(thing, name) {
                Value::Array(several) => several.contains(value),
                one => one == value,
            }),
            By::Text(name) | By::Part(name) => {
                let (has, wanted) = (text(name), value.as_str().unwrap_or_default());
                let is_part = matches!(self.by, By::Part(_)) && has.contains(wanted);
                match is_part || words(has).any(|word| word == wanted) {
                    true => Some(true),
                    // It may be in a text that stands elsewhere, or be a part of a longer word.
                    false if mentions(thing, wanted) => None,
                    false => Some(false),
                }
            }
            By::Tag => {
                let has = |(name, wanted): (&String, &Value)| member(thing, "tags").get(name) == Some(wanted);
                value.as_object().map(|wanted| wanted.iter().all(has))
            }
            By::Unseen => None,
        }
    }

    /// A value that none of these is, as good as them for everybody who compares: where words are compared, one of the closed
    /// set.
    pub(in crate::conformance) fn another(&self, values: &[Value]) -> Option<Value> {
        match self.by {
            By::Word(vocabulary, _) => {
                (vocabulary.words)().into_iter().map(Value::from).find(|word| !values.contains(word))
            }
            _ => Some(self.nobodys()),
        }
    }

    /// A value that nothing has. It is one word, of which no search finds a part.
    pub(in crate::conformance) fn nobodys(&self) -> Value {
        match self.by {
            By::Tag => json!({ "nosuchtag4711": "nosuchvalue4711" }),
            _ => json!("nosuchname4711"),
        }
    }
}

/// What a thing has under a path such as `scope.service`; null where it has nothing.
pub(in crate::conformance) fn member<'a>(thing: &'a Value, path: &str) -> &'a Value {
    path.split('.').try_fold(thing, |value, name| value.get(name)).unwrap_or(&Value::Null)
}

/// The words of a text that are worth a search.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| word.len() >= 3)
}

/// Whether a text occurs anywhere in a thing, in any case.
fn mentions(thing: &Value, text: &str) -> bool {
    thing.to_string().to_lowercase().contains(&text.to_lowercase())
}

/// Words that have a meaning, such as those for severities.
#[derive(Debug)]
pub(in crate::conformance) struct Vocabulary {
    /// What a word means: the word of the closed set. `None` for a word that is in no table.
    pub(in crate::conformance) meaning: fn(&str) -> Option<&'static str>,
    /// Other words that mean the same as one of the closed set.
    pub(in crate::conformance) others: fn(&str) -> &'static [&'static str],
    /// The words of the closed set.
    words: fn() -> Vec<&'static str>,
}

macro_rules! vocabularies {
    ($($name:ident: $word:ident $level:ident;)+) => {$(
        pub(in crate::conformance) const $name: &Vocabulary = &Vocabulary {
            meaning: |word| match $word::new(word).level() {
                $level::Unknown => None,
                level => Some(level.word()),
            },
            others: |word| $word::new(word).level().aliases(),
            words: || $level::ALL.iter().filter(|level| **level != $level::Unknown).map(|level| level.word()).collect(),
        };
    )+};
}
vocabularies! {
    INCIDENT_STATUS: IncidentStatus IncidentStatusLevel;
    ALERT_STATUS: AlertStatus AlertStatusLevel;
    TICKET_STATUS: TicketStatus TicketStatusLevel;
    DEPLOYMENT_STATUS: DeploymentStatus DeploymentStatusLevel;
    RUN_STATUS: RunStatus RunStatusLevel;
    SEVERITY: Severity SeverityLevel;
    LOG_SEVERITY: LogSeverity LogSeverityLevel;
}
