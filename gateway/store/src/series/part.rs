//! A part: a run of readings in one blob, with the bounds by which it is found, and what is picked out of it.

use orderly_core::ids::MetricId;
use orderly_core::reading::{Origin, Reading};
use orderly_core::time::Timestamp;

use super::bundle::{self, Bundle};
use super::catalog::{Catalog, Stream};
use super::{chunk, chunk_reader, rows};
use crate::batch::DecodeError;

/// The bounds of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Earliest and latest time taken.
    pub(super) taken: (i64, i64),
    /// Earliest and latest device time that is not the time taken, if there is one.
    pub(super) device: Option<(i64, i64)>,
    /// Lowest and highest counter of readings without device time.
    pub(super) sequence: Option<(i64, i64)>,
    /// Lowest and highest journal sequence.
    pub(super) seq: (u64, u64),
    /// Latest time received.
    pub(super) received: i64,
}

impl Bounds {
    /// The bounds of these readings; `None` when there are none.
    pub(super) fn of<'a>(readings: impl IntoIterator<Item = &'a Reading>) -> Option<Self> {
        readings.into_iter().fold(None, |all: Option<Self>, r| {
            let counted = r.sequence.filter(|_| r.device_time.is_none()).map(sequence_bound);
            let one = Self {
                taken: (r.taken_at.0, r.taken_at.0),
                device: r.device_time.filter(|t| *t != r.taken_at).map(|t| (t.0, t.0)),
                sequence: counted.map(|s| (s, s)),
                seq: (r.origin.seq, r.origin.seq),
                received: r.received_at.0,
            };
            Some(all.map_or(one, |all| all.with(one)))
        })
    }

    /// As the columns `t0, t1, d0, d1, q0, q1, s0, s1` of the part tables.
    pub(super) fn columns(&self) -> [Option<i64>; 8] {
        let (device, sequence) = (self.device.unzip(), self.sequence.unzip());
        let seq = [self.seq.0 as i64, self.seq.1 as i64].map(Some);
        let taken = [self.taken.0, self.taken.1].map(Some);
        [taken[0], taken[1], device.0, device.1, sequence.0, sequence.1, seq[0], seq[1]]
    }

    fn with(self, other: Self) -> Self {
        type Span<T> = (T, T);
        fn span<T: Ord>(a: Span<T>, b: Span<T>) -> Span<T> {
            (a.0.min(b.0), a.1.max(b.1))
        }
        fn some(a: Option<Span<i64>>, b: Option<Span<i64>>) -> Option<Span<i64>> {
            match (a, b) {
                (Some(a), Some(b)) => Some(span(a, b)),
                (a, b) => a.or(b),
            }
        }
        Self {
            taken: span(self.taken, other.taken),
            device: some(self.device, other.device),
            sequence: some(self.sequence, other.sequence),
            seq: span(self.seq, other.seq),
            received: self.received.max(other.received),
        }
    }
}

/// A counter as a bound: SQLite knows no larger numbers, and a bound may be too wide but not too narrow.
pub(super) fn sequence_bound(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}

/// What tells readings apart before their values are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowHead {
    pub(super) origin: Origin,
    pub(super) device_time: Option<Timestamp>,
    pub(super) taken_at: Timestamp,
    pub(super) sequence: Option<u64>,
}

/// What is wanted of a part.
pub(super) struct Pick<'a> {
    /// Only these metrics; none named means all.
    pub(super) metrics: &'a [MetricId],
    /// Only these readings.
    pub(super) keep: &'a dyn Fn(&RowHead) -> bool,
}

impl Pick<'_> {
    /// Everything.
    pub(super) const ALL: Pick<'static> = Pick { metrics: &[], keep: &|_| true };
}

/// Adds to `found` what is picked of a part of any format: of one stream, or of all that are in it.
pub(super) fn read(
    blob: &[u8],
    stream: Option<u32>,
    catalog: &Catalog,
    pick: &Pick<'_>,
    found: &mut Vec<Reading>,
) -> Result<(), DecodeError> {
    if blob.first() == Some(&bundle::BUNDLE) {
        let before = found.len();
        Bundle::open(blob, catalog)?.readings(stream, catalog, found)?;
        let mut place = 0;
        found.retain(|r| {
            place += 1;
            place <= before || (pick.keep)(&head(r))
        });
        return Ok(());
    }
    let stream = stream.and_then(|id| catalog.stream(id).ok()).ok_or(DecodeError::Malformed("stream"))?;
    of_stream(blob, stream, catalog, pick, found)
}

/// Adds to `found` what is picked of a part that holds one stream.
pub(super) fn of_stream(
    blob: &[u8],
    stream: &Stream,
    catalog: &Catalog,
    pick: &Pick<'_>,
    found: &mut Vec<Reading>,
) -> Result<(), DecodeError> {
    match blob.split_first() {
        Some((&rows::ROWS, body)) => {
            let all = rows::decode(body, stream, catalog)?;
            found.extend(all.into_iter().filter(|r| (pick.keep)(&head(r))));
            Ok(())
        }
        Some((&chunk::COLUMNS, body)) => chunk_reader::decode(body, stream, catalog, pick, found),
        Some((other, _)) => Err(DecodeError::Format(*other)),
        None => Err(DecodeError::Short),
    }
}

const fn head(r: &Reading) -> RowHead {
    RowHead { origin: r.origin, device_time: r.device_time, taken_at: r.taken_at, sequence: r.sequence }
}
