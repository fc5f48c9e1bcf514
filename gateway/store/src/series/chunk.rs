//! A sealed chunk: the readings of one stream as columns, all metrics sharing those of time and origin.
//!
//! Every column stands with its length, so a reader of one metric leaves the others alone. A *shape* lists the
//! columns that a reading has values in, in the reading's own order; so a column needs no marks for absence.

use std::collections::HashMap;
use std::sync::Arc;

use orderly_core::ids::MetricId;
use orderly_core::reading::{Marks, Measured, Origin, Reading};
use orderly_core::time::Timestamp;
use smallvec::SmallVec;

use super::catalog::{Catalog, Stream};
use super::ints::{ints, put_column, put_ints};
use super::rows::{context, put_context};
use super::values::{Packed, Unnamed, column, is_good, put_values};
use crate::batch::row::{Row, kind, name, put_name, trust};
use crate::batch::wire::{Reader, put_varint};
use crate::batch::{DecodeError, Head};

/// First byte of such a blob.
pub(super) const COLUMNS: u8 = 2;
/// More readings than this are never in one chunk.
pub(super) const MAX_ROWS: usize = 1 << 16;

/// Packs readings of one stream, which must be in order of time taken.
pub(super) fn encode(readings: &[&Reading], catalog: &mut Catalog) -> Vec<u8> {
    let mut out = vec![COLUMNS];
    put_varint(&mut out, readings.len() as u64);
    let contexts = put_contexts(&mut out, readings, catalog);
    let mut body = Vec::new();
    let mut put = |out: &mut Vec<u8>, all: &[i64]| {
        body.clear();
        put_ints(&mut body, all);
        put_column(out, &body);
    };
    let each = |f: &dyn Fn(&Reading) -> i64| readings.iter().map(|r| f(r)).collect::<Vec<i64>>();
    let some =
        |f: &dyn Fn(&Reading) -> Option<i64>| readings.iter().filter_map(|r| f(r)).collect::<Vec<i64>>();
    put(&mut out, &each(&|r| r.taken_at.0));
    put(&mut out, &contexts);
    put(&mut out, &each(&|r| r.received_at.0.wrapping_sub(r.taken_at.0)));
    put(&mut out, &each(&|r| r.device_time.map_or(0, |t| if t == r.taken_at { 1 } else { 2 })));
    put(
        &mut out,
        &some(&|r| r.device_time.filter(|t| *t != r.taken_at).map(|t| t.0.wrapping_sub(r.taken_at.0))),
    );
    put(&mut out, &each(&|r| r.origin.seq as i64));
    put(&mut out, &each(&|r| r.origin.index.into()));
    put(&mut out, &each(&|r| r.sequence.is_some().into()));
    put(&mut out, &some(&|r| r.sequence.map(|s| s as i64)));
    put(&mut out, &each(&|r| r.offset_ns.into()));
    put(&mut out, &each(&|r| r.marks.0.into()));
    put_metrics(&mut out, readings, catalog);
    out
}

/// Appends the contexts and gives the number of each reading's.
fn put_contexts(out: &mut Vec<u8>, readings: &[&Reading], catalog: &mut Catalog) -> Vec<i64> {
    let mut list: Vec<&Reading> = Vec::new();
    let numbers = readings
        .iter()
        .map(|r| {
            let same = |c: &&Reading| c.profile == r.profile && c.zone == r.zone;
            list.iter().rposition(same).unwrap_or_else(|| {
                list.push(r);
                list.len() - 1
            }) as i64
        })
        .collect();
    put_varint(out, list.len() as u64);
    for r in list {
        put_context(out, catalog, r.zone.as_ref(), r.profile);
    }
    numbers
}

/// What the values of one column have in common. The last tells apart values of one reading that are alike.
type Key<'a> = (&'a str, &'a str, u8, u32);

