//! The doors' way into the journal, over the journal itself and the engine's progress. What may say who somebody is
//! is sealed here, before it is copied anywhere.

use std::sync::Arc;

use orderly_core::record::{Entry, Flags, Kind};
use orderly_core::sealed::Day;
use orderly_core::time::Clock;
use orderly_store::journal::Journal;
use orderly_store::keys::{About, KeyError, KeyRing};
use tokio::sync::watch;

use super::register::Register;
use crate::pipeline::Lane;
use crate::sources::intake::{Appended, Durable, Intake, IntakeError};

/// Appends to the journal, counts for the lane, tells what is durable.
pub struct JournalIntake {
    journal: Journal,
    durable: watch::Receiver<Durable>,
    lane: Arc<Lane>,
    sealer: Sealer,
}

/// Seals entries that may say who somebody is.
pub struct Sealer {
    /// Knows which.
    pub register: Arc<Register>,
    /// The keys of the days.
    pub keys: Arc<KeyRing>,
    /// Knows the day.
    pub clock: Arc<dyn Clock>,
}

impl Sealer {
    /// The bodies of the entries that are to be sealed, in their places; `None` when there is none.
    fn seal(&self, entries: &[Entry<'_>]) -> Result<Option<Vec<Option<Vec<u8>>>>, KeyError> {
        let Some(claimed) = self.register.seals(entries) else { return Ok(None) };
        let day = Day::of(self.clock.now().wall);
        let one = |(entry, claimed): (&Entry<'_>, bool)| {
            let about = About { source: entry.source, address: entry.address };
            claimed.then(|| self.keys.seal(day, about, entry.body)).transpose()
        };
        entries.iter().zip(claimed).map(one).collect::<Result<_, _>>().map(Some)
    }
}

impl JournalIntake {
    /// `durable` is fed by the journal's own watch.
    #[must_use]
    pub const fn new(
        journal: Journal,
        durable: watch::Receiver<Durable>,
        lane: Arc<Lane>,
        sealer: Sealer,
    ) -> Self {
        Self { journal, durable, lane, sealer }
    }
}

impl Intake for JournalIntake {
    fn append(&self, entries: &[Entry<'_>]) -> Result<Appended, IntakeError> {
        // Without a key nothing is kept, and nothing acknowledged.
        let bodies = self.sealer.seal(entries).map_err(|error| {
            tracing::error!(%error, "what must be sealed cannot be, so it is not taken");
            IntakeError::Refused(error.to_string())
        })?;
        let appended = match &bodies {
            None => self.journal.append(entries)?,
            Some(bodies) => {
                let sealed: Vec<Entry<'_>> = entries
                    .iter()
                    .zip(bodies)
                    .map(|(entry, body)| match body {
                        Some(body) => {
                            Entry { flags: entry.flags.with(Flags::SEALED), body: body.as_slice(), ..*entry }
                        }
                        None => *entry,
                    })
                    .collect();
                self.journal.append(&sealed)?
            }
        };
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
