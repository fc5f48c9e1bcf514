//! `audit.db`: everything that must be provable, in one append-only hash chain.
//!
//! Each entry holds the hash of the one before, so an entry that is changed or taken away later shows. That the
//! last entries were cut off shows only against a head that was kept elsewhere: `state.db` keeps the head of
//! each copy, and a person may keep one outside the box. Never rebuilt, never shortened.

mod chain;

#[cfg(test)]
mod tests;

use std::path::Path;

use orderly_core::output::AuditEntry;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use crate::sqlite::{self, Kind, SqliteError};
use crate::state::{DeliveryChange, StateError, StateReader};

pub use chain::{AuditHead, AuditRow};

/// Pages of the log from which it is copied into the file.
const TIDY_PAGES: u64 = 1024;
/// Entries that are copied in one transaction.
const TOGETHER: usize = 1000;

const AUDIT: Kind = Kind {
    file: "audit.db",
    application_id: 0x4f52_4433,
    version: 1,
    full: true,
    page: 4096,
    schema: "
CREATE TABLE entry(
  n INTEGER PRIMARY KEY,
  seq INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  decided_at INTEGER NOT NULL,
  happened_at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  verb TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail TEXT NOT NULL,
  prev_hash BLOB NOT NULL,
  hash BLOB NOT NULL,
  UNIQUE(seq, idx)
) STRICT;
CREATE TRIGGER entry_is_not_changed BEFORE UPDATE ON entry
  BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END;
CREATE TRIGGER entry_is_not_deleted BEFORE DELETE ON entry
  BEGIN SELECT RAISE(ABORT, 'audit entries are never deleted'); END;
CREATE TRIGGER entry_follows BEFORE INSERT ON entry
  WHEN NEW.n IS NOT (SELECT coalesce(max(n), 0) + 1 FROM entry)
  BEGIN SELECT RAISE(ABORT, 'audit entries follow one another'); END;
",
    steps: &[],
};

/// Why the audit store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file could not be opened or written.
    #[error("audit.db: {0}")]
    Sqlite(#[from] SqliteError),
    /// The entries could not be read from the state store.
    #[error(transparent)]
    State(#[from] StateError),
    /// Another entry of the same origin is in the chain already.
    #[error("audit.db: entry {n} has the origin {seq}.{index} but says something else")]
    Conflict {
        /// The entry in the chain.
        n: u64,
        /// The record.
        seq: u64,
        /// Place within the record.
        index: u16,
    },
}

impl From<rusqlite::Error> for AuditError {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sqlite(SqliteError::Sqlite(e))
    }
}

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The chain is whole up to its head.
    Whole(AuditHead),
    /// The chain is broken.
    Broken {
        /// The first entry that is changed, missing or out of place.
        n: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// The only writing connection of `audit.db`.
pub struct AuditStore {
    db: Connection,
    head: AuditHead,
}

impl std::fmt::Debug for AuditStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditStore").field("head", &self.head).finish()
    }
}

impl AuditStore {
    /// Opens the chain in this directory; makes it when it is not there.
    ///
    /// # Errors
    /// When the file is foreign, newer or unreadable.
    pub fn open(dir: &Path) -> Result<Self, AuditError> {
        let db = sqlite::open_writer(dir, AUDIT)?;
        let head = db
            .query_row("SELECT n, hash FROM entry ORDER BY n DESC LIMIT 1", [], |row| {
                Ok(AuditHead { n: row.get::<_, i64>(0)? as u64, hash: row.get(1)? })
            })
            .optional()?;
        Ok(Self { db, head: head.unwrap_or_default() })
    }

    /// The last entry.
    #[must_use]
    pub const fn head(&self) -> AuditHead {
        self.head
    }

