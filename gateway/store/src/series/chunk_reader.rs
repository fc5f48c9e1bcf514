//! Reading sealed chunks: whole readings, some of them, or only the good numbers of a metric.

use std::sync::Arc;

use orderly_core::ids::MetricId;
use orderly_core::reading::{Marks, Measured, Origin, Reading};
use orderly_core::time::Timestamp;
use smallvec::SmallVec;

use super::catalog::{Catalog, Stream};
use super::chunk::MAX_ROWS;
use super::ints::ints;
use super::offsets::offsets;
use super::part::{Pick, RowHead};
use super::rows::context;
use super::values::{Packed, Unnamed, column, is_good};
use crate::batch::row::{Row, metric, name, trust};
use crate::batch::wire::Reader;
use crate::batch::{DecodeError, Head};

/// A chunk whose columns are found, but not yet unpacked.
struct Open<'a> {
    n: usize,
    heads: Vec<Head>,
    shared: [Reader<'a>; 11],
    columns: Vec<Column<'a>>,
    shapes: Vec<Vec<usize>>,
    of_row: Reader<'a>,
}

struct Column<'a> {
    metric: MetricId,
    unit: Arc<str>,
    kind: u8,
    packed: Packed<'a>,
}

impl<'a> Open<'a> {
    fn read(body: &'a [u8], stream: &Stream, catalog: &Catalog) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body);
        let n = usize::try_from(r.varint()?).map_err(|_| DecodeError::Short)?;
        if n > MAX_ROWS {
            return Err(DecodeError::Malformed("number of rows"));
        }
        let len = r.count()?;
        let heads = (0..len).map(|_| context(&mut r, catalog, stream)).collect::<Result<_, _>>()?;
        let mut shared = [Reader::new(&[]); 11];
        for s in &mut shared {
            *s = column(&mut r)?;
        }
        let len = r.count()?;
        let mut names = Vec::with_capacity(len);
        for _ in 0..len {
            names.push((metric(&mut r, catalog)?, name(&mut r, catalog)?, r.u8()?));
        }
        let shapes = (0..r.count()?)
            .map(|_| {
                let len = r.count()?;
                (0..len)
                    .map(|_| {
                        let c = usize::try_from(r.varint()?).map_err(|_| DecodeError::Malformed("shape"))?;
                        if c < names.len() { Ok(c) } else { Err(DecodeError::Malformed("shape")) }
                    })
                    .collect()
            })
            .collect::<Result<_, _>>()?;
        let of_row = column(&mut r)?;
        let mut columns = Vec::with_capacity(names.len());
        for (metric, unit, kind) in names {
            columns.push(Column { metric, unit, kind, packed: Packed::read(&mut r)? });
        }
        Ok(Self { n, heads, shared, columns, shapes, of_row })
    }

    /// The shape of each row, and how many rows have a value in each column.
    fn rows(&self) -> Result<(Vec<&[usize]>, Vec<usize>), DecodeError> {
        let mut counts = vec![0; self.columns.len()];
        let mut rows = Vec::with_capacity(self.n);
        for number in ints(self.of_row, self.n)? {
            let shape = usize::try_from(number).ok().and_then(|i| self.shapes.get(i));
            let shape = shape.ok_or(DecodeError::Malformed("shape"))?.as_slice();
            for &c in shape {
                if let Some(count) = counts.get_mut(c) {
                    *count += 1;
                }
            }
            rows.push(shape);
        }
        Ok((rows, counts))
    }
}

const fn lost() -> DecodeError {
    DecodeError::Malformed("column")
}

