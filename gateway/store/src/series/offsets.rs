//! The column of exported nanoseconds: random digits, so it is the dearest of all unless it follows from others.

use orderly_core::dedupe::CountedOffset;
use orderly_core::reading::Reading;

use super::catalog::Stream;
use super::ints::{ints, put_column, put_ints};
use super::part::RowHead;
use crate::batch::DecodeError;
use crate::batch::wire::Reader;

/// Stands for the whole column; not one of the ways in which integers are packed.
const FOLLOWS: u8 = 9;

/// Appends the column: nothing but a mark where it follows from time and counter.
pub(super) fn put_offsets(out: &mut Vec<u8>, readings: &[&Reading]) {
    let follows = readings.first().is_some_and(|r| {
        let offset = CountedOffset::new(&r.device, r.epoch, &r.stream);
        readings.iter().all(|r| r.sequence.is_some_and(|s| offset.of(r.device_time, s) == r.offset_ns))
    });
    let mut body = Vec::new();
    if follows {
        body.push(FOLLOWS);
    } else {
        put_ints(&mut body, &readings.iter().map(|r| r.offset_ns.into()).collect::<Vec<_>>());
    }
    put_column(out, &body);
}

/// Reads what [`put_offsets`] wrote.
pub(super) fn offsets(
    column: Reader<'_>,
    stream: &Stream,
    heads: &[RowHead],
) -> Result<Vec<i64>, DecodeError> {
    if column.first() != Some(FOLLOWS) {
        return ints(column, heads.len());
    }
    let offset = CountedOffset::new(&stream.device, stream.epoch, &stream.stream);
    let of = |h: &RowHead| h.sequence.map(|s| offset.of(h.device_time, s).into());
    heads.iter().map(|h| of(h).ok_or(DecodeError::Malformed("offset"))).collect()
}
