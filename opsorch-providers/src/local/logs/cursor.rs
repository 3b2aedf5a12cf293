//! Where a search ended in each of its files.

use std::io;

use opsorch::{Cursor, Error, Result};

use super::backward::ReadAt;
use super::files::{Identity, LogFile, MOST_FILES, hash};

/// How many bytes before a position are remembered, as a hash, to see whether the file is still the same.
const REMEMBERED: u64 = 64;

/// The positions in all files that are not read to the end. What is newer than a position was seen; a file
/// without one was read, or did not exist.
///
/// As text: `1`, and for each file `,device-inode-offset-hash` in hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Positions(pub(super) Vec<Position>);

/// Where reading a file goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) file: Identity,
    pub(super) offset: u64,
    /// The hash of the bytes before the offset.
    before: u64,
}

impl Position {
    /// A position in a file.
    pub(super) fn new(file: &LogFile, offset: u64) -> io::Result<Self> {
        Ok(Self { file: file.identity, offset, before: hash_before(file, offset)? })
    }

    /// Whether the file still has what was before this position. It may have grown.
    pub(super) fn is_still_in(&self, file: &LogFile) -> io::Result<bool> {
        Ok(self.offset <= file.length && self.before == hash_before(file, self.offset)?)
    }
}

fn hash_before(file: &LogFile, offset: u64) -> io::Result<u64> {
    let length = offset.min(REMEMBERED);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_at(offset - length, &mut bytes)?;
    Ok(hash(&bytes))
}

impl Positions {
    pub(super) fn to_cursor(&self) -> Cursor {
        let mut text = "1".to_owned();
        for Position { file, offset, before } in &self.0 {
            text.push_str(&format!(",{file}-{offset:x}-{before:x}"));
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
            let positions = parts.next().filter(|version| *version == "1").map(|_| parts)?;
            let positions: Option<Vec<_>> = positions.take(MOST_FILES + 1).map(parse_position).collect();
            positions.filter(|positions| (1..=MOST_FILES).contains(&positions.len())).map(Self)
        };
        parse().ok_or_else(|| Error::invalid("cursor", "expected a cursor that an earlier page of this query returned"))
    }
}

fn parse_position(text: &str) -> Option<Position> {
    let mut numbers = text.split('-').map(|part| u64::from_str_radix(part, 16).ok());
    let [device, inode, offset, before] = [(); 4].map(|()| numbers.next().flatten());
    let position = Position { file: Identity(device?, inode?), offset: offset?, before: before? };
    numbers.next().is_none().then_some(position)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_as_it_was_written(numbers in prop::collection::vec(any::<[u64; 4]>(), 1..20)) {
            let position = |[device, inode, offset, before]: [u64; 4]| Position { file: Identity(device, inode), offset, before };
            let positions = Positions(numbers.into_iter().map(position).collect());
            prop_assert_eq!(Positions::parse(&positions.to_cursor()).unwrap(), positions);
        }

        #[test]
        fn any_other_text_is_refused(text in "\\PC*") {
            prop_assume!(!text.starts_with("1,"));
            prop_assert!(Positions::parse(&Cursor::new(text)).is_err());
        }
    }

    #[test]
    fn a_cursor_of_too_many_files_is_refused() {
        let text = format!("1{}", ",1-1-1-1".repeat(MOST_FILES + 1));
        assert!(Positions::parse(&Cursor::new(text)).is_err());
    }
}
