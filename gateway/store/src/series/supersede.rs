//! Corrections: a reading that replaces earlier ones takes them out of everything that is counted.
//!
//! What was replaced moves from its part to the table `superseded`, where it is still found; roll-ups that it
//! was in are worked out anew for its minute and hour. All of it happens in the transaction that takes the
//! correction in, so it is done once, however often the batch comes.

use orderly_core::dedupe::{Lookup, matches, replaces};
use orderly_core::reading::{Marks, Origin, Reading};
use orderly_core::record::Seq;
use orderly_core::time::Timestamp;
use rusqlite::{Transaction, params};

use super::bundle::{self, Bundle};
use super::catalog::Catalog;
use super::part::{self, Bounds, Pick};
use super::places::{self, Place};
use super::query::Query;
use super::rollup::{HOURS, Level, MINUTES};
use super::{SeriesError, rows, seal};

/// Takes out what the corrections among these readings replace: of the readings themselves and of the file.
pub(super) fn take_out(
    tx: &Transaction<'_>,
    catalog: &mut Catalog,
    readings: &mut Vec<(u32, &Reading)>,
) -> Result<(), SeriesError> {
    let mut corrections: Vec<(u32, &Reading)> =
        readings.iter().filter(|(_, r)| r.is_correction()).copied().collect();
    corrections.sort_by_key(|(_, r)| r.origin);
    for (stream, correction) in corrections {
        let mut gone: Vec<Reading> = Vec::new();
        readings.retain(|(_, r)| {
            let goes = replaces(correction, r);
            gone.extend(goes.then(|| (*r).clone()));
            !goes
        });
        from_file(tx, catalog, stream, correction, &mut gone)?;
        for r in &gone {
            put(tx, catalog, stream, r, correction.origin)?;
        }
    }
    Ok(())
}

fn put(
    tx: &Transaction<'_>,
    catalog: &mut Catalog,
    stream: u32,
    r: &Reading,
    by: Origin,
) -> Result<(), SeriesError> {
    let blob = rows::encode(&[r], catalog);
    tx.prepare_cached(
        "INSERT OR REPLACE INTO superseded(stream, at, seq, idx, by_seq, by_idx, blob)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        stream,
        r.taken_at.0,
        r.origin.seq as i64,
        r.origin.index,
        by.seq as i64,
        by.index,
        blob
    ])?;
    Ok(())
}

/// Takes what a correction replaces out of the parts of its stream.
fn from_file(
    tx: &Transaction<'_>,
    catalog: &mut Catalog,
    stream: u32,
    correction: &Reading,
    gone: &mut Vec<Reading>,
) -> Result<(), SeriesError> {
    let mut places = Vec::new();
    match (correction.replaces, correction.device_time) {
        (Some(origin), _) => {
            places::holding(tx, stream, origin.seq, &mut places)?;
        }
        // What is replaced was believed, so it was taken at its device time.
        (None, Some(at)) => {
            places::overlapping(tx, stream, (at.0, at.0.saturating_add(1)), &mut places)?;
        }
        (None, None) => {}
    }
    let (mut rolled, first) = (0, gone.len());
    for place in &places {
        let before = gone.len();
        if place.is_chunk() {
            cut_chunk(tx, catalog, stream, place, correction, gone)?;
        } else {
            cut_recent(tx, catalog, place, correction, gone)?;
        }
        if gone.len() > before {
            rolled |= place.rolled;
        }
    }
    // All of them were taken at one time: it was told again under it, or it is one.
    let Some(at) = gone.get(first).map(|r| r.taken_at) else { return Ok(()) };
    for level in [MINUTES, HOURS] {
        if rolled & level.bit != 0 {
            roll_up_again(tx, catalog, stream, level, at)?;
        }
    }
    Ok(())
}

fn cut_recent(
    tx: &Transaction<'_>,
    catalog: &mut Catalog,
    place: &Place,
    correction: &Reading,
    gone: &mut Vec<Reading>,
) -> Result<(), SeriesError> {
    let (mut left, before) = (Vec::new(), gone.len());
    places::lend(tx, place, |blob| {
        let bundle = Bundle::open(blob, catalog)?;
        let mut found = Vec::new();
        for stream in bundle.streams() {
            bundle.readings(Some(stream), catalog, &mut found)?;
            for r in found.drain(..) {
                if replaces(correction, &r) { gone.push(r) } else { left.push((stream, r)) }
            }
        }
        Ok(())
    })?
    .map_err(SeriesError::row("recent"))?;
    if gone.len() == before {
        return Ok(());
    }
    let left: Vec<(u32, &Reading)> = left.iter().map(|(stream, r)| (*stream, r)).collect();
    let Some(b) = Bounds::of(left.iter().map(|(_, r)| *r)) else { return place.delete(tx) };
    let [t0, t1, d0, d1, q0, q1, s0, s1] = b.columns();
    tx.prepare_cached(
        "UPDATE recent SET t0 = ?2, t1 = ?3, d0 = ?4, d1 = ?5, q0 = ?6, q1 = ?7, s0 = ?8, s1 = ?9, n = ?10,
         blob = ?11 WHERE id = ?1",
    )?
    .execute(params![
        place.id,
        t0,
        t1,
        d0,
        d1,
        q0,
        q1,
        s0,
        s1,
        left.len() as i64,
        bundle::encode(&left, catalog)
    ])?;
    Ok(())
}

