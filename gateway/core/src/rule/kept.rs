//! The samples of a device that a straggler may replay, in event time.
//!
//! A sample holds only what it changes: most readings repeat most values of the one before. The samples are held as
//! the bytes that the twin on disk has: mostly they are only written again, and each commit writes all of them.

use smallvec::SmallVec;

use crate::time::Timestamp;
use crate::wire::{DecodeError, Reader, put_number, put_varint, put_zigzag};

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
    pub changed: SmallVec<[SlotValue; 16]>,
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

    /// Appends the sample; its time is the difference to the one before.
    fn put(&self, bytes: &mut Vec<u8>, before: Timestamp) {
        put_zigzag(bytes, self.at.0.wrapping_sub(before.0));
        put_zigzag(bytes, self.age_ms);
        bytes.push(self.stream);
        put_varint(bytes, self.mask);
        bytes.push(u8::try_from(self.changed.len()).unwrap_or(u8::MAX));
        for (slot, value) in self.changed.iter().take(usize::from(u8::MAX)) {
            bytes.push(*slot);
            put_number(bytes, *value);
        }
    }

    fn read(r: &mut Reader<'_>, before: Timestamp) -> Result<Self, DecodeError> {
        let at = Timestamp(before.0.wrapping_add(r.zigzag()?));
        let age_ms = r.zigzag()?;
        let (stream, mask) = (r.u8()?, r.varint()?);
        let mut changed = SmallVec::new();
        for _ in 0..r.u8()? {
            changed.push((r.u8()?, r.number()?));
        }
        Ok(Self { at, age_ms, stream, mask, changed })
    }
}

/// The kept samples, one after the other as bytes.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    bytes: Vec<u8>,
    /// Where the first sample begins; what stands before it was let go.
    begin: u32,
    count: u32,
    /// What the time of the first sample is a difference to.
    before: Timestamp,
    last: Timestamp,
}

impl Kept {
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// From the first to the last.
    pub fn iter(&self) -> impl Iterator<Item = Sample> + '_ {
        let (mut rest, mut before) = (self.rest(), self.before);
        std::iter::from_fn(move || {
            if rest.left() == 0 {
                return None;
            }
            let sample = Sample::read(&mut rest, before).ok()?;
            before = sample.at;
            Some(sample)
        })
    }

    /// When the first was taken.
    #[must_use]
    pub fn first_at(&self) -> Option<Timestamp> {
        let first = self.rest().zigzag().ok()?;
        Some(Timestamp(self.before.0.wrapping_add(first)))
    }

    /// When the last was taken.
    #[must_use]
    pub fn last_at(&self) -> Option<Timestamp> {
        (!self.is_empty()).then_some(self.last)
    }

    /// Adds the last one.
    pub fn push(&mut self, sample: &Sample) {
        if self.is_empty() {
            self.clear();
            self.before = sample.at;
        } else if self.begin as usize > self.bytes.len() / 2 {
            self.bytes.drain(..self.begin as usize);
            self.begin = 0;
        }
        let before = if self.is_empty() { self.before } else { self.last };
        sample.put(&mut self.bytes, before);
        self.last = sample.at;
        self.count += 1;
    }

    /// Takes the first one.
    pub fn pop_first(&mut self) -> Option<Sample> {
        let mut rest = self.rest();
        let sample = Sample::read(&mut rest, self.before).ok()?;
        self.begin = u32::try_from(self.bytes.len() - rest.left()).ok()?;
        self.before = sample.at;
        self.count -= 1;
        Some(sample)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.bytes.clear();
        (self.begin, self.count) = (0, 0);
    }

    /// Puts a straggler in its place. `values` are those before the first sample; those after the last come back.
    pub fn insert(&mut self, mut straggler: Sample, set: &[SlotValue], mut values: Vec<f64>) -> Vec<f64> {
        let mut samples: Vec<Sample> = self.iter().collect();
        let place = samples.partition_point(|kept| kept.at <= straggler.at);
        for sample in samples.iter().take(place) {
            sample.apply(&mut values);
        }
        // What the later samples said, as they were before the straggler stood in front of them.
        let mut said = values.clone();
        for (slot, value) in set {
            if let Some(known) = values.get_mut(usize::from(*slot)) {
                straggler.set(*slot, *value, known);
            }
        }
        for sample in samples.iter_mut().skip(place) {
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
        samples.insert(place, straggler);
        *self = samples.into_iter().collect();
        values
    }

    /// The same samples under other slot numbers; what is left of nothing goes.
    #[must_use]
    pub fn renumbered(&self, slots: &[Option<usize>]) -> Self {
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
        self.iter().filter_map(renumber).collect()
    }

    /// Appends all samples to a blob.
    pub fn put(&self, out: &mut Vec<u8>) {
        let bytes = &self.bytes[self.begin as usize..];
        put_varint(out, u64::from(self.count));
        put_zigzag(out, self.before.0);
        put_varint(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }

    /// Reads what [`Kept::put`] wrote.
    ///
    /// # Errors
    /// When a sample cannot be read.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = u32::try_from(r.varint()?).map_err(|_| DecodeError::Malformed("number of samples"))?;
        let before = Timestamp(r.zigzag()?);
        let n = r.count()?;
        let bytes = r.bytes(n)?;
        let (mut rest, mut last) = (Reader::new(bytes), before);
        for _ in 0..count {
            last = Sample::read(&mut rest, last)?.at;
        }
        if rest.left() > 0 {
            return Err(DecodeError::Malformed("end of the samples"));
        }
        Ok(Self { bytes: bytes.to_vec(), begin: 0, count, before, last })
    }

    fn rest(&self) -> Reader<'_> {
        Reader::new(self.bytes.get(self.begin as usize..).unwrap_or_default())
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.iter().eq(other.iter())
    }
}

impl FromIterator<Sample> for Kept {
    fn from_iter<I: IntoIterator<Item = Sample>>(samples: I) -> Self {
        let mut kept = Self::default();
        for sample in samples {
            kept.push(&sample);
        }
        kept
    }
}
