//! The one place that asks the machine for the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use orderly_core::time::{Clock, Now, Timestamp};

use super::random;

/// The machine's clocks. `steady_ms` counts from the start of this run, `boot` tells the runs apart.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    started: Instant,
    boot: u64,
}

impl SystemClock {
    /// Starts counting now.
    ///
    /// # Errors
    /// When the machine gives no random number for `boot`.
    #[expect(clippy::disallowed_methods, reason = "this is the place that may ask the machine")]
    pub fn start() -> std::io::Result<Self> {
        let boot = u64::from_le_bytes(random::bytes()?);
        Ok(Self { started: Instant::now(), boot })
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place that may ask the machine")]
    fn now(&self) -> Now {
        let wall = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            // A clock before 1970 was never set; the readings' own times are then all that holds.
            Err(_) => 0,
        };
        let steady_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { wall: Timestamp(wall), steady_ms, boot: self.boot }
    }
}

/// Measures how long something took, for figures and lanes; never for decisions.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place that may ask the machine")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// How long it has run.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_have_two_boots_and_steady_time_never_goes_back() {
        let clock = SystemClock::start().unwrap();
        let (a, b) = (clock.now(), clock.now());
        assert!(a.steady_ms <= b.steady_ms && a.boot == b.boot);
        assert!(a.wall > Timestamp::EARLIEST_PLAUSIBLE);
        assert_ne!(a.boot, SystemClock::start().unwrap().now().boot);
    }
}
