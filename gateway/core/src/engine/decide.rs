//! Deciding on one decoded reading: epoch, time, repeat or new, marks; then twin and rules.

use crate::dedupe::{Identity, Verdict};
use crate::ids::{StreamId, ZoneId};
use crate::output::Counts;
use crate::profile::{Decoded, DedupeBy, Half, Profile, Taken};
use crate::reading::{Marks, Origin, Reading};
use crate::record::{Flags, Record, Seq};
use crate::time::Timestamp;
use crate::twin::{Disbelief, MAX_STREAMS, StreamTwin};

use super::Engine;
use super::input::boot_hash;
use super::join::{other_half, with_waiting};
use super::parts::{Part, Parts};
use super::prepared::Item;
use super::register::{Chain, Device};

/// How a device's time was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) taken_at: Timestamp,
    pub(super) marks: Marks,
    /// Why the device time does not move the watermark; `None`: it does.
    pub(super) disbelief: Option<Disbelief>,
}

/// Resolves the time of a reading (DESIGN section 3, Time).
pub(super) fn resolve(
    device_time: Option<Timestamp>,
    taken: Taken,
    received_at: Timestamp,
    commissioned_at: Option<Timestamp>,
    profile: &Profile,
    retained: bool,
) -> Moment {
    let millis = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    let suspect = |disbelief| Moment { taken_at: received_at, marks: Marks::CLOCK_SUSPECT, disbelief };
    let from_receipt = match taken {
        Taken::FromReceipt(millis) if !retained => Some(received_at.plus_ms(millis)),
        _ => None,
    };
    let Some(time) = device_time.or(from_receipt) else {
        // A broker keeps a retained message for ever; when it was measured, nobody knows.
        let marks = if retained || taken == Taken::Unknown { Marks::CLOCK_SUSPECT } else { Marks::default() };
        return Moment { taken_at: received_at, marks, disbelief: None };
    };
    if time.since(received_at) > millis(profile.time().max_future_ms) {
        return suspect(Some(Disbelief::Ahead));
    }
    if time < Timestamp::EARLIEST_PLAUSIBLE || commissioned_at.is_some_and(|from| time < from) {
        return suspect(Some(Disbelief::Past));
    }
    if received_at.since(time) > millis(profile.time().max_past_ms) {
        return Moment { taken_at: time, marks: Marks::HISTORY, disbelief: Some(Disbelief::Past) };
    }
    Moment { taken_at: time, marks: Marks::default(), disbelief: None }
}

