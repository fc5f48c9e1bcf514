//! Device profiles: one TOML text per model says how its payloads become readings.
//!
//! A profile is data, checked in full when it is read: every key must be known, units must convert, and its
//! own test vectors must pass.
//!
//! Decoding is pure and decides only what one payload says: units, ranges, states, quality. Clocks, repeats
//! and epochs are the engine's (it knows what came before).

mod check;
mod command;
mod command_text;
mod decode;
mod file;
mod form;
mod gatt;
mod layout;
mod metric;
mod metric_text;
mod overlay;
mod privacy;
mod register;
mod script;
mod suggest;
mod time;
mod variant;
mod vectors;

#[cfg(test)]
mod broken;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::codec::line::Line;
use crate::codec::registers::Register;
use crate::diagnostic::Diagnostic;
use crate::ids::{ClassId, DeviceId, FirmwareId, MetricId, ProfileId, StreamId};
use crate::reading::Measured;
use crate::record::Flags;
use crate::time::Timestamp;
use crate::topic::TopicPattern;

pub use command::{Argument, Command, Fields, Interlock, Takes, Values, Verify, Write, fill};
pub use gatt::Half;
pub use layout::{Codec, Illegal, Poll};
pub use metric::{Label, Metric, MetricKind, Report};
pub use script::{script_file, with_script};
pub use suggest::{Suggestion, suggest};
pub use time::TimeRule;
pub use variant::Variant;

/// The code of a message whose version of the firmware nobody knows.
pub const NO_FIRMWARE: &str = "no_firmware";

/// One device model, ready to decode.
#[derive(Debug)]
pub struct Profile {
    id: ProfileId,
    class: ClassId,
    vendor: String,
    model: String,
    version: String,
    source: Source,
    matching: Matching,
    codec: Codec,
    envelope: Option<form::Envelope>,
    form: Option<form::Form>,
    layout: layout::Layout,
    metrics: Vec<Metric>,
    checks: Vec<check::Check>,
    commands: Vec<Command>,
    time: TimeRule,
    dedupe: Dedupe,
    every_ms: Option<u64>,
    privacy: privacy::Privacy,
    named_only: bool,
    /// Where messages say the version of the firmware.
    told: Option<variant::Told>,
    variants: Vec<Variant>,
    tests: usize,
    hash: u64,
    text: Arc<str>,
}

/// Where the knowledge in a profile comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// The vendor's document, or `Orderly generic model`.
    pub document: String,
    /// Its version.
    pub version: Option<String>,
    /// The section of it.
    pub section: Option<String>,
}

/// Which messages a profile reads, besides those on our own topics of its class.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matching {
    /// Foreign topics; the wildcard `{device}` names the device, `{stream}` the stream.
    pub topic: Option<TopicPattern>,
    /// Line protocol of this measurement.
    pub measurement: Option<String>,
    /// Tags that the line must carry.
    pub tags: Vec<(String, String)>,
}

/// How repeats of a reading are told from new ones (the engine does it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dedupe {
    /// What makes two readings the same.
    pub by: DedupeBy,
    /// A later reading of the same device time replaces the earlier one instead of standing beside it.
    pub replace: bool,
}

/// What makes two readings the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DedupeBy {
    /// The device's own counter.
    Sequence,
    /// Device time and payload.
    TimeAndValue,
    /// A state: telling it twice changes nothing.
    State,
    /// Nothing: every message is a new reading.
    None,
}

/// What is decoded: one message of a device.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Topic or address.
    pub address: &'a str,
    /// The payload.
    pub payload: &'a [u8],
    /// When it came.
    pub received_at: Timestamp,
    /// What the source noticed.
    pub flags: Flags,
}

