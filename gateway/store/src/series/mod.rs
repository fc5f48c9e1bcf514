//! `series.db`: every reading that was decided, found by device and time, and the latest of each stream.
//!
//! Filled from the batches of `state.db` at its own cursor, so it may run with `synchronous = NORMAL`: after a
//! power cut it is behind and is filled again. A batch may leave `state.db` only once [`SeriesStore::flush`]
//! has said that it is on disk here.

mod apply;
mod bundle;
mod catalog;
mod chunk;
mod chunk_reader;
mod gather;
mod ints;
mod latest;
mod latest_reader;
mod numbers;
mod offsets;
mod part;
mod places;
mod query;
mod reader;
mod retention;
mod rollup;
mod rows;
mod schema;
mod seal;
mod supersede;
mod values;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use orderly_core::ids::ClassId;
use orderly_core::reading::Reading;
use orderly_core::record::Seq;
use orderly_core::time::Timestamp;
use rusqlite::{Connection, TransactionBehavior};

use crate::batch::DecodeError;
use crate::sqlite::{self, SqliteError, Wal};
use bundle::STREAMS;
use catalog::Catalog;
use latest::Latest;
use seal::Waiting;

pub use gather::Bucket;
pub use query::Query;
pub use reader::SeriesReader;
pub use retention::Dropped;

/// Pages of the log from which an apply copies it into the file (32 MiB).
const FORCE_PAGES: u64 = 8192;
/// Buckets of streams that are sealed in one transaction, so that taking in never waits long.
const SEAL_TOGETHER: usize = 2;
/// Streams that are looked at in one transaction when old chunks are dropped.
const DROP_TOGETHER: u32 = 1000;

/// Why the series store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SeriesError {
    /// The file could not be opened or written.
    #[error("series.db: {0}")]
    Sqlite(#[from] SqliteError),
    /// A row cannot be read back.
    #[error("series.db: a row of {table} cannot be read: {why}")]
    Row {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A file beside the database could not be synced.
    #[error("series.db: {0}")]
    Io(#[from] std::io::Error),
    /// An earlier write failed; the store must be opened again.
    #[error("series.db: an earlier write failed, open it again")]
    Broken,
}

impl From<rusqlite::Error> for SeriesError {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sqlite(SqliteError::Sqlite(e))
    }
}

impl SeriesError {
    fn row(table: &'static str) -> impl FnOnce(DecodeError) -> Self {
        move |e| Self::Row { table, why: e.to_string() }
    }
}

/// The only writing connection of `series.db`.
pub struct SeriesStore {
    db: Connection,
    dir: PathBuf,
    catalog: Catalog,
    applied: Seq,
    flushed: Seq,
    latest: Latest,
    /// By bucket: what waits to be sealed.
    waiting: Vec<Waiting>,
    seal_from: u32,
    /// A flush failed: the log may be in the memory of the operating system only.
    doubtful: bool,
    broken: bool,
}

/// What one call of [`SeriesStore::seal`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sealed {
    /// Streams sealed.
    pub streams: usize,
    /// Readings in them.
    pub readings: usize,
    /// There are more to be sealed: call again.
    pub more: bool,
}

impl std::fmt::Debug for SeriesStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SeriesStore").field("applied", &self.applied).field("flushed", &self.flushed).finish()
    }
}

impl SeriesStore {
    /// Opens the store in this directory; makes it when it is not there.
    ///
    /// # Errors
    /// When the file is foreign, newer or unreadable.
    pub fn open(dir: &Path) -> Result<Self, SeriesError> {
        let db = sqlite::open_writer(dir, schema::SERIES)?;
        let applied: i64 = db.query_row("SELECT seq FROM applied", [], |row| row.get(0))?;
        let mut catalog = Catalog::default();
        catalog.refresh(&db)?;
        let latest = Latest::load(&db, &catalog)?;
        let waiting = seal::load_waiting(&db)?;
        let mut store = Self {
            db,
            dir: dir.to_owned(),
            catalog,
            applied: applied as u64,
            flushed: 0,
            latest,
            waiting,
            seal_from: seal::ENOUGH,
            doubtful: false,
            broken: false,
        };
        store.flush()?;
        Ok(store)
    }

    /// The last record whose readings are in the store.
    #[must_use]
    pub const fn applied(&self) -> Seq {
        self.applied
    }

    /// The last record whose readings are surely on disk.
    #[must_use]
    pub const fn flushed(&self) -> Seq {
        self.flushed
    }

