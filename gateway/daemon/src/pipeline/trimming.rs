//! When what is over and old is taken out of the state store, and from when on it is kept.

use std::sync::Arc;

use orderly_core::time::Clock;
use orderly_store::state::{Keep, Trimmed};

use crate::config::RetentionSettings;
use crate::observe::metrics;

/// Between two rounds through all that is old.
const ROUND_MS: u64 = 3_600_000;

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
    pub const fn new(clock: Arc<dyn Clock>, keep: RetentionSettings) -> Self {
        Self { clock, keep, next_ms: 0 }
    }

    /// From when on things are kept, when a step is due.
    pub fn due(&self) -> Option<Keep> {
        let now = self.clock.now();
        (now.steady_ms >= self.next_ms).then(|| Keep {
            alerts_from: now.wall.plus_ms(-self.keep.alerts.as_ms()),
            notices_from: now.wall.plus_ms(-self.keep.notices.as_ms()),
        })
    }

    /// A step was done.
    pub fn done(&mut self, trimmed: Trimmed) {
        metrics::trimmed(trimmed.alerts, trimmed.notices);
        if !trimmed.more {
            self.next_ms = self.clock.now().steady_ms.saturating_add(ROUND_MS);
        }
    }
}

impl std::fmt::Debug for Trimming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trimming").field("next_ms", &self.next_ms).finish_non_exhaustive()
    }
}
