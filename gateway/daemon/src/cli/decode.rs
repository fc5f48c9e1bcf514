//! `orderly decode`: payloads in, readings out, a line for each; no daemon needed.

use std::io::{BufRead, BufWriter, Write};

use orderly_core::codec::wrap::{from_base64, from_hex};
use orderly_core::profile::{Codec, Decoded, Input, Profile};
use orderly_core::record::Flags;
use orderly_core::time::{Clock, Timestamp};
use orderly_core::value::{Missing, Value};
use serde::Deserialize;
use serde_json::{Map, json};

use super::args::{Decode, PayloadFormat};
use super::{Context, Failure};
use crate::runtime::clock::SystemClock;
use crate::runtime::texts::{gather, read_profile};

/// Longest line that is read.
const MOST_BYTES: usize = 4 << 20;

/// A line of JSON that says more about a payload than the payload itself.
#[derive(Debug, Deserialize)]
struct Described {
    /// The payload: a text, or a list of bytes.
    payload: serde_json::Value,
    /// How the text is to be taken: `hex`, `base64` or `text`; without it as for plain lines.
    format: Option<PayloadFormat>,
    #[serde(alias = "fPort", alias = "f_port")]
    fport: Option<u8>,
    topic: Option<String>,
}

/// Decodes what comes on standard input, line by line.
pub fn decode(context: &Context, what: &Decode) -> Result<(), Failure> {
    let profile = profile(context, &what.profile)?;
    let format = what.format.unwrap_or(match profile.reads_bytes() {
        true => PayloadFormat::Hex,
        false => PayloadFormat::Text,
    });
    let own = format!("orderly/v1/main/{}/test-0001/up/{}", profile.class(), profile.stream());
    let now = SystemClock::start().map_err(Failure::because)?.now().wall;
    let one = One {
        profile: &profile,
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
fn profile(context: &Context, wanted: &str) -> Result<Profile, Failure> {
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
    let profile = Profile::parse(&text, &name).map_err(|found| {
        Failure::Other(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    match profile.codec() {
        Codec::Registers(_) => {
            Err(Failure::Other(format!("{name} is polled; its registers come in no payload")))
        }
        Codec::Document | Codec::Line => Ok(profile),
    }
}

/// How one payload is decoded.
struct One<'p> {
    profile: &'p Profile,
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
        let payload = match &described.payload {
            serde_json::Value::String(text) => {
                bytes(described.format.unwrap_or(self.format), text.as_bytes())?
            }
            list @ serde_json::Value::Array(_) => serde_json::from_value(list.clone())
                .map_err(|error| ("malformed", format!("the payload is no list of bytes: {error}")))?,
            // A JSON payload may stand there as it is.
            other => other.to_string().into_bytes(),
        };
        let topic = described.topic.as_deref().unwrap_or(self.topic);
        self.decode(&payload, topic, described.fport.or(self.port))
    }

    fn decode(&self, payload: &[u8], address: &str, port: Option<u8>) -> Readings {
        let input = Input { address, payload, received_at: self.now, flags: Flags::default() };
        self.profile.decode_on_port(input, port).map_err(|error| (error.code, error.reason))
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
            serde_json::to_writer(&mut *out, &shown(line, reading))?;
            out.write_all(b"\n")
        }),
    }
}

fn shown(line: u64, reading: &Decoded) -> Map<String, serde_json::Value> {
    let mut all = Map::new();
    all.insert("line".to_owned(), json!(line));
    if let Some(device) = &reading.device {
        all.insert("device".to_owned(), json!(device.as_str()));
    }
    all.insert("stream".to_owned(), json!(reading.stream.as_str()));
    if let Some(time) = reading.device_time {
        all.insert("device_time".to_owned(), json!(time.to_string()));
    }
    if let Some(sequence) = reading.sequence {
        all.insert("sequence".to_owned(), json!(sequence));
    }
    let values = reading.values.iter().map(|measured| {
        let mut one = Map::new();
        let value = match &measured.value {
            Value::Number(number) => json!(number),
            Value::State(text) | Value::Text(text) => json!(&**text),
            Value::Missing(missing) => {
                one.insert("missing".to_owned(), json!(missing as &Missing));
                json!(null)
            }
        };
        one.insert("value".to_owned(), value);
        if !measured.unit.is_empty() {
            one.insert("unit".to_owned(), json!(&*measured.unit));
        }
        one.insert("quality".to_owned(), json!(measured.quality));
        if let Some(reason) = &measured.reason {
            one.insert("reason".to_owned(), json!(reason));
        }
        if let Some(raw) = &measured.raw {
            one.insert("raw".to_owned(), json!(&**raw));
        }
        (measured.metric.to_string(), serde_json::Value::Object(one))
    });
    all.insert("values".to_owned(), serde_json::Value::Object(values.collect()));
    all
}
