//! Read-only view of `series.db`: readings of a device, of a record range, and those that the engine looks up.

use std::cmp::Reverse;
use std::path::Path;

use orderly_core::dedupe::{Lookup, matches};
use orderly_core::reading::Reading;
use orderly_core::record::Seq;
use rusqlite::{Connection, Transaction};

use super::catalog::Catalog;
use super::part::{Pick, RowHead};
use super::places::{Place, answering, of_records, overlapping, read};
use super::query::Query;
use super::schema::SERIES;
use super::{SeriesError, supersede};
use crate::sqlite;

/// A device that only counts, and counts so that any part may hold any number, is looked up in so many chunks at most:
/// nothing is sent again after a hundred thousand readings, and reading all of a year would hold up everybody.
const LOOK_BACK: usize = 256;

/// A read-only connection; one per thread.
pub struct SeriesReader {
    pub(super) db: Connection,
    pub(super) catalog: Catalog,
}

/// Every query fails when SQLite refuses or a row cannot be read.
impl SeriesReader {
    /// Opens the store in this directory; it must be there.
    ///
    /// # Errors
    /// When it is not there, foreign or newer.
    pub fn open(dir: &Path) -> Result<Self, SeriesError> {
        Ok(Self { db: sqlite::open_reader(dir, SERIES)?, catalog: Catalog::default() })
    }

    /// The last record whose readings are in the store.
    pub fn applied(&self) -> Result<Seq, SeriesError> {
        let mut statement = self.db.prepare_cached("SELECT seq FROM applied")?;
        Ok(statement.query_row([], |row| row.get::<_, i64>(0))? as u64)
    }

    /// The readings of a device, in order of time taken and origin.
    pub fn readings(&mut self, query: &Query) -> Result<Vec<Reading>, SeriesError> {
        let tx = self.db.unchecked_transaction()?;
        self.catalog.refresh(&tx)?;
        let mut places = Vec::new();
        for id in query.streams(&self.catalog) {
            overlapping(&tx, id, (query.from.0, query.to.0), &mut places)?;
        }
        let nearest = |p: &Place| if query.newest_first { !p.taken.1 } else { p.taken.0 };
        places.sort_by_key(nearest);
        let pick = Pick { metrics: &query.metrics, keep: &|r| query.takes(r.taken_at, r.origin) };
        let mut found: Vec<Reading> = Vec::new();
        let mut some = Vec::new();
        for place in places {
            // Places come in order of their nearer end: once enough is found before it, the rest is farther.
            if found.len() >= query.limit {
                found.sort_by_key(|r| query.key(r.taken_at, r.origin));
                found.truncate(query.limit);
                if found.last().is_none_or(|r| query.key(r.taken_at, r.origin).0 < nearest(&place)) {
                    break;
                }
            }
            read(&tx, &self.catalog, &place, &pick, &mut some)?;
            found.extend(some.drain(..).filter_map(|r| query.only(r)));
        }
        if query.superseded {
            for id in query.streams(&self.catalog) {
                supersede::asked(&tx, &self.catalog, id, query, &mut found)?;
            }
        }
        found.sort_by_key(|r| query.key(r.taken_at, r.origin));
        found.truncate(query.limit);
        tx.commit()?;
        Ok(found)
    }

    /// The readings that answer a look-up of the engine, in order of origin; of those with only a counter, which
    /// may have wrapped round many times, the last.
    pub fn seen(&mut self, lookup: &Lookup) -> Result<Vec<Reading>, SeriesError> {
        let tx = self.db.unchecked_transaction()?;
        self.catalog.refresh(&tx)?;
        let (mut places, mut replaced) = (Vec::new(), Vec::new());
        for (id, stream) in self.catalog.of_device(&lookup.device) {
            if stream.epoch == lookup.epoch && stream.stream == lookup.stream {
                answering(&tx, id, lookup, &mut places)?;
                supersede::seen(&tx, &self.catalog, id, lookup, &mut replaced)?;
            }
        }
        let counted = lookup.device_time.is_none();
        let by_time = |r: &RowHead| {
            r.origin < lookup.before
                && r.device_time == lookup.device_time
                && (lookup.device_time.is_some() || r.sequence == lookup.sequence)
        };
        let mut found = self.back(&tx, places, &by_time, lookup, counted)?;
        if lookup.joins {
            let mut places = Vec::new();
            for (id, stream) in self.catalog.of_device(&lookup.device) {
                if stream.epoch == lookup.epoch && stream.stream == lookup.stream {
                    overlapping(&tx, id, (i64::MIN, i64::MAX), &mut places)?;
                }
            }
            let by_sequence = |r: &RowHead| r.origin < lookup.before && r.sequence == lookup.sequence;
            found.append(&mut self.back(&tx, places, &by_sequence, lookup, true)?);
            found.sort_by_key(|r| r.origin);
            found.dedup_by_key(|r| r.origin);
        }
        tx.commit()?;
        if !replaced.is_empty() {
            found.append(&mut replaced);
            found.sort_by_key(|r| r.origin);
        }
        Ok(found)
    }

