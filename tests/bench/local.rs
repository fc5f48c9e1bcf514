//! T11 and T12: bytes per value kept, and how fast the local history answers.

use std::path::Path;
use std::sync::Arc;

use orderly_core::ids::{ClassId, DeviceId, MetricId, StreamId, ZoneId};
use orderly_core::reading::{Marks, Measured, Origin, Reading};
use orderly_core::time::Timestamp;
use orderly_core::value::{Quality, Value};
use orderly_store::series::{Query, SeriesReader, SeriesStore};

use crate::flood::now;
use crate::measure::quantile;

/// Midnight.
const T0: i64 = 1_789_948_800_000;
/// Seconds of a day.
const DAY: usize = 86_400;
/// Readings that are taken in at once.
const AT_ONCE: usize = 2_000;
/// Series of which the latest value is asked for.
const SERIES: usize = 100_000;

/// Measures all.
pub fn run() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let vitals = day(dir.path(), 2, 10, 1_000, false)?;
    let mut reader = SeriesReader::open(dir.path())?;
    let query = Query { metrics: vec![MetricId::new("m0")?], ..Query::all(DeviceId::new("d-0")?) };
    let mut times = Vec::new();
    let mut points = 0;
    for _ in 0..9 {
        let started = now();
        points = reader.points(&query)?.len();
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    let dir = tempfile::tempdir()?;
    let states = day(dir.path(), 20, 8, 10_000, true)?;
    println!(
        "T11 bytes per value kept, vitals / states          {vitals:.2} / {states:.2} (floor 2.0 / 0.5, aim 1.4 / 0.2)"
    );
    let (first, again, found) = latest()?;
    println!(
        "T12 one series-day ({points} points) read           {:.1} ms (floor 5, aim 2)",
        quantile(&mut times, 0.5)
    );
    println!(
        "T12 latest value of {found} series                {again:.1} ms, on a new connection {first:.1} (floor 50, aim 10)\n"
    );
    Ok(())
}

/// Numbers that are the same each time.
struct Dice(u64);

impl Dice {
    const fn roll(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Takes in a day of some devices, seals it and gives the bytes per value.
fn day(dir: &Path, devices: usize, metrics: usize, every_ms: i64, states: bool) -> anyhow::Result<f64> {
    let total = devices * DAY * 1_000 / usize::try_from(every_ms)?;
    let mut levels = vec![vec![360_u64; metrics]; devices];
    let mut dice = Dice(11);
    let mut store = SeriesStore::open(dir)?;
    let names: Vec<MetricId> =
        (0..metrics).map(|m| MetricId::new(&format!("m{m}"))).collect::<Result<_, _>>()?;
    let tokens: [Arc<str>; 2] = ["free".into(), "occupied".into()];
    let mut batch = Vec::with_capacity(AT_ONCE);
    for n in 0..total {
        let at = T0 + i64::try_from(n / devices)? * every_ms;
        let mut values = Vec::with_capacity(metrics);
        for (name, level) in names.iter().zip(&mut levels[n % devices]) {
            let value = if states {
                *level ^= u64::from(dice.roll(300) == 0);
                Value::State(Arc::clone(&tokens[usize::from(*level % 2 == 1)]))
            } else {
                if dice.roll(3) == 0 {
                    *level = (*level + dice.roll(5)).saturating_sub(2).clamp(300, 2_000);
                }
                Value::Number(*level as f64 / 10.0)
            };
            values.push((name.clone(), value));
        }
        let seq = u64::try_from(n)? + 1;
        batch.push(reading(seq, n % devices, at, dice.roll(30), values)?);
        if batch.len() == AT_ONCE || n + 1 == total {
            store.apply(batch[0].origin.seq, seq, &batch)?;
            while store.seal(Timestamp(at))?.more {}
            batch.clear();
        }
    }
    while store.seal(Timestamp(i64::MAX))?.more {}
    store.flush()?;
    drop(store);
    let bytes = std::fs::metadata(dir.join("series.db"))?.len();
    Ok(bytes as f64 / (total * metrics) as f64)
}

fn reading(
    seq: u64,
    device: usize,
    at: i64,
    delay: u64,
    values: Vec<(MetricId, Value)>,
) -> anyhow::Result<Reading> {
    Ok(Reading {
        origin: Origin { seq, index: 0 },
        device: DeviceId::new(&format!("d-{device}"))?,
        class: ClassId::new("bedside_monitor")?,
        epoch: 0,
        stream: StreamId::new("vitals")?,
        device_time: Some(Timestamp(at)),
        taken_at: Timestamp(at),
        received_at: Timestamp(at + 5 + i64::try_from(delay)?),
        sequence: Some(seq),
        offset_ns: u32::try_from(seq % 1_000_000)?,
        profile: 7,
        marks: Marks::default(),
        zone: Some(ZoneId::new("icu-1")?),
        values: values
            .into_iter()
            .map(|(metric, value)| Measured {
                metric,
                value,
                unit: "".into(),
                quality: Quality::Good,
                reason: None,
                raw: None,
            })
            .collect(),
    })
}

/// Milliseconds on a new connection and again, and how many there were.
fn latest() -> anyhow::Result<(f64, f64, usize)> {
    let dir = tempfile::tempdir()?;
    let mut store = SeriesStore::open(dir.path())?;
    for part in 0..SERIES / 10_000 {
        let batch = (part * 10_000..(part + 1) * 10_000)
            .map(|n| {
                let seq = u64::try_from(n)? + 1;
                reading(seq, n, T0, 1, vec![(MetricId::new("occupied")?, Value::State("free".into()))])
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        store.apply(batch[0].origin.seq, u64::try_from((part + 1) * 10_000)?, &batch)?;
    }
    let mut reader = SeriesReader::open(dir.path())?;
    let started = now();
    let found = reader.latest_all()?.len();
    let first = started.elapsed().as_secs_f64() * 1_000.0;
    let started = now();
    reader.latest_all()?;
    Ok((first, started.elapsed().as_secs_f64() * 1_000.0, found))
}
