//! Read-only view of `state.db` for sinks, the notifier and the API.

use std::path::Path;

use orderly_core::alert::{Alert, Condition, Handling, Severity, Transition};
use orderly_core::command::Command;
use orderly_core::ids::{ClassId, DeviceId};
use orderly_core::output::{AuditEntry, DeviceRow, TextRow, TwinRow};
use orderly_core::reading::Reading;
use orderly_core::record::Seq;
use orderly_core::registry::Row;
use orderly_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::schema::{LIVE, STATE};
use super::{StateError, commit, load};
use crate::audit::AuditHead;
use crate::{batch, sqlite};

/// Readings that are given out at once, unless one batch holds more.
const READINGS_AT_ONCE: usize = 2_000;

/// A read-only connection; one per thread.
pub struct StateReader {
    db: Connection,
}

/// Which alerts are wanted; `None` means any.
#[derive(Debug, Clone, Default)]
pub struct AlertFilter {
    /// Only in this condition.
    pub condition: Option<Condition>,
    /// Only in this handling.
    pub handling: Option<Handling>,
    /// Only of this class.
    pub class: Option<ClassId>,
    /// Only of this severity.
    pub severity: Option<Severity>,
    /// Only of this device.
    pub device: Option<DeviceId>,
    /// Only those that are not over: still so, or not closed by a person.
    pub live: bool,
    /// At most so many, newest first; 0 means 1,000.
    pub limit: usize,
}

/// Which quarantined inputs are wanted.
#[derive(Debug, Clone, Default)]
pub struct QuarantineFilter {
    /// Only with this reason code.
    pub code: Option<String>,
    /// Only before this record and place; for paging.
    pub before: Option<(Seq, u16)>,
    /// At most so many, newest first; 0 means 1,000.
    pub limit: usize,
}

/// An input that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineRow {
    /// The record.
    pub seq: Seq,
    /// Place within the record.
    pub index: u16,
    /// When it came.
    pub received_at: Timestamp,
    /// Source.
    pub source: String,
    /// Topic or address.
    pub address: String,
    /// Stable code of the reason.
    pub code: String,
    /// What is wrong and what would be right.
    pub reason: String,
    /// The first 4 KiB of the payload.
    pub excerpt: Vec<u8>,
}

/// A batch as it lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBatch {
    /// First record that was handled for it.
    pub first: Seq,
    /// Last record that was handled for it.
    pub last: Seq,
    /// Readings in it.
    pub n: usize,
    /// The readings, packed by [`crate::batch`].
    pub blob: Vec<u8>,
}

impl StoredBatch {
    /// The readings.
    ///
    /// # Errors
    /// When the blob cannot be read.
    pub fn readings(&self) -> Result<Vec<Reading>, StateError> {
        batch::decode(&self.blob).map_err(|e| StateError::Row { table: "batch", why: e.to_string() })
    }
}

/// Batches in order, and how far they reach.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batches {
    /// The batches.
    pub batches: Vec<StoredBatch>,
    /// A consumer that has these has everything up to here: records without readings have no batch.
    pub through: Seq,
}

/// A notice whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueNotice {
    /// Its id, the Idempotency-Key of every attempt.
    pub id: String,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// What is told, as JSON.
    pub body: String,
    /// Attempts so far.
    pub tries: u32,
    /// Receivers that have taken it while others have not.
    pub taken: Vec<String>,
}

/// How far everybody is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cursors {
    /// The engine's cursor.
    pub cursor: Seq,
    /// Number of the last commit.
    pub commit: u64,
    /// The consumers with theirs, by name.
    pub consumers: Vec<(String, Seq)>,
}

/// Counts for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateStatus {
    /// The engine's cursor.
    pub cursor: Seq,
    /// Number of the last commit.
    pub commit: u64,
    /// Devices on the register.
    pub devices: u64,
    /// Alerts that fire.
    pub alerts_firing: u64,
    /// Alerts that fire or fired and that nobody has taken notice of.
    pub alerts_open: u64,
    /// Places of the journal that are damaged, as long as quarantine shows them.
    pub damage_places: u64,
    /// Records that are known to be lost there.
    pub damage_lost: u64,
    /// Batches that wait for `series.db` or a sink.
    pub batches: u64,
    /// Readings in them.
    pub batch_readings: u64,
    /// Inputs ever quarantined.
    pub quarantined: u64,
    /// Of those, how many are still in the table.
    pub quarantine_kept: u64,
    /// Notices to be sent.
    pub notices_waiting: u64,
    /// Notices given up.
    pub notices_dead: u64,
}

