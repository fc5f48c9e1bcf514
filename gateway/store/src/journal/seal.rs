//! Sealed segments: the records of a completed raw segment in compressed frames.
//!
//! A sealed file has the header of its raw one, then frames of about 64 KiB of whole records:
//! `sync u32, crc u32, packed u32, plain u32, first u64, last u64, zstd bytes`, the CRC seeded by the salt over all that follows it,
//! then the index: one `offset u64, first u64, last u64` per frame, and at the very end
//! `wall of the last record i64, frames u32, crc u32` over index, wall and number.
//! A frame says by itself what it is, so a damaged index costs time and no record.

use std::path::Path;
use std::sync::Arc;
use std::{io, mem};

use orderly_core::record::Seq;
use orderly_core::time::Timestamp;

use super::JournalError;
use super::format::{self, Form, HEAD, Header, Key, ZONE, u32_at, u64_at};
use super::recover::{Damage, End};
use super::scan::{Next, Scanner};
use super::segment::{self, Segment};
use super::worn::is_of_the_disk;
use crate::disk::{Disk, DiskFile};

const FRAME_HEAD: usize = 32;
const INDEX_ENTRY: usize = 24;
const FOOT: usize = 16;
/// Sealing runs beside ingest on the same cores; higher levels cost more than their bytes are worth.
const LEVEL: i32 = 1;
/// Frames end behind the record with which they reach the configured size, at most this.
const MAX_FRAME: usize = 1 << 20;
/// Bytes that are written at a time.
const PIECE: usize = 256 << 10;
/// No frame is longer: the longest record behind a nearly full frame.
const MAX_PLAIN: usize = MAX_FRAME + HEAD + 255 + 65_535 + format::MAX_BODY;

/// What sealing a segment came to.
pub(crate) enum Sealed {
    /// The sealed file is durable and has this size.
    Done(u64),
    /// The raw file has bytes that are no records; it stays as it is.
    Damaged,
}

/// Where a frame lies and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub offset: u64,
    pub first: Seq,
    pub last: Seq,
}

/// Writes the sealed file beside the raw one, under its own name only when it is whole and durable.
pub(crate) fn seal(
    disk: &dyn Disk,
    dir: &Path,
    segment: &Segment,
    frame_bytes: usize,
) -> Result<Sealed, JournalError> {
    let raw = segment.path(dir);
    let number = segment.header.number;
    let temporary = segment::temporary(dir, number);
    let file = disk.open(&raw).map_err(JournalError::io("open", &raw))?;
    // A leftover of an interrupted try.
    match disk.remove(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            return Err(JournalError::io("remove", &temporary)(e));
        }
        _ => {}
    }
    let out = disk.create(&temporary).map_err(JournalError::io("create", &temporary))?;
    let done = pack(segment, file, &raw, out, &temporary, frame_bytes);
    let Ok(Sealed::Done(_)) = done else {
        // Only tidiness: the next try takes it away too.
        drop(disk.remove(&temporary));
        return done;
    };
    let sealed = segment::path(dir, number, Form::Sealed);
    disk.rename(&temporary, &sealed).map_err(JournalError::io("rename", &temporary))?;
    disk.sync_dir(dir).map_err(JournalError::io("sync the directory", dir))?;
    done
}

/// Writes all records of a raw file into a new one and makes it durable.
fn pack(
    segment: &Segment,
    file: Arc<dyn DiskFile>,
    raw: &Path,
    out: Arc<dyn DiskFile>,
    temporary: &Path,
    frame_bytes: usize,
) -> Result<Sealed, JournalError> {
    let packer = Packer::new(segment.header, frame_bytes.min(MAX_FRAME), out);
    let mut packed = packer.map_err(JournalError::io("compress", raw))?;
    let mut scanner = Scanner::new(file, segment.header.key(), segment.header.first, segment.bytes);
    let mut last = segment.header.first.saturating_sub(1);
    while last < segment.last {
        let next = match scanner.next() {
            Err(error) if is_of_the_disk(&error) => return Ok(Sealed::Damaged),
            next => next.map_err(JournalError::io("read", raw))?,
        };
        match next {
            Next::Record { seq, .. } => {
                packed.add(scanner.record()).map_err(JournalError::io("write", temporary))?;
                last = seq;
            }
            Next::Damage { .. } | Next::End { .. } => return Ok(Sealed::Damaged),
        }
    }
    packed.finish().map(Sealed::Done).map_err(JournalError::io("write", temporary))
}

struct Packer {
    frame_bytes: usize,
    file: Arc<dyn DiskFile>,
    /// Bytes that are in the file, and those that come behind them.
    written: u64,
    out: Vec<u8>,
    plain: Vec<u8>,
    frames: Vec<Frame>,
    key: Key,
    last: Seq,
    wall: Timestamp,
    /// One for all frames: to make one costs as much as to pack a frame.
    zstd: zstd::bulk::Compressor<'static>,
}

