//! What the gateway says about itself. The runtime fills it in.

use serde::Serialize;
use utoipa::ToSchema;

use super::Moment;

/// What the gateway says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Name of the site.
    pub site: String,
    /// When this run began.
    pub started_at: Moment,
    /// The gateway's clock.
    pub now: Moment,
    /// The journal.
    pub journal: JournalStatus,
    /// The engine.
    pub engine: EngineStatus,
    /// The local history.
    pub series: SeriesStatus,
    /// Number of the last commit.
    pub commit: u64,
    /// Where readings go.
    pub sinks: Vec<SinkStatus>,
    /// Where readings come from.
    pub sources: Vec<SourceStatus>,
    /// How much comes in.
    pub rates: Rates,
    /// How much there is.
    pub counts: Counts,
    /// How many alerts.
    pub alerts: AlertCounts,
    /// What a person should look at.
    pub warnings: Vec<Warning>,
}

/// The journal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct JournalStatus {
    /// The last record that is on stable storage.
    pub durable: u64,
    /// Bytes that were taken in and are not yet on stable storage.
    pub unsynced_bytes: u64,
    /// How many segments it holds.
    pub segments: u64,
    /// Its size on disk.
    pub bytes: u64,
}

/// The engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct EngineStatus {
    /// The last record that was handled and committed.
    pub cursor: u64,
    /// Records that are durable and not yet committed.
    pub lag: u64,
}

/// The local history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct SeriesStatus {
    /// Everything up to this record can be read from it.
    pub applied: u64,
    /// Records that are committed and not yet in it.
    pub lag: u64,
}

/// Where readings go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct SinkStatus {
    /// Its name.
    pub name: String,
    /// The last record that it has written.
    pub cursor: u64,
    /// Records that are committed and not yet written.
    pub lag: u64,
    /// `ok`, `retrying`, `filling` or `off`.
    pub state: String,
    /// What went wrong last, without secrets.
    pub last_error: Option<String>,
    /// What the store says about itself: `ok`, `faulty`, `unsupported` or `unknown`.
    pub store: String,
    /// What is behind that word, if anything is to be said.
    pub store_detail: Option<String>,
}

/// Where readings come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// Whether it can take readings in.
    pub up: bool,
    /// How many connections it has.
    pub connections: u64,
    /// What is wrong, in one sentence.
    pub detail: Option<String>,
}

/// How much comes in, over the last few seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Rates {
    /// Messages a second.
    pub messages_per_s: f64,
    /// Readings a second.
    pub readings_per_s: f64,
}

/// How much there is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Counts {
    /// Devices on the register.
    pub devices: u64,
    /// Devices that report as expected.
    pub online: u64,
    /// Readings kept since the start of this run.
    pub readings: u64,
    /// Repeats recognised and left out since the start of this run.
    pub repeats: u64,
    /// Readings that came late since the start of this run.
    pub late: u64,
    /// Inputs in quarantine.
    pub quarantined: u64,
}

/// How many alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct AlertCounts {
    /// Those that are so now.
    pub firing: u64,
    /// Those that nobody has taken notice of.
    pub open: u64,
}

/// What a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    /// Stable code (`sink_behind`, `journal_refuses`, `disk_low` ...).
    pub code: String,
    /// What is wrong, in both languages.
    pub text: super::Text,
}
