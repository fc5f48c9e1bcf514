//! T1 to T4: MQTT to durable to line protocol, through mosquitto and through our own listener.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Context;
use orderly_tests::gateway::Site;
use orderly_tests::mosquitto::Mosquitto;

use crate::flood::{self, Flood, Load};
use crate::measure;
use crate::profile::Profile;
use crate::report::{Figure, Goal, Report};
use crate::store::{CountingStore, Mood};

/// Messages of one run.
const MESSAGES: usize = 300_000;
/// Median of so many alternating runs.
pub const ROUNDS: usize = 3;

/// How long something may take that is not measured.
const PATIENCE: Duration = Duration::from_secs(60);
/// What comes and goes in memory: what users run who want mosquitto at its fastest.
const IN_MEMORY: &str = "persistence false\n";

/// The sink's part of a configuration.
pub fn sink_config(port: u16) -> String {
    format!(
        "[sinks.store]\nkind = \"influx\"\nurl = \"http://127.0.0.1:{port}\"\nbucket = \"b\"\norg = \"o\"\n"
    )
}

/// What one run gave.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    per_second: f64,
    cpu_per_million: f64,
    peak_mib: f64,
    /// Lines that the store had already.
    again: usize,
}

/// One way through the gateway.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    /// A mosquitto stands in between.
    hop: bool,
    /// The store refuses all.
    down: bool,
    /// Look where the CPU time goes; that costs some of it.
    profiled: bool,
}

/// Measures all; without `hop` the way through mosquitto is left out.
pub fn run(hop: bool, report: &mut Report) -> anyhow::Result<()> {
    let (mut alone, mut hops, mut own, mut down) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(mosquitto_alone()?);
        if hop {
            hops.push(through(Way { hop, ..Way::default() })?);
        }
        own.push(through(Way::default())?);
        down.push(through(Way { down: true, ..Way::default() })?);
    }
    let rate = median(&alone, |r| r.per_second);
    let cpu = median(&alone, |r| r.cpu_per_million);
    let memory = median(&alone, |r| r.peak_mib);
    let mut add = |what: &str, value, unit, limit, goal| {
        report.add(Figure { what: what.to_owned(), value, unit, limit: (limit, "mosquitto alone"), goal });
    };
    if hop {
        let value = median(&hops, |r| r.per_second);
        add("T1 through mosquitto to line protocol", value, "msg/s", rate, Goal::times_limit(0.6, 0.8));
    }
    let value = median(&own, |r| r.per_second);
    add("T2 through our listener to line protocol", value, "msg/s", rate, Goal::times_limit(2.0, 5.0));
    if hop {
        let value = median(&hops, |r| r.cpu_per_million);
        add("T3 CPU s per M, through mosquitto", value, "s", cpu, Goal::at_most(10.0, 6.0));
    }
    let value = median(&own, |r| r.cpu_per_million);
    add("T3 CPU s per M, through our listener", value, "s", cpu, Goal::at_most(8.0, 4.0));
    let goal = Goal::at_most(55.0, 30.0);
    add("T4 peak memory in the burst", median(&own, |r| r.peak_mib), "MiB", memory, goal);
    add("T4 peak memory, the store down", median(&down, |r| r.peak_mib), "MiB", memory, goal);
    let again: usize = hops.iter().chain(&own).map(|r| r.again).sum();
    println!(
        "      {MESSAGES} messages of {} to {} B a run, 4 connections, QoS 1, median of {ROUNDS}; every one arrived, {again} lines twice",
        flood::payload(1, flood::wall_ms()).len(),
        flood::payload(MESSAGES - 1, flood::wall_ms()).len()
    );
    if hop {
        through(Way { hop, profiled: true, ..Way::default() })?;
    }
    through(Way { profiled: true, ..Way::default() })?;
    Ok(())
}

fn median(runs: &[Run], of: impl Fn(&Run) -> f64) -> f64 {
    measure::quantile(&mut runs.iter().map(of).collect::<Vec<_>>(), 0.5)
}

/// What mosquitto passes by itself: four publishers, one subscriber with QoS 1.
fn mosquitto_alone() -> anyhow::Result<Run> {
    let dir = measure::folder()?;
    let broker = Mosquitto::start_with(dir.path(), IN_MEMORY)?;
    let (port, pid) = (broker.port, broker.pid().context("mosquitto does not run")?);
    let mut subscriber = flood::connect(port, "subscriber", None)?;
    subscriber.write_all(&[0x82, 6, 0, 1, 0, 1, b'#', 1])?;
    subscriber.read_exact(&mut [0u8; 5]).context("no SUBACK")?;
    let reader = std::thread::spawn(move || count(subscriber, MESSAGES));
    let cpu = measure::cpu_seconds(pid);
    let sent = flood(port, MESSAGES).begin()?;
    let started = flood::now();
    sent.run()?;
    reader.join().map_err(|_| anyhow::anyhow!("the subscriber died"))??;
    Ok(Run {
        per_second: MESSAGES as f64 / started.elapsed().as_secs_f64(),
        cpu_per_million: (measure::cpu_seconds(pid) - cpu) * 1e6 / MESSAGES as f64,
        peak_mib: measure::memory_mib(pid, "VmHWM"),
        again: 0,
    })
}

