//! Reads the lines of a file from its end towards its beginning.

use std::io;

/// How many bytes are read at a time.
pub(super) const BLOCK: usize = 64 << 10;

/// The bytes of a line that are kept; what is longer is cut.
pub(super) const LONGEST_LINE: usize = 64 << 10;

/// The longest line of which the beginning is looked for.
pub(super) const LONGEST_PASSED: u64 = 64 << 20;

/// Something whose bytes can be read at any place.
pub(super) trait ReadAt {
    /// Fills the buffer with the bytes that begin at an offset.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Notes that so many bytes were read of a line that is too long, and are left out.
    ///
    /// # Errors
    /// To end the reading, of a line that may have no end.
    fn pass_over(&mut self, bytes: u64) -> io::Result<()>;
}

/// A line without its end, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The offset of its first byte.
    pub(super) start: u64,
    /// The offset after its end.
    pub(super) end: u64,
    pub(super) bytes: Vec<u8>,
    /// Whether bytes at its end were left out.
    pub(super) cut: bool,
}

/// The lines before an offset, the last first. It holds a block, and never more of a line than is kept of it.
#[derive(Debug)]
pub(super) struct Backward<S> {
    source: S,
    block: usize,
    /// Where the bytes begin that are held.
    start: u64,
    held: Vec<u8>,
    /// How many bytes after those held belong to the same line and were left out.
    left_out: u64,
}

impl<S: ReadAt> Backward<S> {
    /// The lines before `end`, read in blocks of this many bytes.
    pub(super) fn new(source: S, end: u64, block: usize) -> Self {
        Self { source, block: block.max(1), start: end, held: Vec::new(), left_out: 0 }
    }

    /// What the lines are read from.
    pub(super) fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// Goes on with the lines before another offset.
    pub(super) fn go_to(&mut self, end: u64) {
        (self.start, self.left_out) = (end, 0);
        self.held.clear();
    }

    /// Leaves out the last line if its end is not written, and returns where the lines end then.
    pub(super) fn skip_unfinished(&mut self) -> io::Result<u64> {
        let end = self.start + length(&self.held);
        if self.held.is_empty() && !self.read_block()? || self.held.last() == Some(&b'\n') {
            return Ok(end);
        }
        Ok(self.next_line()?.map_or(end, |line| line.start))
    }

    /// The next line towards the beginning, `None` at the beginning.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Line>> {
        if self.held.is_empty() && !self.read_block()? {
            return Ok(None);
        }
        let end = self.start + length(&self.held);
        // The last byte ends this line, if it is a line's end at all: it does not end the line before.
        let ended = self.held.last() == Some(&b'\n');
        if ended {
            self.held.pop();
        }
        let mut unsearched = self.held.len();
        let bytes = loop {
            let unsearched_bytes = self.held.get(..unsearched).unwrap_or_default();
            if let Some(newline) = unsearched_bytes.iter().rposition(|&byte| byte == b'\n') {
                break self.held.split_off(newline + 1);
            }
            let held = self.held.len();
            if !self.read_block()? {
                break std::mem::take(&mut self.held);
            }
            unsearched = self.held.len().saturating_sub(held);
            self.leave_out_beyond(unsearched)?;
        };
        Ok(Some(self.line(bytes, end)))
    }

    /// Reads the block before the bytes that are held; `false` if there is none.
    fn read_block(&mut self) -> io::Result<bool> {
        let size = self.block.min(usize::try_from(self.start).unwrap_or(usize::MAX));
        if size == 0 {
            return Ok(false);
        }
        let mut block = vec![0; size];
        let start = self.start - length(&block);
        self.source.read_at(start, &mut block)?;
        block.append(&mut self.held);
        (self.start, self.held) = (start, block);
        Ok(true)
    }

    /// Drops what cannot be a part of the kept beginning of the line, of which all but the first bytes were searched.
    ///
    /// # Errors
    /// `FileTooLarge` for a line that is longer than [`LONGEST_PASSED`].
    fn leave_out_beyond(&mut self, unsearched: usize) -> io::Result<()> {
        let most = unsearched.saturating_add(LONGEST_LINE);
        let beyond = length(self.held.get(most..).unwrap_or_default());
        if beyond > 0 {
            self.left_out += beyond;
            self.held.truncate(most);
            self.source.pass_over(beyond)?;
        }
        if self.left_out > LONGEST_PASSED { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(()) }
    }

    fn line(&mut self, mut bytes: Vec<u8>, end: u64) -> Line {
        let start = self.start + length(&self.held);
        let cut = std::mem::take(&mut self.left_out) > 0 || bytes.len() > LONGEST_LINE;
        bytes.truncate(LONGEST_LINE);
        if !cut && bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        Line { start, end, bytes, cut }
    }
}

