//! Roll-ups: per metric and minute (or hour) the count, sum, smallest, largest and last of the good numbers.
//!
//! One blob holds the minutes of an hour, or the hours of a day, of one stream. Only chunks that are marked as
//! rolled are in them, so a reader adds up roll-ups, the other chunks and the recent rows, and nothing twice.

use std::collections::BTreeMap;

use orderly_core::ids::MetricId;
use orderly_core::reading::Reading;
use orderly_core::time::Timestamp;
use orderly_core::value::Quality;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::SeriesError;
use super::catalog::Catalog;
use super::ints::{ints, put_column, put_ints};
use super::numbers::{numbers, put_numbers};
use super::values::column;
use crate::batch::DecodeError;
use crate::batch::row::{name, put_name};
use crate::batch::wire::{Reader, put_varint};

const FORMAT: u8 = 1;
/// Bits of a row's key that number the span; the stream stands above them.
const SPAN_BITS: u32 = 24;

/// One of the two steps in which numbers are rolled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    /// Length of a slot in milliseconds.
    pub(super) slot_ms: i64,
    /// Slots in one blob.
    slots: i64,
    /// Set in `chunk.rolled` when the chunk is in it.
    pub(super) bit: i64,
    insert: &'static str,
    select: &'static str,
    range: &'static str,
}

/// Minutes, an hour in a blob.
pub(super) const MINUTES: Level = Level {
    slot_ms: 60_000,
    slots: 60,
    bit: 1,
    insert: "INSERT OR REPLACE INTO rollup_1m(key, blob) VALUES(?1, ?2)",
    select: "SELECT blob FROM rollup_1m WHERE key = ?1",
    range: "SELECT key, blob FROM rollup_1m WHERE key BETWEEN ?1 AND ?2",
};

/// Hours, a day in a blob.
pub(super) const HOURS: Level = Level {
    slot_ms: 3_600_000,
    slots: 24,
    bit: 2,
    insert: "INSERT OR REPLACE INTO rollup_1h(key, blob) VALUES(?1, ?2)",
    select: "SELECT blob FROM rollup_1h WHERE key = ?1",
    range: "SELECT key, blob FROM rollup_1h WHERE key BETWEEN ?1 AND ?2",
};

/// Good numbers of one metric in one slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sums {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) last: f64,
    pub(super) last_at: i64,
}

impl Sums {
    pub(super) const fn one(at: i64, v: f64) -> Self {
        Self { count: 1, sum: v, min: v, max: v, last: v, last_at: at }
    }

    /// Both together; of two numbers of the same moment the later given is the last.
    pub(super) fn join(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if other.last_at >= self.last_at {
            self.last_at = other.last_at;
            self.last = other.last;
        }
    }
}

/// Whether the key of a roll-up can hold this moment: 1970 to beyond 3800.
pub(super) const fn in_reach(t: Timestamp) -> bool {
    t.0 >= 0 && t.0 / MINUTES.span_ms() < 1 << SPAN_BITS
}

type Slots = BTreeMap<MetricId, BTreeMap<i64, Sums>>;

impl Level {
    const fn span_ms(&self) -> i64 {
        self.slot_ms * self.slots
    }

    const fn key(&self, stream: u32, t: i64) -> i64 {
        ((stream as i64) << SPAN_BITS) | t.div_euclid(self.span_ms())
    }

    /// Whether these readings gain from being rolled up: dense ones do, the others are as quickly read as they are.
    pub(super) fn suits(&self, readings: &[&Reading]) -> bool {
        let (Some(first), Some(last)) = (readings.first(), readings.last()) else { return false };
        let slots = last.taken_at.since(first.taken_at) / self.slot_ms + 1;
        in_reach(first.taken_at) && in_reach(last.taken_at) && readings.len() as i64 / slots >= 4
    }

