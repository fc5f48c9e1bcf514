//! A reader of durable records, in order: from memory when close behind, from the files when not.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use orderly_core::record::{Record, Seq};

use super::JournalError;
use super::format::{self, Form};
use super::recover::Damage;
use super::scan::{Next, Scanner};
use super::seal::{FrameReader, NextFrame};
use super::segment::Segment;
use super::shared::{HotGroup, Inner, Shared};
use super::worn::{Worn, is_of_the_disk};
use crate::disk::{Disk, DiskFile};

/// A group that is given out ends behind the record with which it reaches this size.
const PIECE: usize = 1 << 20;
const COLD_PIECE: usize = 256 << 10;
/// A place that the disk does not give so often is passed over and reported. The engine pauses between tries, from
/// a tenth of a second to five, so a disk has a quarter of a minute to come back.
pub(crate) const TRIES: u32 = 8;

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
    /// The last good record that was read, or the one before the first.
    good: Seq,
    /// Damage whose other side has not been seen.
    open: Option<Damage>,
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
    /// When a file cannot be read, or the journal was closed and all was given out. Trying again is fine: what the
    /// disk refuses for good is passed over after some tries, and counted in [`super::Journal::take_damage`].
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
        let mut cold = match self.cold.take().filter(|c| c.number == number && c.form == segment.header.form)
        {
            Some(cold) => cold,
            None => match self.open(segment) {
                Ok(cold) => cold,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.skip_missing(segment);
                    return Ok(None);
                }
                Err(error) => return self.failed("open", segment, error),
            },
        };
        let mut damaged = Vec::new();
        let group = match cold.read(self.position, segment, &mut damaged) {
            Ok(group) => group,
            Err(error) => return self.failed("read", segment, error),
        };
        self.passed(segment, group.through);
        if !damaged.is_empty() {
            self.shared.tell(damaged);
        }
        if group.through < segment.last {
            self.cold = Some(cold);
        }
        if group.size() == 0 {
            self.position = group.through;
            return Ok(None);
        }
        Ok(Some(group))
    }

    fn open(&self, segment: &Segment) -> io::Result<Cold> {
        let (disk, dir) = (&*self.shared.disk, &self.shared.dir);
        let stuck = self.shared.lock().stuck.get(&segment.header.number).cloned();
        let Some(stuck) = stuck else { return Cold::open(disk, dir, segment, self.position + 1) };
        let file = disk.open(&segment.path(dir))?;
        let worn = if stuck.failures >= TRIES { Worn::giving_up } else { Worn::knowing };
        Cold::from(Arc::new(worn(file, stuck.given_up)), segment, self.position + 1)
    }

    /// Counts a failure; with the last try that is granted the place is read as far as the disk gives it, and a
    /// segment that cannot even be opened is passed over whole.
    fn failed(
        &mut self,
        what: &'static str,
        segment: &Segment,
        error: io::Error,
    ) -> Result<Option<Group>, JournalError> {
        let path = segment.path(&self.shared.dir);
        if !is_of_the_disk(&error) {
            return Err(JournalError::io(what, &path)(error));
        }
        let number = segment.header.number;
        let mut inner = self.shared.lock();
        let stuck = inner.stuck.entry(number).or_default();
        stuck.behind = self.position;
        stuck.failures = stuck.failures.saturating_add(1);
        let failures = stuck.failures;
        drop(inner);
        if failures <= TRIES {
            return Err(JournalError::io(what, &path)(error));
        }
        // Even block by block it cannot be read.
        let after = self.position.max(segment.header.first.saturating_sub(1));
        self.shared.tell(vec![Damage {
            segment: number,
            offset: 0,
            bytes: segment.bytes,
            after,
            records_lost: segment.last.saturating_sub(after),
            in_last_write: false,
        }]);
        self.position = segment.last;
        Ok(None)
    }

    /// What failed and can now be read is no longer counted against its segment. One that is being read over bad
    /// blocks is so to its end, or each of them would hold up everything behind it.
    fn passed(&self, segment: &Segment, through: Seq) {
        let mut inner = self.shared.lock();
        if let Some(stuck) = inner.stuck.get_mut(&segment.header.number)
            && stuck.behind < through
            && (stuck.failures < TRIES || through >= segment.last)
        {
            stuck.failures = 0;
        }
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
            self.shared.tell(vec![Damage {
                segment: segment.header.number,
                offset: 0,
                bytes: segment.bytes,
                after: self.position,
                records_lost: segment.last.saturating_sub(self.position.max(segment.header.first - 1)),
                in_last_write: false,
            }]);
            self.position = segment.last;
        }
    }
}

