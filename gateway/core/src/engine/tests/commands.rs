//! Commands: what is sent, what is refused, and what becomes of it.

use serde_json::json;

use super::bench::{Bench, START};
use crate::alert::{Condition, Handling, Severity};
use crate::command::{Command, Send, State};
use crate::record::{ConfigKind, Flags, Found, Kind, Order, Outcome};

const LOCK: &str = r#"
[profile]
id = "lock"
class = "lock"
vendor = "Test"
model = "L"
version = "1"
schema = 1
[source]
document = "Orderly generic model"
[codec]
kind = "json"
[[metric]]
name = "bolt"
path = "$.bolt"
states = ["open", "shut"]
[[metric]]
name = "door"
path = "$.door"
states = ["open", "closed"]
[expect]
every = "1min"
[[test]]
input = '{"bolt":"shut","door":"closed"}'
from = "constructed"
[test.expect]
bolt = "shut"
door = "closed"
[[command]]
id = "unlock"
label = { zh = "开锁", en = "Unlock" }
writable = true
role = "pharmacy"
expiry = "5s"
timeout = "8s"
write = { payload = '{"id":"{id}","until":"{expires_at}","nonce":"{nonce}"}' }
verify = { metric = "bolt", is = "open" }
interlock = { must = 'door == "closed"', zh = "门开着", en = "the door is open" }
[[command]]
id = "beep"
label = { zh = "蜂鸣", en = "Beep" }
writable = true
role = "pharmacy"
expiry = "5s"
timeout = "5s"
write = { payload = '{"id":"{id}","until":"{expires_at}","nonce":"{nonce}"}' }
[[command]]
id = "erase"
label = { zh = "清除", en = "Erase" }
role = "pharmacy"
write = { payload = '{"id":"{id}","until":"{expires_at}","nonce":"{nonce}"}' }
"#;

const UP: &str = "orderly/v1/main/lock/l1/up/reading";

fn order(command: &str) -> Order {
    Order::CommandDevice {
        device: "l1".parse().unwrap(),
        command: command.to_owned(),
        value: None,
        reason: "round".to_owned(),
        grant: Some("lock/*".to_owned()),
        nonce: "n1".to_owned(),
    }
}

