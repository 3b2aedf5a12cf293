//! Who must agree before a change runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most people one quorum can ask for.
const MAX_PEOPLE: u32 = 32;

/// How many distinct people of which roles must agree: `2 of sre and 1 of security`.
///
/// A person counts once and fills one place, whatever roles they hold. Two conditions can follow:
/// `principal excluded`, so that whoever an agent acts for may not answer its requests, and
/// `redeemable by deployer, release`, the roles that may redeem the grant beside its requester.
///
/// ```
/// use opsorch_schema::Quorum;
///
/// let quorum: Quorum = "2 of sre and 1 of security".parse()?;
/// assert_eq!(quorum, Quorum::of(1, "security").and(2, "sre"));
/// assert_eq!(quorum.to_string(), "1 of security and 2 of sre");
///
/// let strict = Quorum::of(1, "sre").excluding_principal().redeemable_by("release");
/// assert_eq!(strict.to_string(), "1 of sre; principal excluded; redeemable by release");
/// # Ok::<(), opsorch_schema::QuorumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quorum {
    /// The number of people for each role.
    pub places: BTreeMap<String, u32>,
    /// Whether the person whom the requester acts for may not answer.
    pub principal_excluded: bool,
    /// The roles that may redeem the grant, beside its requester.
    pub redeemers: BTreeSet<String>,
}

impl Quorum {
    /// So many people of a role; at least one, at most 32.
    pub fn of(people: u32, role: impl Into<String>) -> Self {
        Self {
            places: BTreeMap::from([(role.into(), people.clamp(1, MAX_PEOPLE))]),
            principal_excluded: false,
            redeemers: BTreeSet::new(),
        }
    }

    /// And so many people of another role.
    pub fn and(mut self, people: u32, role: impl Into<String>) -> Self {
        let place = self.places.entry(role.into()).or_default();
        *place = (*place).max(people.clamp(1, MAX_PEOPLE));
        self
    }

    /// Forbids the person whom the requester acts for to answer.
    pub fn excluding_principal(mut self) -> Self {
        self.principal_excluded = true;
        self
    }

    /// Lets a role redeem the grant, beside its requester.
    pub fn redeemable_by(mut self, role: impl Into<String>) -> Self {
        self.redeemers.insert(role.into());
        self
    }

    /// The least quorum that satisfies both: for each role the larger number, and every condition of either.
    pub fn join(mut self, other: &Self) -> Self {
        for (role, people) in &other.places {
            let place = self.places.entry(role.clone()).or_default();
            *place = (*place).max(*people);
        }
        self.principal_excluded |= other.principal_excluded;
        self.redeemers.retain(|role| other.redeemers.contains(role));
        self
    }

    /// Whether an actor with these roles can fill a place.
    pub fn admits(&self, roles: &BTreeSet<String>) -> bool {
        self.places.keys().any(|role| roles.contains(role))
    }

    /// Whether these people, each given by the roles they hold, fill every place. Each of them fills one place.
    pub fn is_met_by(&self, people: &[BTreeSet<String>]) -> bool {
        let places = self.places.iter().flat_map(|(role, count)| std::iter::repeat_n(role, *count as usize));
        let places: Vec<&String> = places.collect();
        // Kuhn's algorithm for bipartite matching: `seats[person]` is the place that the person fills.
        let mut seats: Vec<Option<usize>> = vec![None; people.len()];
        (0..places.len()).all(|place| {
            let mut asked = vec![false; people.len()];
            seat(place, &places, people, &mut seats, &mut asked)
        })
    }
}

/// Finds someone for a place, moving others to another of their places where that helps.
fn seat(
    place: usize,
    places: &[&String],
    people: &[BTreeSet<String>],
    seats: &mut [Option<usize>],
    asked: &mut [bool],
) -> bool {
    for (person, roles) in people.iter().enumerate() {
        let fits = places.get(place).is_some_and(|role| roles.contains(*role));
        let (Some(seen), Some(taken)) = (asked.get_mut(person), seats.get(person).copied()) else { continue };
        if !fits || std::mem::replace(seen, true) {
            continue;
        }
        if taken.is_none_or(|other| seat(other, places, people, seats, asked)) {
            if let Some(place_of_person) = seats.get_mut(person) {
                *place_of_person = Some(place);
            }
            return true;
        }
    }
    false
}

impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (role, people)) in self.places.iter().enumerate() {
            let separator = if index == 0 { "" } else { " and " };
            write!(f, "{separator}{people} of {role}")?;
        }
        if self.principal_excluded {
            f.write_str("; principal excluded")?;
        }
        if !self.redeemers.is_empty() {
            let roles: Vec<_> = self.redeemers.iter().map(String::as_str).collect();
            write!(f, "; redeemable by {}", roles.join(", "))?;
        }
        Ok(())
    }
}

impl FromStr for Quorum {
    type Err = QuorumError;

