//! What doors are given to send, and what they say about it. A door sends a thing once or not at all.

use std::sync::Arc;

use orderly_core::codec::registers::Written;
use orderly_core::ids::DeviceId;
use orderly_core::record::{Entry, Flags, Found, Kind, Outcome};
use orderly_core::time::{Clock, Timestamp};

use super::intake::Intake;

/// A message to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToDevice {
    /// Name of the command.
    pub id: Arc<str>,
    /// The device.
    pub device: DeviceId,
    /// The topic.
    pub topic: String,
    /// The payload.
    pub payload: String,
    /// It is a desired state that a broker may keep, never a movement.
    pub keep: bool,
    /// From then on it must not go out.
    pub expires_at: Timestamp,
}

/// Coils or registers to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToUnit {
    /// Name of the command.
    pub id: Arc<str>,
    /// The device.
    pub device: DeviceId,
    /// What is written.
    pub write: Written,
    /// What must be read afterwards.
    pub expect: Option<Written>,
    /// From then on it must not go out.
    pub expires_at: Timestamp,
}

/// The whole seconds that are left, rounded up; `None`: none.
#[must_use]
pub fn seconds_left(expires_at: Timestamp, now: Timestamp) -> Option<u32> {
    let left = expires_at.since(now);
    (left > 0).then(|| u32::try_from((left + 999) / 1_000).unwrap_or(u32::MAX))
}

/// Where doors say what became of a command.
#[derive(Clone)]
pub struct Outcomes {
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Outcomes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outcomes").finish_non_exhaustive()
    }
}

impl Outcomes {
    /// Outcomes go into the journal like everything else.
    #[must_use]
    pub fn new(intake: Arc<dyn Intake>, clock: Arc<dyn Clock>) -> Self {
        Self { intake, clock }
    }

    /// The wall clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now().wall
    }

    /// Both clocks, as a steady time.
    #[must_use]
    pub fn steady_ms(&self) -> u64 {
        self.clock.now().steady_ms
    }

    /// Says what became of a command. What cannot be said now becomes unknown when its time is over.
    pub fn tell(&self, source: &str, id: &str, found: Found) {
        tracing::info!(source, command = id, ?found, "what became of a command");
        let outcome = Outcome { command: id.to_owned(), found };
        let told = rmp_serde::to_vec_named(&outcome).map_err(|e| e.to_string()).and_then(|body| {
            let (kind, flags) = (Kind::Outcome, Flags::default());
            let entry = Entry { kind, flags, source, connection: 0, address: "", body: &body };
            self.intake.append(&[entry]).map_err(|e| e.to_string())
        });
        if let Err(error) = told {
            tracing::warn!(source, command = id, error, "the outcome of a command could not be journalled");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_void_has_no_seconds_left() {
        let left = |ms| seconds_left(Timestamp(10_000), Timestamp(ms));
        assert_eq!([left(0), left(9_001), left(9_999)], [Some(10), Some(1), Some(1)]);
        assert_eq!([left(10_000), left(20_000)], [None, None]);
    }
}
