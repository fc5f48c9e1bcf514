//! Sealing: the recent rows of a bucket become chunks and enter the roll-ups, in one transaction.

use std::collections::BTreeSet;

use orderly_core::reading::Reading;
use orderly_core::time::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::bundle::Bundle;
use super::catalog::Catalog;
use super::part::{self, Bounds, Pick};
use super::rollup::{HOURS, MINUTES, in_reach};
use super::{SeriesError, chunk, rows};

/// Readings of a stream that are worth a chunk.
pub(super) const ENOUGH: u32 = 1024;
/// Recent rows older than this are sealed, few as they may be.
const OLD_MS: i64 = 3_600_000;
/// A stream with fewer new readings when it is sealed says little.
const SAYS_LITTLE: usize = 256;
/// More readings than this are cut into several chunks.
const MOST: usize = 4096;
/// Fewer readings than this are as quickly read as their roll-up.
const DENSE_FROM: usize = 512;
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
    for &stream in &streams {
        let mut readings = Vec::new();
        for bundle in &bundles {
            bundle.readings(Some(stream), catalog, &mut readings).map_err(SeriesError::row("recent"))?;
        }
        sealed += readings.len();
        let mut all = Merged { rolled: 0, rows: readings.into_iter().map(|r| (r, 0)).collect() };
        take_small(tx, catalog, stream, &mut all)?;
        put_chunks(tx, catalog, stream, all)?;
    }
    tx.prepare_cached("DELETE FROM recent WHERE bucket = ?1")?.execute([bucket])?;
    Ok((streams.len(), sealed))
}

/// Readings of a stream that are to stand together, each with the roll-ups that it is in already.
struct Merged {
    rows: Vec<(Reading, i64)>,
    /// The roll-ups that any of them is in: then all must be.
    rolled: i64,
}

fn recent(tx: &Transaction<'_>, bucket: u32) -> Result<Vec<Vec<u8>>, SeriesError> {
    let mut statement = tx.prepare_cached("SELECT blob FROM recent WHERE bucket = ?1 ORDER BY id")?;
    let blobs = statement.query_map([bucket], |row| row.get(0))?;
    Ok(blobs.collect::<Result<_, _>>()?)
}

/// Takes up small chunks, the smallest first, as long as none is much larger than what there is; so a reading
/// is packed again a few times at most until its chunk is large. Only a stream that says little goes on so beyond
/// [`ENOUGH`]: its chunks then hold days, and their own bytes no longer matter. One that says much has no time for it.
fn take_small(
    tx: &Transaction<'_>,
    catalog: &Catalog,
    stream: u32,
    all: &mut Merged,
) -> Result<(), SeriesError> {
    let sql = "SELECT id, n, rolled, blob FROM chunk WHERE stream = ?1 AND n < 4096 ORDER BY n, id";
    let says_little = all.rows.len() < SAYS_LITTLE;
    let mut statement = tx.prepare_cached(sql)?;
    let mut taken = Vec::new();
    let mut found = statement.query([stream])?;
    while let Some(row) = found.next()? {
        let n: usize = row.get::<_, i64>(1)?.max(0) as usize;
        if n > 3 * all.rows.len() || (n >= ENOUGH as usize && !says_little) {
            break;
        }
        let rolled: i64 = row.get(2)?;
        // What joins a rolled chunk enters its roll-ups, which know no times outside their reach.
        if rolled != 0 && !all.rows.iter().all(|(r, _)| in_reach(r.taken_at)) {
            continue;
        }
        let blob = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
        let mut readings = Vec::with_capacity(n);
        part::of_stream(blob, catalog.stream(stream)?, catalog, &Pick::ALL, &mut readings)
            .map_err(SeriesError::row("chunk"))?;
        if all.rolled != 0 && !readings.iter().all(|r| in_reach(r.taken_at)) {
            continue;
        }
        all.rows.extend(readings.into_iter().map(|r| (r, rolled)));
        all.rolled |= rolled;
        taken.push(row.get::<_, i64>(0)?);
    }
    for id in taken {
        tx.prepare_cached("DELETE FROM chunk WHERE id = ?1")?.execute([id])?;
    }
    Ok(())
}

/// Writes the readings as chunks, and into the roll-ups what is not in them yet.
fn put_chunks(
    tx: &Transaction<'_>,
    catalog: &mut Catalog,
    stream: u32,
    mut all: Merged,
) -> Result<(), SeriesError> {
    all.rows.sort_by_key(|(r, _)| (r.taken_at, r.origin));
    let in_order: Vec<&Reading> = all.rows.iter().map(|(r, _)| r).collect();
    let mut rolled = 0;
    for level in [MINUTES, HOURS] {
        if all.rolled & level.bit != 0 || (in_order.len() >= DENSE_FROM && level.suits(&in_order)) {
            let new: Vec<&Reading> =
                all.rows.iter().filter(|(_, in_it)| in_it & level.bit == 0).map(|(r, _)| r).collect();
            level.add(tx, catalog, stream, &new)?;
            rolled |= level.bit;
        }
    }
    for piece in in_order.chunks(MOST) {
        put_chunk(tx, catalog, stream, piece, rolled)?;
    }
    Ok(())
}

/// Writes readings of one stream, in order of time taken, as a chunk; no readings are no chunk.
pub(super) fn put_chunk(
    tx: &Transaction<'_>,
    catalog: &mut Catalog,
    stream: u32,
    readings: &[&Reading],
    rolled: i64,
) -> Result<(), SeriesError> {
    let Some(b) = Bounds::of(readings.iter().copied()) else { return Ok(()) };
    let [t0, t1, d0, d1, q0, q1, s0, s1] = b.columns();
    let mut blob = chunk::encode(readings, catalog);
    if readings.len() < FEW {
        let as_rows = rows::encode(readings, catalog);
        if as_rows.len() < blob.len() {
            blob = as_rows;
        }
    }
    tx.prepare_cached(
        "INSERT INTO chunk(stream, t0, t1, d0, d1, q0, q1, s0, s1, n, rolled, format, blob)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute(params![
        stream,
        t0,
        t1,
        d0,
        d1,
        q0,
        q1,
        s0,
        s1,
        readings.len() as i64,
        rolled,
        blob.first(),
        blob
    ])?;
    Ok(())
}
