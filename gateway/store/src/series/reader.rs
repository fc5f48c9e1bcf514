//! Read-only view of `series.db`.

use std::collections::BTreeSet;
use std::path::Path;

use orderly_core::ids::{DeviceId, MetricId, StreamId};
use orderly_core::reading::{Origin, Reading};
use orderly_core::record::Seq;
use orderly_core::time::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::bundle::{self, Bundle, STREAMS};
use super::catalog::Catalog;
use super::schema::SERIES;
use super::{SeriesError, latest, part};
use crate::batch::DecodeError;
use crate::sqlite;

/// A read-only connection; one per thread.
pub struct SeriesReader {
    pub(super) db: Connection,
    pub(super) catalog: Catalog,
}

/// Which readings of a device are wanted.
#[derive(Debug, Clone)]
pub struct Query {
    /// The device.
    pub device: DeviceId,
    /// Only of this stream.
    pub stream: Option<StreamId>,
    /// Only these metrics; none named means all. A reading without any of them is left out.
    pub metrics: Vec<MetricId>,
    /// Taken at or after.
    pub from: Timestamp,
    /// Taken before.
    pub to: Timestamp,
    /// At most so many.
    pub limit: usize,
    /// Only beyond this one (time taken and origin), in the direction of the order.
    pub after: Option<(Timestamp, Origin)>,
    /// Newest first, else oldest first.
    pub newest_first: bool,
}

impl Query {
    /// Everything of a device, oldest first.
    #[must_use]
    pub const fn all(device: DeviceId) -> Self {
        Self {
            device,
            stream: None,
            metrics: Vec::new(),
            from: Timestamp(i64::MIN),
            to: Timestamp(i64::MAX),
            limit: usize::MAX,
            after: None,
            newest_first: false,
        }
    }

    /// Whether this metric is asked for.
    pub(super) fn wants(&self, metric: &MetricId) -> bool {
        self.metrics.is_empty() || self.metrics.contains(metric)
    }

    /// The streams that are asked for.
    pub(super) fn streams(&self, catalog: &Catalog) -> Vec<u32> {
        catalog
            .of_device(&self.device)
            .filter(|(_, s)| self.stream.as_ref().is_none_or(|wanted| s.stream == *wanted))
            .map(|(id, _)| id)
            .collect()
    }

    fn key(&self, r: &Reading) -> Key {
        let (t, o) = (r.taken_at, r.origin);
        // Turned round, the greatest comes first.
        if self.newest_first { Key(!t.0, !o.seq, !o.index) } else { Key(t.0, o.seq, o.index) }
    }