    /// Takes in the readings of the batch, or of several batches at once, that covers records `first` to `last`.
    /// What is already in is left out, so a batch may come again after a crash.
    ///
    /// Several small batches together are cheaper than one after the other: a call costs one row for
    /// each sixteen streams.
    ///
    /// # Errors
    /// When SQLite or the disk refuses: then nothing of it is in the file, and the store must be opened again.
    pub fn apply<'a>(
        &mut self,
        first: Seq,
        last: Seq,
        readings: impl IntoIterator<Item = &'a Reading>,
    ) -> Result<(), SeriesError> {
        debug_assert!(first <= last, "a batch covers {first} to {last}");
        self.guarded(|store| {
            if last <= store.applied {
                return Ok(());
            }
            let fresh: Vec<&Reading> = readings
                .into_iter()
                .filter(|r| r.origin.seq > store.applied && r.origin.seq <= last)
                .collect();
            let tx = store.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            apply::write(&tx, &mut store.catalog, &mut store.latest, &mut store.waiting, &fresh)?;
            tx.prepare_cached("UPDATE applied SET seq = ?1")?.execute([last as i64])?;
            let write_latest = store.latest.is_due();
            if write_latest {
                store.latest.save(&tx, &mut store.catalog, last)?;
            }
            store.catalog.save(&tx)?;
            tx.commit()?;
            store.catalog.saved();
            if write_latest {
                store.latest.saved();
            }
            store.applied = last;
            Ok(())
        })?;
        self.shorten_log()
    }

    /// Seals streams that have enough readings, or whose oldest recent row is an hour old; some dozens in one call.
    ///
    /// # Errors
    /// When SQLite or the disk refuses: then nothing of it is in the file, and the store must be opened again.
    pub fn seal(&mut self, now: Timestamp) -> Result<Sealed, SeriesError> {
        let (enough, all) = (self.seal_from, self.catalog.len());
        let streams = |bucket: u32| all.saturating_sub(bucket * STREAMS).min(STREAMS);
        let due: Vec<u32> = (0_u32..)
            .zip(&self.waiting)
            .filter(|(bucket, w)| w.is_due(streams(*bucket), now, enough))
            .map(|(bucket, _)| bucket)
            .collect();
        let (today, later) = due.split_at(due.len().min(SEAL_TOGETHER));
        if today.is_empty() {
            return Ok(Sealed::default());
        }
        let mut sealed = Sealed { more: !later.is_empty(), ..Sealed::default() };
        self.guarded(|store| {
            let tx = store.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // The recent rows go, and with them what readers would find the latest in.
            store.latest.save(&tx, &mut store.catalog, store.applied)?;
            for &bucket in today {
                let (streams, readings) = seal::seal(&tx, &mut store.catalog, bucket)?;
                sealed.streams += streams;
                sealed.readings += readings;
            }
            store.catalog.save(&tx)?;
            tx.commit()?;
            store.catalog.saved();
            store.latest.saved();
            for &bucket in today {
                if let Some(waiting) = store.waiting.get_mut(bucket as usize) {
                    *waiting = Waiting::default();
                }
            }
            Ok(())
        })?;
        self.shorten_log()?;
        Ok(sealed)
    }

    /// Seals a stream once it has so many readings; for tests and small boxes.
    pub const fn set_seal_from(&mut self, readings: u32) {
        self.seal_from = readings;
    }

    /// Drops chunks whose readings were all taken before what their class keeps; `None` keeps everything.
    /// Roll-ups and latest values stay.
    ///
    /// # Errors
    /// When SQLite or the disk refuses.
    pub fn drop_before(
        &mut self,
        keep_from: &dyn Fn(&ClassId) -> Option<Timestamp>,
    ) -> Result<Dropped, SeriesError> {
        let mut dropped = Dropped::default();
        let end = self.catalog.len();
        for start in (0..end).step_by(DROP_TOGETHER as usize) {
            let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let streams = start..end.min(start + DROP_TOGETHER);
            let some = retention::drop_before(&tx, &self.catalog, streams, keep_from)?;
            tx.commit()?;
            dropped.chunks += some.chunks;
            dropped.readings += some.readings;
        }
        self.shorten_log()?;
        Ok(dropped)
    }

    fn shorten_log(&mut self) -> Result<(), SeriesError> {
        let wal = sqlite::wal(&self.db)?;
        if wal.pages.saturating_sub(wal.copied) >= FORCE_PAGES {
            self.flush()?;
        }
        Ok(())
    }

    /// Brings everything applied onto the disk and tells up to which record batches may now leave `state.db`.
    ///
    /// # Errors
    /// When SQLite or the disk refuses; then the answer of the last time still holds.
    pub fn flush(&mut self) -> Result<Seq, SeriesError> {
        if std::mem::replace(&mut self.doubtful, true) {
            sqlite::write_log_again(&self.dir, schema::SERIES)?;
        }
        let Wal { pages, copied } = sqlite::checkpoint(&self.db)?;
        if copied < pages {
            // A reader stands in the way: the log is synced itself, which is as good.
            std::fs::File::open(self.dir.join(format!("{}-wal", schema::SERIES.file)))?.sync_data()?;
            std::fs::File::open(&self.dir)?.sync_all()?;
        }
        self.doubtful = false;
        self.flushed = self.applied;
        Ok(self.flushed)
    }

    /// Runs a change after which, if it fails, what is in memory and in the file no longer agree.
    fn guarded<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, SeriesError>,
    ) -> Result<T, SeriesError> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(SeriesError::Broken);
        }
        let done = change(self)?;
        self.broken = false;
        Ok(done)
    }
}