/// A lock that is shut behind a closed door, one second after the start.
fn lock() -> Bench {
    let mut bench = Bench::empty();
    bench.config(ConfigKind::Profile("lock".parse().unwrap()), Some(LOCK));
    bench.register("l1", "lock");
    bench.at(1_000).say(UP, r#"{"bolt":"shut","door":"closed"}"#);
    assert_eq!(bench.quarantine_codes(), Vec::<&str>::new());
    bench
}

/// Orders it and gives what was decided.
fn ordered(bench: &mut Bench, key: &str, order: Order) -> Command {
    bench.act(key, order);
    let answer = bench.answer().expect("it is decided");
    the(bench, answer["id"].as_str().expect("an id"))
}

fn the(bench: &mut Bench, id: &str) -> Command {
    bench.drain();
    bench.written.commands[id].clone()
}

fn ack(bench: &mut Bench, id: &str, body: &str) {
    bench.say(&format!("orderly/v1/main/lock/l1/cmd/{id}/ack"), body);
}

fn found(bench: &mut Bench, id: &str, found: Found) {
    let body = rmp_serde::to_vec_named(&Outcome { command: id.to_owned(), found }).unwrap();
    bench.record(Kind::Outcome, Flags::default(), "listener", "", &body);
}

/// The rules and severities of alerts that nobody has closed.
fn tasks(bench: &mut Bench) -> Vec<(String, Severity)> {
    bench.drain();
    let open = bench.written.alerts.values().filter(|alert| alert.handling != Handling::Closed);
    open.map(|alert| (alert.rule.to_string(), alert.severity)).collect()
}

#[test]
fn it_is_sent_with_id_expiry_and_nonce_and_shown_by_its_metric() {
    let mut bench = lock();
    let sent = ordered(&mut bench, "k", order("unlock"));
    assert_eq!(
        (sent.state, sent.grant.as_deref(), sent.reason.as_str()),
        (State::Sent, Some("lock/*"), "round")
    );
    assert_eq!(sent.via.as_deref(), Some("listener"));
    let Some(Send::Message { topic, payload, keep: false }) = &sent.send else { panic!("{:?}", sent.send) };
    assert_eq!(*topic, format!("orderly/v1/main/lock/l1/cmd/{}", sent.id));
    let body: serde_json::Value = serde_json::from_str(payload).unwrap();
    assert_eq!(body, json!({"id": &*sent.id, "until": "2026-11-21T00:00:06.000Z", "nonce": "n1"}));
    bench.restore();
    ack(&mut bench, &sent.id, r#"{"result":"done"}"#);
    let now = the(&mut bench, &sent.id);
    assert_eq!((now.state, now.acked), (State::Sent, true), "its word alone is not enough here");
    bench.at(2_000).say(UP, r#"{"bolt":"open","door":"closed"}"#);
    assert_eq!(the(&mut bench, &sent.id).state, State::Done);
    let verbs: Vec<_> = bench.written.audit.iter().map(|entry| entry.verb.as_str()).collect();
    assert_eq!(verbs, ["device.register", "command.order", "command.done"]);
    assert_eq!(tasks(&mut bench), []);
}

#[test]
fn the_same_key_is_one_command_and_two_keys_are_two() {
    let mut bench = lock();
    let first = ordered(&mut bench, "k", order("beep"));
    bench.restore();
    assert_eq!(ordered(&mut bench, "k", order("beep")).id, first.id);
    assert_ne!(ordered(&mut bench, "other", order("beep")).id, first.id);
    assert_eq!(bench.written.commands.len(), 2);
}

#[test]
fn without_right_or_interlock_nothing_is_sent_and_the_reason_is_told() {
    let mut bench = lock();
    let erased = ordered(&mut bench, "a", order("erase"));
    assert_eq!((erased.state, erased.send.clone()), (State::Refused, None));
    assert!(erased.why.unwrap().en.contains("read-only"));
    let mut nobody = order("beep");
    if let Order::CommandDevice { grant, .. } = &mut nobody {
        *grant = None;
    }
    let refused = ordered(&mut bench, "b", nobody);
    assert!(refused.state == State::Refused && refused.why.unwrap().en.contains("commands.allow"));

    bench.at(2_000).say(UP, r#"{"bolt":"shut","door":"open"}"#);
    let refused = ordered(&mut bench, "c", order("unlock"));
    let why = refused.why.unwrap();
    assert_eq!((refused.state, &*why.zh, &*why.en), (State::Refused, "门开着", "the door is open"));
    bench.at(3_000).say(UP, r#"{"bolt":"shut","door":"closed"}"#);
    bench.at(240_000);
    let refused = ordered(&mut bench, "d", order("unlock"));
    assert!(refused.why.unwrap().en.contains("not known at present"), "it was silent for four minutes");

    bench.act("e", order("unlok"));
    assert!(bench.answer().unwrap_err().contains("did you mean \"unlock\"?"));
    assert_eq!(tasks(&mut bench), [], "the person was told");
    let refusals: Vec<_> = bench.written.audit.iter().filter(|e| e.verb == "command.order").collect();
    assert_eq!(refusals.len(), 5, "each is in the audit");
}

#[test]
fn an_order_that_comes_too_late_is_void() {
    let mut bench = lock();
    let actor = crate::ids::ActorId::new("nurse-7").unwrap();
    let happened_at = crate::time::Timestamp(START - 5_000);
    let action = crate::record::Action {
        actor,
        happened_at,
        idempotency_key: "late".to_owned(),
        order: order("beep"),
    };
    bench.record(Kind::Action, Flags::default(), "control", "", &rmp_serde::to_vec(&action).unwrap());
    assert_eq!(bench.answer().unwrap()["state"], "expired");
}

#[test]
fn no_answer_is_unknown_and_a_person_must_close_it_also_across_a_restart() {
    let mut bench = lock();
    let sent = ordered(&mut bench, "k", order("beep"));
    bench.reboot(60_000);
    bench.tick();
    let lost = the(&mut bench, &sent.id);
    assert_eq!((lost.state, lost.boot), (State::Unknown, 1));
    assert_eq!(tasks(&mut bench), [("technical.command-unknown".to_owned(), Severity::P2)]);
    let alert = bench.written.alerts.values().next().unwrap().clone();
    assert_eq!((alert.condition, &*alert.team), (Condition::Firing, "pharmacy"));
    assert!(alert.text.zh.contains("可能已执行") && alert.text.en.contains("l1"), "{:?}", alert.text);
    assert_eq!(bench.written.notices.len(), 1);
    ack(&mut bench, &sent.id, "done");
    assert_eq!(bench.quarantine_codes(), ["late_answer"]);
    bench.restore();
    bench.act("close", Order::CloseAlert { alert: alert.id.to_string(), outcome: "attended".to_owned() });
    assert_eq!(bench.answer().unwrap()["still_firing"], false);
    assert_eq!(tasks(&mut bench), []);
    assert_eq!(bench.written.snapshot().alerts, [], "closing is its end");
}

#[test]
fn the_engine_wakes_up_for_a_deadline() {
    let mut bench = lock();
    let sent = ordered(&mut bench, "k", order("unlock"));
    bench.at(2_000).say(UP, r#"{"bolt":"shut","door":"closed"}"#);
    bench.run_to(8_900);
    assert_eq!(the(&mut bench, &sent.id).state, State::Sent);
    bench.run_to(9_100);
    let ended = the(&mut bench, &sent.id);
    assert_eq!((ended.state, ended.seen.as_deref()), (State::Mismatch, Some("shut")));
    assert_eq!(tasks(&mut bench), [("technical.command-mismatch".to_owned(), Severity::P2)]);
}

#[test]
fn what_doors_and_devices_say_ends_it() {
    let lie = Found::ReadsOtherwise { expected: "1".into(), read: "0".into() };
    let away = Found::NotConnected { why: "no connection".into() };
    for (found_, state, task) in [
        (away, State::NotConnected, Some("technical.command-not-connected")),
        (lie, State::Mismatch, Some("technical.command-mismatch")),
        (Found::Refused { why: "exception 2".into() }, State::Failed, Some("technical.command-failed")),
        (Found::Unanswered { why: "silence".into() }, State::Unknown, Some("technical.command-unknown")),
        (Found::Written { read_back: true }, State::Done, None),
        (Found::Void, State::Expired, None),
    ] {
        let mut bench = lock();
        let sent = ordered(&mut bench, "k", order("beep"));
        found(&mut bench, &sent.id, found_);
        assert_eq!(the(&mut bench, &sent.id).state, state);
        let open: Vec<String> = tasks(&mut bench).into_iter().map(|(rule, _)| rule).collect();
        assert_eq!(open, task.into_iter().collect::<Vec<_>>());
    }
    let mut bench = lock();
    let sent = ordered(&mut bench, "k", order("beep"));
    ack(&mut bench, &sent.id, r#"{"result":"maybe"}"#);
    assert_eq!(bench.quarantine_codes(), ["malformed"]);
    ack(&mut bench, &sent.id, r#"{"result":"failed","reason":"bolt jammed"}"#);
    let failed = the(&mut bench, &sent.id);
    assert_eq!((failed.state, &*failed.why.unwrap().en), (State::Failed, "the device says: bolt jammed"));
    ack(&mut bench, "ffff", "done");
    assert_eq!(bench.quarantine_codes(), ["malformed", "late_answer"]);
}

#[test]
fn the_same_trouble_is_one_task() {
    let mut bench = lock();
    for key in ["a", "b", "c"] {
        let sent = ordered(&mut bench, key, order("beep"));
        found(&mut bench, &sent.id, Found::NotConnected { why: "away".into() });
    }
    assert_eq!(tasks(&mut bench).len(), 1);
}

#[test]
fn what_a_sealed_answer_says_in_its_own_words_is_not_told() {
    let mut bench = lock();
    let sent = ordered(&mut bench, "k", order("unlock"));
    let topic = format!("orderly/v1/main/lock/l1/cmd/{}/ack", sent.id);
    bench.sealed(Flags::default(), &topic, b"sealed", Ok(r#"{"result":"failed","reason":"held by 张三"}"#));
    let ended = the(&mut bench, &sent.id);
    assert_eq!(ended.state, State::Failed);
    assert_eq!(&*ended.why.unwrap().en, "the device says that it could not; its reason is sealed");
    assert!(!format!("{:?}", bench.written).contains("张三"), "no alert and no audit knows it");
}
