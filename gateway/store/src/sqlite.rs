//! How our SQLite files are opened: one kind of file each, a known version, WAL, never mapped into memory.

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::disk::{Disk, RealDisk};

/// The first SQLite without the WAL-reset bug (RELIABILITY 5.4).
pub const OLDEST: i32 = 3_051_003;
/// Pages that a writer keeps in memory, in KiB; what is changed again and again in one commit should fit.
const WRITER_CACHE_KIB: i64 = 2048;
/// The same of a reader: the operating system holds the file as well.
const READER_CACHE_KIB: i64 = 512;
/// How long a statement waits for a lock that a backup or a reader holds.
const BUSY: Duration = Duration::from_secs(5);

/// What a file of ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its name in the data directory.
    pub file: &'static str,
    /// `application_id`: tells our files apart and from others.
    pub application_id: i32,
    /// `user_version` that this version writes.
    pub version: i32,
    /// Whether each commit waits for the disk (`FULL`) or only each checkpoint (`NORMAL`).
    pub full: bool,
    /// Bytes per page of a new file.
    pub page: u32,
    /// The tables of version 1.
    pub schema: &'static str,
    /// What makes a file of version 1 one of version 2, that one of version 3, and so on; new files take them too.
    pub steps: &'static [&'static str],
}

/// Why a file could not be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum SqliteError {
    /// The SQLite in this binary has a known fault.
    #[error("SQLite {found} is linked, at least 3.51.3 is needed")]
    TooOld {
        /// What is linked.
        found: String,
    },
    /// The file belongs to something else.
    #[error("{file} is not a file of this kind (application_id {found})")]
    Foreign {
        /// The file.
        file: &'static str,
        /// What it says that it is.
        found: i32,
    },
    /// The file was written by a later version of Orderly.
    #[error("{file} has format {found}, this version knows {known}: use the newer Orderly or a backup")]
    Newer {
        /// The file.
        file: &'static str,
        /// Its format.
        found: i32,
        /// The newest format that is known here.
        known: i32,
    },
    /// SQLite kept another way of journalling, and said so without an error.
    #[error("{file} cannot be switched to a write-ahead log: it stays in mode {mode}")]
    Mode {
        /// The database.
        file: &'static str,
        /// How it would journal.
        mode: String,
    },
    /// The log that an earlier run left could not be made durable.
    #[error("the log of {file} cannot be written again: {source}")]
    Log {
        /// The database.
        file: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// Whether this SQLite may be used at all.
///
/// # Errors
/// When it is older than 3.51.3.
pub fn check_version(number: i32) -> Result<(), SqliteError> {
    if number < OLDEST {
        let found = format!("{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000);
        return Err(SqliteError::TooOld { found });
    }
    Ok(())
}

/// Opens the file for writing and makes it when it is not there.
///
/// Checkpoints are left to the caller: a checkpoint inside a commit would make that one commit slow.
///
/// # Errors
/// When SQLite is too old, the file is foreign or newer, or SQLite refuses.
pub fn open_writer(dir: &Path, kind: Kind) -> Result<Connection, SqliteError> {
    check_version(rusqlite::version_number())?;
    write_log_again(dir, kind)?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(dir.join(kind.file), flags)?;
    // The last one to close a file would copy the log into it, also after a sync of that log has failed: then the sync
    // before the copy does nothing, and a power cut in the middle of the copy leaves a file that no log mends.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    settings(&db, WRITER_CACHE_KIB)?;
    db.pragma_update(None, "page_size", kind.page)?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 {
        check_kind(&db, kind)?;
    }
    use_log(&db, kind)?;
    if tables > 0 {
        upgrade(&mut db, kind)?;
    }
    db.pragma_update(None, "synchronous", if kind.full { "FULL" } else { "NORMAL" })?;
    db.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    if tables == 0 {
        let tx = db.transaction()?;
        tx.execute_batch(kind.schema)?;
        for step in kind.steps {
            tx.execute_batch(step)?;
        }
        tx.pragma_update(None, "application_id", kind.application_id)?;
        tx.pragma_update(None, "user_version", kind.version)?;
        tx.commit()?;
    }
    Ok(db)
}

/// Brings an older file to the present version, step by step; a step is done whole or not at all.
fn upgrade(db: &mut Connection, kind: Kind) -> Result<(), SqliteError> {
    let found: i32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (version, step) in (1..kind.version).zip(kind.steps).filter(|(version, _)| *version >= found) {
        let tx = db.transaction()?;
        tx.execute_batch(step)?;
        tx.pragma_update(None, "user_version", version + 1)?;
        tx.commit()?;
        tracing::info!(file = kind.file, version = version + 1, "the file has a newer format now");
    }
    Ok(())
}

/// Opens the file for reading; it must be there.
///
/// # Errors
/// As [`open_writer`].
pub fn open_reader(dir: &Path, kind: Kind) -> Result<Connection, SqliteError> {
    check_version(rusqlite::version_number())?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(dir.join(kind.file), flags)?;
    settings(&db, READER_CACHE_KIB)?;
    check_kind(&db, kind)?;
    Ok(db)
}

/// Switches to the write-ahead log, and makes sure that it is so: in another mode `FULL` does not outlast a power
/// cut, since the end of a transaction is then a file that goes, and nobody syncs the directory.
fn use_log(db: &Connection, kind: Kind) -> Result<(), SqliteError> {
    let mut statement = db.prepare("PRAGMA journal_mode = WAL")?;
    let mut rows = statement.query([])?;
    let mode: String = rows.next()?.map_or_else(|| Ok(String::new()), |row| row.get(0))?;
    // The switch is written only when the statement ends, so it is stepped to its end: there it may fail.
    while rows.next()?.is_some() {}
    if mode == "wal" { Ok(()) } else { Err(SqliteError::Mode { file: kind.file, mode }) }
}

/// Makes sure that the log is on the disk as it reads.
///
/// After a failed sync the operating system takes the bytes for written, though they are only in its memory, and no
/// later sync brings them to the disk. A process that finds them there would build on a log that a power cut breaks
/// in the middle. Writing the same bytes once more makes them count again.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn write_log_again(dir: &Path, kind: Kind) -> Result<(), SqliteError> {
    let path = dir.join(format!("{}-wal", kind.file));
    let file = match RealDisk.open_write(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file,
    };
    let again = || {
        let file = file?;
        let mut piece = vec![0; 1 << 20];
        let mut at = 0;
        loop {
            let read = file.read_at(&mut piece, at)?;
            if read == 0 {
                break;
            }
            file.write_at(&piece[..read], at)?;
            at += read as u64;
        }
        file.sync_data()?;
        RealDisk.sync_dir(dir)
    };
    again().map_err(|source| SqliteError::Log { file: kind.file, source })
}

fn settings(db: &Connection, cache_kib: i64) -> Result<(), SqliteError> {
    db.busy_timeout(BUSY)?;
    db.set_prepared_statement_cache_capacity(64);
    db.pragma_update_and_check(None, "mmap_size", 0, |_| Ok(()))?;
    // A negative number counts KiB, not pages.
    db.pragma_update(None, "cache_size", -cache_kib)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "trusted_schema", false)?;
    Ok(())
}

