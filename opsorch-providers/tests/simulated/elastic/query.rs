//! The part of the query language that is spoken here. What is not known is refused, as clusters do.

use regex::Regex;
use serde_json::{Map, Value};

use super::store::{Document, Index, nanoseconds};

/// A document, in its index.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub index: &'a Index,
    pub name: &'a str,
    pub document: &'a Document,
}

/// Why a query is refused: the type, and the reason.
pub type Refused = (&'static str, String);

/// Whether a query finds a document.
pub fn finds(query: &Value, of: Subject<'_>) -> Result<bool, Refused> {
    let clause = query.as_object().ok_or_else(|| wrong("expected a query"))?;
    let [(kind, body)] = clause.iter().collect::<Vec<_>>()[..] else {
        return Err(wrong("[query] malformed query, expected one clause"));
    };
    match kind.as_str() {
        "match_none" => Ok(false),
        "bool" => every(body, of),
        "exists" => Ok(!of.values(text(body, "field")?).is_empty()),
        "query_string" => lucene(text(body, "query")?, of),
        "terms" => {
            let wanted = body["_index"].as_array().ok_or_else(|| wrong("[terms] expected _index"))?;
            Ok(wanted.iter().any(|name| name == of.name))
        }
        "range" | "term" | "match" | "match_phrase" | "wildcard" | "regexp" => {
            let fields = body.as_object().ok_or_else(|| wrong("expected a field"))?;
            let [(field, how)] = fields.iter().collect::<Vec<_>>()[..] else {
                return Err(wrong("query doesn't support multiple fields"));
            };
            on_field(kind, field, how.as_object().ok_or_else(|| wrong("expected an object"))?, of)
        }
        other => Err(("parsing_exception", format!("unknown query [{other}]"))),
    }
}

fn every(body: &Value, of: Subject<'_>) -> Result<bool, Refused> {
    let clauses = |name: &str| body[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let known = ["filter", "should", "must_not", "minimum_should_match"];
    if let Some(other) = body.as_object().and_then(|body| body.keys().find(|name| !known.contains(&name.as_str()))) {
        return Err(("x_content_parse_exception", format!("[bool] unknown field [{other}]")));
    }
    // All are looked at, so that a wrong one is refused whatever the others say.
    let all = |name: &str| clauses(name).iter().map(|clause| finds(clause, of)).collect::<Result<Vec<_>, _>>();
    let (filter, should, must_not) = (all("filter")?, all("should")?, all("must_not")?);
    Ok(filter.iter().all(|found| *found) && (should.is_empty() || should.contains(&true)) && !must_not.contains(&true))
}

fn on_field(kind: &str, field: &str, how: &Map<String, Value>, of: Subject<'_>) -> Result<bool, Refused> {
    let Some(type_) = of.index.type_of(field) else { return Ok(false) };
    let values = of.values(field);
    let said = |name: &str| how.get(name).and_then(Value::as_str).unwrap_or_default();
    let in_any_case = how.get("case_insensitive") == Some(&Value::Bool(true));
    let same = |one: &str, other: &str| if in_any_case { one.eq_ignore_ascii_case(other) } else { one == other };
    let is_text = type_ == "text";
    let any = |test: &dyn Fn(&str) -> bool| {
        values.iter().any(|value| match value.as_str() {
            Some(text) if is_text => tokens(text).iter().any(|token| test(token)),
            Some(text) => test(text),
            None => test(&value.to_string()),
        })
    };
    Ok(match kind {
        "range" => return in_range(type_, how, &values),
        "match_phrase" => {
            let phrase = tokens(said("query"));
            let has =
                |text: &str| !phrase.is_empty() && tokens(text).windows(phrase.len()).any(|words| words == phrase);
            values.iter().filter_map(Value::as_str).any(|text| if is_text { has(text) } else { text == said("query") })
        }
        "match" if matches!(type_, "long" | "double" | "boolean") => {
            let wanted: Option<Value> = said("query").parse().ok();
            if wanted.is_none() && how.get("lenient") != Some(&Value::Bool(true)) {
                return Err((
                    "query_shard_exception",
                    format!("failed to create query: For input string: {:?}", said("query")),
                ));
            }
            values.iter().any(|value| Some(value) == wanted.as_ref())
        }
        // As clusters compare: a day is any moment of it, and a network any address in it.
        "match" | "term" if type_ == "ip" => {
            let wanted = [said("query"), said("value")].concat();
            let network = wanted.split_once('/').map_or(wanted.as_str(), |(network, _)| network.trim_end_matches(".0"));
            any(&|value| value == wanted || (wanted.contains('/') && value.starts_with(network)))
        }
        "match" if type_ == "date" => any(&|value| value.starts_with(said("query"))),
        "match" => any(&|value| value == said("query")),
        "term" => any(&|value| same(value, said("value"))),
        "wildcard" => any(&|value| is_like(said("value"), value, in_any_case)),
        _ => {
            let pattern = Regex::new(&format!("^(?s:{})$", said("value")))
                .map_err(|_| ("illegal_argument_exception", "failed to parse regexp".to_owned()))?;
            any(&|value| pattern.is_match(value))
        }
    })
}

fn in_range(type_: &str, how: &Map<String, Value>, values: &[Value]) -> Result<bool, Refused> {
    let bound =
        |name: &str| how.get(name).map(|bound| nanoseconds(bound, type_).ok_or_else(|| wrong("failed to parse date")));
    let [gte, lt, lte] = ["gte", "lt", "lte"].map(|name| bound(name).transpose());
    let (gte, lt, lte) = (gte?, lt?, lte?);
    Ok(values.iter().filter_map(|value| nanoseconds(value, type_)).any(|at| {
        gte.is_none_or(|bound| at >= bound) && lt.is_none_or(|bound| at < bound) && lte.is_none_or(|bound| at <= bound)
    }))
}

/// Words and `field:word`, all of which must be there; no more of Lucene's syntax than that it can be wrong.
fn lucene(query: &str, of: Subject<'_>) -> Result<bool, Refused> {
    if query.matches('(').count() != query.matches(')').count() || query.matches('"').count() % 2 == 1 {
        return Err(("query_shard_exception", format!("Failed to parse query [{query}]")));
    }
    let all = of.document.source.to_string();
    Ok(query.split_whitespace().filter(|word| *word != "AND").all(|word| match word.split_once(':') {
        Some((field, value)) => of.values(field).iter().any(|has| has.as_str() == Some(value)),
        None => all.contains(word),
    }))
}

/// Words as the standard analyzer makes them, as far as this matters.
fn tokens(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Whether a text is like a pattern of `*`, `?` and escapes.
pub fn is_like(pattern: &str, text: &str, in_any_case: bool) -> bool {
    let mut regex = String::from(if in_any_case { "(?si)^" } else { "(?s)^" });
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '\\' => regex.push_str(&regex::escape(&letters.next().unwrap_or('\\').to_string())),
            other => regex.push_str(&regex::escape(&other.to_string())),
        }
    }
    regex.push('$');
    Regex::new(&regex).unwrap().is_match(text)
}

impl Subject<'_> {
    fn values(&self, field: &str) -> Vec<Value> {
        self.index.values(self.document, field)
    }
}

fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, Refused> {
    body[name].as_str().ok_or_else(|| wrong(name))
}

fn wrong(what: &str) -> Refused {
    ("parsing_exception", what.to_owned())
}
