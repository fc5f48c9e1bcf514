//! T1 to T4: MQTT to durable to line protocol, through mosquitto and through our own listener.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::Context;
use orderly_tests::gateway::Site;
use orderly_tests::mosquitto::Mosquitto;

use crate::flood::{self, Flood};
use crate::measure;
use crate::store::CountingStore;

/// Messages of one run.
const MESSAGES: usize = 300_000;
/// Median of so many alternating runs.
const ROUNDS: usize = 3;

/// Device times of a flood end before now, so that no clock is suspect.
pub fn first_device_time(messages: usize) -> i64 {
    let turns = i64::try_from(messages / flood::DEVICES + 10).unwrap_or(0);
    (jiff_now_s() - turns) * 1_000
}

#[expect(clippy::disallowed_methods, reason = "a bench lives in real time")]
fn jiff_now_s() -> i64 {
    jiff::Timestamp::now().as_second()
}

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
}

/// Measures all; without `hop` the way through mosquitto is left out.
pub fn run(hop_too: bool) -> anyhow::Result<()> {
    let (mut alone, mut hop, mut own) = (Vec::new(), Vec::new(), Vec::new());
    let mut threads = None;
    for _ in 0..ROUNDS {
        alone.push(mosquitto_alone()?);
        if hop_too {
            hop.push(through(true, false)?.0);
        }
        let (run, by_thread) = through(false, false)?;
        own.push(run);
        threads = Some(by_thread);
    }
    let down = through(false, true)?.0;
    let m_alone = median(&alone, |r| r.per_second);
    let m_hop = median(&hop, |r| r.per_second);
    let m_own = median(&own, |r| r.per_second);
    println!(
        "workload W: {MESSAGES} messages of {} B, 4 connections, QoS 1, median of {ROUNDS}",
        flood::payload(1, 0).len()
    );
    println!("mosquitto alone, publisher to one subscriber      {m_alone:>9.0} msg/s");
    println!(
        "T1  through mosquitto, to line protocol           {m_hop:>9.0} msg/s = {:.2} x mosquitto alone (floor 0.6, aim 0.8)",
        m_hop / m_alone
    );
    println!(
        "T2  through our listener, to line protocol        {m_own:>9.0} msg/s = {:.2} x mosquitto alone (floor 2, aim 5)",
        m_own / m_alone
    );
    println!(
        "T3  CPU s per M, through mosquitto / listener     {:.1} / {:.1} (floor 10 / 8, aim 6 / 4)",
        median(&hop, |r| r.cpu_per_million),
        median(&own, |r| r.cpu_per_million)
    );
    println!(
        "T4  peak memory in the burst, store up / down     {:.0} / {:.0} MiB (floor 55, aim 30)",
        median(&own, |r| r.peak_mib),
        down.peak_mib
    );
    if let Some(threads) = threads {
        println!("\nwhere the CPU goes in T2 (s per M by thread):");
        for (name, seconds) in threads {
            if seconds > 0.05 {
                println!("    {name:<16} {seconds:.2}");
            }
        }
    }
    println!();
    Ok(())
}

fn median(runs: &[Run], of: impl Fn(&Run) -> f64) -> f64 {
    measure::quantile(&mut runs.iter().map(of).collect::<Vec<_>>(), 0.5)
}

/// What mosquitto passes by itself: four publishers, one subscriber with QoS 1.
fn mosquitto_alone() -> anyhow::Result<Run> {
    let dir = tempfile::tempdir()?;
    let broker = Mosquitto::start(dir.path())?;
    let port = broker.port;
    let mut subscriber = flood::connect(port, 999)?;
    subscriber.write_all(&[0x82, 6, 0, 1, 0, 1, b'#', 1])?;
    subscriber.read_exact(&mut [0u8; 5]).context("no SUBACK")?;
    let started = flood::now();
    let reader = std::thread::spawn(move || count(subscriber, MESSAGES));
    flood(port, MESSAGES).run()?;
    reader.join().map_err(|_| anyhow::anyhow!("the subscriber died"))??;
    Ok(Run { per_second: MESSAGES as f64 / started.elapsed().as_secs_f64(), ..Run::default() })
}

fn flood(port: u16, messages: usize) -> Flood {
    Flood {
        port,
        connections: 4,
        messages,
        window: 250,
        first_device_time: first_device_time(messages),
        qos: 1,
    }
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

type Threads = Vec<(String, f64)>;

/// One run through the whole way; with `hop` a mosquitto stands in between, with `down` the store refuses all.
fn through(hop: bool, down: bool) -> anyhow::Result<(Run, Threads)> {
    let dir = tempfile::tempdir()?;
    let store = CountingStore::start()?;
    store.set_down(down);
    let broker = hop.then(|| Mosquitto::start(&dir.path().join("broker"))).transpose()?;
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
    // A first small flood registers the devices and warms up.
    let warm = 4 * flood::DEVICES;
    Flood { first_device_time: first_device_time(MESSAGES) - 100_000, ..flood(port, warm) }.run()?;
    if !down {
        anyhow::ensure!(store.wait_lines(warm), "the warm-up did not arrive: {}", tail(&site));
    }
    measure::reset_peak(pid);
    let (cpu, threads) = (measure::cpu_seconds(pid), measure::cpu_by_thread(pid));
    let started = flood::now();
    flood(port, MESSAGES).run()?;
    if !down {
        anyhow::ensure!(
            store.wait_lines(warm + MESSAGES),
            "{} of {} arrived: {}",
            store.ask(|s| s.lines),
            warm + MESSAGES,
            tail(&site)
        );
    }
    let seconds = started.elapsed().as_secs_f64();
    let millions = MESSAGES as f64 / 1e6;
    let by_thread = measure::cpu_by_thread(pid)
        .into_iter()
        .map(|(name, cpu)| {
            let before = threads.get(&name).copied().unwrap_or(0.0);
            (name, (cpu - before) / millions)
        })
        .collect();
    let run = Run {
        per_second: MESSAGES as f64 / seconds,
        cpu_per_million: (measure::cpu_seconds(pid) - cpu) / millions,
        peak_mib: measure::memory_mib(pid, "VmHWM"),
    };
    gateway.stop().context("stop")?;
    Ok((run, by_thread))
}

fn tail(site: &Site) -> String {
    let log = site.log();
    log.lines().rev().take(10).collect::<Vec<_>>().join("\n")
}
