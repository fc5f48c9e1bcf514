//! The samples of a device that a straggler may replay, in event time.
//!
//! A sample holds only what it changes: most readings repeat most values of the one before.

use std::collections::VecDeque;
use std::collections::vec_deque::Iter;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

use crate::time::Timestamp;

/// Slot and value.
pub type SlotValue = (u8, f64);

/// What the rules see of one reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// When it was taken.
    pub at: Timestamp,
    /// How old it was when it came, in milliseconds.
    pub age_ms: i64,
    /// Which stream of the device.
    pub stream: u8,
    /// The slots that it sets, as bits.
    pub mask: u64,
    /// Those of them whose value differs from the one before.
    pub changed: SmallVec<[SlotValue; 2]>,
}

impl Sample {
    /// Writes the sample's values over what was known before.
    pub fn apply(&self, values: &mut [f64]) {
        for (slot, value) in &self.changed {
            if let Some(known) = values.get_mut(usize::from(*slot)) {
                *known = *value;
            }
        }
    }

    /// Sets a slot, with what was known of it before.
    pub fn set(&mut self, slot: u8, value: f64, known: &mut f64) {
        self.mask |= 1 << slot;
        if known.to_bits() != value.to_bits() {
            self.changed.push((slot, value));
            *known = value;
        }
    }
}

/// The kept samples.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Kept(VecDeque<Sample>);

impl Kept {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// From the first to the last.
    pub fn iter(&self) -> Iter<'_, Sample> {
        self.0.iter()
    }

    /// When the first was taken.
    #[must_use]
    pub fn first_at(&self) -> Option<Timestamp> {
        self.0.front().map(|sample| sample.at)
    }

    /// When the last was taken.
    #[must_use]
    pub fn last_at(&self) -> Option<Timestamp> {
        self.0.back().map(|sample| sample.at)
    }

    /// Adds the last one.
    pub fn push(&mut self, sample: Sample) {
        if self.0.is_empty() {
            // Most devices report seldom: one sample is all they ever keep.
            self.0.reserve_exact(1);
        }
        self.0.push_back(sample);
    }

    /// Takes the first one.
    pub fn pop_first(&mut self) -> Option<Sample> {
        self.0.pop_front()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Puts a straggler in its place. `values` are those before the first sample; those after the last come back.
    pub fn insert(&mut self, mut straggler: Sample, set: &[SlotValue], mut values: Vec<f64>) -> Vec<f64> {
        let place = self.0.partition_point(|kept| kept.at <= straggler.at);
        for sample in self.0.iter().take(place) {
            sample.apply(&mut values);
        }
        // What the later samples said, as they were before the straggler stood in front of them.
        let mut said = values.clone();
        for (slot, value) in set {
            if let Some(known) = values.get_mut(usize::from(*slot)) {
                straggler.set(*slot, *value, known);
            }
        }
        for sample in self.0.iter_mut().skip(place) {
            sample.apply(&mut said);
            let mask = std::mem::take(&mut sample.mask);
            sample.changed.clear();
            for slot in (0..64_u8).filter(|slot| mask >> slot & 1 == 1) {
                let n = usize::from(slot);
                if let (Some(value), Some(known)) = (said.get(n), values.get_mut(n)) {
                    sample.set(slot, *value, known);
                }
            }
        }
        self.0.insert(place, straggler);
        values
    }

    /// The same samples under other slot numbers; what is left of nothing goes.
    #[must_use]
    pub fn renumbered(self, slots: &[Option<usize>]) -> Self {
        let renumber = |mut sample: Sample| {
            let (mask, changed) = (std::mem::take(&mut sample.mask), std::mem::take(&mut sample.changed));
            for (new, old) in (0_u8..).zip(slots) {
                let Some(old) = old.filter(|old| mask >> old & 1 == 1) else { continue };
                sample.mask |= 1 << new;
                sample.changed.extend(
                    changed
                        .iter()
                        .filter(|(slot, _)| usize::from(*slot) == old)
                        .map(|(_, value)| (new, *value)),
                );
            }
            (sample.mask != 0).then_some(sample)
        };
        Self(self.0.into_iter().filter_map(renumber).collect())
    }
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(self.0.len() * 16);
        let (mut at, mut mask) = (0, 0);
        for sample in &self.0 {
            put(&mut bytes, zigzag(sample.at.0.wrapping_sub(at)));
            put(&mut bytes, zigzag(sample.age_ms));
            put(&mut bytes, u64::from(sample.stream));
            // Mostly a device tells the same metrics each time.
            put(&mut bytes, sample.mask ^ mask);
            put(&mut bytes, sample.changed.len() as u64);
            for (slot, value) in &sample.changed {
                bytes.push(*slot);
                bytes.extend_from_slice(&value.to_le_bytes());
            }
            (at, mask) = (sample.at.0, sample.mask);
        }
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
        read(&bytes).ok_or_else(|| serde::de::Error::custom("the kept samples end too early"))
    }
}

fn read(mut bytes: &[u8]) -> Option<Kept> {
    let mut kept = VecDeque::new();
    let (mut at, mut mask) = (0_i64, 0);
    while !bytes.is_empty() {
        at = at.wrapping_add(unzigzag(take(&mut bytes)?));
        let age_ms = unzigzag(take(&mut bytes)?);
        let stream = u8::try_from(take(&mut bytes)?).ok()?;
        mask ^= take(&mut bytes)?;
        let mut changed = SmallVec::new();
        for _ in 0..take(&mut bytes)? {
            let (slot, rest) = bytes.split_first()?;
            let (value, rest) = rest.split_first_chunk()?;
            changed.push((*slot, f64::from_le_bytes(*value)));
            bytes = rest;
        }
        kept.push_back(Sample { at: Timestamp(at), age_ms, stream, mask, changed });
    }
    Some(Kept(kept))
}

const fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)).cast_unsigned()
}

const fn unzigzag(n: u64) -> i64 {
    (n >> 1).cast_signed() ^ -((n & 1).cast_signed())
}

fn put(bytes: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        bytes.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}
