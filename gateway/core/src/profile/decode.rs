//! From a payload to readings.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::form::Form;
use super::gatt::{self, Half};
use super::layout::{Documents, Picker, in_line, in_poll};
use super::variant::Told;
use super::{DecodeError, Decoded, DedupeBy, Input, Profile, Taken, short_hash};
use crate::codec::json::{Paths, Picked};
use crate::codec::line::{Line, LineError, Precision, parse};
use crate::codec::registers::Blocks;
use crate::codec::{Sent, cut};
use crate::ids::{Id, StreamId};
use crate::time::Timestamp;
use crate::topic::PREFIX;

pub(super) fn decode(
    profile: &Profile,
    input: Input<'_>,
    port: Option<u8>,
) -> Result<Vec<Decoded>, DecodeError> {
    match &profile.layout.picker {
        Picker::Document(documents) => document(profile, documents, input, port),
        Picker::Line(_) => {
            let precision = Precision::of_address(input.address);
            let lines =
                parse(input.payload, precision).map_err(|errors| DecodeError::malformed(show(&errors)))?;
            if lines.is_empty() {
                return Err(DecodeError::malformed("there is no line in the payload"));
            }
            let mut readings = lines
                .iter()
                .map(|one| line(profile, one, input.address))
                .collect::<Result<Vec<Decoded>, _>>()?;
            if readings.len() > 1 {
                let mut whole = None;
                let mut hash = || match profile.holds_identity() {
                    false => short_hash(input.payload),
                    true => {
                        let lines: Vec<_> = lines.iter().map(|one| profile.privacy.of_line(one)).collect();
                        short_hash(&lines.concat())
                    }
                };
                let timeless =
                    |reading: &&mut Decoded| reading.device_time.is_none() && !counted(profile, reading);
                // Only the message as a whole can be known again.
                readings
                    .iter_mut()
                    .filter(timeless)
                    .for_each(|one| one.payload_hash = *whole.get_or_insert_with(&mut hash));
            }
            Ok(readings)
        }
        Picker::Registers(places) => {
            let blocks = Blocks::parse(input.payload).map_err(DecodeError::malformed)?;
            let picked: Picked<'_> = places.iter().map(|place| in_poll(&blocks, place)).collect();
            Ok(vec![assemble(profile, input.address, input.payload, &picked, None, Half::Whole)?])
        }
    }
}

/// Decodes a document: out of its envelope, through its codec, item by item when it is split.
fn document(
    profile: &Profile,
    documents: &Documents,
    input: Input<'_>,
    port: Option<u8>,
) -> Result<Vec<Decoded>, DecodeError> {
    let payload = input.payload;
    let envelope_of = |why| DecodeError::malformed(format!("the envelope: {why}"));
    let outside = match &profile.envelope {
        Some(_) => profile.privacy.of_envelope(payload).map_err(envelope_of)?,
        None => Cow::Borrowed(payload),
    };
    // What is picked from around a payload that says who somebody is does not reach into it.
    let beside = match &profile.envelope {
        Some(_) => {
            if profile.holds_identity() {
                // For its check alone: what is blanked is not looked at any more.
                documents.document.pick(payload).map_err(envelope_of)?;
            }
            profile.privacy.of_around(payload).map_err(envelope_of)?
        }
        None => Cow::Borrowed(&payload[..0]),
    };
    let (inner, port, around) = match (&profile.envelope, &documents.outer) {
        (None, _) => (Cow::Borrowed(payload), port, None),
        (Some(envelope), outer) => {
            // Picked even when nothing of it is wanted: that is what checks it.
            let around = outer.as_ref().unwrap_or(&documents.document).pick(&beside);
            let around = around.map_err(envelope_of)?;
            let text = std::str::from_utf8(&outside).map_err(DecodeError::malformed)?;
            let (inner, own_port) = envelope.open(text).map_err(DecodeError::malformed)?;
            (inner, own_port.or(port), outer.is_some().then_some(around))
        }
    };
    let half = half(profile, input.address, &outside)?;
    let text = match &profile.form {
        None => inner,
        Some(form) => {
            let document = form.document(&inner, half, port, input.received_at);
            match document.map_err(DecodeError::malformed)? {
                Cow::Borrowed(_) => inner,
                Cow::Owned(text) => Cow::Owned(text),
            }
        }
    };
    if !profile.holds_identity() {
        return pick(profile, documents, input, half, &text, around);
    }
    // Picked for its check alone; then nothing that is picked or hashed knows who it was.
    documents.document.pick(&text).map_err(DecodeError::malformed)?;
    let text = profile.privacy.of_document(text).map_err(DecodeError::malformed)?;
    // Two messages around equal payloads are two messages.
    let known_by =
        if beside.is_empty() { Cow::Borrowed(&*text) } else { Cow::Owned([&*beside, &*text].concat()) };
    pick(profile, documents, Input { payload: &known_by, ..input }, half, &text, around)
}

