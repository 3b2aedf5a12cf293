//! Finding a secret in whatever spelling it comes.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;
use opsorch::secret::Secret;

/// One text to look for.
#[derive(Clone, Debug)]
pub(super) struct Needle {
    text: Secret,
    /// The number that stands in its place.
    pub(super) number: usize,
}

impl Needle {
    /// A secret as it is, and as base64 shows it wherever in the encoded text it begins.
    pub(super) fn all(secret: &Secret, number: usize) -> impl Iterator<Item = Self> {
        let text = secret.expose();
        let encoded = [STANDARD, URL_SAFE].into_iter().flat_map(|alphabet| {
            let engine = GeneralPurpose::new(&alphabet, NO_PAD);
            (0..3).map(move |offset| in_base64(&engine, text, offset))
        });
        let mut texts: Vec<String> = std::iter::once(text.to_owned()).chain(encoded).collect();
        texts.sort();
        texts.dedup();
        texts.into_iter().map(move |text| Self { text: Secret::new(text), number })
    }

    /// Where the text ends that begins here, if it does. Each character counts in every spelling: as it is, in another
    /// case, percent-encoded, as a form writes it or as JSON escapes it.
    fn end(&self, text: &[u8], start: usize) -> Option<usize> {
        let (first, wanted) = (text.get(start)?, self.text.expose().as_bytes().first()?);
        if !first.eq_ignore_ascii_case(wanted) && !matches!(first, b'%' | b'\\' | b'+') {
            return None;
        }
        let mut ends = vec![start];
        for character in self.text.expose().chars() {
            let next = |&at: &usize| {
                let rest = text.get(at..).unwrap_or_default();
                spellings(rest, character).into_iter().flatten().map(move |length| at + length)
            };
            ends = ends.iter().flat_map(next).collect();
            ends.sort_unstable();
            ends.dedup();
            if ends.is_empty() {
                return None;
            }
        }
        ends.last().copied()
    }
}

/// Whether one of them is in the text.
pub(super) fn contains(text: &[u8], needles: &[Needle]) -> bool {
    (0..text.len()).any(|at| longest(text, at, needles).is_some())
}

/// The text with every needle replaced by what `placeholder` makes of its number.
pub(super) fn replace(text: &[u8], needles: &[Needle], placeholder: fn(usize) -> String) -> Vec<u8> {
    let (mut replaced, mut at) = (Vec::with_capacity(text.len()), 0);
    while let Some(byte) = text.get(at) {
        if let Some((end, number)) = longest(text, at, needles) {
            replaced.extend_from_slice(placeholder(number).as_bytes());
            at = end;
        } else {
            replaced.push(*byte);
            at += 1;
        }
    }
    replaced
}

fn longest(text: &[u8], at: usize, needles: &[Needle]) -> Option<(usize, usize)> {
    let ends = needles.iter().filter_map(|needle| Some((needle.end(text, at)?, needle.number)));
    ends.filter(|(end, _)| *end > at).max_by_key(|(end, _)| *end)
}

/// What shows of a text in base64 when so many bytes stand before it: the characters that it alone decides.
fn in_base64(engine: &GeneralPurpose, text: &str, offset: usize) -> String {
    let encoded = engine.encode([vec![0; offset], text.as_bytes().to_vec()].concat());
    let (start, end) = ((offset * 8).div_ceil(6), (offset + text.len()) * 8 / 6);
    encoded.get(start..end).unwrap_or_default().to_owned()
}

/// How many bytes this character takes at the beginning of the text, in each spelling that is there.
fn spellings(text: &[u8], character: char) -> [Option<usize>; 4] {
    let mut buffer = [0; 4];
    let utf8 = character.encode_utf8(&mut buffer).as_bytes();
    [
        text.get(..utf8.len()).filter(|found| found.eq_ignore_ascii_case(utf8)).map(<[u8]>::len),
        percent_encoded(text, utf8),
        (character == ' ' && text.first() == Some(&b'+')).then_some(1),
        json_escaped(text, character),
    ]
}

fn percent_encoded(text: &[u8], utf8: &[u8]) -> Option<usize> {
    let encoded = text.get(..3 * utf8.len())?;
    let same = encoded.chunks(3).zip(utf8).all(|(encoded, byte)| match encoded {
        [b'%', digits @ ..] => {
            hexadecimal(digits).is_some_and(|found| found | case(*byte) == u32::from(*byte) | case(*byte))
        }
        _ => false,
    });
    same.then_some(encoded.len())
}

/// The bit that tells a small letter from a large one, where the byte is a letter.
fn case(byte: u8) -> u32 {
    if byte.is_ascii_alphabetic() { 0x20 } else { 0 }
}

fn json_escaped(text: &[u8], character: char) -> Option<usize> {
    let rest = text.strip_prefix(b"\\")?;
    let short = match rest.first()? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        byte @ (b'"' | b'\\' | b'/') => char::from(*byte),
        _ => return json_code_units(text, character),
    };
    (short == character).then_some(2)
}

/// `\u00e9`, and two of them for a character outside of the basic plane.
fn json_code_units(text: &[u8], character: char) -> Option<usize> {
    let mut length = 0;
    for unit in character.encode_utf16(&mut [0; 2]) {
        let digits = text.get(length..length + 6)?.strip_prefix(b"\\u")?;
        if hexadecimal(digits)? != u32::from(*unit) {
            return None;
        }
        length += 6;
    }
    Some(length)
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    let digits =
        std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(secret: &str, text: &str) -> bool {
        let needles: Vec<Needle> = Needle::all(&Secret::new(secret), 1).collect();
        contains(text.as_bytes(), &needles)
    }

    #[test]
    fn a_secret_is_found_in_every_spelling() {
        let secret = "s€c \"r/3t\"";
        for text in [
            "x s€c \"r/3t\" y",
            "S€C \"R/3T\"",
            "s%E2%82%ACc%20%22r%2F3t%22",
            "s%e2%82%acc+%22r/3t%22",
            "%73%E2%82%AC%43 %22r/3t%22",
            r#"s€c \"r\/3t\""#,
            r#"s\u20acc\u0020\u0022r/3t\""#,
        ] {
            assert!(found(secret, text), "{text}");
        }
        assert!(!found(secret, "s€c \"r/3t"));
        assert!(!found(secret, "s€c-\"r/3t\""));
    }

    #[test]
    fn a_percent_sign_of_the_secret_itself_is_no_riddle() {
        assert!(found("a%41b%25", "a%41b%25"));
        assert!(found("a%41b%25", "a%2541b%2525"));
        assert!(found("%a%a%a", "%25a%25a%25a"));
    }

    #[test]
    fn base64_is_found_wherever_the_secret_begins_in_it() {
        let engine = GeneralPurpose::new(&STANDARD, NO_PAD);
        for before in ["", "u:", "us:", "use:", "user:"] {
            for after in ["", "x", "xy", "xyz"] {
                assert!(found("canary", &engine.encode(format!("{before}canary{after}"))), "{before} {after}");
            }
        }
        assert!(found("canary", &engine.encode("canary").to_lowercase()));
        assert!(!found("canary", &engine.encode("canaries")));
    }

    #[test]
    fn the_longest_match_is_replaced() {
        let mut needles: Vec<Needle> = Needle::all(&Secret::new("canary"), 1).collect();
        needles.extend(Needle::all(&Secret::new("canary-long"), 2));
        let replaced = replace(b"a canary-long, a canary", &needles, |number| format!("<{number}>"));
        assert_eq!(String::from_utf8(replaced).unwrap(), "a <2>, a <1>");
    }
}
