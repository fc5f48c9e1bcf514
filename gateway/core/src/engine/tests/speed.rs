//! What one message costs the engine. It prints; a person judges. Run in release:
//! `cargo test --release -p orderly-core speed -- --ignored --nocapture`.
#![allow(clippy::disallowed_methods, reason = "a measurement asks the clock")]

use std::time::Instant;

use super::bench::{START, settings};
use crate::engine::Engine;
use crate::output::Snapshot;
use crate::profile::{Input, Profile};
use crate::record::{ConfigKind, ConfigText, Entry, Flags, Kind, Record};
use crate::time::{Now, Timestamp};

const PROFILE: &str = include_str!("../../../../../device-profiles/bedside_monitor/orderly-bm-1.toml");
const RULES: &str = include_str!("../../../../../device-profiles/bedside_monitor/rules.toml");

fn entry<'a>(kind: Kind, address: &'a str, body: &'a [u8]) -> Entry<'a> {
    Entry { kind, flags: Flags::ANONYMOUS, source: "listener", connection: 1, address, body }
}

/// An engine with the shipped bedside profile, with or without its rules.
fn engine(rules: bool) -> Engine {
    let mut engine = Engine::new(settings(), Snapshot::default()).unwrap();
    let mut texts = vec![(ConfigKind::Profile("orderly-bm-1".parse().unwrap()), PROFILE)];
    if rules {
        texts.push((ConfigKind::Rule("bedside_monitor".parse().unwrap()), RULES));
    }
    for (seq, (what, text)) in (1..).zip(texts) {
        let body = rmp_serde::to_vec(&ConfigText { what, text: Some(text.to_owned()) }).unwrap();
        let now = Now { wall: Timestamp(START), steady_ms: 1, boot: 1 };
        let record = Record { seq, now, entry: entry(Kind::Config, "", &body) };
        engine.handle(engine.prepare(&record), &[]);
    }
    engine
}

fn body(n: usize) -> String {
    format!(
        r#"{{"hr":{},"rr":18,"spo2":97,"nibp_sys":{},"nibp_dia":78,"nibp_map":92,"temp":36.8,"on_o2":false,"acvpu":"A","pi":2.1,"battery":88,"seq":{n},"t":{}}}"#,
        60 + n % 50,
        110 + n % 40,
        START + i64::try_from(n).unwrap()
    )
}

#[test]
#[ignore = "a measurement"]
fn speed_of_one_message() {
    const DEVICES: usize = 1_000;
    const MESSAGES: usize = 400_000;
    let topics: Vec<String> =
        (0..DEVICES).map(|n| format!("orderly/v1/main/bedside_monitor/bm-{n:04}/up/vitals")).collect();
    let bodies: Vec<String> = (0..MESSAGES).map(body).collect();

    let profile = Profile::parse(PROFILE, "bm").unwrap();
    let begin = Instant::now();
    for (n, body) in bodies.iter().enumerate() {
        let input = Input {
            address: &topics[n % DEVICES],
            payload: body.as_bytes(),
            received_at: Timestamp(START),
            flags: Flags::default(),
        };
        assert_eq!(profile.decode(input).unwrap().len(), 1);
    }
    println!("decode alone:               {:5.0} ns", per(begin, MESSAGES));

    for rules in [false, true] {
        let mut engine = engine(rules);
        let (mut handling, mut draining, mut readings, mut twin_bytes) = (0.0, 0.0, 0, 0);
        for (batch, chunk) in bodies.chunks(4_000).enumerate() {
            let begin = Instant::now();
            for (n, body) in chunk.iter().enumerate() {
                let number = batch * 4_000 + n;
                let ms = u64::try_from(number).unwrap();
                let now =
                    Now { wall: Timestamp(START).plus_ms(ms.cast_signed()), steady_ms: 1 + ms, boot: 1 };
                let entry = entry(Kind::Envelope, &topics[number % DEVICES], body.as_bytes());
                let record = Record { seq: 10 + ms, now, entry };
                let prepared = engine.prepare(&record);
                assert!(prepared.lookups().is_empty());
                engine.handle(prepared, &[]);
            }
            handling += begin.elapsed().as_secs_f64();
            let begin = Instant::now();
            let out = engine.drain();
            draining += begin.elapsed().as_secs_f64();
            readings += out.readings.len();
            twin_bytes = out.twins.iter().map(|row| row.blob.len()).sum::<usize>() / out.twins.len();
        }
        assert_eq!(readings, MESSAGES);
        let each = |seconds: f64| seconds * 1e9 / MESSAGES as f64;
        println!(
            "rules {rules:5}: prepare + handle {:5.0} ns, drain {:4.0} ns, a twin {twin_bytes} bytes",
            each(handling),
            each(draining)
        );
    }
}

fn per(begin: Instant, n: usize) -> f64 {
    begin.elapsed().as_secs_f64() * 1e9 / n as f64
}

/// Hands 100,000 devices' first readings to an engine, 4,000 to a commit.
fn many(mut commit: impl FnMut(crate::output::Output)) -> Engine {
    let mut engine = engine(true);
    let text = body(1);
    for n in 0..100_000_u64 {
        let topic = format!("orderly/v1/main/bedside_monitor/bm-{n:06}/up/vitals");
        let now = Now { wall: Timestamp(START), steady_ms: 2, boot: 1 };
        let record = Record { seq: 10 + n, now, entry: entry(Kind::Envelope, &topic, text.as_bytes()) };
        engine.handle(engine.prepare(&record), &[]);
        if n % 4_000 == 3_999 {
            commit(engine.drain());
        }
    }
    engine
}

#[test]
#[ignore = "a measurement"]
fn speed_and_memory_of_100_000_devices() {
    let before = resident();
    let engine = many(drop);
    println!("100,000 devices of 13 metrics and 4 rules: {} MiB resident", (resident() - before) >> 20);
    drop(engine);
    let mut written = super::bench::Written::default();
    drop(many(|out| written.take(out)));
    let bytes: usize = written.twins.values().map(|row| row.blob.len()).sum();
    println!("a twin on disk: {} bytes", bytes / written.twins.len());
    let snapshot = written.snapshot();
    let begin = Instant::now();
    let mut engine = Engine::new(settings(), snapshot).unwrap();
    println!("restored in {:.0} ms", begin.elapsed().as_secs_f64() * 1e3);
    assert!(engine.next_timeout().is_some());
}

/// Resident bytes of this process.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap() * 4096
}
