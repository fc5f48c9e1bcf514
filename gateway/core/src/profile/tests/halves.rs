//! A reading in two messages: which message is which, and what does not go together.

use crate::profile::{DecodeError, Decoded, Half, Input, Profile};
use crate::record::Flags;
use crate::time::Timestamp;

const METER: &str = r#"
[profile]
id = "meter"
class = "glucose_meter"
vendor = "T"
model = "M"
version = "1"
schema = 1
[source]
document = "constructed"
#envelope
[codec]
kind = "gatt"
characteristic = "2a18"
context = "2a34"
#said
[sequence]
path = "$.sequence"
[[metric]]
name = "glucose"
path = "$.glucose"
unit = "mmol/L"
[[metric]]
name = "context"
path = "$.meal"
context = true
states = ["fasting", "unknown"]
without = "unknown"
required = false
"#;

const ON_OUR_TOPIC: &str = r#"
[[test]]
hex = "06 0500 EA070B15062D00 37C0 11"
from = "constructed"
[test.context]
hex = "02 0500 03"
[test.expect]
sequence = 5
stream = "reading"
glucose = 5.5
context = "fasting"
"#;

const MEASUREMENT: &[u8] = &[6, 5, 0, 0xEA, 7, 11, 21, 6, 45, 0, 0x37, 0xC0, 0x11];
const CONTEXT: &[u8] = &[2, 5, 0, 3];

fn decode(profile: &Profile, address: &str, payload: &[u8]) -> Result<Decoded, DecodeError> {
    let input = Input { address, payload, received_at: Timestamp(0), flags: Flags::default() };
    profile.decode(input).map(|mut all| all.remove(0))
}

fn wrong(text: &str) -> String {
    let all = Profile::parse(text, "m.toml").unwrap_err();
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_last_level_of_our_own_topic_says_which_half_it_is() {
    let profile = Profile::parse(&format!("{METER}{ON_OUR_TOPIC}"), "m.toml").unwrap();
    assert!(profile.joins());
    let topic = |last: &str| format!("orderly/v1/main/glucose_meter/g-1/up/{last}");
    for (last, stream) in [("2a18", "reading"), ("0x2A18", "reading"), ("memory", "memory")] {
        let decoded = decode(&profile, &topic(last), MEASUREMENT).unwrap();
        assert_eq!((decoded.half, decoded.stream.as_str()), (Half::Measurement, stream));
        assert_eq!(decoded.values.len(), 2, "and says that nothing is known of a context");
    }
    let decoded = decode(&profile, &topic("00002a34-0000-1000-8000-00805f9b34fb"), CONTEXT).unwrap();
    assert_eq!((decoded.half, decoded.device_time, decoded.sequence), (Half::Context, None, Some(5)));
    assert_eq!((decoded.stream.as_str(), decoded.values.len()), ("reading", 1));
    for last in ["2a52", "2a35"] {
        let refused = decode(&profile, &topic(last), CONTEXT).unwrap_err();
        let said = format!("the message is of the characteristic {last:?}; this profile reads 2a18 and 2a34");
        assert_eq!((refused.code, refused.reason), ("bad_field", said));
    }
}

#[test]
fn a_wildcard_or_the_envelope_says_it() {
    let test = "[[test]]\ntopic = \"ble/g-1/2a18\"\nhex = \"06 0500 EA070B15062D00 37C0 11\"\nfrom = \"constructed\"\n\
         [test.context]\ntopic = \"ble/g-1/2a34\"\nhex = \"02 0500 03\"\n\
         [test.expect]\nglucose = 5.5\ncontext = \"fasting\"\n";
    let by_topic = METER
        .replace("#envelope", "[match]\ntopic = \"ble/{device}/{uuid}\"")
        .replace("#said", "said = { topic = \"uuid\" }");
    let profile = Profile::parse(&format!("{by_topic}{test}"), "m.toml").unwrap();
    let context = decode(&profile, "ble/g-1/2A34", CONTEXT).unwrap();
    assert_eq!((context.half, context.device.unwrap().as_str()), (Half::Context, "g-1"));

    let test = "[[test]]\ninput = '{\"uuid\":\"2a18\",\"data\":\"06 0500 EA070B15062D00 37C0 11\"}'\nfrom = \"constructed\"\n\
         [test.context]\ninput = '{\"uuid\":\"2a34\",\"data\":\"02 0500 03\"}'\n\
         [test.expect]\nglucose = 5.5\ncontext = \"fasting\"\n";
    let by_envelope = METER
        .replace("#envelope", "[envelope]\ndata = \"$.data\"\nwrap = \"hex\"")
        .replace("#said", "said = { outer = \"$.uuid\" }");
    let profile = Profile::parse(&format!("{by_envelope}{test}"), "m.toml").unwrap();
    let topic = "orderly/v1/main/glucose_meter/g-1/up/report";
    let context = decode(&profile, topic, br#"{"uuid":"0x2A34","data":"02050003"}"#).unwrap();
    assert_eq!((context.half, context.stream.as_str()), (Half::Context, "report"));
    let silent = decode(&profile, topic, br#"{"data":"060500EA070B15062D0037C011"}"#).unwrap();
    assert_eq!(silent.half, Half::Measurement);
}

#[test]
fn what_does_not_go_together_is_named() {
    let whole = format!("{METER}{ON_OUR_TOPIC}");
    let of = |from: &str, to: &str| wrong(&whole.replacen(from, to, 1));
    assert!(
        of("[sequence]\npath = \"$.sequence\"", "").contains("only the sequence number says whose context")
    );
    assert!(of("#said", "said = { outer = \"$.c\" }").contains("there is no [envelope]"));
    assert!(of("#said", "said = { topic = \"c\" }").contains("has no wildcard {c}"));
    assert!(of("context = \"2a34\"", "").contains("the codec reads no context"));
    assert!(of("context = \"2a34\"", "context = \"2a35\"").contains("only 2a18 has a context"));
    assert!(of("without = \"unknown\"", "without = \"none\"").contains("is not one of its states"));
    assert!(of("context = true\n", "").contains("only a metric with states and context = true"));
    assert!(of("hex = \"02 0500 03\"", "hex = \"02 0600 03\"").contains("its sequence number is 6, not 5"));
    assert!(of("hex = \"02 0500 03\"", "hex = \"02 0500\"").contains("it was refused"));
    let not_one = of(
        "hex = \"02 0500 03\"",
        "topic = \"orderly/v1/main/glucose_meter/g/up/2a18\"\nhex = \"06 0500 EA070B15062D00 37C0 11\"",
    );
    assert!(not_one.contains("it is no context"), "{not_one}");
}
