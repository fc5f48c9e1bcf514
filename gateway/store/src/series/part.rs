//! A part: a run of readings of one stream in one blob, with the bounds by which it is found.

use orderly_core::reading::Reading;

use super::catalog::{Catalog, Stream};
use super::{chunk, rows};
use crate::batch::DecodeError;

/// The bounds of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Earliest and latest time taken.
    pub(super) taken: (i64, i64),
    /// Earliest and latest device time that is not the time taken, if there is one.
    pub(super) device: Option<(i64, i64)>,
    /// Lowest and highest journal sequence.
    pub(super) seq: (u64, u64),
    /// Latest time received.
    pub(super) received: i64,
}

impl Bounds {
    /// The bounds of these readings; `None` when there are none.
    pub(super) fn of<'a>(readings: impl IntoIterator<Item = &'a Reading>) -> Option<Self> {
        readings.into_iter().fold(None, |all: Option<Self>, r| {
            let one = Self {
                taken: (r.taken_at.0, r.taken_at.0),
                device: r.device_time.filter(|t| *t != r.taken_at).map(|t| (t.0, t.0)),
                seq: (r.origin.seq, r.origin.seq),
                received: r.received_at.0,
            };
            Some(all.map_or(one, |all| all.with(one)))
        })
    }

    /// The bounds of both.
    pub(super) fn with(self, other: Self) -> Self {
        let span = |a: (i64, i64), b: (i64, i64)| (a.0.min(b.0), a.1.max(b.1));
        Self {
            taken: span(self.taken, other.taken),
            device: match (self.device, other.device) {
                (Some(a), Some(b)) => Some(span(a, b)),
                (a, b) => a.or(b),
            },
            seq: (self.seq.0.min(other.seq.0), self.seq.1.max(other.seq.1)),
            received: self.received.max(other.received),
        }
    }
}

/// Unpacks a part of either format.
pub(super) fn decode(blob: &[u8], stream: &Stream, catalog: &Catalog) -> Result<Vec<Reading>, DecodeError> {
    match blob.split_first() {
        Some((&rows::ROWS, body)) => rows::decode(body, stream, catalog),
        Some((&chunk::COLUMNS, body)) => chunk::decode(body, stream, catalog),
        Some((other, _)) => Err(DecodeError::Format(*other)),
        None => Err(DecodeError::Short),
    }
}
