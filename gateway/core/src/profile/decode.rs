//! From a payload to readings.

use std::sync::Arc;

use smallvec::SmallVec;

use super::layout::{Picker, in_line, in_poll};
use super::{DecodeError, Decoded, DedupeBy, Input, Profile, short_hash};
use crate::codec::json::Picked;
use crate::codec::line::{Line, LineError, Precision, parse};
use crate::codec::registers::Blocks;
use crate::codec::{Sent, cut};
use crate::ids::{Id, StreamId};
use crate::time::Timestamp;
use crate::topic::PREFIX;

pub(super) fn decode(profile: &Profile, input: Input<'_>) -> Result<Vec<Decoded>, DecodeError> {
    match &profile.layout.picker {
        Picker::Json(paths) => {
            let picked = paths.pick(input.payload).map_err(DecodeError::malformed)?;
            Ok(vec![assemble(profile, input.address, input.payload, &picked, None)?])
        }
        Picker::Line(_) => {
            let precision = Precision::of_address(input.address);
            let lines =
                parse(input.payload, precision).map_err(|errors| DecodeError::malformed(show(&errors)))?;
            if lines.is_empty() {
                return Err(DecodeError::malformed("there is no line in the payload"));
            }
            lines.iter().map(|one| line(profile, one, input.address)).collect()
        }
        Picker::Registers(places) => {
            let blocks = Blocks::parse(input.payload).map_err(DecodeError::malformed)?;
            let picked: Picked<'_> = places.iter().map(|place| in_poll(&blocks, place)).collect();
            Ok(vec![assemble(profile, input.address, input.payload, &picked, None)?])
        }
    }
}

/// Decodes one line of line protocol.
pub(super) fn line(profile: &Profile, line: &Line<'_>, address: &str) -> Result<Decoded, DecodeError> {
    let Picker::Line(places) = &profile.layout.picker else {
        return Err(DecodeError::bad_field("the profile does not read line protocol"));
    };
    if !profile.reads(line) {
        let measurement = profile.matching.measurement.as_deref().unwrap_or_default();
        let found = cut(&line.measurement);
        return Err(DecodeError {
            code: "no_profile",
            reason: format!("line {}: {found:?} is not {measurement:?} with the profile's tags", line.number),
        });
    }
    let picked: Picked<'_> = places.iter().map(|place| in_line(line, place)).collect();
    let time = line.time_ns.map(|ns| Timestamp(ns.div_euclid(1_000_000)));
    assemble(profile, address, line.raw.as_bytes(), &picked, time)
        .map_err(|error| DecodeError { reason: format!("line {}: {}", line.number, error.reason), ..error })
}

fn show(errors: &[LineError]) -> String {
    errors.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Makes one reading of what was picked out of a payload, in the order of the layout.
fn assemble(
    profile: &Profile,
    address: &str,
    payload: &[u8],
    picked: &[Sent<'_>],
    line_time: Option<Timestamp>,
) -> Result<Decoded, DecodeError> {
    let layout = &profile.layout;
    let at = |slot: Option<usize>| slot.and_then(|slot| picked.get(slot)).unwrap_or(&Sent::Absent);

    let mut values = SmallVec::with_capacity(profile.metrics.len());
    for (metric, sent) in profile.metrics.iter().zip(picked) {
        metric.measure(sent, &mut values)?;
    }
    if values.is_empty() {
        return Err(DecodeError::bad_field("none of the profile's metrics is in the payload"));
    }
    for check in &profile.checks {
        check.apply(&profile.metrics, picked, &mut values);
    }
    let device_time = match layout.time {
        None => line_time,
        Some(_) => profile
            .time
            .resolve(at(layout.time))
            .map_err(|why| DecodeError::bad_field(format!("the device's time: {why}")))?,
    };
    let (device, topic_stream) = whose(profile, address);
    let device = match text_of(at(layout.device), "device")? {
        Some(name) => Some(name_of(&name, "device")?),
        None => device.map(|name| name_of(name, "device")).transpose()?,
    };
    let stream = match (topic_stream, at(layout.stream)) {
        (Some(stream), _) => stream_of(profile, stream)?,
        (None, sent) => match text_of(sent, "stream")? {
            Some(stream) => stream_of(profile, &stream)?,
            None => layout.default_stream.clone(),
        },
    };
    let sequence = sequence_of(at(layout.sequence))?;
    let counted = sequence.is_some() && profile.dedupe.by == DedupeBy::Sequence;
    Ok(Decoded {
        device,
        stream,
        device_time,
        sequence,
        boot: text_of(at(layout.boot), "boot id")?,
        values,
        payload_hash: if counted { 0 } else { short_hash(payload) },
    })
}

/// The device that a foreign topic names, and the stream that any topic names.
fn whose<'t>(profile: &Profile, address: &'t str) -> (Option<&'t str>, Option<&'t str>) {
    // Whoever registers the device reads the topic in full; here only its last two levels matter.
    if address.starts_with(PREFIX) {
        let (rest, last) = address.rsplit_once('/').unwrap_or(("", address));
        return (None, rest.ends_with("/up").then_some(last));
    }
    match profile.matching.topic.as_ref().and_then(|pattern| pattern.matches(address)) {
        Some(captures) => (captures.get("device"), captures.get("stream")),
        None => (None, None),
    }
}

fn stream_of(profile: &Profile, name: &str) -> Result<StreamId, DecodeError> {
    match &profile.layout.known_stream {
        (known, stream) if **known == *name => Ok(stream.clone()),
        _ => name_of(name, "stream"),
    }
}

fn name_of<K>(name: &str, what: &str) -> Result<Id<K>, DecodeError> {
    Id::new(name).map_err(|error| DecodeError::bad_field(format!("the {what}: {error}")))
}

/// A short text, or a number in its digits.
fn text_of(sent: &Sent<'_>, what: &str) -> Result<Option<Arc<str>>, DecodeError> {
    match sent {
        Sent::Absent | Sent::Null => Ok(None),
        Sent::Text(text) | Sent::Digits(text) if text.len() <= 64 && !text.is_empty() => {
            Ok(Some(Arc::from(text.as_ref())))
        }
        Sent::Whole(n) => Ok(Some(Arc::from(n.to_string()))),
        other => Err(DecodeError::bad_field(format!(
            "the {what}: expected a text of 1 to 64 bytes or a number, found {}",
            other.describe()
        ))),
    }
}

fn sequence_of(sent: &Sent<'_>) -> Result<Option<u64>, DecodeError> {
    let number = match sent {
        Sent::Absent | Sent::Null => return Ok(None),
        Sent::Digits(digits) => digits.parse().ok(),
        Sent::Whole(n) => u64::try_from(*n).ok(),
        _ => None,
    };
    match number {
        Some(n) => Ok(Some(n)),
        None => Err(DecodeError::bad_field(format!(
            "the sequence number: expected a whole number from 0, found {}",
            cut(&sent.describe())
        ))),
    }
}
