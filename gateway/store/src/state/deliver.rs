//! Delivery changes: how far the outside has got, and what may be taken away because of it.

use orderly_core::record::Seq;
use orderly_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::StateError;
use crate::audit::AuditHead;
use crate::journal::Damage;

/// The consumer under whose name the copy to `audit.db` keeps its cursor.
pub const AUDIT: &str = "audit";

/// Places within a record above this one are not readings' (a record has at most 60,000).
const TECHNICAL: u16 = 60_001;

/// One step of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryChange {
    /// A consumer of batches begins; nothing happens when it is known. Batches after `seq` wait for it.
    ConsumerAdded {
        /// Its name (`sink:<name>`).
        consumer: String,
        /// What it is taken to have.
        seq: Seq,
    },
    /// A consumer is gone for good: its cursor and holes go with it.
    ConsumerRemoved {
        /// Its name.
        consumer: String,
    },
    /// A consumer has everything up to `seq`.
    CursorMoved {
        /// Its name.
        consumer: String,
        /// The last record that it has.
        seq: Seq,
    },
    /// A consumer skips `from` to `to` for now (its backlog cap was reached); it is back-filled by origin.
    HoleOpened {
        /// Its name.
        consumer: String,
        /// First record that it has not.
        from: Seq,
        /// Last record that it has not.
        to: Seq,
    },
    /// The part of a hole up to `to` has been back-filled.
    HoleFilled {
        /// The consumer.
        consumer: String,
        /// Where the hole begins.
        from: Seq,
        /// The last record that was filled.
        to: Seq,
    },
    /// A notice was tried and is to be tried again.
    NoticeAttempted {
        /// Its id.
        id: String,
        /// When to try next.
        next_at: Timestamp,
        /// What went wrong.
        error: String,
    },
    /// One of several receivers has taken a notice that others have not.
    NoticeTaken {
        /// Its id.
        id: String,
        /// The name of the receiver.
        receiver: String,
    },
    /// A notice was taken by its receivers, all of them.
    NoticeDelivered {
        /// Its id.
        id: String,
    },
    /// A notice is given up.
    NoticeDead {
        /// Its id.
        id: String,
        /// Why.
        error: String,
    },
    /// `series.db` surely has everything up to `seq` on disk: batches up to there and up to every consumer's
    /// cursor are taken away.
    BatchesTrimmed {
        /// The last record that `series.db` has on disk.
        seq: Seq,
    },
    /// `audit.db` has every entry up to `seq` on disk.
    AuditCopied {
        /// The record of the last entry.
        seq: Seq,
        /// The head of the chain then; kept here, so that a chain that was cut off shows.
        head: AuditHead,
    },
    /// A store outside does not take this one point: it goes to quarantine, where a person can see it.
    Rejected {
        /// The record of the reading.
        seq: Seq,
        /// Place of the reading within it.
        index: u16,
        /// When the store refused it.
        at: Timestamp,
        /// The consumer whose store it is.
        consumer: String,
        /// The device.
        address: String,
        /// Stable code of the reason.
        code: &'static str,
        /// What the store said.
        reason: String,
        /// The line that was refused.
        excerpt: Vec<u8>,
    },
    /// A place of the journal cannot be read any more: a row in quarantine, unless this place has had one.
    JournalDamaged {
        /// When it was met.
        at: Timestamp,
        /// The place.
        damage: Damage,
    },
    /// A broker's session of ours holds these filters now, and no others.
    Subscribed {
        /// The source (`mqtt:<name>`).
        source: String,
        /// Its filters.
        filters: Vec<String>,
    },
    /// This version refuses a text that was in force: a row in quarantine, unless there is one that says so.
    TextRefused {
        /// When it was met.
        at: Timestamp,
        /// The last record that was handled.
        seq: Seq,
        /// Which text (`profile <id>`, `rule <name>`).
        name: String,
        /// What is wrong with it.
        reason: String,
        /// The text's beginning.
        excerpt: Vec<u8>,
    },
    /// A person emptied the quarantine up to `seq`.
    QuarantineTrimmed {
        /// The last record to take away.
        seq: Seq,
    },
}

/// Writes the changes in one transaction and tells how many rows the quarantine then keeps.
pub(super) fn deliver(
    db: &mut Connection,
    changes: &[DeliveryChange],
    quarantine_kept: usize,
) -> Result<usize, StateError> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut kept = quarantine_kept;
    for change in changes {
        kept = kept.saturating_add_signed(apply(&tx, change)?);
    }
    tx.commit()?;
    Ok(kept)
}

