//! The content of a log file, whether it is compressed or not, and what it is known again by.

use std::io::{self, Read, Seek, SeekFrom};

use super::backward::{BLOCK, ReadAt, length};
use super::files::{LogFile, hash};
use super::gzip::{Budget, Gzip, decoder};
use super::open::ends_page;

/// How many bytes at the beginning of a file, and before a position in it, are remembered to know it again.
pub(super) const REMEMBERED: u64 = 256;

/// A log file whose content can be read at any place.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: LogFile,
    /// Its first bytes: those that it had when it was opened.
    head: Vec<u8>,
    gzip: Option<Gzip>,
    budget: Budget,
    /// The offset after some bytes that were read last, and the hash of those.
    last_read: Option<(u64, u64)>,
}

/// Where the content of a file ends.
#[derive(Debug)]
pub(super) struct End {
    pub(super) offset: u64,
    /// Why there is no more than that.
    pub(super) damage: Option<String>,
}

impl Source {
    /// Opens a file, by reading its first bytes. Of a compressed file that is damaged there, there are none.
    ///
    /// # Errors
    /// Beside those of the disk: `NotFound` or `UnexpectedEof` if the file is no longer what was found,
    /// `TimedOut` if the search is to end, and `QuotaExceeded` where the page has spent what it may.
    pub(super) fn open(file: LogFile, budget: &Budget) -> io::Result<Self> {
        let mut source = Self { head: Vec::new(), gzip: None, budget: budget.clone(), last_read: None, file };
        if source.file.compressed {
            let mut decoder = decoder(&source.file, 4 << 10, budget)?.take(REMEMBERED);
            match decoder.read_to_end(&mut source.head) {
                Err(error) if ends_page(&error) => return Err(error),
                // Damage is met again by whoever reads it.
                _ => {}
            }
            source.gzip = Some(Gzip::new(budget.clone()));
        } else {
            source.head = source.stored_head()?;
        }
        Ok(source)
    }

    /// Where it ends: a compressed file is decompressed for that.
    pub(super) fn end(&mut self) -> io::Result<End> {
        let Some(gzip) = &mut self.gzip else { return Ok(End { offset: self.file.length, damage: None }) };
        let pass = gzip.pass(&self.file, u64::MAX)?;
        Ok(End { offset: pass.end, damage: pass.damage })
    }

    /// The first offset from this one on at which a line begins, or the end, if none does.
    pub(super) fn line_start(&mut self, offset: u64) -> io::Result<u64> {
        let Some(before) = offset.checked_sub(1) else { return Ok(0) };
        let mut last = [0];
        self.read_at(before, &mut last)?;
        if last == *b"\n" { Ok(offset) } else { self.line_end(offset) }
    }

    /// The offset after the line that goes on here.
    fn line_end(&mut self, mut offset: u64) -> io::Result<u64> {
        loop {
            let end = self.end_up_to(offset.saturating_add(u64::try_from(BLOCK).unwrap_or(u64::MAX)))?;
            let mut block = vec![0; usize::try_from(end.saturating_sub(offset)).map_err(io::Error::other)?];
            if block.is_empty() {
                return Ok(offset);
            }
            self.read_at(offset, &mut block)?;
            if let Some(newline) = block.iter().position(|&byte| byte == b'\n') {
                return Ok(offset + length(block.get(..=newline).unwrap_or_default()));
            }
            self.pass_over(length(&block))?;
            offset = end;
        }
    }

    /// This offset, or the end if that is before.
    fn end_up_to(&mut self, offset: u64) -> io::Result<u64> {
        match &mut self.gzip {
            Some(gzip) => gzip.end_up_to(&self.file, offset),
            None => Ok(self.file.length.min(offset)),
        }
    }

    /// The hash of the first bytes, as far as they are before an offset.
    pub(super) fn head(&self, offset: u64) -> u64 {
        hash(self.head_before(offset))
    }

    /// The hash of the bytes before an offset.
    pub(super) fn before(&mut self, offset: u64) -> io::Result<u64> {
        let length = offset.min(REMEMBERED);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        self.read_at(offset - length, &mut bytes)?;
        Ok(hash(&bytes))
    }

