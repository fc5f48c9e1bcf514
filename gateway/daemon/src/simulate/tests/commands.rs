//! Devices that are told what to do change, and show it.

use super::super::obey::Heard;
use super::*;

/// A hospital, and everything that one of its devices says from a command on.
fn told(device: &str, class: &str, body: &serde_json::Value) -> (serde_json::Value, Vec<Outgoing>) {
    let mut hospital = Hospital::new(&options(), MORNING).unwrap();
    for at in (0..60).map(|second| MORNING + second * 1_000) {
        hospital.messages(at);
    }
    let now = MORNING + 60_000;
    let topic = format!("orderly/v1/main/{class}/{device}/cmd/0190a1");
    let heard = Heard { topic, payload: body.to_string().into_bytes() };
    let answer = hospital.obey(&heard, now).unwrap();
    assert_eq!(answer.topic, format!("orderly/v1/main/{class}/{device}/cmd/0190a1/ack"));
    assert_eq!(hospital.obey(&heard, now), None, "a second copy is neither carried out nor answered");
    let answer = serde_json::from_slice(&answer.payload).unwrap();
    let mut said = Vec::new();
    for at in (0..300).map(|tick| now + tick * 100) {
        said.extend(
            hospital
                .messages(at)
                .into_iter()
                .filter(|message| &*message.class == class || class == "wheelchair_dock"),
        );
    }
    (answer, said)
}

fn order(command: &str, slot: &str) -> serde_json::Value {
    serde_json::json!({ "id": "0190a1", "command": command, "slot": slot, "expires_at": "2026-11-21T00:01:10Z", "nonce": "n" })
}

fn value(message: &Outgoing, name: &str) -> serde_json::Value {
    shown(&message.values)[name].clone()
}

#[test]
fn a_drawer_opens_a_box_is_taken_and_it_shuts() {
    let (answer, said) = told("cab-01", "drug_cabinet", &order("unlock", "B-017"));
    assert_eq!(answer["result"], "done");
    let said: Vec<_> = said.iter().filter(|message| &*message.device == "cab-01").collect();
    assert_eq!(value(said[0], "door"), "open");
    let taken = said.iter().position(|message| message.stream == "stock").unwrap();
    assert_eq!(value(said[taken], "slot"), "B-017");
    assert!(said[taken..].iter().any(|message| value(message, "door") == "closed"), "{said:?}");
    let (answer, _) = told("cab-01", "drug_cabinet", &order("unlock", "Z-99"));
    assert_eq!(answer, serde_json::json!({ "result": "failed", "reason": "there is no such drawer" }));
}

#[test]
fn a_dock_gives_a_chair_away() {
    let (answer, said) = told("dock-01", "wheelchair_dock", &order("unlock", ""));
    assert_eq!(answer["result"], "done");
    let left = |message: &&Outgoing| value(message, "lock") == "open" && value(message, "dock") == "out";
    let chair = said.iter().find(|message| &*message.class == "wheelchair" && left(message)).unwrap();
    let time = chair.device_time.unwrap();
    assert!(time <= MORNING + 62_000, "it goes at once, not at its next heartbeat: {chair:?}");
    assert_eq!(value(chair, "trip"), 0.0, "its loan has just begun");
    let dock = said.iter().find(|message| &*message.device == "dock-01").unwrap();
    assert!(dock.device_time.unwrap() <= MORNING + 62_000, "{dock:?}");
}

#[test]
fn a_late_order_and_one_that_nobody_can_read_are_not_carried_out() {
    let mut late = order("open", "");
    late["expires_at"] = "2026-11-21T00:00:30Z".into();
    let (answer, _) = told("gate-001", "gate", &late);
    assert_eq!(answer["reason"], "the command came too late");
    let (answer, _) = told("gate-001", "gate", &serde_json::Value::Null);
    assert_eq!(answer["result"], "failed");
    let (answer, said) = told("gate-001", "gate", &order("open", ""));
    assert_eq!(answer["result"], "done");
    assert!(said.iter().any(|message| value(message, "barrier") == "open"));
}
