//! The firmware of a device on the register says how it is read.

use super::bench::{Bench, FRIDGE};
use crate::inventory::Table;
use crate::record::{ConfigKind, Order, Sample};

/// From 2.0 on a fridge sends tenths.
const VARIANT: &str = r#"
[[variant]]
firmware = ">=2.0"
[[variant.metric]]
name = "temp"
path = "$.temp"
unit = "Cel"
scale = 0.1
range = [-40, 60]
[[variant.test]]
input = '{"temp":52}'
from = "constructed"
[variant.test.expect]
temp = 5.2
"#;

#[test]
fn the_register_the_reload_and_a_restart_each_bring_the_variant() {
    let mut bench = Bench::fridge();
    let firmware = |bench: &mut Bench, version: &str| {
        let text = format!("device,firmware\nf1,{version}\n");
        let lines = Table::open(text.as_bytes()).unwrap().map(Result::unwrap).collect();
        bench.act("firmware", Order::ImportDevices { lines, dry_run: false });
    };
    let last = |bench: &mut Bench| bench.readings().last().unwrap().values[0].value.number().unwrap();
    let fridge = || ConfigKind::Profile("fridge".parse().unwrap());
    firmware(&mut bench, "2.1");
    bench.at(1_000).temp("f1", 1_000, 50.0);
    assert_eq!(last(&mut bench), 50.0, "the profile has no variants yet");
    bench.config(fridge(), Some(&format!("{FRIDGE}{VARIANT}")));
    bench.at(2_000).temp("f1", 2_000, 50.0);
    assert_eq!(last(&mut bench), 5.0);
    bench.restore();
    bench.at(3_000).temp("f1", 3_000, 51.0);
    assert_eq!(last(&mut bench), 5.1);
    firmware(&mut bench, "1.9");
    bench.at(4_000).temp("f1", 4_000, 6.0);
    assert_eq!(last(&mut bench), 6.0, "it was put back");
    bench.register("f1", "cold_store");
    assert_eq!(
        bench.written.devices["f1"].firmware.as_ref().unwrap().as_str(),
        "1.9",
        "a new secret changes nothing"
    );
}

#[test]
fn a_message_of_an_unknown_version_is_not_read_as_the_base() {
    let mut bench = Bench::fridge();
    let fridge = ConfigKind::Profile("fridge".parse().unwrap());
    bench.config(fridge, Some(&format!("{FRIDGE}{VARIANT}")));
    bench.at(1_000).temp("f1", 1_000, 50.0);
    assert_eq!((bench.readings().len(), bench.quarantine_codes()), (0, vec!["no_firmware"]));
    let reason = &bench.written.quarantined[0].reason;
    assert!(
        reason.contains("the profile \"fridge\"") && reason.contains("orderly device import"),
        "{reason}"
    );
    assert_eq!(crate::refusal::read(reason).unwrap().code, "no_firmware");
    let lines = Table::open(&b"device,firmware\nf1,2.1\n"[..]).unwrap().map(Result::unwrap).collect();
    bench.act("firmware", Order::ImportDevices { lines, dry_run: false });
    bench.at(2_000).temp("f1", 2_000, 50.0);
    assert_eq!(bench.readings()[0].values[0].value.number(), Some(5.0));
}

#[test]
fn where_messages_tell_no_version_the_register_does() {
    let mut bench = Bench::fridge();
    let text = format!("[firmware]\npath = \"$.fw\"\n{FRIDGE}{VARIANT}")
        .replace("input = '{\"temp\":52}'", "input = '{\"temp\":52,\"fw\":\"2.0\"}'");
    bench.config(ConfigKind::Profile("fridge".parse().unwrap()), Some(&text));
    let topic = "orderly/v1/main/cold_store/f1/up/reading";
    bench.at(1_000).say(topic, r#"{"temp":50,"fw":"unknown"}"#);
    assert_eq!((bench.readings().len(), bench.quarantine_codes()), (0, vec!["no_firmware"]));
    bench.say(topic, r#"{"temp":50,"fw":"2.1"}"#);
    let lines = Table::open(&b"device,firmware\nf1,2.1\n"[..]).unwrap().map(Result::unwrap).collect();
    bench.act("firmware", Order::ImportDevices { lines, dry_run: false });
    bench.at(2_000).say(topic, r#"{"temp":51}"#);
    bench.at(3_000).say(topic, r#"{"temp":6,"fw":"1.9"}"#);
    let read: Vec<_> = bench.readings().iter().map(|r| r.values[0].value.number().unwrap()).collect();
    assert_eq!(read, [5.0, 5.1, 6.0]);
}

#[test]
fn what_a_stranger_said_in_an_unknown_version_stays_in_quarantine() {
    let mut bench = Bench::fridge();
    let fridge = ConfigKind::Profile("fridge".parse().unwrap());
    bench.config(fridge, Some(&format!("{FRIDGE}{VARIANT}")));
    bench.at(1_000).temp("f9", 900, 50.0);
    bench.drain();
    let row = &bench.written.quarantined[0];
    let sample = Sample {
        seq: row.seq,
        index: row.index,
        received_at: row.received_at,
        source: row.source.clone(),
        address: row.address.clone(),
        payload: row.excerpt.clone(),
    };
    let order = Order::AdoptDevice {
        device: "f9".parse().unwrap(),
        class: "cold_store".parse().unwrap(),
        profile: "fridge".parse().unwrap(),
        zone: None,
        samples: vec![sample],
        claimed: false,
    };
    bench.act("adopt", order);
    let answer = bench.answer().unwrap();
    assert_eq!((&answer["read"], &answer["left"]), (&serde_json::json!(0), &serde_json::json!(1)));
    assert!(answer["why"].as_str().unwrap().contains("orderly device import"), "{answer}");
    assert_eq!((bench.readings().len(), bench.written.released.len()), (0, 0));
}

#[test]
fn the_register_counts_also_where_only_the_payload_names_the_device() {
    let mut bench = Bench::fridge();
    let text = format!("[match]\ntopic = \"fridges/up\"\ndevice = {{ path = \"$.dev\" }}\n[firmware]\npath = \"$.fw\"\n{FRIDGE}{VARIANT}")
        .replace("{\"temp\":52}", "{\"temp\":52,\"fw\":\"2.0\"}");
    bench.config(ConfigKind::Profile("fridge".parse().unwrap()), Some(&text));
    bench.at(1_000).say("fridges/up", r#"{"dev":"f1","temp":50}"#);
    assert_eq!((bench.readings().len(), bench.quarantine_codes()), (0, vec!["no_firmware"]));
    let lines = Table::open(&b"device,firmware\nf1,2.1\n"[..]).unwrap().map(Result::unwrap).collect();
    bench.act("firmware", Order::ImportDevices { lines, dry_run: false });
    bench.at(2_000).say("fridges/up", r#"{"dev":"f1","temp":51}"#);
    assert_eq!(bench.readings()[0].values[0].value.number(), Some(5.1));
}
