//! What the stores cost: prints microseconds per reading, bytes per value and times to read. It asserts nothing.
//!
//! `cargo bench -p orderly-store [-- codec|state|series|latest]`

#![expect(clippy::print_stdout, reason = "it prints what it measured")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops when something is wrong")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orderly_core::dedupe::CountedOffset;
use orderly_core::ids::{ClassId, DeviceId, MetricId, StreamId, ZoneId};
use orderly_core::output::{Output, TwinRow};
use orderly_core::reading::{Marks, Measured, Origin, Reading};
use orderly_core::time::Timestamp;
use orderly_core::value::{Quality, Value};
use orderly_store::batch;
use orderly_store::series::{Query, SeriesReader, SeriesStore};
use orderly_store::state::StateStore;

const T0: i64 = 1_790_000_000_000 - 1_790_000_000_000 % 86_400_000;
const DAY: i64 = 86_400;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let run = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
    if run("codec") {
        codec();
    }
    if run("state") {
        state();
    }
    if run("series") {
        series();
    }
    if run("latest") {
        latest();
    }
}

/// xorshift: the same walk each time.
struct Dice(u64);

impl Dice {
    const fn roll(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// A device that reports `metrics` values; numbers walk slowly, states change seldom.
struct Source {
    device: DeviceId,
    class: ClassId,
    stream: StreamId,
    zone: ZoneId,
    metrics: Vec<(MetricId, Arc<str>)>,
    levels: Vec<i64>,
    states: bool,
    tokens: [Arc<str>; 2],
    sequence: u64,
    offset: CountedOffset,
}

impl Source {
    fn new(n: usize, class: &str, metrics: usize, states: bool) -> Self {
        let name =
            |m: usize| MetricId::new(&format!("{}_{m}", if states { "state" } else { "vital" })).unwrap();
        let device = DeviceId::new(&format!("{class}-{n:05}")).unwrap();
        let stream = StreamId::new("reading").unwrap();
        Self {
            offset: CountedOffset::new(&device, 0, &stream),
            device,
            class: ClassId::new(class).unwrap(),
            stream,
            zone: ZoneId::new("icu-1").unwrap(),
            metrics: (0..metrics).map(|m| (name(m), Arc::from(if states { "" } else { "mm[Hg]" }))).collect(),
            levels: (0..metrics).map(|m| 360 + 40 * m as i64).collect(),
            states,
            tokens: ["free".into(), "occupied".into()],
            sequence: 0,
        }
    }

    fn reading(&mut self, seq: u64, taken_ms: i64, dice: &mut Dice) -> Reading {
        self.sequence += 1;
        for level in &mut self.levels {
            if self.states {
                *level ^= i64::from(dice.roll(300) == 0);
            } else if dice.roll(3) == 0 {
                *level = (*level + dice.roll(5) as i64 - 2).clamp(300, 2000);
            }
        }
        let value = |m: usize, level: i64| {
            if self.states {
                Value::State(Arc::clone(&self.tokens[(level & 1) as usize]))
            } else if m.is_multiple_of(2) {
                Value::Number(level as f64 / 10.0)
            } else {
                Value::Number((level / 8) as f64)
            }
        };
        let values =
            self.metrics.iter().zip(&self.levels).enumerate().map(|(m, ((metric, unit), level))| Measured {
                metric: metric.clone(),
                value: value(m, *level),
                unit: Arc::clone(unit),
                quality: Quality::Good,
                reason: None,
                raw: None,
            });
        Reading {
            origin: Origin { seq, index: 0 },
            device: self.device.clone(),
            class: self.class.clone(),
            epoch: 0,
            stream: self.stream.clone(),
            device_time: Some(Timestamp(taken_ms)),
            taken_at: Timestamp(taken_ms),
            received_at: Timestamp(taken_ms + 5 + dice.roll(30) as i64),
            sequence: Some(self.sequence),
            offset_ns: self.offset.of(Some(Timestamp(taken_ms)), self.sequence),
            profile: 0x1234_5678_9abc_def0,
            marks: Marks::default(),
            replaces: None,
            zone: Some(self.zone.clone()),
            values: values.collect(),
        }
    }
}

fn per(total: Duration, n: usize) -> f64 {
    total.as_secs_f64() * 1e6 / n as f64
}

fn codec() {
    let mut dice = Dice(7);
    let mut sources: Vec<Source> = (0..1000).map(|n| Source::new(n, "monitor", 10, false)).collect();
    let readings: Vec<Reading> =
        (0..4000).map(|i| sources[i % 1000].reading(i as u64 + 1, T0 + i as i64, &mut dice)).collect();
    let rounds = 50;
    let start = Instant::now();
    let mut bytes = 0;
    for _ in 0..rounds {
        bytes = std::hint::black_box(batch::encode(&readings)).len();
    }
    let encode = per(start.elapsed(), rounds * readings.len());
    let blob = batch::encode(&readings);
    let start = Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(batch::decode(&blob).unwrap());
    }
    let decode = per(start.elapsed(), rounds * readings.len());
    println!(
        "codec: 4,000 readings of 10 values, 1,000 devices: encode {encode:.3} us, decode {decode:.3} us, {:.1} bytes a reading",
        bytes as f64 / readings.len() as f64
    );
}

fn state() {
    for (per_commit, commits) in [(1, 100), (100, 100), (4000, 40)] {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, _) = StateStore::open(dir.path()).unwrap();
        let mut dice = Dice(9);
        let mut sources: Vec<Source> = (0..1000).map(|n| Source::new(n, "monitor", 10, false)).collect();
        let mut seq = 0;
        let mut outputs = Vec::new();
        for _ in 0..commits {
            let first = seq + 1;
            let readings: Vec<Reading> = (0..per_commit)
                .map(|_| {
                    seq += 1;
                    sources[seq as usize % 1000].reading(seq, T0 + seq as i64, &mut dice)
                })
                .collect();
            let twins =
                readings.iter().take(1000).map(|r| TwinRow { device: r.device.clone(), blob: vec![7; 500] });
            outputs.push(Output {
                first,
                cursor: seq,
                twins: twins.collect(),
                readings: std::sync::Arc::new(readings),
                ..Output::default()
            });
        }
        let mut times: Vec<Duration> = outputs
            .iter()
            .map(|out| {
                let start = Instant::now();
                store.commit(out).unwrap();
                start.elapsed()
            })
            .collect();
        times.sort();
        let total: Duration = times.iter().sum();
        println!(
            "state: {per_commit} readings and as many twins (at most 1,000) a commit: p50 {:.1} ms, p99 {:.1} ms, {:.0} readings/s; {}",
            times[commits / 2].as_secs_f64() * 1e3,
            times[commits * 99 / 100].as_secs_f64() * 1e3,
            (per_commit * commits) as f64 / total.as_secs_f64(),
            cpu(),
        );
    }
}