/// One reading as the payload tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The device, when the payload itself names it (a foreign topic, a tag, a key); else the own topic does.
    pub device: Option<DeviceId>,
    /// The stream.
    pub stream: StreamId,
    /// The time that the device sent.
    pub device_time: Option<Timestamp>,
    /// What is known of the time of measuring without it.
    pub taken: Taken,
    /// The device's own counter.
    pub sequence: Option<u64>,
    /// What the device says about its present run; a new text is a new epoch.
    pub boot: Option<Arc<str>>,
    /// The values, in the order of the profile.
    pub values: SmallVec<[Measured; 1]>,
    /// What the message is of the reading: all, or one of two halves that the sequence joins.
    pub half: Half,
    /// It is one of several readings of a message that have their time and counter in common, or have none: its
    /// place in the message is part of its identity.
    pub by_place: bool,
    /// First eight bytes of the BLAKE3 hash of what was decoded: the whole payload, or the one line or item of it
    /// that has a time of its own. 0 when the device's own counter tells readings apart: then nobody asks for it.
    pub payload_hash: u64,
}

/// What a payload without a device time says about when it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Taken {
    /// Nothing: it was measured when it came. With a device time: then.
    #[default]
    AsSent,
    /// So many milliseconds after it came; before, if negative. It is no part of the identity: sent again, the same
    /// payload would say another time.
    FromReceipt(i64),
    /// The device's clock was set and it cannot say how far.
    Unknown,
}

/// Why a payload goes to quarantine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct DecodeError {
    /// Stable code: `malformed`, `bad_field`, `no_profile` or `no_firmware`.
    pub code: &'static str,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl DecodeError {
    fn malformed(reason: impl std::fmt::Display) -> Self {
        Self { code: "malformed", reason: reason.to_string() }
    }

    fn bad_field(reason: impl Into<String>) -> Self {
        Self { code: "bad_field", reason: reason.into() }
    }
}

impl Profile {
    /// Reads a profile and runs its own tests. `file` names the text in messages. What a site laid over it
    /// ([`crate::overlay`]) applies to the profile that has stood its tests.
    ///
    /// # Errors
    /// Everything that is wrong with it, in order of place.
    pub fn parse(text: &str, file: &str) -> Result<Self, Vec<Diagnostic>> {
        let (base, layers) = crate::overlay::split(text);
        let mut profile = file::parse(base, file)?;
        for layer in &layers {
            overlay::lay_over(&mut profile, *layer)?;
        }
        if !layers.is_empty() {
            profile.hash = short_hash(text.as_bytes());
            profile.text = Arc::from(text);
        }
        Ok(profile)
    }

    /// Decodes one message of no particular device: one that tells no version of the firmware is read by the profile
    /// itself.
    ///
    /// # Errors
    /// When the payload is malformed, or a field that must be there is missing or of the wrong type.
    pub fn decode(&self, input: Input<'_>) -> Result<Vec<Decoded>, DecodeError> {
        self.decode_as_base(input, None)
    }

    /// Decodes one message of a device with this version of the firmware on the register.
    ///
    /// # Errors
    /// As [`Profile::decode`]; and when versions are read differently and neither message nor register tells it.
    pub fn decode_for(
        &self,
        input: Input<'_>,
        registered: Option<&FirmwareId>,
    ) -> Result<Vec<Decoded>, DecodeError> {
        self.decode_on_port(input, None, registered)
    }

    /// Decodes one message whose LoRaWAN port is known from elsewhere; an envelope's own port wins.
    ///
    /// # Errors
    /// As [`Profile::decode_for`].
    pub fn decode_on_port(
        &self,
        input: Input<'_>,
        port: Option<u8>,
        registered: Option<&FirmwareId>,
    ) -> Result<Vec<Decoded>, DecodeError> {
        let reader = self.reader(input, port, registered).ok_or_else(|| DecodeError {
            code: NO_FIRMWARE,
            reason: format!(
                "the profile {:?} reads versions of the firmware differently, and neither the message nor the \
                 register tells a version; enter it with orderly device import, in a list with the columns device and \
                 firmware",
                self.id
            ),
        })?;
        decode::decode(reader, input, port)
    }

    /// Decodes one message; where its version is not known, as the profile itself says and not a variant.
    pub(super) fn decode_as_base(
        &self,
        input: Input<'_>,
        port: Option<u8>,
    ) -> Result<Vec<Decoded>, DecodeError> {
        decode::decode(self.reader(input, port, None).unwrap_or(self), input, port)
    }

    /// Whether a payload is bytes, which people write as hexadecimal digits; otherwise it is text.
    #[must_use]
    pub fn reads_bytes(&self) -> bool {
        self.envelope.is_none() && self.form.as_ref().is_some_and(form::Form::is_bytes)
    }

