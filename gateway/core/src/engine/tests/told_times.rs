//! Times that a device tells only from now, or cannot tell.

use super::bench::{Bench, START};
use super::split::{fridge, sent_and_sent_again, with};
use crate::reading::Marks;
use crate::record::{Flags, Kind};
use crate::time::Timestamp;

const TOPIC: &str = "orderly/v1/main/cold_store/f1/up/reading";

const GLUCOSE: &str = r#"
[profile]
id = "meter"
class = "glucose_meter"
vendor = "Test"
model = "G"
version = "1"
schema = 1
[source]
document = "Orderly generic model"
[codec]
kind = "gatt"
characteristic = "2a18"
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
hex = "07 0500 EA070B15062D00 FF7F 37C0 11"
from = "constructed"
[test.expect]
sequence = 5
glucose = 5.5
"#;

/// A fridge that sends packs of `SenML`.
fn packs() -> Bench {
    fridge(&[
        ("kind = \"json\"", "kind = \"senml\""),
        ("path = \"$.t\"", "path = \"@.time\""),
        ("epoch_ms", "epoch_s"),
        ("\"$.temp\"", "\"@.values.temp\""),
        ("\"$.door\"", "\"@.values.door\""),
        ("input = '{\"temp\":5.0}'", "input = '[{\"n\":\"temp\",\"v\":5.0}]'"),
    ])
}

#[test]
fn a_time_that_counts_from_now_is_when_it_was_taken_and_not_what_it_is_known_by() {
    let mut bench = packs();
    let body = r#"[{"n":"temp","t":-60,"v":5},{"n":"temp","t":-30,"v":5},{"n":"temp","v":6}]"#;
    sent_and_sent_again(&mut bench, TOPIC, body, Flags::DUP, 3);
    let found: Vec<_> = bench.readings().iter().map(|r| (r.device_time, r.taken_at, r.marks)).collect();
    let at = |ms| (None, Timestamp(START + ms), Marks::default());
    assert_eq!(found, [at(-59_000), at(-29_000), at(1_000)]);
}

#[test]
fn the_bounds_of_a_clock_hold_for_it_too() {
    let mut bench = packs();
    bench.say(TOPIC, r#"[{"n":"temp","t":3600,"v":5},{"n":"temp","t":-90000,"v":5}]"#);
    let found: Vec<_> = bench.readings().iter().map(|r| (r.taken_at, r.marks)).collect();
    let past = Timestamp(START - 90_000_000);
    assert_eq!(found, [(Timestamp(START), Marks::CLOCK_SUSPECT), (past, Marks::HISTORY)]);
    // How long a broker has kept it nobody knows.
    bench.send_as(Flags::RETAINED, "listener", TOPIC, r#"[{"n":"temp","t":-10,"v":7}]"#);
    let kept = bench.readings().last().map(|r| (r.taken_at, r.marks));
    assert_eq!(kept, Some((Timestamp(START), Marks::CLOCK_SUSPECT)));
}

#[test]
fn absolute_times_of_a_pack_are_known_again_in_any_pack() {
    let mut bench = packs();
    let seconds = START / 1_000;
    let (a, b) = (seconds - 120, seconds - 60);
    bench.say(TOPIC, &format!(r#"[{{"n":"temp","t":{a},"v":5}},{{"n":"temp","t":{b},"v":5}}]"#));
    bench.drain();
    bench.say(TOPIC, &format!(r#"[{{"n":"temp","t":{b},"v":5}},{{"n":"temp","t":{seconds},"v":5}}]"#));
    let found: Vec<_> = bench.readings().iter().map(|r| r.taken_at.0 / 1_000).collect();
    assert_eq!(found, [a, b, seconds]);
}

#[test]
fn a_clock_that_cannot_say_how_far_it_was_set_is_suspect() {
    let mut bench = with("meter", "g1", "glucose_meter", GLUCOSE, &[]);
    let send = |bench: &mut Bench, offset: [u8; 2], sequence: u8| {
        let mut body = vec![0x07, sequence, 0, 0xEA, 0x07, 11, 0x14, 6, 45, 0];
        body.extend(offset);
        body.extend([0x37, 0xC0, 0x11]);
        bench.record(
            Kind::Envelope,
            Flags::default(),
            "listener",
            "orderly/v1/main/glucose_meter/g1/up/reading",
            &body,
        );
    };
    for (offset, sequence) in [([0xFF, 0x7F], 5), ([0x00, 0x80], 6), ([15, 0], 7), ([0xFF, 0x7F], 5)] {
        send(&mut bench, offset, sequence);
    }
    assert_eq!(bench.quarantine_codes(), Vec::<&str>::new());
    let found: Vec<_> = bench.readings().iter().map(|r| (r.device_time, r.taken_at, r.marks)).collect();
    let unknown = (None, Timestamp(START), Marks::CLOCK_SUSPECT);
    let told = Timestamp(START - 25 * 3_600_000);
    assert_eq!(found, [unknown, unknown, (Some(told), told, Marks::default())], "and sent again it is known");
}
