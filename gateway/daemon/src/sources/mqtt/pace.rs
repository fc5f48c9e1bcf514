//! What one connection owes, and when it may read on: acknowledgements follow the disk, and reading waits for it.

use orderly_core::record::{Entry, Seq};
use tokio::sync::watch;

use super::acks::Acks;
use super::wire;
use crate::sources::intake::{Durable, Intake};

/// When a connection stops reading.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// So many messages may wait for the disk.
    pub receive_maximum: usize,
    /// So much of all sources together may wait for the disk; in bytes.
    pub max_unsynced: usize,
    /// Reading stops while the engine is behind.
    pub bulk: bool,
}

/// Why nothing is read at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Something is read.
    No,
    /// Receive Maximum messages wait for the disk.
    Window,
    /// Too much of all sources waits for the disk.
    Unsynced,
    /// The engine is behind.
    Crowded,
    /// The other side does not take its answers.
    Out,
}

/// The journal failed: nothing may be acknowledged any more on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalFailed;

/// What one connection owes, and when it may read on.
pub struct Pace {
    /// What waits for the disk.
    pub acks: Acks,
    /// How far the disk is.
    pub durable: watch::Receiver<Durable>,
    /// Whether the engine is behind.
    pub crowded: watch::Receiver<bool>,
    /// The last try to read found too much waiting for the disk.
    pub held: bool,
    /// Generation of the journal when the connection began; when it changes nothing is acknowledged any more.
    generation: u32,
    limits: Limits,
}

impl Pace {
    /// Begins, before the first append: what a failure takes away afterwards must show as another generation.
    #[must_use]
    pub fn begin(intake: &dyn Intake, limits: Limits) -> Self {
        let mut durable = intake.durable();
        let generation = durable.borrow_and_update().generation;
        Self { acks: Acks::default(), durable, crowded: intake.crowded(), held: false, generation, limits }
    }

    /// Whether as many messages wait for the disk as may.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.acks.waiting() >= self.limits.receive_maximum
    }

    /// Why nothing may be read now. `out_is_full`: the other side does not take its answers.
    pub fn hold(&mut self, intake: &dyn Intake, out_is_full: bool) -> Hold {
        if self.is_full() {
            Hold::Window
        } else if out_is_full {
            Hold::Out
        } else if self.limits.bulk && *self.crowded.borrow_and_update() {
            Hold::Crowded
        } else if std::mem::take(&mut self.held) && intake.unsynced_bytes() >= self.limits.max_unsynced {
            self.held = true;
            Hold::Unsynced
        } else {
            Hold::No
        }
    }

    /// Hands the messages over; what was noted since the last call is owed for them.
    ///
    /// # Errors
    /// When the journal takes nothing.
    pub fn append(&mut self, intake: &dyn Intake, entries: &[Entry<'_>]) -> Result<Seq, JournalFailed> {
        let appended = intake.append(entries).map_err(|_| JournalFailed)?;
        self.acks.settle(appended.last);
        Ok(appended.last)
    }

    /// Writes down all acknowledgements that the disk covers; how many.
    ///
    /// # Errors
    /// When the journal failed since the connection began.
    pub fn pay(&mut self, out: &mut Vec<u8>) -> Result<usize, JournalFailed> {
        let durable = *self.durable.borrow_and_update();
        if durable.generation != self.generation {
            return Err(JournalFailed);
        }
        let mut n = 0;
        for owed in self.acks.release(durable.seq) {
            wire::ack(out, owed.ack, owed.id, owed.code);
            n += 1;
        }
        Ok(n)
    }

    /// Waits until all is paid or cannot be; `paid` counts the acknowledgements that were written.
    pub async fn pay_the_rest(&mut self, out: &mut Vec<u8>, paid: &mut usize) {
        while self.acks.waiting() > 0 {
            let Ok(n) = self.pay(out) else { return };
            *paid += n;
            if self.acks.waiting() > 0 && self.durable.changed().await.is_err() {
                return;
            }
        }
    }
}
