mod commands;
mod forms;
mod halves;
mod overlay;
mod privacy;
mod scripts;
mod suggest;
mod variants;

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

const LINE: &str = r#"
[profile]
id = "t-line"
class = "scale"
vendor = "T"
model = "L"
version = "1"
schema = 1
stream = "weight"
[source]
document = "constructed"
[codec]
kind = "line"
[match]
measurement = "scale"
tags = { kind = "floor" }
device = { tag = "dev" }
[sequence]
field = "n"
[[metric]]
name = "weight"
field = "g"
unit = "g"
range = [0, 300]
[[metric]]
name = "model"
tag = "model"
text = true
required = false
[[test]]
input = '''
scale,kind=floor,dev=s-1 g=70500i,n=5i 1763681400123000000
scale,kind=floor,dev=s-2,model=x g=1.5,n=6i
'''
from = "constructed"
[[test.expect]]
device = "s-1"
stream = "weight"
time = "2025-11-20T23:30:00.123Z"
sequence = 5
weight = { value = 70.5, unit = "kg" }
[[test.expect]]
device = "s-2"
sequence = 6
weight = 0.0015
model = "x"
[[test]]
input = "scale,kind=wall,dev=s-1 g=1i,n=5i"
from = "constructed"
error = "no_profile"
[[test]]
input = "scale g=1i,"
from = "constructed"
error = "malformed"
"#;

#[test]
fn reads_line_protocol() {
    let profile = Profile::parse(LINE, "line.toml").unwrap();
    let lines =
        crate::codec::line::parse_text("other g=1\nscale,kind=floor,dev=s-1 g=2i,n=1i", Default::default());
    let reads: Vec<bool> = lines.unwrap().iter().map(|line| profile.reads(line)).collect();
    assert_eq!(reads, [false, true]);
}

const MODBUS: &str = r#"
[profile]
id = "t-modbus"
class = "cold_store"
vendor = "T"
model = "M"
version = "1"
schema = 1
[source]
document = "constructed"
[codec]
kind = "registers"
poll = "2s"
[[metric]]
name = "temp"
register = { kind = "input", address = 0, type = "i16" }
scale = 0.1
unit = "Cel"
range = [-40, 60]
missing = { sensor_fault = [-32768] }
report = { deadband = 0.2, every = "1min" }
[[metric]]
name = "door"
register = { kind = "discrete", address = 3 }
states = { false = "closed", true = "open" }
[[metric]]
name = "set"
register = { kind = "holding", address = 4, type = "f32", order = "cdab" }
unit = "Cel"
required = false
[[test]]
input = ["input 0 = 52", "discrete 0 = 0 0 0 1", "holding 4 = 0 0x40A0"]
from = "constructed"
[test.expect]
temp = 5.2
door = "open"
set = 5
[[test]]
input = ["input 0 = -32768", "discrete 3 = 0", "holding 4 2 refused 2"]
from = "constructed"
[test.expect]
temp = { missing = "sensor_fault", quality = "bad", reason = "missing", raw = "-32768" }
door = "closed"
set = { missing = "absent", quality = "bad" }
[[test]]
input = ["input 0 = 52"]
from = "constructed"
error = "bad_field"
[[test]]
hex = "01 03 00"
from = "constructed"
error = "malformed"
"#;

#[test]
fn reads_modbus_polls() {
    let profile = Profile::parse(MODBUS, "modbus.toml").unwrap();
    let Codec::Registers(poll) = profile.codec() else { panic!("{:?}", profile.codec()) };
    assert_eq!((poll.every_ms, poll.max_gap, poll.max_registers, poll.max_bits), (2_000, 8, 125, 2_000));
    assert_eq!(
        profile.metrics()[0].report,
        Some(Report { deadband: 0.2, every_ms: Some(60_000), on_change: true })
    );
    let registers: Vec<_> =
        profile.metrics().iter().filter_map(Metric::register).map(ToString::to_string).collect();
    assert_eq!(registers, ["input register 0", "discrete input 3", "holding register 4"]);
}

/// Every shipped profile, by what it reads.
fn shipped() -> Vec<Profile> {
    [
        include_str!("../../../../device-profiles/bedside_monitor/orderly-bm-1.toml"),
        include_str!("../../../../device-profiles/glucose_meter/orderly-gm-1.toml"),
        include_str!("../../../../device-profiles/charger/orderly-ch-1.toml"),
        LINE,
    ]
    .into_iter()
    .map(|text| Profile::parse(text, "shipped").unwrap())
    .collect()
}