/// What a message is of its reading; `outside` is the envelope, where there is one.
fn half(profile: &Profile, address: &str, outside: &[u8]) -> Result<Half, DecodeError> {
    let Some(gatt) = profile.form.as_ref().and_then(Form::gatt) else { return Ok(Half::Whole) };
    let envelope = profile.envelope.as_ref().and_then(|_| std::str::from_utf8(outside).ok());
    gatt.half(address, envelope, profile.matching.topic.as_ref())
}

/// The version of the firmware that a message tells, if it does and can be read.
pub(super) fn firmware(profile: &Profile, told: &Told, input: Input<'_>, port: Option<u8>) -> Option<String> {
    let Picker::Document(documents) = &profile.layout.picker else { return None };
    let said = |paths: &Paths, text: &[u8]| {
        let picked = paths.pick(text).ok()?;
        text_of(picked.first()?, "firmware").ok()?.map(|said| said.to_string())
    };
    match told {
        Told::Topic(name) => {
            let captures = profile.matching.topic.as_ref()?.matches(input.address)?;
            captures.get(name).map(str::to_owned)
        }
        Told::Envelope(paths) => said(paths, &profile.privacy.of_around(input.payload).ok()?),
        Told::Document(paths) => {
            let text = unwrapped(profile, documents, input, port)?;
            documents.document.pick(&text).ok()?;
            said(paths, &profile.privacy.of_document(text).ok()?)
        }
    }
}

/// The document of a message, without its envelope.
fn unwrapped<'a>(
    profile: &Profile,
    documents: &Documents,
    input: Input<'a>,
    port: Option<u8>,
) -> Option<Cow<'a, [u8]>> {
    let (inner, port) = match &profile.envelope {
        None => (Cow::Borrowed(input.payload), port),
        Some(envelope) => {
            // What is no JSON is not opened.
            documents.document.pick(input.payload).ok()?;
            let (inner, own_port) = envelope.open(std::str::from_utf8(input.payload).ok()?).ok()?;
            (inner, own_port.or(port))
        }
    };
    let Some(form) = &profile.form else { return Some(inner) };
    let half = half(profile, input.address, input.payload).ok()?;
    match form.document(&inner, half, port, input.received_at).ok()? {
        Cow::Borrowed(_) => Some(inner),
        Cow::Owned(text) => Some(Cow::Owned(text)),
    }
}

/// Picks the readings out of a document; `around` is what was found in its envelope.
fn pick<'t, 'o: 't>(
    profile: &Profile,
    documents: &Documents,
    input: Input<'_>,
    half: Half,
    text: &'t [u8],
    around: Option<Picked<'o>>,
) -> Result<Vec<Decoded>, DecodeError> {
    let Input { address, payload, .. } = input;
    let mut picked = documents.document.pick(text).map_err(DecodeError::malformed)?;
    lay_over(&mut picked, around);
    of_topic(profile, documents, address, &mut picked);
    let each = profile.form.as_ref().and_then(|form| form.each.as_ref());
    let Some(each) = each else {
        return Ok(vec![assemble(profile, address, payload, &picked, None, half)?]);
    };
    let text = std::str::from_utf8(text).map_err(DecodeError::malformed)?;
    let items = each
        .list(text)
        .ok_or_else(|| DecodeError::bad_field(format!("there is no list at {}", each.path())))?;
    let (layout, mut whole) = (&profile.layout, None);
    let mut readings = Vec::with_capacity(items.len().min(1_000));
    for (place, item) in items.iter().enumerate() {
        let mut all = picked.clone();
        if let Some(paths) = &documents.item {
            lay_over(&mut all, Some(paths.pick(item.as_bytes()).map_err(DecodeError::malformed)?));
        }
        let mut reading = assemble(profile, address, item.as_bytes(), &all, None, half)
            .map_err(|error| DecodeError { reason: format!("item {place}: {}", error.reason), ..error })?;
        let counted = counted(profile, &reading);
        let own =
            if counted { layout.own_sequence } else { layout.own_time && reading.device_time.is_some() };
        if !own {
            // Equal items are then different readings, and it is the message that is sent again.
            reading.by_place = true;
            reading.payload_hash =
                if counted { 0 } else { *whole.get_or_insert_with(|| short_hash(payload)) };
        }
        readings.push(reading);
    }
    match readings.is_empty() {
        true => Err(DecodeError::bad_field(format!("the list at {} is empty", each.path()))),
        false => Ok(readings),
    }
}

