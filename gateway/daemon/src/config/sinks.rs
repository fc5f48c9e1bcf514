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
    /// PEM file with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether a missing bucket is made (InfluxDB 2).
    pub create_bucket: bool,
    /// Which product it is: its answers are read accordingly.
    pub product: Product,
    /// How fine its timestamps are.
    pub precision: Precision,
    /// How long one request may take.
    pub timeout: Span,
    /// Which write door: `v1` (`/write?db=`) or `v2` (`/api/v2/write`). Default: what the product speaks best.
    pub dialect: Option<Dialect>,
    /// How long after its answer the store may still forget a point: the cursor stays that far behind, and the
    /// rest is sent again when the store was restarted. Default: 60 s for VictoriaMetrics, else nothing.
    pub settle: Option<Span>,
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

/// The products whose answers are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// InfluxDB 1.
    InfluxDb1,
    /// InfluxDB 2, and whatever speaks like it.
    #[default]
    InfluxDb2,
    /// InfluxDB 3.
    InfluxDb3,
    /// VictoriaMetrics: milliseconds, numbers only, answers before its disk has it.
    VictoriaMetrics,
}

/// The two write doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// `/write?db=…&precision=ns`
    V1,
    /// `/api/v2/write?org=…&bucket=…&precision=ns`
    V2,
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
            ca_file: None,
            create_bucket: false,
            product: Product::InfluxDb2,
            precision: Precision::Ns,
            timeout: Span::seconds(10),
            dialect: None,
            settle: None,
            backlog_bytes: Size(512 << 20),
        }
    }
}
