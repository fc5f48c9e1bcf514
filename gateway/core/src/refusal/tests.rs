//! Every sentence is understood, and whatever the readers of payloads say is one of them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::codec::line::{Precision, parse};
use crate::codec::registers::Blocks;
use crate::profile::{Input, Profile};
use crate::record::Flags;
use crate::time::Timestamp;
use crate::topic::{Topic, TopicError};

/// What a place may hold, and what is then understood.
fn sample(name: &'static str) -> String {
    match name {
        name if NUMBERS.contains(&name) => "7".to_owned(),
        name if NESTED.contains(&name) => "the list of a ward".to_owned(),
        name => format!("x-{name}"),
    }
}

fn places(template: &'static str) -> Vec<&'static str> {
    template.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name).collect()
}

/// Codes of all sentences within one another; an open end is the text that nobody understood.
fn codes(said: &Said, open: &mut Vec<String>) -> Vec<&'static str> {
    let mut all = vec![said.code];
    for (name, part) in &said.params {
        match part {
            Part::Said(inner) => all.extend(codes(inner, open)),
            Part::Text(text) if NESTED.contains(name) => open.push(text.clone()),
            Part::Text(_) => {}
        }
    }
    all
}

/// The text is understood down to its last word.
fn understood(text: &str) -> Vec<&'static str> {
    let mut open = Vec::new();
    let said = read(text).unwrap_or_else(|| panic!("no sentence of ours: {text}"));
    let all = codes(&said, &mut open);
    // True, false and null are the same in all languages.
    open.retain(|text| !["true", "false", "null"].contains(&text.as_str()));
    assert!(open.is_empty(), "{text}: not understood: {open:?}");
    all
}

#[test]
fn every_sentence_is_told_from_all_others() {
    let mut seen = BTreeSet::new();
    for sentence in SENTENCES {
        assert!(seen.insert(sentence.code), "{} comes twice", sentence.code);
        let mut text = sentence.english.to_owned();
        for name in places(sentence.english) {
            text = text.replace(&format!("{{{name}}}"), &sample(name));
        }
        let said = read(&text).unwrap_or_else(|| panic!("{text} is not understood"));
        assert_eq!(said.code, sentence.code, "{text}");
        for name in places(sentence.english) {
            assert_eq!(said.params[name], Part::Text(sample(name)), "{text}");
        }
    }
    assert!(seen.len() > 100);
}

#[test]
fn sentences_within_sentences_are_understood() {
    assert_eq!(understood(super::SEALED_REASON), ["sealed_reason"]);
    assert_eq!(
        understood("line 3: battery at $.battery: nothing is there; expected a number in %"),
        ["line", "metric", "expected_nothing_there", "a_number"]
    );
    assert_eq!(
        understood(
            "line 1: field \"a\": \"x\" is no value; expected 1.5, 15i, 15u, true, false or a text in double quotes; line 2: a tag key is empty; line 9: the text is not UTF-8"
        ),
        [
            "lines",
            "more_lines_on",
            "more_lines",
            "line_not_utf8",
            "line_name_empty",
            "line_tag_key",
            "field",
            "line_value"
        ]
    );
    assert_eq!(
        understood("the device: \"a b\" is not a name: only A-Z a-z 0-9 . _ : - may stand in it"),
        ["device_name", "not_a_name", "name_character"]
    );
    assert_eq!(
        understood(
            "the journal is damaged: 3 records are lost, from 7 to 9; their senders had an acknowledgement and will not send them again"
        ),
        ["journal_damage", "lost_acknowledged", "lost_many"]
    );
    assert_eq!(read("field type conflict: input field \"sys\""), None, "the words of a store are not ours");
}

/// The kinds that the engine's sources name are those of the list.
#[test]
fn every_kind_is_on_the_list() {
    let sources = [
        include_str!("../engine/input.rs"),
        include_str!("../engine/mod.rs"),
        include_str!("../engine/config.rs"),
        include_str!("../engine/actions.rs"),
        include_str!("../engine/reload.rs"),
        include_str!("../engine/decide.rs"),
        include_str!("../profile/mod.rs"),
        include_str!("../profile/decode.rs"),
    ];
    let mut found = BTreeSet::new();
    for source in sources {
        for before in [
            "Refused::new(",
            "code: ",
            "Err((",
            "Outcome::Refused(",
            "quarantine(record, 0, ",
            "quarantine(record, index, ",
        ] {
            for after in source.split(before).skip(1) {
                let Some(text) = after.trim_start().strip_prefix('"') else { continue };
                found.extend(text.split('"').next());
            }
        }
    }
    assert!(found.len() > 12, "{found:?}");
    assert!(found.iter().all(|kind| KINDS.contains(kind)), "{found:?}");
    assert!(KINDS.is_sorted());
}

const PROFILE: &str = r#"
[profile]
id = "t-1"
class = "scale"
vendor = "T"
model = "1"
version = "1"
schema = 1
[source]
document = "Orderly generic model"
version = "1"
[codec]
kind = "json"
[time]
path = "$.t"
[sequence]
path = "$.n"
[boot]
path = "$.boot"
[[metric]]
name = "mass"
path = "$.mass"
unit = "kg"
[[metric]]
name = "state"
path = "$.state"
states = ["on", "off"]
required = false
[[metric]]
name = "note"
path = "$.note"
text = true
required = false
[[test]]
input = '{"mass":1}'
from = "constructed"
[test.expect]
mass = 1
"#;

