//! Does a plan's steps on the real stores, and notes what it would acknowledge.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use orderly_core::output::Snapshot;
use orderly_core::record::Seq;
use orderly_store::audit::AuditStore;
use orderly_store::series::SeriesStore;
use orderly_store::state::{DeliveryChange, StateReader, StateStore};

use crate::powercut_plan::{Plan, Step};

/// Pages of the log from which it is copied when idle, and in any case: small, so that a short run does it often.
const LOG_PAGES: (u64, u64) = (24, 90);
/// Readings from which a stream is sealed.
const SEAL_FROM: u32 = 6;
const FLUSHED: u64 = 1 << 56;

/// What the stores have said that may be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// So many transactions of `state.db` returned.
    pub transactions: usize,
    /// `series.db` is on the disk up to here.
    pub flushed: Seq,
}

impl Told {
    /// What the notes in a recording say.
    #[must_use]
    pub fn of(marks: &[u64]) -> Self {
        marks.iter().fold(Self::default(), |mut told, mark| {
            match mark & FLUSHED {
                0 => told.transactions = told.transactions.max(*mark as usize),
                _ => told.flushed = told.flushed.max(mark & !FLUSHED),
            }
            told
        })
    }
}

/// How a player breaks the rules; the checks must see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// It does not.
    None,
    /// It acknowledges before the commit.
    AckEarly,
    /// It trims batches that `series.db` need not have on disk.
    TrimEarly,
}

/// The stores in one directory; readers stay open beside the writers, as in the daemon.
pub struct Stores {
    dir: PathBuf,
    /// The state.
    pub state: StateStore,
    /// A connection that reads it.
    pub reader: StateReader,
    /// Series and audit; a run may go without.
    pub others: Option<(SeriesStore, AuditStore)>,
}

impl Stores {
    /// Opens them; `alone`: only `state.db`.
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub fn open(dir: &Path, alone: bool) -> anyhow::Result<(Self, Snapshot)> {
        let (mut state, snapshot) = StateStore::open(dir)?;
        state.set_log_pages(LOG_PAGES.0, LOG_PAGES.1);
        let reader = StateReader::open(dir)?;
        let others = if alone {
            None
        } else {
            let mut series = SeriesStore::open(dir)?;
            series.set_seal_from(SEAL_FROM);
            Some((series, AuditStore::open(dir)?))
        };
        Ok((Self { dir: dir.to_owned(), state, reader, others }, snapshot))
    }

    /// Their directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Brings `series.db` up to the stored batches, as the daemon does at its start.
    ///
    /// # Errors
    /// When a store refuses.
    pub fn apply(&mut self) -> anyhow::Result<()> {
        let Some((series, _)) = &mut self.others else { return Ok(()) };
        let found = self.reader.batches_after(series.applied(), usize::MAX)?;
        for batch in &found.batches {
            series.apply(batch.first, batch.last, &batch.readings()?)?;
        }
        if found.through > series.applied() {
            series.apply(series.applied() + 1, found.through, &[])?;
        }
        Ok(())
    }

    /// Copies audit entries, then says so in `state.db`.
    ///
    /// # Errors
    /// When a store refuses.
    pub fn copy_audit(&mut self) -> anyhow::Result<()> {
        let Some((_, audit)) = &mut self.others else {
            // Without the chain only the cursor moves, with the head that this many entries would have.
            let Some(last) = self.reader.audit_from((0, 0), 1000)?.last().map(|e| e.seq) else {
                return Ok(());
            };
            let head = orderly_store::audit::AuditHead::default();
            return Ok(self.state.deliver(&DeliveryChange::AuditCopied { seq: last, head })?);
        };
        match audit.copy_from(&self.reader)? {
            Some(change) => Ok(self.state.deliver(&change)?),
            None => Ok(()),
        }
    }
}

/// Goes through a plan.
pub struct Player<'a> {
    /// What is done.
    pub plan: &'a Plan,
    /// The stores.
    pub stores: Option<Stores>,
    /// Transactions that were done.
    pub transactions: usize,
    /// Only `state.db`.
    pub alone: bool,
    /// How it breaks the rules.
    pub mutant: Mutant,
    /// Is told of each acknowledgement.
    pub note: &'a mut dyn FnMut(u64) -> std::io::Result<()>,
}

impl Player<'_> {
    /// Does the steps from this one on.
    ///
    /// # Errors
    /// With the first store that refuses; the stores then have to be opened again.
    pub fn play(&mut self, from: usize) -> anyhow::Result<()> {
        for at in from..self.plan.steps.len() {
            self.step(at).with_context(|| format!("step {at}, transaction {}", self.transactions + 1))?;
        }
        Ok(())
    }

    fn step(&mut self, at: usize) -> anyhow::Result<()> {
        let step = &self.plan.steps[at];
        let early = self.mutant == Mutant::AckEarly && step.is_transaction();
        if early {
            (self.note)(self.transactions as u64 + 1)?;
        }
        self.act(step)?;
        if step.is_transaction() {
            self.transactions += 1;
            if !early {
                (self.note)(self.transactions as u64)?;
            }
        }
        Ok(())
    }

    fn act(&mut self, step: &Step) -> anyhow::Result<()> {
        let Some(stores) = &mut self.stores else { bail!("the stores are not open") };
        match step {
            Step::Commit(out) => {
                let number = stores.state.commit(out)?;
                ensure!(number == self.plan.models[self.transactions + 1].commit_no, "commit {number}");
            }
            Step::Deliver(changes) => stores.state.deliver_all(changes)?,
            Step::CopyAudit => stores.copy_audit()?,
            Step::Apply => stores.apply()?,
            Step::Flush => {
                if let (Some((series, _)), true) = (&mut stores.others, self.mutant != Mutant::TrimEarly) {
                    // A flush that failed is done again, as the daemon does at its next round.
                    let flushed = series.flush().or_else(|_| series.flush())?;
                    (self.note)(FLUSHED | flushed)?;
                }
            }
            Step::Seal(now) => {
                if let Some((series, _)) = &mut stores.others {
                    while series.seal(*now)?.more {}
                }
            }
            // As the daemon does: it tells of a failure, and goes on.
            Step::Tidy => drop(stores.state.tidy()),
            Step::Reopen => {
                let dir = stores.dir.clone();
                self.stores = None;
                self.stores = Some(Stores::open(&dir, self.alone)?.0);
            }
        }
        Ok(())
    }
}
