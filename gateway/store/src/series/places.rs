//! Finding parts: which recent rows and chunks may hold what is asked for, and reading them.

use orderly_core::dedupe::Lookup;
use orderly_core::reading::Reading;
use orderly_core::record::Seq;
use rusqlite::{Params, Transaction, params};

use super::SeriesError;
use super::bundle::STREAMS;
use super::catalog::Catalog;
use super::part::{self, Pick, sequence_bound};

/// Where a part lies, before it is read.
pub(super) struct Place {
    /// The stream that is wanted of it; `None`: all that are in it.
    pub(super) stream: Option<u32>,
    /// Earliest and latest time taken.
    pub(super) taken: (i64, i64),
    /// Lowest and highest record.
    pub(super) seq: (Seq, Seq),
    /// Readings in it.
    pub(super) n: u64,
    /// Which roll-ups it is in.
    pub(super) rolled: i64,
    table: Table,
    /// Number of its row.
    pub(super) id: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    Recent,
    Chunk,
}

impl Place {
    /// Whether it is sealed.
    pub(super) fn is_chunk(&self) -> bool {
        self.table == Table::Chunk
    }

    /// The name of its table.
    pub(super) const fn table(&self) -> &'static str {
        match self.table {
            Table::Recent => "recent",
            Table::Chunk => "chunk",
        }
    }

    /// Takes the whole part away.
    pub(super) fn delete(&self, tx: &Transaction<'_>) -> Result<(), SeriesError> {
        let sql = match self.table {
            Table::Recent => "DELETE FROM recent WHERE id = ?1",
            Table::Chunk => "DELETE FROM chunk WHERE id = ?1",
        };
        tx.prepare_cached(sql)?.execute([self.id])?;
        Ok(())
    }
}

/// Parts of a stream with readings taken in `from..to`.
pub(super) fn overlapping(
    tx: &Transaction<'_>,
    stream: u32,
    (from, to): (i64, i64),
    places: &mut Vec<Place>,
) -> Result<(), SeriesError> {
    let sql = "SELECT id, t0, t1, s0, s1, n, rolled FROM chunk WHERE stream = ?1 AND t1 >= ?2 AND t0 < ?3";
    find(tx, Table::Chunk, Some(stream), sql, params![stream, from, to], places)?;
    let sql = "SELECT id, t0, t1, s0, s1, n, 0 FROM recent WHERE bucket = ?1 AND t1 >= ?2 AND t0 < ?3";
    find(tx, Table::Recent, Some(stream), sql, params![stream / STREAMS, from, to], places)
}

/// Parts of a stream that may hold what the engine looks up.
pub(super) fn answering(
    tx: &Transaction<'_>,
    stream: u32,
    lookup: &Lookup,
    places: &mut Vec<Place>,
) -> Result<(), SeriesError> {
    let bucket = stream / STREAMS;
    if let Some(time) = lookup.device_time {
        // Nearly always the time taken is the device time; where it is not, the part has bounds of those.
        let at = time.0;
        let sql = "SELECT id, t0, t1, s0, s1, n, rolled FROM chunk
                   WHERE stream = ?1 AND t1 >= ?2 AND t0 <= ?2
                   UNION SELECT id, t0, t1, s0, s1, n, rolled FROM chunk
                   WHERE stream = ?1 AND d1 >= ?2 AND d0 <= ?2 AND d0 IS NOT NULL";
        find(tx, Table::Chunk, Some(stream), sql, params![stream, at], places)?;
        let sql = "SELECT id, t0, t1, s0, s1, n, 0 FROM recent
                   WHERE bucket = ?1 AND t1 >= ?2 AND t0 <= ?2
                   UNION SELECT id, t0, t1, s0, s1, n, 0 FROM recent
                   WHERE bucket = ?1 AND d1 >= ?2 AND d0 <= ?2 AND d0 IS NOT NULL";
        return find(tx, Table::Recent, Some(stream), sql, params![bucket, at], places);
    }
    let Some(sequence) = lookup.sequence else { return Ok(()) };
    let at = sequence_bound(sequence);
    let sql = "SELECT id, t0, t1, s0, s1, n, rolled FROM chunk
               WHERE stream = ?1 AND q1 >= ?2 AND q0 <= ?2 AND q0 IS NOT NULL";
    find(tx, Table::Chunk, Some(stream), sql, params![stream, at], places)?;
    let sql = "SELECT id, t0, t1, s0, s1, n, 0 FROM recent
               WHERE bucket = ?1 AND q1 >= ?2 AND q0 <= ?2 AND q0 IS NOT NULL";
    find(tx, Table::Recent, Some(stream), sql, params![bucket, at], places)
}