fn check_kind(db: &Connection, kind: Kind) -> Result<(), SqliteError> {
    let found: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if found != kind.application_id {
        return Err(SqliteError::Foreign { file: kind.file, found });
    }
    let found: i32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > kind.version {
        return Err(SqliteError::Newer { file: kind.file, found, known: kind.version });
    }
    Ok(())
}

/// Where the write-ahead log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wal {
    /// Pages in the log.
    pub pages: u64,
    /// Pages of it that are already in the file.
    pub copied: u64,
}

/// Asks how long the log is without doing any work.
///
/// # Errors
/// When SQLite refuses.
pub fn wal(db: &Connection) -> Result<Wal, SqliteError> {
    checkpoint_with(db, "NOOP")
}

/// Copies the log into the file as far as no reader stands in the way. The next commit then starts the log anew.
///
/// # Errors
/// When SQLite refuses.
pub fn checkpoint(db: &Connection) -> Result<Wal, SqliteError> {
    checkpoint_with(db, "PASSIVE")
}

fn checkpoint_with(db: &Connection, mode: &str) -> Result<Wal, SqliteError> {
    let sql = match mode {
        "NOOP" => "PRAGMA wal_checkpoint(NOOP)",
        _ => "PRAGMA wal_checkpoint(PASSIVE)",
    };
    let mut statement = db.prepare_cached(sql)?;
    let wal = statement.query_row([], |row| {
        let busy: bool = row.get(0)?;
        let pages: i64 = row.get(1)?;
        let copied: i64 = row.get(2)?;
        // Busy: somebody else copies at this moment and SQLite gives no numbers; nothing is known to be copied.
        Ok(Wal { pages: pages.max(i64::from(busy)) as u64, copied: copied.max(0) as u64 })
    })?;
    Ok(wal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind {
        file: "x.db",
        application_id: 0x4f52_4400,
        version: 2,
        full: true,
        page: 4096,
        schema: "CREATE TABLE t(a INTEGER);",
        steps: &["ALTER TABLE t ADD COLUMN b INTEGER NOT NULL DEFAULT 7"],
    };

    #[test]
    fn old_sqlite_is_refused_and_ours_is_not_old() {
        assert!(check_version(rusqlite::version_number()).is_ok());
        let refused = check_version(3_051_002).unwrap_err().to_string();
        assert_eq!(refused, "SQLite 3.51.2 is linked, at least 3.51.3 is needed");
    }

    #[test]
    fn foreign_and_newer_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(open_writer(dir.path(), KIND).unwrap());
        assert!(open_reader(dir.path(), KIND).is_ok());
        let foreign = open_writer(dir.path(), Kind { application_id: 7, ..KIND });
        assert!(matches!(foreign, Err(SqliteError::Foreign { .. })));
        let older = open_writer(dir.path(), Kind { version: 1, steps: &[], ..KIND });
        assert!(matches!(older, Err(SqliteError::Newer { found: 2, known: 1, .. })));
    }

    #[test]
    fn an_older_file_is_brought_up_to_date_once() {
        let dir = tempfile::tempdir().unwrap();
        let first = Kind { version: 1, steps: &[], ..KIND };
        let db = open_writer(dir.path(), first).unwrap();
        db.execute("INSERT INTO t(a) VALUES(1)", []).unwrap();
        drop(db);
        for _ in 0..2 {
            let db = open_writer(dir.path(), KIND).unwrap();
            let b: i64 = db.query_row("SELECT b FROM t", [], |row| row.get(0)).unwrap();
            let version: i32 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
            assert_eq!((b, version), (7, 2));
        }
    }

    #[test]
    fn settings_are_in_force() {
        let dir = tempfile::tempdir().unwrap();
        let db = open_writer(dir.path(), KIND).unwrap();
        let text = |name: &str| db.pragma_query_value(None, name, |r| r.get::<_, String>(0)).unwrap();
        let number = |name: &str| db.pragma_query_value(None, name, |r| r.get::<_, i64>(0)).unwrap();
        assert_eq!(text("journal_mode"), "wal");
        assert_eq!((number("synchronous"), number("wal_autocheckpoint"), number("mmap_size")), (2, 0, 0));
        assert_eq!(number("cache_size"), -WRITER_CACHE_KIB);
    }

    #[test]
    fn closing_copies_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let db = open_writer(dir.path(), KIND).unwrap();
        db.execute("INSERT INTO t(a) VALUES(1)", []).unwrap();
        let before = std::fs::metadata(dir.path().join("x.db")).unwrap().len();
        drop(db);
        assert_eq!(std::fs::metadata(dir.path().join("x.db")).unwrap().len(), before);
        let db = open_reader(dir.path(), KIND).unwrap();
        let rows: i64 = db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1, "what the log holds is there");
    }

    #[test]
    fn the_log_is_measured_and_copied() {
        let dir = tempfile::tempdir().unwrap();
        let db = open_writer(dir.path(), KIND).unwrap();
        db.execute("INSERT INTO t(a) VALUES(1)", []).unwrap();
        let before = wal(&db).unwrap();
        assert!(before.pages > 0 && before.copied == 0, "{before:?}");
        assert_eq!(checkpoint(&db).unwrap(), Wal { pages: before.pages, copied: before.pages });
    }
}
