//! T5 to T7: how long a message takes to the store, to its PUBACK, and a crossed threshold to its webhook.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use orderly_tests::gateway::Site;

use crate::flood;
use crate::measure::quantile;
use crate::store::CountingStore;
use crate::throughput::{first_device_time, sink_config};

/// Times of publishing and of acknowledgement of paced messages, by message number.
#[derive(Debug, Default)]
struct Paced {
    sent: Vec<(u32, i64, Instant)>,
    puback_ms: Vec<f64>,
}

pub fn run() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let store = CountingStore::start()?;
    let hook = Hook::start()?;
    let more = sink_config(store.port) + &hook.config();
    let site = Site::new(dir.path(), &more)?;
    let gateway = site.start()?;

    store.note_arrivals();
    let slow = paced(site.mqtt, 100, 1_000, 1)?;
    anyhow::ensure!(store.wait_lines(1_000), "the messages did not arrive");
    let mut to_store = arrivals(&store, &slow);
    println!(
        "T5  message to store at 100 msg/s, p50 / p99       {:.1} / {:.1} ms (floor 10 / 24, aim 5 / 12)",
        quantile(&mut to_store, 0.5),
        quantile(&mut to_store, 0.99)
    );
    let mut fast = paced(site.mqtt, 5_000, 50_000, 2)?;
    println!(
        "T6  PUBACK at 5,000 msg/s, p50 / p99               {:.1} / {:.1} ms (floor p99 25, aim 12)",
        quantile(&mut fast.puback_ms, 0.5),
        quantile(&mut fast.puback_ms, 0.99)
    );
    for (load, stalled) in [(100, false), (5_000, false), (5_000, true)] {
        store.set_down(stalled);
        let mut times = hook.crossings(site.mqtt, load, 40)?;
        println!(
            "T7  threshold to webhook at {load:>5} msg/s{}  p50 / p99 {:.1} / {:.1} ms (floor {}, aim {})",
            if stalled { ", store down" } else { "            " },
            quantile(&mut times, 0.5),
            quantile(&mut times, 0.99),
            if load == 100 { 50 } else { 250 },
            if load == 100 { 15 } else { 100 },
        );
    }
    store.set_down(false);
    println!();
    gateway.stop()?;
    Ok(())
}

fn arrivals(store: &CountingStore, paced: &Paced) -> Vec<f64> {
    store.ask(|seen| {
        let Some(arrivals) = &seen.arrivals else { return Vec::new() };
        paced
            .sent
            .iter()
            .filter_map(|(device, time, at)| {
                Some((*arrivals.get(&(*device, *time))? - *at).as_secs_f64() * 1_000.0)
            })
            .collect()
    })
}

/// Publishes `count` vitals at `per_second` over one connection; `era` keeps device times of different calls apart.
fn paced(port: u16, per_second: usize, count: usize, era: i64) -> anyhow::Result<Paced> {
    let stream = flood::connect(port, 5_000 + usize::try_from(era)?)?;
    let acks = {
        let mut stream = stream.try_clone()?;
        thread::spawn(move || -> anyhow::Result<Vec<Instant>> {
            let mut acks = Vec::with_capacity(count);
            let mut buffer = [0u8; 4096];
            let mut partial = 0;
            while acks.len() < count {
                let n = stream.read(&mut buffer)?;
                anyhow::ensure!(n > 0, "closed");
                let at = flood::now();
                acks.extend(std::iter::repeat_n(at, (partial + n) / 4));
                partial = (partial + n) % 4;
            }
            Ok(acks)
        })
    };
    let base = first_device_time(count) - era * 3_600_000;
    let started = flood::now();
    let mut sent = Vec::with_capacity(count);
    for n in 0..count {
        let due = started + Duration::from_secs_f64(n as f64 / per_second as f64);
        if let Some(wait) = due.checked_duration_since(flood::now()) {
            thread::sleep(wait);
        }
        let device = n % flood::DEVICES;
        let time = base + i64::try_from(n / flood::DEVICES)? * 1_000;
        let at = flood::now();
        (&stream).write_all(&publish(&flood::topic(device), &flood::payload(n, time), n))?;
        sent.push((u32::try_from(device)?, time, at));
    }
    let acks = acks.join().map_err(|_| anyhow::anyhow!("the reader died"))??;
    let puback_ms =
        sent.iter().zip(&acks).map(|((_, _, at), ack)| (*ack - *at).as_secs_f64() * 1_000.0).collect();
    Ok(Paced { sent, puback_ms })
}

