//! As many messages as the other side takes: made before the clock starts, sent over blocking sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, bail};

/// Workload W of the targets: JSON of about 181 bytes, 13 keys, 1,000 devices, QoS 1.
#[derive(Debug, Clone, Copy)]
pub struct Flood {
    /// Port of the broker or listener.
    pub port: u16,
    /// Publishing connections.
    pub connections: usize,
    /// Messages in all.
    pub messages: usize,
    /// Unacknowledged messages that one connection may have.
    pub window: usize,
    /// Device time of the first message in ms since 1970.
    pub first_device_time: i64,
    /// What is sent.
    pub load: Load,
}

/// What a flood sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// Workload W.
    Vitals,
    /// One low blood pressure from each of as many devices as there are messages: each raises an alert at once.
    LowPressures,
}

/// Devices of workload W.
pub const DEVICES: usize = 1_000;
/// Device time between two messages of one device in a flood.
const TURN_MS: i64 = 500;

/// Device time at which a flood of so many messages has to begin to end before now: no clock is suspect, and even a
/// flood of 300,000 is young enough for every rule.
pub fn first_device_time(messages: usize) -> i64 {
    wall_ms() - i64::try_from(messages / DEVICES + 10).unwrap_or(0) * TURN_MS
}

/// Name of one device.
pub fn device(number: usize) -> String {
    format!("bed-{number:04}")
}

/// Topic of one device.
pub fn topic(device: usize) -> String {
    format!("orderly/v1/main/bedside_monitor/bed-{device:04}/up/vitals")
}

/// Payload of the `n`-th message in all: 13 keys, spaced as most writers of JSON do it.
pub fn payload(n: usize, device_time_ms: i64) -> String {
    let v = (n * 7919) % 97;
    format!(
        "{{\"hr\": {}, \"rr\": {}, \"spo2\": {}, \"nibp_sys\": {}, \"nibp_dia\": {}, \"nibp_map\": {}, \"temp\": {}.{}, \
         \"on_o2\": false, \"acvpu\": \"A\", \"pi\": {}.{}, \"battery\": {}, \"seq\": {n}, \"t\": {device_time_ms}}}",
        62 + v % 30,
        12 + v % 8,
        94 + v % 6,
        108 + v % 30,
        66 + v % 18,
        80 + v % 20,
        36 + v % 2,
        v % 10,
        1 + v % 4,
        v % 10,
        40 + v % 60,
    )
}

/// A flood whose connections stand and whose packets are made.
#[derive(Debug)]
pub struct Ready {
    flood: Flood,
    lines: Vec<(TcpStream, Vec<u8>, Vec<usize>)>,
}

impl Ready {
    /// Sends all and waits for every PUBACK.
    ///
    /// # Errors
    /// When a connection breaks.
    pub fn run(self) -> anyhow::Result<()> {
        let flood = self.flood;
        let workers: Vec<_> = self
            .lines
            .into_iter()
            .map(|(stream, bytes, ends)| thread::spawn(move || pump(stream, &bytes, &ends, flood)))
            .collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a flood thread died"))??;
        }
        Ok(())
    }
}

impl Flood {
    /// Connects and makes all packets, so that only sending is measured.
    ///
    /// # Errors
    /// When there is no connection.
    pub fn begin(self) -> anyhow::Result<Ready> {
        let each = self.messages / self.connections;
        let mut lines = Vec::new();
        for connection in 0..self.connections {
            let stream = connect(self.port, &format!("flood-{connection}"), None)?;
            let (bytes, ends) = self.packets(connection, each);
            lines.push((stream, bytes, ends));
        }
        Ok(Ready { flood: self, lines })
    }

    /// All packets of one connection and where each ends.
    fn packets(self, connection: usize, each: usize) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::with_capacity(each * 260);
        let mut ends = Vec::with_capacity(each);
        let devices_each = DEVICES / self.connections;
        for n in 0..each {
            let number = n * self.connections + connection;
            let (topic, payload) = match self.load {
                Load::Vitals => {
                    let turn = i64::try_from(n / devices_each).unwrap_or(0);
                    let device = connection * devices_each + n % devices_each;
                    (topic(device), payload(number, self.first_device_time + turn * TURN_MS))
                }
                Load::LowPressures => low_pressure(&format!("bp-{number:06}"), self.first_device_time),
            };
            publish(&mut bytes, &topic, &payload, n);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }
}

