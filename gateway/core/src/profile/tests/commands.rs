//! Commands: what their texts may say, and what becomes of them.

use super::super::{Argument, Fields, Profile, Takes, Verify, Write, fill};
use crate::expr::Truth;
use crate::reading::Measured;
use crate::value::{Quality, Value};

const HEAD: &str = r#"[profile]
id = "lock-1"
class = "lock"
vendor = "V"
model = "M"
version = "1"
schema = 1
[source]
document = "sheet"
"#;

const BY_MESSAGE: &str = r#"[codec]
kind = "json"
[[metric]]
name = "bolt"
path = "$.bolt"
states = ["open", "shut"]
[[metric]]
name = "door"
path = "$.door"
states = ["open", "closed"]
[[test]]
input = '{"bolt":"shut","door":"closed"}'
from = "sheet"
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
write = { payload = '{"id":"{id}","do":"unlock","until":"{expires_at}","nonce":"{nonce}"}' }
verify = { metric = "bolt", is = "open" }
interlock = { must = 'door == "closed"', zh = "门开着", en = "the door is open" }
"#;

const BY_REGISTER: &str = r#"[codec]
kind = "registers"
writable = ["coil 0..3", "holding 10"]
[[metric]]
name = "valve"
register = { kind = "holding", address = 10 }
unit = "%"
[[test]]
input = ["holding 10 = 5"]
from = "sheet"
[test.expect]
valve = 5
[[command]]
id = "set"
label = { zh = "开度", en = "Set" }
writable = true
role = "facility"
argument = { label = { zh = "开度 %", en = "Opening %" }, range = [0, 100] }
write = { register = { kind = "holding", address = 10 } }
[[command]]
id = "off"
label = { zh = "全关", en = "All off" }
role = "facility"
write = { register = { kind = "coil", address = 0 }, values = [0, 0, 1] }
"#;

fn right(body: &str) -> Profile {
    let text = format!("{HEAD}{body}");
    Profile::parse(&text, "lock-1.toml").unwrap_or_else(|found| panic!("{found:?}"))
}