fn put_metrics(out: &mut Vec<u8>, readings: &[&Reading], catalog: &mut Catalog) {
    let mut columns: Vec<(Key<'_>, Vec<&Measured>)> = Vec::new();
    let mut by_key: HashMap<Key<'_>, usize> = HashMap::new();
    let mut shapes: Vec<Vec<usize>> = Vec::new();
    let mut by_shape: HashMap<Vec<usize>, usize> = HashMap::new();
    let mut of_row = Vec::with_capacity(readings.len());
    let mut shape = Vec::new();
    for r in readings {
        shape.clear();
        for m in &r.values {
            let mut key = (m.metric.as_str(), &*m.unit, kind(&m.value), 0);
            let number = loop {
                let new = columns.len();
                let number = *by_key.entry(key).or_insert(new);
                if number == new {
                    columns.push((key, Vec::new()));
                }
                if !shape.contains(&number) {
                    break number;
                }
                key.3 += 1;
            };
            shape.push(number);
            if let Some((_, values)) = columns.get_mut(number) {
                values.push(m);
            }
        }
        let known = by_shape.get(&shape).copied();
        of_row.push(known.unwrap_or_else(|| {
            by_shape.insert(shape.clone(), shapes.len());
            shapes.push(shape.clone());
            shapes.len() - 1
        }) as i64);
    }
    put_varint(out, columns.len() as u64);
    for ((metric, unit, kind, _), _) in &columns {
        put_name(out, catalog, metric);
        put_name(out, catalog, unit);
        out.push(*kind);
    }
    put_varint(out, shapes.len() as u64);
    for shape in &shapes {
        put_varint(out, shape.len() as u64);
        for number in shape {
            put_varint(out, *number as u64);
        }
    }
    let mut body = Vec::new();
    put_ints(&mut body, &of_row);
    put_column(out, &body);
    for (_, values) in &columns {
        put_values(out, values);
    }
}

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
            let metric =
                MetricId::new(&name(&mut r, catalog)?).map_err(|_| DecodeError::Malformed("metric"))?;
            names.push((metric, name(&mut r, catalog)?, r.u8()?));
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

/// Unpacks what [`encode`] packed, without its first byte.
pub(super) fn decode(body: &[u8], stream: &Stream, catalog: &Catalog) -> Result<Vec<Reading>, DecodeError> {
    let open = Open::read(body, stream, catalog)?;
    let (shapes, counts) = open.rows()?;
    let mut columns = Vec::with_capacity(counts.len());
    for (c, n) in open.columns.iter().zip(counts) {
        columns.push(c.packed.values(c.kind, n)?.into_iter());
    }
    let n = open.n;
    let [taken, contexts, received, has_time, time, seq, index, has_sequence, sequence, offset, marks] =
        open.shared;
    let (taken, contexts, received) = (ints(taken, n)?, ints(contexts, n)?, ints(received, n)?);
    let has_time = ints(has_time, n)?;
    let mut time = ints(time, has_time.iter().filter(|&&f| f == 2).count())?.into_iter();
    let (seq, index) = (ints(seq, n)?, ints(index, n)?);
    let has_sequence = ints(has_sequence, n)?;
    let mut sequence = ints(sequence, has_sequence.iter().filter(|&&f| f == 1).count())?.into_iter();
    let (offset, marks) = (ints(offset, n)?, ints(marks, n)?);
    let lost = || DecodeError::Malformed("column");
    let mut readings = Vec::with_capacity(n);
    for (i, shape) in shapes.into_iter().enumerate() {
        let at = |column: &[i64]| column.get(i).copied().ok_or_else(lost);
        let taken = at(&taken)?;
        let mut values: SmallVec<[Measured; 4]> = SmallVec::with_capacity(shape.len());
        for &c in shape {
            let next = columns.get_mut(c).and_then(Iterator::next).ok_or_else(lost)?;
            values.push(named(open.columns.get(c).ok_or_else(lost)?, next)?);
        }
        let row = Row {
            context: 0,
            origin: Origin { seq: at(&seq)? as u64, index: u16::try_from(at(&index)?).map_err(|_| lost())? },
            device_time: match at(&has_time)? {
                0 => None,
                1 => Some(Timestamp(taken)),
                _ => Some(Timestamp(taken.wrapping_add(time.next().ok_or_else(lost)?))),
            },
            taken_at: Timestamp(taken),
            received_at: Timestamp(taken.wrapping_add(at(&received)?)),
            sequence: if at(&has_sequence)? == 1 {
                Some(sequence.next().ok_or_else(lost)? as u64)
            } else {
                None
            },
            offset_ns: u32::try_from(at(&offset)?).map_err(|_| lost())?,
            marks: Marks(u8::try_from(at(&marks)?).map_err(|_| lost())?),
            values,
        };
        let head = usize::try_from(at(&contexts)?).ok().and_then(|c| open.heads.get(c)).ok_or_else(lost)?;
        readings.push(head.reading(row));
    }
    Ok(readings)
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
