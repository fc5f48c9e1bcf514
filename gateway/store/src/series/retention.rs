//! Letting go of what is older than a class keeps.

use orderly_core::ids::ClassId;
use orderly_core::time::Timestamp;
use rusqlite::{Transaction, params};

use super::catalog::Catalog;
use super::{SeriesError, supersede};

/// What was let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Chunks.
    pub chunks: usize,
    /// Readings in them.
    pub readings: u64,
}

/// Drops the chunks of these streams whose readings all were taken before what their class keeps.
pub(super) fn drop_before(
    tx: &Transaction<'_>,
    catalog: &Catalog,
    streams: std::ops::Range<u32>,
    keep_from: &dyn Fn(&ClassId) -> Option<Timestamp>,
) -> Result<Dropped, SeriesError> {
    let mut dropped = Dropped::default();
    let mut statement = tx.prepare_cached("DELETE FROM chunk WHERE stream = ?1 AND t1 < ?2 RETURNING n")?;
    for id in streams {
        let Some(from) = keep_from(&catalog.stream(id)?.class) else { continue };
        let mut rows = statement.query(params![id, from.0])?;
        while let Some(row) = rows.next()? {
            dropped.chunks += 1;
            dropped.readings += row.get::<_, i64>(0)?.max(0) as u64;
        }
        supersede::drop_before(tx, id, from)?;
    }
    Ok(dropped)
}