    /// Whether a line of line protocol is for this profile: its measurement and tags.
    #[must_use]
    pub fn reads(&self, line: &Line<'_>) -> bool {
        let wanted = &self.matching;
        wanted.measurement.as_deref() == Some(line.measurement.as_ref())
            && wanted.tags.iter().all(|(key, value)| line.tag(key) == Some(value))
    }

    /// Decodes one line of line protocol that [`Profile::reads`] has accepted. The doors take lines of many
    /// devices in one body (`Flags::LINE_PROTOCOL`); the engine finds the profile of each.
    ///
    /// # Errors
    /// As [`Profile::decode`].
    pub fn decode_line(&self, line: &Line<'_>, address: &str) -> Result<Decoded, DecodeError> {
        decode::line(self, line, address)
    }

    /// The device that a foreign topic names; `None` when the profile has no pattern or it does not fit.
    #[must_use]
    pub fn device_on<'t>(&self, topic: &'t str) -> Option<&'t str> {
        self.matching.topic.as_ref()?.matches(topic)?.get("device")
    }

    /// The profile's name.
    #[must_use]
    pub fn id(&self) -> &ProfileId {
        &self.id
    }

    /// The device class it is for.
    #[must_use]
    pub fn class(&self) -> &ClassId {
        &self.class
    }

    /// Who makes the device.
    #[must_use]
    pub fn vendor(&self) -> &str {
        &self.vendor
    }

    /// What the maker calls it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Version of the profile.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where the knowledge comes from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Whether a device of its class may be given this profile without naming it: it speaks on our own topics.
    ///
    /// A model that comes through a network server, on a topic of its own, as Bluetooth bytes, or that says
    /// `named_only` is only for devices that are registered with it. So the models of makers stand beside
    /// the one of the class that strangers and bare registrations get.
    #[must_use]
    pub fn is_for_any_of_its_class(&self) -> bool {
        let foreign = self.matching != Matching::default() || self.envelope.is_some();
        let bluetooth = self.form.as_ref().is_some_and(form::Form::is_gatt);
        !(foreign || bluetooth || self.named_only)
    }

    /// Which foreign messages it reads.
    #[must_use]
    pub fn matching(&self) -> &Matching {
        &self.matching
    }

    /// How payloads are written.
    #[must_use]
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// What the device measures, in the order of the text.
    #[must_use]
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    /// What it can be told to do, in the order of the text.
    #[must_use]
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// One metric by name.
    #[must_use]
    pub fn metric(&self, name: &MetricId) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name == *name)
    }

    /// The stream of a reading whose topic and payload name none.
    #[must_use]
    pub const fn stream(&self) -> &StreamId {
        &self.layout.default_stream
    }

    /// Every register that a poll must bring; none for other codecs.
    #[must_use]
    pub fn registers(&self) -> Vec<Register> {
        self.layout.registers()
    }

    /// How the device's clock is read and how far it is believed.
    #[must_use]
    pub fn time(&self) -> &TimeRule {
        &self.time
    }

    /// How repeats are recognised.
    #[must_use]
    pub const fn dedupe(&self) -> Dedupe {
        self.dedupe
    }

    /// The device reports at least this often, in milliseconds; longer silence is an event.
    #[must_use]
    pub const fn every_ms(&self) -> Option<u64> {
        self.every_ms
    }

    /// Metrics whose values are personal information.
    #[must_use]
    pub fn private(&self) -> &[String] {
        &self.privacy.metrics
    }

    /// Whether its payloads say who somebody is: then they are sealed before they are kept.
    #[must_use]
    pub fn holds_identity(&self) -> bool {
        self.privacy.holds_identity()
    }

    /// How many tests it carries, those of its variants included.
    #[must_use]
    pub const fn tests(&self) -> usize {
        self.tests
    }

    /// First eight bytes of the BLAKE3 hash of the text.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }
}

/// First eight bytes of a BLAKE3 hash.
fn short_hash(bytes: &[u8]) -> u64 {
    let mut head = [0; 8];
    head.copy_from_slice(&blake3::hash(bytes).as_bytes()[..8]);
    u64::from_le_bytes(head)
}
