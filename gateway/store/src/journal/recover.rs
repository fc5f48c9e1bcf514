//! Opens what an earlier run left, whatever its content.
//!
//! Which records are part of the journal: those of each segment up to the lowest `base` of all later segments, and
//! in the last segment all that are good. So a group whose write failed is out as soon as the next segment's
//! header is durable; before that nobody has seen its numbers, and keeping it is a late success.
//!
//! The last group may be in the cache of the operating system and not on the disk, when the run before ended right
//! after a failed sync. It is written and synced once more before anybody may rely on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orderly_core::record::Seq;

use super::JournalError;
use super::format::{self, Form, HEAD, Header, HeaderRead, VERSION, ZONE};
use super::scan::{Next, Scanner};
use super::seal::FrameReader;
use super::segment::{self, Segment};
use super::worn::{BLOCK, Worn, is_of_the_disk};
use crate::disk::{Disk, DiskFile};

/// Bytes of a segment that are no good record though they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Number of the segment.
    pub segment: u64,
    /// Where in its file.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The last record before it, as far as that is known; the missing ones follow it.
    pub after: Seq,
    /// How many records are missing, told by the sequence numbers before and behind; 0 when nothing tells.
    pub records_lost: u64,
    /// It lies in the last write before the journal was opened: after a power cut these records need never have
    /// been acknowledged.
    pub in_last_write: bool,
}

/// What [`super::Journal::open`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// The first record; above `last` when there is none.
    pub first: Seq,
    /// The last record.
    pub last: Seq,
    /// How many records there are.
    pub records: u64,
    /// How many segments were found.
    pub segments: usize,
    /// Damage that was met; completed segments are read only when needed, or by [`super::check`].
    pub damaged: Vec<Damage>,
    /// Bytes behind the last good record, left by a write that the power cut or a crash interrupted.
    pub torn_bytes: u64,
}

/// What the writer goes on from.
pub(crate) struct Found {
    pub segments: Vec<Segment>,
    pub report: Recovered,
    /// The next sequence number that may be given out.
    pub next: Seq,
    /// The next segment number.
    pub number: u64,
    /// How many numbers the unreadable end may have used.
    pub doubtful: u64,
    /// Files that an interrupted seal or creation left.
    pub litter: Vec<PathBuf>,
}

/// Reads the directory, clears what an interrupted seal left, and makes sure that the last group is durable.
///
/// Unless it may read over what the disk does not give, it fails before it has changed anything.
pub(crate) fn recover(disk: &dyn Disk, dir: &Path, read_over: bool) -> Result<Found, JournalError> {
    let mut found = survey(disk, dir, read_over)?;
    let end = found.segments.last().map(|last| end_of(disk, dir, last, Seq::MAX, read_over)).transpose()?;
    for path in std::mem::take(&mut found.litter) {
        disk.remove(&path).map_err(JournalError::io("remove", &path))?;
    }
    if let (Some(last), Some(end)) = (found.segments.last_mut(), end) {
        last.damaged = !end.damaged.is_empty();
        if end.good > end.group {
            write_again(disk, &last.path(dir), end.group, end.good)?;
        }
        if last.header.form == Form::Raw {
            // A prepared file gives its unused end back.
            let used = end.good + end.torn;
            if used < last.bytes {
                let path = last.path(dir);
                let file = disk.open_write(&path).map_err(JournalError::io("open", &path))?;
                file.truncate(used).map_err(JournalError::io("cut", &path))?;
            }
            last.bytes = end.good;
        }
        last.last = end.last;
        found.report.damaged.extend(end.damaged);
        found.report.torn_bytes = end.torn;
        // What looks torn may be a damaged record whose number somebody has seen: never give it out again.
        found.doubtful += if end.torn == 0 { 0 } else { end.torn / HEAD as u64 + 1 };
    }
    finish(&mut found);
    Ok(found)
}

