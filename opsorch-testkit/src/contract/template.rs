//! Templates of paths, such as `/incidents/{id}/notes`.

use crate::double::decode;

/// A path with names for some of its parts.
pub(super) struct Template {
    text: String,
    segments: Vec<Vec<Piece>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Literal(String),
    Name(String),
}

impl Template {
    pub(super) fn new(text: &str) -> Self {
        let segments = below(text).map(pieces).collect();
        Self { text: text.to_owned(), segments }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The names and what stands in their places, decoded; `None` where the path is another.
    pub(super) fn values(&self, path: &str) -> Option<Vec<(String, String)>> {
        let parts: Vec<&str> = below(path).collect();
        if parts.len() != self.segments.len() {
            return None;
        }
        let mut values = Vec::new();
        for (pieces, part) in self.segments.iter().zip(parts) {
            read(pieces, &decode(part), &mut values)?;
        }
        Some(values)
    }

    /// Less is more concrete: for each segment, whether it is only literal, a mixture, or only a name.
    pub(super) fn looseness(&self) -> Vec<u8> {
        let rank = |pieces: &Vec<Piece>| match pieces.as_slice() {
            [] | [Piece::Literal(_)] => 0,
            [Piece::Name(_)] => 2,
            _ => 1,
        };
        self.segments.iter().map(rank).collect()
    }
}

/// The segments of a path. Only the first slash says nothing: `//incidents` is another path than `/incidents`.
fn below(path: &str) -> std::str::Split<'_, char> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

fn pieces(segment: &str) -> Vec<Piece> {
    let (mut pieces, mut rest) = (Vec::new(), segment);
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        pieces.extend((!before.is_empty()).then(|| Piece::Literal(before.to_owned())));
        pieces.push(Piece::Name(name.to_owned()));
        rest = after;
    }
    pieces.extend((!rest.is_empty()).then(|| Piece::Literal(rest.to_owned())));
    pieces
}

/// Reads a segment; a name takes at least one character, and ends where the next literal begins.
fn read(pieces: &[Piece], part: &str, values: &mut Vec<(String, String)>) -> Option<()> {
    match pieces {
        [] => part.is_empty().then_some(()),
        [Piece::Literal(literal), rest @ ..] => read(rest, part.strip_prefix(literal.as_str())?, values),
        [Piece::Name(name), rest @ ..] => {
            let end = match rest {
                [] => part.len(),
                [Piece::Literal(literal)] => part.len() - part.strip_suffix(literal.as_str()).map(|_| literal.len())?,
                [Piece::Literal(literal), ..] => part.find(literal.as_str())?,
                [Piece::Name(_), ..] => part.chars().next().map(char::len_utf8)?,
            };
            let (value, after) = part.split_at_checked(end).filter(|(value, _)| !value.is_empty())?;
            values.push((name.clone(), value.to_owned()));
            read(rest, after, values)
        }
    }
}
