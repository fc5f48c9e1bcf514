//! `orderly decode`: payloads in, readings out, a line for each; no daemon needed.

use std::borrow::Cow;
use std::io::{BufRead, BufWriter, Write};
use std::sync::Arc;

use orderly_core::codec::wrap::{from_base64, from_hex};
use orderly_core::ids::FirmwareId;
use orderly_core::profile::{Codec, Decoded, Input, NO_FIRMWARE, Profile};
use orderly_core::reading::Measured;
use orderly_core::record::Flags;
use orderly_core::time::{Clock, Timestamp};
use orderly_core::value::Value;
use serde::Deserialize;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::json;
use serde_json::value::RawValue;

use super::args::{Decode, PayloadFormat};
use super::{Context, Failure};
use crate::runtime::clock::SystemClock;
use crate::runtime::texts::{gather, read_profile};

/// Longest line that is read.
const MOST_BYTES: usize = 4 << 20;

/// A line of JSON that says more about a payload than the payload itself.
#[derive(Debug, Deserialize)]
struct Described<'l> {
    /// The payload: a text, a list of bytes, or any other JSON, which is then the payload itself.
    #[serde(borrow)]
    payload: &'l RawValue,
    /// How the text is to be taken: `hex`, `base64` or `text`; without it as for plain lines.
    format: Option<PayloadFormat>,
    #[serde(alias = "fPort", alias = "f_port")]
    fport: Option<u8>,
    #[serde(borrow)]
    topic: Option<Cow<'l, str>>,
}

/// A text that is taken as it stands where nothing in it is escaped.
#[derive(Debug, Deserialize)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

/// Decodes what comes on standard input, line by line.
pub fn decode(context: &Context, what: &Decode) -> Result<(), Failure> {
    let profile = profile(context, &what.profile)?;
    if let Codec::Registers(_) = profile.codec() {
        let name = &what.profile;
        return Err(Failure::Other(format!("{name} is polled; its registers come in no payload")));
    }
    let profile = Arc::new(profile);
    let reader = profile.for_firmware(what.firmware.as_ref());
    let format = what.format.unwrap_or(match reader.reads_bytes() {
        true => PayloadFormat::Hex,
        false => PayloadFormat::Text,
    });
    let own = format!("orderly/v1/main/{}/test-0001/up/{}", profile.class(), profile.stream());
    let now = SystemClock::start().map_err(Failure::because)?.now().wall;
    let one = One {
        profile: &profile,
        firmware: what.firmware.as_ref(),
        format,
        port: what.fport,
        topic: what.topic.as_deref().unwrap_or(&own),
        now,
    };

    let mut input = std::io::stdin().lock();
    let mut output = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let mut line = Vec::new();
    let mut number = 0_u64;
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line).map_err(Failure::because)? == 0 {
            break;
        }
        number += 1;
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            continue;
        }
        let readings = match text.len() {
            long if long > MOST_BYTES => Err(("malformed", format!("the line has {long} bytes"))),
            _ if what.jsonl => one.described(text),
            _ => one.plain(text),
        };
        if write(&mut output, number, readings).is_err() {
            // Whoever reads has seen enough.
            return Ok(());
        }
    }
    output.flush().map_err(Failure::because)
}

