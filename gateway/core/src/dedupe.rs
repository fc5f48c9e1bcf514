//! What makes two readings the same: identity, the look-up of an earlier one, and its verdict.
//!
//! There is no time window. A reading newer than its stream's watermark cannot be a repeat; any other is looked
//! up among the readings of an earlier origin, so that every replay gets the same answer.

use crate::ids::{DeviceId, StreamId};
use crate::profile::{Decoded, DedupeBy, Profile};
use crate::reading::{Origin, Reading};
use crate::time::Timestamp;

/// Which earlier readings the engine must see before it can decide on one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The device.
    pub device: DeviceId,
    /// The epoch of the device.
    pub epoch: u32,
    /// The stream.
    pub stream: StreamId,
    /// The time that the device sent. `None`: readings without one are asked for, by `sequence`.
    pub device_time: Option<Timestamp>,
    /// The device's counter; it matters only where there is no device time.
    pub sequence: Option<u64>,
    /// Only readings of an origin before this one count.
    pub before: Origin,
}

/// The readings that were found for one look-up, in order of origin.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// Every reading for which [`matches`] holds.
    pub readings: Vec<Reading>,
}

/// Whether a stored reading answers a look-up.
///
/// `taken_at` says nothing here: a reading whose clock was suspect keeps its device time and was taken, for
/// all figures, when it was received.
#[must_use]
pub fn matches(lookup: &Lookup, reading: &Reading) -> bool {
    reading.origin < lookup.before
        && reading.epoch == lookup.epoch
        && reading.device_time == lookup.device_time
        && (lookup.device_time.is_some() || reading.sequence == lookup.sequence)
        && reading.device == lookup.device
        && reading.stream == lookup.stream
}

/// What the engine concludes from one earlier reading that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// They have nothing to do with each other.
    Different,
    /// Same time, other values, and no sequence to tell them apart.
    Conflict,
    /// The later one is the earlier one, sent again.
    Repeat,
}

/// What identifies a reading besides device, epoch and stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Identity<'a> {
    /// As the device sent it.
    pub device_time: Option<Timestamp>,
    /// The device's counter, where the profile counts by it.
    pub sequence: Option<u64>,
    /// The reading as decoded.
    pub decoded: &'a Decoded,
    /// Hash of the profile text that read it.
    pub profile: u64,
    /// The identity hash, as exported.
    pub offset_ns: u32,
}

impl<'a> Identity<'a> {
    /// The identity of a decoded reading. `index` is its place in the record.
    #[must_use]
    pub fn new(decoded: &'a Decoded, profile: &Profile, device: &str, epoch: u32, index: u16) -> Self {
        let sequence = decoded.sequence.filter(|_| profile.dedupe().by == DedupeBy::Sequence);
        let mut hash = Fnv::of_stream(device, epoch, decoded.stream.as_str());
        hash.option(decoded.device_time.map(|time| time.0.cast_unsigned()));
        match sequence {
            Some(sequence) => hash.number(sequence),
            None => hash.number(decoded.payload_hash),
        };
        // Without time and sequence the place in the record is all that tells two equal readings apart.
        if decoded.device_time.is_none() && sequence.is_none() {
            hash.number(u64::from(index));
        }
        Self {
            device_time: decoded.device_time,
            sequence,
            decoded,
            profile: profile.hash(),
            offset_ns: hash.below_million(),
        }
    }

    /// Compares with an earlier reading of the same device, epoch and stream.
    #[must_use]
    pub fn compare(&self, earlier: &Reading) -> Verdict {
        if earlier.device_time != self.device_time {
            return Verdict::Different;
        }
        match (self.device_time, self.sequence) {
            (Some(_), Some(_)) if earlier.sequence == self.sequence => Verdict::Repeat,
            (Some(_), Some(_)) => Verdict::Different,
            (Some(_), None) if self.same_payload(earlier) => Verdict::Repeat,
            (Some(_), None) => Verdict::Conflict,
            // A counter without a clock wraps round; equal values must agree before anything is dropped.
            (None, Some(_)) if earlier.sequence == self.sequence && self.same_payload(earlier) => {
                Verdict::Repeat
            }
            (None, _) => Verdict::Different,
        }
    }

    /// Under the same profile equal payloads give equal values; under another one the identity hash speaks.
    fn same_payload(&self, earlier: &Reading) -> bool {
        earlier.values == self.decoded.values
            || (earlier.profile != self.profile && earlier.offset_ns == self.offset_ns)
    }
}

/// The exported nanoseconds of a stream's readings that are told apart by a counter: they follow from what a
/// store keeps anyway. Agrees with [`Identity::new`].
pub struct CountedOffset(Fnv);

impl CountedOffset {
    /// Of this stream.
    #[must_use]
    pub fn new(device: &DeviceId, epoch: u32, stream: &StreamId) -> Self {
        Self(Fnv::of_stream(device.as_str(), epoch, stream.as_str()))
    }

    /// Of the reading with this time and counter.
    #[must_use]
    pub fn of(&self, device_time: Option<Timestamp>, sequence: u64) -> u32 {
        let mut hash = Fnv(self.0.0);
        hash.option(device_time.map(|time| time.0.cast_unsigned())).number(sequence);
        hash.below_million()
    }
}

/// FNV-1a with lengths and tags, finished so that its remainder is even. Its results are on disk and in stores.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn of_stream(device: &str, epoch: u32, stream: &str) -> Self {
        let mut hash = Self::new();
        hash.text(device).number(u64::from(epoch)).text(stream);
        hash
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes()).bytes(&[0])
    }

    fn number(&mut self, n: u64) -> &mut Self {
        self.bytes(&n.to_le_bytes())
    }

    fn option(&mut self, n: Option<u64>) -> &mut Self {
        match n {
            Some(n) => self.bytes(&[1]).number(n),
            None => self.bytes(&[0]),
        }
    }

    fn below_million(&self) -> u32 {
        let mut x = self.0;
        x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        x ^= x >> 33;
        u32::try_from(x % 1_000_000).unwrap_or(0)
    }
}
