//! Taking readings in: one recent row per stream and call, and the latest reading of each stream.

use orderly_core::reading::{Marks, Origin, Reading};
use orderly_core::time::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::SeriesError;
use super::catalog::Catalog;
use super::part::Bounds;
use super::rows;
use super::seal::Waiting;

/// Time taken and origin of the latest reading of each stream.
pub(super) fn load_latest(db: &Connection) -> Result<Vec<Option<(Timestamp, Origin)>>, SeriesError> {
    let mut statement = db.prepare("SELECT stream, taken_at, seq, idx FROM latest ORDER BY stream")?;
    let mut rows = statement.query([])?;
    let mut latest = Vec::new();
    while let Some(row) = rows.next()? {
        let stream: u32 = row.get(0)?;
        let origin = Origin { seq: row.get::<_, i64>(2)? as u64, index: row.get(3)? };
        latest.resize(stream as usize, None);
        latest.push(Some((Timestamp(row.get(1)?), origin)));
    }
    Ok(latest)
}

/// Writes the readings of one call.
pub(super) fn write(
    tx: &Transaction<'_>,
    catalog: &mut Catalog,
    latest: &mut Vec<Option<(Timestamp, Origin)>>,
    waiting: &mut Vec<Waiting>,
    readings: &[&Reading],
) -> Result<(), SeriesError> {
    let mut order: Vec<(u32, &Reading)> = readings.iter().map(|r| (catalog.stream_of(r), *r)).collect();
    // Stable: within a stream the order of origin stays.
    order.sort_by_key(|(stream, _)| *stream);
    let mut insert = tx.prepare_cached(
        "INSERT INTO recent(stream, t0, t1, d0, d1, s0, s1, received, n, blob)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let mut upsert = tx.prepare_cached(
        "INSERT OR REPLACE INTO latest(stream, taken_at, seq, idx, blob) VALUES(?1, ?2, ?3, ?4, ?5)",
    )?;
    let mut group: Vec<&Reading> = Vec::new();
    for of_stream in order.chunk_by(|a, b| a.0 == b.0) {
        group.clear();
        group.extend(of_stream.iter().map(|(_, r)| *r));
        let (Some((stream, _)), Some(b)) = (of_stream.first(), Bounds::of(group.iter().copied())) else {
            continue;
        };
        let blob = rows::encode(&group, catalog);
        insert.execute(params![
            stream,
            b.taken.0,
            b.taken.1,
            b.device.map(|d| d.0),
            b.device.map(|d| d.1),
            b.seq.0 as i64,
            b.seq.1 as i64,
            b.received,
            group.len() as i64,
            blob
        ])?;
        let slot = *stream as usize;
        if latest.len() <= slot {
            latest.resize(slot + 1, None);
        }
        if waiting.len() <= slot {
            waiting.resize(slot + 1, Waiting::default());
        }
        if let Some(waiting) = waiting.get_mut(slot) {
            waiting.add(group.len(), b.received);
        }
        // History comes too late to be anybody's present value.
        let newest =
            group.iter().filter(|r| !r.marks.has(Marks::HISTORY)).max_by_key(|r| (r.taken_at, r.origin));
        if let Some(r) = newest
            && let Some(known) = latest.get_mut(slot)
            && known.is_none_or(|known| known < (r.taken_at, r.origin))
        {
            *known = Some((r.taken_at, r.origin));
            upsert.execute(params![
                stream,
                r.taken_at.0,
                r.origin.seq as i64,
                r.origin.index,
                rows::encode(&[r], catalog)
            ])?;
        }
    }
    Ok(())
}
