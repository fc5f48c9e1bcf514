//! A device speaks for itself only.

use super::bench::START;
use super::split::{SPLIT, fridge};
use crate::record::Order;

/// A fridge whose payloads name devices, item by item.
fn naming(topic: &str) -> super::bench::Bench {
    let mut changes = SPLIT.to_vec();
    let matching = format!("[match]\n{topic}device = {{ path = \"@.d\" }}\n[codec]");
    changes.push(("[codec]", &matching));
    if !topic.is_empty() {
        changes.push(("[{\"temp\":5.0}]", "[{\"d\":\"f1\",\"temp\":5.0}]"));
    }
    let mut bench = fridge(&changes);
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
    bench
}

fn pack() -> String {
    format!(
        r#"{{"t":{START},"list":[{{"d":"f2","temp":5}},{{"d":"f1","temp":6}},{{"temp":7}},{{"d":"f3","temp":8}}]}}"#
    )
}

fn kept(bench: &mut super::bench::Bench) -> Vec<(String, u16)> {
    bench.readings().iter().map(|r| (r.device.to_string(), r.origin.index)).collect()
}

#[test]
fn what_the_payload_says_is_of_others_is_not_filed_under_the_topics_device() {
    for (topic, address) in
        [("", "orderly/v1/main/cold_store/f1/up/reading"), ("topic = \"hall/{device}\"\n", "hall/f1")]
    {
        let mut bench = naming(topic);
        bench.say(address, &pack());
        assert_eq!(kept(&mut bench), [("f1".to_owned(), 1), ("f1".to_owned(), 2)]);
        assert_eq!(bench.quarantine_codes(), ["wrong_device"], "one row for all");
        let why = &bench.written.quarantined[0].reason;
        assert!(why.contains("\"f1\", but the payload names \"f2\" (2 of its"), "{why}");
    }
}

#[test]
fn a_gateway_with_a_topic_of_its_own_speaks_for_others() {
    let mut bench = naming("topic = \"pack/{gateway}\"\n");
    bench.say("pack/g1", &pack());
    assert_eq!(kept(&mut bench), [("f2".to_owned(), 0), ("f1".to_owned(), 1)]);
    assert_eq!(bench.quarantine_codes(), ["no_device", "unknown_device"]);
}
