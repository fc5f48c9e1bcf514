//! What one message costs the engine alone, what devices cost in memory, and how long a restore takes.

use std::collections::BTreeMap;

use orderly_core::engine::{Engine, EngineSettings};
use orderly_core::output::{Output, Snapshot};
use orderly_core::profile::{Input, Profile};
use orderly_core::record::{ConfigKind, ConfigText, Entry, Flags, Kind, Record};
use orderly_core::time::{Now, Timestamp};

use crate::measure::memory_mib;

const PROFILE: &str = include_str!("../../device-profiles/bedside_monitor/orderly-bm-1.toml");
const RULES: &str = include_str!("../../device-profiles/bedside_monitor/rules.toml");

/// 2026-11-21T00:00:00Z.
const START: i64 = 1_795_219_200_000;
const DEVICES: usize = 1_000;
const MESSAGES: usize = 400_000;
const COMMIT: usize = 4_000;

/// Prints the figures.
///
/// # Errors
/// When the shipped profile or its rules cannot be read.
pub fn run() -> anyhow::Result<()> {
    // Memory first, while the process has used little.
    devices()?;
    messages()
}

fn messages() -> anyhow::Result<()> {
    let topics: Vec<String> = (0..DEVICES).map(topic).collect();
    let bodies: Vec<String> = (0..MESSAGES).map(body).collect();
    let profile = Profile::parse(PROFILE, "bm").map_err(|found| anyhow::anyhow!("{found:?}"))?;
    let begin = crate::flood::now();
    let mut decoded = 0;
    for (n, body) in bodies.iter().enumerate() {
        let input = Input {
            address: &topics[n % DEVICES],
            payload: body.as_bytes(),
            received_at: Timestamp(START),
            flags: Flags::default(),
        };
        decoded += profile.decode(input)?.len();
    }
    anyhow::ensure!(decoded == MESSAGES);
    println!("engine: decoding 13 keys             {:6.0} ns", nanos(begin.elapsed().as_secs_f64()));
    for rules in [false, true] {
        let mut engine = engine(rules)?;
        let (mut handling, mut draining, mut readings, mut twins) = (0.0, 0.0, 0, (0, 0));
        for (batch, chunk) in bodies.chunks(COMMIT).enumerate() {
            let begin = crate::flood::now();
            for (n, body) in chunk.iter().enumerate() {
                let number = batch * COMMIT + n;
                handle(&mut engine, number, &topics[number % DEVICES], body, number as u64);
            }
            handling += begin.elapsed().as_secs_f64();
            let begin = crate::flood::now();
            let out = engine.drain();
            draining += begin.elapsed().as_secs_f64();
            readings += out.readings.len();
            twins = (out.twins.iter().map(|row| row.blob.len()).sum::<usize>(), out.twins.len());
        }
        anyhow::ensure!(readings == MESSAGES);
        println!(
            "engine: prepare and handle, {} {:6.0} ns, drain {:5.0} ns, a twin {} bytes",
            if rules { "4 rules " } else { "no rules" },
            nanos(handling),
            nanos(draining),
            twins.0 / twins.1.max(1)
        );
    }
    Ok(())
}

fn devices() -> anyhow::Result<()> {
    let before = memory_mib(std::process::id(), "VmRSS");
    let engine = many(drop)?;
    let after = memory_mib(std::process::id(), "VmRSS");
    println!("engine: 100,000 devices of 13 metrics under 4 rules: {:.0} MiB", after - before);
    drop(engine);
    let (mut snapshot, mut twins, mut devices, mut texts) =
        (Snapshot::default(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    drop(many(|out| {
        snapshot.cursor = out.cursor;
        snapshot.engine = out.engine;
        twins.extend(out.twins.into_iter().map(|row| (row.device.clone(), row)));
        devices.extend(out.devices.into_iter().map(|row| (row.device.clone(), row)));
        texts.extend(out.texts.into_iter().map(|row| (row.what.clone(), row)));
    })?);
    snapshot.twins = twins.into_values().collect();
    snapshot.devices = devices.into_values().collect();
    snapshot.texts = texts.into_values().collect();
    let begin = crate::flood::now();
    let mut engine = Engine::new(settings()?, snapshot)?;
    println!("engine: restoring them                 {:6.0} ms", begin.elapsed().as_secs_f64() * 1e3);
    anyhow::ensure!(engine.next_timeout().is_some());
    Ok(())
}

/// Hands 100,000 devices' first readings to an engine.
fn many(mut commit: impl FnMut(Output)) -> anyhow::Result<Engine> {
    let mut engine = engine(true)?;
    let text = body(1);
    for n in 0..100_000 {
        handle(&mut engine, n, &topic(n), &text, 1);
        if n % COMMIT == COMMIT - 1 {
            commit(engine.drain());
        }
    }
    Ok(engine)
}

fn handle(engine: &mut Engine, number: usize, topic: &str, body: &str, ms: u64) {
    let now = Now { wall: Timestamp(START).plus_ms(ms.cast_signed()), steady_ms: 1 + ms, boot: 1 };
    let entry = entry(Kind::Envelope, topic, body.as_bytes());
    let record = Record { seq: 10 + number as u64, now, entry };
    engine.handle(engine.prepare(&record), &[]);
}

fn settings() -> anyhow::Result<EngineSettings> {
    Ok(EngineSettings { site: "main".parse()? })
}

/// An engine with the shipped bedside profile, with or without its rules.
fn engine(rules: bool) -> anyhow::Result<Engine> {
    let mut engine = Engine::new(settings()?, Snapshot::default())?;
    let mut texts = vec![(ConfigKind::Profile("orderly-bm-1".parse()?), PROFILE)];
    if rules {
        texts.push((ConfigKind::Rule("bedside_monitor".parse()?), RULES));
    }
    for (seq, (what, text)) in (1..).zip(texts) {
        let body = rmp_serde::to_vec(&ConfigText { what, text: Some(text.to_owned()) })?;
        let now = Now { wall: Timestamp(START), steady_ms: 1, boot: 1 };
        let record = Record { seq, now, entry: entry(Kind::Config, "", &body) };
        engine.handle(engine.prepare(&record), &[]);
    }
    Ok(engine)
}

fn entry<'a>(kind: Kind, address: &'a str, body: &'a [u8]) -> Entry<'a> {
    Entry { kind, flags: Flags::ANONYMOUS, source: "listener", connection: 1, address, body }
}

fn topic(n: usize) -> String {
    format!("orderly/v1/main/bedside_monitor/bm-{n:06}/up/vitals")
}

/// A monitor's vital signs.
pub fn body(n: usize) -> String {
    format!(
        r#"{{"hr":{},"rr":18,"spo2":97,"nibp_sys":{},"nibp_dia":78,"nibp_map":92,"temp":36.8,"on_o2":false,"acvpu":"A","pi":2.1,"battery":88,"seq":{n},"t":{}}}"#,
        60 + n % 50,
        110 + n % 40,
        START + n as i64
    )
}

/// Nanoseconds a message.
fn nanos(seconds: f64) -> f64 {
    seconds * 1e9 / MESSAGES as f64
}