impl Cold {
    /// Opens a segment at or before a record.
    pub fn open(disk: &dyn Disk, dir: &Path, segment: &Segment, wanted: Seq) -> io::Result<Self> {
        Self::from(disk.open(&segment.path(dir))?, segment, wanted)
    }

    fn from(file: Arc<dyn DiskFile>, segment: &Segment, wanted: Seq) -> io::Result<Self> {
        let header = &segment.header;
        let mut first = header.first;
        let reader = match header.form {
            Form::Raw => {
                let (seq, offset) = segment.near(wanted);
                first = seq;
                Reader::Raw(Scanner::from(file, header.key(), seq, offset, segment.bytes))
            }
            Form::Sealed => Reader::Sealed(FrameReader::new(file, segment, wanted)?),
        };
        Ok(Self { number: header.number, form: header.form, reader, good: first - 1, open: None })
    }

    /// Some records behind `after`, or none; damage is passed over and added to `damaged`.
    pub fn read(&mut self, after: Seq, segment: &Segment, damaged: &mut Vec<Damage>) -> io::Result<Group> {
        let mut bytes = Vec::new();
        let (mut last, mut through) = (after, after);
        while bytes.len() < COLD_PIECE && through < segment.last {
            match &mut self.reader {
                Reader::Raw(scanner) => {
                    scanner.extend(segment.bytes);
                    let next = scanner.next()?;
                    if let Next::Record { seq, .. } = next
                        && seq > after
                        && seq <= segment.last
                    {
                        bytes.extend_from_slice(scanner.record());
                        (last, through) = (seq, seq);
                    }
                    if self.account(&next, segment, damaged) {
                        through = segment.last;
                    }
                }
                Reader::Sealed(frames) => match frames.next()? {
                    NextFrame::Records { bytes: records, last: end } if end > after => {
                        bytes.extend_from_slice(&records[format::offset_after(&records, after)..]);
                        (last, through) = (end, end);
                    }
                    NextFrame::Records { .. } => {}
                    NextFrame::Damage { offset, bytes, after, lost } => {
                        damaged.push(place(segment, offset, bytes, after, lost));
                    }
                    NextFrame::End => through = segment.last,
                },
            }
        }
        Ok(Group { start: 0, end: bytes.len(), last, through, bytes: Bytes::Own(bytes) })
    }

    /// Keeps count of what a raw segment lacks; `true` when nothing of the journal follows in it.
    fn account(&mut self, next: &Next, segment: &Segment, damaged: &mut Vec<Damage>) -> bool {
        match *next {
            Next::Record { seq, .. } if seq <= segment.last => {
                damaged.extend(self.open.take());
                self.good = seq;
                false
            }
            Next::Damage { offset, bytes, lost } => {
                self.open = Some(place(segment, offset, bytes, self.good, lost));
                false
            }
            // A withdrawn group, or nothing: what should stand before it is missing.
            Next::Record { offset, .. } | Next::End { offset, .. } => {
                let rest = if let Next::End { rest, .. } = next { *rest } else { 0 };
                let (offset, bytes) = self.open.take().map_or((offset, rest), |d| (d.offset, d.bytes));
                if self.good < segment.last {
                    damaged.push(place(segment, offset, bytes, self.good, segment.last - self.good));
                    self.good = segment.last;
                }
                true
            }
        }
    }
}

fn place(segment: &Segment, offset: u64, bytes: u64, after: Seq, records_lost: u64) -> Damage {
    let segment = segment.header.number;
    Damage { segment, offset, bytes, after, records_lost, in_last_write: false }
}