/// The profile with this name, or in this file.
pub(super) fn profile(context: &Context, wanted: &str) -> Result<Profile, Failure> {
    let texts = gather(&context.load()?.settings);
    let known = texts.as_ref().ok().and_then(|texts| {
        texts.profiles.iter().find(|(id, _)| id.as_str() == wanted).map(|(_, (file, _))| file)
    });
    let (text, name) = match known {
        Some(file) => (file.text.clone(), file.name.clone()),
        None => {
            let text = read_profile(wanted.as_ref()).map_err(|error| {
                Failure::Other(format!("{wanted}: no profile has this name, and as a file: {error}"))
            })?;
            (text, wanted.to_owned())
        }
    };
    Profile::parse(&text, &name)
        .map_err(|found| Failure::Other(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

/// How one payload is decoded.
struct One<'p> {
    profile: &'p Profile,
    firmware: Option<&'p FirmwareId>,
    format: PayloadFormat,
    port: Option<u8>,
    topic: &'p str,
    now: Timestamp,
}

type Readings = Result<Vec<Decoded>, (&'static str, String)>;

impl One<'_> {
    fn plain(&self, text: &[u8]) -> Readings {
        let payload = bytes(self.format, text)?;
        self.decode(&payload, self.topic, self.port)
    }

    fn described(&self, line: &[u8]) -> Readings {
        let described: Described = serde_json::from_slice(line)
            .map_err(|error| ("malformed", format!("expected {{\"payload\":..,\"fport\":..}}: {error}")))?;
        let raw = described.payload.get();
        let payload = match raw.as_bytes().first() {
            Some(b'"') => {
                let Text(text) =
                    serde_json::from_str(raw).map_err(|error| ("malformed", error.to_string()))?;
                Cow::Owned(bytes(described.format.unwrap_or(self.format), text.as_bytes())?)
            }
            Some(b'[') => Cow::Owned(
                serde_json::from_str(raw)
                    .map_err(|error| ("malformed", format!("the payload is no list of bytes: {error}")))?,
            ),
            // A JSON payload may stand there as it is.
            _ => Cow::Borrowed(raw.as_bytes()),
        };
        let topic = described.topic.as_deref().unwrap_or(self.topic);
        self.decode(&payload, topic, described.fport.or(self.port))
    }

    fn decode(&self, payload: &[u8], address: &str, port: Option<u8>) -> Readings {
        let input = Input { address, payload, received_at: self.now, flags: Flags::default() };
        self.profile.decode_on_port(input, port, self.firmware).map_err(|error| match error.code {
            NO_FIRMWARE => {
                (error.code, "no version of the firmware is told; say it with --firmware".to_owned())
            }
            code => (code, error.reason),
        })
    }
}

fn bytes(format: PayloadFormat, text: &[u8]) -> Result<Vec<u8>, (&'static str, String)> {
    let refuse = |error: String| ("malformed", error);
    match format {
        PayloadFormat::Hex => from_hex(text).map_err(|error| refuse(error.to_string())),
        PayloadFormat::Base64 => from_base64(text).map_err(|error| refuse(error.to_string())),
        PayloadFormat::Bytes => serde_json::from_slice(text)
            .map_err(|error| refuse(format!("expected a list of bytes like [1, 255]: {error}"))),
        PayloadFormat::Text => Ok(text.to_vec()),
    }
}

/// One line for each reading, or one for what is wrong.
fn write(out: &mut impl Write, line: u64, readings: Readings) -> std::io::Result<()> {
    match readings {
        Err((code, reason)) => {
            serde_json::to_writer(
                &mut *out,
                &json!({ "line": line, "error": { "code": code, "message": reason } }),
            )?;
            out.write_all(b"\n")
        }
        Ok(readings) => readings.iter().try_for_each(|reading| {
            serde_json::to_writer(&mut *out, &Shown(line, reading))?;
            out.write_all(b"\n")
        }),
    }
}

/// One reading with the line that it comes from.
struct Shown<'r>(u64, &'r Decoded);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(line, reading) = self;
        let mut all = serializer.serialize_map(None)?;
        all.serialize_entry("line", line)?;
        if let Some(device) = &reading.device {
            all.serialize_entry("device", device.as_str())?;
        }
        all.serialize_entry("stream", reading.stream.as_str())?;
        if let Some(time) = reading.device_time {
            all.serialize_entry("device_time", &time.to_string())?;
        }
        if let Some(sequence) = reading.sequence {
            all.serialize_entry("sequence", &sequence)?;
        }
        all.serialize_entry("values", &Values(&reading.values))?;
        all.end()
    }
}

/// Values by metric.
struct Values<'r>(&'r [Measured]);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_map(Some(self.0.len()))?;
        for measured in self.0 {
            all.serialize_entry(measured.metric.as_str(), &OneValue(measured))?;
        }
        all.end()
    }
}

/// One value with what is known about it.
struct OneValue<'r>(&'r Measured);

impl Serialize for OneValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(measured) = self;
        let mut one = serializer.serialize_map(None)?;
        match &measured.value {
            Value::Number(number) => one.serialize_entry("value", number)?,
            Value::State(text) | Value::Text(text) => one.serialize_entry("value", &**text)?,
            Value::Missing(missing) => {
                one.serialize_entry("value", &())?;
                one.serialize_entry("missing", missing)?;
            }
        }
        if !measured.unit.is_empty() {
            one.serialize_entry("unit", &*measured.unit)?;
        }
        one.serialize_entry("quality", &measured.quality)?;
        if let Some(reason) = &measured.reason {
            one.serialize_entry("reason", reason)?;
        }
        if let Some(raw) = &measured.raw {
            one.serialize_entry("raw", &**raw)?;
        }
        one.end()
    }
}
