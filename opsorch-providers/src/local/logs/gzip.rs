//! Reads a file that gzip compressed as if it were plain.
//!
//! It can only be decompressed forwards, while logs are read backwards. So it is decompressed from its beginning up to
//! where reading is, and the last bytes of that are held. When reading has gone through those, it is decompressed anew,
//! up to there, and twice as many are held, so that few such passes are needed.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::rc::Rc;
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use super::backward::{BLOCK, length};
use super::files::LogFile;
use super::halt::Halt;
use super::open::ends_page;

/// How many blocks are held for the first pass of a file, at most for a later one, and, if that can be, of all files.
const FIRST_HELD: usize = 64;
const MOST_HELD: usize = 512;
const MOST_HELD_OF_ALL: usize = 768;

/// How many blocks each file holds in any case: more than it takes to put an entry together.
const LEAST_HELD: usize = 16;

/// How many bytes of lines that are too long are read for one page.
const MOST_PASSED: u64 = 256 << 20;

/// How many compressed bytes there may be before anything comes out, and then for each byte that does. Deflate needs
/// hardly more than one; short lines that were each compressed by themselves need some.
const FIRST_STORED: u64 = 512 << 10;
const STORED_PER_BYTE: u64 = 4;

/// What one page may spend on reading, over all of its files.
#[derive(Clone, Debug)]
pub(super) struct Budget(Rc<Spent>);

#[derive(Debug)]
struct Spent {
    /// How many bytes are decompressed of one file at most: a file of some megabytes could be made to have terabytes.
    most_of_a_file: u64,
    /// How many blocks may still be held.
    blocks: Cell<usize>,
    /// How many bytes may still be decompressed, with those that they are made of.
    bytes: Cell<u64>,
    /// How many bytes may still be read of lines that are too long.
    passed: Cell<u64>,
}

impl Budget {
    /// At most so many bytes of one file, and of all files with each time that they are decompressed.
    pub(super) fn new(most_of_a_file: u64, bytes: u64) -> Self {
        let (blocks, bytes, passed) = (Cell::new(MOST_HELD_OF_ALL), Cell::new(bytes), Cell::new(MOST_PASSED));
        Self(Rc::new(Spent { most_of_a_file, blocks, bytes, passed }))
    }

    /// Spends bytes of a line that is too long.
    ///
    /// # Errors
    /// `QuotaExceeded` if that are too many.
    pub(super) fn pass_over(&self, bytes: u64) -> io::Result<()> {
        spend(&self.0.passed, bytes)
    }
}

fn spend(left: &Cell<u64>, bytes: u64) -> io::Result<()> {
    left.set(left.get().checked_sub(bytes).ok_or(io::ErrorKind::QuotaExceeded)?);
    Ok(())
}

/// Decompresses a file.
pub(super) type Decoder = MultiGzDecoder<BufReader<Stored>>;

/// Begins to decompress a file, which is read in steps of so many bytes.
///
/// # Errors
/// Those of opening it. Reading fails with `TimedOut` if the search is to end, with `QuotaExceeded` where the page has
/// spent what it may, and with others for what is damaged.
pub(super) fn decoder(file: &LogFile, step: usize, budget: &Budget) -> io::Result<Decoder> {
    let (halt, budget) = (Arc::clone(&file.halt), budget.clone());
    let stored = Stored { file: file.open()?, halt, budget, left: FIRST_STORED };
    Ok(MultiGzDecoder::new(BufReader::with_capacity(step, stored)))
}

/// The compressed bytes of a file. Of any number of them nothing may come out, and then only this ends the reading.
#[derive(Debug)]
pub(super) struct Stored {
    file: File,
    halt: Arc<Halt>,
    budget: Budget,
    /// How many may be read before something comes out.
    left: u64,
}

impl Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.halt.check()?;
        let read = self.file.read(buffer)?;
        let bytes = length(buffer.get(..read).unwrap_or_default());
        spend(&self.budget.0.bytes, bytes)?;
        let too_many = || io::Error::new(io::ErrorKind::InvalidData, "hardly anything comes out of it");
        self.left = self.left.checked_sub(bytes).ok_or_else(too_many)?;
        Ok(read)
    }
}