fn flood(port: u16, messages: usize) -> Flood {
    let first_device_time = flood::first_device_time(MESSAGES);
    Flood { port, connections: 4, messages, window: 250, first_device_time, load: Load::Vitals }
}

/// Reads and acknowledges so many messages.
fn count(mut stream: TcpStream, expected: usize) -> anyhow::Result<()> {
    let mut buffer = Vec::with_capacity(1 << 20);
    let mut chunk = vec![0u8; 1 << 18];
    let (mut seen, mut acks) = (0, Vec::new());
    while seen < expected {
        let n = stream.read(&mut chunk)?;
        anyhow::ensure!(n > 0, "mosquitto closed the subscriber");
        buffer.extend_from_slice(&chunk[..n]);
        let mut at = 0;
        while let Some((kind, start, end)) = frame(&buffer[at..]) {
            let packet = &buffer[at + start..at + end];
            if kind >> 4 == 3 {
                seen += 1;
                if kind & 6 != 0 {
                    let topic = usize::from(u16::from_be_bytes([packet[0], packet[1]]));
                    acks.extend_from_slice(&[0x40, 2, packet[2 + topic], packet[3 + topic]]);
                }
            }
            at += end;
        }
        buffer.drain(..at);
        stream.write_all(&acks)?;
        acks.clear();
    }
    Ok(())
}

/// First byte, start of the body and end of a whole packet at the front.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (mut length, mut shift, mut at) = (0usize, 0, 1);
    loop {
        let byte = *bytes.get(at)?;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    (bytes.len() >= at + length).then_some((bytes[0], at, at + length))
}

/// One run through the whole way.
fn through(way: Way) -> anyhow::Result<Run> {
    let dir = measure::folder()?;
    let store = CountingStore::start()?;
    let broker = way.hop.then(|| Mosquitto::start_with(&dir.path().join("broker"), IN_MEMORY)).transpose()?;
    let mut more = sink_config(store.port);
    if let Some(broker) = &broker {
        more += &format!(
            "\n[mqtt.w]\nurl = \"mqtt://127.0.0.1:{}\"\nclient_id = \"orderly\"\nsubscribe = [\"orderly/v1/main/+/+/up/+\"]\n",
            broker.port
        );
    }
    let site = Site::new(dir.path(), &more)?;
    let gateway = site.start()?;
    let pid = gateway.pid();
    let port = broker.as_ref().map_or(site.mqtt, |b| b.port);
    // What mosquitto gets before we have subscribed is not ours.
    let patience = flood::now() + PATIENCE;
    while way.hop && !subscribed(&site)? {
        anyhow::ensure!(flood::now() < patience, "no subscription: {}", tail(&site));
        std::thread::sleep(Duration::from_millis(20));
    }
    // A first small flood warms up and registers the devices: they do that themselves only at our own listener.
    let warm = 4 * flood::DEVICES;
    let first_device_time = flood::first_device_time(MESSAGES) - 60_000;
    Flood { first_device_time, ..flood(site.mqtt, warm) }.begin()?.run()?;
    anyhow::ensure!(store.wait_lines(warm), "the warm-up did not arrive: {}", tail(&site));
    if way.down {
        store.set(Mood::Refuses);
    }
    let sent = flood(port, MESSAGES).begin()?;
    measure::reset_peak(pid);
    let profile = way.profiled.then(|| Profile::begin(pid, dir.path()));
    let cpu = measure::cpu_seconds(pid);
    let started = flood::now();
    sent.run()?;
    if way.down {
        // Everything is decided and kept, and the sink has tried.
        let patience = flood::now() + PATIENCE;
        while lag(&site)? > 0 {
            anyhow::ensure!(flood::now() < patience, "the engine stands still: {}", tail(&site));
            std::thread::sleep(Duration::from_millis(20));
        }
    } else {
        anyhow::ensure!(
            store.wait_lines(warm + MESSAGES),
            "{} of {} arrived: {}",
            store.ask(|s| s.lines),
            warm + MESSAGES,
            tail(&site)
        );
    }
    let seconds = started.elapsed().as_secs_f64();
    let cpu = measure::cpu_seconds(pid) - cpu;
    if let Some(profile) = profile {
        let what = if way.hop { "T1, through mosquitto" } else { "T2, through our listener" };
        profile.print(what, MESSAGES)?;
    }
    let run = Run {
        per_second: MESSAGES as f64 / seconds,
        cpu_per_million: cpu * 1e6 / MESSAGES as f64,
        peak_mib: measure::memory_mib(pid, "VmHWM"),
        again: store.ask(|s| s.again),
    };
    gateway.stop().context("stop")?;
    Ok(run)
}

/// Records that are on disk and not yet decided and committed.
fn lag(site: &Site) -> anyhow::Result<u64> {
    let status: serde_json::Value = serde_json::from_str(&measure::get(site.http, "/api/v1/status")?)?;
    status["engine"]["lag"].as_u64().context("the status has no lag")
}

fn subscribed(site: &Site) -> anyhow::Result<bool> {
    let status: serde_json::Value = serde_json::from_str(&measure::get(site.http, "/api/v1/status")?)?;
    let sources = status["sources"].as_array().context("the status has no sources")?;
    Ok(sources.iter().all(|source| source["up"] == true))
}

fn tail(site: &Site) -> String {
    let log = site.log();
    log.lines().rev().take(10).collect::<Vec<_>>().join("\n")
}