    /// Adds readings of one stream, in order of time taken, to its blobs.
    pub(super) fn add(
        &self,
        tx: &Transaction<'_>,
        catalog: &mut Catalog,
        stream: u32,
        readings: &[&Reading],
    ) -> Result<(), SeriesError> {
        let same_span =
            |a: &&Reading, b: &&Reading| self.key(stream, a.taken_at.0) == self.key(stream, b.taken_at.0);
        for of_span in readings.chunk_by(same_span) {
            let Some(first) = of_span.first() else { continue };
            let key = self.key(stream, first.taken_at.0);
            let known: Option<Vec<u8>> =
                tx.prepare_cached(self.select)?.query_row([key], |row| row.get(0)).optional()?;
            let mut slots = match &known {
                Some(blob) => self.decode(blob, key, catalog).map_err(SeriesError::row("rollup"))?,
                None => Slots::new(),
            };
            let slot = |r: &Reading| r.taken_at.0 - r.taken_at.0.rem_euclid(self.slot_ms);
            for of_slot in of_span.chunk_by(|a, b| slot(a) == slot(b)) {
                let Some(at) = of_slot.first().map(|r| slot(r)) else { continue };
                for (metric, sums) in sums_of(of_slot) {
                    let of_metric = slots.entry(metric.clone()).or_default();
                    of_metric.entry(at).and_modify(|s| s.join(sums)).or_insert(sums);
                }
            }
            tx.prepare_cached(self.insert)?.execute(params![key, self.encode(&slots, key, catalog)])?;
        }
        Ok(())
    }

    /// Writes what one slot holds anew: these readings of the stream, in order of time taken, and no others.
    pub(super) fn set(
        &self,
        tx: &Transaction<'_>,
        catalog: &mut Catalog,
        stream: u32,
        slot: i64,
        readings: &[&Reading],
    ) -> Result<(), SeriesError> {
        if !in_reach(Timestamp(slot)) {
            return Ok(());
        }
        let key = self.key(stream, slot);
        let known: Option<Vec<u8>> =
            tx.prepare_cached(self.select)?.query_row([key], |row| row.get(0)).optional()?;
        let Some(blob) = known else { return Ok(()) };
        let mut slots = self.decode(&blob, key, catalog).map_err(SeriesError::row("rollup"))?;
        for of_metric in slots.values_mut() {
            of_metric.remove(&slot);
        }
        for (metric, sums) in sums_of(readings) {
            slots.entry(metric.clone()).or_default().insert(slot, sums);
        }
        slots.retain(|_, of_metric| !of_metric.is_empty());
        tx.prepare_cached(self.insert)?.execute(params![key, self.encode(&slots, key, catalog)])?;
        Ok(())
    }

    /// Gives the slots of a stream that begin in `from..to`.
    pub(super) fn slots(
        &self,
        db: &Connection,
        catalog: &Catalog,
        stream: u32,
        (from, to): (i64, i64),
        give: &mut dyn FnMut(&MetricId, i64, Sums),
    ) -> Result<(), SeriesError> {
        let top = self.span_ms() << SPAN_BITS;
        let (from, to) = (from.clamp(0, top - 1), to.clamp(0, top - 1));
        if from >= to {
            return Ok(());
        }
        let mut statement = db.prepare_cached(self.range)?;
        let mut rows = statement.query(params![self.key(stream, from), self.key(stream, to)])?;
        while let Some(row) = rows.next()? {
            let blob = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            let slots = self.decode(blob, row.get(0)?, catalog).map_err(SeriesError::row("rollup"))?;
            for (metric, of_metric) in &slots {
                for (slot, sums) in of_metric.range(from..to) {
                    give(metric, *slot, *sums);
                }
            }
        }
        Ok(())
    }

