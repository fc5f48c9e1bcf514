//! Reads the records of a raw segment in order and finds its way over damage.

use std::ops::Range;
use std::sync::Arc;
use std::{io, mem};

use orderly_core::record::Seq;

use super::format::{self, HEAD, Key, ZONE};
use crate::disk::DiskFile;

const CHUNK: usize = 256 << 10;
/// To pass over the unused end of a prepared file at the speed of memory.
static ZEROS: [u8; CHUNK] = [0; CHUNK];

/// What comes next in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A good record; its bytes are [`Scanner::record`] until the next call.
    Record { offset: u64, seq: Seq },
    /// Bytes that are no record, with good records behind them; `lost` is exact.
    Damage { offset: u64, bytes: u64, lost: u64 },
    /// No good record from here on; `rest` bytes follow `offset`, not counting zeros at the end.
    End { offset: u64, rest: u64 },
}

/// A reader of one raw segment.
pub(crate) struct Scanner {
    file: Arc<dyn DiskFile>,
    key: Key,
    /// Offset in the file behind which nothing is read.
    end: u64,
    window: Vec<u8>,
    /// Offset in the file of the window's first byte.
    at: u64,
    pos: usize,
    expect: Seq,
    found: Range<usize>,
    /// A good record found behind damage, to be given after the damage was told.
    held: Option<(u64, Seq)>,
}

impl Scanner {
    /// Begins at the first record.
    pub fn new(file: Arc<dyn DiskFile>, key: Key, first: Seq, end: u64) -> Self {
        Self::from(file, key, first, ZONE as u64, end)
    }

    /// Begins at a known record.
    pub fn from(file: Arc<dyn DiskFile>, key: Key, first: Seq, offset: u64, end: u64) -> Self {
        Self {
            file,
            key,
            end,
            window: Vec::new(),
            at: offset,
            pos: 0,
            expect: first,
            found: 0..0,
            held: None,
        }
    }

    /// The file has become longer.
    pub fn extend(&mut self, end: u64) {
        self.end = end;
    }

    /// The bytes of the record that was found last.
    pub fn record(&self) -> &[u8] {
        &self.window[self.found.clone()]
    }

    fn offset(&self) -> u64 {
        self.at + self.pos as u64
    }

    /// Makes at least `n` bytes from `pos` on available; false when the file ends before.
    fn ensure(&mut self, n: usize) -> io::Result<bool> {
        let have = self.window.len() - self.pos;
        if have >= n {
            return Ok(true);
        }
        let left = self.end.saturating_sub(self.offset());
        if (n as u64) > left {
            return Ok(false);
        }
        let mut window = mem::take(&mut self.window);
        window.drain(..self.pos);
        self.at += self.pos as u64;
        self.pos = 0;
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(n.max(CHUNK));
        window.resize(want, 0);
        let got = self.file.read_at(&mut window[have..], self.at + have as u64);
        window.truncate(have + *got.as_ref().unwrap_or(&0));
        self.window = window;
        got?;
        Ok(self.window.len() >= n)
    }

    /// Length of the good record at `pos` whose number fits, with `skipped` bytes since the last good one.
    fn fits(&mut self, skipped: u64) -> io::Result<Option<usize>> {
        if !self.ensure(HEAD)? {
            return Ok(None);
        }
        let head = &self.window[self.pos..];
        let Some(total) = format::claimed(head, self.key) else { return Ok(None) };
        let seq = format::seq_of(head);
        if seq < self.expect || seq - self.expect > skipped / HEAD as u64 || !self.ensure(total)? {
            return Ok(None);
        }
        let record = &self.window[self.pos..self.pos + total];
        Ok(format::intact(record, self.key).then_some(total))
    }

    fn take(&mut self, total: usize) -> (u64, Seq) {
        let offset = self.offset();
        self.found = self.pos..self.pos + total;
        self.pos += total;
        let seq = format::seq_of(self.record());
        self.expect = seq + 1;
        (offset, seq)
    }

    /// The next thing in the segment. After [`Next::End`] the position stays, so that a file which grows can be read on.
    pub fn next(&mut self) -> io::Result<Next> {
        if let Some((offset, seq)) = self.held.take() {
            return Ok(Next::Record { offset, seq });
        }
        if let Some(total) = self.fits(0)? {
            let (offset, seq) = self.take(total);
            return Ok(Next::Record { offset, seq });
        }
        let bad = self.offset();
        let expected = self.expect;
        let sync = self.key.sync.to_le_bytes();
        let mut used = bad;
        while self.ensure(HEAD + 1)? {
            let all = &self.window[self.pos..];
            let zeros = all.len().min(CHUNK);
            if all[..zeros] == ZEROS[..zeros] {
                self.pos += zeros - 3;
                continue;
            }
            used = self.at + self.window.len() as u64;
            let rest = &all[1..];
            // The last three bytes may begin a sync word that the next chunk ends.
            let step = rest.windows(4).position(|w| w == sync).unwrap_or(rest.len().saturating_sub(3));
            self.pos += 1 + step;
            let skipped = self.offset() - bad;
            if let Some(total) = self.fits(skipped)? {
                let (offset, seq) = self.take(total);
                self.held = Some((offset, seq));
                return Ok(Next::Damage { offset: bad, bytes: offset - bad, lost: seq - expected });
            }
        }
        let end = self.used_end(used)?;
        self.seek(bad);
        Ok(Next::End { offset: bad, rest: end.saturating_sub(bad) })
    }

    /// Where the bytes end that are not zero: in the last few, which are too few for a record, or before `used`.
    fn used_end(&self, used: u64) -> io::Result<u64> {
        let mut chunk = vec![0; CHUNK];
        let mut to = self.end;
        let mut from = self.offset().max(to.saturating_sub(HEAD as u64)).min(to);
        loop {
            let got = self.file.read_at(&mut chunk[..(to - from) as usize], from)?;
            if let Some(last) = chunk[..got].iter().rposition(|b| *b != 0) {
                return Ok(from + last as u64 + 1);
            }
            to = used.min(from);
            if to == 0 {
                return Ok(0);
            }
            from = to.saturating_sub(CHUNK as u64);
        }
    }

    fn seek(&mut self, offset: u64) {
        self.window.clear();
        self.at = offset;
        self.pos = 0;
        self.found = 0..0;
    }
}