/// Lists the segments, reads their headers and works out where each but the last ends. Changes nothing.
pub(crate) fn survey(disk: &dyn Disk, dir: &Path, read_over: bool) -> Result<Found, JournalError> {
    let mut files: BTreeMap<u64, Vec<Form>> = BTreeMap::new();
    let mut found = Found {
        segments: Vec::new(),
        report: Recovered::default(),
        next: 1,
        number: 1,
        doubtful: 0,
        litter: Vec::new(),
    };
    for name in disk.list(dir).map_err(JournalError::io("list", dir))? {
        match segment::parse_name(&name) {
            Some((number, form)) => files.entry(number).or_default().push(form),
            None if segment::is_temporary(&name) => found.litter.push(dir.join(name)),
            None => {}
        }
    }
    for (number, forms) in files {
        found.number = number + 1;
        // Both: the seal was interrupted before the raw one went, so that one is whole.
        let form = if forms.contains(&Form::Raw) { Form::Raw } else { Form::Sealed };
        if forms.len() > 1 {
            found.litter.push(segment::path(dir, number, Form::Sealed));
        }
        read_header(disk, segment::path(dir, number, form), (number, form), read_over, &mut found)?;
    }
    settle(disk, dir, read_over, &mut found)?;
    Ok(found)
}

fn read_header(
    disk: &dyn Disk,
    path: PathBuf,
    (number, form): (u64, Form),
    read_over: bool,
    found: &mut Found,
) -> Result<(), JournalError> {
    let file = reader(disk, &path, read_over)?;
    let size = file.size().map_err(JournalError::io("measure", &path))?;
    let mut zone = vec![0; ZONE];
    let got = file.read_at(&mut zone, 0).map_err(JournalError::io("read", &path))?;
    match Header::read(&zone[..got]) {
        HeaderRead::Good(header) => {
            found.next = found.next.max(header.first);
            found.doubtful = 0;
            found.segments.push(Segment { bytes: size, ..Segment::new(Header { form, ..header }) });
        }
        HeaderRead::Newer(version) => {
            return Err(JournalError::Newer { path, found: version, known: VERSION });
        }
        HeaderRead::Bad if size > ZONE as u64 => {
            // Without its salt nothing in it can be told from garbage; the next header tells how much is lost.
            let damage = Damage {
                segment: number,
                offset: 0,
                bytes: size,
                after: 0,
                records_lost: 0,
                in_last_write: false,
            };
            found.report.damaged.push(damage);
            found.doubtful += (size - ZONE as u64) / HEAD as u64;
        }
        // A creation that was never finished.
        HeaderRead::Bad => found.litter.push(path),
    }
    Ok(())
}

/// A file to read from; what cannot be read is an error, or is read over.
fn reader(disk: &dyn Disk, path: &Path, read_over: bool) -> Result<Worn, JournalError> {
    let file = disk.open(path).map_err(JournalError::io("open", path))?;
    Ok(if read_over { Worn::new(file) } else { Worn::knowing(file, Arc::default()) })
}

/// Where each segment but the last ends, and what is missing between them.
fn settle(disk: &dyn Disk, dir: &Path, read_over: bool, found: &mut Found) -> Result<(), JournalError> {
    let mut limit = Seq::MAX;
    let mut ended = None;
    for segment in found.segments.iter_mut().rev() {
        if limit != Seq::MAX {
            segment.last = limit;
        }
        segment.ended = ended.unwrap_or(segment.header.created);
        limit = limit.min(segment.header.base);
        ended = Some(segment.header.created);
    }
    found.report.segments = found.segments.len();
    let mut before: Option<usize> = None;
    for i in 0..found.segments.len() {
        let (base, previous) = (found.segments[i].header.base, found.segments[i].header.previous);
        if let Some(b) = before.filter(|&b| found.segments[b].header.hash() != previous) {
            // A segment between the two is gone or cannot be read; how much it held, only the one before can tell.
            let last = end_of(disk, dir, &found.segments[b], base, read_over)?.last;
            found.segments[b].last = last;
            let between = found.segments[b].header.number + 1..found.segments[i].header.number;
            let records_lost = base.saturating_sub(last);
            match found.report.damaged.iter_mut().find(|d| between.contains(&d.segment)) {
                Some(damage) => (damage.after, damage.records_lost) = (last, records_lost),
                None => found.report.damaged.push(Damage {
                    segment: between.start,
                    offset: 0,
                    bytes: 0,
                    after: last,
                    records_lost,
                    in_last_write: false,
                }),
            }
        }
        if !found.segments[i].is_empty() {
            before = Some(i);
        }
    }
    Ok(())
}

/// The end of a segment, found by reading it.
pub(crate) struct End {
    pub last: Seq,
    pub records: u64,
    pub damaged: Vec<Damage>,
    /// Where the last group begins and the good records end; only of a raw segment.
    pub group: u64,
    pub good: u64,
    pub torn: u64,
}

