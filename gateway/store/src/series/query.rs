//! What a reader asks of the readings of one device.

use orderly_core::ids::{DeviceId, MetricId, StreamId};
use orderly_core::reading::{Origin, Reading};
use orderly_core::time::Timestamp;

use super::catalog::Catalog;

/// Which readings of a device are wanted.
#[derive(Debug, Clone)]
pub struct Query {
    /// The device.
    pub device: DeviceId,
    /// Only of this stream.
    pub stream: Option<StreamId>,
    /// Only these metrics; none named means all. A reading without any of them is left out.
    pub metrics: Vec<MetricId>,
    /// Taken at or after.
    pub from: Timestamp,
    /// Taken before.
    pub to: Timestamp,
    /// At most so many.
    pub limit: usize,
    /// Only beyond this one (time taken and origin), in the direction of the order.
    pub after: Option<(Timestamp, Origin)>,
    /// Newest first, else oldest first.
    pub newest_first: bool,
    /// Also those that a correction has replaced; they are never in figures.
    pub superseded: bool,
}

impl Query {
    /// Everything of a device, oldest first.
    #[must_use]
    pub const fn all(device: DeviceId) -> Self {
        Self {
            device,
            stream: None,
            metrics: Vec::new(),
            from: Timestamp(i64::MIN),
            to: Timestamp(i64::MAX),
            limit: usize::MAX,
            after: None,
            newest_first: false,
            superseded: false,
        }
    }

    /// Whether this metric is asked for.
    pub(super) fn wants(&self, metric: &MetricId) -> bool {
        self.metrics.is_empty() || self.metrics.contains(metric)
    }

    /// The streams that are asked for.
    pub(super) fn streams(&self, catalog: &Catalog) -> Vec<u32> {
        catalog
            .of_device(&self.device)
            .filter(|(_, s)| self.stream.as_ref().is_none_or(|wanted| s.stream == *wanted))
            .map(|(id, _)| id)
            .collect()
    }

    /// What the answers are ordered by.
    pub(super) const fn key(&self, taken_at: Timestamp, origin: Origin) -> Key {
        let key = Key(taken_at.0, origin.seq, origin.index);
        // Turned round, the greatest comes first.
        if self.newest_first { Key(!key.0, !key.1, !key.2) } else { key }
    }

    /// Whether a reading of this time and origin is asked for.
    pub(super) fn takes(&self, taken_at: Timestamp, origin: Origin) -> bool {
        let beyond = |(t, o)| self.key(taken_at, origin) > self.key(t, o);
        taken_at >= self.from && taken_at < self.to && self.after.is_none_or(beyond)
    }

    /// Leaves only the wanted metrics; `None` when none of them is there.
    pub(super) fn only(&self, mut r: Reading) -> Option<Reading> {
        if !self.metrics.is_empty() {
            r.values.retain(|m| self.metrics.contains(&m.metric));
            if r.values.is_empty() {
                return None;
            }
        }
        Some(r)
    }
}

/// Time taken and origin, or both turned round.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
pub(super) struct Key(pub(super) i64, u64, u16);
