//! One commit: all that an [`Output`] holds, in one transaction.

use orderly_core::alert::{Alert, Condition, Handling, Severity, Transition};
use orderly_core::command::Command;
use orderly_core::ids::DeviceId;
use orderly_core::output::{AuditEntry, DeviceRow, Notice, Output, Quarantined, TextRow, TwinRow};
use orderly_core::reading::Origin;
use orderly_core::record::ConfigKind;
use orderly_core::registry::Change;
use orderly_core::task::{Step, Task};
use rusqlite::{Transaction, TransactionBehavior, params};

use super::{StateError, StateStore};
use crate::batch;

/// What the store remembers once the commit is on disk.
pub(super) struct Done {
    pub(super) new_twins: Vec<(DeviceId, i64)>,
    pub(super) quarantined: u64,
    pub(super) quarantine_kept: usize,
}

pub(super) fn commit(store: &mut StateStore, out: &Output) -> Result<Done, StateError> {
    // Packing needs no lock: it is done before the transaction begins.
    let blob = if out.readings.is_empty() { Vec::new() } else { batch::encode(&out.readings) };
    let tx = store.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let quarantined = store.quarantined + out.quarantined.len() as u64;
    tx.prepare_cached("UPDATE meta SET cursor = ?1, commit_no = ?2, quarantined = ?3")?.execute(params![
        out.cursor as i64,
        store.commit_no as i64 + 1,
        quarantined as i64
    ])?;
    if let Some((format, _)) = blob.split_first() {
        tx.prepare_cached(
            "INSERT INTO batch(last_seq, first_seq, n, format, blob) VALUES(?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            out.cursor as i64,
            out.first as i64,
            out.readings.len() as i64,
            i64::from(*format),
            blob
        ])?;
    }
    devices(&tx, &out.devices)?;
    let new_twins = twins(&tx, &store.twins, &out.twins)?;
    alerts(&tx, &out.alerts)?;
    transitions(&tx, &out.transitions)?;
    registry(&tx, &out.registry)?;
    texts(&tx, &out.texts)?;
    notices(&tx, &out.notices)?;
    commands(&tx, &out.commands)?;
    tasks(&tx, &out.tasks)?;
    task_steps(&tx, &out.task_steps)?;
    let kept = store.quarantine_kept.saturating_sub(released(&tx, &out.released)?);
    let quarantine_kept = quarantine(&tx, &out.quarantined, kept, store.quarantine_cap)?;
    audit(&tx, &out.audit)?;
    if let Some(engine) = &out.engine {
        tx.prepare_cached("INSERT OR REPLACE INTO engine(one, blob) VALUES(1, ?1)")?.execute([engine])?;
    }
    tx.commit()?;
    Ok(Done { new_twins, quarantined, quarantine_kept })
}

fn devices(tx: &Transaction<'_>, rows: &[DeviceRow]) -> Result<(), StateError> {
    for row in rows {
        tx.prepare_cached(
            "INSERT INTO device(device, class, blob) VALUES(?1, ?2, ?3)
             ON CONFLICT(device) DO UPDATE SET class = excluded.class, blob = excluded.blob",
        )?
        .execute(params![row.device.as_str(), row.class.as_str(), pack("device", row)?])?;
    }
    Ok(())
}

/// Twins are the bulk of a commit: a known one is found by its number, not by its name.
fn twins(
    tx: &Transaction<'_>,
    known: &std::collections::HashMap<DeviceId, i64>,
    rows: &[TwinRow],
) -> Result<Vec<(DeviceId, i64)>, StateError> {
    let mut new = Vec::new();
    let mut update = tx.prepare_cached("UPDATE twin SET blob = ?2 WHERE id = ?1")?;
    for row in rows {
        if let Some(id) = known.get(&row.device) {
            update.execute(params![id, row.blob])?;
        } else {
            tx.prepare_cached("INSERT INTO twin(device, blob) VALUES(?1, ?2)")?
                .execute(params![row.device.as_str(), row.blob])?;
            new.push((row.device.clone(), tx.last_insert_rowid()));
        }
    }
    Ok(new)
}

