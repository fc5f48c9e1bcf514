//! A lock that speaks MQTT by hand and writes down every command that reaches it.

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpStream;

use crate::mqtt_raw::{Hello, Raw, packet, publish, subscribe};

/// Nobody waits longer for a packet.
const PATIENCE: Duration = Duration::from_secs(20);

/// The profile of the lock; a command is void after two seconds.
pub const PROFILE: &str = r#"
[profile]
id = "test-lock"
class = "lock"
vendor = "Test"
model = "Lock"
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
expiry = "2s"
timeout = "3s"
write = { payload = '{"id":"{id}","command":"unlock","expires_at":"{expires_at}","nonce":"{nonce}"}' }
interlock = { must = 'door == "closed"', zh = "柜门开着", en = "the door is open" }
[[command]]
id = "erase"
label = { zh = "清除", en = "Erase" }
role = "pharmacy"
write = { payload = '{"id":"{id}","expires_at":"{expires_at}","nonce":"{nonce}"}' }
"#;

/// A connected lock.
#[derive(Debug)]
pub struct Lock {
    raw: Raw<TcpStream>,
    name: String,
    level: u8,
    /// The broker had kept its session.
    pub session_present: bool,
}

/// A command as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Came {
    /// Name of the command, from the topic.
    pub id: String,
    /// The payload.
    pub payload: serde_json::Value,
    /// To be kept by a broker.
    pub retained: bool,
    /// MQTT 5: seconds after which nobody may pass it on.
    pub expiry: Option<u32>,
    packet: u16,
}

impl Lock {
    /// Connects with a session that outlives the connection, and listens for its commands.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn connect(port: u16, name: &str, level: u8) -> anyhow::Result<Self> {
        let mut raw = Raw::new(TcpStream::connect(("127.0.0.1", port)).await?);
        let hello = Hello { clean: false, expiry: 3_600, ..Hello::new(level, name) };
        raw.send(&hello.bytes()).await?;
        let answer = raw.next().await.context("no CONNACK")?;
        let session_present = answer.get(2) == Some(&1);
        let mut lock = Self { raw, name: name.to_owned(), level, session_present };
        if !session_present {
            let filter = format!("orderly/v1/main/lock/{name}/cmd/+");
            lock.raw.send(&subscribe(level, 1, &filter)).await?;
            let granted = lock.raw.next().await.context("no SUBACK")?;
            anyhow::ensure!(granted.last() == Some(&1), "not granted: {granted:?}");
        }
        Ok(lock)
    }

    /// Says how it is.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn say(&mut self, bolt: &str, door: &str) -> anyhow::Result<()> {
        let topic = format!("orderly/v1/main/lock/{}/up/reading", self.name);
        let body = serde_json::json!({ "bolt": bolt, "door": door }).to_string();
        self.raw.send(&publish(self.level, 2, &topic, 7, body.as_bytes())).await?;
        let ack = self.next().await?.context("closed")?;
        anyhow::ensure!(ack.first() == Some(&0x40), "no PUBACK: {ack:?}");
        Ok(())
    }

    async fn next(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(tokio::time::timeout(PATIENCE, self.raw.next()).await?)
    }

    /// The next command; `None`: the connection is gone.
    ///
    /// # Errors
    /// When something else comes, or nothing.
    pub async fn command(&mut self) -> anyhow::Result<Option<Came>> {
        loop {
            let Some(bytes) = self.next().await? else { return Ok(None) };
            match bytes.first() {
                Some(0x40) => {}
                Some(first) if first >> 4 == 3 => return self.read(&bytes).map(Some),
                other => bail!("{other:?} is no command"),
            }
        }
    }

    fn read(&self, bytes: &[u8]) -> anyhow::Result<Came> {
        let head = 1 + bytes.iter().skip(1).take_while(|byte| **byte >= 0x80).count() + 1;
        let body = bytes.get(head..).context("short")?;
        let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let topic = std::str::from_utf8(&body[2..2 + length])?;
        let mut at = 2 + length;
        let packet = u16::from_be_bytes([body[at], body[at + 1]]);
        at += 2;
        let mut expiry = None;
        if self.level == 5 {
            let properties = &body[at + 1..at + 1 + usize::from(body[at])];
            if let [0x02, a, b, c, d, ..] = properties {
                expiry = Some(u32::from_be_bytes([*a, *b, *c, *d]));
            }
            at += 1 + properties.len();
        }
        Ok(Came {
            id: topic.rsplit('/').next().context("no id")?.to_owned(),
            payload: serde_json::from_slice(&body[at..])?,
            retained: bytes[0] & 1 != 0,
            expiry,
            packet,
        })
    }

    /// Confirms that it came and says that it was carried out.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn carry_out(&mut self, came: &Came) -> anyhow::Result<()> {
        self.raw.send(&packet(0x40, &came.packet.to_be_bytes())).await?;
        let topic = format!("orderly/v1/main/lock/{}/cmd/{}/ack", self.name, came.id);
        self.raw.send(&publish(self.level, 2, &topic, 9, br#"{"result":"done"}"#)).await?;
        Ok(())
    }

    /// Everything that had come before the answer to a ping.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn what_waited(&mut self) -> anyhow::Result<Vec<Vec<u8>>> {
        self.raw.send(&packet(0xC0, &[])).await?;
        let mut before = Vec::new();
        loop {
            let next = self.next().await?.context("closed")?;
            if next.first() == Some(&0xD0) {
                return Ok(before);
            }
            before.push(next);
        }
    }
}
