//! A steady load: so many messages a second, each stamped when it is sent.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::flood;
use crate::store;

/// A steady load of vitals.
#[derive(Debug, Clone)]
pub struct Paced {
    /// Port of the listener.
    pub port: u16,
    /// Messages a second, over all connections.
    pub per_second: usize,
    /// How long.
    pub seconds: usize,
    /// Who sends it.
    pub senders: Senders,
}

/// Who sends a steady load.
#[derive(Debug, Clone)]
pub enum Senders {
    /// So many anonymous connections for all the devices of workload W.
    Anonymous(usize),
    /// Devices that send for themselves: number in workload W, secret.
    Devices(Vec<(usize, String)>),
}

/// What became of a steady load.
#[derive(Debug, Default)]
pub struct Sent {
    /// Key of each message in the store, and when it was sent.
    pub messages: Vec<((u64, i64), Instant)>,
    /// Milliseconds from sending to the PUBACK.
    pub puback_ms: Vec<f64>,
}

impl Paced {
    /// Sends all and waits for every PUBACK.
    ///
    /// # Errors
    /// When a connection breaks.
    pub fn run(self) -> anyhow::Result<Sent> {
        let lines: Vec<(TcpStream, Vec<usize>)> = match &self.senders {
            Senders::Anonymous(connections) => (0..*connections)
                .map(|c| {
                    let stream = flood::connect(self.port, &format!("paced-{c}"), None)?;
                    Ok((stream, (0..flood::DEVICES).filter(|d| d % connections == c).collect()))
                })
                .collect::<anyhow::Result<_>>()?,
            Senders::Devices(devices) => devices
                .iter()
                .map(|(device, secret)| {
                    let name = flood::device(*device);
                    Ok((flood::connect(self.port, &name, Some((&name, secret)))?, vec![*device]))
                })
                .collect::<anyhow::Result<_>>()?,
        };
        let each = self.per_second as f64 / lines.len() as f64;
        let count = self.per_second * self.seconds / lines.len();
        let workers: Vec<_> = lines
            .into_iter()
            .map(|(stream, devices)| thread::spawn(move || send(&stream, &devices, each, count)))
            .collect();
        let mut all = Sent::default();
        for worker in workers {
            let sent = worker.join().map_err(|_| anyhow::anyhow!("a sender died"))??;
            all.messages.extend(sent.messages);
            all.puback_ms.extend(sent.puback_ms);
        }
        Ok(all)
    }
}

fn send(stream: &TcpStream, devices: &[usize], per_second: f64, count: usize) -> anyhow::Result<Sent> {
    let reader = stream.try_clone()?;
    let acks = thread::spawn(move || acknowledged(reader, count));
    let started = flood::now();
    let mut messages = Vec::with_capacity(count);
    let mut packet = Vec::new();
    for n in 0..count {
        let due = started + Duration::from_secs_f64(n as f64 / per_second);
        if let Some(wait) = due.checked_duration_since(flood::now()) {
            thread::sleep(wait);
        }
        let device = devices[n % devices.len()];
        let time = flood::wall_ms();
        packet.clear();
        flood::publish(&mut packet, &flood::topic(device), &flood::payload(n, time), n);
        messages.push(((store::hash(flood::device(device).as_bytes()), time), flood::now()));
        let mut stream = stream;
        stream.write_all(&packet)?;
    }
    let acks = acks.join().map_err(|_| anyhow::anyhow!("the reader died"))??;
    let took = |((_, sent), ack): (&((u64, i64), Instant), &Instant)| (*ack - *sent).as_secs_f64() * 1_000.0;
    let puback_ms = messages.iter().zip(&acks).map(took).collect();
    Ok(Sent { messages, puback_ms })
}

/// When each PUBACK came; they come in the order of the messages.
fn acknowledged(mut stream: TcpStream, count: usize) -> anyhow::Result<Vec<Instant>> {
    let mut acks = Vec::with_capacity(count);
    let mut buffer = [0u8; 4096];
    let mut partial = 0;
    while acks.len() < count {
        let n = stream.read(&mut buffer)?;
        anyhow::ensure!(n > 0, "the listener closed after {} of {count} PUBACKs", acks.len());
        let at = flood::now();
        acks.extend(std::iter::repeat_n(at, (partial + n) / 4));
        partial = (partial + n) % 4;
    }
    Ok(acks)
}
