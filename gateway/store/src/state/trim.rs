//! Letting go of what is over: closed alerts and ended tasks with their steps, notices that were delivered or given up,
//! old commands.
//!
//! Each step looks at a bounded number of rows and is a transaction of its own, for the committer's quiet time.

use orderly_core::alert::Transition;
use orderly_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::StateError;
use super::schema::LIVE;

/// Rows of each kind that one step looks at.
const STEP: usize = 256;

/// From when on things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Alerts that are over, when their last step was decided at this moment or later; and commands, which are the
    /// other half of some of them; and tasks that ended.
    pub alerts_from: Timestamp,
    /// Notices that are delivered or dead, when they were decided at this moment or later.
    pub notices_from: Timestamp,
}

/// What one step took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trimmed {
    /// Alerts, each with all of its steps.
    pub alerts: usize,
    /// Notices.
    pub notices: usize,
    /// There is more to look at: call again.
    pub more: bool,
}

/// Number and name of an alert that may go.
type Over = (i64, String);

/// What one step takes away, found without writing.
pub(super) struct Found {
    alerts: Vec<Over>,
    notices: Vec<i64>,
    commands: Vec<i64>,
    tasks: Vec<Over>,
    /// Where the next step goes on; `None`: all that is old enough was looked at.
    next: Option<i64>,
}

/// Looks for what may go. `place` is the last alert that was looked at, 0 at the beginning.
pub(super) fn look(db: &Connection, keep: Keep, place: i64) -> Result<Found, StateError> {
    let (alerts, next) = alerts(db, keep.alerts_from, place)?;
    let (commands, tasks) = (commands(db, keep.alerts_from)?, tasks(db, keep.alerts_from)?);
    Ok(Found { alerts, notices: notices(db, keep.notices_from)?, commands, tasks, next })
}

impl Found {
    pub(super) const fn is_empty(&self) -> bool {
        self.alerts.is_empty() && self.notices.is_empty() && self.commands.is_empty() && self.tasks.is_empty()
    }

    pub(super) fn place(&self) -> i64 {
        self.next.unwrap_or(0)
    }

    pub(super) fn trimmed(&self) -> Trimmed {
        let full = [self.notices.len(), self.commands.len(), self.tasks.len()].contains(&STEP);
        let more = self.next.is_some() || full;
        Trimmed { alerts: self.alerts.len(), notices: self.notices.len(), more }
    }

    /// Takes it away, in one transaction.
    pub(super) fn take(&self, db: &mut Connection) -> Result<(), StateError> {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (n, id) in &self.alerts {
            tx.prepare_cached("DELETE FROM alert_transition WHERE alert = ?1")?.execute([id])?;
            tx.prepare_cached("DELETE FROM alert WHERE n = ?1")?.execute([n])?;
        }
        for n in &self.notices {
            tx.prepare_cached("DELETE FROM attempt WHERE outbox = ?1")?.execute([n])?;
            tx.prepare_cached("DELETE FROM outbox WHERE n = ?1")?.execute([n])?;
        }
        for n in &self.commands {
            tx.prepare_cached("DELETE FROM command WHERE n = ?1")?.execute([n])?;
        }
        for (n, id) in &self.tasks {
            tx.prepare_cached("DELETE FROM task_step WHERE task = ?1")?.execute([id])?;
            tx.prepare_cached("DELETE FROM task WHERE n = ?1")?.execute([n])?;
        }
        Ok(tx.commit()?)
    }
}

/// The alerts that may go among the next ones, and where to go on; `None`: all that is old enough was looked at.
fn alerts(db: &Connection, from: Timestamp, place: i64) -> Result<(Vec<Over>, Option<i64>), StateError> {
    let sql = format!("SELECT n, id, began_at, {LIVE} FROM alert WHERE n > ?1 ORDER BY n LIMIT ?2");
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params![place, STEP as i64])?;
    let (mut over, mut last, mut seen) = (Vec::new(), None, 0);
    while let Some(row) = rows.next()? {
        let (n, id, began): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        // Rows stand in the order in which alerts were first decided: what follows is younger still.
        if decided(db, &id, "number")?.moment_or(began).is_some_and(|at| at >= from.0) {
            return Ok((over, None));
        }
        let live: bool = row.get(3)?;
        if !live && decided(db, &id, "number DESC")?.moment_or(began).is_some_and(|at| at < from.0) {
            over.push((n, id));
        }
        (last, seen) = (Some(n), seen + 1);
    }
    Ok((over, last.filter(|_| seen == STEP)))
}

/// When a step of an alert was decided.
enum Decided {
    At(i64),
    /// The alert has no steps.
    Never,
    /// Nobody can tell, so the alert is neither young nor old, and stays.
    Unreadable,
}

impl Decided {
    const fn moment_or(&self, began: i64) -> Option<i64> {
        match self {
            Self::At(at) => Some(*at),
            Self::Never => Some(began),
            Self::Unreadable => None,
        }
    }
}

/// When the first step of an alert was decided, in this order.
fn decided(db: &Connection, alert: &str, order: &str) -> Result<Decided, StateError> {
    let sql = format!("SELECT blob FROM alert_transition WHERE alert = ?1 ORDER BY {order} LIMIT 1");
    let blob: Option<Vec<u8>> = db.prepare_cached(&sql)?.query_row([alert], |row| row.get(0)).optional()?;
    let Some(blob) = blob else { return Ok(Decided::Never) };
    match rmp_serde::from_slice::<Transition>(&blob) {
        Ok(step) => Ok(Decided::At(step.decided_at.0)),
        Err(error) => {
            tracing::warn!(alert, %error, "a step of an alert cannot be read; the alert is kept");
            Ok(Decided::Unreadable)
        }
    }
}

/// Notices that may go, the oldest first.
fn notices(db: &Connection, from: Timestamp) -> Result<Vec<i64>, StateError> {
    let mut statement = db.prepare_cached(
        "SELECT o.n FROM outbox o JOIN attempt a ON a.outbox = o.n
         WHERE o.decided_at < ?1 AND a.state <> 'waiting' ORDER BY o.n LIMIT ?2",
    )?;
    let rows = statement.query_map(params![from.0, STEP as i64], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Tasks that may go: those that ended long ago, with their steps.
fn tasks(db: &Connection, from: Timestamp) -> Result<Vec<Over>, StateError> {
    let mut statement =
        db.prepare_cached("SELECT n, id FROM task WHERE ended_at < ?1 ORDER BY ended_at LIMIT ?2")?;
    let rows = statement.query_map(params![from.0, STEP as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Commands that may go: the oldest, as long as nobody waits for their answers.
fn commands(db: &Connection, from: Timestamp) -> Result<Vec<i64>, StateError> {
    let mut statement = db.prepare_cached(
        "SELECT n FROM (SELECT n, decided_at, state FROM command ORDER BY n LIMIT ?2)
         WHERE decided_at < ?1 AND state <> 'sent'",
    )?;
    let rows = statement.query_map(params![from.0, STEP as i64], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
