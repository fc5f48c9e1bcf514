//! Opens what an earlier run left, whatever its content.
//!
//! Which records are part of the journal: those of each segment up to the lowest `base` of all later segments, and
//! in the last segment all that are good. So a group whose write failed is out as soon as the next segment's
//! header is durable; before that nobody has seen its numbers, and keeping it is a late success.
//!
//! The last group may be in the cache of the operating system and not on the disk, when the run before ended right
//! after a failed sync. It is written and synced once more before anybody may rely on it.

use std::collections::BTreeMap;
use std::path::Path;

use orderly_core::record::Seq;

use super::JournalError;
use super::format::{self, Form, HEAD, Header, HeaderRead, VERSION, ZONE};
use super::scan::{Next, Scanner};
use super::segment::{self, Segment};
use crate::disk::Disk;

/// Bytes of a segment that are no good record though they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Number of the segment.
    pub segment: u64,
    /// Where in its file.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// How many records are missing, told by the sequence numbers before and behind.
    pub records_lost: u64,
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
    /// Damage that was met; sealed segments are read only when needed, or by [`super::check`].
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
    /// Hash of the last header.
    pub previous: [u8; 32],
    /// How many numbers the unreadable segments at the end may have used.
    pub doubtful: u64,
}

/// Reads the directory; mends what an interrupted seal left, and makes sure that the last group is durable.
pub(crate) fn recover(disk: &dyn Disk, dir: &Path) -> Result<Found, JournalError> {
    let mut found = survey(disk, dir)?;
    let Some(last) = found.segments.last_mut().filter(|s| s.header.form == Form::Raw) else {
        finish(&mut found);
        return Ok(found);
    };
    let tail = scan_last(disk, dir, last)?;
    found.report.damaged.extend(tail.damaged);
    found.report.torn_bytes = tail.torn;
    // What looks torn may be a damaged record whose number somebody has seen: never give it out again.
    found.doubtful += if tail.torn == 0 { 0 } else { tail.torn / HEAD as u64 + 1 };
    finish(&mut found);
    Ok(found)
}

/// Lists the segments and reads their headers.
pub(crate) fn survey(disk: &dyn Disk, dir: &Path) -> Result<Found, JournalError> {
    let mut files: BTreeMap<u64, Vec<Form>> = BTreeMap::new();
    for name in disk.list(dir).map_err(JournalError::io("list", dir))? {
        if let Some((number, form)) = segment::parse_name(&name) {
            files.entry(number).or_default().push(form);
        }
    }
    let mut found = Found {
        segments: Vec::new(),
        report: Recovered::default(),
        next: 1,
        number: 1,
        previous: [0; 32],
        doubtful: 0,
    };
    for (number, forms) in files {
        found.number = number + 1;
        // Both: the seal was interrupted before the raw one went, so that one is whole.
        let form = if forms.contains(&Form::Raw) { Form::Raw } else { Form::Sealed };
        let path = segment::path(dir, number, form);
        let file = disk.open(&path).map_err(JournalError::io("open", &path))?;
        let size = file.size().map_err(JournalError::io("measure", &path))?;
        let mut zone = vec![0; ZONE];
        let got = file.read_at(&mut zone, 0).map_err(JournalError::io("read", &path))?;
        match Header::read(&zone[..got]) {
            HeaderRead::Good(header) => {
                found.next = found.next.max(header.first);
                found.previous = header.hash();
                found.doubtful = 0;
                found.segments.push(Segment { bytes: size, ..Segment::new(Header { form, ..header }) });
            }
            HeaderRead::Newer(version) => {
                return Err(JournalError::Newer { path, found: version, known: VERSION });
            }
            HeaderRead::Bad if size > ZONE as u64 => {
                // Without its salt nothing in it can be told from garbage; a later header tells how much is lost.
                found.report.damaged.push(Damage {
                    segment: number,
                    offset: 0,
                    bytes: size,
                    records_lost: 0,
                });
                found.doubtful += (size - ZONE as u64) / HEAD as u64;
            }
            // A creation that was never finished.
            HeaderRead::Bad => {}
        }
    }
    settle(&mut found);
    Ok(found)
}

/// Works out where each segment but the last ends, and which records are missing between segments.
fn settle(found: &mut Found) {
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
    let pairs = found.segments.windows(2).filter(|p| p[1].header.number != p[0].header.number + 1);
    let missing: Vec<(u64, u64)> = pairs.map(|p| (p[0].header.number + 1, p[1].header.base)).collect();
    for (number, base) in missing {
        // The records before `base` that the segment before cannot hold: its own scan tells, see `check`.
        if !found.report.damaged.iter().any(|d| d.segment == number) {
            found.report.damaged.push(Damage { segment: number, offset: 0, bytes: 0, records_lost: 0 });
        }
        tracing::warn!(segment = number, base, "a journal segment is missing or cannot be read");
    }
}

struct TailScan {
    damaged: Vec<Damage>,
    torn: u64,
}

fn scan_last(disk: &dyn Disk, dir: &Path, segment: &mut Segment) -> Result<TailScan, JournalError> {
    let path = segment.path(dir);
    let file = disk.open_write(&path).map_err(JournalError::io("open", &path))?;
    let mut scanner = Scanner::new(file.clone(), segment.header.key(), segment.header.first, segment.bytes);
    let mut tail = TailScan { damaged: Vec::new(), torn: 0 };
    let mut group = ZONE as u64;
    let end = loop {
        match scanner.next().map_err(JournalError::io("read", &path))? {
            Next::Record { offset, seq } => {
                if format::starts_group(scanner.record()) {
                    group = offset;
                }
                segment.mark(seq, offset);
                segment.last = seq;
                segment.ended = format::wall_of(scanner.record());
            }
            Next::Damage { offset, bytes, lost } => {
                segment.damaged = true;
                let number = segment.header.number;
                tail.damaged.push(Damage { segment: number, offset, bytes, records_lost: lost });
            }
            Next::End { offset, rest } => {
                tail.torn = rest;
                break offset;
            }
        }
    };
    if end > group {
        let mut bytes = vec![0; (end - group) as usize];
        file.read_at(&mut bytes, group).map_err(JournalError::io("read", &path))?;
        file.write_at(&bytes, group).map_err(JournalError::io("write", &path))?;
        file.sync_data().map_err(JournalError::io("sync", &path))?;
    }
    segment.bytes = end;
    Ok(tail)
}

fn finish(found: &mut Found) {
    let lost: u64 = found.report.damaged.iter().map(|d| d.records_lost).sum();
    let held = found.segments.iter().filter(|s| !s.is_empty());
    found.report.records = held.map(|s| s.last - s.header.first + 1).sum::<u64>().saturating_sub(lost);
    found.report.last = found.segments.last().map_or(0, |s| s.last);
    found.next = found.next.max(found.report.last + 1) + found.doubtful;
    found.report.first = found.segments.iter().find(|s| !s.is_empty()).map_or(found.next, |s| s.header.first);
}
