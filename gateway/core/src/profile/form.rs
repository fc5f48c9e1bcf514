//! How the bytes of a message become the JSON document that values are picked from.

use std::borrow::Cow;

use regex::Regex;

use super::gatt::{Gatt, Half};
use super::layout::Place;
use crate::codec::ble::Part;
use crate::codec::document::CodecError;
use crate::codec::javascript::Script;
use crate::codec::json::Locator;
use crate::codec::wrap::Wrap;
use crate::codec::{binary, ble, gatt, packed, senml, table};
use crate::diagnostic::Section;
use crate::time::Timestamp;

/// What the bytes are.
#[derive(Debug)]
pub(super) enum Coder {
    Json,
    Cbor,
    MessagePack,
    SenmlJson,
    SenmlCbor,
    Csv(table::Csv),
    Text(Regex),
    Binary(binary::Layout),
    Gatt(Gatt),
    Advertisement(Part),
    JavaScript(Script),
}

/// The names of the codecs that give documents.
pub(super) const KINDS: [&str; 11] = [
    "json",
    "cbor",
    "msgpack",
    "senml",
    "senml_cbor",
    "csv",
    "text",
    "binary",
    "gatt",
    "ble_advertisement",
    "javascript",
];

/// From payload to document.
#[derive(Debug)]
pub(super) struct Form {
    coder: Coder,
    wrap: Wrap,
    /// One reading for each of these; `None`: the document is one reading.
    pub each: Option<Locator>,
}

impl Form {
    /// Reads `[codec]` of the kind with this place in [`KINDS`].
    pub(super) fn read(section: &Section<'_, '_>, kind: usize) -> Option<Self> {
        let wrap = match section.has("wrap") {
            true => Wrap::numbered(section.choice("wrap", &Wrap::NAMES)?),
            false => Wrap::None,
        };
        let coder = match KINDS[kind] {
            "json" => Coder::Json,
            "cbor" => Coder::Cbor,
            "msgpack" => Coder::MessagePack,
            "senml" => Coder::SenmlJson,
            "senml_cbor" => Coder::SenmlCbor,
            "csv" => Coder::Csv(csv(section)?),
            "text" => Coder::Text(pattern(section)?),
            "binary" => Coder::Binary(binary::Layout::read(section)?),
            "gatt" => Coder::Gatt(Gatt::read(section)?),
            "ble_advertisement" => Coder::Advertisement(match section.has("part") {
                true => Part::numbered(section.choice("part", &Part::NAMES)?),
                false => Part::Whole,
            }),
            _ => Coder::JavaScript(super::script::read(section)?),
        };
        let usual = match &coder {
            Coder::SenmlJson | Coder::SenmlCbor => Some("$.readings[*]"),
            Coder::Csv(_) => Some("$.rows[*]"),
            _ => None,
        };
        let each = match section.has("each") {
            true => Some(section.parsed("each", Locator::items)?),
            false => usual.and_then(|path| Locator::items(path).ok()),
        };
        Some(Self { coder, wrap, each })
    }

    /// Whether payloads of this form are bytes, which a test or a person writes as hexadecimal digits.
    pub(super) const fn is_bytes(&self) -> bool {
        matches!(self.wrap, Wrap::None)
            && matches!(
                self.coder,
                Coder::Cbor
                    | Coder::MessagePack
                    | Coder::SenmlCbor
                    | Coder::Binary(_)
                    | Coder::Gatt(_)
                    | Coder::Advertisement(_)
                    | Coder::JavaScript(_)
            )
    }

    /// Where a document of this form keeps a time that counts from its receipt.
    pub(super) fn relative_time(&self) -> Option<Place> {
        let senml = matches!(self.coder, Coder::SenmlJson | Coder::SenmlCbor);
        senml.then(|| Place::Item("$.relative".to_owned()))
    }

    /// Whether it is a Bluetooth characteristic.
    pub(super) const fn is_gatt(&self) -> bool {
        matches!(self.coder, Coder::Gatt(_))
    }

    /// What is said of Bluetooth characteristics.
    pub(super) const fn gatt(&self) -> Option<&Gatt> {
        match &self.coder {
            Coder::Gatt(gatt) => Some(gatt),
            _ => None,
        }
    }

    /// Whether two messages make one reading.
    pub(super) fn joins(&self) -> bool {
        self.gatt().is_some_and(Gatt::joins)
    }

    /// The document of a payload, of which half of a reading it may be; a JSON payload is its own.
    pub(super) fn document<'a>(
        &self,
        payload: &'a [u8],
        half: Half,
        port: Option<u8>,
        received_at: Timestamp,
    ) -> Result<Cow<'a, [u8]>, CodecError> {
        let bytes = self.wrap.open(payload)?;
        let mut out = Vec::new();
        match &self.coder {
            Coder::Json => return Ok(bytes),
            Coder::Cbor => packed::cbor(&bytes, &mut out),
            Coder::MessagePack => packed::msgpack(&bytes, &mut out),
            Coder::SenmlJson => senml::json(&bytes, &mut out),
            Coder::SenmlCbor => senml::cbor(&bytes, &mut out),
            Coder::Csv(settings) => table::csv(settings, &bytes, &mut out),
            Coder::Text(pattern) => table::text(pattern, &bytes, &mut out),
            Coder::Binary(layout) => binary::read(layout, &bytes, port, &mut out),
            Coder::Gatt(gatt) => gatt::read(gatt.of(half), &bytes, &mut out),
            Coder::Advertisement(part) => ble::read(*part, &bytes, &mut out),
            Coder::JavaScript(script) => script.decode(&bytes, port, received_at, &mut out),
        }?;
        Ok(Cow::Owned(out))
    }
}

