//! A twin as people see it: latest readings, last seen, online or not.

use serde::Serialize;

use crate::ids::StreamId;
use crate::time::Timestamp;

use super::SILENT_AFTER;
use super::codec::{TwinError, decode};
use super::stream::Latest;

/// Whether a device is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It reports as often as its profile expects, or nothing is expected and it was heard.
    Online,
    /// It missed a report.
    Stale,
    /// It is silent for more than three times what is expected, or said that it is gone.
    Offline,
    /// It was never heard.
    NeverHeard,
}

/// What people see of a twin.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// When it was last heard; `None`: never.
    pub last_seen: Option<Timestamp>,
    /// Whether it said that it is gone.
    pub said_offline: bool,
    /// The reading of each stream that was taken last, sorted by stream.
    pub latest: Vec<(StreamId, Latest)>,
}

impl View {
    /// Reads the blob of a twin row.
    ///
    /// # Errors
    /// When the blob is damaged or of a newer format.
    pub fn decode(blob: &[u8]) -> Result<Self, TwinError> {
        let (twin, _) = decode(blob)?;
        let mut latest = Vec::with_capacity(twin.streams.len());
        for stream in twin.streams {
            if let Some(held) = stream.latest {
                latest.push((stream.stream, held.read()?));
            }
        }
        latest.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Self { last_seen: twin.source.map(|_| twin.heard_at), said_offline: twin.said_offline, latest })
    }

    /// Whether the device is there at `now`; `every_ms` is what its profile expects.
    #[must_use]
    pub fn presence(&self, every_ms: Option<u64>, now: Timestamp) -> Presence {
        let Some(seen) = self.last_seen else { return Presence::NeverHeard };
        if self.said_offline {
            return Presence::Offline;
        }
        let Some(every) = every_ms.and_then(|ms| i64::try_from(ms).ok()) else { return Presence::Online };
        let silent = now.since(seen);
        // Half a period of grace: devices are never exact.
        if silent <= every.saturating_add(every / 2) {
            Presence::Online
        } else if silent <= every.saturating_mul(SILENT_AFTER) {
            Presence::Stale
        } else {
            Presence::Offline
        }
    }
}