fn cut_chunk(
    tx: &Transaction<'_>,
    catalog: &mut Catalog,
    stream: u32,
    place: &Place,
    correction: &Reading,
    gone: &mut Vec<Reading>,
) -> Result<(), SeriesError> {
    let (mut all, before) = (Vec::new(), gone.len());
    places::read(tx, catalog, place, &Pick::ALL, &mut all)?;
    let mut left = Vec::with_capacity(all.len());
    for r in all {
        if replaces(correction, &r) { gone.push(r) } else { left.push(r) }
    }
    if gone.len() > before {
        place.delete(tx)?;
        seal::put_chunk(tx, catalog, stream, &left.iter().collect::<Vec<_>>(), place.rolled)?;
    }
    Ok(())
}

/// Works out anew the slot of a level in which `at` lies.
fn roll_up_again(
    tx: &Transaction<'_>,
    catalog: &mut Catalog,
    stream: u32,
    level: Level,
    at: Timestamp,
) -> Result<(), SeriesError> {
    let slot = at.0 - at.0.rem_euclid(level.slot_ms);
    let end = slot.saturating_add(level.slot_ms);
    let mut places = Vec::new();
    places::overlapping(tx, stream, (slot, end), &mut places)?;
    let mut found = Vec::new();
    let pick = Pick { metrics: &[], keep: &|r| (slot..end).contains(&r.taken_at.0) };
    for place in places.iter().filter(|place| place.rolled & level.bit != 0) {
        places::read(tx, catalog, place, &pick, &mut found)?;
    }
    found.sort_by_key(|r| (r.taken_at, r.origin));
    level.set(tx, catalog, stream, slot, &found.iter().collect::<Vec<_>>())
}

/// The replaced readings that a query asks for, marked as such.
pub(super) fn asked(
    tx: &Transaction<'_>,
    catalog: &Catalog,
    stream: u32,
    query: &Query,
    found: &mut Vec<Reading>,
) -> Result<(), SeriesError> {
    let mut some = Vec::new();
    each(tx, catalog, stream, (query.from.0, query.to.0), &mut some)?;
    let wanted = some.into_iter().filter(|r| query.takes(r.taken_at, r.origin));
    found.extend(wanted.filter_map(|r| query.only(r)).map(|mut r| {
        r.marks = r.marks.with(Marks::SUPERSEDED);
        r
    }));
    Ok(())
}

/// The replaced readings that answer a look-up of the engine: sent again, they are repeats.
pub(super) fn seen(
    tx: &Transaction<'_>,
    catalog: &Catalog,
    stream: u32,
    lookup: &Lookup,
    found: &mut Vec<Reading>,
) -> Result<(), SeriesError> {
    let Some(at) = lookup.device_time else { return Ok(()) };
    let mut some = Vec::new();
    each(tx, catalog, stream, (at.0, at.0.saturating_add(1)), &mut some)?;
    found.extend(some.into_iter().filter(|r| matches(lookup, r)));
    Ok(())
}

fn each(
    tx: &Transaction<'_>,
    catalog: &Catalog,
    stream: u32,
    (from, to): (i64, i64),
    found: &mut Vec<Reading>,
) -> Result<(), SeriesError> {
    let mut statement =
        tx.prepare_cached("SELECT blob FROM superseded WHERE stream = ?1 AND at >= ?2 AND at < ?3")?;
    let mut rows = statement.query(params![stream, from, to])?;
    while let Some(row) = rows.next()? {
        let blob = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        part::of_stream(blob, catalog.stream(stream)?, catalog, &Pick::ALL, found)
            .map_err(SeriesError::row("superseded"))?;
    }
    Ok(())
}

/// Replaced readings whose record is in `from..=to`.
pub(super) fn of_records(
    tx: &Transaction<'_>,
    catalog: &Catalog,
    (from, to): (Seq, Seq),
    found: &mut Vec<Reading>,
) -> Result<(), SeriesError> {
    let (from, to) = (from.min(i64::MAX as u64) as i64, to.min(i64::MAX as u64) as i64);
    let mut statement =
        tx.prepare_cached("SELECT stream, blob FROM superseded WHERE seq >= ?1 AND seq <= ?2")?;
    let mut rows = statement.query(params![from, to])?;
    while let Some(row) = rows.next()? {
        let blob = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        part::of_stream(blob, catalog.stream(row.get(0)?)?, catalog, &Pick::ALL, found)
            .map_err(SeriesError::row("superseded"))?;
    }
    Ok(())
}

/// Lets go of replaced readings that were taken before `from`.
pub(super) fn drop_before(tx: &Transaction<'_>, stream: u32, from: Timestamp) -> Result<(), SeriesError> {
    tx.prepare_cached("DELETE FROM superseded WHERE stream = ?1 AND at < ?2")?
        .execute(params![stream, from.0])?;
    Ok(())
}
