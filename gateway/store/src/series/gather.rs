//! Figures over spans of time: count, mean, smallest, largest and last of the good numbers.

use std::collections::HashMap;

use orderly_core::ids::MetricId;
use orderly_core::time::Timestamp;

use super::part::{self, Pick};
use super::places::{Place, lend, overlapping};
use super::query::Query;
use super::reader::SeriesReader;
use super::rollup::{HOURS, Level, MINUTES, Sums, good_numbers};
use super::{SeriesError, chunk, chunk_reader};

/// The good numbers of one metric in one span of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// Where the span begins.
    pub at: Timestamp,
    /// The metric.
    pub metric: MetricId,
    /// How many good numbers it holds; never 0.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// The smallest of them.
    pub min: f64,
    /// The largest of them.
    pub max: f64,
    /// The one that was taken last.
    pub last: f64,
}

impl SeriesReader {
    /// The good numbers of a device, gathered by spans of `every_ms` that begin at `from`, oldest first; spans
    /// without any are left out. Streams are taken together; `limit` counts buckets.
    pub fn gather(&mut self, query: &Query, every_ms: i64) -> Result<Vec<Bucket>, SeriesError> {
        let mut spans = Spans::new(query, every_ms.max(1));
        let tx = self.db.unchecked_transaction()?;
        self.catalog.refresh(&tx)?;
        let level = [HOURS, MINUTES].into_iter().find(|l| spans.fits(l));
        // Up to here whole slots of the roll-ups count, behind it the readings themselves.
        let whole_to = level.map_or(query.from.0, |l| query.to.0 - query.to.0.rem_euclid(l.slot_ms));
        for id in query.streams(&self.catalog) {
            if let Some(level) = level {
                let range = (query.from.0, whole_to);
                level.slots(&tx, &self.catalog, id, range, &mut |metric, slot, sums| {
                    if query.wants(metric) {
                        spans.add(metric, slot, sums);
                    }
                })?;
            }
            let mut places = Vec::new();
            overlapping(&tx, id, (query.from.0, query.to.0), &mut places)?;
            for place in places {
                let in_rollup = level.is_some_and(|l| place.rolled & l.bit != 0);
                let from = if in_rollup { whole_to } else { query.from.0 };
                if place.taken.1 < from {
                    continue;
                }
                self.numbers(&tx, &place, query, &mut |metric, t, v| {
                    if t >= from && t < query.to.0 {
                        spans.add(metric, t, Sums::one(t, v));
                    }
                })?;
            }
        }
        tx.commit()?;
        Ok(spans.buckets(query.limit))
    }

    /// The good numbers of one metric of a device with the time at which each was taken, in that order.
    pub fn points(&mut self, query: &Query) -> Result<Vec<(Timestamp, f64)>, SeriesError> {
        let tx = self.db.unchecked_transaction()?;
        self.catalog.refresh(&tx)?;
        let mut points = Vec::new();
        for id in query.streams(&self.catalog) {
            let mut places = Vec::new();
            overlapping(&tx, id, (query.from.0, query.to.0), &mut places)?;
            for place in places {
                self.numbers(&tx, &place, query, &mut |_, t, v| {
                    if t >= query.from.0 && t < query.to.0 {
                        points.push((Timestamp(t), v));
                    }
                })?;
            }
        }
        tx.commit()?;
        if !points.is_sorted_by_key(|(t, _)| *t) {
            points.sort_by_key(|(t, _)| *t);
        }
        points.truncate(query.limit);
        Ok(points)
    }

    /// Gives the good numbers of a part that the query wants; of chunks without building readings.
    fn numbers(
        &self,
        tx: &rusqlite::Transaction<'_>,
        place: &Place,
        query: &Query,
        give: &mut dyn FnMut(&MetricId, i64, f64),
    ) -> Result<(), SeriesError> {
        let stream = self.catalog.stream(place.stream.unwrap_or(u32::MAX))?;
        let keep = |r: &part::RowHead| r.taken_at >= query.from && r.taken_at < query.to;
        let pick = Pick { metrics: &query.metrics, keep: &keep };
        lend(tx, place, |blob| {
            if let Some((&chunk::COLUMNS, body)) = blob.split_first() {
                return chunk_reader::good_numbers(body, stream, &self.catalog, &query.metrics, give);
            }
            let mut found = Vec::new();
            part::read(blob, place.stream, &self.catalog, &pick, &mut found)?;
            for r in found {
                for (metric, v) in good_numbers(&r).filter(|(m, _)| query.wants(m)) {
                    give(metric, r.taken_at.0, v);
                }
            }
            Ok(())
        })?
        .map_err(SeriesError::row(place.table()))
    }
}

/// Sums by metric and span.
struct Spans {
    from: i64,
    every: i64,
    metrics: Vec<(MetricId, HashMap<i64, Sums>)>,
    /// The metric given last: numbers come a column at a time.
    current: usize,
}

impl Spans {
    const fn new(query: &Query, every: i64) -> Self {
        Self { from: query.from.0, every, metrics: Vec::new(), current: 0 }
    }

    /// Whether each span is made of whole slots of this level.
    const fn fits(&self, level: &Level) -> bool {
        self.every % level.slot_ms == 0 && self.from % level.slot_ms == 0
    }

    fn add(&mut self, metric: &MetricId, t: i64, sums: Sums) {
        let span = i128::from(t) - i128::from(self.from);
        let span = (span.div_euclid(i128::from(self.every))) as i64;
        if self.metrics.get(self.current).is_none_or(|(m, _)| m != metric) {
            self.current = self.metrics.iter().position(|(m, _)| m == metric).unwrap_or_else(|| {
                self.metrics.push((metric.clone(), HashMap::new()));
                self.metrics.len() - 1
            });
        }
        if let Some((_, spans)) = self.metrics.get_mut(self.current) {
            spans.entry(span).and_modify(|s| s.join(sums)).or_insert(sums);
        }
    }

    fn buckets(self, limit: usize) -> Vec<Bucket> {
        let (from, every) = (self.from, self.every);
        let mut buckets: Vec<Bucket> = self
            .metrics
            .into_iter()
            .flat_map(|(metric, spans)| spans.into_iter().map(move |(span, s)| (metric.clone(), span, s)))
            .map(|(metric, span, s)| Bucket {
                at: Timestamp(from.saturating_add(span.saturating_mul(every))),
                metric,
                count: s.count,
                mean: s.sum / s.count as f64,
                min: s.min,
                max: s.max,
                last: s.last,
            })
            .collect();
        buckets.sort_by(|a, b| (a.at, &a.metric).cmp(&(b.at, &b.metric)));
        buckets.truncate(limit);
        buckets
    }
}
