//! Strangers in quarantine, and what becomes of what they said when somebody takes them on.

use serde_json::json;

use super::bench::{Bench, START};
use crate::record::{Flags, Order, Sample};
use crate::time::Timestamp;

/// An adoption with all that stands in quarantine.
fn adopt(bench: &mut Bench, device: &str, profile: &str) -> Order {
    bench.drain();
    let sample = |row: &crate::output::Quarantined| Sample {
        seq: row.seq,
        index: row.index,
        received_at: row.received_at,
        source: row.source.clone(),
        address: row.address.clone(),
        payload: row.excerpt.clone(),
    };
    Order::AdoptDevice {
        device: device.parse().unwrap(),
        class: "cold_store".parse().unwrap(),
        profile: profile.parse().unwrap(),
        zone: Some("pharmacy".parse().unwrap()),
        samples: bench.written.quarantined.iter().map(sample).collect(),
        claimed: false,
    }
}

#[test]
fn what_a_stranger_said_is_read_when_it_is_taken_on() {
    let mut bench = Bench::fridge();
    let topic = "orderly/v1/main/cold_store/f9/up/reading";
    bench.at(1_000).temp("f9", 900, 5.0);
    bench.at(2_000).temp("f9", 1_900, 99.0);
    bench.say(topic, "not what it should be");
    bench.at(3_000).temp("f9", 2_900, 6.0);
    assert_eq!(bench.quarantine_codes(), ["unknown_device"; 4]);
    let before = bench.written.quarantined.iter().map(|row| (row.seq, row.index)).collect::<Vec<_>>();

    bench.at(60_000);
    let order = adopt(&mut bench, "f9", "fridge");
    bench.act("adopt", order.clone());
    let want = json!({"device": "f9", "class": "cold_store", "profile": "fridge", "read": 3, "left": 1});
    assert_eq!(bench.answer().unwrap(), want);
    let told: Vec<_> =
        bench.readings().iter().map(|r| (r.received_at.0 - START, r.taken_at.0 - START)).collect();
    assert_eq!(told, [(1_000, 900), (2_000, 1_900), (3_000, 2_900)], "received when they came");
    let released: Vec<_> = bench.written.released.iter().map(|row| (row.seq, row.index)).collect();
    assert_eq!(released, [before[0], before[1], before[3]], "what nobody can read stays in quarantine");
    assert_eq!(bench.quarantine_codes().len(), 4, "and is not told twice");
    assert_eq!(bench.written.devices["f9"].zone.as_ref().unwrap().as_str(), "pharmacy");
    assert_eq!(bench.view("f9").latest[0].1.taken_at, Timestamp(START + 2_900));
    // It goes on as any device; what it sends again is a repeat.
    bench.temp("f9", 2_900, 6.0);
    bench.temp("f9", 59_000, 6.5);
    assert_eq!(bench.readings().len(), 4);

    bench.act("again", order.clone());
    assert_eq!(bench.answer().unwrap_err(), "\"f9\" is on the register already");
    bench.act("adopt", order);
    assert_eq!(bench.answer().unwrap(), want, "the same key is the same order");
    let verbs: Vec<_> = bench.written.audit.iter().map(|entry| entry.verb.as_str()).collect();
    assert_eq!(verbs, ["device.register", "device.adopt", "device.adopt"]);
}

#[test]
fn a_device_that_says_its_claim_code_is_there_and_gives_no_reading() {
    let mut bench = Bench::fridge();
    let claim = |device: &str| format!("orderly/v1/main/cold_store/{device}/up/claim");
    bench.at(1_000).say(&claim("f9"), "7K4M-2Q9X");
    bench.send_as(Flags::ANONYMOUS, "listener", &claim("f8"), "7K4M-2Q9X");
    assert_eq!(bench.quarantine_codes(), ["unknown_device"; 2], "nobody comes in by saying a code");
    let order = match adopt(&mut bench, "f9", "fridge") {
        Order::AdoptDevice { device, class, profile, zone, samples, .. } => {
            Order::AdoptDevice { device, class, profile, zone, samples, claimed: true }
        }
        other => other,
    };
    bench.act("claim", order);
    let want = json!({"device": "f9", "class": "cold_store", "profile": "fridge", "read": 0, "left": 0});
    assert_eq!(bench.answer().unwrap(), want);
    assert_eq!(bench.written.released.len(), 2, "a code that has served is not kept");
    bench.at(100_000).say(&claim("f9"), "7K4M-2Q9X");
    assert_eq!(bench.readings().len(), 0);
    assert_eq!(bench.quarantine_codes().len(), 2);
    bench.run_to(200_000);
    assert!(!bench.steps().iter().any(|step| step.contains("silent-device@200000")), "{:?}", bench.steps());
    bench.act("wrong", Order::WrongClaim { tries: 3 });
    assert!(bench.answer().unwrap_err().starts_with("no unknown device that spoke within the last hour"));
    let audited = bench.audited("device.claim");
    assert_eq!((audited[0].0.as_str(), &audited[1].1["tries"]), ("f9", &json!(3)));
}

#[test]
fn old_samples_raise_no_alert_of_now() {
    let mut bench = Bench::fridge();
    bench.at(1_000).temp("f9", 900, 13.0);
    bench.at(3_600_000);
    bench.drain();
    let before = bench.steps().len();
    let order = adopt(&mut bench, "f9", "fridge");
    bench.act("adopt", order);
    let steps = bench.steps();
    assert!(steps[before..].iter().all(|step| !step.contains("warm")), "{steps:?}");
    assert_eq!(bench.readings().len(), 1);
}

#[test]
fn a_profile_that_is_not_of_the_class_is_refused_and_nothing_is_done() {
    let mut bench = Bench::fridge();
    bench.at(1_000).temp("f9", 900, 5.0);
    let order = adopt(&mut bench, "f9", "fridges");
    bench.act("adopt", order);
    assert_eq!(bench.answer().unwrap_err(), "there is no profile \"fridges\"; did you mean \"fridge\"?");
    assert!(bench.written.released.is_empty() && !bench.written.devices.contains_key("f9"));
}
