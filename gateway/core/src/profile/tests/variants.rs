//! What is read otherwise in devices with some versions of the firmware.

use std::sync::Arc;

use super::*;

/// A sensor whose second firmware sends tenths, in another order, and the battery.
const SENSOR: &str = r#"
[profile]
id = "t-door"
class = "cold_store"
vendor = "T"
model = "D"
version = "1"
schema = 1
[source]
document = "constructed"
[codec]
kind = "binary"
[[codec.field]]
name = "temp"
type = "i16"
[[codec.field]]
name = "door"
type = "u8"
[[metric]]
name = "temp"
path = "$.temp"
unit = "Cel"
range = [-40, 60]
[[metric]]
name = "door"
path = "$.door"
states = { 0 = "closed", 1 = "open" }
[[metric]]
name = "battery"
path = "$.battery"
unit = "%"
required = false
[[test]]
hex = "0005 01"
from = "constructed"
[test.expect]
temp = 5
door = "open"

[[variant]]
firmware = ">=2.0"
[variant.codec]
kind = "binary"
[[variant.codec.field]]
name = "door"
type = "u8"
[[variant.codec.field]]
name = "temp"
type = "i16"
[[variant.codec.field]]
name = "battery"
type = "u8"
[[variant.metric]]
name = "temp"
path = "$.temp"
unit = "Cel"
scale = 0.1
range = [-40, 60]
[[variant.test]]
hex = "01 0034 63"
from = "constructed"
[variant.test.expect]
temp = 5.2
door = "open"
battery = 99
"#;

fn parse(text: &str) -> Result<Profile, Vec<String>> {
    Profile::parse(text, "p.toml").map_err(|found| found.iter().map(ToString::to_string).collect())
}

fn temp(profile: &Profile, payload: &[u8]) -> f64 {
    let address = "orderly/v1/main/cold_store/f1/up/reading";
    let input = Input { address, payload, received_at: Timestamp(0), flags: Flags::default() };
    let decoded = profile.decode(input).unwrap();
    decoded[0].values[0].value.number().unwrap()
}

#[test]
fn a_device_is_read_by_the_variant_of_its_firmware() {
    let profile = Arc::new(parse(SENSOR).unwrap());
    assert_eq!((profile.tests(), profile.variants().len()), (2, 1));
    let read = |firmware: Option<&str>, payload: &[u8]| {
        let firmware = firmware.map(|version| version.parse().unwrap());
        temp(&profile.for_firmware(firmware.as_ref()), payload)
    };
    assert_eq!(read(None, &[0, 5, 1]), 5.0);
    assert_eq!(read(Some("1.9"), &[0, 5, 1]), 5.0);
    assert_eq!(read(Some("v2.0.1"), &[1, 0, 52, 99]), 5.2);
    let variant = profile.for_firmware(Some(&"2.0".parse().unwrap()));
    assert_eq!((variant.id(), variant.hash()), (profile.id(), profile.hash()), "it is the same profile");
    assert_eq!(variant.metrics().len(), 3);
}

/// A sensor that says its version itself.
const TALKER: &str = r#"
[profile]
id = "t-talk"
class = "cold_store"
vendor = "T"
model = "K"
version = "1"
schema = 1
[source]
document = "constructed"
[codec]
kind = "json"
[firmware]
path = "$.fw"
[[metric]]
name = "temp"
path = "$.temp"
unit = "Cel"
range = [-40, 60]
[[test]]
input = '{"temp":5,"fw":"1.7"}'
from = "constructed"
[test.expect]
temp = 5
[[variant]]
firmware = ">=2, <3"
[[variant.metric]]
name = "temp"
path = "$.t"
unit = "[degF]"
range = [-40, 60]
[[variant.test]]
input = '{"t":50,"fw":"2.3"}'
from = "constructed"
[variant.test.expect]
temp = { value = 10, unit = "Cel", raw = "50" }
"#;

