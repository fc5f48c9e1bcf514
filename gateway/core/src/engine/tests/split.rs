//! Messages that hold several readings: each is kept, and the message sent again is a repeat of each.

use super::bench::{Bench, COUNTER, FRIDGE, START};
use crate::dedupe::CountedOffset;
use crate::reading::{Marks, Reading};
use crate::record::{ConfigKind, Flags, Order};

const FRIDGE_TOPIC: &str = "orderly/v1/main/cold_store/f1/up/reading";
const MONITOR_TOPIC: &str = "orderly/v1/main/bedside_monitor/m1/up/reading";

/// A fridge whose profile is changed so.
pub fn fridge(changes: &[(&str, &str)]) -> Bench {
    with("fridge", "f1", "cold_store", FRIDGE, changes)
}

/// A monitor with a counter whose profile is changed so.
fn monitor(changes: &[(&str, &str)]) -> Bench {
    with("monitor", "m1", "bedside_monitor", COUNTER, changes)
}

pub fn with(profile: &str, device: &str, class: &str, text: &str, changes: &[(&str, &str)]) -> Bench {
    let mut text = text.to_owned();
    for (old, new) in changes {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    let mut bench = Bench::empty();
    bench.config(ConfigKind::Profile(profile.parse().unwrap()), Some(&text));
    let order = Order::RegisterDevice {
        device: device.parse().unwrap(),
        class: class.parse().unwrap(),
        profile: Some(profile.parse().unwrap()),
        zone: None,
        credential: None,
        commissioned_at: None,
        firmware: None,
    };
    bench.act("register", order);
    let aside = bench.written.quarantined.iter().map(|aside| &aside.reason).collect::<Vec<_>>();
    assert!(aside.is_empty(), "{aside:?}");
    bench
}

/// The changes that split a fridge's message.
pub const SPLIT: [(&str, &str); 3] = [
    ("kind = \"json\"", "kind = \"json\"\neach = \"$.list[*]\""),
    ("\"$.temp\"", "\"@.temp\""),
    ("input = '{\"temp\":5.0}'", "input = '{\"list\":[{\"temp\":5.0}]}'"),
];

/// The changes that split a monitor's message.
const SPLIT_BEATS: [(&str, &str); 3] = [
    ("kind = \"json\"", "kind = \"json\"\neach = \"$.list[*]\""),
    ("\"$.hr\"", "\"@.hr\""),
    ("input = '{\"hr\":80}'", "input = '{\"list\":[{\"hr\":80}]}'"),
];

/// Sends a message, and sends it again from every place that the first one may be in by then.
pub fn sent_and_sent_again(bench: &mut Bench, topic: &str, body: &str, flags: Flags, readings: usize) {
    let before = bench.readings().len();
    bench.pass(1_000);
    bench.say(topic, body);
    for step in 0..3 {
        bench.pass(1_000);
        bench.send_as(flags, "listener", topic, body);
        assert_eq!(bench.readings().len() - before, readings, "step {step}");
        match step {
            0 => bench.drain(),
            _ => bench.restore(),
        }
    }
    assert_eq!(bench.quarantine_codes(), Vec::<&str>::new());
}

fn all_differ(readings: &[Reading]) -> bool {
    let mut points: Vec<i64> = readings.iter().map(Reading::export_ns).collect();
    points.sort_unstable();
    points.windows(2).all(|two| two[0] != two[1])
}

#[test]
fn the_time_and_counter_of_an_envelope_are_those_of_all_its_items() {
    let mut changes = SPLIT.to_vec();
    changes.extend([
        (
            "[codec]",
            "[match]\ntopic = \"application/+/device/+/event/up\"\n[envelope]\nkind = \"chirpstack\"\ndecoded = true\n[codec]",
        ),
        ("[time]\npath = \"$.t\"\nformat = \"epoch_ms\"\n", ""),
        (
            "input = '{\"list\":[{\"temp\":5.0}]}'",
            "input = '{\"deviceInfo\":{\"devEui\":\"f1\"},\"object\":{\"list\":[{\"temp\":5.0}]}}'",
        ),
    ]);
    let mut bench = fridge(&changes);
    let body = r#"{"deviceInfo":{"devEui":"f1"},"time":"2026-11-21T00:00:00Z","fCnt":7,"fPort":2,
        "object":{"list":[{"temp":5.0},{"temp":5.0},{"temp":6.0}]}}"#;
    sent_and_sent_again(&mut bench, "application/1/device/f1/event/up", body, Flags::default(), 3);
    let readings = bench.readings();
    assert!(readings.iter().all(|r| r.sequence == Some(7) && r.marks == Marks::default()));
    assert!(all_differ(readings), "points of their own outside");
    // Stores know that these nanoseconds do not follow from time and counter alone.
    let offset = CountedOffset::new(&readings[1].device, 0, &readings[1].stream);
    assert_ne!(offset.of(readings[1].device_time, 7), readings[1].offset_ns);
}

