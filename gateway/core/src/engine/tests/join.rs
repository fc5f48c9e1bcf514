//! A glucose measurement and its context: in any order, however often, whatever is lost, the same readings.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::bench::{Bench, START};
use crate::dedupe::replaces;
use crate::reading::{Marks, Reading};
use crate::record::{ConfigKind, Flags, Kind, Order};
use crate::value::Value;

const METER: &str = r#"
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
context = "2a34"
[time]
path = "$.base_time"
format = "local"
zone = "UTC"
max_past = "400d"
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
states = { before_meal = "before_meal", after_meal = "after_meal", fasting = "fasting", unknown = "unknown" }
without = "unknown"
required = false
[[metric]]
name = "carbohydrate"
path = "$.carbohydrate_g"
context = true
unit = "g"
canonical = "g"
required = false
[dedupe]
by = "seq"
[[test]]
hex = "06 0500 EA070B15062D00 37C0 11"
from = "constructed"
[test.context]
hex = "02 0500 03"
[test.expect]
glucose = 5.5
context = "fasting"
"#;

const RULES: &str = r#"
[[rule]]
id = "low"
class = "glucose_meter"
when = "glucose < 3.85"
severity = "P2"
team = "chronic_care"
source = "D"
text.zh = "低"
text.en = "low"
[[rule.test]]
given = [{ at = "0s", values = { glucose = 3 } }]
expect = ["fired 0s"]
[[rule]]
id = "fasting-high"
class = "glucose_meter"
when = 'glucose > 7.0 and context == "fasting"'
severity = "P3"
team = "chronic_care"
source = "D"
text.zh = "空腹高"
text.en = "fasting and high"
[[rule.test]]
given = [{ at = "0s", values = { glucose = 8, context = "fasting" } }]
expect = ["fired 0s"]
"#;

const DAY: i64 = 24 * 3_600_000;

fn meter() -> Bench {
    let mut bench = Bench::empty();
    bench.config(ConfigKind::Profile("meter".parse().unwrap()), Some(METER));
    bench.config(ConfigKind::Rule("meters".parse().unwrap()), Some(RULES));
    let order = Order::RegisterDevice {
        device: "g1".parse().unwrap(),
        class: "glucose_meter".parse().unwrap(),
        profile: Some("meter".parse().unwrap()),
        zone: None,
        credential: None,
        commissioned_at: None,
        firmware: None,
    };
    bench.act("register", order);
    assert_eq!(bench.quarantine_codes(), Vec::<&str>::new());
    bench.pass(DAY);
    bench
}

fn send(bench: &mut Bench, characteristic: &str, bytes: &[u8]) {
    let topic = format!("orderly/v1/main/glucose_meter/g1/up/{characteristic}");
    bench.record(Kind::Envelope, Flags::default(), "listener", &topic, bytes);
}

/// So many tenths of mmol/l, measured at 2026-11-21 00:`minute`, or by a meter that does not know the time.
fn measure(bench: &mut Bench, sequence: u16, tenths: u16, minute: Option<u8>) {
    let [low, high] = sequence.to_le_bytes();
    let time = minute.map_or([0; 7], |minute| [0xEA, 7, 11, 21, 0, minute, 0]);
    let [value, exponent] = (0xC000 | tenths).to_le_bytes();
    let bytes = [&[6, low, high][..], &time, &[value, exponent, 0x11]].concat();
    send(bench, "2a18", &bytes);
}

/// Meal 1 to 3, and so many grams of carbohydrate if any.
fn tell(bench: &mut Bench, sequence: u16, meal: u8, grams: Option<u8>) {
    let [low, high] = sequence.to_le_bytes();
    let bytes = match grams {
        None => vec![2, low, high, meal],
        Some(grams) => vec![3, low, high, 1, grams, 0xD0, meal],
    };
    send(bench, "2a34", &bytes);
}

fn word(reading: &Reading, metric: &str) -> Option<String> {
    let measured = reading.values.iter().find(|measured| measured.metric.as_str() == metric)?;
    Some(match &measured.value {
        Value::Number(n) => n.to_string(),
        Value::State(token) => token.to_string(),
        other => format!("{other:?}"),
    })
}

/// What is left when each correction has taken the place of what it replaces.
fn standing(bench: &mut Bench) -> Vec<Reading> {
    let all = bench.readings();
    all.iter().filter(|r| !all.iter().any(|other| replaces(other, r))).cloned().collect()
}

/// Sequence, glucose, context, carbohydrate.
type Line = (u64, Option<String>, Option<String>, Option<String>);

fn says(readings: &[Reading]) -> Vec<Line> {
    let one =
        |r: &Reading| (r.sequence.unwrap(), word(r, "glucose"), word(r, "context"), word(r, "carbohydrate"));
    readings.iter().map(one).collect()
}

