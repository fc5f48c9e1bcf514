//! One stream of a twin: watermark, latest reading, and what else tells repeats from new readings.

use smallvec::SmallVec;

use crate::ids::StreamId;
use crate::reading::{Marks, Measured, Origin, Reading};
use crate::time::Timestamp;
use crate::wire::{DecodeError, Reader};

use super::stream_codec;

/// The most streams that one device may have (DESIGN 7.3).
pub const MAX_STREAMS: usize = 64;

/// How many payloads without time and sequence are remembered, to know them again when they are sent twice.
const MAX_TIMELESS: usize = 64;

/// One stream of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamTwin {
    /// Its name.
    pub stream: StreamId,
    /// The epoch that watermark and counters belong to.
    pub epoch: u32,
    /// The newest device time of a reading whose clock was believed.
    pub watermark: Option<Timestamp>,
    /// The highest sequence among readings without a device time.
    pub sequence: Option<u64>,
    /// Device times that were not believed.
    pub odd: Option<Box<Odd>>,
    /// Hashes of the last payloads without time and sequence, oldest first.
    pub timeless: Vec<u32>,
    /// When a record of the stream last came.
    pub received_at: Timestamp,
    /// The reading that was taken last.
    pub latest: Option<Held>,
}

/// A reading that is held until a newer one comes: as bytes, because it is mostly only written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its epoch.
    pub epoch: u32,
    /// When it was taken.
    pub taken_at: Timestamp,
    bytes: Box<[u8]>,
}

impl Held {
    /// Holds a reading.
    #[must_use]
    pub fn new(reading: &Reading) -> Self {
        let mut bytes = Vec::with_capacity(512);
        stream_codec::put_latest(&mut bytes, reading);
        Self { epoch: reading.epoch, taken_at: reading.taken_at, bytes: bytes.into() }
    }

    pub(super) fn of_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (epoch, taken_at) = stream_codec::head(&mut Reader::new(bytes))?;
        Ok(Self { epoch, taken_at, bytes: bytes.into() })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The reading again.
    ///
    /// # Errors
    /// When the bytes are damaged.
    pub fn read(&self) -> Result<Latest, DecodeError> {
        stream_codec::latest(&mut Reader::new(&self.bytes))
    }
}

/// Bounds of the device times that never moved the watermark; a repeat of such a reading must still be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Odd {
    /// The newest among those that were too old.
    pub past: Option<Timestamp>,
    /// The oldest and the newest among those that were ahead.
    pub ahead: Option<(Timestamp, Timestamp)>,
}

/// The reading of a stream that was taken last.
#[derive(Debug, Clone, PartialEq)]
pub struct Latest {
    /// Where it came from.
    pub origin: Origin,
    /// Its epoch.
    pub epoch: u32,
    /// As the device sent it.
    pub device_time: Option<Timestamp>,
    /// As resolved.
    pub taken_at: Timestamp,
    /// When it came.
    pub received_at: Timestamp,
    /// The device's counter.
    pub sequence: Option<u64>,
    /// What was noticed.
    pub marks: Marks,
    /// The values.
    pub values: SmallVec<[Measured; 1]>,
}

/// Why a device time did not move the watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disbelief {
    /// Too far ahead.
    Ahead,
    /// Before anything plausible, or too old to matter now.
    Past,
}

impl StreamTwin {
    /// A stream of which nothing is known.
    #[must_use]
    pub fn new(stream: StreamId, epoch: u32) -> Self {
        Self {
            stream,
            epoch,
            watermark: None,
            sequence: None,
            odd: None,
            timeless: Vec::new(),
            received_at: Timestamp(0),
            latest: None,
        }
    }

    /// Whether an earlier reading of this epoch may have had this device time.
    #[must_use]
    pub fn may_have_seen(&self, time: Timestamp) -> bool {
        self.watermark.is_some_and(|mark| time <= mark)
            || self.odd.as_ref().is_some_and(|odd| {
                odd.past.is_some_and(|past| time <= past)
                    || odd.ahead.is_some_and(|(low, high)| low <= time && time <= high)
            })
    }

    /// Whether an earlier reading without device time may have had this sequence.
    #[must_use]
    pub fn may_have_seen_sequence(&self, sequence: u64) -> bool {
        self.sequence.is_some_and(|mark| sequence <= mark)
    }

    /// Begins anew in another epoch.
    pub fn restart(&mut self, epoch: u32) {
        self.epoch = epoch;
        self.watermark = None;
        self.sequence = None;
        self.odd = None;
        self.timeless.clear();
    }

    /// Notes the device time of a reading that was kept.
    pub fn note_time(&mut self, time: Timestamp, disbelief: Option<Disbelief>) {
        match disbelief {
            None => {
                self.watermark = self.watermark.max(Some(time));
                if let Some(odd) = &mut self.odd
                    && odd.ahead.is_some_and(|(_, high)| Some(high) <= self.watermark)
                {
                    odd.ahead = None;
                }
            }
            Some(Disbelief::Past) => {
                let odd = self.odd.get_or_insert_default();
                odd.past = odd.past.max(Some(time));
            }
            Some(Disbelief::Ahead) => {
                let odd = self.odd.get_or_insert_default();
                let (low, high) = odd.ahead.unwrap_or((time, time));
                odd.ahead = Some((low.min(time), high.max(time)));
            }
        }
    }

    /// Notes a payload without time and sequence, and tells whether it is a repeat.
    ///
    /// After a reconnect alone only the last payload counts: a state that came back to an earlier value
    /// is a new reading and must not be lost.
    pub fn is_timeless_repeat(&self, payload_hash: u64, dup: bool, after_reconnect: bool) -> bool {
        let short = short(payload_hash);
        (dup && self.timeless.contains(&short)) || (after_reconnect && self.timeless.last() == Some(&short))
    }

    /// Remembers a payload without time and sequence.
    pub fn note_timeless(&mut self, payload_hash: u64) {
        let short = short(payload_hash);
        if let Some(place) = self.timeless.iter().position(|known| *known == short) {
            self.timeless.remove(place);
        } else if self.timeless.len() >= MAX_TIMELESS {
            self.timeless.remove(0);
        }
        self.timeless.push(short);
    }
}

/// Half of a hash; enough to tell 64 payloads apart.
const fn short(hash: u64) -> u32 {
    (hash >> 32) as u32
}
