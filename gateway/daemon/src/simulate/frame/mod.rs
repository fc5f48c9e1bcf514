//! How a device dresses what it means: as the profile that it is registered with reads it.
//!
//! Payloads of JSON and registers are written after the shipped profile itself (`document`, `registers`): a new
//! model of that kind needs no code here. Binary payloads have an encoder each, written from the maker's document.

mod advertisement;
mod document;
mod gatt;
mod lorawan;
mod registers;
mod sheet;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::value::{Values, find, number, number_of};
use document::put;
use orderly_core::value::Value;
pub use registers::Registers;
pub(super) use registers::registers;
use sheet::Place;
pub use sheet::{Sheet, shipped};

/// What a device says.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The stream.
    pub stream: &'static str,
    /// When, by the device's own clock.
    pub taken: i64,
    /// What it means.
    pub values: Values,
}

/// A message as it leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The topic.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// The time that it carries.
    pub device_time: Option<i64>,
    /// What of the meaning it carries.
    pub values: Values,
}

/// How one device speaks.
#[derive(Debug)]
pub struct Frame {
    sheet: Arc<Sheet>,
    dress: Dress,
    /// The topic of makers, not ours.
    foreign: Option<String>,
    /// What changes with each start, and where its counter begins: no run repeats the numbers of an earlier one.
    started: i64,
}

#[derive(Debug)]
enum Dress {
    Document,
    Lorawan(lorawan::Body),
    Advertisement(advertisement::Body),
    Pressure,
    Glucose,
}

/// What encoders of bytes make: the bytes, and which metrics are in them.
type Bytes = (Vec<u8>, &'static [&'static str]);

impl Frame {
    /// The frame of a profile for a device that starts now; `None`: nobody wrote an encoder for it.
    /// `broker`: it may use the topics of its maker.
    #[must_use]
    pub fn new(sheet: &Arc<Sheet>, started: i64, broker: bool) -> Option<Self> {
        let dress = match (sheet.codec.as_str(), sheet.characteristic.as_str()) {
            ("gatt", "2a35") => Dress::Pressure,
            ("gatt", "2a18") => Dress::Glucose,
            ("binary", _) => Dress::Lorawan(lorawan::body(&sheet.id)?),
            ("ble_advertisement", _) => Dress::Advertisement(advertisement::body(&sheet.id)?),
            ("json" | "registers", _) => Dress::Document,
            _ => return None,
        };
        // What a cloud pushes comes over HTTP; the simulated one is a device that connects itself.
        let foreign = sheet.topic.clone().filter(|topic| broker && !topic.starts_with("hooks/"));
        Some(Self { sheet: Arc::clone(sheet), dress, foreign, started })
    }

    /// The profile.
    #[must_use]
    pub const fn sheet(&self) -> &Arc<Sheet> {
        &self.sheet
    }

    /// Whether it speaks on a topic of its maker.
    #[must_use]
    pub const fn is_foreign(&self) -> bool {
        self.foreign.is_some()
    }

    /// A name as such devices have.
    #[must_use]
    pub fn name(&self, plain: &str, number: usize) -> String {
        match self.dress {
            Dress::Lorawan(_) => format!("a84041ffff{:06x}", number + 0x51_0000),
            Dress::Advertisement(_) => format!("A4:C1:38:51:00:{number:02X}"),
            _ => plain.to_owned(),
        }
    }

