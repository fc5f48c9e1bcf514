//! Settings of one InfluxDB-like store.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::point::Fields;
pub use crate::config::{Dialect, Product as Engine};
use crate::config::{Precision, SinkSettings, Size, Span};

/// A store that takes line protocol over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InfluxConfig {
    /// Name of the sink; its cursor is kept under it.
    pub name: String,
    /// Base address; a path in it is kept.
    pub url: String,
    /// Which product it is: its answers are read accordingly.
    pub engine: Engine,
    /// Which write door: `v1` (`/write?db=`) or `v2` (`/api/v2/write`). Default: what the engine speaks best.
    pub dialect: Option<Dialect>,
    /// Organisation (v2).
    pub org: String,
    /// Bucket (v2) or database (v1).
    pub bucket: String,
    /// File that holds the token; none for a store without accounts.
    pub token_file: Option<PathBuf>,
    /// PEM file with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// How fine the store's timestamps are; VictoriaMetrics has milliseconds whatever stands here.
    pub precision: Precision,
    /// Make the bucket if it is not there (InfluxDB 2).
    pub create_bucket: bool,
    /// How long one request may take.
    pub timeout: Span,
    /// Most lines of one request.
    pub max_lines: usize,
    /// About how many bytes of packed batches are taken at a time; unpacked they need about thirty times as much.
    pub max_bytes: usize,
    /// The waits after failed requests are random: up to this at first, and up to a two-hundredth of an outage later.
    pub retry_first: Span,
    /// Longest wait after a failed request.
    pub retry_most: Span,
    /// Wait between two tries while the store refuses the gateway as a whole.
    pub hold: Span,
    /// The cursor stays this far behind, and what lies between is sent again when the store was restarted.
    /// For stores that answer before they have it on disk. Default: 60 s for VictoriaMetrics, else nothing.
    pub settle: Option<Span>,
    /// Batches that wait for the store above this become a hole, which is filled in later from the long-term store.
    pub backlog_bytes: Size,
    /// With a longer backlog than this many records, the newest readings go first.
    pub split_after: u64,
}

impl Default for InfluxConfig {
    fn default() -> Self {
        Self {
            name: "influx".to_owned(),
            url: "http://127.0.0.1:8086".to_owned(),
            engine: Engine::default(),
            dialect: None,
            org: "hospital".to_owned(),
            bucket: "orderly".to_owned(),
            token_file: None,
            ca_file: None,
            precision: Precision::Ns,
            create_bucket: false,
            timeout: Span::seconds(30),
            max_lines: 5_000,
            max_bytes: 128 << 10,
            retry_first: Span::ms(500),
            retry_most: Span::seconds(60),
            hold: Span::seconds(60),
            settle: None,
            backlog_bytes: Size(512 << 20),
            split_after: 20_000,
        }
    }
}

impl InfluxConfig {
    /// The settings of the sink with this name.
    #[must_use]
    pub fn from_settings(name: &str, settings: &SinkSettings) -> Self {
        Self {
            name: name.to_owned(),
            url: settings.url.clone(),
            org: settings.org.clone(),
            bucket: settings.bucket.clone(),
            token_file: settings.token_file.clone(),
            ca_file: settings.ca_file.clone(),
            create_bucket: settings.create_bucket,
            engine: settings.product,
            precision: settings.precision,
            timeout: settings.timeout,
            backlog_bytes: settings.backlog_bytes,
            dialect: settings.dialect,
            settle: settings.settle,
            ..Self::default()
        }
    }

    /// Whether the second of two readings of one millisecond would take the place of the first.
    #[must_use]
    pub fn milliseconds_only(&self) -> bool {
        self.precision == Precision::Ms || self.engine == Engine::VictoriaMetrics
    }

    /// What the store makes of a field.
    #[must_use]
    pub const fn fields(&self) -> Fields {
        match self.engine {
            Engine::VictoriaMetrics => Fields::Numbers,
            Engine::InfluxDb1 | Engine::InfluxDb2 | Engine::InfluxDb3 => Fields::All,
        }
    }

    /// The write door.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        match (self.dialect, self.engine) {
            (Some(dialect), _) => dialect,
            (None, Engine::InfluxDb1) => Dialect::V1,
            (None, Engine::InfluxDb2 | Engine::InfluxDb3 | Engine::VictoriaMetrics) => Dialect::V2,
        }
    }

    /// How far the cursor stays behind.
    #[must_use]
    pub const fn settle(&self) -> Duration {
        match (self.settle, self.engine) {
            (Some(wait), _) => wait.0,
            (None, Engine::VictoriaMetrics) => Duration::from_secs(60),
            (None, _) => Duration::ZERO,
        }
    }
}
