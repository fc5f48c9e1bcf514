//! Whether the loops move and the doors are open.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use orderly_core::time::Clock;

/// A loop that says nothing for so long does not move any more.
const SILENCE_MS: u64 = 10_000;

/// What every loop reports to, and what the watchdog and the health page ask.
pub struct Health {
    clock: Arc<dyn Clock>,
    ready: AtomicBool,
    beats: Mutex<Vec<Beat>>,
}

struct Beat {
    name: &'static str,
    last_ms: Arc<AtomicU64>,
}

/// The pulse of one loop: it beats at least once a second, also when it has nothing to do.
#[derive(Clone)]
pub struct Pulse {
    clock: Arc<dyn Clock>,
    last_ms: Arc<AtomicU64>,
}

impl Health {
    /// Nothing is ready and no loop is known.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, ready: AtomicBool::new(false), beats: Mutex::new(Vec::new()) })
    }

    /// The pulse for a loop of this name.
    #[must_use]
    pub fn pulse(&self, name: &'static str) -> Pulse {
        let pulse = Pulse { clock: Arc::clone(&self.clock), last_ms: Arc::default() };
        pulse.beat();
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.retain(|beat| beat.name != name);
        beats.push(Beat { name, last_ms: Arc::clone(&pulse.last_ms) });
        pulse
    }

    /// The doors are open and the engine has caught up, or no longer.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// Whether the doors are open.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// The loops that stand still.
    #[must_use]
    pub fn stuck(&self) -> Vec<&'static str> {
        let now = self.clock.now().steady_ms;
        let beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = |beat: &&Beat| now.saturating_sub(beat.last_ms.load(Ordering::Relaxed)) > SILENCE_MS;
        beats.iter().filter(silent).map(|beat| beat.name).collect()
    }
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").field("ready", &self.is_ready()).finish_non_exhaustive()
    }
}

impl Pulse {
    /// The loop moves.
    pub fn beat(&self) {
        self.last_ms.store(self.clock.now().steady_ms, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Pulse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pulse").field("last_ms", &self.last_ms).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orderly_core::time::Now;

    #[derive(Default)]
    struct Hand(AtomicU64);

    impl Clock for Hand {
        fn now(&self) -> Now {
            Now { steady_ms: self.0.load(Ordering::Relaxed), ..Now::default() }
        }
    }

    #[test]
    fn a_loop_that_stands_still_is_named() {
        let clock = Arc::new(Hand::default());
        let health = Health::new(clock.clone());
        let (engine, _committer) = (health.pulse("engine"), health.pulse("committer"));
        assert!(health.stuck().is_empty() && !health.is_ready());
        clock.0.store(SILENCE_MS + 1, Ordering::Relaxed);
        engine.beat();
        assert_eq!(health.stuck(), ["committer"]);
    }
}