fn wrong(body: &str, from: &str, to: &str) -> String {
    assert!(body.contains(from), "{from}");
    let text = format!("{HEAD}{}", body.replace(from, to));
    match Profile::parse(&text, "lock-1.toml") {
        Ok(_) => "nothing wrong".to_owned(),
        Err(found) => found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

fn state(metric: &str, token: &str) -> Measured {
    Measured {
        metric: metric.parse().expect("a name"),
        value: Value::State(token.into()),
        unit: "".into(),
        quality: Quality::Good,
        reason: None,
        raw: None,
    }
}

#[test]
fn a_message_is_filled_in_and_its_interlock_looks_at_the_values() {
    let profile = right(BY_MESSAGE);
    let command = &profile.commands()[0];
    assert_eq!((&*command.id, &*command.role), ("unlock", "pharmacy"));
    assert!(command.actuates && command.writable);
    assert_eq!((command.expiry_ms, command.timeout_ms), (5_000, 8_000));
    let Write::Message { topic: None, payload } = &command.write else { panic!("{:?}", command.write) };
    let fields = Fields { id: "c1", device: "d", expires_at: "2026", nonce: "n", value: None };
    assert_eq!(fill(payload, &fields), r#"{"id":"c1","do":"unlock","until":"2026","nonce":"n"}"#);
    let Some(Verify::Metric { shown, .. }) = &command.verify else { panic!("{:?}", command.verify) };
    assert_eq!(shown, "open");
    let interlock = command.interlock.as_ref().expect("it has one");
    let holds = |token: Option<&str>| interlock.holds(|metric| token.map(|t| state(metric.as_str(), t)));
    assert_eq!(holds(Some("closed")), Truth::True);
    assert_eq!(holds(Some("open")), Truth::False);
    assert_eq!(holds(None), Truth::Unknown);
}

#[test]
fn what_a_person_says_stays_within_its_quotes() {
    let fields = Fields { id: "i", device: "d", expires_at: "e", nonce: "n", value: Some(r#"a"},{"b\"#) };
    let filled = fill(r#"{"text":"{value}","x":{}}"#, &fields);
    let read: serde_json::Value = serde_json::from_str(&filled).expect("it is still JSON");
    assert_eq!(read["text"], r#"a"},{"b\"#);
}

#[test]
fn registers_are_written_and_read_back() {
    let profile = right(BY_REGISTER);
    let [set, off] = profile.commands() else { panic!("two commands") };
    let words = |command: &super::super::Command, said: Option<&str>| match &command.write {
        Write::Registers(values) => values.of(said).map(|written| written.to_string()),
        Write::Message { .. } => panic!("no message"),
    };
    assert_eq!(words(set, Some("40")), Ok("holding 10 = 40".to_owned()));
    assert!(words(set, Some("0.5")).is_err() && words(set, None).is_err());
    let argument = set.argument.as_ref().unwrap();
    assert_eq!((argument.label.en.as_str(), &argument.takes), ("Opening %", &Takes::Number(0.0, 100.0)));
    assert!(argument.check("100").is_ok() && argument.check("101").is_err());
    let text = Argument { takes: Takes::Text(4), ..argument.clone() };
    assert!(text.check("A3").is_ok() && text.check(" ").is_err() && text.check("A3 B4").is_err());
    let named = wrong(BY_REGISTER, r#"label = { zh = "开度 %", en = "Opening %" }, "#, "");
    assert!(named.contains("argument") && named.contains("label"), "{named}");
    assert_eq!(words(off, None), Ok("coil 0 = 0 0 1".to_owned()));
    assert!(!off.writable, "read-only unless the profile says otherwise");
    assert_eq!(off.verify, Some(Verify::ReadBack));
}

#[test]
fn mistakes_are_told_with_line_and_key() {
    insta::assert_snapshot!(wrong(BY_MESSAGE, "\"nonce\":\"{nonce}\"", "\"nonce\":\"{nonse}\""), @r#"
    lock-1.toml:33:21: command[0].write.payload: the placeholder {nonce} is missing
    "#);
    insta::assert_snapshot!(wrong(BY_MESSAGE, "door == \"closed\"", "doors == \"closed\""), @r#"
    lock-1.toml:35:23: command[0].interlock.must: no profile of the class measures "doors"; did you mean "door"?
    "#);
    insta::assert_snapshot!(wrong(BY_MESSAGE, "is = \"open\"", "is = \"opened\""), @r#"
    lock-1.toml:34:34: command[0].verify.is: "opened" is not a state of that metric (did you mean "open"?)
    "#);
    insta::assert_snapshot!(wrong(BY_MESSAGE, "expiry = \"5s\"", "expiry = \"5min\""), @r#"
    lock-1.toml:31:10: command[0].expiry: from 1s to 60s
    "#);
    insta::assert_snapshot!(wrong(BY_MESSAGE, "timeout = \"8s\"", "timeout = \"2s\""), @r#"
    lock-1.toml:32:11: command[0].timeout: the answer must be waited for as long as the device may still carry it out
    "#);
    insta::assert_snapshot!(wrong(BY_MESSAGE, "write = { payload", "write = { topic = \"v/{device}/set\", paylod"), @r#"
    lock-1.toml:33:9: command[0].write.payload: the key "payload" is missing
    lock-1.toml:33:37: command[0].write.paylod: unknown key "paylod" (did you mean "payload"?)
    "#);
    insta::assert_snapshot!(wrong(BY_MESSAGE, "role = \"pharmacy\"", "rolle = \"pharmacy\""), @r#"
    lock-1.toml:26:1: command[0].role: the key "role" is missing
    lock-1.toml:30:1: command[0].rolle: unknown key "rolle" (did you mean "role"?)
    "#);
}

#[test]
fn a_register_that_is_not_on_the_list_is_read_only() {
    insta::assert_snapshot!(wrong(BY_REGISTER, "\"holding 10\"]", "\"holding 11\"]"), @r#"
    lock-1.toml:28:22: command[0].write.register: holding register 10 is read-only here: it is not on the list codec.writable (writable = ["holding 10"] in [codec])
    "#);
    insta::assert_snapshot!(wrong(BY_REGISTER, "\"coil 0..3\"", "\"coil 0..1\""), @r#"
    lock-1.toml:33:22: command[1].write.register: coil 0 is read-only here: it is not on the list codec.writable (writable = ["coil 0..2"] in [codec])
    "#);
    insta::assert_snapshot!(wrong(BY_REGISTER, "write = { register = { kind = \"holding\"", "write = { register = { kind = \"input\""), @r#"
    lock-1.toml:28:22: command[0].write.register: input register 10 can only be read
    "#);
}
