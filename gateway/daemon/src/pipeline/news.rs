//! What the rest of the daemon hears after each commit.

use std::collections::BTreeSet;

use orderly_core::alert::Alert;
use orderly_core::ids::DeviceId;
use orderly_core::output::Output;
use orderly_core::record::Seq;

/// How far the commits are; what sinks and the notifier wait on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// The engine's cursor after the commit.
    pub cursor: Seq,
    /// Number of the commit; counted over all lives of the gateway.
    pub commit: u64,
}

/// What one commit changed; what live pages are told.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitNews {
    /// Number of the commit.
    pub commit: u64,
    /// Devices that changed, each once.
    pub devices: Vec<DeviceId>,
    /// Alerts that changed, whole, each once.
    pub alerts: Vec<Alert>,
    /// How many readings were kept.
    pub readings: usize,
}

impl CommitNews {
    /// The news of a commit.
    #[must_use]
    pub fn of(commit: u64, output: &Output) -> Self {
        let rows = output.devices.iter().map(|row| &row.device);
        let twins = output.twins.iter().map(|twin| &twin.device);
        let devices: BTreeSet<&DeviceId> = rows.chain(twins).collect();
        Self {
            commit,
            devices: devices.into_iter().cloned().collect(),
            alerts: output.alerts.clone(),
            readings: output.readings.len(),
        }
    }
}