fn alerts(tx: &Transaction<'_>, rows: &[Alert]) -> Result<(), StateError> {
    for a in rows {
        tx.prepare_cached(
            "INSERT INTO alert(id, condition, handling, severity, class, device, began_at, blob)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT(id) DO UPDATE SET condition = excluded.condition, handling = excluded.handling,
               severity = excluded.severity, class = excluded.class, blob = excluded.blob",
        )?
        .execute(params![
            &*a.id,
            condition(a.condition),
            handling(a.handling),
            severity(a.severity),
            a.class.as_str(),
            a.device.as_str(),
            a.began_at.0,
            pack("alert", a)?
        ])?;
    }
    Ok(())
}

fn commands(tx: &Transaction<'_>, rows: &[Command]) -> Result<(), StateError> {
    for row in rows {
        tx.prepare_cached(
            "INSERT INTO command(id, device, state, decided_at, blob) VALUES(?1, ?2, ?3, ?4, ?5)
             ON CONFLICT(id) DO UPDATE SET state = excluded.state, blob = excluded.blob",
        )?
        .execute(params![
            &*row.id,
            row.device.as_str(),
            row.state.name(),
            row.decided_at.0,
            pack("command", row)?
        ])?;
    }
    Ok(())
}

fn tasks(tx: &Transaction<'_>, rows: &[Task]) -> Result<(), StateError> {
    for row in rows {
        tx.prepare_cached(
            "INSERT INTO task(id, list, state, owner, created_at, ended_at, ended_even, blob)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT(id) DO UPDATE SET state = excluded.state, owner = excluded.owner,
               ended_at = excluded.ended_at, ended_even = excluded.ended_even, blob = excluded.blob",
        )?
        .execute(params![
            &*row.id,
            row.list.as_str(),
            row.state.name(),
            row.owner.as_ref().map(|owner| owner.as_str()),
            row.created_at.0,
            row.ended_at.map(|at| at.0),
            row.ended_even,
            pack("task", row)?
        ])?;
    }
    Ok(())
}

fn task_steps(tx: &Transaction<'_>, rows: &[Step]) -> Result<(), StateError> {
    for row in rows {
        tx.prepare_cached("INSERT INTO task_step(task, number, blob) VALUES(?1, ?2, ?3)")?
            .execute(params![&*row.task, row.number, pack("task_step", row)?])?;
    }
    Ok(())
}

fn transitions(tx: &Transaction<'_>, rows: &[Transition]) -> Result<(), StateError> {
    for t in rows {
        tx.prepare_cached("INSERT INTO alert_transition(alert, number, blob) VALUES(?1, ?2, ?3)")?
            .execute(params![&*t.alert, t.number, pack("alert_transition", t)?])?;
    }
    Ok(())
}

fn registry(tx: &Transaction<'_>, changes: &[Change]) -> Result<(), StateError> {
    for change in changes {
        match change {
            Change::Put(row) => {
                let key = row.key();
                tx.prepare_cached("INSERT OR REPLACE INTO registry(kind, id, blob) VALUES(?1, ?2, ?3)")?
                    .execute(params![key.table.name(), key.id, pack("registry", row)?])?
            }
            Change::Remove(key) => tx
                .prepare_cached("DELETE FROM registry WHERE kind = ?1 AND id = ?2")?
                .execute(params![key.table.name(), key.id])?,
        };
    }
    Ok(())
}

fn texts(tx: &Transaction<'_>, rows: &[TextRow]) -> Result<(), StateError> {
    for row in rows {
        let (kind, name) = text_key(&row.what);
        match &row.text {
            Some(text) => tx
                .prepare_cached(
                    "INSERT OR REPLACE INTO config_text(kind, name, hash, text) VALUES(?1, ?2, ?3, ?4)",
                )?
                .execute(params![kind, name, blake3::hash(text.as_bytes()).as_bytes(), text])?,
            None => tx
                .prepare_cached("DELETE FROM config_text WHERE kind = ?1 AND name = ?2")?
                .execute(params![kind, name])?,
        };
    }
    Ok(())
}

