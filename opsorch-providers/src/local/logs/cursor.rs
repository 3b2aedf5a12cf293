//! Where a search ended in each of its files.

use std::collections::BTreeSet;
use std::io;

use opsorch::{Cursor, Error, Result};

use super::files::{Identity, LogFile, MOST_FILES};
use super::source::Source;

/// The positions in all files that are not read to the end. What is newer than a position was seen; a file
/// without one was read, or did not exist.
///
/// As text: `2`, and for each file `,device-inode-family-offset-head-before` in hexadecimal digits. What is not known is
/// left empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Positions(pub(super) Vec<Position>);

/// Where reading a file goes on, and what the file is known by when it is rotated meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) file: Identity,
    family: u64,
    /// In the content, decompressed; absent if reading did not begin, as of an old compressed file.
    pub(super) offset: Option<u64>,
    /// The hash of the first bytes, as far as they are before the offset.
    head: u64,
    /// The hash of the bytes before the offset; absent if reading did not begin, or they could not be read.
    before: Option<u64>,
}

impl Position {
    /// Where reading goes on in a file.
    pub(super) fn of(source: &mut Source, offset: Option<u64>) -> Self {
        // Without this it is still known by the rest.
        let before = offset.and_then(|offset| source.before(offset).ok());
        Self { before, ..Self::new(source, offset) }
    }

    /// Where a file was read last, which cannot be read any more under its name.
    pub(super) fn last_read(source: &Source, seen: Option<u64>) -> Self {
        match source.last_read() {
            Some((offset, before)) => Self { before: Some(before), ..Self::new(source, Some(offset)) },
            None => Self::new(source, seen),
        }
    }

    fn new(source: &Source, offset: Option<u64>) -> Self {
        let head = source.head(offset.unwrap_or(u64::MAX));
        Self { file: source.file.identity, family: source.file.family(), offset, head, before: None }
    }

    /// Whether a file can have the content of this one, by its name.
    pub(super) fn is_related_to(&self, file: &LogFile) -> bool {
        self.family == file.family()
    }

    /// Whether a file has the content that was before this position. It may have grown.
    pub(super) fn is_in(&self, source: &mut Source) -> io::Result<bool> {
        if source.head(self.offset.unwrap_or(u64::MAX)) != self.head {
            return Ok(false);
        }
        let Some(offset) = self.offset else { return Ok(true) };
        // Also where the bytes are not known, they must be there.
        match source.before(offset) {
            Ok(before) => Ok(self.before.is_none_or(|expected| expected == before)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Positions {
    pub(super) fn to_cursor(&self) -> Cursor {
        let digits = |number: Option<u64>| number.map(|number| format!("{number:x}")).unwrap_or_default();
        let mut text = "2".to_owned();
        for Position { file, family, offset, head, before } in &self.0 {
            text.push_str(&format!(",{file}-{family:x}-{}-{head:x}-{}", digits(*offset), digits(*before)));
        }
        Cursor::new(text)
    }

    /// Reads a cursor.
    ///
    /// # Errors
    /// `Invalid` for a text that is no cursor of a search.
    pub(super) fn parse(cursor: &Cursor) -> Result<Self> {
        let parse = || {
            let mut parts = cursor.as_str().split(',');
            let positions = parts.next().filter(|version| *version == "2").map(|_| parts)?;
            let positions: Option<Vec<_>> = positions.take(MOST_FILES + 1).map(parse_position).collect();
            let positions = positions.filter(|positions| (1..=MOST_FILES).contains(&positions.len()))?;
            let files: BTreeSet<_> = positions.iter().map(|position| position.file).collect();
            (files.len() == positions.len()).then_some(Self(positions))
        };
        parse().ok_or_else(|| Error::invalid("cursor", "expected a cursor that an earlier page of this query returned"))
    }
}

fn parse_position(text: &str) -> Option<Position> {
    let number = |part: &str| u64::from_str_radix(part, 16).ok();
    let optional = |part: &str| if part.is_empty() { Some(None) } else { number(part).map(Some) };
    let parts: Vec<_> = text.splitn(7, '-').collect();
    let [device, inode, family, offset, head, before] = parts.try_into().ok()?;
    Some(Position {
        file: Identity(number(device)?, number(inode)?),
        family: number(family)?,
        offset: optional(offset)?,
        head: number(head)?,
        before: optional(before)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position() -> impl Strategy<Value = Position> {
        let numbers = (any::<[u64; 4]>(), any::<Option<u64>>(), any::<Option<u64>>());
        numbers.prop_map(|([device, inode, family, head], offset, before)| Position {
            file: Identity(device, inode),
            family,
            offset,
            head,
            before,
        })
    }

    proptest! {
        #[test]
        fn a_cursor_is_read_as_it_was_written(positions in prop::collection::vec(position(), 1..20)) {
            let positions = Positions(positions);
            prop_assert_eq!(Positions::parse(&positions.to_cursor()).unwrap(), positions);
        }

        #[test]
        fn any_other_text_is_refused(text in "\\PC*") {
            prop_assume!(!text.starts_with("2,"));
            prop_assert!(Positions::parse(&Cursor::new(text)).is_err());
        }
    }

    #[test]
    fn a_cursor_of_too_many_files_is_refused() {
        let text = format!("2{}", ",1-1-1-1-1-1".repeat(MOST_FILES + 1));
        assert!(Positions::parse(&Cursor::new(text)).is_err());
    }
}
