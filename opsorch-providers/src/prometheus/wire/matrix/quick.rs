//! The quick reader of a matrix, for the one way in which servers write it: without blanks, and `metric` before
//! `values`.
//!
//! It takes the series out of the answer, and serde reads what is left of it. Where it meets anything else it gives up,
//! and serde reads the whole: so it decides how long reading takes, and never what is read.

use opsorch::Time;

use super::{Labels, MOST_SERIES, Part, QueryResult, Series, parse_value};
use crate::prometheus::wire::Envelope;

/// What stands before the series: nothing else in an answer is called so.
const RESULT: &[u8] = b"\"resultType\":\"matrix\",\"result\":[";

/// How far into an answer the series begin, at most.
const HEAD: usize = 1024;

/// The largest number up to which a 64-bit float has every integer.
const EXACT: u64 = 1 << 53;

/// The powers of ten by which a division is exact to the last bit, as far as they are needed.
const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Reads an answer; `None` where it is not written as expected.
pub(super) fn read(body: &[u8]) -> Option<Envelope<QueryResult>> {
    let at = body.get(..HEAD.min(body.len()))?.windows(RESULT.len()).position(|window| window == RESULT)?;
    let (head, rest) = body.split_at_checked(at + RESULT.len())?;
    let (series, tail) = all_series(rest)?;
    let mut envelope: Envelope<QueryResult> = serde_json::from_slice(&[head, tail].concat()).ok()?;
    // The series belong where they were taken out.
    let data = envelope.data.as_mut().filter(|data| data.result.is_empty())?;
    data.result = series;
    Some(envelope)
}

/// Reads series up to the bracket after the last.
fn all_series(mut rest: &[u8]) -> Option<(Vec<Part>, &[u8])> {
    let mut all = Vec::new();
    loop {
        let (series, after) = one_series(rest, &all)?;
        if all.len() == MOST_SERIES {
            return None;
        }
        all.push(Part::Series(series));
        match after.strip_prefix(b",") {
            Some(after) => rest = after,
            None => return after.starts_with(b"]").then_some((all, after)),
        }
    }
}

fn one_series<'a>(rest: &'a [u8], before: &[Part]) -> Option<(Series, &'a [u8])> {
    let rest = rest.strip_prefix(b"{\"metric\":")?;
    let mut stream = serde_json::Deserializer::from_slice(rest).into_iter::<Labels>();
    let Labels((name, labels)) = stream.next()?.ok()?;
    let rest = rest.get(stream.byte_offset()..)?.strip_prefix(b",\"values\":[")?;
    let mut series = Series { name, labels, ..Series::default() };
    // Series of one matrix have about as many points each.
    if let Some(Part::Series(before)) = before.last() {
        series.points.reserve(before.points.len());
    }
    let rest = samples(rest, &mut series)?.strip_prefix(b"}")?;
    Some((series, rest))
}

/// Reads samples and the bracket after the last.
fn samples<'a>(mut rest: &'a [u8], series: &mut Series) -> Option<&'a [u8]> {
    loop {
        let (milliseconds, after) = time(rest.strip_prefix(b"[")?)?;
        let (value, after) = value(after.strip_prefix(b",\"")?)?;
        series.push(Time::from_timestamp_millis(milliseconds)?, value);
        rest = after.strip_prefix(b"\"]")?;
        match rest.split_first()? {
            (b',', after) => rest = after,
            (b']', after) => return Some(after),
            _ => return None,
        }
    }
}

/// Reads seconds with at most three decimals, as milliseconds.
fn time(text: &[u8]) -> Option<(i64, &[u8])> {
    let (seconds, count, rest) = digits(text, 0)?;
    // JSON has no number that begins with another zero, or that has no digit on a side of its point.
    if count == 0 || (count > 1 && text.starts_with(b"0")) {
        return None;
    }
    let (number, factor, rest) = match rest.strip_prefix(b".") {
        Some(decimals) => {
            let (number, places, rest) = digits(decimals, seconds)?;
            (number, *[1000, 100, 10, 1].get(places).filter(|_| places > 0)?, rest)
        }
        None => (seconds, 1000, rest),
    };
    Some((i64::try_from(number).ok()?.checked_mul(factor)?, rest))
}

/// Reads the number in quotes, up to the quote after it.
fn value(text: &[u8]) -> Option<(f64, &[u8])> {
    short_decimal(text).or_else(|| {
        let (value, rest) = text.split_at_checked(text.iter().position(|byte| *byte == b'"')?)?;
        Some((parse_value(std::str::from_utf8(value).ok()?)?, rest))
    })
}

/// Reads a decimal of so few digits that it is one exact float divided by another, which IEEE 754 rounds correctly.
fn short_decimal(text: &[u8]) -> Option<(f64, &[u8])> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (whole, count, rest) = digits(text, 0)?;
    let (number, places, rest) = match rest.strip_prefix(b".") {
        Some(decimals) => digits(decimals, whole)?,
        None => (whole, 0, rest),
    };
    if count == 0 || number > EXACT || !rest.starts_with(b"\"") {
        return None;
    }
    let value = number as f64 / POWERS.get(places)?;
    Some((if negative { -value } else { value }, rest))
}

/// Appends digits to a number; returns how many, and what follows. `None` for more than there is room for.
fn digits(text: &[u8], mut number: u64) -> Option<(u64, usize, &[u8])> {
    let mut count = 0;
    while let Some(digit @ b'0'..=b'9') = text.get(count) {
        number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        count += 1;
    }
    Some((number, count, text.get(count..)?))
}