pub(super) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl ReadAt for Vec<u8> {
        fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
            let offset = usize::try_from(offset).unwrap();
            buffer.copy_from_slice(&self[offset..offset + buffer.len()]);
            Ok(())
        }

        fn pass_over(&mut self, _: u64) -> io::Result<()> {
            Ok(())
        }
    }

    fn backward(bytes: &[u8], end: u64, block: usize) -> Vec<Line> {
        let mut lines = Backward::new(bytes.to_vec(), end, block);
        let mut read: Vec<_> = std::iter::from_fn(|| lines.next_line().unwrap()).collect();
        read.reverse();
        read
    }

    fn forward(bytes: &[u8]) -> Vec<Line> {
        let mut start = 0;
        let lines = bytes.split_inclusive(|&byte| byte == b'\n').map(|whole| {
            let line = whole.strip_suffix(b"\n").unwrap_or(whole);
            let cut = line.len() > LONGEST_LINE;
            let kept = if cut { &line[..LONGEST_LINE] } else { line.strip_suffix(b"\r").unwrap_or(line) };
            let end = start + length(whole);
            Line { start: std::mem::replace(&mut start, end), end, bytes: kept.to_vec(), cut }
        });
        lines.collect()
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![2 => Just(b'\n'), 1 => Just(b'\r'), 5 => any::<u8>()], 0..200)
    }

    proptest! {
        #[test]
        fn reading_backwards_finds_the_lines_that_reading_forwards_finds(bytes in text(), block in 1_usize..70) {
            prop_assert_eq!(backward(&bytes, length(&bytes), block), forward(&bytes));
        }

        #[test]
        fn reading_from_the_start_of_a_line_finds_the_lines_before_it(bytes in text(), block in 1_usize..70, at in any::<prop::sample::Index>()) {
            let lines = forward(&bytes);
            prop_assume!(!lines.is_empty());
            let at = at.index(lines.len());
            prop_assert_eq!(&backward(&bytes, lines[..at].last().map_or(0, |line| line.end), block), &lines[..at]);
        }
    }

    #[test]
    fn a_line_whose_end_is_not_written_can_be_left_out() {
        for (text, end) in [("", 0), ("a\nb\n", 4), ("a\nbc", 2), ("abc", 0), ("\n", 1)] {
            for block in 1..5 {
                let mut lines = Backward::new(text.as_bytes().to_vec(), length(text.as_bytes()), block);
                assert_eq!(lines.skip_unfinished().unwrap(), end, "{text:?} {block}");
                let rest: Vec<_> = std::iter::from_fn(|| lines.next_line().unwrap()).collect();
                assert_eq!(rest, backward(text.as_bytes(), end, 7).into_iter().rev().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_long_line_is_cut_at_the_same_place_whatever_the_block() {
        for long in [LONGEST_LINE - 1, LONGEST_LINE, LONGEST_LINE + 1, 3 * LONGEST_LINE + 17] {
            let mut bytes = b"before\n".to_vec();
            bytes.extend((b'a'..=b'z').cycle().take(long));
            bytes.extend(b"\nafter\n");
            for block in [1 << 10, LONGEST_LINE, (1 << 16) + 1, 1 << 20] {
                assert_eq!(backward(&bytes, length(&bytes), block), forward(&bytes), "{long} in blocks of {block}");
            }
        }
    }
}
