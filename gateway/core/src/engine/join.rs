//! A measurement and its context, two messages of one sequence number, become one reading.
//!
//! Neither waits for the other. A measurement is a reading at once; its context, whenever it comes, takes that reading's
//! place with one that says both. A context that comes first is kept by itself, as history, until the measurement does.
//! Nothing is remembered for it: the other half is looked up among the readings, like a repeat.

use smallvec::SmallVec;

use crate::dedupe::{Identity, same_values};
use crate::ids::StreamId;
use crate::profile::Profile;
use crate::reading::{Marks, Measured, Origin, Reading};
use crate::record::{Flags, Record};
use crate::time::Timestamp;

use super::Engine;
use super::batch::Batch;
use super::decide::{Outcome, note};
use super::prepared::Item;
use super::register::Chain;

/// Halves belong together if one came at most so long after the other. Later the number may be another's: the counter
/// has come round, or the meter was reset and nobody said so.
const WITHIN_MS: i64 = 30 * 24 * 3_600_000;

/// The reading that a half with this sequence belongs to, among those of its stream: the last that has it.
pub(super) fn other_half<'a>(
    batch: &'a Batch,
    chain: Option<Chain>,
    epoch: u32,
    seen: &'a [Reading],
    sequence: Option<u64>,
    received_at: Timestamp,
) -> Option<&'a Reading> {
    let recent = batch.of_stream(chain).filter(|reading| reading.epoch == epoch);
    let same = recent.chain(seen).filter(|reading| sequence.is_some() && reading.sequence == sequence);
    let last = same.max_by_key(|reading| reading.origin)?;
    (received_at.since(last.received_at).abs() <= WITHIN_MS).then_some(last)
}

/// Whether nothing of a reading was measured: it is a context that waits for its measurement.
pub(super) fn is_alone(profile: &Profile, reading: &Reading) -> bool {
    reading.values.iter().all(|measured| profile.is_context(&measured.metric))
}

/// What a measurement says together with a context that came before it, and which reading that was.
pub(super) fn with_waiting(
    profile: &Profile,
    measured: &[Measured],
    other: Option<&Reading>,
) -> Option<(SmallVec<[Measured; 1]>, Origin)> {
    let waiting = other.filter(|other| is_alone(profile, other))?;
    Some((profile.join(measured, &waiting.values), waiting.origin))
}

impl Engine {
    /// Adds a context to its measurement, or keeps it by itself until that comes.
    pub(super) fn add_context(
        &mut self,
        number: usize,
        place: usize,
        epoch: u32,
        record: &Record<'_>,
        item: Item,
        seen: &[Reading],
    ) -> Outcome {
        let Item { index, profile, decoded, .. } = item;
        let (origin, received_at) = (Origin { seq: record.seq, index }, record.now.wall);
        let device = self.register.get(number);
        let offset_ns = Identity::new(&decoded, &profile, device.row.device.as_str(), epoch, index).offset_ns;
        let stream: StreamId = device.twin.streams[place].stream.clone();
        let chain = device.chains.get(place).copied();
        let other = other_half(&self.batch, chain, epoch, seen, decoded.sequence, received_at);
        let reading = match other {
            Some(other) => {
                let values = profile.join(&other.values, &decoded.values);
                if same_values(&values, &other.values) {
                    self.batch.counts.repeats += 1;
                    self.heard_stream(number, place);
                    return Outcome::Repeat;
                }
                let marks = other.marks.with(Marks::COMPLETED);
                let (replaces, profile) = (Some(other.origin), profile.hash());
                Reading { origin, marks, replaces, profile, values, ..other.clone() }
            }
            None => Reading {
                origin,
                device: device.row.device.clone(),
                class: device.row.class.clone(),
                epoch,
                stream,
                device_time: None,
                taken_at: received_at,
                received_at,
                sequence: decoded.sequence,
                offset_ns,
                profile: profile.hash(),
                marks: Marks::HISTORY,
                replaces: None,
                zone: device.row.zone.clone(),
                values: decoded.values,
            },
        };
        if reading.replaces.is_none() {
            note(&mut self.register.get_mut(number).twin.streams[place], &reading, None, None);
        }
        let of_unknown_age = record.entry.flags.has(Flags::RETAINED) && reading.device_time.is_none();
        self.keep(number, place, reading, of_unknown_age, record.seq);
        Outcome::Kept
    }
}