/// Unpacks of a chunk, without its first byte, what is picked.
pub(super) fn decode(
    body: &[u8],
    stream: &Stream,
    catalog: &Catalog,
    pick: &Pick<'_>,
    found: &mut Vec<Reading>,
) -> Result<(), DecodeError> {
    let open = Open::read(body, stream, catalog)?;
    let n = open.n;
    let heads = heads(&open)?;
    let kept: Vec<bool> = heads.iter().map(|head| (pick.keep)(head)).collect();
    let how_many = kept.iter().filter(|kept| **kept).count();
    if how_many == 0 {
        return Ok(());
    }
    let [_, contexts, received, _, _, _, _, _, _, offset, marks] = open.shared;
    let (contexts, received) = (ints(contexts, n)?, ints(received, n)?);
    let (offset, marks) = (offsets(offset, stream, &heads)?, ints(marks, n)?);
    let (shapes, counts) = open.rows()?;
    let mut columns = Vec::with_capacity(counts.len());
    for (c, n) in open.columns.iter().zip(counts) {
        let wanted = pick.metrics.is_empty() || pick.metrics.contains(&c.metric);
        columns.push(if wanted { Some(c.packed.values(c.kind, n)?.into_iter()) } else { None });
    }
    found.reserve(how_many);
    for (i, ((shape, head), kept)) in shapes.into_iter().zip(heads).zip(kept).enumerate() {
        let at = |column: &[i64]| column.get(i).copied().ok_or_else(lost);
        let mut values: SmallVec<[Measured; 1]> = SmallVec::with_capacity(if kept { shape.len() } else { 0 });
        for &c in shape {
            let Some(column) = columns.get_mut(c).ok_or_else(lost)? else { continue };
            let next = column.next().ok_or_else(lost)?;
            if kept {
                values.push(named(open.columns.get(c).ok_or_else(lost)?, next)?);
            }
        }
        if !kept {
            continue;
        }
        let row = Row {
            context: 0,
            origin: head.origin,
            device_time: head.device_time,
            taken_at: head.taken_at,
            received_at: Timestamp(head.taken_at.0.wrapping_add(at(&received)?)),
            sequence: head.sequence,
            offset_ns: u32::try_from(at(&offset)?).map_err(|_| lost())?,
            marks: Marks(u8::try_from(at(&marks)?).map_err(|_| lost())?),
            // By then it has taken its place.
            replaces: None,
            values,
        };
        let head = usize::try_from(at(&contexts)?).ok().and_then(|c| open.heads.get(c)).ok_or_else(lost)?;
        found.push(head.reading(row));
    }
    Ok(())
}

/// What tells the rows apart, before any value is unpacked.
fn heads(open: &Open<'_>) -> Result<Vec<RowHead>, DecodeError> {
    let n = open.n;
    let [taken, _, _, has_time, time, seq, index, has_sequence, sequence, _, _] = open.shared;
    let (taken, seq, index) = (ints(taken, n)?, ints(seq, n)?, ints(index, n)?);
    let (has_time, has_sequence) = (ints(has_time, n)?, ints(has_sequence, n)?);
    let mut time = ints(time, has_time.iter().filter(|&&f| f == 2).count())?.into_iter();
    let mut sequence = ints(sequence, has_sequence.iter().filter(|&&f| f == 1).count())?.into_iter();
    let mut heads = Vec::with_capacity(n);
    for i in 0..n {
        let at = |column: &[i64]| column.get(i).copied().ok_or_else(lost);
        let taken = at(&taken)?;
        heads.push(RowHead {
            origin: Origin { seq: at(&seq)? as u64, index: u16::try_from(at(&index)?).map_err(|_| lost())? },
            device_time: match at(&has_time)? {
                0 => None,
                2 => Some(Timestamp(taken.wrapping_add(time.next().ok_or_else(lost)?))),
                _ => Some(Timestamp(taken)),
            },
            taken_at: Timestamp(taken),
            sequence: if at(&has_sequence)? == 1 {
                Some(sequence.next().ok_or_else(lost)? as u64)
            } else {
                None
            },
        });
    }
    Ok(heads)
}

fn named(column: &Column<'_>, value: Unnamed) -> Result<Measured, DecodeError> {
    let (quality, reason) = trust(u8::try_from(value.trust).unwrap_or(u8::MAX))?;
    Ok(Measured {
        metric: column.metric.clone(),
        value: value.value,
        unit: Arc::clone(&column.unit),
        quality,
        reason,
        raw: value.raw,
    })
}

/// Gives every good number of the wanted metrics (all, when none is named) with its metric and time taken,
/// without building readings. Returns how many were given.
pub(super) fn good_numbers(
    body: &[u8],
    stream: &Stream,
    catalog: &Catalog,
    wanted: &[MetricId],
    give: &mut dyn FnMut(&MetricId, i64, f64),
) -> Result<(), DecodeError> {
    let open = Open::read(body, stream, catalog)?;
    let [taken, ..] = open.shared;
    let taken = ints(taken, open.n)?;
    let (shapes, counts) = open.rows()?;
    for (i, (c, n)) in open.columns.iter().zip(&counts).enumerate() {
        if c.kind != 0 || !(wanted.is_empty() || wanted.contains(&c.metric)) {
            continue;
        }
        let (numbers, trusts) = c.packed.good_numbers(*n)?;
        let mut next = numbers.into_iter().zip(trusts);
        if *n == open.n {
            for (t, (v, code)) in taken.iter().zip(next) {
                if code == 0 || is_good(code) {
                    give(&c.metric, *t, v);
                }
            }
            continue;
        }
        for (t, shape) in taken.iter().zip(&shapes) {
            if shape.contains(&i)
                && let Some((v, code)) = next.next()
                && is_good(code)
            {
                give(&c.metric, *t, v);
            }
        }
    }
    Ok(())
}