fn csv(section: &Section<'_, '_>) -> Option<table::Csv> {
    let separator = match section.text("separator").unwrap_or(",").as_bytes() {
        [byte] => *byte,
        _ => {
            section.wrong("separator", "expected one ASCII character", None);
            return None;
        }
    };
    let columns = if section.has("columns") { section.texts("columns")? } else { Vec::new() };
    Some(table::Csv { separator, columns: columns.into_iter().map(str::to_owned).collect() })
}

fn pattern(section: &Section<'_, '_>) -> Option<Regex> {
    section.need_text("pattern")?;
    let pattern = section.parsed("pattern", |text| Regex::new(text).map_err(|error| error.to_string()))?;
    if pattern.capture_names().flatten().next().is_none() {
        let hint = "for instance \"T=(?<temp>[0-9.]+)\"".to_owned();
        section.wrong("pattern", "no group has a name, so nothing can be picked", Some(hint));
        return None;
    }
    Some(pattern)
}

/// What a network server or a gateway put around the device's payload.
#[derive(Debug)]
pub(super) struct Envelope {
    data: Locator,
    /// Where the payload stands, in any shape.
    payload: Vec<String>,
    /// The data is a JSON value, not a text with bytes in it.
    json: bool,
    wrap: Wrap,
    port: Option<Locator>,
}

/// An envelope that is known by name: where its things stand.
struct Known {
    name: &'static str,
    data: &'static str,
    object: &'static str,
    port: &'static str,
    device: &'static str,
    time: &'static str,
    sequence: &'static str,
    boot: &'static str,
}

/// ChirpStack v4 `application/+/device/+/event/up`, and The Things Stack v3 `v3/+/devices/+/up`. A new session
/// (new device address) begins the frame counter anew.
const KNOWN: [Known; 2] = [
    Known {
        name: "chirpstack",
        data: "$.data",
        object: "$.object",
        port: "$.fPort",
        device: "$.deviceInfo.devEui",
        time: "$.time",
        sequence: "$.fCnt",
        boot: "$.devAddr",
    },
    Known {
        name: "tts",
        data: "$.uplink_message.frm_payload",
        object: "$.uplink_message.decoded_payload",
        port: "$.uplink_message.f_port",
        device: "$.end_device_ids.device_id",
        time: "$.uplink_message.received_at",
        sequence: "$.uplink_message.f_cnt",
        boot: "$.end_device_ids.dev_addr",
    },
];

/// Places that an envelope gives where the profile says nothing else.
#[derive(Debug, Default)]
pub(super) struct Usual {
    pub device: Option<Place>,
    pub time: Option<Place>,
    pub sequence: Option<Place>,
    pub boot: Option<Place>,
}

impl Envelope {
    /// Reads `[envelope]`.
    pub(super) fn read(section: &Section<'_, '_>) -> Option<(Self, Usual)> {
        if section.has("kind") {
            let known = &KNOWN[section.choice("kind", &KNOWN.each_ref().map(|known| known.name))?];
            let decoded = section.flag("decoded").unwrap_or(false);
            let locate = |path| Locator::one(path).ok();
            let outer = |path: &str| Some(Place::Outer(path.to_owned()));
            let envelope = Self {
                data: locate(if decoded { known.object } else { known.data })?,
                payload: vec![known.data.to_owned(), known.object.to_owned()],
                json: decoded,
                wrap: Wrap::Base64,
                port: locate(known.port),
            };
            let usual = Usual {
                device: outer(known.device),
                time: outer(known.time),
                sequence: outer(known.sequence),
                boot: outer(known.boot),
            };
            return Some((envelope, usual));
        }
        section.need_text("data")?;
        let data = section.parsed("data", Locator::one)?;
        let json = section.flag("json").unwrap_or(false);
        let wrap = match section.has("wrap") {
            true => Wrap::numbered(section.choice("wrap", &Wrap::NAMES)?),
            false => Wrap::None,
        };
        let port = if section.has("port") { Some(section.parsed("port", Locator::one)?) } else { None };
        let payload = vec![data.path().to_owned()];
        Some((Self { data, payload, json, wrap, port }, Usual::default()))
    }

    /// The places of the payload, in any shape that the envelope has it in.
    pub(super) fn payload(&self) -> &[String] {
        &self.payload
    }

    /// The payload inside, and the port it came on. The envelope is known to be JSON.
    pub(super) fn open<'a>(&self, envelope: &'a str) -> Result<(Cow<'a, [u8]>, Option<u8>), CodecError> {
        let port = self.port.as_ref().and_then(|port| port.value(envelope)?.parse().ok());
        let missing = || CodecError::whole(format!("the envelope holds nothing at {}", self.data.path()));
        let data = self.data.value(envelope).filter(|data| *data != "null").ok_or_else(missing)?;
        if self.json {
            return Ok((Cow::Borrowed(data.as_bytes()), port));
        }
        let text: Cow<'a, str> = serde_json::from_str(data)
            .map_err(|_| CodecError::whole(format!("the envelope holds no text at {}", self.data.path())))?;
        let bytes = match (self.wrap, text) {
            (Wrap::None, text) => Cow::Owned(text.into_owned().into_bytes()),
            (wrap, text) => Cow::Owned(wrap.open(text.as_bytes())?.into_owned()),
        };
        Ok((bytes, port))
    }
}