#[test]
fn what_a_message_says_of_its_firmware_counts() {
    let profile = Arc::new(parse(TALKER).unwrap());
    assert_eq!(temp(&profile, br#"{"temp":5}"#), 5.0);
    assert_eq!(temp(&profile, br#"{"t":50,"fw":"2.3"}"#), 10.0);
    let registered = profile.for_firmware(Some(&"2.9".parse().unwrap()));
    assert_eq!(temp(&registered, br#"{"temp":5,"fw":"3.0"}"#), 5.0, "and not what the register says");
    let read = |payload: &str, registered: Option<&str>| {
        let (address, payload) = ("orderly/v1/main/cold_store/f1/up/reading", payload.as_bytes());
        let input = Input { address, payload, received_at: Timestamp(0), flags: Flags::default() };
        let registered: Option<crate::ids::FirmwareId> = registered.map(|version| version.parse().unwrap());
        let decoded = profile.decode_for(input, registered.as_ref()).map_err(|error| error.code)?;
        Ok::<_, &str>(decoded[0].values[0].value.number().unwrap())
    };
    let untold = r#"{"t":50,"temp":5}"#;
    let unreadable = r#"{"t":50,"temp":5,"fw":"0x0112"}"#;
    assert_eq!(read(r#"{"temp":5,"fw":"3.0"}"#, Some("2.9")), Ok(5.0));
    for message in [untold, unreadable] {
        assert_eq!(read(message, Some("2.9")), Ok(10.0), "then the register counts");
        assert_eq!(read(message, Some("1.0")), Ok(5.0));
        assert_eq!(read(message, None), Err("no_firmware"), "it is not guessed");
        assert_eq!(read(message, Some("unknown")), Err("no_firmware"));
    }
    let vector = TALKER.replace(r#"{"t":50,"fw":"2.3"}"#, r#"{"t":50,"fw":"3.3"}"#);
    let wrong = parse(&vector).unwrap_err();
    assert!(wrong[0].contains("it was refused: temp at $.temp: nothing is there"), "{wrong:?}");
}

#[test]
fn what_a_variant_must_not_do_is_told_at_its_place() {
    let with = |more: &str| parse(&format!("{SENSOR}{more}")).unwrap_err();
    let wrong = with("[variant.expect]\nevery = \"1h\"\n");
    assert!(wrong[0].contains("\"expect\" is the same for all versions, or not known"), "{wrong:?}");
    let wrong = parse(&SENSOR.replace("\">=2.0\"", "\"2.0\"")).unwrap_err();
    assert!(wrong[0].contains("says no versions; write \">=2.0\""), "{wrong:?}");
    let (base, _) = SENSOR.split_once("[[variant.test]]").unwrap();
    let wrong = parse(base).unwrap_err();
    assert!(wrong[0].contains("a variant without tests is refused"), "{wrong:?}");
    let wrong = parse(&SENSOR.replace("scale = 0.1", "scal = 0.1")).unwrap_err();
    assert!(wrong[0].starts_with("p.toml:57:") && wrong[0].contains("did you mean \"scale\"?"), "{wrong:?}");
    let wrong = with(
        "[[variant.metric]]\nname = \"humidity\"\npath = \"$.h\"\nunit = \"%\"\nrange = [0, 100]\nrequired = false\n",
    );
    assert!(wrong.iter().any(|wrong| wrong.contains("humidity is no metric of the profile")), "{wrong:?}");
    let wrong = with("[[variant.metric]]\nname = \"door\"\npath = \"$.door\"\nstates = { 1 = \"ajar\" }\n");
    assert!(wrong.iter().any(|wrong| wrong.contains("\"ajar\" is no state of door")), "{wrong:?}");
    let wrong =
        parse(&TALKER.replace("[[variant.metric]]", "[variant.codec]\nkind = \"cbor\"\n[[variant.metric]]"));
    assert!(
        wrong.unwrap_err().iter().any(|wrong| wrong.contains("the version stands in what the codec reads"))
    );
    let pattern = SENSOR
        .replace("[codec]\n", "[match]\ntopic = \"doors/up\"\ndevice = { path = \"$.dev\" }\n[codec]\n");
    let wrong = parse(&pattern).unwrap_err();
    assert!(wrong.iter().any(|wrong| wrong.contains("is not known from the topic")), "{wrong:?}");
}

#[test]
fn an_overlay_changes_all_variants() {
    let text = crate::overlay::lay_over(
        SENSOR,
        "o.toml",
        "profile = \"t-door\"\n[[metric]]\nname = \"temp\"\nrange = [0, 5.1]\n",
    );
    let profile = Arc::new(parse(&text).unwrap());
    let variant = profile.for_firmware(Some(&"2.0".parse().unwrap()));
    let address = "orderly/v1/main/cold_store/f1/up/reading";
    let input =
        Input { address, payload: &[1, 0, 52, 99], received_at: Timestamp(0), flags: Flags::default() };
    assert_eq!(variant.decode(input).unwrap()[0].values[0].quality, Quality::Bad);
}