fn said(sequence: u64, glucose: Option<&str>, context: &str, grams: Option<&str>) -> Line {
    (sequence, glucose.map(Into::into), Some(context.into()), grams.map(Into::into))
}

fn go_on(bench: &mut Bench, how: u8) {
    match how {
        0 => {}
        1 => bench.drain(),
        _ => bench.restore(),
    }
}

#[test]
fn a_value_is_a_reading_at_once_and_its_context_takes_its_place_with_both() {
    for how in 0..3 {
        let mut bench = meter();
        measure(&mut bench, 5, 55, Some(10));
        go_on(&mut bench, how);
        if how > 0 {
            assert_eq!(says(&standing(&mut bench)), [said(5, Some("5.5"), "unknown", None)]);
        }
        bench.pass(60_000);
        tell(&mut bench, 5, 3, Some(20));
        assert_eq!(says(&standing(&mut bench)), [said(5, Some("5.5"), "fasting", Some("20"))]);
        let [first, joined] = bench.readings() else { panic!("two readings") };
        assert_eq!((joined.marks, joined.replaces), (Marks::COMPLETED, Some(first.origin)));
        assert_eq!(joined.export_ns(), first.export_ns(), "one point outside");
        let same =
            |r: &Reading| (r.device_time, r.taken_at, r.received_at, r.sequence, r.epoch, r.stream.clone());
        assert_eq!(same(joined), same(first));
        let view = bench.view("g1");
        assert_eq!((view.latest.len(), view.latest[0].1.values.len()), (1, 3));
    }
}

#[test]
fn a_context_that_comes_first_is_kept_and_is_no_present_value() {
    for how in 0..3 {
        let mut bench = meter();
        tell(&mut bench, 5, 1, None);
        go_on(&mut bench, how);
        tell(&mut bench, 5, 1, None);
        go_on(&mut bench, how);
        assert_eq!(says(&standing(&mut bench)), [said(5, None, "before_meal", None)]);
        assert!(bench.view("g1").latest.is_empty());
        measure(&mut bench, 5, 55, Some(10));
        assert_eq!(says(&standing(&mut bench)), [said(5, Some("5.5"), "before_meal", None)]);
        assert_eq!(bench.readings().len(), 2);
        assert_eq!(bench.view("g1").latest[0].1.values.len(), 2);
    }
}

#[test]
fn rules_see_both_together_and_never_a_context_with_the_value_of_another_measurement() {
    let mut bench = meter();
    measure(&mut bench, 1, 60, Some(10));
    tell(&mut bench, 1, 3, None);
    assert_eq!(bench.steps(), Vec::<String>::new());
    // The fasting of before does not stand for this one, nor this one's value for the context that overtook its own.
    measure(&mut bench, 2, 90, Some(20));
    tell(&mut bench, 3, 3, None);
    assert_eq!(bench.steps(), Vec::<String>::new());
    let minute = |minute: i64| minute * 60_000;
    measure(&mut bench, 3, 80, Some(30));
    assert_eq!(bench.steps(), [format!("fired fasting-high@{}", minute(30))]);
    // Low is told without waiting, once.
    measure(&mut bench, 4, 30, Some(40));
    let low = format!("fired low@{}", minute(40));
    assert_eq!(bench.steps()[1..], [format!("cleared fasting-high@{}", minute(40)), low.clone()]);
    tell(&mut bench, 4, 3, None);
    assert_eq!(bench.steps().iter().filter(|step| **step == low).count(), 1);
    assert_eq!(bench.steps().len(), 3, "{:?}", bench.steps());
}

#[test]
fn a_number_that_comes_again_after_a_month_is_another_measurement() {
    for context_first in [false, true] {
        let mut bench = meter();
        measure(&mut bench, 5, 55, Some(10));
        bench.restore();
        bench.pass(31 * DAY);
        if context_first {
            tell(&mut bench, 5, 3, None);
        }
        measure(&mut bench, 5, 66, Some(30));
        if !context_first {
            tell(&mut bench, 5, 3, None);
        }
        let expected = [said(5, Some("5.5"), "unknown", None), said(5, Some("6.6"), "fasting", None)];
        assert_eq!(says(&standing(&mut bench)), expected);
    }
}

#[test]
fn what_is_of_another_characteristic_is_refused() {
    let mut bench = meter();
    send(&mut bench, "2a52", &[6, 0, 1, 1]);
    send(&mut bench, "0x2A35", &[0; 7]);
    assert_eq!(bench.quarantine_codes(), ["bad_field", "bad_field"]);
    measure(&mut bench, 5, 55, None);
    // Under a name that is no characteristic it is a measurement, in a stream of that name.
    send(&mut bench, "memory", &[6, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0x37, 0xC0, 0x11]);
    let streams: Vec<_> = bench.readings().iter().map(|r| r.stream.to_string()).collect();
    assert_eq!(streams, ["reading", "memory"]);
}

