//! The committer thread: the only writer of the state store. Answers and news leave here, after the commit.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use orderly_core::output::{Answer, Output, Snapshot};
use orderly_core::record::Seq;
use tokio::sync::{mpsc, oneshot, watch};

use super::answers::Answers;
use super::census::Census;
use super::recent::Recent;
use super::signals::Signals;
use super::stores::{AuditCopy, DeliveryChange, OpenState, StateWrite};
use super::trimming::Trimming;
use crate::observe::health::Pulse;
use crate::observe::metrics;

/// Told when a delivery change is written, or why not.
pub type Done = oneshot::Sender<Result<(), String>>;

/// Something that is now committed.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A batch was written.
    Committed {
        /// Number of the commit.
        commit: u64,
        /// What it wrote.
        output: &'a Output,
    },
    /// A commit that had failed was found written after all: this is what holds now.
    Found {
        /// Number of the commit.
        commit: u64,
        /// Everything that is committed.
        snapshot: &'a Snapshot,
    },
}

/// Told of each commit, after it and in order; must not wait.
pub type Observer = Box<dyn Fn(Event<'_>) + Send>;

/// What the owner of the state store is asked to do.
pub enum StateCommand {
    /// Write a batch of decisions.
    Commit(Arc<Output>),
    /// Write what became of a delivery.
    Deliver {
        /// The change.
        change: DeliveryChange,
        /// Told when it is written.
        done: Done,
    },
    /// Close and open the store again, after a failed commit.
    Reopen(SyncSender<Result<Snapshot, String>>),
    /// Show that you move.
    Beat,
    /// Nothing follows.
    Stop,
}

/// What the committer works with.
pub struct Committer {
    /// Opens the store again after a failure.
    pub opener: Box<dyn OpenState>,
    /// The store; `None` after a failure.
    pub store: Option<Box<dyn StateWrite>>,
    /// The audit chain.
    pub audit: Box<dyn AuditCopy>,
    /// How far the threads are.
    pub signals: Arc<Signals>,
    /// Decided batches.
    pub recent: Arc<Recent>,
    /// People who wait.
    pub answers: Arc<Answers>,
    /// The last record that is committed; what sinks and the notifier wait on.
    pub committed: watch::Sender<Seq>,
    /// Told of each commit.
    pub observers: Vec<Observer>,
    /// Beats with each command.
    pub pulse: Pulse,
    /// Answers whose audit entries are not yet on disk.
    pub held: Vec<Answer>,
    /// Audit entries may be committed that are not in the chain.
    pub unaudited: bool,
    /// How many devices are there.
    pub census: Arc<Census>,
    /// What is over and old is taken away.
    pub trimming: Trimming,
}

impl Committer {
    /// Works until told to stop.
    pub fn run(mut self, mut inbox: mpsc::Receiver<StateCommand>) {
        let mut next = inbox.blocking_recv();
        while let Some(command) = next.take() {
            self.pulse.beat();
            match command {
                StateCommand::Commit(output) => self.commit(&output),
                StateCommand::Deliver { change, done } => next = self.deliver_all(change, done, &mut inbox),
                StateCommand::Reopen(done) => {
                    // The engine thread waits for this; it cannot be gone.
                    drop(done.send(self.reopen()));
                }
                StateCommand::Beat => self.idle(),
                StateCommand::Stop => break,
            }
            if next.is_none() {
                next = inbox.blocking_recv();
            }
        }
        self.release(&[]);
        self.answers.stop();
    }

    fn commit(&mut self, output: &Output) {
        // After a failure what was computed on top of the failed batch is dropped unseen.
        let Some(store) = &mut self.store else {
            self.signals.tell(|p| p.in_flight = false);
            return;
        };
        match store.commit(output) {
            Ok(commit) => self.after(commit, output),
            Err(error) => {
                tracing::error!(first = output.first, last = output.cursor, %error, "a commit failed and is done again");
                self.broken(error);
            }
        }
    }

    fn after(&mut self, commit: u64, output: &Output) {
        let cursor = output.cursor;
        self.signals.tell(|p| {
            p.in_flight = false;
            p.committed = cursor;
        });
        self.census.committed(&output.presence);
        metrics::committed(&output.counts, output.transitions.len());
        self.observers.iter().for_each(|observer| observer(Event::Committed { commit, output }));
        self.committed.send_replace(cursor);
        self.unaudited |= !output.audit.is_empty();
        self.release(&output.answers);
    }

    /// Answers people whose audit entries are on disk; the others wait for the next try.
    fn release(&mut self, answers: &[Answer]) {
        self.held.extend_from_slice(answers);
        if self.unaudited {
            match self.audit.catch_up() {
                Ok(change) => {
                    self.unaudited = false;
                    if let Some(change) = change {
                        // When it cannot be written now, the same entries are found in the chain the next time.
                        drop(self.deliver(&[change]));
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the audit chain cannot be written; orders stay unanswered");
                    return;
                }
            }
        }
        self.answers.release(std::mem::take(&mut self.held));
    }

    /// Writes this change and all that wait directly behind it in one transaction; gives what came after them.
    fn deliver_all(
        &mut self,
        change: DeliveryChange,
        done: Done,
        inbox: &mut mpsc::Receiver<StateCommand>,
    ) -> Option<StateCommand> {
        let (mut changes, mut waiting) = (vec![change], vec![done]);
        let mut behind = None;
        while let Ok(command) = inbox.try_recv() {
            match command {
                StateCommand::Deliver { change, done } => {
                    changes.push(change);
                    waiting.push(done);
                }
                other => {
                    behind = Some(other);
                    break;
                }
            }
        }
        let result = self.deliver(&changes);
        for done in waiting {
            // Who asked may be gone; the change is written all the same.
            drop(done.send(result.clone()));
        }
        behind
    }

    fn deliver(&mut self, changes: &[DeliveryChange]) -> Result<(), String> {
        let Some(store) = &mut self.store else { return Err("the state store is being reopened".to_owned()) };
        let result = store.deliver(changes);
        if let Err(error) = &result {
            self.broken(error.clone());
        }
        result
    }

    /// After an error nobody knows what the store holds; the engine thread has it opened again.
    fn broken(&mut self, error: String) {
        metrics::commit_failed();
        self.store = None;
        self.signals.tell(|p| {
            p.in_flight = false;
            p.failed = Some(error);
        });
    }

    fn idle(&mut self) {
        self.release(&[]);
        if let Some(Err(error)) = self.store.as_mut().map(|store| store.tidy()) {
            tracing::warn!(%error, "the state store could not be tidied");
        }
        // Decisions go before; a step is short, but a batch that waits need not wait for it.
        if let Some(keep) = self.trimming.due(self.signals.look().in_flight)
            && let Some(store) = &mut self.store
        {
            match store.trim(keep) {
                Ok(trimmed) => self.trimming.done(trimmed),
                Err(error) => {
                    let broken = store.is_broken();
                    tracing::warn!(%error, "what is old could not be taken away; it is tried again in an hour");
                    self.trimming.failed();
                    if broken {
                        self.broken(error);
                    }
                }
            }
        }
    }

    fn reopen(&mut self) -> Result<Snapshot, String> {
        self.store = None;
        let (store, snapshot) = self.opener.open()?;
        let cursor = snapshot.cursor;
        if cursor > *self.committed.borrow() {
            let event = Event::Found { commit: store.commit_no(), snapshot: &snapshot };
            self.observers.iter().for_each(|observer| observer(event));
            self.unaudited = true;
        }
        self.store = Some(store);
        self.recent.dropped(cursor);
        self.answers.unknown(cursor);
        self.signals.tell(|p| {
            p.failed = None;
            p.in_flight = false;
            p.committed = cursor;
        });
        self.committed.send_replace(cursor);
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests;
