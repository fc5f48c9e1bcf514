//! Profiles of every codec and envelope, whose own tests are the assertions; and what their authors do wrong.

use super::super::{Input, Profile};
use crate::record::Flags;
use crate::time::Timestamp;

/// A profile of the parts that are given, which must be right and pass its own tests.
fn right(parts: &str) -> Profile {
    match Profile::parse(&whole(parts), "p.toml") {
        Ok(profile) => profile,
        Err(found) => panic!("{}", found.iter().map(|d| format!("{d}\n")).collect::<String>()),
    }
}

fn mistakes(parts: &str) -> String {
    match Profile::parse(&whole(parts), "p.toml") {
        Ok(_) => "nothing wrong".to_owned(),
        Err(found) => found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

fn whole(parts: &str) -> String {
    format!(
        "[profile]\nid = \"p-1\"\nclass = \"thing\"\nvendor = \"V\"\nmodel = \"M\"\nversion = \"1\"\nschema = 1\n\
         [source]\ndocument = \"sheet\"\n{parts}"
    )
}

#[test]
fn blood_pressure_over_bluetooth_in_the_unit_that_it_says() {
    let profile = right(
        r#"
[codec]
kind = "gatt"
characteristic = "2a35"
[time]
path = "$.time"
format = "local"
[[metric]]
name = "sys"
path = "$.systolic"
unit = { path = "$.unit", words = { mmHg = "mm[Hg]", kPa = "kPa" } }
missing = { not_a_number = ["NaN"], high = ["+INF"], low = ["-INF"], absent = ["NRes"] }
[[metric]]
name = "irregular"
path = "$.irregular_pulse"
states = { true = "yes", false = "no" }
required = false
[[test]]
hex = "16 7E00 5000 5F00 EA070B15071E00 4800 0400"
from = "constructed"
[test.expect]
time = "2026-11-20T23:30:00Z"
sys = 126
irregular = "yes"
[[test]]
hex = "01 10F0 5000 5F00"
from = "constructed: 1.6 kPa"
[test.expect]
sys = { value = 12.001, raw = "1.6" }
[[test]]
hex = "00 FF07 5000 5F00"
from = "constructed"
[test.expect]
sys = { missing = "not_a_number", quality = "bad", reason = "missing", raw = "NaN" }
[[test]]
hex = "16 7E00 50"
from = "constructed"
error = "malformed"
"#,
    );
    assert!(profile.reads_bytes());
}

#[test]
fn glucose_with_an_offset_to_its_time() {
    right(
        r#"
[codec]
kind = "gatt"
characteristic = "0x2A18"
[time]
path = "$.base_time"
format = "local"
plus = { path = "$.time_offset_min", unit = "min" }
[sequence]
path = "$.sequence"
[[metric]]
name = "glucose"
path = "$.glucose"
unit = { path = "$.unit", words = { "mmol/L" = "mmol/L", "mg/dL" = "mg/dL" } }
[[test]]
hex = "17 0500 EA070B15062D00 0F00 37C0 11"
from = "constructed"
[test.expect]
time = "2026-11-20T23:00:00Z"
sequence = 5
glucose = 5.5
[[test]]
hex = "02 0600 EA070B15062D00 63B0 11"
from = "constructed"
[test.expect]
time = "2026-11-20T22:45:00Z"
sequence = 6
glucose = { value = 5.4952, raw = "99" }
"#,
    );
}

#[test]
fn bytes_in_the_envelope_of_a_network_server() {
    let profile = right(
        r#"
[match]
topic = "application/+/device/+/event/up"
[envelope]
kind = "chirpstack"
[codec]
kind = "binary"
[[codec.field]]
name = "occupied"
type = "u8"
when = { port = [2] }
[[codec.field]]
name = "temp"
type = "i16"
[[metric]]
name = "occupied"
path = "$.occupied"
states = { 1 = "occupied", 0 = "vacant" }
required = false
[[metric]]
name = "temp"
path = "$.temp"
unit = "Cel"
scale = 0.1
[[metric]]
name = "rssi"
outer = "$.rxInfo[0].rssi"
unit = "dB{mW}"
[[test]]
topic = "application/1/device/0102030405060708/event/up"
input = '''{"deviceInfo":{"devEui":"0102030405060708"},"time":"2026-11-21T07:30:00+08:00","fCnt":7,"fPort":2,
"devAddr":"00aa","data":"Af/O","rxInfo":[{"rssi":-97}]}'''
from = "constructed"
[test.expect]
device = "0102030405060708"
time = "2026-11-20T23:30:00Z"
sequence = 7
boot = "00aa"
occupied = "occupied"
temp = -5
rssi = -97
[[test]]
topic = "application/1/device/0102030405060708/event/up"
input = '{"deviceInfo":{"devEui":"0102030405060708"},"fPort":2,"data":null}'
from = "constructed"
error = "malformed"
"#,
    );
    assert!(!profile.reads_bytes(), "the envelope is text");
}

#[test]
fn an_envelope_that_a_profile_describes_and_what_the_server_has_decoded() {
    right(
        r#"
[match]
topic = "gw/{device}/up"
[envelope]
data = "$.payload.hex"
wrap = "hex"
port = "$.port"
[codec]
kind = "cbor"
[[metric]]
name = "t"
path = "$['1']"
unit = "Cel"
[[test]]
topic = "gw/a/up"
input = '{"payload":{"hex":"a101f94580"},"port":3}'
from = "constructed"
[test.expect]
device = "a"
t = 5.5
"#,
    );
    right(
        r#"
[match]
topic = "v3/{tenant}/devices/{name}/up"
[envelope]
kind = "tts"
decoded = true
[codec]
kind = "json"
[[metric]]
name = "t"
path = "$.temperature"
unit = "Cel"
[[test]]
topic = "v3/x@tenant/devices/fridge-1/up"
input = '{"end_device_ids":{"device_id":"fridge-1"},"uplink_message":{"f_cnt":1,"decoded_payload":{"temperature":4.50}}}'
from = "constructed"
[test.expect]
device = "fridge-1"
sequence = 1
t = 4.5
"#,
    );
}

#[test]
fn one_message_with_many_readings() {
    right(
        r#"
[codec]
kind = "json"
each = "$.samples[*]"
[time]
path = "@.t"
format = "epoch_s"
[[metric]]
name = "w"
path = "@.w"
unit = "kg"
[[metric]]
name = "battery"
path = "$.battery"
unit = "%"
[[test]]
input = '{"battery":80,"samples":[{"t":1763700000,"w":70.5},{"t":1763700060,"w":70.4}]}'
from = "constructed"
[[test.expect]]
time = "2025-11-21T04:40:00Z"
w = 70.5
battery = 80
[[test.expect]]
time = "2025-11-21T04:41:00Z"
w = 70.4
battery = 80
[[test]]
input = '{"battery":80,"samples":[]}'
from = "constructed"
error = "bad_field"
[[test]]
input = '{"battery":80}'
from = "constructed"
error = "bad_field"
"#,
    );
}

#[test]
fn tables_packs_and_lines_of_text() {
    right(
        r#"
[codec]
kind = "csv"
separator = ";"
columns = ["t", "temp"]
[time]
path = "@.t"
[[metric]]
name = "temp"
path = "@.temp"
unit = "Cel"
[[test]]
input = "2026-11-21T00:00:00Z;4.5\n2026-11-21T00:01:00Z;4.6\n"
from = "constructed"
[[test.expect]]
time = "2026-11-21T00:00:00Z"
temp = 4.5
[[test.expect]]
time = "2026-11-21T00:01:00Z"
temp = 4.6
[[test]]
input = "2026-11-21T00:00:00Z\n"
from = "constructed"
error = "malformed"
"#,
    );
    right(
        r#"
[codec]
kind = "senml"
[match]
topic = "senml/{gateway}"
device = { path = "@.device" }
[time]
path = "@.time"
format = "epoch_s"
[[metric]]
name = "temp"
path = "@.values.temp"
unit = "Cel"
[[test]]
topic = "senml/g1"
input = '[{"bn":"fridge-1/","bt":1763700000,"n":"temp","u":"Cel","v":4.5},{"bn":"fridge-2/","n":"temp","v":5}]'
from = "constructed"
[[test.expect]]
device = "fridge-1"
time = "2025-11-21T04:40:00Z"
temp = 4.5
[[test.expect]]
device = "fridge-2"
time = "2025-11-21T04:40:00Z"
temp = 5
"#,
    );
    right(
        r#"
[codec]
kind = "text"
pattern = '^T=(?<temp>-?[\d.]+)'
[[metric]]
name = "temp"
path = "$.temp"
unit = "Cel"
[[test]]
input = "T=-4.5"
from = "constructed"
[test.expect]
temp = -4.5
"#,
    );
    right(
        r#"
[codec]
kind = "msgpack"
wrap = "base64"
[[metric]]
name = "temp"
path = "$.t"
unit = "Cel"
[[test]]
input = "gaF0yr+AAAA="
from = "constructed"
[test.expect]
temp = -1
"#,
    );
}

#[test]
fn equal_items_without_a_time_are_different_readings_and_a_repeat_is_the_same() {
    let profile = right(
        r#"
[codec]
kind = "json"
each = "$[*]"
[[metric]]
name = "w"
path = "@.w"
unit = "kg"
[[test]]
input = '[{"w":1}]'
from = "constructed"
[[test.expect]]
w = 1
"#,
    );
    let decode = |payload: &str| {
        let address = "orderly/v1/main/thing/a/up/reading";
        let flags = Flags::default();
        let input = Input { address, payload: payload.as_bytes(), received_at: Timestamp(0), flags };
        profile.decode(input).unwrap()
    };
    let first = decode(r#"[{"w":1},{"w":1}]"#);
    assert!(first.iter().all(|reading| reading.by_place), "told apart by their places");
    assert_eq!(first[0].payload_hash, first[1].payload_hash, "it is the message that is known again");
    assert_eq!(first, decode(r#"[{"w":1},{"w":1}]"#));
    assert_ne!(first[0].payload_hash, decode(r#"[{"w":1},{"w":2}]"#)[0].payload_hash);
}

#[test]
fn mistakes_about_forms_are_named() {
    let metric = "[[metric]]\nname = \"a\"\npath = \"@.a\"\nunit = \"1\"\n[[test]]\ninput = \"{}\"\nfrom = \"x\"\nerror = \"bad_field\"\n";
    let of = |codec: &str| mistakes(&format!("[codec]\n{codec}\n{metric}"));
    assert!(
        of("kind = \"json\"").contains("\"@\" is the item of a document that is split"),
        "{}",
        of("kind = \"json\"")
    );
    assert!(of("kind = \"gatt\"\ncharacteristic = \"2a53\"").contains("is not one of 2a35"));
    assert!(of("kind = \"text\"\npattern = \"T=([0-9]+)\"").contains("no group has a name"));
    assert!(of("kind = \"text\"\npattern = \"(\"").contains("codec.pattern"));
    assert!(of("kind = \"json\"\neach = \"$.a\"").contains("the items of one list"));
    assert!(of("kind = \"csv\"\nseparator = \"::\"").contains("one ASCII character"));
    assert!(of("kind = \"cbor\"\nwrap = \"hexx\"").contains("did you mean \"hex\"?"));
    let replacing = |time: &str| {
        of(&format!(
            "kind = \"json\"\neach = \"$[*]\"\n[time]\npath = \"{time}\"\n[dedupe]\nby = \"time+value\"\ncorrect = \"replace\""
        ))
    };
    assert!(replacing("$.t").contains("the items of a message have theirs in common"));
    assert_eq!(replacing("@.t"), "nothing wrong");
    let outer = metric.replace("path = \"@.a\"", "outer = \"$.a\"");
    assert!(mistakes(&format!("[codec]\nkind = \"json\"\n{outer}")).contains("there is no [envelope]"));
}