mod fuzz {
    use proptest::prelude::*;

    use super::*;

    /// Payloads that are nearly right: pieces of real ones, with bytes changed.
    fn payload() -> impl Strategy<Value = Vec<u8>> {
        let real = prop::sample::select(vec![
            &br#"{"hr":80,"rr":18,"spo2":97,"temp":36.8,"on_o2":false,"acvpu":"A","seq":123456,"t":1795217400123}"#[..],
            br#"{"seq":5,"glucose":"HI","context":"fasting","t":"2026-11-21T06:45:00+08:00"}"#,
            b"scale,kind=floor,dev=s-1 g=70500i,n=5i 1763681400123000000\nscale,kind=floor,dev=s-2 g=1.5,n=6i",
            &[1, 4, 0, 0, 0, 7, 0, 2, 0, 0, 27, 128, 0, 18, 214, 135, 0, 0, 1, 156, 2, 0, 0, 0, 1, 0],
        ]);
        let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
        let changed = (real, changes).prop_map(|(real, changes)| {
            let mut bytes = real.to_vec();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        });
        prop_oneof![3 => changed, 1 => prop::collection::vec(any::<u8>(), 0..200)]
    }

    #[test]
    fn whatever_comes_is_decoded_or_refused_with_a_reason() {
        let profiles = shipped();
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(600));
        let strategy = (payload(), "[a-z0-9/{}+#\u{e9}]{0,40}");
        let result = runner.run(&strategy, |(payload, address)| {
            for profile in &profiles {
                let input = Input {
                    address: &address,
                    payload: &payload,
                    received_at: Timestamp(0),
                    flags: Flags::default(),
                };
                match profile.decode(input) {
                    Ok(decoded) => {
                        let finite = decoded.iter().flat_map(|d| &d.values).all(|m| match m.value {
                            Value::Number(n) => n.is_finite(),
                            _ => true,
                        });
                        prop_assert!(finite);
                        let sound = decoded
                            .iter()
                            .flat_map(|d| &d.values)
                            .all(|m| (m.quality == Quality::Good) == m.reason.is_none());
                        prop_assert!(sound, "a reason stands exactly beside what is not good");
                    }
                    Err(error) => prop_assert!(!error.reason.is_empty() && error.reason.len() < 2_000),
                }
            }
            Ok(())
        });
        assert_eq!(result, Ok(()));
    }
}

#[test]
fn a_report_says_when_a_poll_is_worth_a_record() {
    let with = |report: &str| {
        let text = MODBUS.replacen("report = { deadband = 0.2, every = \"1min\" }", report, 1);
        assert!(text.contains(report), "the fixture has a report");
        Profile::parse(&text, "modbus.toml").map(|profile| profile.metrics()[0].report)
    };
    let change = Report { deadband: 0.0, every_ms: None, on_change: true };
    assert_eq!(with("report = \"all\"").unwrap(), None);
    assert_eq!(with("report = \"change\"").unwrap(), Some(change));
    assert_eq!(
        with("report = { when = \"change\", deadband = 2 }").unwrap(),
        Some(Report { deadband: 2.0, ..change })
    );
    let period = Some(Report { every_ms: Some(60_000), on_change: false, ..change });
    assert_eq!(with("report = { when = \"period\", every = \"1min\" }").unwrap(), period);
    for wrong in [
        "report = { when = \"period\" }",
        "report = { when = \"change\", every = \"1min\" }",
        "report = \"never\"",
    ] {
        assert!(with(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn registers_are_addressed_as_manuals_do() {
    let with = |register: &str| {
        let text = MODBUS.replacen("register = { kind = \"input\", address = 0", register, 1);
        assert!(text.contains(register), "the fixture has a register");
        Profile::parse(&text, "modbus.toml").map(|profile| *profile.metrics()[0].register().unwrap())
    };
    for register in [
        "register = { address = \"30001\"",
        "register = { address = \"300001\"",
        "register = { kind = \"input\", address = \"30001\"",
        "register = { kind = \"input\", address_base = 1, address = 1",
    ] {
        let register = with(register).unwrap();
        assert_eq!((register.table, register.address), (crate::codec::registers::Table::Input, 0));
    }
    for wrong in [
        "register = { kind = \"holding\", address = \"30001\"",
        "register = { address = \"20001\"",
        "register = { address = \"30000\"",
        "register = { address = \"3001\"",
        "register = { kind = \"input\", address_base = 1, address = 0",
        "register = { address_base = 1, address = \"30001\"",
    ] {
        assert!(with(wrong).is_err(), "{wrong}");
    }
}
