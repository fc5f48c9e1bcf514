//! A reader of durable records, in order: from memory when close behind, from the files when not.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use orderly_core::record::{Record, Seq};

use super::JournalError;
use super::format::{self, Form};
use super::scan::{Next, Scanner};
use super::seal::{FrameReader, NextFrame};
use super::segment::Segment;
use super::shared::{HotGroup, Inner, Shared};
use crate::disk::Disk;

/// A group that is given out ends behind the record with which it reaches this size.
const PIECE: usize = 1 << 20;
const COLD_PIECE: usize = 256 << 10;

/// A reader of the durable records of a [`super::Journal`]; several may read at once.
pub struct Tail {
    shared: Arc<Shared>,
    position: Seq,
    /// The same for the journal, which keeps in memory what its tails still need.
    seen: Arc<AtomicU64>,
    cold: Option<Cold>,
}

/// An open segment that is being read.
pub(crate) struct Cold {
    number: u64,
    form: Form,
    reader: Reader,
}

enum Reader {
    Raw(Scanner),
    Sealed(FrameReader),
}

/// Some durable records in order.
pub struct Group {
    bytes: Bytes,
    start: usize,
    end: usize,
    last: Seq,
    /// Up to where the journal holds nothing else; more than `last` when records behind it are lost.
    through: Seq,
}

enum Bytes {
    Hot(Arc<HotGroup>),
    Own(Vec<u8>),
}

impl Group {
    /// The records.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        let mut rest = self.bytes();
        std::iter::from_fn(move || {
            let (record, length) = format::parse(rest)?;
            rest = &rest[length..];
            Some(record)
        })
    }

    /// Number of the last record.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.last
    }

    pub(crate) fn through(&self) -> Seq {
        self.through
    }

    /// Bytes of the encoded records.
    #[must_use]
    pub fn size(&self) -> usize {
        self.end - self.start
    }

    fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Hot(group) => &group.bytes[self.start..self.end],
            Bytes::Own(bytes) => &bytes[self.start..self.end],
        }
    }

    /// The part of a group in memory behind `after`, at most a piece.
    fn hot(group: Arc<HotGroup>, after: Seq) -> Option<Self> {
        let mut end = 0;
        let mut start = None;
        let mut last = after;
        while let Some(rest) = group.bytes.get(end..).filter(|r| !r.is_empty()) {
            let seq = format::seq_of(rest);
            if seq > after {
                let start = *start.get_or_insert(end);
                if end - start >= PIECE {
                    break;
                }
                last = seq;
            }
            end += format::length(rest);
        }
        Some(Self { start: start?, end, last, through: last, bytes: Bytes::Hot(group) })
    }
}

enum Found {
    Group(Group),
    Cold(Segment),
    /// The position has moved over what is not there.
    Again,
    Nothing,
}

impl Tail {
    pub(crate) fn new(shared: Arc<Shared>, after: Seq) -> Self {
        let seen = Arc::new(AtomicU64::new(after));
        shared.lock().tails.push(Arc::downgrade(&seen));
        Self { shared, position: after, seen, cold: None }
    }

    /// The last record that was given out, or passed because it is not there any more.
    #[must_use]
    pub fn position(&self) -> Seq {
        self.position
    }

