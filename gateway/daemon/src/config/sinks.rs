//! `[sinks.<name>]`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::amount::{Size, Span};

/// One store outside that every reading is sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SinkSettings {
    /// What it speaks.
    pub kind: SinkKind,
    /// Base address, `http://host:8086`.
    pub url: String,
    /// Organisation.
    pub org: String,
    /// Bucket.
    pub bucket: String,
    /// File with the token.
    pub token_file: Option<PathBuf>,
    /// How fine its timestamps are.
    pub precision: Precision,
    /// Whether lines are compressed.
    pub gzip: bool,
    /// How long one request may take.
    pub timeout: Span,
    /// Undelivered batches above this become a hole that is filled later; ingest never waits for a sink.
    pub backlog_bytes: Size,
}

/// What a sink speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkKind {
    /// InfluxDB v2 line protocol: InfluxDB 2 and 3, VictoriaMetrics, GreptimeDB.
    #[default]
    Influx,
}

/// How fine the timestamps of a store are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Nanoseconds.
    #[default]
    Ns,
    /// Milliseconds.
    Ms,
}

impl Default for SinkSettings {
    fn default() -> Self {
        Self {
            kind: SinkKind::Influx,
            url: String::new(),
            org: String::new(),
            bucket: "orderly".to_owned(),
            token_file: None,
            precision: Precision::Ns,
            gzip: true,
            timeout: Span::seconds(10),
            backlog_bytes: Size(512 << 20),
        }
    }
}