/// CPU time of this process so far, as the kernel counts it.
fn cpu() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|t| t.parse::<f64>().ok()).unwrap_or_default() / 100.0;
    format!("process so far user {:.2} s, system {:.2} s", ticks(11), ticks(12))
}

fn series() {
    for (what, metrics, states, step_ms, devices, per_apply, days) in [
        ("vitals, 10 numbers at 1 Hz", 10, false, 1000, 4, 200, 1),
        ("vitals, 5 numbers at 1 Hz", 5, false, 1000, 4, 200, 1),
        ("states, 8 each 10 s", 8, true, 10_000, 20, 200, 1),
        ("state, 1 each minute", 1, true, 60_000, 200, 200, 1),
        ("state, 1 each minute, ten days", 1, true, 60_000, 200, 200, 10),
        ("busy: 1,000 devices of 10 numbers, 4,000 a call", 10, false, 50, 1000, 4000, 1),
        ("busy: 1,000 devices of 10 numbers, 16,000 a call", 10, false, 50, 1000, 16_000, 1),
    ] {
        one_series(what, metrics, states, step_ms, devices, per_apply, days);
    }
}

fn one_series(
    what: &str,
    metrics: usize,
    states: bool,
    step_ms: i64,
    devices: usize,
    per_apply: usize,
    days: usize,
) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SeriesStore::open(dir.path()).unwrap();
    let mut dice = Dice(11);
    let mut sources: Vec<Source> = (0..devices).map(|n| Source::new(n, "monitor", metrics, states)).collect();
    let of_days = devices * days * (DAY * 1000 / step_ms) as usize;
    let total = of_days.min(if devices > 500 { 1_000_000 } else { usize::MAX });
    let (mut taking, mut sealing) = (Duration::ZERO, Duration::ZERO);
    let mut seq = 0;
    while (seq as usize) < total {
        let readings: Vec<Reading> = (0..per_apply)
            .map(|_| {
                seq += 1;
                let n = (seq - 1) as usize;
                let taken = T0 + (n / devices) as i64 * step_ms + dice.roll(3) as i64;
                sources[n % devices].reading(seq, taken, &mut dice)
            })
            .collect();
        let start = Instant::now();
        store.apply(readings[0].origin.seq, seq, &readings).unwrap();
        taking += start.elapsed();
        let start = Instant::now();
        while store.seal(readings[0].received_at).unwrap().more {}
        sealing += start.elapsed();
    }
    let start = Instant::now();
    while store.seal(Timestamp(i64::MAX)).unwrap().more {}
    store.flush().unwrap();
    sealing += start.elapsed();
    let n = seq as usize;
    println!(
        "series: {what}: {n} readings: apply {:.2} us, seal {:.2} us a reading",
        per(taking, n),
        per(sealing, n)
    );
    sizes(dir.path(), n * metrics);
    let mut reader = SeriesReader::open(dir.path()).unwrap();
    let query =
        Query { metrics: vec![sources[0].metrics[0].0.clone()], ..Query::all(sources[0].device.clone()) };
    let timed = |what: &str, f: &mut dyn FnMut() -> usize| {
        let mut times: Vec<Duration> = Vec::new();
        let mut found = 0;
        for _ in 0..7 {
            let start = Instant::now();
            found = f();
            times.push(start.elapsed());
        }
        times.sort();
        println!("        {what}: {found} in {:.2} ms", times[3].as_secs_f64() * 1e3);
    };
    timed("points of one metric", &mut || reader.points(&query).unwrap().len());
    let hour = Query { from: Timestamp(T0), to: Timestamp(T0 + DAY * 1000), ..query.clone() };
    timed("hourly figures of it", &mut || reader.gather(&hour, 3_600_000).unwrap().len());
    timed("figures each 5 minutes", &mut || reader.gather(&hour, 300_000).unwrap().len());
    let page = Query { limit: 500, newest_first: true, metrics: vec![], ..query };
    timed("newest 500 readings, whole", &mut || reader.readings(&page).unwrap().len());
}

