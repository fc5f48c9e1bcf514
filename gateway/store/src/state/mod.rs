//! `state.db`: what the engine decided, in one transaction per commit, and how far the outside has got.
//!
//! One writer, many readers. A [`StateStore`] whose commit failed refuses to go on: it is dropped and opened
//! again, and the file holds the commits before it, whole (PLAN "Failed commit").

mod commit;
mod deliver;
mod load;
mod reader;
mod schema;
mod tasks;
mod trim;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::path::Path;

use orderly_core::ids::DeviceId;
use orderly_core::output::{Output, Snapshot};
use orderly_core::record::Seq;
use rusqlite::Connection;

use crate::sqlite::{self, SqliteError, Wal};

pub use deliver::DeliveryChange;
pub use reader::{
    AlertFilter, Batches, Cursors, DueNotice, QuarantineFilter, QuarantineRow, StateReader, StateStatus,
    StoredBatch,
};
pub use tasks::TaskFilter;
pub use trim::{Keep, Trimmed};

/// Pages of the log from which an idle committer should copy it into the file (4 MiB).
const TIDY_PAGES: u64 = 1024;
/// Pages of the log from which a commit copies it itself, idle or not (16 MiB): the more, the longer that one commit
/// takes, and whoever waits for it.
const FORCE_PAGES: u64 = 4096;
/// Rows that the quarantine keeps when nothing else is said.
pub const QUARANTINE_CAP: usize = 10_000;

/// Why the state store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file could not be opened or written.
    #[error("state.db: {0}")]
    Sqlite(#[from] SqliteError),
    /// A row cannot be read back.
    #[error("state.db: a row of {table} cannot be read: {why}")]
    Row {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The commit does not follow the one before.
    #[error("state.db: a commit of {first} to {cursor} does not follow cursor {stored}")]
    Order {
        /// First record of the commit.
        first: Seq,
        /// Its cursor.
        cursor: Seq,
        /// The cursor in the file.
        stored: Seq,
    },
    /// An earlier commit failed; the store must be opened again.
    #[error("state.db: an earlier commit failed, open it again")]
    Broken,
}

impl From<rusqlite::Error> for StateError {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sqlite(SqliteError::Sqlite(e))
    }
}

/// The only writing connection of `state.db`.
pub struct StateStore {
    db: Connection,
    cursor: Seq,
    commit_no: u64,
    twins: HashMap<DeviceId, i64>,
    quarantined: u64,
    quarantine_kept: usize,
    quarantine_cap: usize,
    /// From so many pages the log is copied when idle, and in any case.
    log_pages: (u64, u64),
    /// The last alert that trimming looked at.
    trimmed_to: i64,
    broken: bool,
}

impl std::fmt::Debug for StateStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateStore")
            .field("cursor", &self.cursor)
            .field("commit_no", &self.commit_no)
            .finish()
    }
}

impl StateStore {
    /// Opens the store in this directory, makes it when it is not there, and gives what the engine needs.
    ///
    /// # Errors
    /// When the file is foreign, newer or unreadable.
    pub fn open(dir: &Path) -> Result<(Self, Snapshot), StateError> {
        let db = sqlite::open_writer(dir, schema::STATE)?;
        let meta = load::meta(&db)?;
        let snapshot = load::snapshot(&db, meta.cursor)?;
        let store = Self {
            cursor: meta.cursor,
            commit_no: meta.commit_no,
            twins: load::twin_ids(&db)?,
            quarantined: meta.quarantined,
            quarantine_kept: load::quarantine_kept(&db)?,
            quarantine_cap: QUARANTINE_CAP,
            log_pages: (TIDY_PAGES, FORCE_PAGES),
            trimmed_to: 0,
            broken: false,
            db,
        };
        Ok((store, snapshot))
    }

    /// Keeps at most so many rows in quarantine; the oldest go first and stay counted.
    pub const fn set_quarantine_cap(&mut self, rows: usize) {
        self.quarantine_cap = rows;
    }

    /// Copies the log from so many pages on when idle, and from so many in any case; for tests and small boxes.
    pub const fn set_log_pages(&mut self, idle: u64, force: u64) {
        self.log_pages = (idle, force);
    }

    /// The last record of the last commit.
    #[must_use]
    pub const fn cursor(&self) -> Seq {
        self.cursor
    }

    /// Number of the last commit; 0 when there was none.
    #[must_use]
    pub const fn commit_no(&self) -> u64 {
        self.commit_no
    }

    /// Writes everything that one [`Output`] decided, in one transaction, and waits until it is on disk.
    /// An empty output writes nothing.
    ///
    /// # Errors
    /// When it does not follow the commit before, or when SQLite or the disk refuses: then nothing of it is
    /// in the file, and the store is [`StateError::Broken`] until it is opened again.
    pub fn commit(&mut self, out: &Output) -> Result<u64, StateError> {
        if self.broken {
            return Err(StateError::Broken);
        }
        if out.is_empty() {
            return Ok(self.commit_no);
        }
        if out.cursor <= self.cursor || out.first <= self.cursor {
            return Err(StateError::Order { first: out.first, cursor: out.cursor, stored: self.cursor });
        }
        self.broken = true;
        let done = commit::commit(self, out)?;
        self.cursor = out.cursor;
        self.commit_no += 1;
        self.quarantined = done.quarantined;
        self.quarantine_kept = done.quarantine_kept;
        self.twins.extend(done.new_twins);
        self.broken = false;
        self.shorten_log(self.log_pages.1)?;
        Ok(self.commit_no)
    }

    /// Writes one delivery change.
    ///
    /// # Errors
    /// When SQLite or the disk refuses.
    pub fn deliver(&mut self, change: &DeliveryChange) -> Result<(), StateError> {
        self.deliver_all(std::slice::from_ref(change))
    }

    /// Writes several delivery changes in one transaction.
    ///
    /// # Errors
    /// When SQLite or the disk refuses: then none of them is in the file.
    pub fn deliver_all(&mut self, changes: &[DeliveryChange]) -> Result<(), StateError> {
        if self.broken {
            return Err(StateError::Broken);
        }
        if changes.is_empty() {
            return Ok(());
        }
        self.broken = true;
        self.quarantine_kept = deliver::deliver(&mut self.db, changes, self.quarantine_kept)?;
        self.broken = false;
        self.shorten_log(self.log_pages.1)?;
        Ok(())
    }

    /// To be called when the committer has nothing to do: copies the log into the file once it is worth it.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn tidy(&mut self) -> Result<Wal, StateError> {
        self.shorten_log(self.log_pages.0)
    }

    /// Takes away some of what is over and older than is kept, when the committer has nothing to do. Says whether
    /// there is more.
    ///
    /// # Errors
    /// When SQLite or the disk refuses: then nothing was taken away. Only when it refused to write the store must be
    /// opened again, see [`Self::is_broken`].
    pub fn trim(&mut self, keep: Keep) -> Result<Trimmed, StateError> {
        if self.broken {
            return Err(StateError::Broken);
        }
        let found = trim::look(&self.db, keep, self.trimmed_to)?;
        if !found.is_empty() {
            self.broken = true;
            found.take(&mut self.db)?;
            self.broken = false;
        }
        self.trimmed_to = found.place();
        Ok(found.trimmed())
    }

    /// Whether a write failed: then nobody knows what the file holds, and the store must be opened again.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    fn shorten_log(&self, from: u64) -> Result<Wal, StateError> {
        let wal = sqlite::wal(&self.db)?;
        if wal.pages.saturating_sub(wal.copied) < from {
            return Ok(wal);
        }
        Ok(sqlite::checkpoint(&self.db)?)
    }
}