impl Packer {
    fn new(header: Header, frame_bytes: usize, file: Arc<dyn DiskFile>) -> io::Result<Self> {
        let zstd = zstd::bulk::Compressor::new(LEVEL)?;
        let out = Header { form: Form::Sealed, ..header }.zone();
        let key = header.key();
        let (plain, frames) = (Vec::new(), Vec::new());
        let wall = header.created;
        Ok(Self { frame_bytes, file, written: 0, out, plain, frames, key, last: 0, wall, zstd })
    }

    fn add(&mut self, record: &[u8]) -> io::Result<()> {
        self.plain.extend_from_slice(record);
        self.last = format::seq_of(record);
        self.wall = format::wall_of(record);
        if self.plain.len() >= self.frame_bytes { self.frame() } else { Ok(()) }
    }

    fn frame(&mut self) -> io::Result<()> {
        if self.plain.is_empty() {
            return Ok(());
        }
        let packed = self.zstd.compress(&self.plain)?;
        let at = self.out.len();
        let offset = self.written + at as u64;
        let frame = Frame { offset, first: format::seq_of(&self.plain), last: self.last };
        self.out.extend_from_slice(&self.key.sync.to_le_bytes());
        self.out.extend_from_slice(&[0; 4]);
        self.out.extend_from_slice(&(packed.len() as u32).to_le_bytes());
        self.out.extend_from_slice(&(self.plain.len() as u32).to_le_bytes());
        self.out.extend_from_slice(&frame.first.to_le_bytes());
        self.out.extend_from_slice(&frame.last.to_le_bytes());
        self.out.extend_from_slice(&packed);
        let crc = crc32c::crc32c_append(self.key.seed, &self.out[at + 8..]);
        self.out[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        self.frames.push(frame);
        self.plain.clear();
        if self.out.len() >= PIECE { self.write() } else { Ok(()) }
    }

    /// Writes what is packed, so that a whole segment is never in memory.
    fn write(&mut self) -> io::Result<()> {
        self.file.write_at(&self.out, self.written)?;
        self.written += self.out.len() as u64;
        self.out.clear();
        Ok(())
    }

    /// Writes the rest and the index, and waits for the disk; gives the size of the file.
    fn finish(mut self) -> io::Result<u64> {
        self.frame()?;
        let index = self.out.len();
        for frame in mem::take(&mut self.frames) {
            self.out.extend_from_slice(&frame.offset.to_le_bytes());
            self.out.extend_from_slice(&frame.first.to_le_bytes());
            self.out.extend_from_slice(&frame.last.to_le_bytes());
        }
        let frames = (self.out.len() - index) / INDEX_ENTRY;
        self.out.extend_from_slice(&self.wall.0.to_le_bytes());
        self.out.extend_from_slice(&(frames as u32).to_le_bytes());
        let crc = crc32c::crc32c_append(self.key.seed, &self.out[index..]);
        self.out.extend_from_slice(&crc.to_le_bytes());
        self.write()?;
        self.file.sync_data()?;
        Ok(self.written)
    }
}

/// What comes next in a sealed segment; the counterpart of [`Next`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextFrame {
    /// A good frame's records.
    Records { bytes: Vec<u8>, last: Seq },
    /// Bytes that are no frame; `lost` is exact when good frames follow.
    /// `after` is the last record before them.
    Damage { offset: u64, bytes: u64, after: Seq, lost: u64 },
    /// No frame from here on.
    End,
}

/// A good frame: its records, and its length in the file.
struct Opened {
    plain: Vec<u8>,
    first: Seq,
    last: Seq,
    length: u64,
}

/// A reader of one sealed segment.
pub(crate) struct FrameReader {
    file: Arc<dyn DiskFile>,
    key: Key,
    size: u64,
    at: u64,
    expect: Seq,
    last: Seq,
    held: Option<(Vec<u8>, Seq)>,
}

impl FrameReader {
    /// Begins with the frame that holds `from`, or with the first.
    pub fn new(file: Arc<dyn DiskFile>, segment: &Segment, from: Seq) -> io::Result<Self> {
        let size = file.size()?;
        let key = segment.header.key();
        let mut reader = Self {
            file,
            key,
            size,
            at: ZONE as u64,
            expect: segment.header.first,
            last: segment.last,
            held: None,
        };
        if from > segment.header.first
            && let Some((frames, _)) = reader.index()?
            && let Some(frame) = frames.iter().rev().find(|f| f.first <= from)
        {
            (reader.at, reader.expect) = (frame.offset, frame.first);
        }
        Ok(reader)
    }