/// Bytes by table; `dbstat` is not built in, so the blobs are counted, and the file as a whole.
fn sizes(dir: &Path, values: usize) {
    let db = rusqlite::Connection::open(dir.join("series.db")).unwrap();
    let sum = |table: &str| -> i64 {
        db.query_row(&format!("SELECT coalesce(sum(length(blob)), 0) FROM {table}"), [], |r| r.get(0))
            .unwrap()
    };
    let per_value = |bytes: i64| bytes as f64 / values as f64;
    db.execute_batch("VACUUM").unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let file = std::fs::metadata(dir.join("series.db")).unwrap().len() as i64;
    println!(
        "        {:.3} bytes a value in chunks, {:.3} with roll-ups, {:.3} the file",
        per_value(sum("chunk")),
        per_value(sum("chunk") + sum("rollup_1m") + sum("rollup_1h")),
        per_value(file)
    );
}

fn latest() {
    for (devices, metrics, states) in [(10_000, 10, false), (100_000, 1, true)] {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SeriesStore::open(dir.path()).unwrap();
        let mut dice = Dice(13);
        let mut seq = 0;
        for first in (0..devices).step_by(10_000) {
            let readings: Vec<Reading> = (first..first + 10_000)
                .map(|n| {
                    seq += 1;
                    Source::new(n, "bay", metrics, states).reading(seq, T0 + seq as i64, &mut dice)
                })
                .collect();
            store.apply(readings[0].origin.seq, seq, &readings).unwrap();
        }
        let mut reader = SeriesReader::open(dir.path()).unwrap();
        let start = Instant::now();
        let found = reader.latest_all().unwrap().len();
        let cold = start.elapsed();
        let start = Instant::now();
        drop(reader.latest_all().unwrap());
        println!(
            "latest: {} series of {found} devices: {:.1} ms on a new connection, {:.1} ms after that",
            found * metrics,
            cold.as_secs_f64() * 1e3,
            start.elapsed().as_secs_f64() * 1e3
        );
    }
}