fn publish(topic: &str, payload: &str, n: usize) -> Vec<u8> {
    let length = 4 + topic.len() + payload.len();
    let mut packet =
        vec![0x32, u8::try_from(length % 128).unwrap_or(0) | 0x80, u8::try_from(length / 128).unwrap_or(0)];
    packet.extend(u16::try_from(topic.len()).unwrap_or(0).to_be_bytes());
    packet.extend(topic.as_bytes());
    packet.extend(u16::try_from(n % 65_535 + 1).unwrap_or(1).to_be_bytes());
    packet.extend(payload.as_bytes());
    packet
}

/// A webhook receiver that notes when a notice about a device arrives.
#[derive(Debug)]
struct Hook {
    port: u16,
    arrived: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Hook {
    fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let hook = Self { port: listener.local_addr()?.port(), arrived: Arc::default() };
        let arrived = Arc::clone(&hook.arrived);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let arrived = Arc::clone(&arrived);
                thread::spawn(move || serve(&stream, &arrived));
            }
        });
        Ok(hook)
    }

    fn config(&self) -> String {
        format!("\n[notify.duty]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{}/notices\"\n", self.port)
    }

    /// Sends `count` low pressures (a rule that waits for nothing), one device each, while vitals run at `load` a second; gives ms from publish to notice.
    fn crossings(&self, port: u16, load: usize, count: usize) -> anyhow::Result<Vec<f64>> {
        static ERA: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(10);
        let era = ERA.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let background = thread::spawn(move || paced(port, load, load * 6, era));
        let stream = flood::connect(port, 7_000 + usize::try_from(era)?)?;
        let time = first_device_time(0);
        let mut sent = Vec::new();
        for n in 0..count {
            thread::sleep(Duration::from_millis(100));
            let device = format!("bp-{era}-{n:04}");
            let topic = format!("orderly/v1/main/bp_meter/{device}/up/reading");
            let body = format!(
                "{{\"sys\":82,\"dia\":46,\"pulse\":88,\"t\":\"{}\",\"padding\":\"                                        \"}}",
                orderly_core::time::Timestamp(time)
            );
            sent.push((device, flood::now()));
            (&stream).write_all(&publish(&topic, &body, n))?;
        }
        background.join().map_err(|_| anyhow::anyhow!("the background died"))??;
        let deadline = flood::now() + Duration::from_secs(20);
        loop {
            let arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
            if sent.iter().all(|(device, _)| arrived.contains_key(device)) || flood::now() > deadline {
                let times: Vec<f64> = sent
                    .iter()
                    .filter_map(|(device, at)| Some((*arrived.get(device)? - *at).as_secs_f64() * 1_000.0))
                    .collect();
                anyhow::ensure!(times.len() == count, "{} of {count} notices arrived", times.len());
                return Ok(times);
            }
            drop(arrived);
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn serve(stream: &TcpStream, arrived: &Mutex<HashMap<String, Instant>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(n) = line.strip_prefix("content-length:") {
                length = n.trim().parse().ok()?;
            }
        }
        let mut body = vec![0u8; length];
        reader.read_exact(&mut body).ok()?;
        let at = flood::now();
        if let Ok(json) = serde_json::from_slice::<serde_json::Value>(&body)
            && let Some(device) = json["device"].as_str()
        {
            arrived.lock().unwrap_or_else(PoisonError::into_inner).entry(device.to_owned()).or_insert(at);
        }
        (&*stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    }
}