    fn encode(&self, slots: &Slots, key: i64, catalog: &mut Catalog) -> Vec<u8> {
        let start = self.start(key);
        let mut out = vec![FORMAT];
        put_varint(&mut out, slots.len() as u64);
        let mut body = Vec::new();
        for (metric, of_metric) in slots {
            put_name(&mut out, catalog, metric.as_str());
            put_varint(&mut out, of_metric.len() as u64);
            let mut whole = |f: &dyn Fn(i64, &Sums) -> i64| {
                body.clear();
                put_ints(&mut body, &of_metric.iter().map(|(slot, s)| f(*slot, s)).collect::<Vec<_>>());
                put_column(&mut out, &body);
            };
            whole(&|slot, _| (slot - start) / self.slot_ms);
            whole(&|_, s| s.count as i64);
            whole(&|slot, s| s.last_at - slot);
            let mut real = |f: &dyn Fn(&Sums) -> f64| {
                body.clear();
                put_numbers(&mut body, &of_metric.values().map(f).collect::<Vec<_>>());
                put_column(&mut out, &body);
            };
            real(&|s| tidy(s.sum));
            real(&|s| s.min);
            real(&|s| s.max);
            real(&|s| s.last);
        }
        out
    }

    fn decode(&self, blob: &[u8], key: i64, catalog: &Catalog) -> Result<Slots, DecodeError> {
        let start = self.start(key);
        let mut r = Reader::new(blob);
        match r.u8()? {
            FORMAT => {}
            other => return Err(DecodeError::Format(other)),
        }
        let mut slots = Slots::new();
        for _ in 0..r.count()? {
            let metric =
                MetricId::new(&name(&mut r, catalog)?).map_err(|_| DecodeError::Malformed("metric"))?;
            let n = r.count()?;
            let whole = [column(&mut r)?, column(&mut r)?, column(&mut r)?];
            let real = [column(&mut r)?, column(&mut r)?, column(&mut r)?, column(&mut r)?];
            let [slot, count, last_at] = [ints(whole[0], n)?, ints(whole[1], n)?, ints(whole[2], n)?];
            let [sum, min] = [numbers(real[0], n)?, numbers(real[1], n)?];
            let [max, last] = [numbers(real[2], n)?, numbers(real[3], n)?];
            let whole = slot.iter().zip(count).zip(last_at);
            let real = sum.into_iter().zip(min).zip(max).zip(last);
            let of_metric = whole.zip(real).map(|(((slot, count), last_at), (((sum, min), max), last))| {
                let slot = start + slot * self.slot_ms;
                (slot, Sums { count: count as u64, sum, min, max, last, last_at: slot + last_at })
            });
            slots.insert(metric, of_metric.collect());
        }
        Ok(slots)
    }

    const fn start(&self, key: i64) -> i64 {
        (key & ((1 << SPAN_BITS) - 1)) * self.span_ms()
    }
}

/// The sums of each metric over readings in order of time taken.
fn sums_of<'a>(readings: &[&'a Reading]) -> Vec<(&'a MetricId, Sums)> {
    let mut all: Vec<(&MetricId, Sums)> = Vec::new();
    for r in readings {
        for (i, (metric, v)) in good_numbers(r).enumerate() {
            let one = Sums::one(r.taken_at.0, v);
            // Most readings are alike: a metric is where it was in the one before.
            let place = if all.get(i).is_some_and(|(m, _)| *m == metric) {
                Some(i)
            } else {
                all.iter().position(|(m, _)| *m == metric)
            };
            match place.and_then(|place| all.get_mut(place)) {
                Some((_, sums)) => sums.join(one),
                None => all.push((metric, one)),
            }
        }
    }
    all
}

/// The good numbers of a reading: artefacts are never counted.
pub(super) fn good_numbers(r: &Reading) -> impl Iterator<Item = (&MetricId, f64)> {
    r.values
        .iter()
        .filter(|m| m.quality == Quality::Good)
        .filter_map(|m| m.value.number().map(|v| (&m.metric, v)))
}

/// A sum of decimals without the dust of binary addition, so that it packs as the decimal that it is.
fn tidy(sum: f64) -> f64 {
    let near = (sum * 1000.0).round() / 1000.0;
    if (near - sum).abs() <= 1e-9 * sum.abs() { near } else { sum }
}