/// Parts of a stream that may hold what a record brought.
pub(super) fn holding(
    tx: &Transaction<'_>,
    stream: u32,
    seq: Seq,
    places: &mut Vec<Place>,
) -> Result<(), SeriesError> {
    let at = seq.min(i64::MAX as u64) as i64;
    let sql = "SELECT id, t0, t1, s0, s1, n, rolled FROM chunk WHERE stream = ?1 AND s1 >= ?2 AND s0 <= ?2";
    find(tx, Table::Chunk, Some(stream), sql, params![stream, at], places)?;
    let sql = "SELECT id, t0, t1, s0, s1, n, 0 FROM recent WHERE bucket = ?1 AND s1 >= ?2 AND s0 <= ?2";
    find(tx, Table::Recent, Some(stream), sql, params![stream / STREAMS, at], places)
}

/// Parts of any stream with readings of records `from` to `to`.
pub(super) fn of_records(tx: &Transaction<'_>, from: Seq, to: Seq) -> Result<Vec<Place>, SeriesError> {
    let (from, to) = (from.min(i64::MAX as u64) as i64, to.min(i64::MAX as u64) as i64);
    let mut places = Vec::new();
    let sql = "SELECT id, t0, t1, s0, s1, n, rolled, stream FROM chunk WHERE s1 >= ?1 AND s0 <= ?2";
    find(tx, Table::Chunk, None, sql, params![from, to], &mut places)?;
    let sql = "SELECT id, t0, t1, s0, s1, n, 0, NULL FROM recent WHERE s1 >= ?1 AND s0 <= ?2";
    find(tx, Table::Recent, None, sql, params![from, to], &mut places)?;
    Ok(places)
}

/// Without a stream the query itself names it, last.
fn find(
    tx: &Transaction<'_>,
    table: Table,
    stream: Option<u32>,
    sql: &str,
    args: impl Params,
    places: &mut Vec<Place>,
) -> Result<(), SeriesError> {
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query(args)?;
    while let Some(row) = rows.next()? {
        places.push(Place {
            stream: if stream.is_some() { stream } else { row.get(7)? },
            taken: (row.get(1)?, row.get(2)?),
            seq: (row.get::<_, i64>(3)? as u64, row.get::<_, i64>(4)? as u64),
            n: row.get::<_, i64>(5)?.max(0) as u64,
            rolled: row.get(6)?,
            table,
            id: row.get(0)?,
        });
    }
    Ok(())
}

/// Reads a part: adds what is picked to those found.
pub(super) fn read(
    tx: &Transaction<'_>,
    catalog: &Catalog,
    place: &Place,
    pick: &Pick<'_>,
    found: &mut Vec<Reading>,
) -> Result<(), SeriesError> {
    lend(tx, place, |blob| part::read(blob, place.stream, catalog, pick, found))?
        .map_err(SeriesError::row(place.table()))
}

/// Lends the blob of a part without copying it.
pub(super) fn lend<R>(
    tx: &Transaction<'_>,
    place: &Place,
    with: impl FnOnce(&[u8]) -> Result<R, crate::batch::DecodeError>,
) -> Result<Result<R, crate::batch::DecodeError>, SeriesError> {
    let mut statement = tx.prepare_cached(match place.table {
        Table::Recent => "SELECT blob FROM recent WHERE id = ?1",
        Table::Chunk => "SELECT blob FROM chunk WHERE id = ?1",
    })?;
    let mut rows = statement.query([place.id])?;
    let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    Ok(with(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?))
}
