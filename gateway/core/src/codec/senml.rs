//! SenML (RFC 8428) in JSON or CBOR: a pack of records with base values, resolved and put together by device and time.
//!
//! The document is `{"readings":[{"device":..,"time":..,"values":{name:value},"units":{name:unit}}]}`. The base name
//! without the separator at its end is the device, the record's own name is the value's; `time` is in seconds since 1970.
//! A time that counts from now is `relative`, in seconds: `now` is ours, so it is no time that the device has sent.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::document::{CodecError, Document, is_number};
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

/// Writes a pack.
///
/// # Errors
/// When it is no pack, or a record has a field that must be understood and is not.
pub fn json(payload: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let records: Vec<Record<'_>> = serde_json::from_slice(payload)
        .map_err(|error| CodecError::whole(format!("this is no SenML pack: {error}")))?;
    resolve(&records, out)
}

/// As [`json`], of a pack in CBOR.
///
/// # Errors
/// As [`json`].
pub fn cbor(payload: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
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
    resolve(&records, out)
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

/// When a record was measured, in seconds.
#[derive(Debug, Clone, Copy)]
enum Time {
    /// Neither the pack nor the record says it.
    Unsaid,
    /// From now.
    Relative(f64),
    /// Since 1970.
    Absolute(f64),
}

/// Values of one device at one time.
#[derive(Debug)]
struct Reading {
    device: String,
    time: Time,
    values: BTreeMap<String, String>,
    units: BTreeMap<String, String>,
}

fn resolve(records: &[Record<'_>], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let mut base = Base::default();
    let mut readings: Vec<Reading> = Vec::new();
    // Records of one time may lie anywhere in the pack: the last reading of each device and time.
    let mut last = BTreeMap::new();
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
        let time = base.time_of(record).map_err(refuse)?;
        let device = base.name.trim_end_matches([':', '/', '-', '_', '.']).to_owned();
        let unit = text(record, "u").map_err(refuse)?.or_else(|| base.unit.clone());
        let units = unit.map(|unit| (name, unit));
        let known = last.entry((device.clone(), time.key())).or_insert(usize::MAX);
        let free = |reading: &&mut Reading| values.iter().all(|(name, _)| !reading.values.contains_key(name));
        match readings.get_mut(*known).filter(free) {
            Some(reading) => {
                reading.values.extend(values);
                reading.units.extend(units);
            }
            None => {
                *known = readings.len();
                let (values, units) = (values.into_iter().collect(), units.into_iter().collect());
                readings.push(Reading { device, time, values, units });
            }
        }
    }
    write(&readings, out)
}

impl Time {
    /// The same for equal times only.
    const fn key(self) -> (u8, u64) {
        match self {
            Self::Unsaid => (0, 0),
            Self::Relative(seconds) => (1, seconds.to_bits()),
            Self::Absolute(seconds) => (2, seconds.to_bits()),
        }
    }
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

    fn time_of(&self, record: &Record<'_>) -> Result<Time, String> {
        Ok(match self.time + number(record, "t")?.unwrap_or(0.0) {
            0.0 => Time::Unsaid,
            relative if relative < RELATIVE_BELOW => Time::Relative(relative),
            absolute => Time::Absolute(absolute),
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
        let time = match reading.time {
            Time::Unsaid => None,
            Time::Relative(seconds) => Some(("relative", seconds)),
            Time::Absolute(seconds) => Some(("time", seconds)),
        };
        if let Some((key, seconds)) = time {
            document.key(key);
            document.float(seconds);
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

    fn read(payload: &str) -> Result<serde_json::Value, CodecError> {
        let mut out = Vec::new();
        json(payload.as_bytes(), &mut out).map(|()| serde_json::from_slice(&out).unwrap())
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
    fn values_of_one_time_are_one_reading_wherever_they_lie() {
        // Three series, one after the other, of the same two moments.
        let found = read(
            r#"[{"bn":"fridge-1/","bt":1763700000,"n":"temp","v":4.5},{"n":"temp","t":60,"v":4.6},
                {"n":"door","vb":false},{"n":"door","t":60,"vb":true},{"n":"hum","t":60,"v":40},{"n":"hum","v":41}]"#,
        )
        .unwrap();
        assert_eq!(
            found["readings"],
            serde_json::json!([
                {"device": "fridge-1", "time": 1_763_700_000, "values": {"temp": 4.5, "door": false, "hum": 41}, "units": {}},
                {"device": "fridge-1", "time": 1_763_700_060, "values": {"temp": 4.6, "door": true, "hum": 40}, "units": {}}
            ])
        );
        // A name that comes twice at one time is told twice.
        let found = read(r#"[{"n":"a","v":1},{"n":"a","v":2},{"n":"b","v":3}]"#).unwrap();
        assert_eq!(found["readings"][0]["values"], serde_json::json!({"a": 1}));
        assert_eq!(found["readings"][1]["values"], serde_json::json!({"a": 2, "b": 3}));
    }

    #[test]
    fn small_times_count_from_now() {
        let found = read(r#"[{"bn":"fridge-1/","bt":-10,"n":"temp","v":4.50},{"n":"door","vb":false},{"n":"id","vs":"x"}]"#).unwrap();
        assert_eq!(
            found["readings"],
            serde_json::json!([{
                "device": "fridge-1", "relative": -10,
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
        cbor(&from_hex(hex.as_bytes()).unwrap(), &mut out).unwrap();
        let found: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            found,
            serde_json::json!({"readings": [{"device": "dev", "values": {"t": 23.1}, "units": {"t": "Cel"}}]})
        );
    }
}