/// Gives the number of rows by which the quarantine grew.
fn apply(tx: &Transaction<'_>, change: &DeliveryChange) -> Result<isize, StateError> {
    let run = |sql: &str, args: &[&dyn rusqlite::ToSql]| tx.prepare_cached(sql)?.execute(args);
    match change {
        DeliveryChange::ConsumerAdded { consumer, seq } => {
            run(
                "INSERT INTO consumer(name, seq) VALUES(?1, ?2) ON CONFLICT(name) DO NOTHING",
                params![consumer, *seq as i64],
            )?;
        }
        DeliveryChange::ConsumerRemoved { consumer } => {
            run("DELETE FROM consumer WHERE name = ?1", params![consumer])?;
            run("DELETE FROM hole WHERE consumer = ?1", params![consumer])?;
        }
        DeliveryChange::CursorMoved { consumer, seq } => move_cursor(tx, consumer, *seq)?,
        DeliveryChange::HoleOpened { consumer, from, to } => {
            run(
                "INSERT INTO hole(consumer, from_seq, to_seq) VALUES(?1, ?2, ?3)
                 ON CONFLICT(consumer, from_seq) DO UPDATE SET to_seq = max(to_seq, excluded.to_seq)",
                params![consumer, *from as i64, *to as i64],
            )?;
            move_cursor(tx, consumer, *to)?;
        }
        DeliveryChange::HoleFilled { consumer, from, to } => fill_hole(tx, consumer, *from, *to)?,
        DeliveryChange::NoticeAttempted { id, next_at, error } => {
            run(
                "UPDATE attempt SET tries = tries + 1, next_at = ?2, last_error = ?3
                 WHERE outbox = (SELECT n FROM outbox WHERE id = ?1) AND state = 'waiting'",
                params![id, next_at.0, error],
            )?;
        }
        DeliveryChange::NoticeTaken { id, receiver } => {
            run(
                "INSERT INTO notice_taken(outbox, receiver)
                 SELECT n, ?2 FROM outbox JOIN attempt ON outbox = n WHERE id = ?1 AND state = 'waiting'
                 ON CONFLICT DO NOTHING",
                params![id, receiver],
            )?;
        }
        DeliveryChange::NoticeDelivered { id } => {
            no_longer_taken(tx, id)?;
            run(
                "UPDATE attempt SET tries = tries + 1, state = 'delivered', last_error = NULL
                 WHERE outbox = (SELECT n FROM outbox WHERE id = ?1) AND state <> 'delivered'",
                params![id],
            )?;
        }
        DeliveryChange::NoticeDead { id, error } => {
            no_longer_taken(tx, id)?;
            run(
                "UPDATE attempt SET tries = tries + 1, state = 'dead', last_error = ?2
                 WHERE outbox = (SELECT n FROM outbox WHERE id = ?1) AND state = 'waiting'",
                params![id, error],
            )?;
        }
        DeliveryChange::BatchesTrimmed { seq } => {
            run(
                "DELETE FROM batch WHERE last_seq <= min(?1, coalesce(
                   (SELECT min(seq) FROM consumer WHERE name <> 'audit'), ?1))",
                params![*seq as i64],
            )?;
        }
        DeliveryChange::AuditCopied { seq, head } => {
            run(
                "INSERT OR REPLACE INTO audit_head(one, n, hash) VALUES(1, ?1, ?2)",
                params![head.n as i64, head.hash],
            )?;
            move_cursor(tx, AUDIT, *seq)?;
            run("DELETE FROM audit_out WHERE seq <= ?1", params![*seq as i64])?;
        }
        DeliveryChange::Rejected { seq, index, at, consumer, address, code, reason, excerpt } => {
            // Two stores may refuse the same reading: one row tells of both.
            let grown = run(
                "INSERT INTO quarantine(seq, idx, received_at, source, address, code, reason, excerpt)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
                 WHERE NOT EXISTS (SELECT 1 FROM quarantine WHERE seq = ?1 AND idx = ?2)",
                params![*seq as i64, index, at.0, consumer, address, code, reason, excerpt],
            )?;
            if grown == 0 {
                run(
                    "UPDATE quarantine SET reason = reason || '; ' || ?3 || ': ' || ?4
                     WHERE seq = ?1 AND idx = ?2 AND instr(reason, ?4) = 0",
                    params![*seq as i64, index, consumer, reason],
                )?;
            }
            return Ok(grown as isize);
        }
        DeliveryChange::TextRefused { at, seq, name, reason, excerpt } => {
            let told = tx
                .prepare_cached(
                    "SELECT 1 FROM quarantine WHERE code = 'text_refused' AND address = ?1 AND reason = ?2",
                )?
                .exists(params![name, reason])?;
            let row = Technical { seq: *seq, at: *at, source: "config", code: "text_refused" };
            return if told { Ok(0) } else { row.put(tx, name, reason, excerpt) };
        }
        DeliveryChange::JournalDamaged { at, damage } => return journal_damaged(tx, *at, damage),
        DeliveryChange::Subscribed { source, filters } => {
            run("DELETE FROM subscription WHERE source = ?1", params![source])?;
            for filter in filters {
                run(
                    "INSERT INTO subscription(source, filter) VALUES(?1, ?2) ON CONFLICT DO NOTHING",
                    params![source, filter],
                )?;
            }
        }
        DeliveryChange::QuarantineTrimmed { seq } => {
            run("UPDATE damage SET seen = 1 WHERE seq <= ?1", params![*seq as i64])?;
            return Ok(-(run("DELETE FROM quarantine WHERE seq <= ?1", params![*seq as i64])? as isize));
        }
    }
    Ok(0)
}