/// The bytes of a compressed file.
#[derive(Debug)]
pub(super) struct Gzip {
    budget: Budget,
    /// How many blocks may be held.
    room: usize,
    /// Consecutive blocks, all but the last of one size.
    held: VecDeque<Vec<u8>>,
    /// The offset of the first byte that is held.
    start: u64,
}

/// How far decompressing came, and what is wrong beyond.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) end: u64,
    pub(super) damage: Option<String>,
}

impl Gzip {
    pub(super) fn new(budget: Budget) -> Self {
        Self { budget, room: 0, held: VecDeque::new(), start: 0 }
    }

    /// Decompresses up to an offset, or up to the end or the first damage, and holds the last bytes of that.
    ///
    /// # Errors
    /// Those of opening the file, and those of [`ends_page`].
    pub(super) fn pass(&mut self, file: &LogFile, up_to: u64) -> io::Result<Pass> {
        let mut decoder = decoder(file, BLOCK, &self.budget)?;
        self.grow();
        (self.start, self.held) = (0, VecDeque::with_capacity(self.room + 1));
        let mut pass = Pass { end: 0, damage: None };
        let most = self.budget.0.most_of_a_file;
        while pass.end < up_to && pass.damage.is_none() {
            let mut block = self.next_block();
            pass.damage = match fill(&mut decoder, &mut block) {
                Err(error) if ends_page(&error) => return Err(error),
                filled => filled.err().map(|error| format!("it is damaged: {error}")),
            };
            decoder.get_mut().get_mut().left += STORED_PER_BYTE * length(&block);
            spend(&self.budget.0.bytes, length(&block))?;
            let is_last = block.len() < BLOCK;
            pass.end += length(&block);
            self.held.push_back(block);
            if is_last {
                break;
            }
            if pass.end >= most && pass.damage.is_none() {
                pass.damage = Some(format!("it has more than {} MiB when decompressed", most >> 20));
            }
        }
        Ok(pass)
    }

    /// Fills the buffer with the bytes that begin at an offset.
    pub(super) fn read_at(&mut self, file: &LogFile, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset + length(buffer);
        if !(offset >= self.start && end <= self.end()) && self.pass(file, end)?.end < end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut from = usize::try_from(offset.saturating_sub(self.start)).map_err(io::Error::other)?;
        let mut filled = 0;
        for block in &self.held {
            let part = block.get(from..).unwrap_or_default();
            from = from.saturating_sub(block.len());
            let rest = buffer.get_mut(filled..).unwrap_or_default();
            let count = part.len().min(rest.len());
            for (to, byte) in rest.iter_mut().zip(part) {
                *to = *byte;
            }
            filled += count;
        }
        Ok(())
    }

    /// This offset, or the end if that is before.
    pub(super) fn end_up_to(&mut self, file: &LogFile, offset: u64) -> io::Result<u64> {
        if offset <= self.end() { Ok(offset) } else { Ok(self.pass(file, offset)?.end.min(offset)) }
    }

    /// Where what is held ends.
    fn end(&self) -> u64 {
        self.start + self.held.iter().map(|block| length(block)).sum::<u64>()
    }

    /// Takes twice the room for the next pass, as far as other files leave it.
    fn grow(&mut self) {
        let blocks = &self.budget.0.blocks;
        let wanted = if self.room == 0 { FIRST_HELD } else { (self.room * 2).min(MOST_HELD) };
        let more = wanted.saturating_sub(self.room).min(blocks.get());
        blocks.set(blocks.get() - more);
        self.room += more;
    }

    /// An empty block: the first that is held, if there is no room for another.
    fn next_block(&mut self) -> Vec<u8> {
        if self.held.len() >= self.room.max(LEAST_HELD)
            && let Some(mut block) = self.held.pop_front()
        {
            self.start += length(&block);
            block.clear();
            return block;
        }
        Vec::with_capacity(BLOCK)
    }
}

impl Drop for Gzip {
    fn drop(&mut self) {
        self.budget.0.blocks.update(|blocks| blocks + self.room);
    }
}

/// Reads a whole block, unless the end comes first.
fn fill(decoder: &mut Decoder, block: &mut Vec<u8>) -> io::Result<()> {
    let whole = u64::try_from(BLOCK).unwrap_or(u64::MAX);
    decoder.take(whole).read_to_end(block).map(drop)
}