    /// What these parts have of it, in order of origin; `last`: only the last one matters.
    fn back(
        &self,
        tx: &Transaction<'_>,
        mut places: Vec<Place>,
        keep: &dyn Fn(&RowHead) -> bool,
        lookup: &Lookup,
        last: bool,
    ) -> Result<Vec<Reading>, SeriesError> {
        let pick = Pick { metrics: &[], keep };
        // From the last record back: what is found in one part is later than all in parts that end before it.
        places.sort_by_key(|place| Reverse(place.seq.1));
        let (mut found, mut chunks) = (Vec::<Reading>::new(), 0);
        for place in &places {
            if last && found.last().is_some_and(|found| found.origin.seq > place.seq.1) {
                break;
            }
            chunks += usize::from(place.is_chunk());
            if last && chunks > LOOK_BACK {
                tracing::debug!(device = %lookup.device, chunks = places.len(), "a counter is looked up no farther back");
                break;
            }
            read(tx, &self.catalog, place, &pick, &mut found)?;
            found.retain(|r| matches(lookup, r));
            found.sort_by_key(|r| r.origin);
        }
        if last {
            found.drain(..found.len().saturating_sub(1));
        }
        Ok(found)
    }

    /// Readings whose record is in `from..=to`, in order of origin: for the back-fill of a sink. The second
    /// answer is the last record that is covered, so that about `limit` readings come at once; ask on from the
    /// one after it.
    pub fn range_by_origin(
        &mut self,
        from: Seq,
        to: Seq,
        limit: usize,
    ) -> Result<(Vec<Reading>, Seq), SeriesError> {
        let tx = self.db.unchecked_transaction()?;
        self.catalog.refresh(&tx)?;
        let places = of_records(&tx, from, to)?;
        let through = reach(&places, from, to, limit);
        let pick = Pick { metrics: &[], keep: &|r| (from..=through).contains(&r.origin.seq) };
        let mut found = Vec::new();
        for place in places.iter().filter(|p| p.seq.0 <= through) {
            read(&tx, &self.catalog, place, &pick, &mut found)?;
        }
        tx.commit()?;
        found.sort_by_key(|r| r.origin);
        Ok((found, through))
    }

    /// Readings that a correction has replaced, of records in `from..=to`, in order of origin. All of them are looked
    /// through: for people, not for sinks.
    pub fn replaced_by_origin(&mut self, from: Seq, to: Seq) -> Result<Vec<Reading>, SeriesError> {
        let tx = self.db.unchecked_transaction()?;
        self.catalog.refresh(&tx)?;
        let mut found = Vec::new();
        supersede::of_records(&tx, &self.catalog, (from, to), &mut found)?;
        tx.commit()?;
        found.sort_by_key(|r| r.origin);
        Ok(found)
    }
}

/// How far from `from` about `limit` readings reach, taking the readings of a part as evenly spread over its records.
fn reach(places: &[Place], from: Seq, to: Seq, limit: usize) -> Seq {
    let within = |end: Seq| -> u128 {
        places
            .iter()
            .map(|p| {
                let (low, high) = (p.seq.0.max(from), p.seq.1.min(end));
                let part = if low > high { 0 } else { u128::from(high - low) + 1 };
                u128::from(p.n) * part / (u128::from(p.seq.1 - p.seq.0) + 1)
            })
            .sum()
    };
    let limit = limit as u128;
    if within(to) <= limit {
        return to;
    }
    // The first record is always covered, or nothing would ever be.
    let (mut enough, mut too_many) = (from, to);
    while too_many - enough > 1 {
        let middle = enough + (too_many - enough) / 2;
        if within(middle) <= limit { enough = middle } else { too_many = middle }
    }
    enough
}