    /// The next durable records; `None` when there are none within the timeout.
    ///
    /// # Errors
    /// When a file cannot be read (trying again is fine), or the journal was closed and all was given out.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Group>, JournalError> {
        loop {
            let found = self.find(timeout)?;
            let group = match found {
                Found::Nothing => return Ok(None),
                Found::Again => None,
                Found::Group(group) => Some(group),
                Found::Cold(segment) => self.read(&segment)?,
            };
            if let Some(group) = &group {
                self.position = group.through;
            }
            self.seen.store(self.position, Ordering::Relaxed);
            if group.is_some() {
                return Ok(group);
            }
        }
    }

    fn find(&mut self, timeout: Duration) -> Result<Found, JournalError> {
        let shared = Arc::clone(&self.shared);
        let inner = shared.lock();
        let idle = |i: &mut Inner| i.durable.seq <= self.position && !i.ended;
        let waited = shared.moved.wait_timeout_while(inner, timeout, idle);
        let (inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if inner.durable.seq <= self.position {
            return if inner.ended { Err(JournalError::Closed) } else { Ok(Found::Nothing) };
        }
        if self.position >= inner.hot_floor {
            self.cold = None;
            let at = inner.hot.partition_point(|g| g.last <= self.position);
            let group = inner.hot.get(at).cloned();
            drop(inner);
            let group = group.and_then(|g| Group::hot(g, self.position));
            return Ok(group.map_or(Found::Again, Found::Group));
        }
        let wanted = self.position + 1;
        let Some(segment) = inner.segments.iter().find(|s| s.last >= wanted) else {
            // Nothing of it is on disk: what is missing was withdrawn or lost.
            self.position = inner.hot_floor;
            return Ok(Found::Again);
        };
        Ok(Found::Cold(segment.clone()))
    }

    /// Records of one segment behind the position; `None` when the position has moved to its end without any.
    fn read(&mut self, segment: &Segment) -> Result<Option<Group>, JournalError> {
        let number = segment.header.number;
        let path = segment.path(&self.shared.dir);
        let mut cold = match self.cold.take().filter(|c| c.number == number && c.form == segment.header.form)
        {
            Some(cold) => cold,
            None => match Cold::open(&*self.shared.disk, &self.shared.dir, segment, self.position + 1) {
                Ok(cold) => cold,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.skip_missing(segment);
                    return Ok(None);
                }
                Err(error) => return Err(JournalError::io("open", &path)(error)),
            },
        };
        let group = cold.read(self.position, segment).map_err(JournalError::io("read", &path))?;
        if group.through < segment.last {
            self.cold = Some(cold);
        }
        if group.size() == 0 {
            self.position = group.through;
            return Ok(None);
        }
        Ok(Some(group))
    }

    /// A file was not there: sealed or deleted a moment ago, or taken away by somebody.
    fn skip_missing(&mut self, segment: &Segment) {
        let same =
            |s: &Segment| s.header.number == segment.header.number && s.header.form == segment.header.form;
        if self.shared.lock().segments.iter().any(same) {
            tracing::error!(
                segment = segment.header.number,
                "a journal segment is gone; its records are skipped"
            );
            self.position = segment.last;
        }
    }
}

impl Cold {
    /// Opens a segment at or before a record.
    pub fn open(disk: &dyn Disk, dir: &Path, segment: &Segment, wanted: Seq) -> io::Result<Self> {
        let header = &segment.header;
        let file = disk.open(&segment.path(dir))?;
        let reader = match header.form {
            Form::Raw => {
                let (seq, offset) = segment.near(wanted);
                Reader::Raw(Scanner::from(file, header.key(), seq, offset, segment.bytes))
            }
            Form::Sealed => Reader::Sealed(FrameReader::new(file, segment, wanted)?),
        };
        Ok(Self { number: header.number, form: header.form, reader })
    }

    /// Some records behind `after`, or none; damage is passed over, recovery reports it.
    pub fn read(&mut self, after: Seq, segment: &Segment) -> io::Result<Group> {
        let mut bytes = Vec::new();
        let (mut last, mut through) = (after, after);
        while bytes.len() < COLD_PIECE && through < segment.last {
            match &mut self.reader {
                Reader::Raw(scanner) => {
                    scanner.extend(segment.bytes);
                    match scanner.next()? {
                        Next::Record { seq, .. } if seq > segment.last => through = segment.last,
                        Next::Record { seq, .. } if seq > after => {
                            bytes.extend_from_slice(scanner.record());
                            (last, through) = (seq, seq);
                        }
                        Next::Record { .. } | Next::Damage { .. } => {}
                        Next::End { .. } => through = segment.last,
                    }
                }
                Reader::Sealed(frames) => match frames.next()? {
                    NextFrame::Records { bytes: records, last: end } if end > after => {
                        bytes.extend_from_slice(&records[format::offset_after(&records, after)..]);
                        (last, through) = (end, end);
                    }
                    NextFrame::Records { .. } | NextFrame::Damage { .. } => {}
                    NextFrame::End => through = segment.last,
                },
            }
        }
        Ok(Group { start: 0, end: bytes.len(), last, through, bytes: Bytes::Own(bytes) })
    }
}