    /// What was read last, as an offset and the hash of the bytes before it.
    pub(super) fn last_read(&self) -> Option<(u64, u64)> {
        self.last_read
    }

    /// Whether it begins with the first bytes of another, as far as that has any.
    pub(super) fn has_head_of(&self, other: &Self) -> bool {
        self.head.starts_with(&other.head)
    }

    /// Whether it begins with all of another, up to this end of that.
    pub(super) fn begins_with(&mut self, other: &mut Self, end: u64) -> io::Result<bool> {
        Ok((self.file.compressed || end <= self.file.length)
            && self.head_before(end) == other.head_before(end)
            && self.before(end)? == other.before(end)?)
    }

    fn head_before(&self, offset: u64) -> &[u8] {
        let before = usize::try_from(offset).unwrap_or(usize::MAX).min(self.head.len());
        self.head.get(..before).unwrap_or_default()
    }
}

impl ReadAt for Source {
    /// # Errors
    /// As of [`open`](Self::open), and `QuotaExceeded` if decompressing takes more than a page may spend.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match &mut self.gzip {
            Some(gzip) => gzip.read_at(&self.file, offset, buffer)?,
            None => self.read_stored(offset, buffer)?,
        }
        let read = buffer.len().min(usize::try_from(REMEMBERED).unwrap_or_default());
        let read = buffer.get(..read).unwrap_or_default();
        if offset == 0 || length(read) == REMEMBERED {
            self.last_read = Some((offset + length(read), hash(read)));
        }
        Ok(())
    }

    /// # Errors
    /// `TimedOut` if the search is to end, and `QuotaExceeded` if the page has read enough of such lines.
    fn pass_over(&mut self, bytes: u64) -> io::Result<()> {
        self.file.halt.check()?;
        self.budget.pass_over(bytes)
    }
}

impl Source {
    fn stored_head(&self) -> io::Result<Vec<u8>> {
        let mut head = vec![0; usize::try_from(self.file.length.min(REMEMBERED)).unwrap_or_default()];
        self.file.open()?.read_exact(&mut head)?;
        Ok(head)
    }

    fn read_stored(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut file = self.file.open()?;
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(buffer)?;
        // What was truncated and has grown again is another content, at whatever place. This is looked at after reading,
        // so that it says something of what was read.
        let mut head = vec![0; self.head.len()];
        file.seek(SeekFrom::Start(0))?;
        file.read_exact(&mut head)?;
        if head == self.head { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use super::super::files::find;
    use super::*;

    fn open(folder: &Path) -> Source {
        let found = find(&[folder.join("*.log").to_string_lossy().into_owned()], &Arc::default());
        Source::open(found.files[0].clone(), &Budget::new(0, 0)).unwrap()
    }

    #[test]
    fn what_is_no_longer_the_same_content_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        type Change = fn(&Path);
        let changes: [(Change, io::ErrorKind); 5] = [
            (|path| fs::write(path, "").unwrap(), io::ErrorKind::UnexpectedEof),
            (|path| fs::write(path, "on").unwrap(), io::ErrorKind::UnexpectedEof),
            (|path| fs::write(path, "other and much longer").unwrap(), io::ErrorKind::UnexpectedEof),
            (|path| fs::rename(path, path.with_extension("1")).unwrap(), io::ErrorKind::NotFound),
            (
                |path| {
                    fs::rename(path, path.with_extension("1")).unwrap();
                    fs::write(path, "one two").unwrap();
                },
                io::ErrorKind::NotFound,
            ),
        ];
        for (change, expected) in changes {
            fs::write(&path, "one two").unwrap();
            let mut source = open(folder.path());
            let mut buffer = [0; 3];
            source.read_at(4, &mut buffer).unwrap();
            assert_eq!(&buffer, b"two");
            change(&path);
            assert_eq!(source.read_at(4, &mut buffer).unwrap_err().kind(), expected);
        }
    }

    #[test]
    fn a_file_that_grows_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.log"), "one").unwrap();
        let mut source = open(folder.path());
        fs::write(folder.path().join("a.log"), "one two").unwrap();
        let mut buffer = [0; 3];
        source.read_at(0, &mut buffer).unwrap();
        assert_eq!(&buffer, b"one");
        assert!(!source.file.compressed && source.head(2) == hash(b"on"));
    }
}