/// Profiles of the codecs that make documents of bytes and texts.
const FORMS: [&str; 11] = [
    "kind = \"cbor\"",
    "kind = \"msgpack\"",
    "kind = \"senml\"",
    "kind = \"csv\"\ncolumns = [\"mass\", \"t\"]",
    "kind = \"text\"\npattern = \"m=(?<mass>[0-9.]+)\"",
    "kind = \"gatt\"\ncharacteristic = \"2a35\"",
    "kind = \"ble_advertisement\"",
    "kind = \"ble_advertisement\"\npart = \"bthome\"",
    "kind = \"binary\"\n[[codec.field]]\nname = \"mass\"\ntype = \"u16\"\n[[codec.field]]\nname = \"b\"\ntype = \"bcd\"\nbytes = 1\n\
     [[codec.field]]\nname = \"c\"\ntype = \"text\"\nbytes = \"b\"\n[[codec.field]]\ntagged = \"u8\"\n[[codec.field.case]]\nis = [1]\n\
     fields = [{ name = \"x\", type = \"bits\", bits = 3 }]",
    "kind = \"javascript\"\nscript = '''function decodeUplink({ bytes }) {\nif (bytes[0] === 255) for (;;) {}\nif (bytes[0] & 1) throw \
     new Error('odd: ' + bytes)\nif (bytes[0] & 2) return { errors: ['no'] }\nif (bytes[0] & 4) return {}\nreturn { data: { mass: bytes.length ? undefined.x : bytes.x } } }'''",
    "kind = \"json\"\nwrap = \"base64\"\neach = \"$.all[*]\"",
];

fn form(codec: &str) -> Profile {
    let text = format!(
        "[profile]\nid = \"t-1\"\nclass = \"scale\"\nvendor = \"T\"\nmodel = \"1\"\nversion = \"1\"\nschema = 1\n[source]\n\
         document = \"x\"\n[codec]\n{codec}\n[[metric]]\nname = \"mass\"\npath = \"$.mass\"\nunit = \"kg\"\n[[test]]\n\
         input = \"!\"\nfrom = \"constructed\"\nerror = \"malformed\"\n"
    );
    // To some codecs the payload of the test is a whole value, but none with the metric.
    let other = text.replace("error = \"malformed\"", "error = \"bad_field\"");
    Profile::parse(&text, "t-1.toml").or_else(|_| Profile::parse(&other, "t-1.toml")).unwrap()
}

fn value() -> impl Strategy<Value = String> {
    const WORDS: [&str; 17] = [
        "1",
        "-0",
        "1e999",
        "NaN",
        "\"on\"",
        "\"x y\"",
        "true",
        "null",
        "{}",
        "[1]",
        "\"",
        "",
        "\"\\q\"",
        "\"\\ud800\"",
        "1.",
        "01",
        "+",
    ];
    prop_oneof![proptest::sample::select(&WORDS[..]).prop_map(str::to_owned), "[ -~]{0,80}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_wrong_with_json_is_understood(values in proptest::collection::vec((0_usize..7, value()), 0..5), cut in 0_usize..200) {
        let profile = Profile::parse(PROFILE, "t-1.toml").unwrap();
        let names = ["mass", "state", "note", "t", "n", "boot", "mass"];
        let body: Vec<String> = values.iter().map(|(key, value)| format!("\"{}\":{value}", names[*key])).collect();
        let body = format!("{{{}}}", body.join(","));
        let payload = &body.as_bytes()[..cut.min(body.len())];
        let input = Input { address: "orderly/v1/main/scale/s/up/reading", payload, received_at: Timestamp(0), flags: Flags::default() };
        if let Err(error) = profile.decode(input) {
            understood(&error.reason);
        }
    }

    #[test]
    fn what_is_wrong_with_bytes_is_understood(
        place in 0..FORMS.len(),
        payload in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..24),
            "[ -~]{0,40}".prop_map(String::into_bytes),
            "[01a,;\\[\\]{}\":mvtn_ =.-]{0,30}".prop_map(String::into_bytes),
        ],
    ) {
        let profile = form(FORMS[place]);
        let address = "orderly/v1/main/scale/s/up/reading";
        let input = Input { address, payload: &payload, received_at: Timestamp(0), flags: Flags::default() };
        if let Err(error) = profile.decode(input) {
            understood(&error.reason);
        }
    }

    #[test]
    fn what_is_wrong_with_lines_is_understood(text in "([a-c],?=?[ \\\\\"]?|m,t=x f=1|\n|f=2x| 17 |99999999999999999999){0,8}") {
        if let Err(errors) = parse(text.as_bytes(), Precision::S) {
            let all: Vec<String> = errors.iter().take(4).map(ToString::to_string).collect();
            understood(&all.join("; "));
        }
    }

    #[test]
    fn what_is_wrong_with_a_poll_is_understood(body in proptest::collection::vec(0_u8..8, 0..12)) {
        if let Err(reason) = Blocks::parse(&body) {
            understood(&reason);
        }
    }

    #[test]
    fn what_is_wrong_with_a_topic_is_understood(levels in proptest::collection::vec("up|cmd|status|a|[ -.0-~]{0,3}|b{65}", 0..8)) {
        let topic = format!("orderly/v1/{}", levels.join("/"));
        if let Err(error @ TopicError::Malformed { .. }) = Topic::parse(&topic) {
            understood(&error.to_string());
        }
    }
}