    fn takes(&self, r: &Reading) -> bool {
        r.taken_at >= self.from
            && r.taken_at < self.to
            && self.after.is_none_or(|(t, o)| {
                if self.newest_first {
                    (r.taken_at, r.origin) < (t, o)
                } else {
                    (r.taken_at, r.origin) > (t, o)
                }
            })
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
struct Key(i64, u64, u16);

/// Where a part lies, before it is read.
pub(super) struct Place {
    /// The stream that is wanted of it; `None`: all that are in it.
    pub(super) stream: Option<u32>,
    pub(super) taken: (i64, i64),
    pub(super) table: Table,
    pub(super) rolled: i64,
    id: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Recent,
    Chunk,
}

impl Table {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Recent => "recent",
            Self::Chunk => "chunk",
        }
    }
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
        let streams = self.catalog.of_device(&query.device);
        for (id, _) in streams.filter(|(_, s)| query.stream.as_ref().is_none_or(|wanted| s.stream == *wanted))
        {
            overlapping(&tx, id, query.from.0, query.to.0, &mut places)?;
        }
        if query.newest_first {
            places.sort_by_key(|p| !p.taken.1);
        } else {
            places.sort_by_key(|p| p.taken.0);
        }
        let mut found: Vec<Reading> = Vec::new();
        for place in places {
            // Places come in order of their nearer end: once enough is found before it, the rest is farther.
            if found.len() >= query.limit {
                found.sort_by_key(|r| query.key(r));
                found.truncate(query.limit);
                let nearest = if query.newest_first { !place.taken.1 } else { place.taken.0 };
                if found.last().is_none_or(|r| query.key(r).0 < nearest) {
                    break;
                }
            }
            let readings = read(&tx, &self.catalog, &place)?;
            found.extend(
                readings.into_iter().filter(|r| query.takes(r)).filter_map(|r| only(r, &query.metrics)),
            );
        }
        found.sort_by_key(|r| query.key(r));
        found.truncate(query.limit);
        tx.commit()?;
        Ok(found)
    }

    /// The latest reading of each stream of a device, by stream; of its latest epoch only.
    pub fn latest(&mut self, device: &DeviceId) -> Result<Vec<Reading>, SeriesError> {
        let tx = self.db.unchecked_transaction()?;
        self.catalog.refresh(&tx)?;
        let ids: Vec<u32> = self.catalog.of_device(device).map(|(id, _)| id).collect();
        let mut found = Vec::new();
        {
            let mut statement = tx.prepare_cached("SELECT blob FROM latest WHERE stream = ?1")?;
            for &id in &ids {
                let mut rows = statement.query([id])?;
                if let Some(row) = rows.next()? {
                    found.extend(self.one(row, 0, id)?);
                }
            }
        }
        let through = latest::through(&tx)?;
        let buckets: BTreeSet<u32> = ids.iter().map(|id| id / STREAMS).collect();
        for bucket in buckets {
            latest::each_since(&tx, &self.catalog, through, Some(bucket), &mut |id, r| {
                if ids.contains(&id) && latest::counts(&r) {
                    found.push(r);
                }
            })?;
        }
        tx.commit()?;
        Ok(of_latest_epoch(found))
    }

    /// The latest reading of each stream of every device, by device and stream.
    pub fn latest_all(&mut self) -> Result<Vec<Reading>, SeriesError> {
        let tx = self.db.unchecked_transaction()?;
        self.catalog.refresh(&tx)?;
        let mut found = Vec::with_capacity(self.catalog.len() as usize);
        {
            let mut statement = tx.prepare_cached("SELECT stream, blob FROM latest ORDER BY stream")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                found.extend(self.one(row, 1, row.get(0)?)?);
            }
        }
        latest::each_since(&tx, &self.catalog, latest::through(&tx)?, None, &mut |_, r| {
            if latest::counts(&r) {
                found.push(r);
            }
        })?;
        tx.commit()?;
        Ok(of_latest_epoch(found))
    }

    fn one(&self, row: &rusqlite::Row<'_>, column: usize, id: u32) -> Result<Vec<Reading>, SeriesError> {
        let blob = row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from)?;
        part::decode(blob, self.catalog.stream(id)?, &self.catalog).map_err(SeriesError::row("latest"))
    }

    /// Readings of this device, epoch and stream that say this device time (or, having none, were taken then)
    /// and came from before `before`; in order of origin. For the engine's question whether it is a repeat.
    pub fn same_time(
        &mut self,
        device: &DeviceId,
        epoch: u32,
        stream: &StreamId,
        at: Timestamp,
        before: Origin,
    ) -> Result<Vec<Reading>, SeriesError> {
        let tx = self.db.unchecked_transaction()?;
        self.catalog.refresh(&tx)?;
        let mut places = Vec::new();
        for (id, s) in self.catalog.of_device(device) {
            if s.epoch == epoch && s.stream == *stream {
                with_time(&tx, id, at.0, &mut places)?;
            }
        }
        let mut found = Vec::new();
        for place in places {
            found.extend(read(&tx, &self.catalog, &place)?);
        }
        tx.commit()?;
        let mut found: Vec<Reading> =
            same_time_in(&found, device, epoch, stream, at, before).cloned().collect();
        found.sort_by_key(|r| r.origin);
        Ok(found)
    }

    /// All readings whose record is in `from..=to`, in order of origin, at most about `limit` of them: for the
    /// back-fill of a sink. The second answer is the last record that is covered; ask on from the next one.
    pub fn range_by_origin(
        &mut self,
        from: Seq,
        to: Seq,
        limit: usize,
    ) -> Result<(Vec<Reading>, Seq), SeriesError> {
        let tx = self.db.unchecked_transaction()?;
        self.catalog.refresh(&tx)?;
        let mut places = by_seq(&tx, from, to)?;
        places.sort_by_key(|p| p.0);
        let mut found: Vec<Reading> = Vec::new();
        let mut through = to;
        for (lowest, place) in places {
            if found.len() >= limit {
                found.sort_by_key(|r| r.origin);
                // What lies before this place's lowest record is complete; the rest is asked for again.
                if let Some(enough) = found.get(limit.saturating_sub(1))
                    && enough.origin.seq < lowest
                {
                    through = enough.origin.seq;
                    break;
                }
            }
            let readings = read(&tx, &self.catalog, &place)?;
            found.extend(readings.into_iter().filter(|r| (from..=to).contains(&r.origin.seq)));
        }
        tx.commit()?;
        found.retain(|r| r.origin.seq <= through);
        found.sort_by_key(|r| r.origin);
        Ok((found, through))
    }
}

/// The look-up of [`SeriesReader::same_time`] in readings that are at hand (batches not yet applied).
pub fn same_time_in<'a>(
    readings: &'a [Reading],
    device: &DeviceId,
    epoch: u32,
    stream: &StreamId,
    at: Timestamp,
    before: Origin,
) -> impl Iterator<Item = &'a Reading> {
    readings.iter().filter(move |r| {
        r.origin < before
            && r.epoch == epoch
            && r.device_time.unwrap_or(r.taken_at) == at
            && r.device == *device
            && r.stream == *stream
    })
}

/// Leaves only the wanted metrics; `None` when none of them is there.
fn only(mut r: Reading, metrics: &[MetricId]) -> Option<Reading> {
    if !metrics.is_empty() {
        r.values.retain(|m| metrics.contains(&m.metric));
        if r.values.is_empty() {
            return None;
        }
    }
    Some(r)
}

