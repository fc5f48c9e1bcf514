//! `[[test]]`: the payloads that a profile proves itself with, run whenever it is read.

use super::{Codec, Decoded, Half, Input, Profile};
use crate::codec::registers::{self, Table};
use crate::codec::wrap::from_hex;
use crate::diagnostic::{Section, nearest};
use crate::reading::Measured;
use crate::record::Flags;
use crate::time::Timestamp;
use crate::value::{Missing, Quality, Reason, Value};

/// Runs the tests of a profile; what does not hold is reported at its place. Without a profile only the form is checked.
pub(super) fn run(profile: Option<&Profile>, tests: &[Section<'_, '_>]) {
    let clean = tests.first().is_some_and(Section::is_clean);
    for test in tests {
        let payload = payload(test, profile);
        let context = test.section("context").map(|context| (payload_of_context(&context, profile), context));
        let topic = test.text("topic");
        let (port, received_at) = (port(test), received(test));
        test.need_text("from");
        let error = test.text("error");
        let expected = test.section_list("expect");
        if error.is_none() && expected.is_empty() && !test.has("expect") {
            test.wrong_here(
                "a test needs what to expect: [test.expect] with values, or error = \"malformed\"",
                None,
            );
        }
        expected.iter().for_each(|one| _ = one.keys());
        // With a mistake elsewhere a failing test would only repeat it.
        let (Some(profile), Some(payload), true) = (profile, payload, clean) else { continue };
        let own = format!("orderly/v1/main/{}/test-0001/up/{}", profile.class, profile.layout.default_stream);
        let input =
            Input { address: topic.unwrap_or(&own), payload: &payload, received_at, flags: Flags::default() };
        let mut decoded = profile.decode_as_base(input, port);
        if let (Some((context, section)), Ok([reading])) = (&context, decoded.as_deref_mut()) {
            let Some(context) = context else { continue };
            join(profile, reading, section, context, received_at);
        }
        match (decoded, error) {
            (Ok(decoded), None) => compare_all(test, &expected, &decoded),
            (Err(found), Some(wanted)) if found.code == wanted => {}
            (Err(found), Some(_)) => {
                test.wrong("error", format!("it was refused as {:?}: {}", found.code, found.reason), None);
            }
            (Err(found), None) => test.wrong("input", format!("it was refused: {}", found.reason), None),
            (Ok(_), Some(_)) => test.wrong("error", "it should have been refused, but it was decoded", None),
        }
    }
}

fn payload_of_context(context: &Section<'_, '_>, profile: Option<&Profile>) -> Option<Vec<u8>> {
    let _ = context.text("topic");
    payload(context, profile)
}

/// Adds the context of a test to its reading, as the engine does it when the context comes second; when it comes first
/// the same must come of it.
fn join(
    profile: &Profile,
    reading: &mut Decoded,
    section: &Section<'_, '_>,
    context: &[u8],
    received_at: Timestamp,
) {
    let own = format!("orderly/v1/main/{}/test-0001/up/2a34", profile.class);
    let address = section.text("topic").unwrap_or(&own);
    let told = match profile.decode(Input { address, payload: context, received_at, flags: Flags::default() })
    {
        Ok(told) => told,
        Err(found) => return section.wrong_here(format!("it was refused: {}", found.reason), None),
    };
    let Some(told) = told.first().filter(|told| told.half == Half::Context) else {
        return section.wrong_here("it is no context", None);
    };
    if told.sequence != reading.sequence {
        let numbers =
            [told.sequence, reading.sequence].map(|n| n.map_or_else(String::new, |n| n.to_string()));
        let message = format!("its sequence number is {}, not {}", numbers[0], numbers[1]);
        return section.wrong_here(message, None);
    }
    reading.values = profile.join(&reading.values, &told.values);
}

/// When a test's payload came; it matters to codecs that ask for the time.
fn received(test: &Section<'_, '_>) -> Timestamp {
    let said = test.has("received").then(|| test.parsed("received", str::parse::<jiff::Timestamp>)).flatten();
    said.map_or(Timestamp::EARLIEST_PLAUSIBLE, |time| Timestamp(time.as_millisecond()))
}

