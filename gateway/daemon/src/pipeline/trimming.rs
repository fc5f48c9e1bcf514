//! When what is over and old is taken out of the state store, and from when on it is kept.

use std::sync::Arc;

use orderly_core::time::Clock;
use orderly_store::state::{Keep, Trimmed};

use crate::config::RetentionSettings;
use crate::observe::metrics;

/// Between two rounds through all that is old.
const ROUND_MS: u64 = 3_600_000;
/// A step that has been due for so long is done although there is no quiet time for it.
const PATIENCE_MS: u64 = 60_000;

/// The rounds of trimming: small steps while there is more, then a pause.
pub struct Trimming {
    clock: Arc<dyn Clock>,
    keep: RetentionSettings,
    /// The next step, by the steady clock.
    next_ms: u64,
}

impl Trimming {
    /// The first round begins at once.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, keep: RetentionSettings) -> Self {
        let next_ms = clock.now().steady_ms;
        Self { clock, keep, next_ms }
    }

    /// From when on things are kept, when a step is due. While a batch waits it has to wait too, but not for ever.
    pub fn due(&self, busy: bool) -> Option<Keep> {
        let now = self.clock.now();
        let from = self.next_ms.saturating_add(if busy { PATIENCE_MS } else { 0 });
        (now.steady_ms >= from).then(|| Keep {
            alerts_from: now.wall.plus_ms(-self.keep.alerts.as_ms()),
            notices_from: now.wall.plus_ms(-self.keep.notices.as_ms()),
        })
    }

    /// A step was done.
    pub fn done(&mut self, trimmed: Trimmed) {
        metrics::trimmed(trimmed.alerts, trimmed.notices);
        self.next(if trimmed.more { 0 } else { ROUND_MS });
    }

    /// A step failed. Trying it at every beat would not make it better.
    pub fn failed(&mut self) {
        self.next(ROUND_MS);
    }

    fn next(&mut self, after_ms: u64) {
        self.next_ms = self.clock.now().steady_ms.saturating_add(after_ms);
    }
}

impl std::fmt::Debug for Trimming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trimming").field("next_ms", &self.next_ms).finish_non_exhaustive()
    }
}
