//! Documents as accidents and enemies leave them: anything at all, and good ones that something happened to.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// The longest document: more accidents together would only take time.
const LONGEST: usize = 512 * 1024;

/// What happens to a document, at a place of it.
#[derive(Clone, Debug)]
enum Accident {
    /// A bit turns.
    Flip(u8),
    /// The rest is missing.
    Cut,
    /// A piece comes as often as this: a member twice, an endless list.
    Repeat(Index, usize),
    /// A value is within so many others, open or closed.
    Nest(usize, &'static str, &'static str),
    /// Something else stands in place of a number or a text.
    Replace(&'static str),
    /// Bytes come in between.
    Insert(Vec<u8>),
}

/// Values that parsers have been wrong about.
const VALUES: [&str; 22] = [
    "null",
    "true",
    "-0",
    "1e999",
    "1E-400",
    "0.1e-7",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "9007199254740993",
    "340282366920938463463374607431768211456",
    "NaN",
    "[]",
    "{}",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\u202e\"",
    "\"*\"",
    "\"9999-12-31T23:59:60Z\"",
    "\"-9999-01-01T00:00:00+99:99\"",
    "\"https://[::1\"",
];

const NESTS: [(&str, &str); 5] =
    [("[", "]"), ("{\"a\":", "}"), ("[[", "]"), ("{\"content\":[", "]}"), ("[[a.", "]]\n")];

fn accident() -> impl Strategy<Value = Accident> {
    let times = prop_oneof![4 => 2..5_usize, 1 => 100..2_000_usize];
    let depth = prop_oneof![2 => 1..20_usize, 1 => 100..200_usize, 1 => 1_000..20_000_usize];
    prop_oneof![
        3 => (0..8_u8).prop_map(Accident::Flip),
        1 => Just(Accident::Cut),
        2 => (any::<Index>(), times).prop_map(|(end, times)| Accident::Repeat(end, times)),
        2 => (depth, select(&NESTS[..])).prop_map(|(depth, (open, close))| Accident::Nest(depth, open, close)),
        4 => select(&VALUES[..]).prop_map(Accident::Replace),
        2 => prop::collection::vec(any::<u8>(), 1..8).prop_map(Accident::Insert),
    ]
}

/// Any bytes, any text, and what a few accidents make of good documents.
pub(crate) fn document(good: Vec<String>) -> impl Strategy<Value = Vec<u8>> {
    let accidents = prop::collection::vec((any::<Index>(), accident()), 0..5);
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..300),
        1 => "\\PC{0,60}|[\\[\\]{}\",:0-9.eE+*\\\\ \n-]{0,80}".prop_map(String::into_bytes),
        12 => (select(good), accidents).prop_map(|(good, accidents)| {
            accidents.into_iter().fold(good.into_bytes(), |document, (at, what)| happens(document, at, what))
        }),
    ]
}

/// The same as text: what is not UTF-8 is replaced.
#[allow(dead_code)] // not every binary has texts
pub(crate) fn text(good: Vec<String>) -> impl Strategy<Value = String> {
    document(good).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn happens(mut document: Vec<u8>, at: Index, what: Accident) -> Vec<u8> {
    let place = at.index(document.len() + 1);
    match what {
        Accident::Flip(bit) => document.get_mut(place).map_or((), |byte| *byte ^= 1 << bit),
        Accident::Cut => document.truncate(place),
        Accident::Repeat(end, times) => {
            let end = (place + end.index(200)).min(document.len());
            let piece = document[place..end].repeat(times);
            document.splice(place..place, piece);
        }
        Accident::Nest(depth, open, close) => {
            let (begin, end) = value_near(&document, place);
            document.splice(end..end, close.repeat(depth).into_bytes());
            document.splice(begin..begin, open.repeat(depth).into_bytes());
        }
        Accident::Replace(with) => {
            let (begin, end) = value_near(&document, place);
            document.splice(begin..end, with.bytes());
        }
        Accident::Insert(bytes) => _ = document.splice(place..place, bytes),
    }
    document.truncate(LONGEST);
    document
}

/// Where the value at or after a place begins and ends: what is between two signs of JSON or TOML.
fn value_near(document: &[u8], place: usize) -> (usize, usize) {
    let is_sign = |byte: &u8| b":,[]{}=\n".contains(byte);
    let begin = document[place..].iter().position(is_sign).map_or(place, |at| place + at + 1);
    let end = document[begin..].iter().position(is_sign).map_or(document.len(), |at| begin + at);
    (begin, end)
}