fn of_latest_epoch(mut latest: Vec<Reading>) -> Vec<Reading> {
    latest.sort_by(|a, b| {
        let names = (&a.device, &a.stream).cmp(&(&b.device, &b.stream));
        names.then_with(|| (b.epoch, latest::key(b)).cmp(&(a.epoch, latest::key(a))))
    });
    latest.dedup_by(|later, first| later.device == first.device && later.stream == first.stream);
    latest
}

pub(super) fn overlapping(
    tx: &Transaction<'_>,
    stream: u32,
    from: i64,
    to: i64,
    places: &mut Vec<Place>,
) -> Result<(), SeriesError> {
    for (table, number, sql) in [
        (
            Table::Chunk,
            stream,
            "SELECT id, t0, t1, rolled FROM chunk WHERE stream = ?1 AND t1 >= ?2 AND t0 < ?3",
        ),
        (
            Table::Recent,
            stream / STREAMS,
            "SELECT id, t0, t1, 0 FROM recent WHERE bucket = ?1 AND t1 >= ?2 AND t0 < ?3",
        ),
    ] {
        let mut statement = tx.prepare_cached(sql)?;
        let mut rows = statement.query(params![number, from, to])?;
        while let Some(row) = rows.next()? {
            places.push(Place {
                stream: Some(stream),
                taken: (row.get(1)?, row.get(2)?),
                table,
                rolled: row.get(3)?,
                id: row.get(0)?,
            });
        }
    }
    Ok(())
}

fn with_time(tx: &Transaction<'_>, stream: u32, at: i64, places: &mut Vec<Place>) -> Result<(), SeriesError> {
    for (table, number, sql) in [
        (
            Table::Chunk,
            stream,
            "SELECT id FROM chunk WHERE stream = ?1 AND t1 >= ?2 AND t0 <= ?2 UNION
             SELECT id FROM chunk WHERE stream = ?1 AND d1 >= ?2 AND d0 <= ?2 AND d0 IS NOT NULL",
        ),
        (
            Table::Recent,
            stream / STREAMS,
            "SELECT id FROM recent WHERE bucket = ?1 AND t1 >= ?2 AND t0 <= ?2 UNION
             SELECT id FROM recent WHERE bucket = ?1 AND d1 >= ?2 AND d0 <= ?2 AND d0 IS NOT NULL",
        ),
    ] {
        let mut statement = tx.prepare_cached(sql)?;
        let mut rows = statement.query(params![number, at])?;
        while let Some(row) = rows.next()? {
            places.push(Place { stream: Some(stream), taken: (at, at), table, rolled: 0, id: row.get(0)? });
        }
    }
    Ok(())
}

fn by_seq(tx: &Transaction<'_>, from: Seq, to: Seq) -> Result<Vec<(Seq, Place)>, SeriesError> {
    let mut places = Vec::new();
    for (table, sql) in [
        (Table::Chunk, "SELECT s0, id, stream FROM chunk WHERE s1 >= ?1 AND s0 <= ?2"),
        (Table::Recent, "SELECT s0, id, NULL FROM recent WHERE s1 >= ?1 AND s0 <= ?2"),
    ] {
        let mut statement = tx.prepare_cached(sql)?;
        let to = to.min(i64::MAX as u64) as i64;
        let mut rows = statement.query(params![from as i64, to])?;
        while let Some(row) = rows.next()? {
            let lowest = row.get::<_, i64>(0)? as u64;
            places.push((
                lowest,
                Place { stream: row.get(2)?, taken: (0, 0), table, rolled: 0, id: row.get(1)? },
            ));
        }
    }
    Ok(places)
}

fn read(tx: &Transaction<'_>, catalog: &Catalog, place: &Place) -> Result<Vec<Reading>, SeriesError> {
    let readings = blob_of(tx, place, |blob| readings_in(blob, place.stream, catalog))?;
    Ok(readings.transpose().map_err(SeriesError::row(place.table.name()))?.unwrap_or_default())
}

/// The readings of a part of any format: those of one stream, or all.
pub(super) fn readings_in(
    blob: &[u8],
    stream: Option<u32>,
    catalog: &Catalog,
) -> Result<Vec<Reading>, DecodeError> {
    if blob.first() == Some(&bundle::BUNDLE) {
        let mut found = Vec::new();
        Bundle::open(blob, catalog)?.readings(stream, catalog, &mut found)?;
        return Ok(found);
    }
    let stream = stream.and_then(|id| catalog.stream(id).ok()).ok_or(DecodeError::Malformed("stream"))?;
    part::decode(blob, stream, catalog)
}

/// Lends the blob of a part without copying it.
pub(super) fn blob_of<R>(
    tx: &Transaction<'_>,
    place: &Place,
    with: impl FnOnce(&[u8]) -> R,
) -> Result<Option<R>, SeriesError> {
    let mut statement = tx.prepare_cached(match place.table {
        Table::Recent => "SELECT blob FROM recent WHERE id = ?1",
        Table::Chunk => "SELECT blob FROM chunk WHERE id = ?1",
    })?;
    let mut rows = statement.query([place.id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(with(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)))
}
