//! Commands to a Modbus unit: one write, and what reads back decides.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::net::TcpListener;
use tokio_modbus::prelude::*;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};

use super::{order, over, site, tasks};

const RELAY: &str = r#"
[profile]
id = "test-relay"
class = "relay"
vendor = "Test"
model = "Relay"
version = "1"
schema = 1
[source]
document = "Orderly generic model"
[codec]
kind = "registers"
poll = "1s"
writable = ["coil 0..3", "holding 10..13"]
[[metric]]
name = "level"
register = { kind = "holding", address = 10 }
unit = "%"
[[test]]
input = ["holding 10 = 5"]
from = "constructed"
[test.expect]
level = 5
[[command]]
id = "on"
label = { zh = "接通", en = "On" }
writable = true
role = "facility"
write = { register = { kind = "coil", address = 1 }, value = 1 }
[[command]]
id = "set"
label = { zh = "设定", en = "Set" }
writable = true
role = "facility"
argument = { label = { zh = "开度 %", en = "Opening %" }, range = [0, 100] }
write = { register = { kind = "holding", address = 10 } }
[[command]]
id = "scene"
label = { zh = "场景", en = "Scene" }
writable = true
role = "facility"
write = { register = { kind = "coil", address = 0 }, values = [1, 0, 1, 1] }
[[command]]
id = "wide"
label = { zh = "宽", en = "Wide" }
writable = true
role = "facility"
write = { register = { kind = "holding", address = 11, type = "u32" }, value = 70000 }
[[command]]
id = "stuck"
label = { zh = "卡住", en = "Stuck" }
writable = true
role = "facility"
write = { register = { kind = "holding", address = 13 }, value = 1 }
[[command]]
id = "off"
label = { zh = "断开", en = "Off" }
role = "facility"
write = { register = { kind = "coil", address = 1 }, value = 0 }
"#;

/// Coils and holding registers that can be written; register 13 never changes, and 12 alone cannot be written.
#[derive(Clone, Default)]
struct Unit {
    coils: Arc<Mutex<BTreeMap<u16, bool>>>,
    words: Arc<Mutex<BTreeMap<u16, u16>>>,
    /// Function codes of the writes that came, in order.
    writes: Arc<Mutex<Vec<u8>>>,
}

impl Unit {
    fn put_coil(&self, at: u16, on: bool) {
        self.coils.lock().unwrap().insert(at, on);
    }

    fn put_word(&self, at: u16, word: u16) {
        if at != 13 {
            self.words.lock().unwrap().insert(at, word);
        }
    }

    fn wrote(&self, code: u8) {
        self.writes.lock().unwrap().push(code);
    }
}

impl tokio_modbus::server::Service for Unit {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = std::future::Ready<Result<Response, ExceptionCode>>;

    fn call(&self, asked: Self::Request) -> Self::Future {
        let coil = |at: u16| self.coils.lock().unwrap().get(&at).copied().unwrap_or(false);
        let word = |at: u16| self.words.lock().unwrap().get(&at).copied().unwrap_or(0);
        std::future::ready(Ok(match asked.request {
            Request::ReadCoils(start, count) => {
                Response::ReadCoils((start..start + count).map(coil).collect())
            }
            Request::ReadHoldingRegisters(start, count) => {
                Response::ReadHoldingRegisters((start..start + count).map(word).collect())
            }
            Request::WriteSingleCoil(at, on) => {
                self.wrote(5);
                self.put_coil(at, on);
                Response::WriteSingleCoil(at, on)
            }
            Request::WriteSingleRegister(at, word) => {
                self.wrote(6);
                self.put_word(at, word);
                Response::WriteSingleRegister(at, word)
            }
            Request::WriteMultipleCoils(start, coils) => {
                self.wrote(15);
                (start..).zip(coils.iter()).for_each(|(at, on)| self.put_coil(at, *on));
                Response::WriteMultipleCoils(start, u16::try_from(coils.len()).unwrap())
            }
            Request::WriteMultipleRegisters(start, words) => {
                self.wrote(16);
                (start..).zip(words.iter()).for_each(|(at, word)| self.put_word(at, *word));
                Response::WriteMultipleRegisters(start, u16::try_from(words.len()).unwrap())
            }
            _ => return std::future::ready(Err(ExceptionCode::IllegalFunction)),
        }))
    }
}

async fn serve(unit: Unit) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let on_connected = |stream, peer| {
            let unit = unit.clone();
            async move { accept_tcp_connection(stream, peer, move |_| Ok(Some(unit.clone()))) }
        };
        Server::new(listener).serve(&on_connected, |_| {}).await.ok();
    });
    address
}

#[tokio::test]
async fn writes_read_back_or_leave_a_task() {
    let dir = tempfile::tempdir().unwrap();
    let unit = Unit::default();
    let address = serve(unit.clone()).await;
    let more = format!(
        "[modbus.plc]\naddress = \"{address}\"\n[[modbus.plc.device]]\nid = \"r1\"\nclass = \"relay\"\nunit = 1\nevery = \"1s\"\n"
    );
    let site = site(&dir, RELAY, &more);
    let _gateway = site.start().unwrap();
    let mut ended = Vec::new();
    for (n, body) in [
        json!({"command": "on"}),
        json!({"command": "set", "value": "40"}),
        json!({"command": "scene"}),
        json!({"command": "wide"}),
        json!({"command": "stuck"}),
        json!({"command": "off"}),
    ]
    .into_iter()
    .enumerate()
    {
        let (status, command) = order(&site, "r1", &format!("key-{n:08}"), &body).await.unwrap();
        assert_eq!(status, 202, "{command}");
        ended.push(over(&site, &command).await);
    }
    let states: Vec<_> = ended.iter().map(|command| command["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["done", "done", "done", "done", "mismatch", "refused"]);
    assert_eq!(*unit.writes.lock().unwrap(), [5, 6, 15, 16, 6], "each once, and what is read-only never");
    let coils: Vec<bool> = unit.coils.lock().unwrap().values().copied().collect();
    assert_eq!(coils, [true, false, true, true]);
    let words: Vec<u16> = unit.words.lock().unwrap().values().copied().collect();
    assert_eq!(words, [40, 1, 4_464]);
    let why = ended[4]["why"]["en"].as_str().unwrap();
    assert!(why.contains("holding 13 = 1") && why.contains("holding 13 = 0"), "{why}");
    assert!(ended[5]["why"]["en"].as_str().unwrap().contains("read-only"), "{}", ended[5]);
    assert_eq!(tasks(&site).await, ["technical.command-mismatch"]);
    let (status, _) =
        order(&site, "r1", "key-too-much", &json!({"command": "set", "value": "101"})).await.unwrap();
    assert_eq!(status, 409);
}

#[tokio::test]
async fn a_unit_that_is_not_there_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let gone = { std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap() };
    let more = format!(
        "[modbus.plc]\naddress = \"{gone}\"\n[[modbus.plc.device]]\nid = \"r1\"\nclass = \"relay\"\nunit = 1\nevery = \"1s\"\n"
    );
    let site = site(&dir, RELAY, &more);
    let _gateway = site.start().unwrap();
    let (status, command) = order(&site, "r1", "key-00000001", &json!({"command": "on"})).await.unwrap();
    assert_eq!(status, 202, "{command}");
    assert_eq!(over(&site, &command).await["state"], "not_connected");
    assert_eq!(tasks(&site).await, ["technical.command-not-connected"]);
}
