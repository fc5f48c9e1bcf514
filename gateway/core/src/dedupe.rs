//! What makes two readings the same: identity, the look-up of an earlier one, and its verdict.
//!
//! There is no time window. A reading newer than its stream's watermark cannot be a repeat; any other is looked
//! up among the readings of an earlier origin, so that every replay gets the same answer.

use crate::ids::{DeviceId, StreamId};
use crate::profile::{Decoded, DedupeBy, Half, Profile};
use crate::reading::{Marks, Measured, Origin, Reading};
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
    /// Two messages make one reading, and only the sequence says which two: readings of it answer whatever their time.
    pub joins: bool,
    /// The place in its message, where time and counter are those of the whole message; only readings at the same
    /// place of theirs answer.
    pub place: Option<u16>,
    /// Only readings of an origin before this one count.
    pub before: Origin,
}

/// The readings that were found for one look-up, in order of origin.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// Every reading for which [`matches`] holds; of those that the sequence alone names at least the last by origin.
    pub readings: Vec<Reading>,
}

/// Whether a stored reading answers a look-up.
///
/// `taken_at` says nothing here: a reading whose clock was suspect keeps its device time and was taken, for
/// all figures, when it was received.
#[must_use]
pub fn matches(lookup: &Lookup, reading: &Reading) -> bool {
    let by_sequence = reading.sequence == lookup.sequence;
    let by_time = reading.device_time == lookup.device_time && (lookup.device_time.is_some() || by_sequence);
    reading.origin < lookup.before
        && reading.epoch == lookup.epoch
        && (by_time || (lookup.joins && by_sequence))
        && lookup.place.is_none_or(|place| place == reading.origin.index)
        && reading.device == lookup.device
        && reading.stream == lookup.stream
}

/// Whether a reading that the engine marked as a correction takes the place of an earlier one: the same act of
/// measuring, told again.
///
/// It names the one that it replaces. One that was told again under the same time replaces all before it: only a time
/// that is believed can say that it is the same; a clock that stands still says it of everything.
#[must_use]
pub fn replaces(correction: &Reading, earlier: &Reading) -> bool {
    if let Some(origin) = correction.replaces {
        return earlier.origin == origin && earlier.device == correction.device;
    }
    correction.marks.has(Marks::CORRECTION)
        && earlier.origin < correction.origin
        && correction.device_time.is_some()
        && earlier.device_time == correction.device_time
        && !earlier.marks.has(Marks::CLOCK_SUSPECT)
        && earlier.epoch == correction.epoch
        && earlier.device == correction.device
        && earlier.stream == correction.stream
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
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// As the device sent it.
    pub device_time: Option<Timestamp>,
    /// The device's counter, where the profile counts by it.
    pub sequence: Option<u64>,
    /// Its place in its message, where time and counter are those of the whole message.
    pub place: Option<u16>,
    /// The reading as decoded.
    pub decoded: &'a Decoded,
    /// The profile that read it.
    pub profile: &'a Profile,
    /// The identity hash, as exported.
    pub offset_ns: u32,
}

impl<'a> Identity<'a> {
    /// The identity of a decoded reading. `index` is its place in the record, the same whenever the record is sent.
    #[must_use]
    pub fn new(decoded: &'a Decoded, profile: &'a Profile, device: &str, epoch: u32, index: u16) -> Self {
        let sequence = decoded.sequence.filter(|_| profile.dedupe().by == DedupeBy::Sequence);
        let mut hash = Fnv::of_stream(device, epoch, decoded.stream.as_str());
        hash.option(decoded.device_time.map(|time| time.0.cast_unsigned()));
        match sequence {
            Some(sequence) => hash.number(sequence),
            None => hash.number(decoded.payload_hash),
        };
        // Where time and counter do not tell the readings of one record apart, only their place does.
        if decoded.by_place || (decoded.device_time.is_none() && sequence.is_none()) {
            hash.number(u64::from(index));
        }
        // A measurement without time and its context have all else in common.
        if decoded.half == Half::Context {
            hash.text("context");
        }
        Self {
            device_time: decoded.device_time,
            sequence,
            place: decoded.by_place.then_some(index),
            decoded,
            profile,
            offset_ns: hash.below_million(),
        }
    }

