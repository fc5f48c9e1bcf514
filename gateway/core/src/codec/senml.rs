//! SenML (RFC 8428) in JSON or CBOR: a pack of records with base values, resolved and put together by device and time.
//!
//! The document is `{"readings":[{"device":..,"time":..,"values":{name:value},"units":{name:unit}}]}`. The base name
//! without the separator at its end is the device, the record's own name is the value's; `time` is in seconds since 1970.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::document::{CodecError, Document, is_number};
use crate::time::Timestamp;

/// Below this a time counts from now (RFC 8428, section 4.5.3).
const RELATIVE_BELOW: f64 = 268_435_456.0;
/// Labels of CBOR (RFC 8428, section 6) and their names in JSON.
const LABELS: [(&str, &str); 15] = [
    ("-1", "bver"),
    ("-2", "bn"),
    ("-3", "bt"),
    ("-4", "bu"),
    ("-5", "bv"),
    ("-6", "bs"),
    ("0", "n"),
    ("1", "u"),
    ("2", "v"),
    ("3", "vs"),
    ("4", "vb"),
    ("5", "s"),
    ("6", "t"),
    ("7", "ut"),
    ("8", "vd"),
];

type Record<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Writes a pack, with times that count from now resolved against `received_at`.
///
/// # Errors
/// When it is no pack, or a record has a field that must be understood and is not.
pub fn json(payload: &[u8], received_at: Timestamp, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let records: Vec<Record<'_>> = serde_json::from_slice(payload)
        .map_err(|error| CodecError::whole(format!("this is no SenML pack: {error}")))?;
    resolve(&records, received_at, out)
}

/// As [`json`], of a pack in CBOR.
///
/// # Errors
/// As [`json`].
pub fn cbor(payload: &[u8], received_at: Timestamp, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let mut text = Vec::new();
    super::packed::cbor(payload, &mut text)?;
    let records: Vec<Record<'_>> = serde_json::from_slice(&text)
        .map_err(|error| CodecError::whole(format!("this is no SenML pack: {error}")))?;
    let named = |(label, value): (Cow<'_, str>, _)| {
        let known = LABELS.iter().find(|(number, _)| *number == label).map(|(_, name)| Cow::Borrowed(*name));
        (known.unwrap_or_else(|| Cow::Owned(label.into_owned())), value)
    };
    let records: Vec<Record<'_>> =
        records.into_iter().map(|record| record.into_iter().map(named).collect()).collect();
    resolve(&records, received_at, out)
}

/// What holds from one record to the next.
#[derive(Debug, Default)]
struct Base {
    name: String,
    unit: Option<String>,
    time: f64,
    value: Option<f64>,
    sum: Option<f64>,
}

/// Values of one device at one time.
#[derive(Debug)]
struct Reading {
    device: String,
    time: Option<f64>,
    values: Vec<(String, String)>,
    units: Vec<(String, String)>,
}