    /// Writes the message number `count` of a device of this site.
    #[must_use]
    pub fn write(&self, site: &str, device: &str, said: &Said, count: u64) -> Written {
        let second = said.taken.div_euclid(1_000) * 1_000;
        let counter = u64::try_from(self.started / 1_000).unwrap_or(0) + count;
        let (payload, mut values, device_time) = match &self.dress {
            Dress::Document => self.document(device, said, counter),
            Dress::Pressure => bytes(gatt::pressure(&said.values, said.taken), &said.values, Some(second)),
            Dress::Glucose => {
                // It counts its measurements in 16 bits.
                let counter = u64::try_from(self.started / 60_000).unwrap_or(0) + count;
                bytes(gatt::glucose(&said.values, said.taken, counter as u16), &said.values, Some(second))
            }
            Dress::Lorawan(body) => {
                let (port, body) = body(&said.values);
                let (inner, values, _) = bytes(body, &said.values, None);
                (lorawan::uplink(device, counter, said.taken, port, &inner), values, Some(second))
            }
            Dress::Advertisement(body) => {
                let (inner, mut values, _) = bytes(body(&said.values), &said.values, None);
                let rssi = number_of(&said.values, "rssi");
                values.push(number("rssi", rssi));
                let report = json!({ "rssi": document::number_of(rssi), "data": hex(&inner) });
                (report.to_string().into_bytes(), values, None)
            }
        };
        for metric in &self.sheet.metrics {
            if let Some(word) = &metric.without
                && find(&values, &metric.name).is_none()
            {
                values.push((metric.name.clone().into(), Value::State(Arc::from(word.as_str()))));
            }
        }
        let topic = match &self.foreign {
            Some(pattern) => self.foreign_topic(pattern, device, said, &mut values),
            None => {
                let class = &self.sheet.class;
                format!("orderly/v1/{site}/{class}/{device}/up/{}", said.stream)
            }
        };
        Written { topic, payload, device_time, values }
    }

    fn document(&self, device: &str, said: &Said, counter: u64) -> (Vec<u8>, Values, Option<i64>) {
        let mut document = companions(&self.sheet.id, device);
        if let Some(path) = &self.sheet.sequence {
            put(&mut document, path, json!(counter));
        }
        if let Some(path) = &self.sheet.boot {
            put(&mut document, path, json!(format!("{:x}", self.started)));
        }
        let values = document::write(&self.sheet, &said.values, &mut document);
        let second = said.taken.div_euclid(1_000);
        let device_time = self.sheet.time.as_ref().map(|(path, format)| {
            let (time, carried) = match format.as_str() {
                "epoch_ms" => (json!(said.taken), said.taken),
                "epoch_s" => (json!(second), second * 1_000),
                _ => (json!(local_time(said.taken)), second * 1_000),
            };
            put(&mut document, path, time);
            carried
        });
        (document.to_string().into_bytes(), values, device_time)
    }

    /// The maker's topic; what stands in it is said too.
    fn foreign_topic(&self, pattern: &str, device: &str, said: &Said, values: &mut Values) -> String {
        let mut topic = pattern.replace("{device}", device).replace("{application}", "1");
        for metric in &self.sheet.metrics {
            if let Place::Topic(wildcard) = &metric.place
                && let Some(Value::State(word)) = find(&said.values, &metric.name)
            {
                topic = topic.replace(&format!("{{{wildcard}}}"), word);
                values.push((metric.name.clone().into(), Value::Text(Arc::clone(word))));
            }
        }
        topic.replace("{reader}", "r-hall")
    }
}

/// Bytes with those of the values that are in them. A word of a text metric comes as bytes too.
fn bytes((bytes, names): Bytes, said: &Values, time: Option<i64>) -> (Vec<u8>, Values, Option<i64>) {
    let carried = said.iter().filter(|(name, _)| names.contains(&&**name)).cloned().collect();
    (bytes, carried, time)
}

/// What a payload of this profile holds beside values: others read it.
fn companions(profile: &str, device: &str) -> Json {
    match profile {
        "openmhealth-blood-pressure" | "openmhealth-blood-glucose" => {
            let kind = profile.trim_start_matches("openmhealth-");
            json!({ "header": {
                "schema_id": { "namespace": "omh", "name": kind, "version": "4.0" },
                "acquisition_provenance": { "source_name": "simulated cloud", "modality": "sensed" },
                "user_id": format!("simulated-{device}"),
            } })
        }
        "theengs-ibeacon" => {
            json!({ "id": device, "mac_type": 1, "model": "iBeacon", "model_id": "IBEACON" })
        }
        _ => json!({}),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A moment as devices in China write it: local time with its offset, in seconds.
fn local_time(ms: i64) -> String {
    local(ms).map_or_else(
        || "1970-01-01T08:00:00+08:00".to_owned(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
    )
}

fn local(ms: i64) -> Option<jiff::Zoned> {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    jiff::Timestamp::from_millisecond(ms).ok().map(|time| time.to_zoned(zone))
}