    /// Compares with an earlier reading of the same device, epoch and stream.
    #[must_use]
    pub fn compare(&self, earlier: &Reading) -> Verdict {
        if earlier.device_time != self.device_time || !self.same_place(earlier) {
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

    /// Whether an earlier reading stood where this one stands, if that matters.
    #[must_use]
    pub fn same_place(&self, earlier: &Reading) -> bool {
        self.place.is_none_or(|place| place == earlier.origin.index)
    }

    /// Under the same profile equal payloads give equal values; under another one the identity hash speaks.
    fn same_payload(&self, earlier: &Reading) -> bool {
        let of_half = |values: &[Measured]| -> Vec<Measured> {
            let told = |m: &&Measured| self.decoded.half.tells(self.profile.is_context(&m.metric));
            values.iter().filter(told).cloned().collect()
        };
        let same = match self.decoded.half {
            Half::Whole => same_values(&earlier.values, &self.decoded.values),
            // What the other message of the reading has added says nothing here.
            Half::Measurement | Half::Context => {
                same_values(&of_half(&earlier.values), &of_half(&self.decoded.values))
            }
        };
        same || (earlier.profile != self.profile.hash() && earlier.offset_ns == self.offset_ns)
    }
}

/// Whether two readings tell the same. A store may give the metrics back in another order and without raw texts.
pub(crate) fn same_values(a: &[Measured], b: &[Measured]) -> bool {
    let same =
        |a: &Measured, b: &Measured| a.metric == b.metric && a.value == b.value && a.quality == b.quality;
    a.len() == b.len()
        && (a.iter().zip(b).all(|(a, b)| same(a, b)) || a.iter().all(|a| b.iter().any(|b| same(a, b))))
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

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::value::{Quality, Value};

    fn measured(metric: &str, value: f64, raw: Option<&str>) -> Measured {
        Measured {
            metric: metric.parse().unwrap(),
            value: Value::Number(value),
            unit: "".into(),
            quality: Quality::Good,
            reason: None,
            raw: raw.map(Into::into),
        }
    }

    #[test]
    fn the_same_is_the_same_in_any_order_and_without_raw_texts() {
        let a = [measured("sys", 120.0, Some("120")), measured("dia", 80.0, None)];
        let b = [measured("dia", 80.0, None), measured("sys", 120.0, None)];
        assert!(same_values(&a, &b));
        assert!(!same_values(&a, &b[..1]));
        assert!(!same_values(&a, &[measured("dia", 81.0, None), measured("sys", 120.0, None)]));
    }

    #[test]
    fn a_look_up_asks_by_time_or_else_by_sequence() {
        let reading = Reading {
            origin: Origin { seq: 5, index: 0 },
            device: "d".parse().unwrap(),
            class: "c".parse().unwrap(),
            epoch: 1,
            stream: "s".parse().unwrap(),
            device_time: Some(Timestamp(9)),
            taken_at: Timestamp(70),
            received_at: Timestamp(70),
            sequence: Some(3),
            offset_ns: 0,
            profile: 0,
            marks: crate::reading::Marks::CLOCK_SUSPECT,
            replaces: None,
            zone: None,
            values: smallvec![],
        };
        let lookup = Lookup {
            device: "d".parse().unwrap(),
            epoch: 1,
            stream: "s".parse().unwrap(),
            device_time: Some(Timestamp(9)),
            sequence: None,
            joins: false,
            place: None,
            before: Origin { seq: 6, index: 0 },
        };
        assert!(matches(&lookup, &reading));
        assert!(
            !matches(&Lookup { before: reading.origin, ..lookup.clone() }, &reading),
            "only earlier ones"
        );
        assert!(!matches(&Lookup { device_time: Some(Timestamp(70)), ..lookup.clone() }, &reading));
        assert!(!matches(&Lookup { epoch: 0, ..lookup.clone() }, &reading));
        assert!(!matches(&Lookup { stream: "t".parse().unwrap(), ..lookup.clone() }, &reading));
        assert!(!matches(&Lookup { device: "e".parse().unwrap(), ..lookup.clone() }, &reading));
        assert!(matches(&Lookup { place: Some(0), ..lookup.clone() }, &reading));
        assert!(!matches(&Lookup { place: Some(1), ..lookup.clone() }, &reading));
        let timed = reading.clone();
        let timeless = Reading { device_time: None, ..reading };
        let by_sequence = |n| Lookup { device_time: None, sequence: Some(n), ..lookup.clone() };
        assert!(matches(&by_sequence(3), &timeless) && !matches(&by_sequence(4), &timeless));
        assert!(!matches(&by_sequence(3), &timed));
        let joining = |n| Lookup { joins: true, ..by_sequence(n) };
        assert!(matches(&joining(3), &timed) && matches(&joining(3), &timeless));
        assert!(!matches(&joining(4), &timed));
    }
}