    /// Appends entries and waits until they are on disk. Entries whose origin is in the chain are left out.
    ///
    /// # Errors
    /// When SQLite or the disk refuses, or an entry differs from the one of its origin: then none is appended.
    pub fn append(&mut self, entries: &[AuditEntry]) -> Result<AuditHead, AuditError> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut head = self.head;
        for entry in entries {
            if let Some(known) = of_origin(&tx, entry)? {
                if known.entry == *entry {
                    continue;
                }
                return Err(AuditError::Conflict { n: known.n, seq: entry.seq, index: entry.index });
            }
            let row = AuditRow::after(&head, entry.clone());
            insert(&tx, &row)?;
            head = row.head();
        }
        tx.commit()?;
        self.head = head;
        let wal = sqlite::wal(&self.db)?;
        if wal.pages.saturating_sub(wal.copied) >= TIDY_PAGES {
            sqlite::checkpoint(&self.db)?;
        }
        Ok(self.head)
    }

    /// Copies what the state store has decided since the last copy; gives the change that says so.
    ///
    /// # Errors
    /// As [`Self::append`], and when the state store cannot be read.
    pub fn copy_from(&mut self, state: &StateReader) -> Result<Option<DeliveryChange>, AuditError> {
        let mut last = None;
        loop {
            let from = last.map_or((0, 0), |(seq, index)| (seq, index));
            let entries = state.audit_from(from, TOGETHER)?;
            let Some(end) = entries.last() else { break };
            last = Some((end.seq, end.index));
            self.append(&entries)?;
            if entries.len() < TOGETHER {
                break;
            }
        }
        Ok(last.map(|(seq, _)| DeliveryChange::AuditCopied { seq, head: self.head }))
    }
}

/// Reads entries from number `n` on, at most `limit`.
///
/// # Errors
/// When the file is not there or cannot be read.
pub fn entries(dir: &Path, n: u64, limit: usize) -> Result<Vec<AuditRow>, AuditError> {
    let db = sqlite::open_reader(dir, AUDIT)?;
    let mut statement = db.prepare("SELECT * FROM entry WHERE n >= ?1 ORDER BY n LIMIT ?2")?;
    let rows = statement.query_map(params![n as i64, limit as i64], row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Goes through the whole chain and names the first entry at which it is broken. With a head that was kept
/// elsewhere it also tells whether the chain was cut off or written anew.
///
/// # Errors
/// When the file is not there or SQLite cannot read it.
pub fn verify(dir: &Path, kept: Option<AuditHead>) -> Result<Verdict, AuditError> {
    let db = sqlite::open_reader(dir, AUDIT)?;
    let mut statement = db.prepare("SELECT * FROM entry ORDER BY n")?;
    let mut rows = statement.query([])?;
    let mut head = AuditHead::default();
    while let Some(next) = rows.next()? {
        let n = head.n + 1;
        let Ok(found) = row(next) else {
            return Ok(Verdict::Broken { n, why: "it cannot be read" });
        };
        if let Some(why) = found.fault(&head) {
            return Ok(Verdict::Broken { n, why });
        }
        head = found.head();
        if kept.is_some_and(|kept| kept.n == head.n && kept.hash != head.hash) {
            return Ok(Verdict::Broken { n, why: "it is not the entry that was kept elsewhere" });
        }
    }
    if kept.is_some_and(|kept| kept.n > head.n) {
        return Ok(Verdict::Broken { n: head.n + 1, why: "it was there and is missing" });
    }
    Ok(Verdict::Whole(head))
}

fn of_origin(tx: &Transaction<'_>, entry: &AuditEntry) -> Result<Option<AuditRow>, AuditError> {
    let mut statement = tx.prepare_cached("SELECT * FROM entry WHERE seq = ?1 AND idx = ?2")?;
    Ok(statement.query_row(params![entry.seq as i64, entry.index], row).optional()?)
}

fn insert(tx: &Transaction<'_>, row: &AuditRow) -> Result<(), AuditError> {
    let e = &row.entry;
    tx.prepare_cached("INSERT INTO entry VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?.execute(
        params![
            row.n as i64,
            e.seq as i64,
            e.index,
            e.decided_at.0,
            e.happened_at.0,
            e.actor.as_str(),
            e.verb,
            e.subject,
            e.detail,
            row.prev_hash,
            row.hash
        ],
    )?;
    Ok(())
}

fn row(row: &Row<'_>) -> Result<AuditRow, rusqlite::Error> {
    use orderly_core::ids::ActorId;
    use orderly_core::time::Timestamp;
    let actor: String = row.get(5)?;
    let actor = ActorId::new(&actor).map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(5, rusqlite::types::Type::Text, Box::new(e))
    })?;
    Ok(AuditRow {
        n: row.get::<_, i64>(0)? as u64,
        entry: AuditEntry {
            seq: row.get::<_, i64>(1)? as u64,
            index: row.get(2)?,
            decided_at: Timestamp(row.get(3)?),
            happened_at: Timestamp(row.get(4)?),
            actor,
            verb: row.get(6)?,
            subject: row.get(7)?,
            detail: row.get(8)?,
        },
        prev_hash: row.get(9)?,
        hash: row.get(10)?,
    })
}
