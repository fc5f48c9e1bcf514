//! Rows of `state.db` back into the types of the core.

use std::collections::HashMap;

use orderly_core::alert::Alert;
use orderly_core::ids::{DeviceId, ProfileId, RuleId};
use orderly_core::output::{DeviceRow, Snapshot, TextRow, TwinRow};
use orderly_core::record::{ConfigKind, Seq};
use orderly_core::task::Task;
use orderly_core::worklist::REOPEN_MS;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::de::DeserializeOwned;

use super::StateError;
use super::schema::LIVE;

pub(super) struct Meta {
    pub(super) cursor: Seq,
    pub(super) commit_no: u64,
    pub(super) quarantined: u64,
}

pub(super) fn meta(db: &Connection) -> Result<Meta, StateError> {
    let mut statement = db.prepare_cached("SELECT cursor, commit_no, quarantined FROM meta")?;
    let meta = statement.query_row([], |row| {
        Ok(Meta {
            cursor: row.get::<_, i64>(0)? as u64,
            commit_no: row.get::<_, i64>(1)? as u64,
            quarantined: row.get::<_, i64>(2)? as u64,
        })
    })?;
    Ok(meta)
}

pub(super) fn snapshot(db: &Connection, cursor: Seq) -> Result<Snapshot, StateError> {
    let live = format!("SELECT blob FROM alert WHERE {LIVE} ORDER BY n");
    Ok(Snapshot {
        cursor,
        devices: packed(db, "device", "SELECT blob FROM device ORDER BY device", [])?,
        twins: twins(db)?,
        alerts: packed::<Alert>(db, "alert", &live, [])?,
        commands: packed(db, "command", "SELECT blob FROM command WHERE state = 'sent' ORDER BY n", [])?,
        tasks: tasks(db)?,
        registry: packed(db, "registry", "SELECT blob FROM registry ORDER BY kind, id", [])?,
        texts: texts(db)?,
        engine: db.query_row("SELECT blob FROM engine", [], |row| row.get(0)).optional()?,
    })
}

/// The open tasks, and those that ended within the last day that the engine knows of: it asks no further back.
fn tasks(db: &Connection) -> Result<Vec<Task>, StateError> {
    packed(
        db,
        "task",
        "SELECT blob FROM task WHERE ended_at IS NULL
           OR ended_even >= (SELECT max(ended_even) FROM task) - ?1 ORDER BY n",
        [REOPEN_MS],
    )
}

pub(super) fn twins(db: &Connection) -> Result<Vec<TwinRow>, StateError> {
    let mut statement = db.prepare_cached("SELECT device, blob FROM twin ORDER BY device")?;
    let mut rows = statement.query([])?;
    let mut twins = Vec::new();
    while let Some(row) = rows.next()? {
        twins.push(twin(row)?);
    }
    Ok(twins)
}

pub(super) fn twin(row: &Row<'_>) -> Result<TwinRow, StateError> {
    Ok(TwinRow { device: device_id("twin", row)?, blob: row.get(1)? })
}

pub(super) fn twin_ids(db: &Connection) -> Result<HashMap<DeviceId, i64>, StateError> {
    let mut statement = db.prepare("SELECT device, id FROM twin")?;
    let mut rows = statement.query([])?;
    let mut ids = HashMap::new();
    while let Some(row) = rows.next()? {
        ids.insert(device_id("twin", row)?, row.get(1)?);
    }
    Ok(ids)
}

fn device_id(table: &'static str, row: &Row<'_>) -> Result<DeviceId, StateError> {
    let text = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
    DeviceId::new(text).map_err(|e| StateError::Row { table, why: e.to_string() })
}

pub(super) fn quarantine_kept(db: &Connection) -> Result<usize, StateError> {
    let kept: i64 = db.query_row("SELECT count(*) FROM quarantine", [], |row| row.get(0))?;
    Ok(kept.max(0) as usize)
}

pub(super) fn texts(db: &Connection) -> Result<Vec<TextRow>, StateError> {
    let mut statement = db.prepare("SELECT kind, name, hash, text FROM config_text ORDER BY kind, name")?;
    let mut rows = statement.query([])?;
    let mut texts = Vec::new();
    while let Some(row) = rows.next()? {
        let kind: String = row.get(0)?;
        let name: String = row.get(1)?;
        let hash: Vec<u8> = row.get(2)?;
        let text: String = row.get(3)?;
        let wrong = |why: String| StateError::Row { table: "config_text", why };
        if blake3::hash(text.as_bytes()).as_bytes() != hash.as_slice() {
            return Err(wrong(format!("{kind} {name} does not have its hash")));
        }
        let what = match kind.as_str() {
            "profile" => ConfigKind::Profile(ProfileId::new(&name).map_err(|e| wrong(e.to_string()))?),
            "rule" => ConfigKind::Rule(RuleId::new(&name).map_err(|e| wrong(e.to_string()))?),
            other => return Err(wrong(format!("kind {other} is not known"))),
        };
        texts.push(TextRow { what, text: Some(text) });
    }
    Ok(texts)
}

/// Reads blobs in MessagePack.
pub(super) fn packed<T: DeserializeOwned>(
    db: &Connection,
    table: &'static str,
    sql: &str,
    args: impl rusqlite::Params,
) -> Result<Vec<T>, StateError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(args)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let blob = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        all.push(rmp_serde::from_slice(blob).map_err(|e| StateError::Row { table, why: e.to_string() })?);
    }
    Ok(all)
}

/// One device of the register.
pub(super) fn device(db: &Connection, device: &DeviceId) -> Result<Option<DeviceRow>, StateError> {
    packed(db, "device", "SELECT blob FROM device WHERE device = ?1", [device.as_str()])
        .map(|mut rows: Vec<DeviceRow>| rows.pop())
}
