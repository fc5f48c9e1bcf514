use std::fs;

use super::*;

const CODEC: &str = "function decodeUplink(input) {
  if (input.fPort === 9) return { errors: ['no frame on 9'] }
  const b = Buffer.from(input.bytes)
  return { data: { temperatureC: b.readInt16BE(0) / 10, door: { isOpen: b[2] === 1 }, status: 'ok', history: [1, 2],
                   year: input.recvTime.getFullYear(), time: 5 } }
}
function encodeDownlink(input) { return { bytes: [1, input.data.interval], fPort: 4 } }
";
const DECODE: &str = "[
  // written as JavaScript
  { name: 'warm', input: { fPort: 0x02, bytes: [0x00, 0xfa, 1], recvTime: '2025-03-01T00:00:00Z' },
    expected: { data: { temperatureC: 25.0, door: { isOpen: true }, status: 'ok', history: [1, 2], year: 2025, time: 5 } } },
  { name: 'refused', input: { fPort: 9, bytes: [] }, expected: { errors: ['no frame on 9'] } },
  { name: 'wrong', input: { fPort: 2, bytes: [0, 0, 0] }, expected: { data: { temperatureC: 1 } } },
]";
const ENCODE: &str =
    r#"[{ "name": "interval", "input": { "data": { "interval": 7 } }, "expected": { "bytes": [1, 7] } }]"#;

fn folders() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let vendor = root.path().join("vendors/acme-ltd");
    for folder in ["codecs", "devices", "profiles"] {
        fs::create_dir_all(vendor.join(folder)).unwrap();
    }
    let write = |name: &str, text: &str| fs::write(vendor.join(name), text).unwrap();
    write("vendor.toml", "[vendor]\nname = \"Acme \\\"Ltd\\\"\"\n");
    write("codecs/door.js", CODEC);
    write("codecs/test_decode_door.json", DECODE);
    write("codecs/test_encode_door.json", ENCODE);
    write("codecs/bare.js", "function Decode(fPort, bytes) { return {} }");
    let firmware = "[[device.firmware]]\nversion = \"1.0\"\nprofiles = []\ncodec = \"old.js\"\n";
    let newer = "[[device.firmware]]\nversion = \"1.2\"\nprofiles = []\ncodec = \"door.js\"\n";
    write("devices/Door_1.toml", &format!("[device]\nname = \"Door 1\"\n{firmware}{newer}"));
    write(
        "devices/bare.toml",
        "[device]\nname = \"Bare\"\n[[device.firmware]]\nversion = \"1\"\ncodec = \"bare.js\"\n",
    );
    write("devices/none.toml", "[device]\nname = \"None\"\nfirmware = []\n");
    write("devices/gone.toml", &format!("[device]\nname = \"Gone\"\n{firmware}"));
    write("devices/torn.toml", "[device");
    root
}

#[test]
fn a_device_becomes_a_profile_with_its_codec_and_its_cases() {
    let (root, to) = (folders(), tempfile::tempdir().unwrap());
    let class = "cold_store".parse().unwrap();
    let imported = chirpstack(root.path(), Some(to.path()), &class).unwrap();
    assert_eq!(imported.written, ["acme-ltd-door-1.toml"]);
    assert_eq!(imported.holding, 3);
    let failing: Vec<&str> = imported.failing.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(failing, ["vendors/acme-ltd/codecs/door.js: wrong"]);
    assert!(imported.failing[0].1.contains("is expected"), "{:?}", imported.failing);

    let text = crate::runtime::texts::read_profile(&to.path().join("acme-ltd-door-1.toml")).unwrap();
    let profile = Profile::parse(&text, "acme-ltd-door-1.toml").unwrap();
    assert_eq!((profile.class().as_str(), profile.tests()), ("cold_store", 2));
    let names: Vec<&str> = profile.metrics().iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names, ["door_is_open", "status", "temperature_c", "time_value", "year"]);
    assert!(
        text.contains("unit = \"Cel\"") && text.contains("received = \"2025-03-01T00:00:00Z\""),
        "{text}"
    );
    assert!(text.contains("of several kinds: $.history"), "{text}");
}

#[test]
fn what_cannot_be_imported_is_told_with_its_reason() {
    let root = folders();
    let imported = chirpstack(root.path(), None, &"lorawan".parse().unwrap()).unwrap();
    let left: Vec<(&str, &str)> = imported
        .left
        .iter()
        .map(|(name, why)| (name.trim_start_matches("vendors/acme-ltd/devices/"), why.as_str()))
        .collect();
    assert_eq!(left[0].0, "torn.toml");
    assert_eq!(
        left[1..],
        [
            ("bare.toml", "its codec has no test cases, so nothing says what it measures"),
            ("gone.toml", "there is no vendors/acme-ltd/codecs/old.js"),
            ("none.toml", "it names no codec"),
        ]
    );
    assert!(chirpstack(&root.path().join("vendors"), None, &"lorawan".parse().unwrap()).is_err());
}
