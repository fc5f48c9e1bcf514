//! What the service manager is told: ready, a line of status, alive, stopping.
//!
//! Without a service manager nothing is told and nothing fails.

use std::time::Duration;

use sd_notify::NotifyState;

/// The way to the service manager.
#[derive(Debug, Clone, Copy, Default)]
pub struct Service;

impl Service {
    /// The doors are open.
    pub fn ready(self, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// One line for `systemctl status`.
    pub fn status(self, status: &str) {
        tell(&[NotifyState::Status(status)]);
    }

    /// The loops move.
    pub fn alive(self) {
        tell(&[NotifyState::Watchdog]);
    }

    /// The daemon is ending.
    pub fn stopping(self) {
        tell(&[NotifyState::Stopping]);
    }

    /// How often the service manager wants to hear that we are alive: half of its patience.
    #[must_use]
    pub fn watchdog_interval(self) -> Option<Duration> {
        sd_notify::watchdog_enabled().map(|patience| patience / 2)
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(states) {
        tracing::debug!(error = %e, "the service manager was not told");
    }
}
