//! Decided batches that are not yet in the series store: what look-ups must see besides it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orderly_core::output::Output;
use orderly_core::record::Seq;

/// The engine runs at most so many batches ahead of the series store.
const BATCHES: usize = 64;
/// And at most so many readings and one batch more: a reading of twelve values takes 1.3 KiB.
const READINGS: usize = 4_000;

/// The batches between the engine and the series store, in order.
#[derive(Debug, Default)]
pub struct Recent(Mutex<VecDeque<Arc<Output>>>);

impl Recent {
    /// A batch was decided.
    pub fn push(&self, batch: Arc<Output>) {
        self.lock().push_back(batch);
    }

    /// Forgets what the series store holds now.
    pub fn applied(&self, cursor: Seq) {
        self.lock().retain(|batch| batch.cursor > cursor);
    }

    /// Forgets what was not committed.
    pub fn dropped(&self, committed: Seq) {
        self.lock().retain(|batch| batch.cursor <= committed);
    }

    /// Whether there is room for another batch before the series store has caught up: look-ups read all of it.
    pub fn has_room(&self) -> bool {
        let batches = self.lock();
        batches.len() < BATCHES && batches.iter().map(|batch| batch.readings.len()).sum::<usize>() < READINGS
    }

    /// All batches, the oldest first.
    pub fn all(&self) -> Vec<Arc<Output>> {
        self.lock().iter().cloned().collect()
    }

    /// The batches of `after < cursor <= committed`, the oldest first.
    pub fn between(&self, after: Seq, committed: Seq) -> Vec<Arc<Output>> {
        self.lock().iter().filter(|b| b.cursor > after && b.cursor <= committed).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Output>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_what_is_applied_and_what_was_never_committed() {
        let recent = Recent::default();
        for (first, cursor) in [(1, 4), (5, 9), (10, 12)] {
            recent.push(Arc::new(Output { first, cursor, ..Output::default() }));
        }
        let firsts = |batches: Vec<Arc<Output>>| batches.iter().map(|b| b.first).collect::<Vec<_>>();
        assert_eq!(firsts(recent.between(4, 9)), [5]);
        recent.applied(4);
        recent.dropped(9);
        assert_eq!(firsts(recent.all()), [5]);
        assert!(recent.has_room());
        for cursor in 13..100 {
            recent.push(Arc::new(Output { first: cursor, cursor, ..Output::default() }));
        }
        assert!(!recent.has_room());
    }
}