/// What became of a reading.
pub(super) enum Outcome {
    /// It was kept.
    Kept,
    /// It is a repeat; the device was heard.
    Repeat,
    /// It cannot be kept, with code and reason.
    Refused(&'static str, String),
}

impl Engine {
    /// Decides on one reading of a device on the register.
    pub(super) fn decide(
        &mut self,
        number: usize,
        record: &Record<'_>,
        item: Item,
        seen: &[Reading],
        parts: &mut Parts,
    ) -> Outcome {
        let received_at = record.now.wall;
        let epoch = self.epoch(number, &item.decoded);
        let place = match self.stream(number, &item.decoded.stream, epoch) {
            Ok(place) => place,
            Err(reason) => return Outcome::Refused("too_many_streams", reason),
        };
        let device = self.register.get_mut(number);
        device.twin.streams[place].received_at = received_at;
        if item.decoded.half == Half::Context {
            return self.add_context(number, place, epoch, record, item, seen);
        }
        let Item { index, profile, decoded, .. } = item;
        let origin = Origin { seq: record.seq, index };
        let identity = Identity::new(&decoded, &profile, device.row.device.as_str(), epoch, index);
        let part = parts.stream(number, place, epoch, device.chains.get(place).copied());
        let flags = record.entry.flags;
        let verdict = verdict(&self.batch, device, place, epoch, &identity, seen, &profile, flags, part);
        if verdict == Verdict::Repeat {
            self.batch.counts.repeats += 1;
            self.heard_stream(number, place);
            return Outcome::Repeat;
        }
        let retained = record.entry.flags.has(Flags::RETAINED);
        let (sent, taken) = (decoded.device_time, decoded.taken);
        let moment = resolve(sent, taken, received_at, device.row.commissioned_at, &profile, retained);
        let stream = &device.twin.streams[place];
        let mut marks = moment.marks;
        let mut replaced = None;
        if verdict == Verdict::Conflict {
            let believed = profile.dedupe().replace && !marks.has(Marks::CLOCK_SUSPECT);
            replaced =
                if believed { replaced_by(&self.batch, device, place, epoch, &identity, seen) } else { None };
            marks = marks.with(if replaced.is_some() { Marks::CORRECTION } else { Marks::CONFLICT });
        }
        let behind = decoded.device_time.is_some_and(|time| stream.watermark.is_some_and(|mark| time < mark));
        if behind && moment.disbelief.is_none() && stream.epoch == epoch {
            marks = marks.with(Marks::LATE);
        }
        let sequence = decoded.sequence;
        let mut joined = None;
        if decoded.half == Half::Measurement {
            let chain = device.chains.get(place).copied();
            let other = other_half(&self.batch, chain, epoch, seen, sequence, received_at);
            joined = with_waiting(&profile, &decoded.values, other);
            marks = if joined.is_some() { marks.with(Marks::COMPLETED) } else { marks };
        }
        count(&mut self.batch.counts, marks);
        // A correction is the same act of measuring: in a store outside it overwrites the point that it corrects.
        let (offset_ns, zone) = replaced.unwrap_or_else(|| {
            let bound = self.registry.zone_at(&device.row.device, moment.taken_at);
            (identity.offset_ns, bound.or(device.row.zone.as_ref()).cloned())
        });
        let timeless = identity.device_time.is_none() && identity.sequence.is_none();
        let (values, replaces) = match joined {
            Some((values, replaces)) => (values, Some(replaces)),
            None => (decoded.values, None),
        };
        let reading = Reading {
            origin,
            device: device.row.device.clone(),
            class: device.row.class.clone(),
            epoch,
            stream: stream.stream.clone(),
            device_time: decoded.device_time,
            taken_at: moment.taken_at,
            received_at,
            sequence,
            offset_ns,
            profile: profile.hash(),
            marks,
            replaces,
            zone,
            values,
        };
        let stream = &mut device.twin.streams[place];
        note(stream, &reading, moment.disbelief, timeless.then_some(decoded.payload_hash));
        // Nothing is decided on what a broker kept for an unknown time.
        let of_unknown_age = retained && decoded.device_time.is_none();
        self.keep(number, place, reading, of_unknown_age, record.seq);
        Outcome::Kept
    }

    /// Puts a reading into the batch and lets the rules see it, unless it is history.
    pub(super) fn keep(
        &mut self,
        number: usize,
        place: usize,
        reading: Reading,
        of_unknown_age: bool,
        seq: Seq,
    ) {
        let device = self.register.get_mut(number);
        let stream = &device.twin.streams[place];
        let marks = reading.marks;
        let newest = !marks.has(Marks::HISTORY) && {
            let in_batch = self.batch.newest(device.chains.get(place)).map(|r| (r.epoch, r.taken_at));
            let held = in_batch.or(stream.latest.as_ref().map(|latest| (latest.epoch, latest.taken_at)));
            held.is_none_or(|held| held <= (reading.epoch, reading.taken_at))
        };
        self.batch.push(reading, &mut device.chains[place], newest);
        if !marks.has(Marks::HISTORY) && !of_unknown_age {
            self.run_rules(number, place, seq);
        }
    }

    /// The epoch of a reading: a boot id that was never seen begins a new one.
    fn epoch(&mut self, number: usize, decoded: &Decoded) -> u32 {
        let device = self.register.get_mut(number);
        let Some(boot) = decoded.boot.as_deref().map(boot_hash) else { return device.row.epoch };
        if let Some(epoch) = device.twin.epoch_of(boot) {
            return epoch;
        }
        // The first boot id that a device ever tells names the epoch it is in.
        if !device.twin.boots.is_empty() {
            device.row.epoch += 1;
        }
        let epoch = device.row.epoch;
        device.twin.learn_boot(boot, epoch);
        self.touch_row(number);
        epoch
    }