/// Every query fails when SQLite refuses or a row cannot be read.
impl StateReader {
    /// Opens the store in this directory; it must be there.
    ///
    /// # Errors
    /// When it is not there, foreign or newer.
    pub fn open(dir: &Path) -> Result<Self, StateError> {
        Ok(Self { db: sqlite::open_reader(dir, STATE)? })
    }

    /// The connection, for the other rooms of this store.
    pub(super) const fn db(&self) -> &Connection {
        &self.db
    }

    /// The register, by name.
    pub fn devices(&self) -> Result<Vec<DeviceRow>, StateError> {
        load::packed(&self.db, "device", "SELECT blob FROM device ORDER BY device", [])
    }

    /// One device of the register.
    pub fn device(&self, device: &DeviceId) -> Result<Option<DeviceRow>, StateError> {
        load::device(&self.db, device)
    }

    /// The rows of the registry.
    pub fn registry(&self) -> Result<Vec<Row>, StateError> {
        load::packed(&self.db, "registry", "SELECT blob FROM registry ORDER BY kind, id", [])
    }

    /// Profile and rule texts in force.
    pub fn texts(&self) -> Result<Vec<TextRow>, StateError> {
        load::texts(&self.db)
    }

    /// All twins, by device.
    pub fn twins(&self) -> Result<Vec<TwinRow>, StateError> {
        load::twins(&self.db)
    }

    /// The commands that a device was given, the newest first.
    pub fn commands(&self, device: &DeviceId, limit: usize) -> Result<Vec<Command>, StateError> {
        load::packed(
            &self.db,
            "command",
            "SELECT blob FROM command WHERE device = ?1 ORDER BY n DESC LIMIT ?2",
            params![device.as_str(), i64::try_from(limit).unwrap_or(i64::MAX)],
        )
    }

    /// One command.
    pub fn command(&self, id: &str) -> Result<Option<Command>, StateError> {
        load::packed(&self.db, "command", "SELECT blob FROM command WHERE id = ?1", [id])
            .map(|mut rows: Vec<Command>| rows.pop())
    }

    /// The twin of one device.
    pub fn twin(&self, device: &DeviceId) -> Result<Option<TwinRow>, StateError> {
        let mut statement = self.db.prepare_cached("SELECT device, blob FROM twin WHERE device = ?1")?;
        let mut rows = statement.query([device.as_str()])?;
        rows.next()?.map(load::twin).transpose()
    }

    /// Alerts that fit the filter, newest first.
    pub fn alerts(&self, filter: &AlertFilter) -> Result<Vec<Alert>, StateError> {
        let mut sql = String::from("SELECT blob FROM alert WHERE 1");
        let mut args: Vec<&str> = Vec::new();
        let wanted = [
            ("condition", filter.condition.map(commit::condition)),
            ("handling", filter.handling.map(commit::handling)),
            ("class", filter.class.as_ref().map(ClassId::as_str)),
            ("severity", filter.severity.map(commit::severity)),
            ("device", filter.device.as_ref().map(DeviceId::as_str)),
        ];
        for (column, value) in wanted {
            if let Some(value) = value {
                args.push(value);
                sql.push_str(&format!(" AND {column} = ?{}", args.len()));
            }
        }
        if filter.live {
            sql.push_str(&format!(" AND {LIVE}"));
        }
        sql.push_str(&format!(" ORDER BY n DESC LIMIT {}", limit(filter.limit)));
        load::packed(&self.db, "alert", &sql, rusqlite::params_from_iter(args))
    }

    /// One alert.
    pub fn alert(&self, id: &str) -> Result<Option<Alert>, StateError> {
        let rows = load::packed(&self.db, "alert", "SELECT blob FROM alert WHERE id = ?1", [id]);
        rows.map(|mut rows: Vec<Alert>| rows.pop())
    }

    /// The steps of one alert, in order.
    pub fn transitions(&self, alert: &str) -> Result<Vec<Transition>, StateError> {
        let sql = "SELECT blob FROM alert_transition WHERE alert = ?1 ORDER BY number";
        load::packed(&self.db, "alert_transition", sql, [alert])
    }

    /// Every step of every alert, by alert; for comparisons of whole runs.
    pub fn all_transitions(&self) -> Result<Vec<Transition>, StateError> {
        let sql = "SELECT blob FROM alert_transition ORDER BY alert, number";
        load::packed(&self.db, "alert_transition", sql, [])
    }

