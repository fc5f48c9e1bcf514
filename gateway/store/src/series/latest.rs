//! The latest reading of each stream: kept in memory, written now and then, found again after a crash.

use std::collections::HashMap;

use orderly_core::reading::{Marks, Origin, Reading};
use orderly_core::record::Seq;
use orderly_core::time::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::bundle::Bundle;
use super::catalog::Catalog;
use super::{SeriesError, rows};

/// Readings, or calls, after which the latest ones are written: what a reader must look through besides.
const READINGS: usize = 8192;
const CALLS: usize = 64;

/// What decides which of two readings is the later one.
pub(super) const fn key(r: &Reading) -> (Timestamp, Origin) {
    (r.taken_at, r.origin)
}

/// History comes too late to be anybody's present value.
pub(super) const fn counts(r: &Reading) -> bool {
    !r.marks.has(Marks::HISTORY)
}

/// The writer's memory of the latest readings.
#[derive(Debug, Default)]
pub(super) struct Latest {
    known: Vec<Option<(Timestamp, Origin)>>,
    /// Those that are not written yet.
    fresh: HashMap<u32, Reading>,
    readings: usize,
    calls: usize,
}

impl Latest {
    /// Reads what is written and makes up for what is not.
    pub(super) fn load(db: &Connection, catalog: &Catalog) -> Result<Self, SeriesError> {
        let mut latest = Self::default();
        let mut statement = db.prepare("SELECT stream, taken_at, seq, idx FROM latest ORDER BY stream")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let stream: u32 = row.get(0)?;
            let origin = Origin { seq: row.get::<_, i64>(2)? as u64, index: row.get(3)? };
            latest.known.resize(stream as usize, None);
            latest.known.push(Some((Timestamp(row.get(1)?), origin)));
        }
        each_since(db, catalog, through(db)?, None, &mut |stream, r| latest.note(stream, [&r]))?;
        Ok(latest)
    }

    /// Takes note of readings of one stream.
    pub(super) fn note<'a>(&mut self, stream: u32, readings: impl IntoIterator<Item = &'a Reading>) {
        let mut newest: Option<&Reading> = None;
        for r in readings {
            self.readings += 1;
            if counts(r) && newest.is_none_or(|newest| key(newest) < key(r)) {
                newest = Some(r);
            }
        }
        let slot = stream as usize;
        if self.known.len() <= slot {
            self.known.resize(slot + 1, None);
        }
        if let Some(r) = newest
            && let Some(known) = self.known.get_mut(slot)
            && known.is_none_or(|known| known < key(r))
        {
            *known = Some(key(r));
            self.fresh.insert(stream, r.clone());
        }
    }

    /// To be called once in each call that takes readings in; tells whether it is time to write.
    pub(super) const fn is_due(&mut self) -> bool {
        self.calls += 1;
        self.readings >= READINGS || self.calls >= CALLS
    }

    /// Writes those that are not written yet; everything up to `seq` was noted.
    pub(super) fn save(
        &self,
        tx: &Transaction<'_>,
        catalog: &mut Catalog,
        seq: Seq,
    ) -> Result<(), SeriesError> {
        let mut order: Vec<(&u32, &Reading)> = self.fresh.iter().collect();
        order.sort_by_key(|(stream, _)| **stream);
        let mut upsert = tx.prepare_cached(
            "INSERT OR REPLACE INTO latest(stream, taken_at, seq, idx, blob) VALUES(?1, ?2, ?3, ?4, ?5)",
        )?;
        for (stream, r) in order {
            let blob = rows::encode(&[r], catalog);
            upsert.execute(params![stream, r.taken_at.0, r.origin.seq as i64, r.origin.index, blob])?;
        }
        tx.prepare_cached("UPDATE applied SET latest_through = ?1")?.execute([seq as i64])?;
        Ok(())
    }

    /// To be called once what [`Self::save`] wrote is committed.
    pub(super) fn saved(&mut self) {
        // What a storm needed is not kept.
        self.fresh = HashMap::with_capacity(self.fresh.len().min(1024));
        (self.readings, self.calls) = (0, 0);
    }
}

/// Up to which record `latest` is written.
pub(super) fn through(db: &Connection) -> Result<Seq, SeriesError> {
    let mut statement = db.prepare_cached("SELECT latest_through FROM applied")?;
    Ok(statement.query_row([], |row| row.get::<_, i64>(0))? as u64)
}

/// Gives the readings behind this record that are in recent rows; of one bucket or of all.
pub(super) fn each_since(
    db: &Connection,
    catalog: &Catalog,
    through: Seq,
    bucket: Option<u32>,
    give: &mut dyn FnMut(u32, Reading),
) -> Result<(), SeriesError> {
    let mut statement = db.prepare_cached(
        "SELECT blob FROM recent INDEXED BY recent_seq WHERE s1 > ?1 AND (?2 IS NULL OR bucket = ?2)",
    )?;
    let mut rows = statement.query(params![through as i64, bucket])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let blob = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        let bundle = Bundle::open(blob, catalog).map_err(SeriesError::row("recent"))?;
        for stream in bundle.streams() {
            bundle.readings(Some(stream), catalog, &mut found).map_err(SeriesError::row("recent"))?;
            for r in found.drain(..) {
                give(stream, r);
            }
        }
    }
    Ok(())
}