    /// The place of a stream in the twin; a new one is added while there is room.
    fn stream(&mut self, number: usize, name: &StreamId, epoch: u32) -> Result<usize, String> {
        let device = self.register.get_mut(number);
        let place = match device.twin.stream(name.as_str()) {
            Some(place) => place,
            None if device.twin.streams.len() >= MAX_STREAMS => {
                return Err(format!(
                    "{:?} has {MAX_STREAMS} streams already; {name:?} would be one more. \
                     Does a part of the topic change that should not?",
                    device.row.device
                ));
            }
            None => {
                // Most devices have one stream; a vector would make room for four.
                device.twin.streams.reserve_exact(1);
                device.twin.streams.push(StreamTwin::new(name.clone(), epoch));
                device.twin.streams.len() - 1
            }
        };
        if device.chains.len() <= place {
            device.chains.reserve_exact(place + 1 - device.chains.len());
            device.chains.resize(place + 1, Chain::default());
        }
        let stream = &mut device.twin.streams[place];
        if epoch > stream.epoch {
            stream.restart(epoch);
        }
        Ok(place)
    }
}

#[expect(clippy::too_many_arguments, reason = "all that one verdict depends on, named once")]
fn verdict(
    batch: &super::batch::Batch,
    device: &Device,
    place: usize,
    epoch: u32,
    identity: &Identity<'_>,
    seen: &[Reading],
    profile: &Profile,
    flags: Flags,
    part: &mut Part,
) -> Verdict {
    if profile.dedupe().by == DedupeBy::None {
        return Verdict::Different;
    }
    if identity.device_time.is_none() && identity.sequence.is_none() {
        let (dup, reconnect) = (flags.has(Flags::DUP), flags.has(Flags::AFTER_RECONNECT));
        // What a broker kept comes again with every subscription.
        let dup = dup || flags.has(Flags::RETAINED);
        let stream = &device.twin.streams[place];
        let repeat = *part
            .repeat
            .get_or_insert_with(|| stream.is_timeless_repeat(identity.decoded.payload_hash, dup, reconnect));
        return if repeat { Verdict::Repeat } else { Verdict::Different };
    }
    let stream = &device.twin.streams[place];
    let maybe = match (identity.device_time, identity.sequence) {
        _ if stream.epoch != epoch => true,
        (Some(time), _) => stream.may_have_seen(time),
        (None, sequence) => sequence.is_some_and(|sequence| stream.may_have_seen_sequence(sequence)),
    };
    if !maybe {
        return Verdict::Different;
    }
    let chain = match identity.place {
        Some(_) => part.before,
        None => device.chains.get(place).copied(),
    };
    let recent = batch.of_stream(chain).filter(|reading| reading.epoch == epoch);
    if identity.device_time.is_none() {
        // A counter without a clock wraps round: only the nearest reading that had it can be the same.
        let same = recent.chain(seen).filter(|r| r.device_time.is_none() && r.sequence == identity.sequence);
        let same = same.filter(|r| identity.same_place(r));
        return same.max_by_key(|r| r.origin).map_or(Verdict::Different, |r| identity.compare(r));
    }
    let mut worst = Verdict::Different;
    for earlier in recent.chain(seen) {
        worst = worst.max(identity.compare(earlier));
        if worst == Verdict::Repeat {
            break;
        }
    }
    worst
}

/// Where the newest of the readings that a correction replaces is kept outside: the offset of its point, and its zone.
fn replaced_by(
    batch: &super::batch::Batch,
    device: &Device,
    place: usize,
    epoch: u32,
    identity: &Identity<'_>,
    seen: &[Reading],
) -> Option<(u32, Option<ZoneId>)> {
    let chain = device.chains.get(place).copied();
    let recent = batch.of_stream(chain).filter(|reading| reading.epoch == epoch);
    let same = |earlier: &&Reading| {
        earlier.device_time == identity.device_time && !earlier.marks.has(Marks::CLOCK_SUSPECT)
    };
    let newest = recent.chain(seen).filter(same).max_by_key(|earlier| earlier.origin)?;
    Some((newest.offset_ns, newest.zone.clone()))
}

fn count(counts: &mut Counts, marks: Marks) {
    counts.late += u64::from(marks.has(Marks::LATE));
    counts.clock_suspect += u64::from(marks.has(Marks::CLOCK_SUSPECT));
    counts.conflicts += u64::from(marks.has(Marks::CONFLICT));
    counts.corrections += u64::from(marks.has(Marks::CORRECTION));
}

/// Writes a kept reading into its stream.
pub(super) fn note(
    stream: &mut StreamTwin,
    reading: &Reading,
    disbelief: Option<Disbelief>,
    timeless: Option<u64>,
) {
    if stream.epoch == reading.epoch {
        match reading.device_time {
            Some(time) => stream.note_time(time, disbelief),
            None => stream.sequence = stream.sequence.max(reading.sequence),
        }
        if let Some(hash) = timeless {
            stream.note_timeless(hash);
        }
    }
}