    /// Quarantined inputs that fit the filter, newest first.
    pub fn quarantine(&self, filter: &QuarantineFilter) -> Result<Vec<QuarantineRow>, StateError> {
        let mut statement = self.db.prepare_cached(
            "SELECT seq, idx, received_at, source, address, code, reason, excerpt FROM quarantine
             WHERE (seq, idx) < (?1, ?2) AND (?3 IS NULL OR code = ?3) ORDER BY seq DESC, idx DESC LIMIT ?4",
        )?;
        let (seq, idx) = filter.before.map_or((i64::MAX, 0), |(seq, idx)| (seq as i64, idx));
        let rows = statement.query_map(params![seq, idx, filter.code, limit(filter.limit)], |row| {
            Ok(QuarantineRow {
                seq: row.get::<_, i64>(0)? as u64,
                index: row.get(1)?,
                received_at: Timestamp(row.get(2)?),
                source: row.get(3)?,
                address: row.get(4)?,
                code: row.get(5)?,
                reason: row.get(6)?,
                excerpt: row.get(7)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Batches after a cursor, oldest first: at least one if there is one, then as long as their blobs
    /// together stay within `max_bytes` and their readings within some thousands: packed bytes say little about
    /// the memory that readings take.
    pub fn batches_after(&self, seq: Seq, max_bytes: usize) -> Result<Batches, StateError> {
        // One read transaction: the cursor and the batches must be of the same commit.
        let tx = self.db.unchecked_transaction()?;
        let cursor = load::meta(&tx)?.cursor;
        let mut found = Batches { batches: Vec::new(), through: cursor.max(seq) };
        let (mut bytes, mut readings) = (0, 0);
        {
            let mut statement = tx.prepare_cached(
                "SELECT first_seq, last_seq, n, blob FROM batch WHERE last_seq > ?1 ORDER BY last_seq",
            )?;
            let mut rows = statement.query([seq as i64])?;
            while let Some(row) = rows.next()? {
                bytes += row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?.len();
                let n = row.get::<_, i64>(2)?.max(0) as usize;
                readings += n;
                if let Some(last) = found.batches.last()
                    && (bytes > max_bytes || readings > READINGS_AT_ONCE)
                {
                    found.through = last.last;
                    break;
                }
                found.batches.push(StoredBatch {
                    first: row.get::<_, i64>(0)? as u64,
                    last: row.get::<_, i64>(1)? as u64,
                    n,
                    blob: row.get(3)?,
                });
            }
        }
        tx.commit()?;
        Ok(found)
    }

    /// The last record to pass over so that the batches after it hold at most `keep_bytes`; `None`: all that
    /// lie after `seq` fit.
    pub fn backlog_over(&self, seq: Seq, keep_bytes: u64) -> Result<Option<Seq>, StateError> {
        let mut statement = self.db.prepare_cached(
            "SELECT last_seq, length(blob) FROM batch WHERE last_seq > ?1 ORDER BY last_seq DESC",
        )?;
        let mut rows = statement.query([seq as i64])?;
        let mut left = keep_bytes;
        while let Some(row) = rows.next()? {
            let bytes = row.get::<_, i64>(1)?.unsigned_abs();
            match left.checked_sub(bytes) {
                Some(rest) => left = rest,
                None => return Ok(Some(row.get::<_, i64>(0)?.unsigned_abs())),
            }
        }
        Ok(None)
    }

    /// Notices whose time has come, oldest first.
    pub fn outbox_due(&self, now: Timestamp, limit: usize) -> Result<Vec<DueNotice>, StateError> {
        let mut statement = self.db.prepare_cached(
            "SELECT o.id, o.decided_at, o.body, a.tries, o.n FROM attempt a JOIN outbox o ON o.n = a.outbox
             WHERE a.state = 'waiting' AND a.next_at <= ?1 ORDER BY a.next_at, a.outbox LIMIT ?2",
        )?;
        let mut taken = self.db.prepare_cached("SELECT receiver FROM notice_taken WHERE outbox = ?1")?;
        let rows = statement.query_map(params![now.0, limit as i64], |row| {
            Ok(DueNotice {
                id: row.get(0)?,
                decided_at: Timestamp(row.get(1)?),
                body: row.get(2)?,
                tries: row.get(3)?,
                taken: taken
                    .query_map([row.get::<_, i64>(4)?], |row| row.get(0))?
                    .collect::<Result<_, _>>()?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The filters that a broker's session of ours holds, as far as we know.
    pub fn subscriptions(&self, source: &str) -> Result<Vec<String>, StateError> {
        let mut statement =
            self.db.prepare_cached("SELECT filter FROM subscription WHERE source = ?1 ORDER BY filter")?;
        let rows = statement.query_map([source], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// When the next notice is due; `None`: none waits.
    pub fn outbox_next(&self) -> Result<Option<Timestamp>, StateError> {
        let mut statement =
            self.db.prepare_cached("SELECT min(next_at) FROM attempt WHERE state = 'waiting'")?;
        Ok(statement.query_row([], |row| row.get::<_, Option<i64>>(0))?.map(Timestamp))
    }

    /// Audit entries that are to be copied, behind this record and place, in order.
    pub fn audit_from(&self, (seq, index): (Seq, u16), limit: usize) -> Result<Vec<AuditEntry>, StateError> {
        let sql = "SELECT blob FROM audit_out WHERE (seq, idx) > (?1, ?2) ORDER BY seq, idx LIMIT ?3";
        load::packed(&self.db, "audit_out", sql, params![seq as i64, index, limit as i64])
    }

    /// The head of the audit chain at the last copy.
    pub fn audit_head(&self) -> Result<Option<AuditHead>, StateError> {
        let mut statement = self.db.prepare_cached("SELECT n, hash FROM audit_head")?;
        let head = statement
            .query_row([], |row| Ok(AuditHead { n: row.get::<_, i64>(0)? as u64, hash: row.get(1)? }))
            .optional()?;
        Ok(head)
    }

    /// How far everybody is.
    pub fn cursors(&self) -> Result<Cursors, StateError> {
        let tx = self.db.unchecked_transaction()?;
        let meta = load::meta(&tx)?;
        let consumers = {
            let mut statement = tx.prepare_cached("SELECT name, seq FROM consumer ORDER BY name")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
            rows.collect::<Result<_, _>>()?
        };
        tx.commit()?;
        Ok(Cursors { cursor: meta.cursor, commit: meta.commit_no, consumers })
    }

    /// One consumer's cursor.
    pub fn consumer(&self, name: &str) -> Result<Option<Seq>, StateError> {
        let mut statement = self.db.prepare_cached("SELECT seq FROM consumer WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get::<_, i64>(0)).optional()?.map(|seq| seq as u64))
    }

    /// What a consumer skipped: first and last record of each hole, oldest first.
    pub fn holes(&self, consumer: &str) -> Result<Vec<(Seq, Seq)>, StateError> {
        let sql = "SELECT from_seq, to_seq FROM hole WHERE consumer = ?1 ORDER BY from_seq";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement
            .query_map([consumer], |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Counts for people.
    pub fn status(&self) -> Result<StateStatus, StateError> {
        let tx = self.db.unchecked_transaction()?;
        let meta = load::meta(&tx)?;
        let count = |sql: &str| -> Result<u64, StateError> {
            let n: i64 = tx.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
            Ok(n.max(0) as u64)
        };
        let status = StateStatus {
            cursor: meta.cursor,
            commit: meta.commit_no,
            quarantined: meta.quarantined,
            devices: count("SELECT count(*) FROM device")?,
            alerts_firing: count(&format!(
                "SELECT count(*) FROM alert WHERE condition = 'firing' AND {LIVE}"
            ))?,
            alerts_open: count(&format!(
                "SELECT count(*) FROM alert WHERE condition IN ('firing', 'cleared') AND handling = 'open' AND {LIVE}"
            ))?,
            damage_places: count("SELECT count(*) FROM damage WHERE seen = 0")?,
            damage_lost: count("SELECT coalesce(sum(lost), 0) FROM damage WHERE seen = 0")?,
            batches: count("SELECT count(*) FROM batch")?,
            batch_readings: count("SELECT coalesce(sum(n), 0) FROM batch")?,
            quarantine_kept: count("SELECT count(*) FROM quarantine")?,
            notices_waiting: count("SELECT count(*) FROM attempt WHERE state = 'waiting'")?,
            notices_dead: count("SELECT count(*) FROM attempt WHERE state = 'dead'")?,
        };
        tx.commit()?;
        Ok(status)
    }
}

pub(super) const fn limit(wanted: usize) -> i64 {
    if wanted == 0 || wanted > 100_000 { 1000 } else { wanted as i64 }
}