    /// The frames and the wall time of the last record, if the index is good.
    pub fn index(&self) -> io::Result<Option<(Vec<Frame>, Timestamp)>> {
        let Some(foot_at) = self.size.checked_sub(FOOT as u64).filter(|&at| at >= ZONE as u64) else {
            return Ok(None);
        };
        let foot = self.bytes(foot_at, FOOT)?;
        if foot.len() < FOOT {
            return Ok(None);
        }
        let length = u32_at(&foot, 8) as u64 * INDEX_ENTRY as u64;
        let Some(index_at) = foot_at.checked_sub(length).filter(|&at| at >= ZONE as u64) else {
            return Ok(None);
        };
        let index = self.bytes(index_at, (self.size - index_at) as usize)?;
        let checked = index.len().saturating_sub(4);
        if crc32c::crc32c_append(self.key.seed, &index[..checked]) != u32_at(&index, checked) {
            return Ok(None);
        }
        let frames = index[..checked - (FOOT - 4)].chunks_exact(INDEX_ENTRY);
        let frames = frames
            .map(|e| Frame { offset: u64_at(e, 0), first: u64_at(e, 8), last: u64_at(e, 16) })
            .collect();
        Ok(Some((frames, Timestamp(u64_at(&foot, 0).cast_signed()))))
    }

    fn bytes(&self, at: u64, n: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; n];
        let got = self.file.read_at(&mut bytes, at)?;
        bytes.truncate(got);
        Ok(bytes)
    }

    /// The good frame at an offset whose numbers fit, and its length in the file.
    fn frame(&self, at: u64) -> io::Result<Option<Opened>> {
        let head = self.bytes(at, FRAME_HEAD)?;
        if head.len() < FRAME_HEAD || u32_at(&head, 0) != self.key.sync {
            return Ok(None);
        }
        let (packed, plain) = (u32_at(&head, 8) as usize, u32_at(&head, 12) as usize);
        let (first, last) = (u64_at(&head, 16), u64_at(&head, 24));
        let fits = first >= self.expect && last <= self.last && first <= last && plain <= MAX_PLAIN;
        if !fits || at + (FRAME_HEAD + packed) as u64 > self.size {
            return Ok(None);
        }
        let whole = self.bytes(at, FRAME_HEAD + packed)?;
        let good = whole.len() == FRAME_HEAD + packed
            && crc32c::crc32c_append(self.key.seed, &whole[8..]) == u32_at(&whole, 4);
        if !good {
            return Ok(None);
        }
        let plain = zstd::bulk::decompress(&whole[FRAME_HEAD..], plain).ok();
        Ok(plain.map(|plain| Opened { plain, first, last, length: whole.len() as u64 }))
    }

    fn found(&mut self, frame: Opened) -> (Vec<u8>, Seq) {
        self.at += frame.length;
        self.expect = frame.last + 1;
        (frame.plain, frame.last)
    }

    /// The next thing in the segment.
    pub fn next(&mut self) -> io::Result<NextFrame> {
        if let Some((bytes, last)) = self.held.take() {
            return Ok(NextFrame::Records { bytes, last });
        }
        if self.expect > self.last {
            return Ok(NextFrame::End);
        }
        if let Some(frame) = self.frame(self.at)? {
            let (bytes, last) = self.found(frame);
            return Ok(NextFrame::Records { bytes, last });
        }
        let (bad, expected) = (self.at, self.expect);
        let rest = self.bytes(bad, (self.size.saturating_sub(bad)) as usize)?;
        let sync = self.key.sync.to_le_bytes();
        for at in rest.windows(4).enumerate().skip(1).filter(|(_, w)| *w == sync).map(|(i, _)| bad + i as u64)
        {
            if let Some(frame) = self.frame(at)? {
                let lost = frame.first - expected;
                self.at = at;
                self.held = Some(self.found(frame));
                return Ok(NextFrame::Damage { offset: bad, bytes: at - bad, after: expected - 1, lost });
            }
        }
        self.at = self.size;
        // Without index and without a later segment nobody knows where this one ended.
        let lost = if self.last == Seq::MAX { 0 } else { self.last + 1 - expected };
        self.expect = Seq::MAX;
        self.last = self.last.min(Seq::MAX - 1);
        let bytes = self.size.saturating_sub(bad);
        Ok(NextFrame::Damage { offset: bad, bytes, after: expected - 1, lost })
    }

    /// Reads all; how far the records go and what is missing.
    pub fn end(mut self, segment: &Segment) -> io::Result<End> {
        let known = self.index()?.and_then(|(frames, _)| frames.last().map(|f| f.last));
        self.last = known.unwrap_or(self.last).min(self.last);
        let nowhere = ZONE as u64;
        let last = segment.header.base;
        let mut end = End { last, records: 0, damaged: Vec::new(), group: nowhere, good: nowhere, torn: 0 };
        loop {
            match self.next()? {
                NextFrame::Records { bytes, last } => {
                    end.last = last;
                    let mut rest = &bytes[..];
                    while !rest.is_empty() {
                        end.records += 1;
                        rest = &rest[format::length(rest)..];
                    }
                }
                NextFrame::Damage { offset, bytes, after, lost } => end.damaged.push(Damage {
                    segment: segment.header.number,
                    offset,
                    bytes,
                    after,
                    records_lost: lost,
                    in_last_write: false,
                }),
                NextFrame::End => return Ok(end),
            }
        }
    }
}