fn resolve(records: &[Record<'_>], received_at: Timestamp, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let mut base = Base::default();
    let mut readings: Vec<Reading> = Vec::new();
    for (place, record) in records.iter().enumerate() {
        let refuse = |what: String| CodecError::whole(format!("record {place}: {what}"));
        if let Some(unknown) = record.keys().find(|key| key.ends_with('_')) {
            return Err(refuse(format!("field {unknown:?}: it must be understood, and is not")));
        }
        base.take(record).map_err(refuse)?;
        let (name, values) = base.values(record).map_err(refuse)?;
        if values.is_empty() {
            continue;
        }
        let time = base.time_of(record, received_at).map_err(refuse)?;
        let device = base.name.trim_end_matches([':', '/', '-', '_', '.']).to_owned();
        let unit = text(record, "u").map_err(refuse)?.or_else(|| base.unit.clone());
        let fits = |reading: &&mut Reading| {
            reading.device == device
                && reading.time.map(f64::to_bits) == time.map(f64::to_bits)
                && values.iter().all(|(name, _)| reading.values.iter().all(|(known, _)| known != name))
        };
        let units = unit.map(|unit| (name, unit));
        match readings.last_mut().filter(fits) {
            Some(reading) => {
                reading.values.extend(values);
                reading.units.extend(units);
            }
            None => readings.push(Reading { device, time, values, units: units.into_iter().collect() }),
        }
    }
    write(&readings, out)
}

impl Base {
    fn take(&mut self, record: &Record<'_>) -> Result<(), String> {
        if let Some(name) = text(record, "bn")? {
            self.name = name;
        }
        if let Some(unit) = text(record, "bu")? {
            self.unit = Some(unit);
        }
        self.time = number(record, "bt")?.unwrap_or(self.time);
        self.value = number(record, "bv")?.or(self.value);
        self.sum = number(record, "bs")?.or(self.sum);
        Ok(())
    }

    /// The name of a record and the values it holds, as JSON.
    fn values(&self, record: &Record<'_>) -> Result<(String, Vec<(String, String)>), String> {
        let name = text(record, "n")?.filter(|name| !name.is_empty()).unwrap_or_else(|| "value".to_owned());
        let mut values = Vec::new();
        match (record.get("v"), self.value) {
            (Some(own), None) => values.push((name.clone(), digits(own, "v")?.to_owned())),
            (own, Some(base)) => {
                let own = own.map(|_| number(record, "v")).transpose()?.flatten().unwrap_or(0.0);
                values.push((name.clone(), format!("{}", base + own)));
            }
            (None, None) => {}
        }
        for key in ["vs", "vb", "vd"] {
            if let Some(value) = record.get(key) {
                values = vec![(name.clone(), value.get().to_owned())];
            }
        }
        match (record.get("s"), self.sum) {
            (Some(own), None) => values.push((format!("{name}_sum"), digits(own, "s")?.to_owned())),
            (own, Some(base)) => {
                let own = own.map(|_| number(record, "s")).transpose()?.flatten().unwrap_or(0.0);
                values.push((format!("{name}_sum"), format!("{}", base + own)));
            }
            (None, None) => {}
        }
        Ok((name, values))
    }

    /// Seconds since 1970; `None` when neither the pack nor the record has a time.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit in 53 bits")]
    fn time_of(&self, record: &Record<'_>, received_at: Timestamp) -> Result<Option<f64>, String> {
        let time = self.time + number(record, "t")?.unwrap_or(0.0);
        Ok(match time {
            0.0 => None,
            relative if relative < RELATIVE_BELOW => Some(received_at.0 as f64 / 1000.0 + relative),
            absolute => Some(absolute),
        })
    }
}

fn write(readings: &[Reading], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let mut document = Document::new(out);
    document.begin_object();
    document.key("readings");
    document.begin_list();
    for reading in readings {
        document.begin_object();
        if !reading.device.is_empty() {
            document.key("device");
            document.text(&reading.device);
        }
        if let Some(time) = reading.time {
            document.key("time");
            document.float(time);
        }
        document.key("values");
        document.begin_object();
        for (name, value) in &reading.values {
            document.key(name);
            document.verbatim(value);
        }
        document.end_object();
        document.key("units");
        document.begin_object();
        for (name, unit) in &reading.units {
            document.key(name);
            document.text(unit);
        }
        document.end_object();
        document.end_object();
    }
    document.end_list();
    document.end_object();
    document.check()
}

fn text(record: &Record<'_>, key: &str) -> Result<Option<String>, String> {
    let Some(value) = record.get(key) else { return Ok(None) };
    serde_json::from_str(value.get()).map(Some).map_err(|_| format!("field {key:?}: expected a text"))
}

fn number(record: &Record<'_>, key: &str) -> Result<Option<f64>, String> {
    let Some(value) = record.get(key) else { return Ok(None) };
    let digits = digits(value, key)?;
    digits
        .parse::<f64>()
        .ok()
        .filter(|n| n.is_finite())
        .map(Some)
        .ok_or_else(|| format!("field {key:?}: the number is too large"))
}

fn digits<'a>(value: &'a RawValue, key: &str) -> Result<&'a str, String> {
    Some(value.get())
        .filter(|digits| is_number(digits))
        .ok_or_else(|| format!("field {key:?}: expected a number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::wrap::from_hex;

    const NOW: Timestamp = Timestamp(1_763_700_000_000);

    fn read(payload: &str) -> Result<serde_json::Value, CodecError> {
        let mut out = Vec::new();
        json(payload.as_bytes(), NOW, &mut out).map(|()| serde_json::from_slice(&out).unwrap())
    }

    #[test]
    fn one_record_of_the_standard() {
        // RFC 8428, section 5.1.1.
        let found = read(r#"[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]"#).unwrap();
        assert_eq!(
            found,
            serde_json::json!({"readings": [{
                "values": {"urn:dev:ow:10e2073a01080063": 23.1},
                "units": {"urn:dev:ow:10e2073a01080063": "Cel"}
            }]})
        );
    }

    #[test]
    fn base_values_hold_on_and_times_count_from_the_base() {
        // The shape of RFC 8428, section 5.1.2, second example.
        let found = read(
            r#"[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},
                {"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3}]"#,
        )
        .unwrap();
        let readings = found["readings"].as_array().unwrap();
        assert_eq!(readings.len(), 3);
        assert_eq!(readings[0]["device"], "urn:dev:ow:10e2073a0108006");
        assert_eq!(readings[0]["time"].as_f64(), Some(1_276_020_076.001));
        assert_eq!(readings[1]["time"].as_f64(), Some(1_276_020_071.001));
        assert_eq!(readings[2]["units"]["current"], "A");
    }

    #[test]
    fn values_of_one_time_are_one_reading_and_small_times_count_from_now() {
        let found = read(r#"[{"bn":"fridge-1/","bt":-10,"n":"temp","v":4.50},{"n":"door","vb":false},{"n":"id","vs":"x"}]"#).unwrap();
        assert_eq!(
            found["readings"],
            serde_json::json!([{
                "device": "fridge-1", "time": 1_763_699_990,
                "values": {"temp": 4.50, "door": false, "id": "x"}, "units": {}
            }])
        );
    }

    #[test]
    fn sums_and_base_sums_have_their_own_name() {
        let found = read(r#"[{"n":"energy","bs":100,"s":2.5},{"n":"water","v":1,"s":7}]"#).unwrap();
        let values = &found["readings"][0]["values"];
        assert_eq!((values["energy_sum"].as_f64(), values["water_sum"].as_f64()), (Some(102.5), Some(107.0)));
    }

    #[test]
    fn what_must_be_understood_is_refused() {
        assert!(read(r#"[{"n":"a","v":1,"new_":2}]"#).unwrap_err().what.contains("new_"));
        assert!(read(r#"[{"n":"a","v":"1"}]"#).unwrap_err().what.contains("field \"v\": expected a number"));
        assert!(read("{}").is_err());
    }

    #[test]
    fn a_pack_in_cbor_says_the_same() {
        // [{-2: "dev:", 0: "t", 1: "Cel", 2: 23.1}]
        let hex = "81a4 21646465763a 006174 016343656c 02fb403719999999999a";
        let mut out = Vec::new();
        cbor(&from_hex(hex.as_bytes()).unwrap(), NOW, &mut out).unwrap();
        let found: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            found,
            serde_json::json!({"readings": [{"device": "dev", "values": {"t": 23.1}, "units": {"t": "Cel"}}]})
        );
    }
}
