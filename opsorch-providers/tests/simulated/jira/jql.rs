//! The part of JQL that is needed, read strictly.

use chrono::{Duration, NaiveDateTime};
use opsorch::Time;
use serde_json::Value;

use super::issue::{Issue, Refusal};
use super::world::{COMPONENTS, PEOPLE, STATUSES};

/// The time zone of whose token it is: 5 h 30 min east.
const OFFSET: i64 = 330;

#[derive(Debug)]
pub struct Query(Vec<Clause>);

#[derive(Debug)]
enum Clause {
    Project(String),
    Text(String),
    In(String, Vec<String>),
    Category(Vec<u8>),
    Either(Vec<Clause>),
    Created { is_from: bool, at: Time },
}

impl Query {
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix(" ORDER BY created DESC, key DESC")?;
        let (mut clauses, mut rest) = (Vec::new(), text);
        loop {
            let (clause, after) = clause(rest)?;
            clauses.push(clause);
            match after.strip_prefix(" AND ") {
                Some(more) => rest = more,
                None if after.is_empty() => break,
                None => return None,
            }
        }
        // Without a bound Cloud refuses.
        matches!(clauses.first(), Some(Clause::Project(_))).then_some(Self(clauses))
    }

    /// What does not exist is an error, each with its own message.
    pub fn check(&self) -> Result<(), Refusal> {
        self.0.iter().try_for_each(Clause::check)
    }

    pub fn matches(&self, issue: &Issue) -> bool {
        self.0.iter().all(|clause| clause.matches(issue))
    }
}

impl Clause {
    fn check(&self) -> Result<(), Refusal> {
        let unknown = |field: &str, value: &str| {
            Refusal::new(400, &format!("The value '{value}' does not exist for the field '{field}'."))
        };
        match self {
            Self::Project(key) if key != "OPS" => Err(unknown("project", key)),
            Self::Either(clauses) => clauses.iter().try_for_each(Self::check),
            Self::In(field, values) => values.iter().try_for_each(|value| {
                let is_known = match field.as_str() {
                    "assignee" | "reporter" => PEOPLE.contains(&value.as_str()),
                    "component" => COMPONENTS.contains(&value.as_str()),
                    "status" => STATUSES.iter().any(|(name, _, _)| name.eq_ignore_ascii_case(value)),
                    _ => true,
                };
                if is_known { Ok(()) } else { Err(unknown(field, value)) }
            }),
            _ => Ok(()),
        }
    }

    fn matches(&self, issue: &Issue) -> bool {
        let field = |name: &str| issue.fields.get(name).unwrap_or(&Value::Null);
        let names =
            |value: &Value| value.as_array().into_iter().flatten().map(|it| it["name"].clone()).collect::<Vec<_>>();
        match self {
            Self::Project(_) => true,
            Self::Text(wanted) => {
                let has = words(&format!("{} {}", field("summary"), field("description")));
                let wanted = words(wanted);
                has.windows(wanted.len().max(1)).any(|window| window == wanted)
            }
            Self::Category(ids) => ids.iter().any(|id| field("status")["statusCategory"]["id"] == *id),
            Self::Either(clauses) => clauses.iter().any(|clause| clause.matches(issue)),
            Self::Created { is_from: true, at } => issue.created >= *at,
            Self::Created { is_from: false, at } => issue.created <= *at,
            Self::In(name, values) => values.iter().any(|value| match name.as_str() {
                "assignee" | "reporter" => field(name)["accountId"] == **value || field(name)["name"] == **value,
                "component" => names(field("components")).contains(&value.as_str().into()),
                "labels" => field("labels").as_array().is_some_and(|labels| labels.contains(&value.as_str().into())),
                "status" => issue.status().eq_ignore_ascii_case(value),
                "parent" => field("parent")["key"] == **value,
                _ => field(name)["name"] == **value,
            }),
        }
    }
}

fn clause(text: &str) -> Option<(Clause, &str)> {
    if let Some(rest) = text.strip_prefix('(') {
        let (first, rest) = clause(rest)?;
        let (second, rest) = clause(rest.strip_prefix(" OR ")?)?;
        return Some((Clause::Either(vec![first, second]), rest.strip_prefix(')')?));
    }
    let (field, rest) = text.split_once(' ')?;
    match field {
        "project" => string(rest.strip_prefix("= ")?).map(|(key, rest)| (Clause::Project(key), rest)),
        "text" => {
            let (phrase, rest) = string(rest.strip_prefix("~ ")?)?;
            // The value is a phrase in another language, with the same quotes.
            let (words, "") = string(&phrase)? else { return None };
            Some((Clause::Text(words), rest))
        }
        "statusCategory" => {
            let (ids, rest) = rest.strip_prefix("in (")?.split_once(')')?;
            let ids = ids.split(", ").map(|id| id.parse().ok()).collect::<Option<_>>()?;
            Some((Clause::Category(ids), rest))
        }
        "created" => {
            let (operator, rest) = rest.split_once(' ')?;
            let (at, rest) = string(rest)?;
            let at = NaiveDateTime::parse_from_str(&at, "%Y-%m-%d %H:%M").ok()?.and_utc() - Duration::minutes(OFFSET);
            let is_from = match operator {
                ">=" => true,
                "<=" => false,
                _ => return None,
            };
            Some((Clause::Created { is_from, at }, rest))
        }
        _ => {
            let mut rest = rest.strip_prefix("in (")?;
            let mut values = Vec::new();
            loop {
                let (value, after) = string(rest)?;
                values.push(value);
                match after.strip_prefix(", ") {
                    Some(more) => rest = more,
                    None => return Some((Clause::In(field.to_owned(), values), after.strip_prefix(')')?)),
                }
            }
        }
    }
}

/// A string between quotes, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.strip_prefix('"')?.chars();
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
                escaped @ ('"' | '\\') => value.push(escaped),
                _ => return None,
            },
            control if control.is_control() => return None,
            character => value.push(character),
        }
    }
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}
