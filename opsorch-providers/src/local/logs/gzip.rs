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

use flate2::bufread::MultiGzDecoder;

use super::backward::{BLOCK, length};
use super::files::LogFile;

/// How many blocks are held for the first pass of a file, at most for a later one, and, if that can be, of all files.
const FIRST_HELD: usize = 64;
const MOST_HELD: usize = 512;
const MOST_HELD_OF_ALL: usize = 768;

/// How many blocks each file holds in any case: more than it takes to put an entry together.
const LEAST_HELD: usize = 16;

/// What one page may spend on decompressing, over all of its files.
#[derive(Clone, Debug)]
pub(super) struct Budget(Rc<Spent>);

#[derive(Debug)]
struct Spent {
    /// How many bytes are decompressed of one file at most: a file of some megabytes could be made to have terabytes.
    most_of_a_file: u64,
    /// How many blocks may still be held.
    blocks: Cell<usize>,
    /// How many bytes may still be decompressed.
    bytes: Cell<u64>,
}

impl Budget {
    /// At most so many bytes of one file, and of all files with each time that they are decompressed.
    pub(super) fn new(most_of_a_file: u64, bytes: u64) -> Self {
        Self(Rc::new(Spent { most_of_a_file, blocks: Cell::new(MOST_HELD_OF_ALL), bytes: Cell::new(bytes) }))
    }

    fn spend(&self, bytes: u64) -> io::Result<()> {
        let left = self.0.bytes.get().checked_sub(bytes).ok_or(io::ErrorKind::QuotaExceeded)?;
        self.0.bytes.set(left);
        Ok(())
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
    /// Those of opening the file, `Interrupted`, and `QuotaExceeded` where the page has spent what it may.
    pub(super) fn pass(&mut self, file: &LogFile, up_to: u64) -> io::Result<Pass> {
        let mut decoder = MultiGzDecoder::new(BufReader::with_capacity(BLOCK, file.open()?));
        self.grow();
        (self.start, self.held) = (0, VecDeque::with_capacity(self.room + 1));
        let mut pass = Pass { end: 0, damage: None };
        let most = self.budget.0.most_of_a_file;
        while pass.end < up_to && pass.damage.is_none() {
            file.check_cancelled()?;
            let mut block = self.next_block();
            pass.damage = fill(&mut decoder, &mut block).err().map(|error| format!("it is damaged: {error}"));
            self.budget.spend(length(&block))?;
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
fn fill(decoder: &mut MultiGzDecoder<BufReader<File>>, block: &mut Vec<u8>) -> io::Result<()> {
    let whole = u64::try_from(BLOCK).unwrap_or(u64::MAX);
    decoder.take(whole).read_to_end(block).map(drop)
}