/// Topic and payload of a blood pressure that a rule without a hold reports.
pub fn low_pressure(device: &str, device_time_ms: i64) -> (String, String) {
    let topic = format!("orderly/v1/main/bp_meter/{device}/up/reading");
    let t = orderly_core::time::Timestamp(device_time_ms);
    (topic, format!("{{\"sys\":82,\"dia\":46,\"pulse\":88,\"t\":\"{t}\"}}"))
}

/// Appends one PUBLISH with QoS 1, the `n`-th of its connection.
pub fn publish(bytes: &mut Vec<u8>, topic: &str, payload: &str, n: usize) {
    let mut length = 4 + topic.len() + payload.len();
    bytes.push(0x32);
    while length >= 128 {
        bytes.push(u8::try_from(length % 128).unwrap_or(0) | 0x80);
        length /= 128;
    }
    bytes.push(u8::try_from(length).unwrap_or(0));
    bytes.extend(u16::try_from(topic.len()).unwrap_or(0).to_be_bytes());
    bytes.extend(topic.as_bytes());
    bytes.extend(u16::try_from(n % 65_535 + 1).unwrap_or(1).to_be_bytes());
    bytes.extend(payload.as_bytes());
}

/// Connects with a clean session, with user name and password where devices have them.
pub fn connect(port: u16, id: &str, login: Option<(&str, &str)>) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, if login.is_some() { 0xc2 } else { 2 }, 0, 0];
    let texts = login.map_or(vec![id], |(user, password)| vec![id, user, password]);
    for text in texts {
        body.extend(u16::try_from(text.len())?.to_be_bytes());
        body.extend(text.as_bytes());
    }
    let mut hello = vec![0x10, u8::try_from(body.len())?];
    hello.extend(body);
    stream.write_all(&hello)?;
    let mut answer = [0u8; 4];
    stream.read_exact(&mut answer).context("no CONNACK")?;
    if answer[3] != 0 {
        bail!("refused with {}", answer[3]);
    }
    Ok(stream)
}

fn pump(stream: TcpStream, bytes: &[u8], ends: &[usize], flood: Flood) -> anyhow::Result<()> {
    let acked = Arc::new((AtomicUsize::new(0), Mutex::new(()), Condvar::new()));
    let reader = {
        let acked = Arc::clone(&acked);
        let mut stream = stream.try_clone()?;
        let total = ends.len();
        thread::spawn(move || -> anyhow::Result<()> {
            let mut buffer = vec![0u8; 64 * 1024];
            let mut partial = 0;
            while acked.0.load(Ordering::Acquire) < total {
                let n = stream.read(&mut buffer)?;
                if n == 0 {
                    bail!("closed by the other side");
                }
                let whole = (partial + n) / 4;
                partial = (partial + n) % 4;
                acked.0.fetch_add(whole, Ordering::AcqRel);
                drop(acked.1.lock().unwrap_or_else(PoisonError::into_inner));
                acked.2.notify_one();
            }
            Ok(())
        })
    };
    let mut sent = 0;
    while sent < ends.len() {
        let mut guard = acked.1.lock().unwrap_or_else(PoisonError::into_inner);
        while sent - acked.0.load(Ordering::Acquire) + 32 > flood.window {
            if reader.is_finished() {
                bail!("closed by the other side");
            }
            guard = acked.2.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        drop(guard);
        let room = flood.window - (sent - acked.0.load(Ordering::Acquire));
        let next = (sent + room).min(ends.len());
        let from = if sent == 0 { 0 } else { ends[sent - 1] };
        (&stream).write_all(&bytes[from..ends[next - 1]])?;
        sent = next;
    }
    reader.join().map_err(|_| anyhow::anyhow!("the reader died"))?
}

/// The clock of the bench.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a bench lives in real time")]
pub fn wall_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
