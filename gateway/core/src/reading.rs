//! A reading: one act of measuring by one device.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::ids::{ClassId, DeviceId, MetricId, StreamId, ZoneId};
use crate::time::Timestamp;
use crate::value::{Quality, Reason, Value};

/// Where a reading came from: the journal record and the place of the reading within it.
///
/// Origins grow with time and are never reused, so stores and sinks replace and back-fill by origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Origin {
    /// Sequence number of the journal record.
    pub seq: u64,
    /// Place among the readings of that record, from 0.
    pub index: u16,
}

/// One metric of a reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What was measured.
    pub metric: MetricId,
    /// The value in the metric's canonical unit.
    pub value: Value,
    /// UCUM code of the canonical unit (`mm[Hg]`, `mmol/L`, `Cel`, `%`); empty for states and texts.
    pub unit: Arc<str>,
    /// How far it can be trusted.
    pub quality: Quality,
    /// Why it is not good; `None` exactly when `quality` is good.
    pub reason: Option<Reason>,
    /// The device's own text, kept where `f64` or a unit conversion is not exact or the value is not good.
    pub raw: Option<Arc<str>>,
}

/// What was noticed about a reading as a whole; a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Marks(pub u8);

impl Marks {
    /// The device's clock cannot be believed; `taken_at` is the time of receipt.
    pub const CLOCK_SUSPECT: Self = Self(1);
    /// Another reading of the same stream has the same device time and other values.
    pub const CONFLICT: Self = Self(2);
    /// Arrived behind its stream's watermark but inside the class's `late` bound.
    pub const LATE: Self = Self(4);
    /// Kept as history only, because it arrived too late for live decisions or is a context without its measurement.
    pub const HISTORY: Self = Self(8);
    /// Replaces an earlier reading of the same device time (profile `correct = replace`).
    pub const CORRECTION: Self = Self(16);
    /// A correction has taken its place. Never stored: a store that is asked for such readings marks them.
    pub const SUPERSEDED: Self = Self(32);
    /// Its context, that came in a message of its own, was added: it takes the place of the reading without it.
    pub const COMPLETED: Self = Self(64);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names of the set bits, for people and JSON.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (Self::CLOCK_SUSPECT, "clock_suspect"),
            (Self::CONFLICT, "conflict"),
            (Self::LATE, "late"),
            (Self::HISTORY, "history"),
            (Self::CORRECTION, "correction"),
            (Self::SUPERSEDED, "superseded"),
            (Self::COMPLETED, "completed"),
        ]
        .into_iter()
        .filter(move |(bit, _)| self.has(*bit))
        .map(|(_, name)| name)
    }
}

/// One act of measuring by one device, as the engine decided it. Nobody decodes or de-duplicates it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Where it came from.
    pub origin: Origin,
    /// The device that measured.
    pub device: DeviceId,
    /// The device's class.
    pub class: ClassId,
    /// The device's epoch: 0, and one more for each boot id change or replacement that was recorded.
    pub epoch: u32,
    /// The stream of the device.
    pub stream: StreamId,
    /// The time as the device sent it, if it sent one.
    pub device_time: Option<Timestamp>,
    /// The time at which it was measured, resolved; what every figure uses.
    pub taken_at: Timestamp,
    /// The time at which the gateway took it in.
    pub received_at: Timestamp,
    /// The device's own counter, if it sent one.
    pub sequence: Option<u64>,
    /// Identity hash modulo 10^6: the nanoseconds that the exported point adds to its millisecond.
    pub offset_ns: u32,
    /// First eight bytes of the BLAKE3 hash of the profile text that read it.
    pub profile: u64,
    /// What was noticed about it.
    pub marks: Marks,
    /// The one reading whose place it takes. Told to those who read decided batches; no store keeps it for long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Origin>,
    /// The zone of the device when it was decided.
    pub zone: Option<ZoneId>,
    /// The values.
    pub values: SmallVec<[Measured; 1]>,
}

impl Reading {
    /// Whether it takes the place of earlier ones; [`crate::dedupe::replaces`] says of which.
    #[must_use]
    pub const fn is_correction(&self) -> bool {
        self.replaces.is_some() || self.marks.has(Marks::CORRECTION) || self.marks.has(Marks::COMPLETED)
    }

    /// Timestamp of the exported point in nanoseconds since 1970 (DESIGN section 4, InfluxDB).
    #[must_use]
    pub const fn export_ns(&self) -> i64 {
        self.taken_at.0.saturating_mul(1_000_000).saturating_add(self.offset_ns as i64)
    }
}
