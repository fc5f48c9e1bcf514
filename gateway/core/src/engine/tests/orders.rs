//! What people order, first contact, quarantine, configuration.

use serde_json::{Value as Json, json};

use super::bench::{Bench, COUNTER, FRIDGE, RULES, START};
use crate::alert::Handling;
use crate::record::{ConfigKind, Flags, Order, Oversize};

const TOPIC: &str = "orderly/v1/main/cold_store/f1/up/reading";

fn acknowledge(id: &str) -> Order {
    Order::AcknowledgeAlert { alert: id.to_owned() }
}

fn close(id: &str, outcome: &str) -> Order {
    Order::CloseAlert { alert: id.to_owned(), outcome: outcome.to_owned() }
}

/// A fridge with one firing P1 alert, and its id.
fn warm() -> (Bench, String) {
    let mut bench = Bench::fridge();
    bench.at(1_000).temp("f1", 1_000, 13.0);
    bench.drain();
    let id = bench.written.alerts.keys().next().unwrap().to_string();
    (bench, id)
}

#[test]
fn an_alert_is_acknowledged_and_closed_with_an_outcome() {
    let (mut bench, id) = warm();
    assert_eq!(id.len(), 16);
    bench.act("a", acknowledge(&id));
    assert_eq!(bench.answer().unwrap()["handling"], "acknowledged");
    bench.restore();
    bench.act("b", close(&id, "door_closd"));
    assert!(bench.answer().unwrap_err().contains("did you mean \"door_closed\"?"));
    bench.act("c", close(&id, "door_closed"));
    assert_eq!(bench.answer().unwrap()["still_firing"], true);
    bench.act("d", acknowledge(&id));
    assert!(bench.answer().unwrap_err().contains("already closed"));
    bench.at(2_000).temp("f1", 2_000, 5.0);
    bench.drain();
    let alert = &bench.written.alerts[&*id];
    assert_eq!((alert.handling, alert.outcome.as_deref()), (Handling::Closed, Some("door_closed")));
    let numbers: Vec<u32> = bench.written.transitions.iter().map(|t| t.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(bench.written.snapshot().alerts, [], "it is over");
    let verbs: Vec<_> = bench.written.audit.iter().map(|entry| entry.verb.as_str()).collect();
    assert_eq!(
        verbs,
        ["device.register", "alert.acknowledge", "alert.close", "alert.close", "alert.acknowledge"]
    );
    assert!(bench.written.audit[2].detail.contains("refused"));
}

#[test]
fn what_was_not_urgent_and_is_over_needs_nobody() {
    let mut bench = Bench::fridge();
    bench.run_to(130_000);
    bench.temp("f1", 130_000, 5.0);
    bench.drain();
    let alert = bench.written.alerts.values().next().unwrap();
    assert_eq!(alert.rule.as_str(), "silent-device");
    assert_eq!((alert.handling, alert.outcome.as_deref()), (Handling::Closed, Some("auto_cleared")));
    let (mut bench, id) = warm();
    bench.at(2_000).temp("f1", 2_000, 5.0);
    bench.drain();
    assert_eq!(bench.written.alerts[&*id].handling, Handling::Open, "an urgent one asks for an outcome");
}

#[test]
fn the_same_key_twice_is_one_action_also_after_a_restart() {
    let (mut bench, id) = warm();
    bench.act("k", close(&id, "repaired"));
    let first = bench.answer();
    bench.restore();
    bench.act("k", close(&id, "repaired"));
    assert_eq!(bench.answer(), first);
    assert_eq!(bench.written.answers.len(), 3, "both were answered");
    bench.at(90_000_000);
    bench.act("k", close(&id, "repaired"));
    assert!(bench.answer().is_err(), "a day later the key is free again");
}

#[test]
fn a_notice_tells_no_values_of_patients() {
    let (mut bench, id) = warm();
    bench.drain();
    let body: Json = serde_json::from_str(&bench.written.notices[0].body).unwrap();
    assert_eq!(body["alert"], json!(id));
    assert_eq!(body["text"]["en"], "f1 at 13 Cel");
    assert_eq!(body["severity"], "P1");
    assert_eq!(body["began_at"], "2026-11-21T00:00:01.000Z");
    assert_eq!(bench.written.notices.len(), 1);

    let mut bench = Bench::empty();
    bench.config(ConfigKind::Profile("monitor".parse().unwrap()), Some(COUNTER));
    let rule = r#"
[[rule]]
id = "fast"
class = "bedside_monitor"
when = "hr > 130"
severity = "P2"
team = "ward"
source = "D"
text.zh = "{device} 心率 {hr}"
text.en = "{device} heart rate {hr}"
[[rule.test]]
given = [{ at = "0s", values = { hr = 131 } }]
expect = ["fired 0s"]
"#;
    bench.config(ConfigKind::Rule("ward".parse().unwrap()), Some(rule));
    bench.register("m1", "bedside_monitor");
    let send = |bench: &mut Bench, hr: u8| {
        let topic = "orderly/v1/main/bedside_monitor/m1/up/vitals";
        bench.send_as(Flags::default(), "listener", topic, &format!(r#"{{"hr":{hr}}}"#));
    };
    send(&mut bench, 140);
    bench.pass(1_000);
    send(&mut bench, 90);
    bench.drain();
    assert_eq!(&*bench.written.alerts.values().next().unwrap().text.en, "m1 heart rate 140");
    assert_eq!(bench.written.notices.len(), 2);
    for notice in &bench.written.notices {
        assert!(!notice.body.contains("140") && notice.body.contains("m1 heart rate -"), "{}", notice.body);
    }
    assert_ne!(bench.written.notices[0].id, bench.written.notices[1].id);
}

#[test]
fn on_loopback_a_device_registers_itself_once() {
    let mut bench = Bench::empty();
    bench.config(ConfigKind::Profile("fridge".parse().unwrap()), Some(FRIDGE));
    let body = format!(r#"{{"temp":5.0,"t":{START}}}"#);
    bench.send_as(Flags::default(), "listener", TOPIC, &body);
    assert_eq!(bench.quarantine_codes(), ["unknown_device"]);
    bench.send_as(Flags::ANONYMOUS, "listener", TOPIC, &body);
    bench.send_as(Flags::ANONYMOUS, "listener", TOPIC, &body);
    assert_eq!(bench.readings().len(), 1);
    assert!(bench.written.devices["f1"].self_registered);
    assert_eq!(bench.written.audit.len(), 1);
    bench.send_as(Flags::ANONYMOUS, "listener", "orderly/v1/main/cold_stor/f2/up/reading", &body);
    assert_eq!(bench.quarantine_codes()[1..], ["unknown_class"]);
    assert!(bench.written.quarantined[1].reason.contains("did you mean \"cold_store\"?"));
    let other = FRIDGE.replace("id = \"fridge\"", "id = \"fridge2\"");
    bench.config(ConfigKind::Profile("fridge2".parse().unwrap()), Some(&other));
    bench.send_as(Flags::ANONYMOUS, "listener", "orderly/v1/main/cold_store/f2/up/reading", &body);
    assert_eq!(bench.quarantine_codes()[2..], ["ambiguous_profile"]);
}

#[test]
fn a_stranger_gets_the_model_that_speaks_on_our_topics_not_one_of_a_maker() {
    let mut bench = Bench::empty();
    bench.config(ConfigKind::Profile("fridge".parse().unwrap()), Some(FRIDGE));
    let named = FRIDGE.replace("id = \"fridge\"", "id = \"named\"\nnamed_only = true");
    let foreign =
        FRIDGE.replace("id = \"fridge\"", "id = \"foreign\"") + "\n[match]\ntopic = \"fridges/{device}\"\n";
    for (id, text) in [("named", &named), ("foreign", &foreign)] {
        bench.config(ConfigKind::Profile(id.parse().unwrap()), Some(text));
    }
    let body = format!(r#"{{"temp":5.0,"t":{START}}}"#);
    bench.send_as(Flags::ANONYMOUS, "listener", TOPIC, &body);
    assert_eq!(bench.quarantine_codes(), [""; 0]);
    assert_eq!(bench.written.devices["f1"].profile.as_str(), "fridge");
    // The only one at all is taken for who registers by class.
    bench.config(ConfigKind::Profile("fridge".parse().unwrap()), None);
    bench.config(ConfigKind::Profile("foreign".parse().unwrap()), None);
    bench.register("f2", "cold_store");
    bench.drain();
    assert_eq!(bench.written.devices["f2"].profile.as_str(), "named");
}

#[test]
fn what_cannot_be_read_is_put_aside_with_code_and_sentence() {
    let mut bench = Bench::fridge();
    let body = r#"{"temp":5.0}"#;
    for (topic, body, code) in [
        ("orderly/v1/main/cold_store/f9/up/reading", body, "unknown_device"),
        ("orderly/v1/other/cold_store/f1/up/reading", body, "wrong_site"),
        ("orderly/v1/main/bp_meter/f1/up/reading", body, "wrong_class"),
        ("orderly/v1/main/cold_store/f1/down", body, "malformed"),
        ("orderly/v1/main/cold_store/f1/cmd/x", body, "no_reader"),
        ("zigbee2mqtt/f1", body, "no_profile"),
        (TOPIC, "{", "malformed"),
        (TOPIC, r#"{"door":"open"}"#, "bad_field"),
    ] {
        bench.send_as(Flags::default(), "listener", topic, body);
        bench.drain();
        let last = bench.written.quarantined.last().unwrap();
        assert_eq!(last.code, code, "{topic} {body}: {}", last.reason);
        assert_eq!(last.excerpt, body.as_bytes());
        assert!(!last.reason.is_empty() && last.seq == bench.written.cursor);
    }
    let oversize = Oversize { bytes: 1_048_576, blake3: vec![0; 32], head: b"head".to_vec() };
    let body = rmp_serde::to_vec(&oversize).unwrap();
    bench.record(crate::record::Kind::Envelope, Flags::OVERSIZE, "listener", TOPIC, &body);
    bench.act("r", Order::RevokeDevice { device: "f1".parse().unwrap() });
    bench.send_as(Flags::default(), "listener", TOPIC, r#"{"temp":5.0}"#);
    assert_eq!(bench.quarantine_codes()[8..], ["oversize", "revoked"]);
    assert_eq!(bench.written.quarantined[8].excerpt, b"head");
    assert_eq!(bench.readings().len(), 0);
}

#[test]
fn foreign_topics_and_line_protocol_find_their_profile() {
    let mut bench = Bench::empty();
    let foreign = FRIDGE
        .replace("[codec]", "[match]\ntopic = \"plant/{device}/t\"\n[codec]")
        .replace("id = \"fridge\"", "id = \"plant\"");
    bench.config(ConfigKind::Profile("plant".parse().unwrap()), Some(&foreign));
    bench.register("f1", "cold_store");
    bench.send_as(Flags::default(), "mqtt:main", "plant/f1/t", r#"{"temp":5.0}"#);
    bench.send_as(Flags::default(), "mqtt:main", "plant/f2/t", r#"{"temp":5.0}"#);
    assert_eq!(bench.readings().len(), 1);
    assert_eq!(bench.quarantine_codes(), ["unknown_device"]);
    bench.send_as(Flags::LINE_PROTOCOL, "http", "api/v2/write", "cpu,host=a used=1\n\nbad line=x");
    bench.send_as(Flags::LINE_PROTOCOL, "http", "api/v2/write", "cpu,host=a used=1\ncpu,host=b used=1");
    assert_eq!(bench.quarantine_codes()[1..], ["malformed", "no_profile", "no_profile"]);
    assert_eq!(bench.written.quarantined[3].index, 1);
    assert_eq!(bench.written.quarantined[3].excerpt, b"cpu,host=b used=1");
}

#[test]
fn the_register_keeps_what_an_order_leaves_out() {
    let mut bench = Bench::fridge();
    bench.act("e", Order::NewEpoch { device: "f1".parse().unwrap() });
    assert_eq!(bench.answer().unwrap()["epoch"], 1);
    bench.register("f1", "cold_store");
    assert_eq!(bench.answer().unwrap()["created"], false);
    assert_eq!(bench.written.devices["f1"].epoch, 1);
    bench.register("f1", "cold_stare");
    assert!(bench.answer().unwrap_err().contains("did you mean \"cold_store\"?"));
    bench.act("x", Order::NewEpoch { device: "nobody".parse().unwrap() });
    assert!(bench.answer().unwrap_err().contains("not on the register"));
}

#[test]
fn a_new_epoch_begins_its_own_watermark() {
    let mut bench = Bench::fridge();
    bench.at(1_000).temp("f1", 900, 5.0);
    bench.act("e", Order::NewEpoch { device: "f1".parse().unwrap() });
    bench.temp("f1", 900, 5.0);
    bench.temp("f1", 900, 5.0);
    let epochs: Vec<u32> = bench.readings().iter().map(|reading| reading.epoch).collect();
    assert_eq!(epochs, [0, 1]);
}

#[test]
fn a_removed_rule_clears_its_alerts_and_says_why() {
    let (mut bench, id) = warm();
    bench.temp("f1", 1_001, 13.5);
    let fewer = &RULES[RULES.find("[[rule]]\nid = \"warm-hold\"").unwrap()..];
    bench.config(ConfigKind::Rule("fridges".parse().unwrap()), Some(fewer));
    bench.drain();
    let alert = &bench.written.alerts[&*id];
    assert_eq!(alert.cleared_reason.as_deref(), Some("rule_removed"));
    // The hold that was pending goes on under the new numbers.
    bench.run_to(12_000);
    assert!(bench.steps().contains(&"fired warm-hold@11000".to_owned()));
    bench.config(ConfigKind::Rule("fridges".parse().unwrap()), None);
    bench.drain();
    assert!(bench.written.alerts.values().all(|alert| alert.cleared_at.is_some()));
    assert_eq!(bench.written.snapshot().texts.len(), 1);
}

#[test]
fn a_changed_rule_keeps_its_state() {
    let mut bench = Bench::fridge();
    bench.at(1_000).temp("f1", 1_000, 9.0);
    let longer = RULES
        .replace("for = \"10s\"", "for = \"20s\"")
        .replace("until = \"10s\"\nexpect = [\"fired 10s\"]", "until = \"20s\"\nexpect = [\"fired 20s\"]");
    bench.config(ConfigKind::Rule("fridges".parse().unwrap()), Some(&longer));
    bench.restore();
    bench.run_to(20_000);
    assert_eq!(bench.steps(), Vec::<String>::new());
    bench.run_to(21_000);
    assert_eq!(bench.steps(), ["fired warm-hold@21000"]);
}

#[test]
fn a_bad_text_is_put_aside_and_the_old_one_stays() {
    let mut bench = Bench::fridge();
    let name: ConfigKind = ConfigKind::Rule("fridges".parse().unwrap());
    bench.config(name.clone(), Some(&RULES.replace("temp > 12", "tmp > 12")));
    assert_eq!(bench.quarantine_codes(), ["bad_config"]);
    let reason = &bench.written.quarantined[0].reason;
    assert!(reason.starts_with("fridges.toml:5:9: rule[0].when:"), "{reason}");
    assert!(reason.contains("did you mean \"temp\"?"), "{reason}");
    bench.config(ConfigKind::Rule("again".parse().unwrap()), Some(RULES));
    assert!(bench.quarantine_codes().len() == 2, "the same rules in another file are refused");
    bench.config(ConfigKind::Profile("other".parse().unwrap()), Some(FRIDGE));
    assert_eq!(bench.quarantine_codes().len(), 3);
    bench.at(1_000).temp("f1", 1_000, 13.0);
    assert_eq!(bench.steps(), ["fired warm-now@1000"]);
}

#[test]
fn a_profile_that_goes_takes_its_devices_readings_with_it() {
    let mut bench = Bench::fridge();
    bench.config(ConfigKind::Profile("fridge".parse().unwrap()), None);
    bench.temp("f1", 0, 5.0);
    let codes = bench.quarantine_codes();
    assert_eq!(codes.last(), Some(&"no_profile"));
    assert_eq!(codes.iter().filter(|code| **code == "bad_config").count(), 3, "rules that look at temp");
}

#[test]
fn a_text_that_a_newer_version_refuses_is_left_out_and_the_rest_goes_on() {
    let mut bench = Bench::fridge();
    let monitor = ConfigKind::Profile("monitor".parse().unwrap());
    bench.config(monitor.clone(), Some(COUNTER));
    bench.register("m1", "bedside_monitor");
    bench.say("orderly/v1/main/bedside_monitor/m1/up/reading", r#"{"hr":80,"seq":1}"#);
    let before = bench.readings().len();
    // As if a later version had come to know better.
    let stored = bench.written.texts.get_mut(&monitor).unwrap();
    stored.text = Some(COUNTER.replace("[20, 300]", "[300, 20]"));
    bench.restore();
    let refused: Vec<_> = bench.engine.refused().iter().map(|text| text.what.clone()).collect();
    assert_eq!(refused, std::slice::from_ref(&monitor));

    bench.say("orderly/v1/main/bedside_monitor/m1/up/reading", r#"{"hr":81,"seq":2}"#);
    bench.at(1_000).temp("f1", 1_000, 13.0);
    assert_eq!(bench.steps(), ["fired warm-now@1000"], "other classes go on");
    assert_eq!(bench.quarantine_codes(), ["no_profile"]);
    let row = bench.written.quarantined.last().unwrap();
    assert!(row.reason.contains("this version refuses") && row.reason.contains("monitor.toml:"), "{row:?}");
    assert_eq!(row.excerpt, br#"{"hr":81,"seq":2}"#, "the payload is kept");
    assert_eq!(bench.readings().len(), before + 1);

    bench.config(monitor, Some(COUNTER));
    assert_eq!(bench.engine.refused(), []);
    bench.say("orderly/v1/main/bedside_monitor/m1/up/reading", r#"{"hr":82,"seq":3}"#);
    assert_eq!(bench.readings().len(), before + 2);
}

#[test]
fn rules_that_a_refused_profile_took_along_come_back_with_it() {
    let mut bench = Bench::fridge();
    let fridge = ConfigKind::Profile("fridge".parse().unwrap());
    bench.drain();
    let stored = bench.written.texts.get_mut(&fridge).unwrap();
    stored.text = Some(FRIDGE.replace("[-40, 60]", "[60, -40]"));
    bench.restore();
    assert_eq!(bench.engine.refused().len(), 2, "{:?}", bench.engine.refused());
    bench.config(fridge, Some(FRIDGE));
    assert_eq!(bench.engine.refused(), []);
    bench.at(1_000).temp("f1", 1_000, 13.0);
    assert_eq!(bench.steps(), ["fired warm-now@1000"]);
}

#[test]
fn a_registration_by_hand_keeps_what_it_does_not_say() {
    let mut bench = Bench::fridge();
    let other = FRIDGE.replace("id = \"fridge\"", "id = \"fridge-2\"");
    let order = |class: &str, profile: Option<&str>, all: bool| Order::RegisterDevice {
        device: "f1".parse().unwrap(),
        class: class.parse().unwrap(),
        profile: profile.map(|name| name.parse().unwrap()),
        zone: all.then(|| "ward-1".parse().unwrap()),
        credential: None,
        commissioned_at: all.then_some(crate::time::Timestamp(START)),
        firmware: None,
    };
    bench.config(ConfigKind::Profile("fridge-2".parse().unwrap()), Some(&other));
    bench.config(ConfigKind::Profile("monitor".parse().unwrap()), Some(COUNTER));
    bench.act("all", order("cold_store", Some("fridge-2"), true));
    bench.act("bare", order("cold_store", None, false));
    bench.drain();
    let row = bench.written.devices["f1"].clone();
    assert_eq!(row.profile.as_str(), "fridge-2", "though the class has two");
    assert_eq!(row.zone.as_ref().unwrap().as_str(), "ward-1");
    assert_eq!(row.commissioned_at, Some(crate::time::Timestamp(START)));
    bench.act("moved", order("bedside_monitor", None, false));
    bench.drain();
    let row = &bench.written.devices["f1"];
    assert_eq!((row.profile.as_str(), row.class.as_str()), ("monitor", "bedside_monitor"));
    assert_eq!(row.zone.as_ref().unwrap().as_str(), "ward-1");
}
