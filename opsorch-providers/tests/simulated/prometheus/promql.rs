//! PromQL as far as the provider writes it by itself: a number, a selector, and one aggregation of a selector.

use std::collections::BTreeMap;

use super::Labels;
use super::matcher::{Matcher, Scanner};
use super::server::Series;

/// The label that is the metric's name.
pub const NAME: &str = "__name__";

const AGGREGATIONS: [&str; 5] = ["sum", "avg", "min", "max", "count"];

/// A query that was understood.
pub enum Query {
    Number(f64),
    Select(Selector),
    Aggregate { how: &'static str, by: Vec<String>, of: Selector },
}

/// Which series are meant.
pub struct Selector(Vec<Matcher>);

/// A series with its value at each of the moments that were asked for, where it has one then.
pub type Evaluated = (Labels, Vec<Option<f64>>);

impl Query {
    /// Reads a query; `None` for what is none, or is more than the provider ever writes by itself.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(number) = text.trim().parse() {
            return Some(Self::Number(number));
        }
        let mut scanner = Scanner(text);
        let query = match AGGREGATIONS.into_iter().find(|how| Scanner(text).word() == Some(how)) {
            Some(how) => {
                scanner.word()?;
                Self::aggregate(how, &mut scanner)?
            }
            None => Self::Select(Selector::read(&mut scanner)?),
        };
        scanner.is_at_end().then_some(query)
    }

    fn aggregate(how: &'static str, scanner: &mut Scanner<'_>) -> Option<Self> {
        let mut by = Vec::new();
        if scanner.take("by") {
            scanner.take("(").then_some(())?;
            by.push(scanner.label()?);
            while scanner.take(",") {
                by.push(scanner.label()?);
            }
            scanner.take(")").then_some(())?;
        }
        scanner.take("(").then_some(())?;
        let of = Selector::read(scanner)?;
        scanner.take(")").then_some(Self::Aggregate { how, by, of })
    }

    /// What it is at these moments, in milliseconds since 1970.
    pub fn evaluate(&self, all: &[Series], moments: &[i64]) -> Vec<Evaluated> {
        match self {
            Self::Number(number) => vec![(Labels::new(), vec![Some(*number); moments.len()])],
            Self::Select(selector) => selector.evaluate(all, moments),
            Self::Aggregate { how, by, of } => {
                let mut groups: BTreeMap<Labels, Vec<Vec<f64>>> = BTreeMap::new();
                for (labels, values) in of.evaluate(all, moments) {
                    let kept = labels.into_iter().filter(|(name, _)| by.contains(name)).collect();
                    let group = groups.entry(kept).or_insert_with(|| vec![Vec::new(); moments.len()]);
                    group.iter_mut().zip(values).for_each(|(together, value)| together.extend(value));
                }
                let aggregated = |values: Vec<Vec<f64>>| values.iter().map(|values| aggregate(how, values)).collect();
                groups.into_iter().map(|(labels, values)| (labels, aggregated(values))).collect()
            }
        }
    }
}

fn aggregate(how: &str, values: &[f64]) -> Option<f64> {
    let (sum, count) = (values.iter().sum::<f64>(), values.len() as f64);
    (!values.is_empty()).then(|| match how {
        "sum" => sum,
        "avg" => sum / count,
        "min" => values.iter().copied().fold(f64::INFINITY, f64::min),
        "max" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        _ => count,
    })
}

impl Selector {
    /// Reads a text that is a selector and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut scanner = Scanner(text);
        let selector = Self::read(&mut scanner)?;
        scanner.is_at_end().then_some(selector)
    }

    /// A name, matchers in braces, or both. One of the matchers has to want something.
    fn read(scanner: &mut Scanner<'_>) -> Option<Self> {
        let mut matchers = Vec::new();
        if let Some(name) = scanner.word() {
            if AGGREGATIONS.contains(&name) {
                return None;
            }
            matchers.extend(Matcher::new(NAME.to_owned(), "=", name.to_owned()));
        }
        if scanner.take("{") && !scanner.take("}") {
            matchers.push(scanner.matcher()?);
            while scanner.take(",") {
                matchers.push(scanner.matcher()?);
            }
            scanner.take("}").then_some(())?;
        }
        matchers.iter().any(|matcher| !matcher.takes("")).then_some(Self(matchers))
    }

    /// Whether it means the series with these labels.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|matcher| matcher.matches(labels))
    }

    fn evaluate(&self, all: &[Series], moments: &[i64]) -> Vec<Evaluated> {
        let meant = all.iter().filter(|series| self.matches(&series.labels));
        meant.map(|series| (series.labels.clone(), moments.iter().map(|at| (series.value)(*at)).collect())).collect()
    }
}