    fn from_str(text: &str) -> Result<Self, QuorumError> {
        let error = || QuorumError { text: text.chars().take(200).collect() };
        let mut parts = text.split(';').map(str::trim);
        let mut quorum = places(parts.next().unwrap_or_default()).ok_or_else(error)?;
        for condition in parts {
            if condition == "principal excluded" {
                quorum = quorum.excluding_principal();
            } else if let Some(roles) = condition.strip_prefix("redeemable by ") {
                for role in roles.split(',') {
                    quorum = quorum.redeemable_by(one_word(role).ok_or_else(error)?);
                }
            } else {
                return Err(error());
            }
        }
        Ok(quorum)
    }
}

/// Reads `2 of sre and 1 of security`.
fn places(text: &str) -> Option<Quorum> {
    let mut quorum: Option<Quorum> = None;
    for part in text.split(" and ") {
        let (people, role) = part.trim().split_once(" of ")?;
        let people = people.trim().parse().ok().filter(|people| (1..=MAX_PEOPLE).contains(people))?;
        let role = one_word(role)?;
        quorum = Some(match quorum {
            Some(earlier) => earlier.and(people, role),
            None => Quorum::of(people, role),
        });
    }
    quorum
}

fn one_word(text: &str) -> Option<&str> {
    let word = text.trim();
    (!word.is_empty() && !word.contains(|c: char| c.is_whitespace() || ",;".contains(c))).then_some(word)
}

/// A quorum that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a quorum such as `2 of sre and 1 of security` (1 to 32 people, one word a role), got `{text}`")]
pub struct QuorumError {
    text: String,
}

impl Serialize for Quorum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quorum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Quorum {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quorum".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["1 of sre", "2 of sre and 1 of security"] })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn people(roles: &[&[&str]]) -> Vec<BTreeSet<String>> {
        roles.iter().map(|held| held.iter().map(|role| role.to_string()).collect()).collect()
    }

    #[test]
    fn one_person_in_two_roles_fills_one_place() {
        let quorum = Quorum::of(1, "sre").and(1, "security");
        assert!(!quorum.is_met_by(&people(&[&["sre", "security"]])));
        assert!(quorum.is_met_by(&people(&[&["sre", "security"], &["sre"]])));
        assert!(quorum.is_met_by(&people(&[&["sre"], &["sre", "security"]])));
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for text in [
            "",
            "sre",
            "0 of sre",
            "33 of sre",
            "1 of",
            "1 of a b",
            "1 of sre and",
            "1 of sre; twice",
            "1 of sre; redeemable by ",
        ] {
            let error = text.parse::<Quorum>().unwrap_err().to_string();
            assert!(error.contains("`2 of sre and 1 of security`"), "{error}");
        }
    }

    fn quorum() -> impl Strategy<Value = Quorum> {
        let places = prop::collection::btree_map("[abc]", 1..4u32, 1..4);
        let redeemers = prop::collection::btree_set("[xyz]", 0..3);
        (places, any::<bool>(), redeemers).prop_map(|(places, principal_excluded, redeemers)| Quorum {
            places,
            principal_excluded,
            redeemers,
        })
    }

    fn crowd() -> impl Strategy<Value = Vec<BTreeSet<String>>> {
        prop::collection::vec(prop::collection::btree_set("[abc]", 0..3), 0..7)
    }

    proptest! {
        #[test]
        fn printing_and_reading_gives_the_same(quorum in quorum()) {
            prop_assert_eq!(quorum.to_string().parse(), Ok(quorum));
        }

        #[test]
        fn join_is_a_lattice(a in quorum(), b in quorum(), c in quorum()) {
            prop_assert_eq!(a.clone().join(&a), a.clone());
            prop_assert_eq!(a.clone().join(&b), b.clone().join(&a));
            prop_assert_eq!(a.clone().join(&b).join(&c), a.clone().join(&b.clone().join(&c)));
        }

        #[test]
        fn whoever_meets_the_join_meets_both(a in quorum(), b in quorum(), people in crowd()) {
            if a.clone().join(&b).is_met_by(&people) {
                prop_assert!(a.is_met_by(&people) && b.is_met_by(&people));
            }
        }

        /// Against the definition, tried out: is there an order of people in which each fills the next place?
        #[test]
        fn matching_equals_trying_every_assignment(quorum in quorum(), people in crowd()) {
            fn fill(places: &[&String], people: &[BTreeSet<String>]) -> bool {
                let Some((place, rest)) = places.split_first() else { return true };
                (0..people.len()).any(|chosen| {
                    let mut others = people.to_vec();
                    let roles = others.remove(chosen);
                    roles.contains(*place) && fill(rest, &others)
                })
            }
            let places: Vec<&String> = quorum.places.iter()
                .flat_map(|(role, count)| std::iter::repeat_n(role, *count as usize)).collect();
            prop_assume!(places.len() <= 6);
            prop_assert_eq!(quorum.is_met_by(&people), fill(&places, &people));
        }
    }
}
