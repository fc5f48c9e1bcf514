//! A sealed chunk: the readings of one stream as columns, all metrics sharing those of time and origin.
//!
//! Every column stands with its length, so a reader of one metric leaves the others alone. A *shape* lists the
//! columns that a reading has values in, in the reading's own order; so a column needs no marks for absence.

use std::collections::HashMap;

use orderly_core::reading::{Measured, Reading};
use orderly_core::rule::is_kept_exactly;

use super::catalog::Catalog;
use super::ints::{put_column, put_ints};
use super::offsets::put_offsets;
use super::rows::put_context;
use super::values::put_values;
use crate::batch::row::{kind, put_name, same_shape};
use crate::batch::wire::put_varint;

/// First byte of such a blob.
pub(super) const COLUMNS: u8 = 2;
const SECOND_MS: i64 = 1_000;
/// More readings than this are never in one chunk.
pub(super) const MAX_ROWS: usize = 1 << 16;

/// Packs readings of one stream, which must be in order of time taken.
pub(super) fn encode(readings: &[&Reading], catalog: &mut Catalog) -> Vec<u8> {
    let mut out = vec![COLUMNS];
    put_varint(&mut out, readings.len() as u64);
    let contexts = put_contexts(&mut out, readings, catalog);
    let put = |out: &mut Vec<u8>, all: &[i64]| {
        let mut body = Vec::new();
        put_ints(&mut body, all);
        put_column(out, &body);
    };
    let each = |f: &dyn Fn(&Reading) -> i64| readings.iter().map(|r| f(r)).collect::<Vec<i64>>();
    let some =
        |f: &dyn Fn(&Reading) -> Option<i64>| readings.iter().filter_map(|r| f(r)).collect::<Vec<i64>>();
    put(&mut out, &each(&|r| r.taken_at.0));
    put(&mut out, &contexts);
    let exact = readings.first().is_none_or(|r| is_kept_exactly(r.class.as_str()));
    put(&mut out, &each(&|r| delay(r, exact)));
    put(&mut out, &each(&|r| r.device_time.map_or(0, |t| if t == r.taken_at { 1 } else { 2 })));
    put(
        &mut out,
        &some(&|r| r.device_time.filter(|t| *t != r.taken_at).map(|t| t.0.wrapping_sub(r.taken_at.0))),
    );
    put(&mut out, &each(&|r| r.origin.seq as i64));
    put(&mut out, &each(&|r| r.origin.index.into()));
    put(&mut out, &each(&|r| r.sequence.is_some().into()));
    put(&mut out, &some(&|r| r.sequence.map(|s| s as i64)));
    put_offsets(&mut out, readings);
    put(&mut out, &each(&|r| r.marks.0.into()));
    put_metrics(&mut out, readings, catalog);
    out
}

/// How long after it was taken a reading was received. The milliseconds of it are chance, and a sensor that says one
/// word a minute would spend more bytes on them than on all the rest.
fn delay(r: &Reading, exact: bool) -> i64 {
    let delay = r.received_at.0.wrapping_sub(r.taken_at.0);
    if exact { delay } else { delay.saturating_add(SECOND_MS / 2).div_euclid(SECOND_MS) * SECOND_MS }
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

/// The columns that the values of a reading belong to, in their order; new ones are added.
fn shape_of<'a>(
    r: &'a Reading,
    columns: &mut Vec<(Key<'a>, Vec<&'a Measured>)>,
    by_key: &mut HashMap<Key<'a>, usize>,
) -> Vec<usize> {
    let mut shape = Vec::with_capacity(r.values.len());
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
    }
    shape
}

fn put_metrics(out: &mut Vec<u8>, readings: &[&Reading], catalog: &mut Catalog) {
    let mut columns: Vec<(Key<'_>, Vec<&Measured>)> = Vec::new();
    let mut by_key: HashMap<Key<'_>, usize> = HashMap::new();
    let mut shapes: Vec<Vec<usize>> = Vec::new();
    let mut by_shape: HashMap<Vec<usize>, usize> = HashMap::new();
    let mut of_row = Vec::with_capacity(readings.len());
    let mut previous: Option<(&Reading, usize)> = None;
    for r in readings {
        // Most readings of a stream are alike: names are compared, not looked up.
        let alike = previous.filter(|(p, _)| same_shape(&p.values, &r.values)).map(|(_, number)| number);
        let number = alike.unwrap_or_else(|| {
            let shape = shape_of(r, &mut columns, &mut by_key);
            *by_shape.entry(shape).or_insert_with_key(|shape| {
                shapes.push(shape.clone());
                shapes.len() - 1
            })
        });
        for (column, m) in shapes.get(number).into_iter().flatten().zip(&r.values) {
            if let Some((_, values)) = columns.get_mut(*column) {
                values.push(m);
            }
        }
        of_row.push(number as i64);
        previous = Some((r, number));
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
