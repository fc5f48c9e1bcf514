//! Looks at the files of a journal without opening it: for `orderly journal check` and `dump`.
//!
//! Changes nothing and needs no lock. Beside a running daemon the end of the last segment may be seen half written,
//! and a file that is sealed or deleted at that moment is an error; look again then.

use std::path::Path;

use orderly_core::record::{Record, Seq};

use super::JournalError;
use super::format::Form;
use super::recover::{Damage, End, end_of, survey};
use super::tail::Cold;
use crate::disk::Disk;

/// One segment, read in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentReport {
    /// Its number.
    pub number: u64,
    /// How its records are kept.
    pub form: Form,
    /// The first number that it may hold.
    pub first: Seq,
    /// Its last record; below `first` when it holds none.
    pub last: Seq,
    /// How many good records it holds.
    pub records: u64,
    /// Bytes of its file.
    pub bytes: u64,
}

/// What [`check`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The segments whose header can be read.
    pub segments: Vec<SegmentReport>,
    /// Whatever is not as it should be.
    pub damaged: Vec<Damage>,
    /// Good records in all.
    pub records: u64,
    /// Records that are missing, as far as anything tells.
    pub records_lost: u64,
    /// Bytes behind the last good record; no damage, a write was interrupted or is going on.
    pub torn_bytes: u64,
}

/// Reads every byte of a journal and reports what is there.
///
/// # Errors
/// When the disk refuses, or a newer version wrote the files.
pub fn check(disk: &dyn Disk, dir: &Path) -> Result<Report, JournalError> {
    let found = survey(disk, dir, true)?;
    let mut report = Report { damaged: found.report.damaged, ..Report::default() };
    let count = found.segments.len();
    for (i, segment) in found.segments.into_iter().enumerate() {
        let is_last = i + 1 == count;
        let limit = if is_last { Seq::MAX } else { segment.last };
        let end = end_of(disk, dir, &segment, limit, true)?;
        if is_last {
            report.torn_bytes = end.torn;
        }
        let lost_at_end = if is_last || segment.is_empty() { 0 } else { segment.last - end.last };
        report.segments.push(SegmentReport {
            number: segment.header.number,
            form: segment.header.form,
            first: segment.header.first,
            last: end.last,
            records: end.records,
            bytes: segment.bytes,
        });
        report.records += end.records;
        let End { damaged, good, torn, last, .. } = end;
        report.damaged.extend(damaged);
        if lost_at_end > 0 && segment.header.form == Form::Raw {
            report.damaged.push(Damage {
                segment: segment.header.number,
                offset: good,
                bytes: torn,
                after: last,
                records_lost: lost_at_end,
                in_last_write: false,
            });
        }
    }
    report.records_lost = report.damaged.iter().map(|d| d.records_lost).sum();
    Ok(report)
}

/// Shows records from a number on, in order, at most `limit`; gives how many there were.
///
/// # Errors
/// When the disk refuses, or a newer version wrote the files.
pub fn dump(
    disk: &dyn Disk,
    dir: &Path,
    from: Seq,
    limit: u64,
    mut show: impl FnMut(&Record<'_>),
) -> Result<u64, JournalError> {
    let mut segments = survey(disk, dir, true)?.segments;
    if let Some(last) = segments.last_mut() {
        last.last = end_of(disk, dir, last, Seq::MAX, true)?.last;
    }
    let mut shown = 0;
    let mut after = from.saturating_sub(1);
    for segment in segments.iter().filter(|s| !s.is_empty()) {
        if segment.last <= after {
            continue;
        }
        let path = segment.path(dir);
        let mut cold = Cold::open(disk, dir, segment, after + 1).map_err(JournalError::io("open", &path))?;
        while after < segment.last {
            let group =
                cold.read(after, segment, &mut Vec::new()).map_err(JournalError::io("read", &path))?;
            for record in group.iter() {
                if shown == limit {
                    return Ok(shown);
                }
                show(&record);
                shown += 1;
            }
            after = group.through();
        }
    }
    Ok(shown)
}
