//! Sealing: the recent rows of a bucket become chunks and enter the roll-ups, in one transaction.

use std::collections::BTreeSet;

use orderly_core::reading::Reading;
use orderly_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::bundle::Bundle;
use super::catalog::Catalog;
use super::part::{self, Bounds};
use super::rollup::{HOURS, MINUTES};
use super::{SeriesError, chunk, rows};

/// Readings of a stream that are worth a chunk.
pub(super) const ENOUGH: u32 = 1024;
/// Recent rows older than this are sealed, few as they may be.
const OLD_MS: i64 = 3_600_000;
/// More readings than this are cut into several chunks.
const MOST: usize = 4096;
/// A smaller chunk that was not rolled up is taken up again by the next sealing; the number stands in the schema too.
const SMALL: usize = 512;
/// Up to here rows may be shorter than columns.
const FEW: usize = 64;

/// What waits in the recent rows of one bucket.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waiting {
    pub(super) readings: u32,
    /// When the oldest of them was received.
    pub(super) since: i64,
}

impl Waiting {
    pub(super) fn add(&mut self, n: usize, received: i64) {
        self.since = if self.readings == 0 { received } else { self.since.min(received) };
        self.readings = self.readings.saturating_add(n as u32);
    }

    /// Whether this bucket, of so many streams, has enough or has waited long enough.
    pub(super) const fn is_due(&self, streams: u32, now: Timestamp, enough: u32) -> bool {
        self.readings > 0
            && (self.readings >= enough.saturating_mul(streams) || self.since <= now.0.saturating_sub(OLD_MS))
    }
}

/// What waits in the recent rows of each bucket.
pub(super) fn load_waiting(db: &Connection) -> Result<Vec<Waiting>, SeriesError> {
    let mut statement =
        db.prepare("SELECT bucket, sum(n), min(received) FROM recent GROUP BY bucket ORDER BY bucket")?;
    let mut rows = statement.query([])?;
    let mut waiting = Vec::new();
    while let Some(row) = rows.next()? {
        let bucket: u32 = row.get(0)?;
        waiting.resize(bucket as usize, Waiting::default());
        waiting.push(Waiting { readings: row.get(1)?, since: row.get(2)? });
    }
    Ok(waiting)
}

/// Seals one bucket and gives the numbers of streams and readings that were in its recent rows.
pub(super) fn seal(
    tx: &Transaction<'_>,
    catalog: &mut Catalog,
    bucket: u32,
) -> Result<(usize, usize), SeriesError> {
    let blobs = recent(tx, bucket)?;
    let bundles = blobs
        .iter()
        .map(|blob| Bundle::open(blob, catalog))
        .collect::<Result<Vec<_>, _>>()
        .map_err(SeriesError::row("recent"))?;
    let streams: BTreeSet<u32> = bundles.iter().flat_map(Bundle::streams).collect();
    let mut sealed = 0;
    let mut readings = Vec::new();
    for &stream in &streams {
        readings.clear();
        for bundle in &bundles {
            bundle.readings(Some(stream), catalog, &mut readings).map_err(SeriesError::row("recent"))?;
        }
        sealed += readings.len();
        if let Some(small) = take_small(tx, catalog, stream)? {
            readings.extend(small);
        }
        readings.sort_by_key(|r| (r.taken_at, r.origin));
        let in_order: Vec<&Reading> = readings.iter().collect();
        for piece in in_order.chunks(MOST) {
            put_chunk(tx, catalog, stream, piece)?;
        }
    }
    tx.prepare_cached("DELETE FROM recent WHERE bucket = ?1")?.execute([bucket])?;
    Ok((streams.len(), sealed))
}

fn recent(tx: &Transaction<'_>, bucket: u32) -> Result<Vec<Vec<u8>>, SeriesError> {
    let mut statement = tx.prepare_cached("SELECT blob FROM recent WHERE bucket = ?1 ORDER BY id")?;
    let blobs = statement.query_map([bucket], |row| row.get(0))?;
    Ok(blobs.collect::<Result<_, _>>()?)
}

/// Takes the stream's small chunk away, if it has one, and gives what was in it.
fn take_small(
    tx: &Transaction<'_>,
    catalog: &Catalog,
    stream: u32,
) -> Result<Option<Vec<Reading>>, SeriesError> {
    let small: Option<(i64, Vec<u8>)> = tx
        .prepare_cached("SELECT id, blob FROM chunk WHERE stream = ?1 AND n < 512 AND rolled = 0 LIMIT 1")?
        .query_row([stream], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((id, blob)) = small else { return Ok(None) };
    let readings =
        part::decode(&blob, catalog.stream(stream)?, catalog).map_err(SeriesError::row("chunk"))?;
    tx.prepare_cached("DELETE FROM chunk WHERE id = ?1")?.execute([id])?;
    Ok(Some(readings))
}

fn put_chunk(
    tx: &Transaction<'_>,
    catalog: &mut Catalog,
    stream: u32,
    readings: &[&Reading],
) -> Result<(), SeriesError> {
    let Some(b) = Bounds::of(readings.iter().copied()) else { return Ok(()) };
    let mut blob = chunk::encode(readings, catalog);
    if readings.len() < FEW {
        let as_rows = rows::encode(readings, catalog);
        if as_rows.len() < blob.len() {
            blob = as_rows;
        }
    }
    let mut rolled = 0;
    if readings.len() >= SMALL {
        for level in [MINUTES, HOURS] {
            if level.suits(readings) {
                level.add(tx, catalog, stream, readings)?;
                rolled |= level.bit;
            }
        }
    }
    tx.prepare_cached(
        "INSERT INTO chunk(stream, t0, t1, d0, d1, s0, s1, n, rolled, format, blob)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        stream,
        b.taken.0,
        b.taken.1,
        b.device.map(|d| d.0),
        b.device.map(|d| d.1),
        b.seq.0 as i64,
        b.seq.1 as i64,
        readings.len() as i64,
        rolled,
        blob.first(),
        blob
    ])?;
    Ok(())
}
