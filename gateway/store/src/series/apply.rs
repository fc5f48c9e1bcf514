//! Taking readings in: one recent row for each bucket of streams and call.

use orderly_core::reading::Reading;
use rusqlite::{Transaction, params};

use super::bundle::{self, STREAMS};
use super::catalog::Catalog;
use super::latest::Latest;
use super::part::Bounds;
use super::seal::Waiting;
use super::{SeriesError, supersede};

/// Writes the readings of one call.
pub(super) fn write(
    tx: &Transaction<'_>,
    catalog: &mut Catalog,
    latest: &mut Latest,
    waiting: &mut Vec<Waiting>,
    readings: &[&Reading],
) -> Result<(), SeriesError> {
    let mut order: Vec<(u32, &Reading)> = readings.iter().map(|r| (catalog.stream_of(r), *r)).collect();
    supersede::take_out(tx, catalog, &mut order)?;
    // Stable: within a stream the order of origin stays.
    order.sort_by_key(|(stream, _)| *stream);
    let mut insert = tx.prepare_cached(
        "INSERT INTO recent(bucket, t0, t1, d0, d1, q0, q1, s0, s1, received, n, blob)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    for of_bucket in order.chunk_by(|a, b| a.0 / STREAMS == b.0 / STREAMS) {
        let bounds = Bounds::of(of_bucket.iter().map(|(_, r)| *r));
        let (Some((stream, _)), Some(b)) = (of_bucket.first(), bounds) else { continue };
        let [t0, t1, d0, d1, q0, q1, s0, s1] = b.columns();
        let bucket = stream / STREAMS;
        insert.execute(params![
            bucket,
            t0,
            t1,
            d0,
            d1,
            q0,
            q1,
            s0,
            s1,
            b.received,
            of_bucket.len() as i64,
            bundle::encode(of_bucket, catalog)
        ])?;
        let slot = bucket as usize;
        if waiting.len() <= slot {
            waiting.resize(slot + 1, Waiting::default());
        }
        if let Some(waiting) = waiting.get_mut(slot) {
            waiting.add(of_bucket.len(), b.received);
        }
        for of_stream in of_bucket.chunk_by(|a, b| a.0 == b.0) {
            if let Some((stream, _)) = of_stream.first() {
                latest.note(*stream, of_stream.iter().map(|(_, r)| *r));
            }
        }
    }
    Ok(())
}
