//! As many vitals messages as the other side takes: made before the clock starts, sent over blocking sockets.

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
    /// QoS, 0 or 1.
    pub qos: u8,
}

/// Devices of workload W.
pub const DEVICES: usize = 1_000;

/// Topic of one device.
pub fn topic(device: usize) -> String {
    format!("orderly/v1/main/bedside_monitor/bed-{device:04}/up/vitals")
}

/// Payload of the `n`-th message in all; 13 keys.
pub fn payload(n: usize, device_time_ms: i64) -> String {
    let v = (n * 7919) % 97;
    format!(
        "{{\"hr\":{},\"rr\":{},\"spo2\":{},\"nibp_sys\":{},\"nibp_dia\":{},\"nibp_map\":{},\"temp\":{}.{},\"on_o2\":false,\
         \"acvpu\":\"A\",\"pi\":{}.{},\"battery\":{},\"seq\":{n},\"t\":{device_time_ms}}}",
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

impl Flood {
    /// Sends all and waits for every PUBACK (QoS 1); gives the seconds from the first byte to the last PUBACK.
    ///
    /// # Errors
    /// When a connection breaks.
    pub fn run(self) -> anyhow::Result<f64> {
        let each = self.messages / self.connections;
        let mut lines = Vec::new();
        for connection in 0..self.connections {
            lines.push((connect(self.port, connection)?, self.packets(connection, each)));
        }
        let started = now();
        let workers: Vec<_> = lines
            .into_iter()
            .map(|(stream, (bytes, ends))| thread::spawn(move || pump(stream, &bytes, &ends, self)))
            .collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a flood thread died"))??;
        }
        Ok(started.elapsed().as_secs_f64())
    }

    /// All packets of one connection and where each ends.
    fn packets(self, connection: usize, each: usize) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::with_capacity(each * 260);
        let mut ends = Vec::with_capacity(each);
        let devices_each = DEVICES / self.connections;
        for n in 0..each {
            let device = connection * devices_each + n % devices_each;
            let turn = i64::try_from(n / devices_each).unwrap_or(0);
            let topic = topic(device);
            let payload = payload(n * self.connections + connection, self.first_device_time + turn * 1_000);
            let length = 2 + topic.len() + if self.qos > 0 { 2 } else { 0 } + payload.len();
            bytes.push(if self.qos > 0 { 0x32 } else { 0x30 });
            bytes.extend([
                u8::try_from(length % 128).unwrap_or(0) | 0x80,
                u8::try_from(length / 128).unwrap_or(0),
            ]);
            bytes.extend(u16::try_from(topic.len()).unwrap_or(0).to_be_bytes());
            bytes.extend(topic.as_bytes());
            if self.qos > 0 {
                bytes.extend(u16::try_from(n % 65_535 + 1).unwrap_or(1).to_be_bytes());
            }
            bytes.extend(payload.as_bytes());
            ends.push(bytes.len());
        }
        (bytes, ends)
    }
}

/// Connects with a clean session.
pub fn connect(port: u16, connection: usize) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let id = format!("flood-{connection}");
    let mut hello = vec![0x10, u8::try_from(12 + id.len())?, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0];
    hello.push(u8::try_from(id.len())?);
    hello.extend(id.as_bytes());
    stream.write_all(&hello)?;
    let mut answer = [0u8; 4];
    stream.read_exact(&mut answer).context("no CONNACK")?;
    if answer[3] != 0 {
        bail!("refused with {}", answer[3]);
    }
    Ok(stream)
}

fn pump(stream: TcpStream, bytes: &[u8], ends: &[usize], flood: Flood) -> anyhow::Result<()> {
    if flood.qos == 0 {
        (&stream).write_all(bytes)?;
        return Ok(());
    }
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
