//! What the threads of the pipeline tell one another: how far each is, and when to stop.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orderly_core::record::Seq;

/// How far the threads are.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// The journal has this on disk.
    pub durable: Seq,
    /// The state store has committed this.
    pub committed: Seq,
    /// The series store holds this.
    pub applied: Seq,
    /// A batch is with the committer.
    pub in_flight: bool,
    /// The last commit failed, with the reason; the engine must be rebuilt.
    pub failed: Option<String>,
    /// Links changed: the engine thread should write a timer run soon.
    pub nudged: bool,
    /// Finish what is durable, then end.
    pub stopping: bool,
    /// Engine and committer have ended.
    pub ended: bool,
}

/// The shared progress, and a bell that rings at each change.
#[derive(Debug, Default)]
pub struct Signals {
    progress: Mutex<Progress>,
    bell: Condvar,
}

impl Signals {
    /// How far the threads are now.
    pub fn look(&self) -> Progress {
        self.lock().clone()
    }

    /// Changes the progress and rings the bell.
    pub fn tell(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.lock());
        self.bell.notify_all();
    }

    /// Waits until `ready` holds or `patience` is over; gives the progress either way.
    pub fn wait(&self, patience: Duration, mut ready: impl FnMut(&Progress) -> bool) -> Progress {
        let waited = self.bell.wait_timeout_while(self.lock(), patience, |progress| !ready(progress));
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        // Plain assignments only happen under the lock, so a panic elsewhere leaves nothing half done.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
