//! Sealing: the recent rows of a stream become a chunk and enter the roll-ups, in one transaction.

use orderly_core::reading::Reading;
use orderly_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::catalog::Catalog;
use super::part::{self, Bounds};
use super::rollup::{HOURS, MINUTES};
use super::{SeriesError, chunk, rows};

/// Readings of a stream that are worth a chunk.
pub(super) const ENOUGH: u32 = 2048;
/// Recent rows older than this are sealed, few as they may be.
const OLD_MS: i64 = 3_600_000;
/// More readings than this are cut into several chunks.
const MOST: usize = 4096;
/// A smaller chunk that was not rolled up is taken up again by the next sealing; the number stands in the schema too.
const SMALL: usize = 512;
/// Up to here rows may be shorter than columns.
const FEW: usize = 64;

/// What waits in the recent rows of one stream.
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

    pub(super) fn is_due(&self, now: Timestamp, enough: u32) -> bool {
        self.readings >= enough || (self.readings > 0 && self.since <= now.0.saturating_sub(OLD_MS))
    }
}

/// What waits in the recent rows of each stream.
pub(super) fn load_waiting(db: &Connection) -> Result<Vec<Waiting>, SeriesError> {
    let mut statement =
        db.prepare("SELECT stream, sum(n), min(received) FROM recent GROUP BY stream ORDER BY stream")?;
    let mut rows = statement.query([])?;
    let mut waiting = Vec::new();
    while let Some(row) = rows.next()? {
        let stream: u32 = row.get(0)?;
        waiting.resize(stream as usize, Waiting::default());
        waiting.push(Waiting { readings: row.get(1)?, since: row.get(2)? });
    }
    Ok(waiting)
}

/// Seals one stream and gives the number of readings that were in its recent rows.
pub(super) fn seal(tx: &Transaction<'_>, catalog: &mut Catalog, stream: u32) -> Result<usize, SeriesError> {
    let mut readings = recent(tx, catalog, stream)?;
    let sealed = readings.len();
    if let Some(small) = take_small(tx, catalog, stream)? {
        readings.extend(small);
    }
    readings.sort_by_key(|r| (r.taken_at, r.origin));
    let in_order: Vec<&Reading> = readings.iter().collect();
    for piece in in_order.chunks(MOST) {
        put_chunk(tx, catalog, stream, piece)?;
    }
    tx.prepare_cached("DELETE FROM recent WHERE stream = ?1")?.execute([stream])?;
    Ok(sealed)
}

fn recent(tx: &Transaction<'_>, catalog: &Catalog, stream: u32) -> Result<Vec<Reading>, SeriesError> {
    let of = catalog.stream(stream)?;
    let mut statement = tx.prepare_cached("SELECT blob FROM recent WHERE stream = ?1")?;
    let mut found = statement.query([stream])?;
    let mut readings = Vec::new();
    while let Some(row) = found.next()? {
        let blob = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        readings.extend(part::decode(blob, of, catalog).map_err(SeriesError::row("recent"))?);
    }
    Ok(readings)
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