/// A notice and its first attempt; a notice that is already there keeps its attempts.
fn notices(tx: &Transaction<'_>, rows: &[Notice]) -> Result<(), StateError> {
    for row in rows {
        let new = tx
            .prepare_cached(
                "INSERT INTO outbox(id, kind, decided_at, body) VALUES(?1, 'notice', ?2, ?3) ON CONFLICT(id) DO NOTHING",
            )?
            .execute(params![&*row.id, row.decided_at.0, row.body])?;
        if new == 1 {
            tx.prepare_cached(
                "INSERT INTO attempt(outbox, tries, state, next_at) VALUES(?1, 0, 'waiting', ?2)",
            )?
            .execute(params![tx.last_insert_rowid(), row.decided_at.0])?;
        }
    }
    Ok(())
}

/// Takes away what could be read after all; gives how many rows that were.
fn released(tx: &Transaction<'_>, rows: &[Origin]) -> Result<usize, StateError> {
    let mut gone = 0;
    for row in rows {
        gone += tx
            .prepare_cached("DELETE FROM quarantine WHERE seq = ?1 AND idx = ?2")?
            .execute(params![row.seq as i64, row.index])?;
    }
    Ok(gone)
}

fn quarantine(
    tx: &Transaction<'_>,
    rows: &[Quarantined],
    kept: usize,
    cap: usize,
) -> Result<usize, StateError> {
    for q in rows {
        tx.prepare_cached(
            "INSERT INTO quarantine(seq, idx, received_at, source, address, code, reason, excerpt)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            q.seq as i64,
            q.index,
            q.received_at.0,
            q.source,
            q.address,
            q.code,
            q.reason,
            q.excerpt
        ])?;
    }
    let kept = kept + rows.len();
    if rows.is_empty() || kept <= cap {
        return Ok(kept);
    }
    let gone = tx
        .prepare_cached(
            "DELETE FROM quarantine WHERE (seq, idx) IN (SELECT seq, idx FROM quarantine ORDER BY seq, idx LIMIT ?1)",
        )?
        .execute([(kept - cap) as i64])?;
    Ok(kept - gone)
}

fn audit(tx: &Transaction<'_>, rows: &[AuditEntry]) -> Result<(), StateError> {
    for row in rows {
        tx.prepare_cached("INSERT INTO audit_out(seq, idx, blob) VALUES(?1, ?2, ?3)")?.execute(params![
            row.seq as i64,
            row.index,
            pack("audit_out", row)?
        ])?;
    }
    Ok(())
}

/// A row as MessagePack with field names, so that a later version may add fields.
fn pack<T: serde::Serialize>(table: &'static str, row: &T) -> Result<Vec<u8>, StateError> {
    rmp_serde::to_vec_named(row).map_err(|e| StateError::Row { table, why: e.to_string() })
}

pub(super) fn text_key(what: &ConfigKind) -> (&'static str, &str) {
    match what {
        ConfigKind::Profile(id) => ("profile", id.as_str()),
        ConfigKind::Rule(id) => ("rule", id.as_str()),
    }
}

pub(super) const fn condition(c: Condition) -> &'static str {
    match c {
        Condition::Pending => "pending",
        Condition::Firing => "firing",
        Condition::Cleared => "cleared",
    }
}

pub(super) const fn handling(h: Handling) -> &'static str {
    match h {
        Handling::Open => "open",
        Handling::Acknowledged => "acknowledged",
        Handling::Assigned => "assigned",
        Handling::InProgress => "in_progress",
        Handling::Closed => "closed",
    }
}

pub(super) const fn severity(s: Severity) -> &'static str {
    match s {
        Severity::P1 => "P1",
        Severity::P2 => "P2",
        Severity::P3 => "P3",
        Severity::P4 => "P4",
    }
}