#[derive(Debug, Clone)]
enum Event {
    Measurement(usize),
    Context { which: usize, meal: u8, grams: Option<u8> },
    Epoch,
    Pass(i64),
}

/// Around the end of the counter. A third of the measurements have no time.
const NUMBERS: [u16; 6] = [65_533, 65_534, 65_535, 0, 1, 2];

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..NUMBERS.len()).prop_map(Event::Measurement),
        6 => (0..NUMBERS.len(), 1..4_u8, prop::option::of(10..12_u8))
            .prop_map(|(which, meal, grams)| Event::Context { which, meal, grams }),
        1 => Just(Event::Epoch),
        2 => (0..3 * DAY / 10).prop_map(Event::Pass),
    ]
}

/// Whether it was measured, and meal and grams as they were told last.
type Known = (bool, Option<(u8, Option<u8>)>);

type Told = (u32, u64, Option<String>, Option<String>, Option<String>);

/// What must stand at the end: the value once it was measured, and what was told last of its context.
fn reference(events: &[Event]) -> BTreeSet<Told> {
    let (mut epoch, mut known) = (0, BTreeMap::<(u32, usize), Known>::new());
    for event in events {
        match event {
            Event::Measurement(which) => known.entry((epoch, *which)).or_default().0 = true,
            Event::Context { which, meal, grams } => {
                known.entry((epoch, *which)).or_default().1 = Some((*meal, *grams));
            }
            Event::Epoch => epoch += 1,
            Event::Pass(_) => {}
        }
    }
    let one = |((epoch, which), (measured, context)): ((u32, usize), Known)| {
        let glucose = measured.then(|| (f64::from(tenths(which)) / 10.0).to_string());
        let meals = ["unknown", "before_meal", "after_meal", "fasting"];
        let meal = meals[usize::from(context.map_or(0, |(meal, _)| meal))].to_owned();
        let grams = context.and_then(|(_, grams)| grams).map(|grams| grams.to_string());
        (epoch, u64::from(NUMBERS[which]), glucose, Some(meal), grams)
    };
    known.into_iter().map(one).collect()
}

fn tenths(which: usize) -> u16 {
    50 + u16::try_from(which).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_order_and_any_losses_give_what_the_last_word_on_each_number_says(
        events in prop::collection::vec(event(), 1..60),
        cuts in prop::collection::vec(0..3_u8, 60),
    ) {
        let mut runs = Vec::new();
        for mode in 0..3 {
            let mut bench = meter();
            for (number, event) in events.iter().enumerate() {
                match event {
                    Event::Measurement(which) => {
                        let minute = (which % 3 > 0).then(|| u8::try_from(*which).unwrap());
                        measure(&mut bench, NUMBERS[*which], tenths(*which), minute);
                        let now = standing(&mut bench);
                        let epoch = bench.written.devices["g1"].epoch;
                        let there = now.iter().any(|r| r.epoch == epoch && r.sequence == Some(NUMBERS[*which].into())
                            && word(r, "glucose").is_some());
                        prop_assert!(there, "the value is there at once");
                    }
                    Event::Context { which, meal, grams } => tell(&mut bench, NUMBERS[*which], *meal, *grams),
                    Event::Epoch => bench.act(&format!("e{number}"), Order::NewEpoch { device: "g1".parse().unwrap() }),
                    Event::Pass(ms) => bench.pass(*ms),
                }
                go_on(&mut bench, match mode { 0 => 0, 1 => 2, _ => cuts[number] });
            }
            let stand = standing(&mut bench);
            let told: Vec<Told> = stand.iter().zip(says(&stand))
                .map(|(r, (sequence, glucose, context, grams))| (r.epoch, sequence, glucose, context, grams))
                .collect();
            let set: BTreeSet<Told> = told.iter().cloned().collect();
            prop_assert_eq!(set.len(), told.len(), "each once");
            prop_assert_eq!(&set, &reference(&events));
            prop_assert!(bench.quarantine_codes().is_empty());
            runs.push(bench.readings().to_vec());
        }
        // A restart anywhere and a commit anywhere decide the same, record by record.
        prop_assert_eq!(&runs[0], &runs[1]);
        prop_assert_eq!(&runs[0], &runs[2]);
    }
}

#[test]
fn the_bench_begins_where_the_meter_measures() {
    let mut bench = meter();
    measure(&mut bench, 5, 55, Some(10));
    assert_eq!(bench.readings()[0].taken_at.0, START + 600_000);
}
