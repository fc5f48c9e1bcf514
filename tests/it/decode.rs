//! `orderly decode`: the real binary, payloads in, a line for each reading or mistake out.

use std::io::Write;
use std::process::{Command, Stdio};

use orderly_tests::gateway::binary;
use serde_json::{Value, json};

const PROFILE: &str = r#"
[profile]
id = "bay-1"
class = "parking_sensor"
vendor = "V"
model = "M"
version = "1"
schema = 1
[source]
document = "constructed"
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
states = { 0 = "vacant", 1 = "occupied" }
required = false
[[metric]]
name = "temp"
path = "$.temp"
unit = "Cel"
scale = 0.1
range = [-40, 85]
[[test]]
hex = "01 00fa"
port = 2
from = "constructed"
[test.expect]
occupied = "occupied"
temp = 25
[[test]]
hex = "01"
from = "constructed"
error = "malformed"
"#;

/// From version 2 of the firmware on the sensor counts in whole degrees.
const VARIANT: &str = r#"
[[variant]]
firmware = ">=2"
[[variant.metric]]
name = "temp"
path = "$.temp"
unit = "Cel"
scale = 1
range = [-40, 85]
[[variant.test]]
hex = "01 0019"
port = 2
from = "constructed"
[variant.test.expect]
occupied = "occupied"
temp = 25
"#;

/// Gives the lines on standard input; what comes back, line by line, and whether it ended well.
fn decode(arguments: &[&str], input: &str) -> (Vec<Value>, bool) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bay.toml"), PROFILE).unwrap();
    std::fs::write(dir.path().join("versions.toml"), format!("{PROFILE}{VARIANT}")).unwrap();
    let mut child = Command::new(binary().unwrap())
        .current_dir(dir.path())
        .arg("decode")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), output.status.success())
}

#[test]
fn hex_lines_with_a_port_and_mistakes_that_end_nothing() {
    let (lines, good) = decode(&["bay.toml", "--fport", "2"], "01 00fa\n\nzz\n01\n00 7fff\n");
    assert!(good);
    let temp = |value: f64| json!({"value": value, "unit": "Cel", "quality": "good"});
    assert_eq!(
        lines[0],
        json!({"line": 1, "stream": "reading", "values": {
            "occupied": {"value": "occupied", "quality": "good"}, "temp": temp(25.0)}})
    );
    assert_eq!(lines[1]["line"], 3);
    assert_eq!(lines[1]["error"]["message"], "byte 0: expected a pair of hexadecimal digits");
    assert_eq!(lines[2]["error"]["message"], "byte 1: field \"temp\": 2 bytes are needed, 0 bytes are left");
    assert_eq!(lines[3]["values"]["temp"]["quality"], "bad");
    assert_eq!(lines.len(), 4);
}

#[test]
fn the_other_ways_to_write_a_payload_say_the_same() {
    let (hex, _) = decode(&["bay.toml", "--fport", "2"], "0100fa\n");
    assert_eq!(decode(&["bay.toml", "--fport", "2", "--format", "base64"], "AQD6\n").0, hex);
    assert_eq!(decode(&["bay.toml", "--fport", "2", "--format", "bytes"], "[1, 0, 250]\n").0, hex);
    let described = r#"{"payload":"0100fa","fPort":2}"#.to_owned()
        + "\n"
        + r#"{"payload":[1,0,250],"fport":2}"#
        + "\n"
        + r#"{"payload":"AQD6","format":"base64","f_port":2}"#
        + "\n{\n";
    let (lines, good) = decode(&["bay.toml", "--jsonl"], &described);
    assert!(good);
    assert_eq!(lines.len(), 4);
    for line in &lines[..3] {
        assert_eq!(line["values"], hex[0]["values"]);
    }
    assert_eq!(lines[3]["error"]["code"], "malformed");
}

#[test]
fn a_version_that_nobody_told_is_not_guessed() {
    let of = |firmware: &[&str]| {
        let arguments = [&["versions.toml", "--fport", "2"][..], firmware].concat();
        let (lines, good) = decode(&arguments, "010019\n");
        assert!(good && lines.len() == 1, "{lines:?}");
        lines[0].clone()
    };
    let untold = of(&[]);
    assert_eq!(untold["error"]["code"], "no_firmware");
    assert!(untold["error"]["message"].as_str().is_some_and(|why| why.contains("--firmware")), "{untold}");
    assert_eq!(of(&["--firmware", "1.4"])["values"]["temp"]["value"], 2.5);
    assert_eq!(of(&["--firmware", "301-v2.1"])["values"]["temp"]["value"], 25.0);
}

#[test]
fn a_shipped_profile_is_found_by_name_and_an_unknown_one_is_refused() {
    let (lines, good) = decode(
        &["orderly-bp-1"],
        "{\"sys\":152,\"dia\":96,\"pulse\":74,\"t\":\"2026-11-21T07:30:00+08:00\"}\n",
    );
    assert!(good);
    assert_eq!(lines[0]["values"]["sys"]["value"], 152.0);
    assert_eq!(lines[0]["device_time"], "2026-11-20T23:30:00.000Z");
    assert!(!decode(&["no-such-profile"], "").1);
}