/// The LoRaWAN port that a test's payload came on.
fn port(test: &Section<'_, '_>) -> Option<u8> {
    let port = test.integer("port")?;
    let small = u8::try_from(port).ok();
    if small.is_none() {
        test.wrong("port", format!("{port} is not from 0 to 255"), None);
    }
    small
}

fn payload(test: &Section<'_, '_>, profile: Option<&Profile>) -> Option<Vec<u8>> {
    if test.has("hex") {
        return test.parsed("hex", |text| from_hex(text.as_bytes()));
    }
    if test.has("input") && test.is_text("input") {
        return test.need_text("input").map(|text| text.as_bytes().to_vec());
    }
    match profile.map(Profile::codec) {
        Some(Codec::Document | Codec::Line) => {
            test.need_text("input");
            None
        }
        // With a mistake elsewhere only the form is checked.
        None => test.has("input").then_some(None)?,
        Some(Codec::Registers(_)) => {
            let mut body = registers::begin();
            for block in test.texts("input")? {
                if let Err(why) = push_block(&mut body, block) {
                    test.wrong("input", why, None);
                    return None;
                }
            }
            Some(body)
        }
    }
}

/// Adds a block that a test writes as `input 0 = 52 -3 0x00FF`, `coil 16 = 1 0 1` or `holding 4 2 refused 2`.
fn push_block(body: &mut Vec<u8>, block: &str) -> Result<(), String> {
    let refuse = || {
        format!(
            "{block:?} is no block; write \"input 0 = 52 -3 0x00FF\", \"coil 16 = 1 0 1\" or \"holding 4 2 refused 2\" \
             (address 4, 2 registers, exception 2)"
        )
    };
    let mut words = block.split_ascii_whitespace();
    let table = match words.next() {
        Some("coil") => Table::Coil,
        Some("discrete") => Table::Discrete,
        Some("holding") => Table::Holding,
        Some("input") => Table::Input,
        _ => return Err(refuse()),
    };
    let rest: Vec<&str> = words.collect();
    match rest.as_slice() {
        [start, "=", values @ ..] if !values.is_empty() => {
            let start = start.parse().map_err(|_| refuse())?;
            let words: Option<Vec<u16>> = values.iter().map(|value| word16(value)).collect();
            let words = words.ok_or_else(refuse)?;
            if table.holds_bits() {
                let bits: Vec<bool> = words.iter().map(|word| *word != 0).collect();
                registers::push_bits(body, table, start, &bits);
            } else {
                registers::push_words(body, table, start, &words);
            }
            Ok(())
        }
        [start, count, "refused", code] => {
            let (start, count) = (start.parse().map_err(|_| refuse())?, count.parse().map_err(|_| refuse())?);
            registers::push_refused(body, table, start, count, code.parse().map_err(|_| refuse())?);
            Ok(())
        }
        _ => Err(refuse()),
    }
}

fn word16(text: &str) -> Option<u16> {
    match (text.strip_prefix("0x"), text.strip_prefix('-')) {
        (Some(hex), _) => u16::from_str_radix(hex, 16).ok(),
        (None, Some(_)) => text.parse::<i16>().ok().map(i16::cast_unsigned),
        (None, None) => text.parse().ok(),
    }
}

fn compare_all(test: &Section<'_, '_>, expected: &[Section<'_, '_>], decoded: &[Decoded]) {
    if expected.len() != decoded.len() {
        let message = format!("{} readings came out, {} are expected", decoded.len(), expected.len());
        test.wrong("expect", message, None);
    }
    for (expect, reading) in expected.iter().zip(decoded) {
        compare(expect, reading);
    }
}

/// Keys of an expectation that are about the reading, not about one value of it.
const ABOUT_READING: [&str; 5] = ["time", "sequence", "stream", "device", "boot"];