/// A technical row for each place, the first time that it is met.
fn journal_damaged(tx: &Transaction<'_>, at: Timestamp, damage: &Damage) -> Result<isize, StateError> {
    let Damage { segment, offset, bytes, after, records_lost, in_last_write } = damage;
    let seq = after + 1;
    let new = tx
        .prepare_cached(
            "INSERT INTO damage(segment, offset, bytes, seq, lost, found_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            *segment as i64,
            *offset as i64,
            *bytes as i64,
            seq as i64,
            *records_lost as i64,
            at.0
        ])?;
    if new == 0 {
        return Ok(0);
    }
    let lost = match records_lost {
        0 => format!("how many records are lost behind record {after} is not known"),
        1 => format!("record {seq} is lost"),
        n => format!("{n} records are lost, from {seq} to {}", after + n),
    };
    let acknowledged = if *in_last_write {
        "it lies in the last write before a stop, so its senders may never have had an acknowledgement"
    } else {
        "their senders had an acknowledgement and will not send them again"
    };
    let place = format!("segment {segment}, bytes {offset} to {}", offset + bytes);
    let reason = format!("the journal is damaged: {lost}; {acknowledged}");
    Technical { seq, at, source: "journal", code: "journal_damage" }.put(tx, &place, &reason, &[])
}

/// A row of quarantine that is about the gateway itself.
struct Technical {
    seq: Seq,
    at: Timestamp,
    source: &'static str,
    code: &'static str,
}

impl Technical {
    /// At a place within the record that no reading can have.
    fn put(
        self,
        tx: &Transaction<'_>,
        address: &str,
        reason: &str,
        excerpt: &[u8],
    ) -> Result<isize, StateError> {
        let Self { seq, at, source, code } = self;
        let grown = tx
            .prepare_cached(
                "INSERT INTO quarantine(seq, idx, received_at, source, address, code, reason, excerpt)
                 SELECT ?1, ?2 - count(*), ?3, ?4, ?5, ?6, ?7, ?8 FROM quarantine WHERE seq = ?1 AND idx > ?9",
            )?
            .execute(params![
                seq as i64,
                u16::MAX,
                at.0,
                source,
                address,
                code,
                reason,
                excerpt,
                TECHNICAL
            ])?;
        Ok(grown as isize)
    }
}

/// The notice is over: who has taken it matters no more.
fn no_longer_taken(tx: &Transaction<'_>, id: &str) -> Result<(), StateError> {
    tx.prepare_cached("DELETE FROM notice_taken WHERE outbox = (SELECT n FROM outbox WHERE id = ?1)")?
        .execute([id])?;
    Ok(())
}

/// A cursor never goes back.
fn move_cursor(tx: &Transaction<'_>, consumer: &str, seq: Seq) -> Result<(), StateError> {
    tx.prepare_cached(
        "INSERT INTO consumer(name, seq) VALUES(?1, ?2)
         ON CONFLICT(name) DO UPDATE SET seq = max(seq, excluded.seq)",
    )?
    .execute(params![consumer, seq as i64])?;
    Ok(())
}

fn fill_hole(tx: &Transaction<'_>, consumer: &str, from: Seq, to: Seq) -> Result<(), StateError> {
    let end: Option<i64> = tx
        .prepare_cached("DELETE FROM hole WHERE consumer = ?1 AND from_seq = ?2 RETURNING to_seq")?
        .query_row(params![consumer, from as i64], |row| row.get(0))
        .optional()?;
    if let Some(end) = end
        && (to as i64) < end
    {
        tx.prepare_cached("INSERT INTO hole(consumer, from_seq, to_seq) VALUES(?1, ?2, ?3)")?
            .execute(params![consumer, to as i64 + 1, end])?;
    }
    Ok(())
}