/// Puts the wanted wildcards of a foreign topic into their slots.
fn of_topic(profile: &Profile, documents: &Documents, address: &str, picked: &mut Picked<'_>) {
    if documents.topic.is_empty() {
        return;
    }
    let captures = profile.matching.topic.as_ref().and_then(|pattern| pattern.matches(address));
    for (slot, name) in &documents.topic {
        let part = captures.as_ref().and_then(|captures| captures.get(name));
        if let (Some(part), Some(slot)) = (part, picked.get_mut(*slot)) {
            *slot = Sent::Text(Cow::Owned(part.to_owned()));
        }
    }
}

/// Puts what was found in one place over what was found in another; each slot is wanted in one of them only.
fn lay_over<'a, 'o: 'a>(picked: &mut Picked<'a>, over: Option<Picked<'o>>) {
    for (slot, sent) in picked.iter_mut().zip(over.into_iter().flatten()) {
        if sent != Sent::Absent {
            *slot = sent;
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
    assemble(profile, address, &profile.privacy.of_line(line), &picked, time, Half::Whole)
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
    half: Half,
) -> Result<Decoded, DecodeError> {
    let layout = &profile.layout;
    let at = |slot: Option<usize>| slot.and_then(|slot| picked.get(slot)).unwrap_or(&Sent::Absent);

    let mut values = SmallVec::with_capacity(profile.metrics.len());
    for (place, (metric, sent)) in profile.metrics.iter().zip(picked).enumerate() {
        if !half.tells(metric.context) {
            continue;
        }
        let unit = layout.units.iter().find(|(metric, _)| *metric == place).map(|(_, slot)| *slot);
        metric.measure(sent, at(unit), &mut values)?;
    }
    if values.is_empty() {
        return Err(DecodeError::bad_field("none of the profile's metrics is in the payload"));
    }
    for check in &profile.checks {
        check.apply(&profile.metrics, picked, &mut values);
    }
    if half == Half::Measurement {
        values.extend(profile.metrics.iter().filter_map(|metric| metric.untold()));
    }
    let (device_time, taken) = match layout.time {
        // When it was measured, the other message says.
        Some(_) if half == Half::Context => (None, Taken::AsSent),
        None => (line_time, Taken::AsSent),
        Some(_) => profile
            .time
            .resolve_with(at(layout.time), at(layout.time_offset), at(layout.relative))
            .map_err(|why| DecodeError::bad_field(format!("the device's time: {why}")))?,
    };
    let (device, topic_stream) = whose(profile, address);
    // Both halves are of one stream.
    let topic_stream = topic_stream.filter(|_| half == Half::Whole || gatt::own_level(address).is_none());
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
    let mut decoded = Decoded {
        device,
        stream,
        device_time,
        taken,
        sequence,
        boot: text_of(at(layout.boot), "boot id")?,
        values,
        half,
        by_place: false,
        payload_hash: 0,
    };
    if !counted(profile, &decoded) {
        decoded.payload_hash = short_hash(payload);
    }
    Ok(decoded)
}

/// Whether the device's own counter tells this reading from others.
fn counted(profile: &Profile, reading: &Decoded) -> bool {
    reading.sequence.is_some() && profile.dedupe.by == DedupeBy::Sequence
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