fn compare(expect: &Section<'_, '_>, reading: &Decoded) {
    let about = [
        reading.device_time.map(|time| time.to_string()),
        reading.sequence.map(|n| n.to_string()),
        Some(reading.stream.to_string()),
        reading.device.as_ref().map(ToString::to_string),
        reading.boot.as_ref().map(ToString::to_string),
    ];
    for (key, found) in ABOUT_READING.iter().zip(about) {
        if !expect.has(key) {
            continue;
        }
        let mut wanted = expect.word(key);
        if *key == "time" {
            wanted = expect
                .parsed(key, str::parse::<jiff::Timestamp>)
                .map(|time| Timestamp(time.as_millisecond()).to_string());
        }
        if wanted.is_some() && wanted != found {
            expect.wrong(key, format!("decoded {}", found.as_deref().unwrap_or("nothing")), None);
        }
    }
    let keys = expect.keys();
    for measured in &reading.values {
        let name = measured.metric.as_str();
        if keys.contains(&name) {
            compare_value(expect, name, measured);
        } else {
            expect.wrong_here(format!("{name} was decoded as {} but is not expected", show(measured)), None);
        }
    }
    for key in keys {
        let decoded = reading.values.iter().any(|measured| measured.metric.as_str() == key);
        if !decoded && !ABOUT_READING.contains(&key) {
            let near = nearest(key, reading.values.iter().map(|measured| measured.metric.as_str()));
            expect.wrong(key, "it was not decoded", near.map(|near| format!("did you mean {near:?}?")));
        }
    }
}

fn compare_value(expect: &Section<'_, '_>, name: &str, found: &Measured) {
    let message = format!("decoded {}", show(found));
    if !expect.is_section(name) {
        let wanted = expect.word(name);
        let right = wanted.is_none_or(|wanted| same(found, &wanted)) && found.quality == Quality::Good;
        if !right {
            expect.wrong(name, message, None);
        }
        return;
    }
    let Some(one) = expect.section(name) else { return };
    let fields = [
        ("value", None),
        ("unit", Some(found.unit.to_string())),
        ("quality", Some(word_of(&found.quality))),
        ("reason", Some(found.reason.map_or_else(String::new, |reason: Reason| word_of(&reason)))),
        ("missing", Some(missing_of(&found.value).map_or_else(String::new, |missing| word_of(&missing)))),
        ("raw", Some(found.raw.as_deref().unwrap_or_default().to_owned())),
    ];
    for (key, text) in fields {
        let Some(wanted) = one.word_if(key) else { continue };
        let right = match text {
            Some(text) => text == wanted,
            None => same(found, &wanted),
        };
        if !right {
            one.wrong(key, message.clone(), None);
        }
    }
    if !one.has("quality") && found.quality != Quality::Good {
        one.wrong_here(message, None);
    }
}

/// A converted value is compared to the decimals that the test writes, any other one exactly.
fn tolerance(wanted: &str, found: &Measured) -> f64 {
    let decimals = wanted.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    match (&found.raw, i32::try_from(decimals)) {
        (Some(_), Ok(decimals)) => 0.5 * 10_f64.powi(-decimals),
        _ => 0.0,
    }
}

fn same(found: &Measured, wanted: &str) -> bool {
    match &found.value {
        Value::Number(n) => wanted.parse::<f64>().is_ok_and(|w| (w - n).abs() <= tolerance(wanted, found)),
        Value::State(text) | Value::Text(text) => **text == *wanted,
        Value::Missing(_) => false,
    }
}

const fn missing_of(value: &Value) -> Option<Missing> {
    match value {
        Value::Missing(missing) => Some(*missing),
        Value::Number(_) | Value::State(_) | Value::Text(_) => None,
    }
}

/// The name by which a plain enum is written everywhere else.
fn word_of(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn show(found: &Measured) -> String {
    let mut text = match &found.value {
        Value::Number(n) => format!("{n} {}", found.unit),
        Value::State(text) | Value::Text(text) => format!("{text:?}"),
        Value::Missing(missing) => format!("missing ({})", word_of(missing)),
    };
    if let Some(reason) = found.reason {
        text.push_str(&format!(", {} ({})", word_of(&found.quality), word_of(&reason)));
    }
    if let Some(raw) = &found.raw {
        text.push_str(&format!(", raw {raw:?}"));
    }
    text
}
