use super::*;
use crate::value::{Missing, Quality, Reason, Value};

const BP: &str = r#"
[profile]
id = "t-bp"
class = "bp_meter"
vendor = "T"
model = "BP"
version = "1"
schema = 1

[source]
document = "constructed"

[codec]
kind = "json"

[time]
path = "$.t"

[[metric]]
name = "sys"
path = "$.sys"
unit = "mm[Hg]"
range = [50, 280]
suspect = [70, 260]
missing = { high = ["HI"] }

[[metric]]
name = "dia"
path = "$.dia"
unit = "kPa"
range = [20, 200]

[[metric]]
name = "cuff"
path = "$.cuff"
states = { "0" = "ok", "1" = "loose" }
required = false

[[check]]
metric = "dia"
op = ">="
than = "sys"

[[test]]
input = '{"sys":152,"dia":12.8,"t":"2026-11-21T07:30:00+08:00"}'
from = "constructed"
[test.expect]
time = "2026-11-20T23:30:00Z"
sys = 152
dia = { value = 96.008, unit = "mm[Hg]", raw = "12.8" }
"#;

fn bp() -> Profile {
    Profile::parse(BP, "bp.toml").unwrap()
}

fn decode(payload: &str) -> Result<Decoded, DecodeError> {
    let input = Input {
        address: "orderly/v1/main/bp_meter/bp-0001/up/morning",
        payload: payload.as_bytes(),
        received_at: Timestamp(0),
        flags: Flags::default(),
    };
    bp().decode(input).map(|mut all| all.remove(0))
}

fn value(decoded: &Decoded, name: &str) -> (Value, Quality, Option<Reason>, Option<String>) {
    let m = decoded.values.iter().find(|m| m.metric.as_str() == name).unwrap();
    (m.value.clone(), m.quality, m.reason, m.raw.as_deref().map(str::to_owned))
}

#[test]
fn decodes_with_stream_time_and_units() {
    let got = decode(r#"{"sys":152,"dia":12.8,"cuff":1,"t":"2026-11-21T07:30:00+08:00"}"#).unwrap();
    assert_eq!(got.stream.as_str(), "morning");
    assert_eq!(got.device_time.unwrap().to_string(), "2026-11-20T23:30:00.000Z");
    assert_eq!(value(&got, "sys"), (Value::Number(152.0), Quality::Good, None, None));
    assert_eq!(value(&got, "cuff").0, Value::State("loose".into()));
    assert_eq!(
        value(&got, "dia").3.as_deref(),
        Some("12.8"),
        "a conversion that is not exact keeps what was sent"
    );
}

#[test]
fn keeps_doubtful_values_with_reason_and_raw() {
    let bad = decode(r#"{"sys":300,"dia":12}"#).unwrap();
    assert_eq!(
        value(&bad, "sys"),
        (Value::Number(300.0), Quality::Bad, Some(Reason::OutOfRange), Some("300".into()))
    );
    let doubtful = decode(r#"{"sys":265,"dia":12}"#).unwrap();
    assert_eq!(value(&doubtful, "sys").1, Quality::Uncertain);
    let crossed = decode(r#"{"sys":80,"dia":16,"cuff":7}"#).unwrap();
    let implausible = (Value::Number(80.0), Quality::Bad, Some(Reason::Implausible), Some("80".to_owned()));
    assert_eq!(value(&crossed, "sys"), implausible);
    assert_eq!(value(&crossed, "dia").2, Some(Reason::Implausible));
    let state = (Value::Text("7".into()), Quality::Bad, Some(Reason::UnknownState), Some("7".to_owned()));
    assert_eq!(value(&crossed, "cuff"), state);
}

#[test]
fn tells_missing_from_wrong() {
    let high = decode(r#"{"sys":"HI","dia":12}"#).unwrap();
    assert_eq!(value(&high, "sys").0, Value::Missing(Missing::High));
    let null = decode(r#"{"sys":null,"dia":12}"#).unwrap();
    assert_eq!(value(&null, "sys").0, Value::Missing(Missing::Absent));
    let absent = decode(r#"{"dia":12}"#).unwrap_err();
    assert_eq!(absent.code, "bad_field");
    assert_eq!(absent.reason, "sys at $.sys: nothing is there; expected a number in mm[Hg]");
    let wrong = decode(r#"{"sys":"152","dia":12}"#).unwrap_err();
    assert_eq!(wrong.reason, "sys at $.sys: expected a number in mm[Hg], found the text \"152\"");
    let time = decode(r#"{"sys":152,"dia":12,"t":"yesterday"}"#).unwrap_err();
    assert!(time.reason.contains("2026-11-21T07:30:00+08:00"), "{time}");
    assert_eq!(decode("{").unwrap_err().code, "malformed");
}

#[test]
fn the_shipped_meter_reads_the_message_of_the_guide() {
    let text = include_str!("../../../../device-profiles/bp_meter/orderly-bp-1.toml");
    let profile = Profile::parse(text, "orderly-bp-1.toml").unwrap();
    assert_eq!(profile.class().as_str(), "bp_meter");
    assert_eq!(profile.every_ms(), Some(3 * 86_400_000));
    assert_eq!(profile.time().max_past_ms, 400 * 86_400_000);
}