/// Reads a whole segment; records behind `limit` are not part of the journal.
pub(crate) fn end_of(
    disk: &dyn Disk,
    dir: &Path,
    segment: &Segment,
    limit: Seq,
    read_over: bool,
) -> Result<End, JournalError> {
    let path = segment.path(dir);
    let file = Arc::new(reader(disk, &path, read_over)?);
    match segment.header.form {
        Form::Raw => {
            let scanner = Scanner::new(
                Arc::clone(&file) as Arc<dyn DiskFile>,
                segment.header.key(),
                segment.header.first,
                segment.bytes,
            );
            let mut end = end_of_raw(scanner, segment, limit).map_err(JournalError::io("read", &path))?;
            end.unreadable(segment, file.until(), limit);
            Ok(end)
        }
        Form::Sealed => {
            let whole = Segment { last: limit, ..segment.clone() };
            let reader = FrameReader::new(file, &whole, 0).map_err(JournalError::io("read", &path))?;
            reader.end(segment).map_err(JournalError::io("read", &path))
        }
    }
}

impl End {
    /// A block that cannot be read behind the last good record may have held records: nobody knows how many.
    fn unreadable(&mut self, segment: &Segment, until: u64, limit: Seq) {
        if until <= self.good || limit != Seq::MAX {
            return;
        }
        self.torn = self.torn.max(until - self.good);
        self.damaged.push(Damage {
            segment: segment.header.number,
            offset: self.good,
            bytes: until - self.good,
            after: self.last,
            records_lost: 0,
            in_last_write: true,
        });
    }
}

fn end_of_raw(mut scanner: Scanner, segment: &Segment, limit: Seq) -> std::io::Result<End> {
    let mut end = End {
        last: segment.header.base.min(limit),
        records: 0,
        damaged: Vec::new(),
        group: ZONE as u64,
        good: ZONE as u64,
        torn: 0,
    };
    while end.last < limit {
        match scanner.next()? {
            Next::Record { seq, .. } if seq > limit => {
                // What lies before it and is no record belongs to a withdrawn group too, or the caller counts it.
                end.damaged.pop_if(|d| d.offset >= end.good);
                break;
            }
            Next::Record { offset, seq } => {
                if format::starts_group(scanner.record()) {
                    end.group = offset;
                    end.damaged.iter_mut().for_each(|d| d.in_last_write = false);
                }
                end.last = seq;
                end.records += 1;
                end.good = offset + scanner.record().len() as u64;
            }
            Next::Damage { offset, bytes, lost } => end.damaged.push(Damage {
                segment: segment.header.number,
                offset,
                bytes,
                after: end.last,
                records_lost: lost,
                in_last_write: true,
            }),
            Next::End { rest, .. } => {
                end.torn = rest;
                break;
            }
        }
    }
    Ok(end)
}

/// Writes the last group over itself and syncs it: reading it back proved nothing about the disk.
fn write_again(disk: &dyn Disk, path: &Path, from: u64, to: u64) -> Result<(), JournalError> {
    let file = disk.open_write(path).map_err(JournalError::io("open", path))?;
    let mut bytes = vec![0; (to - from) as usize];
    match file.read_at(&mut bytes, from) {
        Ok(got) => file.write_at(&bytes[..got], from).map_err(JournalError::io("write", path))?,
        Err(error) if is_of_the_disk(&error) => {
            // A block that cannot be read is in no cache: it stays as it is, the others are written.
            for (piece, at) in bytes.chunks_mut(BLOCK as usize).zip((from..).step_by(BLOCK as usize)) {
                match file.read_at(piece, at) {
                    Ok(got) => file.write_at(&piece[..got], at).map_err(JournalError::io("write", path))?,
                    Err(error) if is_of_the_disk(&error) => {}
                    Err(error) => return Err(JournalError::io("read", path)(error)),
                }
            }
        }
        Err(error) => return Err(JournalError::io("read", path)(error)),
    }
    file.sync_data().map_err(JournalError::io("sync", path))
}

fn finish(found: &mut Found) {
    let held = found.segments.iter().filter(|s| !s.is_empty());
    let inside = |d: &&Damage| found.segments.iter().any(|s| s.header.number == d.segment);
    let lost: u64 = found.report.damaged.iter().filter(inside).map(|d| d.records_lost).sum();
    found.report.records = held.map(|s| s.last - s.header.first + 1).sum::<u64>().saturating_sub(lost);
    found.report.last = found.segments.last().map_or(0, |s| s.last);
    found.next = found.next.max(found.report.last + 1) + found.doubtful;
    found.report.first = found.segments.iter().find(|s| !s.is_empty()).map_or(found.next, |s| s.header.first);
}