#[test]
fn so_are_those_of_the_document() {
    let body = |list: &str| format!(r#"{{"t":{START},"seq":9,"list":[{list}]}}"#);
    let mut bench = monitor(&SPLIT_BEATS);
    let three = body(r#"{"hr":80},{"hr":80},{"hr":81}"#);
    sent_and_sent_again(&mut bench, MONITOR_TOPIC, &three, Flags::default(), 3);
    assert!(all_differ(bench.readings()));
    // One more item under the same counter is a reading that nobody has seen.
    bench.say(MONITOR_TOPIC, &body(r#"{"hr":80},{"hr":80},{"hr":81},{"hr":82}"#));
    assert_eq!(bench.readings().len(), 4);
}

#[test]
fn a_counter_without_time_tells_messages_apart_and_the_place_their_items() {
    let mut bench = monitor(&SPLIT_BEATS);
    let body = r#"{"seq":9,"list":[{"hr":80},{"hr":80},{"hr":81}]}"#;
    sent_and_sent_again(&mut bench, MONITOR_TOPIC, body, Flags::default(), 3);
    assert!(all_differ(bench.readings()));
    // The counter has come round: at each place the nearest message with it says something else, or the same.
    bench.say(MONITOR_TOPIC, r#"{"seq":9,"list":[{"hr":90},{"hr":80},{"hr":91}]}"#);
    assert_eq!(bench.readings().len(), 5);
}

#[test]
fn a_time_that_items_have_in_common_is_no_conflict_among_them() {
    let mut bench = fridge(&SPLIT);
    let body = |list: &str| format!(r#"{{"t":{START},"list":[{list}]}}"#);
    let three = body(r#"{"temp":5},{"temp":5},{"temp":6}"#);
    sent_and_sent_again(&mut bench, FRIDGE_TOPIC, &three, Flags::default(), 3);
    assert!(all_differ(bench.readings()));
    assert!(bench.readings().iter().all(|r| r.marks == Marks::default()));
    // Only what stands at the same place can contradict it.
    bench.say(FRIDGE_TOPIC, &body(r#"{"temp":5},{"temp":7},{"temp":6}"#));
    let marks: Vec<Marks> = bench.readings().iter().skip(3).map(|r| r.marks).collect();
    assert_eq!(marks, [Marks::CONFLICT]);
}

#[test]
fn items_with_a_time_or_counter_of_their_own_are_known_in_any_message() {
    let mut changes = SPLIT.to_vec();
    changes.push(("path = \"$.t\"", "path = \"@.t\""));
    let mut bench = fridge(&changes);
    let item = |t: i64, temp: u8| format!(r#"{{"t":{},"temp":{temp}}}"#, START + t);
    let (a, b, c) = (item(1, 5), item(2, 5), item(3, 6));
    bench.at(1_000).say(FRIDGE_TOPIC, &format!(r#"{{"list":[{a},{b}]}}"#));
    bench.drain();
    bench.say(FRIDGE_TOPIC, &format!(r#"{{"list":[{b},{c}]}}"#));
    assert_eq!(bench.readings().len(), 3);

    let mut changes = SPLIT_BEATS.to_vec();
    changes.push(("path = \"$.seq\"", "path = \"@.seq\""));
    let mut bench = monitor(&changes);
    let body = |list: &str| format!(r#"{{"t":{START},"list":[{list}]}}"#);
    bench.say(MONITOR_TOPIC, &body(r#"{"seq":1,"hr":80},{"seq":2,"hr":80}"#));
    bench.drain();
    bench.say(MONITOR_TOPIC, &body(r#"{"seq":2,"hr":80},{"seq":3,"hr":80}"#));
    assert_eq!(bench.readings().len(), 3);
}

#[test]
fn a_message_without_time_is_known_again_as_a_whole() {
    let list = |items: usize| {
        let items: Vec<String> = (0..items).map(|n| format!(r#"{{"temp":{}}}"#, n % 3)).collect();
        format!(r#"{{"list":[{}]}}"#, items.join(","))
    };
    for flags in [Flags::DUP, Flags::AFTER_RECONNECT, Flags::RETAINED] {
        for items in [2, 100] {
            let mut bench = fridge(&SPLIT);
            sent_and_sent_again(&mut bench, FRIDGE_TOPIC, &list(items), flags, items);
            assert!(all_differ(bench.readings()));
            // With no sign that it was sent twice it is a new one.
            bench.say(FRIDGE_TOPIC, &list(items));
            assert_eq!(bench.readings().len(), 2 * items);
            // One that comes for the first time with such a sign is no repeat of its own first item.
            bench.send_as(flags, "listener", FRIDGE_TOPIC, &list(items + 1));
            assert_eq!(bench.readings().len(), 3 * items + 1);
        }
    }
}

#[test]
fn so_are_lines_without_time() {
    let mut bench = fridge(&[
        ("[codec]\nkind = \"json\"", "[match]\nmeasurement = \"fridge\"\n[codec]\nkind = \"line\""),
        ("path = \"$.t\"\n", ""),
        ("path = \"$.temp\"", "field = \"temp\""),
        ("path = \"$.door\"", "field = \"door\""),
        ("input = '{\"temp\":5.0}'", "input = 'fridge temp=5'"),
    ]);
    let body = "fridge temp=5\nfridge temp=6\nfridge temp=7";
    sent_and_sent_again(&mut bench, FRIDGE_TOPIC, body, Flags::AFTER_RECONNECT, 3);
}

#[test]
fn readings_after_one_that_is_refused_keep_their_places() {
    // A pack of a gateway: the second of three devices is on the register only when it is sent again.
    let mut changes = SPLIT.to_vec();
    changes.push(("[codec]", "[match]\ntopic = \"pack/{gateway}\"\ndevice = { path = \"@.d\" }\n[codec]"));
    changes.push(("{\"list\":[{\"temp\":5.0}]}", "{\"list\":[{\"d\":\"f1\",\"temp\":5.0}]}"));
    let mut bench = fridge(&changes);
    let body = format!(r#"{{"t":{START},"list":[{{"d":"f2","temp":5}},{{"d":"f1","temp":5}}]}}"#);
    bench.say("pack/g1", &body);
    assert_eq!(bench.quarantine_codes(), ["unknown_device"]);
    bench.act(
        "second",
        Order::RegisterDevice {
            device: "f2".parse().unwrap(),
            class: "cold_store".parse().unwrap(),
            profile: Some("fridge".parse().unwrap()),
            zone: None,
            credential: None,
            commissioned_at: None,
            firmware: None,
        },
    );
    bench.say("pack/g1", &body);
    let found: Vec<_> = bench.readings().iter().map(|r| (r.device.to_string(), r.origin.index)).collect();
    assert_eq!(found, [("f1".to_owned(), 1), ("f2".to_owned(), 0)]);
}
