//! The doors' way into the journal, over the journal itself and the engine's progress.

use std::sync::Arc;

use orderly_core::record::{Entry, Kind};
use orderly_store::journal::Journal;
use tokio::sync::watch;

use crate::pipeline::Lane;
use crate::sources::intake::{Appended, Durable, Intake, IntakeError};

/// Appends to the journal, counts for the lane, tells what is durable.
pub struct JournalIntake {
    journal: Journal,
    durable: watch::Receiver<Durable>,
    lane: Arc<Lane>,
}

impl JournalIntake {
    /// `durable` is fed by the journal's own watch.
    #[must_use]
    pub const fn new(journal: Journal, durable: watch::Receiver<Durable>, lane: Arc<Lane>) -> Self {
        Self { journal, durable, lane }
    }
}

impl Intake for JournalIntake {
    fn append(&self, entries: &[Entry<'_>]) -> Result<Appended, IntakeError> {
        let appended = self.journal.append(entries)?;
        if entries.iter().any(|entry| entry.kind == Kind::Action) {
            self.lane.ordered(appended.last);
        }
        self.lane.appended(appended.last);
        Ok(appended)
    }

    fn durable(&self) -> watch::Receiver<Durable> {
        self.durable.clone()
    }

    fn crowded(&self) -> watch::Receiver<bool> {
        self.lane.crowded()
    }

    fn unsynced_bytes(&self) -> usize {
        self.journal.unsynced_bytes()
    }
}
